//! Snapshots.

use super::Tags;
use super::states::states;
use crate::{AccountId, Moment, SnapshotId, VolumeId};

/// A snapshot, as it was when it was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Snapshot {
    /// Its id.
    pub id: SnapshotId,
    /// Whose it is.
    pub owner: AccountId,
    /// The volume that it was made of.
    pub volume: VolumeId,
    /// How far it is.
    pub state: SnapshotState,
    /// How much of it is copied, in percent, 0 to 100.
    pub progress: u8,
    /// When it was asked for: the point in time that it shows.
    pub started: Moment,
    /// Size of its volume in GiB.
    pub size_gib: u32,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// In words.
    pub description: String,
    /// Its tags.
    pub tags: Tags,
}

states!(
    /// How far a snapshot is.
    SnapshotState {
        /// It is being copied: no volume should be made of it yet.
        Pending = "pending",
        /// It can be used.
        Completed = "completed",
        /// It can't be used, ever.
        Error = "error",
        /// It is in the archive and can't be used.
        Recoverable = "recoverable",
        /// It is on its way out of the archive.
        Recovering = "recovering",
    }
);

/// A snapshot to make.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NewSnapshot {
    /// Of which volume.
    pub volume: VolumeId,
    /// In words, at most 255 characters.
    pub description: String,
    /// Set with its making: there is no moment at which it has none.
    pub tags: Tags,
}

/// Which snapshots to list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SnapshotQuery {
    /// These, whoever owns them. Those that don't exist are left out.
    Ids(Vec<SnapshotId>),
    /// Our own account's that have all of these tags.
    OwnTagged(Tags),
}
