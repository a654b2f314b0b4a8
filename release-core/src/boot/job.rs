//! The work on one target: which volumes there are, and which one is being made the release's.

use std::collections::BTreeSet;

use super::clear::Chore;
use super::{InstanceIdentity, Orders, Source, Step, Target};
use crate::cloud::{
    ClientToken, NewVolume, TAG_FLEET, TAG_GENERATION, TAG_INSTANCE, TAG_RELEASE, Tags, Volume,
    VolumeSource,
};
use crate::{DeviceName, Generation, InstanceId, Marker, SnapshotId, VolumeId};

/// The work on one target.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Job {
    pub(super) target: Target,
    /// Volumes that are attached and yet to be tried, the next one last.
    pub(super) candidates: Vec<Held>,
    /// Names that devices of this instance have, or could not have.
    pub(super) taken: BTreeSet<DeviceName>,
    /// Of making a volume: part of its token.
    pub(super) attempt: u8,
    /// How often a device did not come up under its name.
    pub(super) stuck: u8,
    /// Attached volumes of an earlier release, made for this instance: not needed once the new one is shown.
    pub(super) stale: Vec<VolumeId>,
    /// Volumes made for this instance that are attached to nothing, and of no use.
    pub(super) strays: Vec<VolumeId>,
    /// A volume may have been made whose id is not known.
    pub(super) in_doubt: bool,
    pub(super) task: Task,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Task {
    /// List what is attached.
    Attached,
    /// List what earlier tries made.
    Made,
    Create,
    /// Wait until it can be attached.
    Watch(Held),
    Attach(Held, DeviceName),
    /// Wait for the device, for the so manieth time.
    Device(Held, u32),
    /// Look why there is no device.
    Stalled(Held),
    /// Detach what is stuck.
    Unstick(Held),
    /// Let a new volume end with the instance, before anything else is done with it.
    Mark(Held),
    Open(Held),
    /// Let a volume that was found attached end with the instance.
    MarkFound(Place),
    Verify(Place),
    Hide(Place),
    Show(Place),
    Confirm(Place),
}

/// A volume in hand.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Held {
    pub(super) id: VolumeId,
    /// What EC2 calls its device, once it is to have one.
    pub(super) device: Option<DeviceName>,
    /// Whether it ends with the instance.
    pub(super) dies: bool,
    /// Whether it was made for this instance.
    pub(super) mine: bool,
    pub(super) source: Source,
    /// The snapshot that it was made of.
    pub(super) of: Option<SnapshotId>,
}

/// An open volume that is what it should be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) volume: Held,
    pub(super) marker: Option<Marker>,
}

impl Job {
    pub(super) fn new(target: Target) -> Self {
        Self {
            target,
            candidates: Vec::new(),
            taken: BTreeSet::new(),
            attempt: 0,
            stuck: 0,
            stale: Vec::new(),
            strays: Vec::new(),
            in_doubt: false,
            task: Task::Attached,
        }
    }

    /// The same work, at another task.
    pub(super) fn at(mut self, task: Task) -> Self {
        self.task = task;
        self
    }

    /// `least`: what the pointer has at least that is read once more.
    pub(super) fn next(
        &self,
        orders: &Orders,
        me: &InstanceIdentity,
        least: Option<Generation>,
    ) -> Step {
        let instance = || me.instance.clone();
        match &self.task {
            Task::Attached => Step::ListAttached(instance()),
            Task::Made => Step::ListTagged(tags_of_ours(&self.target.fleet, &me.instance)),
            Task::Create => Step::CreateVolume(Box::new(self.new_volume(orders, me))),
            Task::Watch(held) | Task::Stalled(held) => Step::LookAtVolume(held.id.clone()),
            Task::Attach(held, device) => Step::Attach {
                volume: held.id.clone(),
                instance: instance(),
                device: device.clone(),
            },
            Task::Device(held, _) => Step::FindDevice {
                volume: held.id.clone(),
                device: held.device.clone(),
            },
            Task::Unstick(held) => Step::Detach {
                volume: held.id.clone(),
                instance: instance(),
            },
            Task::Mark(held) | Task::MarkFound(Place { volume: held, .. }) => {
                match held.device.clone() {
                    Some(device) => Step::EndWithInstance {
                        instance: instance(),
                        device,
                    },
                    // It has none that EC2 knows of, so there is nothing to set.
                    None => Step::Wait(std::time::Duration::ZERO),
                }
            }
            Task::Open(held) => Step::Open {
                volume: held.id.clone(),
                device: held.device.clone(),
                file_system: self.target.file_system,
            },
            Task::Verify(place) => Step::Verify(place.volume.id.clone()),
            Task::Hide(_) => Step::Hide,
            Task::Show(place) => Step::Show(place.volume.id.clone()),
            Task::Confirm(_) => Step::ReadPointer { least },
        }
    }

    /// What undoes all that was done, but for volumes that were attached before.
    pub(super) fn undo(&self, orders: &Orders, me: &InstanceIdentity) -> Vec<Chore> {
        let mut chores = Vec::new();
        let held = match &self.task {
            Task::Attached | Task::Made => None,
            Task::Create => {
                if self.in_doubt {
                    chores.push(Chore::Learn(Box::new(self.new_volume(orders, me))));
                }
                None
            }
            Task::Watch(held)
            | Task::Attach(held, _)
            | Task::Device(held, _)
            | Task::Stalled(held)
            | Task::Unstick(held)
            | Task::Mark(held) => Some(held),
            Task::Open(held)
            | Task::MarkFound(Place { volume: held, .. })
            | Task::Verify(Place { volume: held, .. })
            | Task::Hide(Place { volume: held, .. }) => {
                chores.push(Chore::Close(held.id.clone()));
                Some(held)
            }
            Task::Show(Place { volume: held, .. }) => {
                chores.push(Chore::Hide(held.id.clone()));
                chores.push(Chore::Close(held.id.clone()));
                Some(held)
            }
            Task::Confirm(Place { volume: held, .. }) => {
                chores.push(Chore::Hide(held.id.clone()));
                Some(held)
            }
        };
        if let Some(held) = held.filter(|held| held.source != Source::Attached) {
            chores.extend(Chore::removal(&held.id, &me.instance));
        }
        chores.extend(self.strays.iter().cloned().map(Chore::Delete));
        chores
    }

    /// The same request each time that the same is to be made: a token must not be sent with another.
    fn new_volume(&self, orders: &Orders, me: &InstanceIdentity) -> NewVolume {
        let target = &self.target;
        let mut tags = tags_of_ours(&target.fleet, &me.instance);
        if let Some(generation) = target.generation {
            tags.insert(TAG_GENERATION.to_owned(), generation.to_string());
        }
        if let Some(release) = target.release {
            tags.insert(TAG_RELEASE.to_owned(), release.to_string());
        }
        let generation = target.generation.unwrap_or(Generation::new(0));
        NewVolume {
            source: VolumeSource::Snapshot {
                id: target.snapshot.clone(),
                size_gib: Some(target.least_gib).filter(|size| *size > 0),
            },
            zone: me.zone.clone(),
            kind: orders.kind.clone(),
            throughput: orders.throughput,
            iops: orders.iops,
            initialization_rate: orders.initialization_rate,
            encryption: orders.encryption.clone(),
            tags,
            token: ClientToken::of_volume(
                &me.instance,
                &target.snapshot,
                generation,
                u32::from(self.attempt),
            ),
        }
    }

    /// A name that no device of this instance has: those that AWS recommends for volumes.
    pub(super) fn free_name(&self) -> Option<DeviceName> {
        let names = ('f'..='p').filter_map(|letter| format!("/dev/sd{letter}").parse().ok());
        names.into_iter().find(|name| !self.taken.contains(name))
    }
}

impl Held {
    /// A volume that is attached to the instance, or may be.
    pub(super) fn of(volume: &Volume, instance: &InstanceId, source: Source) -> Self {
        let attachment = volume.attachment_to(instance);
        Self {
            id: volume.id.clone(),
            device: attachment.map(|attachment| attachment.device.clone()),
            dies: attachment.is_some_and(|attachment| attachment.delete_on_termination),
            mine: is_for(volume, instance),
            source,
            of: volume.snapshot.clone(),
        }
    }
}

/// The tags that all volumes have which a fleet's instance made for itself.
pub(super) fn tags_of_ours(fleet: &str, instance: &InstanceId) -> Tags {
    Tags::from([
        (TAG_FLEET.to_owned(), fleet.to_owned()),
        (TAG_INSTANCE.to_owned(), instance.to_string()),
    ])
}

/// Whether a volume was made for an instance.
pub(super) fn is_for(volume: &Volume, instance: &InstanceId) -> bool {
    volume.tags.get(TAG_INSTANCE).map(String::as_str) == Some(instance.as_str())
}
