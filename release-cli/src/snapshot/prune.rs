//! Retention: snapshots that are not needed any more go.

use release_core::cloud::{Snapshot, SnapshotQuery, TAG_FLEET, Tags, tagged_generation};
use release_core::{Fate, Generation, Pointer, Retention};

use super::delete;
use crate::cloud::{OpenCloud, now};
use crate::failure::Failure;

/// All snapshots of a fleet.
pub(crate) fn all_snapshots(cloud: &OpenCloud, fleet: &str) -> Result<Vec<Snapshot>, Failure> {
    let tags = Tags::from([(TAG_FLEET.to_owned(), fleet.to_owned())]);
    Ok(cloud.run(cloud.port().snapshots(&SnapshotQuery::OwnTagged(tags)))?)
}

/// The generations that are on tags of a fleet's snapshots: none of them may be given out again.
pub(crate) fn generations(cloud: &OpenCloud, fleet: &str) -> Result<Vec<Generation>, Failure> {
    let all = all_snapshots(cloud, fleet)?;
    let tagged = all.iter().map(|snapshot| tagged_generation(&snapshot.tags));
    Ok(tagged.flatten().collect())
}

/// Finds out what of a fleet's snapshots goes, and deletes that; `only_look` leaves all as it is.
///
/// # Errors
/// When they can't be listed, or one can't be deleted: then the rest of them stays, too.
pub(crate) fn prune(
    cloud: &OpenCloud,
    fleet: &str,
    pointer: &Pointer,
    retention: Retention,
    only_look: bool,
) -> Result<Vec<Fate>, Failure> {
    let fates = retention.plan(fleet, pointer, &all_snapshots(cloud, fleet)?, now());
    if !only_look {
        // The oldest first: what an interrupt leaves is then what would have been kept the longest.
        for fate in fates.iter().rev().filter(|fate| fate.kept.is_none()) {
            delete(cloud, &fate.snapshot.id)?;
        }
    }
    Ok(fates)
}
