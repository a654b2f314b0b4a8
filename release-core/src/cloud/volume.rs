//! Volumes.

use super::states::states;
use super::{ClientToken, Tags};
use crate::{DeviceName, InstanceId, Moment, SnapshotId, VolumeId, Zone};

/// A volume, as it was when it was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Volume {
    /// Its id.
    pub id: VolumeId,
    /// How far it is.
    pub state: VolumeState,
    /// Where it is; only instances of this zone can have it.
    pub zone: Zone,
    /// Size in GiB.
    pub size_gib: u32,
    /// The snapshot that it was made of.
    pub snapshot: Option<SnapshotId>,
    /// When it was made.
    pub created: Moment,
    /// What it is attached to, or was a moment ago. More than one only where a volume may have several.
    pub attachments: Vec<Attachment>,
    /// Its tags.
    pub tags: Tags,
}

states!(
    /// How far a volume is.
    VolumeState {
        /// It is being made.
        Creating = "creating",
        /// It can be attached.
        Available = "available",
        /// It is attached to something, or about to be.
        InUse = "in-use",
        /// It is being deleted.
        Deleting = "deleting",
        /// It is gone.
        Deleted = "deleted",
        /// It could not be made.
        Error = "error",
    }
);

/// A volume as a device of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Attachment {
    /// The instance.
    pub instance: InstanceId,
    /// What EC2 calls the device.
    pub device: DeviceName,
    /// How far it is.
    pub state: AttachmentState,
    /// Whether the volume is deleted when the instance ends.
    pub delete_on_termination: bool,
}

states!(
    /// How far an attachment is.
    AttachmentState {
        /// The device is not there yet.
        Attaching = "attaching",
        /// The device is there.
        Attached = "attached",
        /// The device is going away.
        Detaching = "detaching",
        /// The device is gone.
        Detached = "detached",
        /// The instance does not let go of it.
        Busy = "busy",
    }
);

/// A volume to make.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NewVolume {
    /// What is on it.
    pub source: VolumeSource,
    /// Where.
    pub zone: Zone,
    /// Its type. Default where none is known better: gp3.
    pub kind: VolumeKind,
    /// MiB a second, for gp3; `None`: the type's default.
    pub throughput: Option<u32>,
    /// Operations a second, for gp3 and io2; `None`: the type's default.
    pub iops: Option<u32>,
    /// MiB a second with which it is filled from its snapshot before it is read, 100 to 300; `None`: it is
    /// filled as it is read. EC2 charges for it.
    pub initialization_rate: Option<u32>,
    /// Whether it is encrypted.
    pub encryption: Encryption,
    /// Set with its making.
    pub tags: Tags,
    /// One token makes one volume, however often it is sent.
    pub token: ClientToken,
}

/// What is on a new volume.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum VolumeSource {
    /// What the snapshot shows.
    Snapshot {
        /// The snapshot.
        id: SnapshotId,
        /// Size in GiB, at least the snapshot's; `None`: the snapshot's.
        size_gib: Option<u32>,
    },
    /// Nothing.
    Blank {
        /// Size in GiB.
        size_gib: u32,
    },
}

states!(
    /// A volume's type.
    VolumeKind {
        /// General purpose, third generation.
        Gp3 = "gp3",
        /// General purpose, second generation.
        Gp2 = "gp2",
        /// Provisioned operations.
        Io2 = "io2",
        /// Provisioned operations, first generation.
        Io1 = "io1",
    }
);

/// Whether a volume is encrypted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Encryption {
    /// As the snapshot is, and as the account's settings are.
    #[default]
    Inherited,
    /// With the account's default key.
    DefaultKey,
    /// With this KMS key: its id, ARN or alias.
    Key(String),
}

/// Which volumes to list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum VolumeQuery {
    /// These. Those that don't exist are left out.
    Ids(Vec<VolumeId>),
    /// Those that have all of these tags.
    Tagged(Tags),
    /// Those that are attached to this instance, about to be, or not quite detached.
    AttachedTo(InstanceId),
}

impl Volume {
    /// How it is attached to `instance`, if it is or is about to be.
    pub fn attachment_to(&self, instance: &InstanceId) -> Option<&Attachment> {
        self.attachments.iter().find(|attachment| {
            attachment.instance == *instance && attachment.state != AttachmentState::Detached
        })
    }
}
