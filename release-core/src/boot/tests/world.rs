//! A cloud and a machine that fit into a test: what takes time takes so many looks.

mod cloud;

use std::collections::BTreeMap;

use crate::boot::{
    Announced, Answer, Boot, Ended, Fault, InstanceIdentity, Looked, Mounted, Opened, Orders, Step,
};
use crate::cloud::{
    Attachment, AttachmentState, ClientToken, CloudFault, Encryption, HookResult, NewVolume,
    Snapshot, SnapshotState, TAG_FLEET, TAG_GENERATION, TAG_RELEASE, Tags, Volume, VolumeKind,
    VolumeSource, VolumeState, tagged_generation,
};
use crate::{
    DeviceName, Digest, FileSystem, Generation, Label, Marker, Moment, OnFailure, Pointer,
    ReleaseId, SnapshotId, Verify, VolumeId,
};

/// More steps than any boot takes that ends at all.
const MOST_STEPS: usize = 600;

/// All that there is, outside the machine under test.
#[derive(Clone)]
pub(super) struct World {
    pub(super) me: InstanceIdentity,
    pub(super) orders: Orders,
    pub(super) announced: Option<Announced>,
    /// The generation that is announced at a place that is asked first, and has fallen behind.
    pub(super) behind: Option<u64>,
    pub(super) refuse_pointer: bool,
    pub(super) snapshots: BTreeMap<SnapshotId, (Snapshot, Option<Marker>)>,
    pub(super) volumes: BTreeMap<VolumeId, Disk>,
    tokens: BTreeMap<ClientToken, (NewVolume, VolumeId)>,
    made: u32,
    opened: Option<VolumeId>,
    pub(super) mounted: Option<VolumeId>,
    /// Something is mounted that is no volume.
    pub(super) foreign: bool,
    pub(super) busy: bool,
    pub(super) identified: bool,
    pub(super) seen: Option<Generation>,
    pub(super) fstab: Option<VolumeId>,
    pub(super) in_group: bool,
    pub(super) hooks: Vec<HookResult>,
    /// So many attachments do not come up.
    pub(super) stuck: u32,
    /// So many volumes end in an error.
    pub(super) doomed: u32,
    /// Devices do not show up, though they are attached.
    pub(super) blind: bool,
    pub(super) corrupt: bool,
    /// All steps that were done, but for waits.
    pub(super) log: Vec<Step>,
}

/// A volume, what is on it, and how often it still has to be looked at before its state goes on.
#[derive(Clone)]
pub(super) struct Disk {
    pub(super) volume: Volume,
    pub(super) marker: Option<Marker>,
    looks: u8,
    stuck: bool,
}

/// What goes wrong at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The call is not made.
    LoseRequest,
    /// The call is made, and its answer lost.
    LoseAnswer,
    /// There were too many.
    Throttle,
    /// The process dies before the step.
    Kill,
    /// The process dies after it, without having noticed.
    KillAfter,
    /// The deadline passes, the step is done all the same.
    Expire,
    /// The next release is published.
    Publish,
    /// The next release is pushed to what is mounted, and published.
    Push,
}

pub(super) fn release(generation: u64) -> ReleaseId {
    ReleaseId::new(Digest::of(&generation.to_le_bytes()))
}

pub(super) fn marker(generation: u64) -> Marker {
    Marker {
        release: release(generation),
        generation: Generation::new(generation),
    }
}

pub(super) fn snapshot_id(generation: u64) -> SnapshotId {
    format!("snap-{generation:017x}").parse().unwrap()
}

pub(super) fn pointer(generation: u64) -> Pointer {
    Pointer {
        generation: Generation::new(generation),
        release: release(generation),
        snapshot: snapshot_id(generation),
        region: "us-east-1".parse().unwrap(),
        account: "123456789012".parse().unwrap(),
        volume_gib: 1,
        file_system: FileSystem::Ext4,
        label: None,
        created: Moment::from_unix_millis(0),
        previous: None,
        who: Label::cut("test"),
    }
}

fn device(name: &str) -> DeviceName {
    name.parse().unwrap()
}

impl World {
    /// Generation 5 is published, and nothing else is there.
    pub(super) fn new() -> Self {
        let mut world = Self {
            me: InstanceIdentity {
                instance: "i-0123456789abcdef0".parse().unwrap(),
                zone: "us-east-1a".parse().unwrap(),
                region: "us-east-1".parse().unwrap(),
                account: "123456789012".parse().unwrap(),
            },
            orders: Orders {
                allow_unsigned: false,
                attempts: 3,
                interval: std::time::Duration::from_secs(1),
                on_failure: OnFailure::Fail,
                hook: Some("ready".parse().unwrap()),
                fstab: true,
                verify: Verify::Marker,
                kind: VolumeKind::Gp3,
                throughput: None,
                iops: None,
                initialization_rate: None,
                encryption: Encryption::Inherited,
            },
            announced: None,
            behind: None,
            refuse_pointer: false,
            snapshots: BTreeMap::new(),
            volumes: BTreeMap::new(),
            tokens: BTreeMap::new(),
            made: 0,
            opened: None,
            mounted: None,
            foreign: false,
            busy: false,
            identified: true,
            seen: None,
            fstab: None,
            in_group: true,
            hooks: Vec::new(),
            stuck: 0,
            doomed: 0,
            blind: false,
            corrupt: false,
            log: Vec::new(),
        };
        world.publish(5);
        world
    }

    /// Publishes a generation, with a snapshot that is tagged.
    pub(super) fn publish(&mut self, generation: u64) {
        let (id, pointer) = (snapshot_id(generation), pointer(generation));
        let snapshot = Snapshot {
            id: id.clone(),
            owner: self.me.account.clone(),
            volume: "vol-0fedcba9876543210".parse().unwrap(),
            state: SnapshotState::Completed,
            progress: 100,
            started: Moment::from_unix_millis(0),
            size_gib: 1,
            encrypted: false,
            description: String::new(),
            tags: Tags::from([
                (TAG_FLEET.to_owned(), "web".to_owned()),
                (TAG_GENERATION.to_owned(), generation.to_string()),
                (TAG_RELEASE.to_owned(), release(generation).to_string()),
            ]),
        };
        self.snapshots
            .insert(id, (snapshot, Some(marker(generation))));
        self.announced = Some(Announced::Signed(Box::new(pointer)));
    }

    fn announced_at(&self, least: Option<Generation>) -> Option<Announced> {
        match self.behind {
            Some(behind) if Some(Generation::new(behind)) >= least => {
                Some(Announced::Signed(Box::new(pointer(behind))))
            }
            _ => self.announced.clone(),
        }
    }

    pub(super) fn announced_generation(&self) -> Option<u64> {
        match &self.announced {
            Some(Announced::Signed(pointer)) => Some(pointer.generation.get()),
            _ => None,
        }
    }

    /// Boots until the end, whatever happens. Something may go wrong at each step, counted from 0.
    pub(super) fn boot(&mut self, mut trouble: impl FnMut(usize) -> Option<Trouble>) -> Ended {
        let mut boot = Boot::new(self.orders.clone(), self.me.clone());
        for number in 0..MOST_STEPS {
            let step = boot.next();
            if let Step::End(ended) = step {
                assert_eq!(boot.ended(), Some(&ended));
                return ended;
            }
            let trouble = trouble(number);
            match trouble {
                Some(Trouble::Kill) => boot = self.reborn(),
                Some(Trouble::KillAfter) => {
                    self.perform(&step);
                    boot = self.reborn();
                }
                Some(Trouble::Expire) => {
                    self.perform(&step);
                    boot.expire();
                }
                trouble => boot.tell(self.troubled(&step, trouble)),
            }
        }
        panic!("it does not end: {:?}", boot.next());
    }

    /// The next process, with nothing of the last one: not even what only that had open.
    fn reborn(&mut self) -> Boot {
        self.opened = None;
        Boot::new(self.orders.clone(), self.me.clone())
    }

    fn troubled(&mut self, step: &Step, trouble: Option<Trouble>) -> Answer {
        match trouble {
            Some(Trouble::LoseRequest) if is_call(step) => lost(),
            Some(Trouble::Throttle) if is_call(step) => {
                Answer::Failed(Fault::Cloud(CloudFault::Throttled))
            }
            Some(Trouble::LoseAnswer) if is_call(step) => {
                self.perform(step);
                lost()
            }
            Some(Trouble::Publish) => {
                self.next_release(false);
                self.perform(step)
            }
            Some(Trouble::Push) => {
                self.next_release(true);
                self.perform(step)
            }
            _ => self.perform(step),
        }
    }

    fn next_release(&mut self, is_pushed: bool) {
        let next = self.announced_generation().unwrap() + 1;
        self.publish(next);
        if let Some(mounted) = self.mounted.as_ref().filter(|_| is_pushed) {
            self.volumes.get_mut(mounted).unwrap().marker = Some(marker(next));
        }
    }

    fn perform(&mut self, step: &Step) -> Answer {
        if !matches!(step, Step::Wait(_)) {
            self.log.push(step.clone());
        }
        self.answer(step).unwrap_or_else(Answer::Failed)
    }

    fn answer(&mut self, step: &Step) -> Result<Answer, Fault> {
        Ok(match step {
            Step::Look => Answer::Looked(self.look()),
            Step::FindGroup => Answer::Group(self.in_group.then(|| "web".parse().unwrap())),
            Step::ReadPointer { .. } if self.refuse_pointer => return Err(Fault::Refused),
            Step::ReadPointer { least } => match self.announced_at(*least) {
                Some(announced) => Answer::Pointer(announced),
                None => return Err(Fault::Unreachable),
            },
            Step::Probe | Step::Hide if self.busy => return Err(Fault::Busy),
            Step::Hide => {
                self.mounted = None;
                Answer::Done
            }
            Step::FindSnapshot(id) => {
                let found = self.snapshots.get(id);
                Answer::Snapshot(found.map(|(snapshot, _)| Box::new(snapshot.clone())))
            }
            Step::HighestTag { fleet } => Answer::Highest(self.highest(fleet)),
            Step::ListAttached(_) => self.list(|volume, me| volume.attachment_to(me).is_some()),
            Step::ListTagged(tags) => self.list(|volume, _| {
                tags.iter()
                    .all(|(key, value)| volume.tags.get(key) == Some(value))
            }),
            Step::CreateVolume(request) => Answer::Volume(Some(Box::new(self.create(request)?))),
            Step::LookAtVolume(id) => Answer::Volume(self.look_at(id).map(Box::new)),
            Step::Attach { volume, device, .. } => self.attach(volume, device)?,
            Step::FindDevice { volume, .. } => self.find_device(volume)?,
            Step::EndWithInstance { device, .. } => self.end_with_instance(device)?,
            Step::Open { volume, .. } => self.open(volume)?,
            Step::Show(volume) if self.mounted.as_ref() == Some(volume) => {
                self.opened = None;
                Answer::Done
            }
            Step::Show(volume) if self.opened.as_ref() == Some(volume) => {
                assert_eq!(self.mounted, None, "one mount over another");
                self.mounted = self.opened.take();
                Answer::Done
            }
            Step::Show(_) => return Err(Fault::Broken),
            Step::Verify(_) if self.corrupt => return Err(Fault::Refused),
            Step::Close(_) => {
                self.opened = None;
                Answer::Done
            }
            Step::WriteFstab { volume, .. } => {
                self.fstab = Some(volume.clone());
                Answer::Done
            }
            Step::Record(generation) => {
                self.seen = self.seen.max(Some(*generation));
                Answer::Done
            }
            Step::CompleteLifecycle(_, result) => {
                self.hooks.push(*result);
                Answer::Done
            }
            Step::Detach { volume, .. } => self.detach(volume)?,
            Step::Delete(volume) => self.delete(volume)?,
            Step::Probe | Step::Verify(_) | Step::Heartbeat(_) | Step::Wait(_) | Step::End(_) => {
                Answer::Done
            }
        })
    }

    fn look(&self) -> Looked {
        let foreign = self.foreign.then_some(Mounted {
            volume: None,
            marker: None,
        });
        let mounted = self.mounted.as_ref().map(|id| Mounted {
            volume: Some(id.clone()),
            marker: self.volumes[id].marker,
        });
        Looked {
            mounted: mounted.or(foreign),
            seen: self.seen,
        }
    }
}

fn lost() -> Answer {
    Answer::Failed(Fault::Cloud(CloudFault::Lost))
}

/// Whether a step is a call over a network.
fn is_call(step: &Step) -> bool {
    matches!(
        step,
        Step::FindSnapshot(_)
            | Step::HighestTag { .. }
            | Step::ListAttached(_)
            | Step::ListTagged(_)
            | Step::CreateVolume(_)
            | Step::LookAtVolume(_)
            | Step::Attach { .. }
            | Step::EndWithInstance { .. }
            | Step::CompleteLifecycle(..)
            | Step::Heartbeat(_)
            | Step::Detach { .. }
            | Step::Delete(_)
    )
}
