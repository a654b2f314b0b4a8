//! What a local fleet remembers, and how it goes on with the time.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Fault;
use crate::cloud::TAG_GROUP;
use crate::cloud::{Attachment, AttachmentState, Instance, InstanceState, Lifecycle, Tags, Volume};
use crate::cloud::{Snapshot, SnapshotState, VolumeState};
use crate::{
    AccountId, DeviceName, GroupName, HookName, InstanceId, Moment, SnapshotId, VolumeId, Zone,
};

/// The state file's content. States are not stored but follow from times: nothing has to run for a pending
/// snapshot to become a completed one.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct State {
    /// The last number that an id was made of.
    pub last: u64,
    pub delays: Delays,
    pub faults: Vec<Fault>,
    pub groups: BTreeMap<GroupName, GroupRecord>,
    pub instances: BTreeMap<InstanceId, InstanceRecord>,
    pub volumes: BTreeMap<VolumeId, VolumeRecord>,
    pub snapshots: BTreeMap<SnapshotId, SnapshotRecord>,
}

/// How long things take in a local fleet, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Delays {
    /// Until an instance runs. Default: 300.
    pub launch: u64,
    /// Until a new instance is listed. Default: 0.
    pub listing: u64,
    /// From an instance's end until it is gone. Default: 200.
    pub end: u64,
    /// Until a volume is available. Default: 100.
    pub volume: u64,
    /// Until an attached volume's device is there. Default: 100.
    pub attach: u64,
    /// Until a detached volume is available. Default: 100.
    pub detach: u64,
    /// Until a snapshot is completed. Default: 500.
    pub snapshot: u64,
}

impl Default for Delays {
    fn default() -> Self {
        Self {
            launch: 300,
            listing: 0,
            end: 200,
            volume: 100,
            attach: 100,
            detach: 100,
            snapshot: 500,
        }
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct GroupRecord {
    pub tags: Tags,
    /// Holds what is launched.
    pub hook: Option<HookRecord>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct HookRecord {
    pub name: HookName,
    /// In milliseconds; what is held longer is abandoned.
    pub timeout: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct InstanceRecord {
    pub group: Option<GroupName>,
    pub zone: Zone,
    pub launched: Moment,
    pub listed: Moment,
    pub running: Moment,
    /// Until when a hook holds it.
    pub held: Option<Moment>,
    /// When its end began.
    pub ended: Option<Moment>,
    /// Stopped, in its group's warm pool.
    pub asleep: bool,
    pub tags: Tags,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct VolumeRecord {
    pub zone: Zone,
    pub size_gib: u32,
    pub snapshot: Option<SnapshotId>,
    pub created: Moment,
    pub available: Moment,
    pub failed: bool,
    pub deleted: bool,
    pub attachment: Option<AttachmentRecord>,
    pub tags: Tags,
    pub token: String,
    /// Digest of the request, to tell another one with the same token.
    pub request: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct AttachmentRecord {
    pub instance: InstanceId,
    pub device: DeviceName,
    /// `None`: it never will be.
    pub attached: Option<Moment>,
    /// Since the detaching began.
    pub detached: Option<Moment>,
    pub delete_on_termination: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SnapshotRecord {
    pub owner: AccountId,
    pub volume: VolumeId,
    pub started: Moment,
    pub completed: Moment,
    pub failed: bool,
    pub size_gib: u32,
    pub description: String,
    pub tags: Tags,
}

pub(super) fn later(moment: Moment, millis: u64) -> Moment {
    moment.after(Duration::from_millis(millis))
}

impl State {
    /// 17 hexadecimal digits that no other id of this fleet has.
    pub(super) fn new_digits(&mut self) -> String {
        self.last = self.last.saturating_add(1);
        format!("{:017x}", self.last)
    }

    /// Ends what a hook held too long, and forgets attachments that are detached.
    pub(super) fn advance(&mut self, now: Moment) {
        for volume in self.volumes.values_mut() {
            let gone =
                |attachment: &AttachmentRecord| attachment.detached.is_some_and(|at| at <= now);
            if volume.attachment.as_ref().is_some_and(gone) {
                volume.attachment = None;
            }
        }
        let overdue: Vec<_> = self
            .instances
            .iter()
            .filter(|(_, one)| one.ended.is_none() && one.held.is_some_and(|until| until <= now))
            .map(|(id, _)| id.clone())
            .collect();
        for id in &overdue {
            self.end_instance(id, now);
        }
    }

    /// An instance's end: its volumes go with it, or are free again.
    pub(super) fn end_instance(&mut self, id: &InstanceId, now: Moment) {
        if let Some(instance) = self.instances.get_mut(id) {
            instance.ended.get_or_insert(now);
        }
        for volume in self.volumes.values_mut() {
            if let Some(attachment) = volume.attachment.take_if(|one| one.instance == *id) {
                volume.deleted |= attachment.delete_on_termination;
            }
        }
    }
}

impl InstanceRecord {
    pub(super) fn state(&self, now: Moment, delays: &Delays) -> InstanceState {
        match self.ended {
            Some(ended) if later(ended, delays.end) <= now => InstanceState::Terminated,
            Some(_) => InstanceState::ShuttingDown,
            None if self.asleep => InstanceState::Stopped,
            None if now < self.running => InstanceState::Pending,
            None => InstanceState::Running,
        }
    }

    pub(super) fn lifecycle(&self, now: Moment, delays: &Delays) -> Lifecycle {
        match self.state(now, delays) {
            InstanceState::Terminated => Lifecycle::Terminated,
            InstanceState::ShuttingDown => Lifecycle::Terminating,
            InstanceState::Stopped => Lifecycle::WarmedStopped,
            _ if self.held.is_some() && now >= self.running => Lifecycle::PendingWait,
            InstanceState::Pending => Lifecycle::Pending,
            _ => Lifecycle::InService,
        }
    }

    pub(super) fn show(&self, id: &InstanceId, now: Moment, delays: &Delays) -> Instance {
        let mut tags = self.tags.clone();
        if let Some(group) = &self.group {
            tags.insert(TAG_GROUP.to_owned(), group.as_str().to_owned());
        }
        Instance {
            id: id.clone(),
            state: self.state(now, delays),
            launched: self.launched,
            zone: self.zone.clone(),
            addresses: crate::cloud::Addresses::default(),
            tags,
        }
    }
}

impl VolumeRecord {
    pub(super) fn state(&self, now: Moment) -> VolumeState {
        if self.deleted {
            VolumeState::Deleted
        } else if now < self.available {
            VolumeState::Creating
        } else if self.failed {
            VolumeState::Error
        } else if self.attachment.is_some() {
            VolumeState::InUse
        } else {
            VolumeState::Available
        }
    }

    pub(super) fn show(&self, id: &VolumeId, now: Moment) -> Volume {
        Volume {
            id: id.clone(),
            state: self.state(now),
            zone: self.zone.clone(),
            size_gib: self.size_gib,
            snapshot: self.snapshot.clone(),
            created: self.created,
            attachments: self.attachment.iter().map(|one| one.show(now)).collect(),
            tags: self.tags.clone(),
        }
    }
}

impl AttachmentRecord {
    pub(super) fn state(&self, now: Moment) -> AttachmentState {
        match (self.attached, self.detached) {
            (_, Some(_)) => AttachmentState::Detaching,
            (Some(attached), None) if attached <= now => AttachmentState::Attached,
            _ => AttachmentState::Attaching,
        }
    }

    pub(super) fn show(&self, now: Moment) -> Attachment {
        Attachment {
            instance: self.instance.clone(),
            device: self.device.clone(),
            state: self.state(now),
            delete_on_termination: self.delete_on_termination,
        }
    }
}

impl SnapshotRecord {
    pub(super) fn state(&self, now: Moment) -> SnapshotState {
        if now < self.completed {
            SnapshotState::Pending
        } else if self.failed {
            SnapshotState::Error
        } else {
            SnapshotState::Completed
        }
    }

    /// In percent; 100 only when it is completed.
    fn progress(&self, now: Moment) -> u8 {
        if self.state(now) == SnapshotState::Completed {
            return 100;
        }
        let whole = self.completed.since(self.started).as_millis().max(1);
        let done = now.since(self.started).as_millis();
        u8::try_from(done.saturating_mul(100) / whole).map_or(99, |percent| percent.min(99))
    }

    pub(super) fn show(&self, id: &SnapshotId, now: Moment) -> Snapshot {
        Snapshot {
            id: id.clone(),
            owner: self.owner.clone(),
            volume: self.volume.clone(),
            state: self.state(now),
            progress: self.progress(now),
            started: self.started,
            size_gib: self.size_gib,
            encrypted: false,
            description: self.description.clone(),
            tags: self.tags.clone(),
        }
    }
}
