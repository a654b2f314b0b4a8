//! What the instance is to run, and how a tree stands to it.

use super::Announced;
use crate::cloud::{Snapshot, TAG_FLEET, tagged_generation, tagged_release};
use crate::{FileSystem, Generation, Marker, Pointer, ReleaseId, SnapshotId};

/// What the instance is to run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// The snapshot that it is on.
    pub snapshot: SnapshotId,
    /// The generation that is current. Of a bare `snap.txt`, what the snapshot's tag says, if it has one.
    pub generation: Option<Generation>,
    /// The release that is current; likewise.
    pub release: Option<ReleaseId>,
    /// What is on the snapshot, if that is known.
    pub file_system: Option<FileSystem>,
    /// Least size of a volume, in GiB; 0: that of the snapshot.
    pub least_gib: u32,
    /// The signed pointer that says all this.
    pub pointer: Option<Box<Pointer>>,
    /// The fleet that the snapshot is tagged with; empty until it was found.
    pub fleet: String,
}

/// How a tree stands to what is current.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// It is what is current.
    Current,
    /// A later deploy put it there: it was pushed before the pointer was published.
    Newer,
    /// An earlier deploy put it there.
    Stale,
    /// It has the number of what is current, and is something else; or it does not say what it is.
    Wrong,
}

/// The fleet of a snapshot that has no tags, as old boot scripts' have none.
const UNTAGGED: &str = "release";

impl Target {
    pub(super) fn of(announced: Announced) -> Self {
        match announced {
            Announced::Signed(pointer) => Self {
                snapshot: pointer.snapshot.clone(),
                generation: Some(pointer.generation),
                release: Some(pointer.release),
                file_system: Some(pointer.file_system),
                least_gib: pointer.volume_gib,
                pointer: Some(pointer),
                fleet: String::new(),
            },
            Announced::Bare(snapshot) => Self {
                snapshot,
                generation: None,
                release: None,
                file_system: None,
                least_gib: 0,
                pointer: None,
                fleet: String::new(),
            },
        }
    }

    /// Takes over what the snapshot says: all of it, where nobody signed anything.
    pub(super) fn complete(mut self, snapshot: &Snapshot) -> Self {
        let fleet = snapshot.tags.get(TAG_FLEET).map(String::as_str);
        fleet.unwrap_or(UNTAGGED).clone_into(&mut self.fleet);
        self.least_gib = self.least_gib.max(snapshot.size_gib);
        if self.pointer.is_none() {
            self.generation = tagged_generation(&snapshot.tags);
            self.release = tagged_release(&snapshot.tags);
        }
        self
    }

    /// How a tree stands to this: its `marker`, and the snapshot that its volume was made `of`, which decides
    /// where nothing is known of the release.
    pub fn standing(&self, marker: Option<&Marker>, of: Option<&SnapshotId>) -> Standing {
        let Some(release) = self.release else {
            return match of {
                Some(snapshot) if *snapshot == self.snapshot => Standing::Current,
                _ => Standing::Stale,
            };
        };
        let Some(marker) = marker else {
            return Standing::Wrong;
        };
        match self.generation {
            _ if marker.release == release => Standing::Current,
            Some(generation) if marker.generation > generation => Standing::Newer,
            Some(generation) if marker.generation == generation => Standing::Wrong,
            _ => Standing::Stale,
        }
    }
}
