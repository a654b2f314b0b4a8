//! What dead deploys, and lost answers, have left.

use std::time::Duration;

use release_core::{Pointer, SnapshotId};

use super::{Deletion, Snapshots, delete, find, tag_published};
use crate::cloud::{OpenCloud, now};
use crate::failure::Failure;
use crate::state::{Begun, DeployLock, State};

/// After so long, what is not on any list is not made any more.
const FORGET: Duration = Duration::from_secs(15 * 60);

/// What became of something that was left over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LeftOver {
    /// It was deleted.
    Deleted(SnapshotId),
    /// It is what the pointer names, and says so now.
    Tagged(SnapshotId),
}

/// Sees to every snapshot that was begun and has no place: what the pointer names gets its tags, all else is
/// deleted. What is not to be seen stays in the ledger for a quarter of an hour.
///
/// # Errors
/// When the cloud can't be asked; what was not seen to stays in the ledger.
pub(crate) fn clean_up(
    cloud: &OpenCloud,
    state: &State,
    lock: &DeployLock<'_>,
    pointer: Option<&Pointer>,
) -> Result<Vec<LeftOver>, Failure> {
    let mut done = Vec::new();
    let all = state.begun()?;
    if all.is_empty() {
        return Ok(done);
    }
    let region = cloud.identity()?.region.clone();
    for begun in all.iter().filter(|begun| begun.region == region) {
        let found = find(cloud, begun)?;
        let is_old = now().since(begun.at) > FORGET;
        let mut is_over = !found.is_empty() || is_old;
        for snapshot in &found {
            match pointer.filter(|pointer| pointer.snapshot == snapshot.id) {
                Some(pointer) => {
                    tag_published(cloud, &snapshot.id, pointer.generation, pointer.created)?;
                    done.push(LeftOver::Tagged(snapshot.id.clone()));
                }
                None if delete(cloud, &snapshot.id)? == Deletion::NotSeen => is_over &= is_old,
                None => done.push(LeftOver::Deleted(snapshot.id.clone())),
            }
        }
        if is_over {
            lock.strike(&begun.tag)?;
        }
    }
    Ok(done)
}

impl Snapshots<'_> {
    /// Deletes what was begun in vain, as far as it is to be seen.
    pub(super) fn sweep(&self, begun: &Begun) -> Result<(), Failure> {
        let mut is_over = false;
        for snapshot in find(self.cloud, begun)? {
            is_over = delete(self.cloud, &snapshot.id)? == Deletion::Done;
        }
        match is_over {
            true => self.lock.strike(&begun.tag),
            false => Ok(()),
        }
    }
}
