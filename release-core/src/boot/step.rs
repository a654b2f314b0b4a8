//! What is to be done, and what came of it.

use std::time::Duration;

use super::Ended;
use crate::cloud::{CloudFault, HeldInstance, HookResult, NewVolume, Snapshot, Tags, Volume};
use crate::{
    AccountId, DeviceName, FileSystem, Generation, GroupName, InstanceId, Marker, Pointer, Region,
    SnapshotId, VolumeId, Zone,
};

/// Who boots, as the metadata service tells it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InstanceIdentity {
    /// The instance.
    pub instance: InstanceId,
    /// Its zone: volumes are made here.
    pub zone: Zone,
    /// Its region.
    pub region: Region,
    /// Its account.
    pub account: AccountId,
}

/// The next thing to do. Each may be done twice: after a crash, or when its answer was lost.
///
/// What can be answered is [`Answer::Failed`], and what the step names here.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Look what is mounted where the release belongs, and what this machine remembers:
    /// [`Answer::Looked`].
    Look,
    /// Which group is the instance in? [`Answer::Group`].
    FindGroup,
    /// Begin the hook's wait anew: [`Answer::Done`].
    Heartbeat(HeldInstance),
    /// Read the pointer, past every cache, and check its signature: [`Answer::Pointer`]. Of several places, the
    /// first that has at least this generation; where none has, the latest of what they have.
    ReadPointer {
        /// What this machine knows to have been published; `None` where it knows nothing.
        least: Option<Generation>,
    },
    /// Is nobody at work in what is mounted? [`Answer::Done`], or [`Fault::Busy`]. Nothing changes.
    Probe,
    /// Find a snapshot: [`Answer::Snapshot`].
    FindSnapshot(SnapshotId),
    /// Which is the highest generation that our own account's snapshots of this fleet are tagged with?
    /// [`Answer::Highest`].
    HighestTag {
        /// The value of [`TAG_FLEET`](crate::cloud::TAG_FLEET).
        fleet: String,
    },
    /// Which volumes are attached to the instance? [`Answer::Volumes`].
    ListAttached(InstanceId),
    /// Which volumes have these tags? [`Answer::Volumes`].
    ListTagged(Tags),
    /// Make a volume: [`Answer::Volume`].
    CreateVolume(Box<NewVolume>),
    /// Look at a volume: [`Answer::Volume`].
    LookAtVolume(VolumeId),
    /// Attach a volume: [`Answer::Done`].
    Attach {
        /// Which.
        volume: VolumeId,
        /// To which instance.
        instance: InstanceId,
        /// As which device.
        device: DeviceName,
    },
    /// Wait for a volume's device, for the orders' interval at most: [`Answer::Done`], or
    /// [`Fault::Missing`].
    FindDevice {
        /// The volume.
        volume: VolumeId,
        /// What EC2 calls its device.
        device: Option<DeviceName>,
    },
    /// Let the volume end with the instance: [`Answer::Done`].
    EndWithInstance {
        /// The instance.
        instance: InstanceId,
        /// What EC2 calls the volume's device.
        device: DeviceName,
    },
    /// Mount a volume so that nobody sees it yet, and read its marker: [`Answer::Opened`]. What is open
    /// already is only read.
    Open {
        /// The volume.
        volume: VolumeId,
        /// What EC2 calls its device.
        device: Option<DeviceName>,
        /// What is on it, if that is known.
        file_system: Option<FileSystem>,
    },
    /// Compare every file of the open volume with its manifest: [`Answer::Done`], or [`Fault::Refused`].
    Verify(VolumeId),
    /// Let go of an open volume that was not shown: [`Answer::Done`].
    Close(VolumeId),
    /// Show an open volume where the release belongs: [`Answer::Done`], also where it is shown already.
    Show(VolumeId),
    /// Unmount what is mounted where the release belongs: [`Answer::Done`], also where nothing is; or
    /// [`Fault::Busy`].
    Hide,
    /// Write the mount down in fstab: [`Answer::Done`].
    WriteFstab {
        /// The volume.
        volume: VolumeId,
        /// What is on it, if that is known.
        file_system: Option<FileSystem>,
    },
    /// Remember a pointer's generation: [`Answer::Done`].
    Record(Generation),
    /// End the hook's wait: [`Answer::Done`].
    CompleteLifecycle(HeldInstance, HookResult),
    /// Detach a volume: [`Answer::Done`].
    Detach {
        /// Which.
        volume: VolumeId,
        /// From which instance.
        instance: InstanceId,
    },
    /// Delete a volume: [`Answer::Done`].
    Delete(VolumeId),
    /// Wait, for so long at most: [`Answer::Done`], or any other.
    Wait(Duration),
    /// Nothing more.
    End(Ended),
}

impl Step {
    /// What is being done, in words, as in “make a volume”.
    pub const fn words(&self) -> &'static str {
        match self {
            Self::Look => "look what is mounted",
            Self::FindGroup => "find the instance's group",
            Self::Heartbeat(_) => "ask the hook for more time",
            Self::ReadPointer { .. } => "read the pointer",
            Self::Probe => "look whether the mounted release is idle",
            Self::FindSnapshot(_) => "find the snapshot",
            Self::HighestTag { .. } => "look at the snapshots' tags",
            Self::ListAttached(_) => "list attached volumes",
            Self::ListTagged(_) => "list volumes of earlier tries",
            Self::CreateVolume(_) => "make a volume",
            Self::LookAtVolume(_) => "look at the volume",
            Self::Attach { .. } => "attach the volume",
            Self::FindDevice { .. } => "find the device",
            Self::EndWithInstance { .. } => "let the volume end with the instance",
            Self::Open { .. } => "open the volume",
            Self::Verify(_) => "compare the files",
            Self::Close(_) => "let go of the volume",
            Self::Show(_) => "mount the release",
            Self::Hide => "unmount the release",
            Self::WriteFstab { .. } => "write to fstab",
            Self::Record(_) => "remember the generation",
            Self::CompleteLifecycle(..) => "complete the lifecycle action",
            Self::Detach { .. } => "detach the volume",
            Self::Delete(_) => "delete the volume",
            Self::Wait(_) => "wait",
            Self::End(_) => "end",
        }
    }
}

/// What came of a step.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// It is done.
    Done,
    /// It is not.
    Failed(Fault),
    /// What [`Step::Look`] saw.
    Looked(Looked),
    /// The instance's group; `None`: it is in none, or that can't be told yet.
    Group(Option<GroupName>),
    /// What is current, as it was announced.
    Pointer(Announced),
    /// The snapshot, if there is one.
    Snapshot(Option<Box<Snapshot>>),
    /// The highest generation, if any snapshot is tagged.
    Highest(Option<Generation>),
    /// Volumes.
    Volumes(Vec<Volume>),
    /// The volume, if there is one.
    Volume(Option<Box<Volume>>),
    /// What was opened.
    Opened(Opened),
}

/// Why a step failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// A call of the cloud failed.
    Cloud(CloudFault),
    /// There is no answer yet: no pointer could be read at any of its places.
    Unreachable,
    /// What was found must not be used: a signature that is not ours, files that are not the manifest's.
    Refused,
    /// Somebody is at work in what is mounted.
    Busy,
    /// The device is not there.
    Missing,
    /// It can't be shown that the device is the volume.
    Unidentified,
    /// Anything else that this machine can't do.
    Broken,
}

/// What is there before anything is done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Looked {
    /// What is mounted where the release belongs.
    pub mounted: Option<Mounted>,
    /// The highest generation that this machine remembers.
    pub seen: Option<Generation>,
}

/// What is mounted where the release belongs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mounted {
    /// The volume, where the device says so.
    pub volume: Option<VolumeId>,
    /// What the tree claims to be.
    pub marker: Option<Marker>,
}

/// What is current, as it was announced.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Announced {
    /// A pointer whose signature was found right.
    Signed(Box<Pointer>),
    /// A bare `snap.txt`, which nobody signed.
    Bare(SnapshotId),
}

/// What is on a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Opened {
    /// What the tree claims to be.
    pub marker: Option<Marker>,
    /// Whether the device itself said that it is the volume. One of Xen doesn't.
    pub identified: bool,
}
