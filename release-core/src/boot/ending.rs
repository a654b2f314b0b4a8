//! How a boot ends.

use super::Fault;
use crate::cloud::SnapshotState;
use crate::{AccountId, Generation, Marker, ReleaseId, SnapshotId, VolumeId};

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Ended {
    /// The release is mounted and proved.
    Ready(Ready),
    /// It is not.
    Failed {
        /// Why.
        reason: Reason,
        /// Volumes of ours that could not be deleted. They end with the instance, or are found by the next
        /// try.
        left: Vec<VolumeId>,
    },
}

/// What is mounted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ready {
    /// What the tree claims to be; `None` where nobody signed anything, and nothing says what it should be.
    pub marker: Option<Marker>,
    /// The generation of the pointer that it was held against, if it has one.
    pub generation: Option<Generation>,
    /// The volume, where it is known.
    pub volume: Option<VolumeId>,
    /// Where the volume comes from.
    pub source: Source,
    /// Volumes that were replaced and could not be deleted.
    pub left: Vec<VolumeId>,
}

/// Where a volume comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// It was mounted already.
    Mounted,
    /// It was attached already.
    Attached,
    /// An earlier try made it.
    Adopted,
    /// It was made.
    Made,
}

/// What kind of failure it is: the exit code says no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// It failed, and was cleared away.
    Failed,
    /// It was refused for safety.
    Refused,
    /// It took too long, or is busy: another try may go better.
    Late,
}

/// Why it failed. Where a step failed, the driver knows the error behind it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Reason {
    /// A pointer that the driver refused.
    #[error("the pointer is refused")]
    Pointer,
    /// A pointer that is not for here, or too old, in words.
    #[error("{0}")]
    Unfit(String),
    /// A bare `snap.txt` where that was not allowed.
    #[error("refused for safety: nobody signed the pointer, and `allow_unsigned` is not set")]
    Unsigned,
    /// Something that is no release is mounted where the release belongs.
    #[error("refused for safety: something else is mounted where the release belongs")]
    ForeignMount,
    /// Somebody else's snapshot.
    #[error("refused for safety: {snapshot} belongs to account {owner}")]
    Owner {
        /// Which.
        snapshot: SnapshotId,
        /// Whose.
        owner: AccountId,
    },
    /// A snapshot without our tags, or with those of another release.
    #[error("refused for safety: {0} is not tagged as a snapshot of this release")]
    Tags(SnapshotId),
    /// The device does not say that it is the volume.
    #[error("refused for safety: it can't be shown that the device is {0}")]
    Identity(VolumeId),
    /// What is on the volume is not what the pointer says.
    #[error("refused for safety: {volume} holds {}, and the pointer says {}",
        found.map_or_else(|| "no release".to_owned(), |marker| marker.release.short()),
        expected.map_or_else(|| "nothing".to_owned(), |release| release.short()))]
    Proof {
        /// The volume.
        volume: VolumeId,
        /// What it claims to hold.
        found: Option<Marker>,
        /// What it should hold.
        expected: Option<ReleaseId>,
    },
    /// Its files are not those of its manifest.
    #[error("refused for safety: the files on {0} are not what its manifest says")]
    Content(VolumeId),

    /// The snapshot is not there, whatever pointer was read.
    #[error("{0} is not there")]
    NoSnapshot(SnapshotId),
    /// The snapshot can't be used.
    #[error("{snapshot} is {state}")]
    Snapshot {
        /// Which.
        snapshot: SnapshotId,
        /// What it is instead of completed.
        state: SnapshotState,
    },
    /// No volume comes of it, however often.
    #[error("no volume could be made of {snapshot} in {attempts} attempts")]
    NoVolume {
        /// Of which snapshot.
        snapshot: SnapshotId,
        /// How often it was tried.
        attempts: u8,
    },
    /// No name is left for the device.
    #[error("the instance has no free device name from /dev/sdf to /dev/sdp")]
    NoDeviceName,
    /// The device does not show up.
    #[error("the device of {volume} was not there after {attempts} attempts")]
    NoDevice {
        /// Of which volume.
        volume: VolumeId,
        /// How often it was looked for.
        attempts: u32,
    },
    /// The pointer moved, or its snapshot was gone, each time.
    #[error("the pointer did not stay what it was in {rounds} rounds")]
    Restless {
        /// How often it was started over.
        rounds: u8,
    },
    /// A step that can't be done, and how it failed.
    #[error("it failed to {0}")]
    Step(&'static str, Fault),
    /// An answer that is none to the step.
    #[error("it was to {0}, and the answer makes no sense")]
    Confused(&'static str),

    /// The deadline passed, in the middle of this.
    #[error("the deadline passed: {0}")]
    Deadline(&'static str),
    /// What is mounted is stale, and somebody is at work in it.
    #[error("what is mounted is stale, and busy")]
    Busy,
}

impl Reason {
    /// Its kind.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Pointer
            | Self::Unfit(_)
            | Self::Unsigned
            | Self::ForeignMount
            | Self::Owner { .. }
            | Self::Tags(_)
            | Self::Identity(_)
            | Self::Proof { .. }
            | Self::Content(_) => Kind::Refused,
            Self::Deadline(_) | Self::Busy => Kind::Late,
            _ => Kind::Failed,
        }
    }
}
