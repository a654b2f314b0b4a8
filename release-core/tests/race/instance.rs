//! An instance: its disks, what is mounted, and release-boot at work.

use std::collections::BTreeMap;

use release_core::boot::{Announced, Answer, Boot, Ended, Fault, Looked, Mounted, Opened, Step};
use release_core::cloud::{
    Attachment, AttachmentState, CloudFault, TAG_FLEET, TAG_INSTANCE, Tags, Volume, VolumeSource,
    VolumeState,
};
use release_core::{DeviceName, Generation, Moment, VolumeId};

use crate::things::{Gen, generation_of, identity, marker, orders, pointer, snapshot, snapshot_id};
use crate::world::Shared;

/// An instance, from its launch on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Instance {
    pub(crate) number: usize,
    /// In which tick it was launched.
    pub(crate) launched: u8,
    /// release-boot, while it runs.
    pub(crate) boot: Option<Box<Boot>>,
    disks: BTreeMap<u8, Disk>,
    made: u8,
    mounted: Option<u8>,
    /// What was pushed into the directory while nothing was mounted on it.
    beneath: Option<Gen>,
    seen: Option<Gen>,
    /// Does its application serve what is mounted?
    pub(crate) is_ready: bool,
    /// Would unmounting disturb the application?
    pub(crate) is_busy: bool,
    /// Pushes that have the tree open.
    pub(crate) visitors: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Disk {
    /// The generation whose snapshot it was made of.
    of: Gen,
    /// The generation that was put there last.
    holds: Gen,
    device: Option<DeviceName>,
    dies: bool,
}

/// Which tree a connection has open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Tree {
    Disk(u8),
    /// The directory that a mount hides.
    Beneath,
}

impl Instance {
    /// One that has long been in service with the first generation.
    pub(crate) fn old(number: usize) -> Self {
        let disk = Disk {
            of: 1,
            holds: 1,
            device: Some("/dev/sdf".parse().unwrap()),
            dies: true,
        };
        Self {
            boot: None,
            disks: BTreeMap::from([(1, disk)]),
            made: 1,
            mounted: Some(1),
            seen: Some(1),
            is_ready: true,
            is_busy: true,
            ..Self::launched(number, 0)
        }
    }

    /// One that begins.
    pub(crate) fn launched(number: usize, tick: u8) -> Self {
        Self {
            number,
            launched: tick,
            boot: Some(begin(number)),
            disks: BTreeMap::new(),
            made: 0,
            mounted: None,
            beneath: None,
            seen: None,
            is_ready: false,
            is_busy: false,
            visitors: 0,
        }
    }

    /// The timer starts release-boot again.
    pub(crate) fn reconcile(&mut self, is_busy: bool) {
        self.is_busy = is_busy;
        self.boot = Some(begin(self.number));
    }

    /// What its application serves.
    pub(crate) fn serves(&self) -> Option<Gen> {
        let mounted = self.mounted.filter(|_| self.is_ready)?;
        Some(self.disks[&mounted].holds)
    }

    /// Volumes that nothing is mounted of.
    pub(crate) fn strays(&self) -> usize {
        self.disks.len() - usize::from(self.mounted.is_some())
    }

    pub(crate) fn is_hidden(&self) -> bool {
        self.beneath.is_some() && self.mounted.is_some()
    }

    /// Somebody connects, and opens the tree as it is now.
    pub(crate) fn open(&mut self) -> Tree {
        match self.mounted {
            Some(disk) => {
                self.visitors += 1;
                Tree::Disk(disk)
            }
            None => Tree::Beneath,
        }
    }

    pub(crate) fn leave(&mut self, tree: Tree) {
        if let Tree::Disk(_) = tree {
            self.visitors -= 1;
        }
    }

    /// Makes a generation current in a tree that is open; `false` where a later one was there.
    pub(crate) fn put(&mut self, tree: Tree, generation: Gen) -> bool {
        let holds = match tree {
            Tree::Beneath => self.beneath.get_or_insert(0),
            Tree::Disk(disk) => &mut self.disks.get_mut(&disk).unwrap().holds,
        };
        let is_newer = *holds <= generation;
        *holds = generation.max(*holds);
        is_newer
    }

    /// Goes on with release-boot, up to the next thing that others take notice of.
    pub(crate) fn go_on(&mut self, shared: &mut Shared) {
        let Some(mut boot) = self.boot.take() else {
            return;
        };
        let mut is_first = true;
        loop {
            let step = boot.next();
            if let Step::End(ended) = step {
                self.ended(&ended);
                return;
            }
            if !is_first && is_noticed(&step) {
                break;
            }
            boot.tell(self.perform(step, shared));
            is_first = false;
        }
        self.boot = Some(boot);
    }

    fn ended(&mut self, ended: &Ended) {
        match ended {
            Ended::Ready(_) => self.is_ready = true,
            // What was in service goes on, as long as it is mounted.
            Ended::Failed { .. } => self.is_ready &= self.mounted.is_some(),
        }
    }

    fn perform(&mut self, step: Step, shared: &mut Shared) -> Answer {
        match step {
            Step::Look => Answer::Looked(self.look()),
            Step::FindGroup => Answer::Group(None),
            Step::ReadPointer { .. } => {
                let generation = shared.read(self.number);
                Answer::Pointer(Announced::Signed(Box::new(pointer(generation))))
            }
            Step::Probe | Step::Hide if self.is_in_use() => Answer::Failed(Fault::Busy),
            Step::Hide => {
                self.mounted = None;
                self.is_ready = false;
                Answer::Done
            }
            Step::FindSnapshot(id) => {
                let generation = generation_of(&id);
                let known = shared.snapshots.get(&generation);
                let found =
                    known.map(|known| snapshot(generation, known.is_usable, known.is_tagged));
                Answer::Snapshot(found.map(Box::new))
            }
            Step::HighestTag { .. } => {
                let tagged = shared.snapshots.iter().filter(|(_, known)| known.is_tagged);
                let highest = tagged.map(|(generation, _)| *generation).max();
                Answer::Highest(highest.map(|highest| Generation::new(u64::from(highest))))
            }
            Step::ListAttached(_) | Step::ListTagged(_) => {
                Answer::Volumes(self.disks.keys().map(|disk| self.show(*disk)).collect())
            }
            Step::CreateVolume(request) => {
                let VolumeSource::Snapshot { id, .. } = request.source else {
                    panic!("a volume of nothing is made");
                };
                self.create(generation_of(&id), shared)
            }
            Step::LookAtVolume(id) => Answer::Volume(self.known(&id)),
            Step::Attach { volume, device, .. } => {
                self.with(&volume, |disk| disk.device = Some(device))
            }
            Step::EndWithInstance { device, .. } => {
                let mut disks = self.disks.values_mut();
                disks
                    .find(|disk| disk.device == Some(device.clone()))
                    .unwrap()
                    .dies = true;
                Answer::Done
            }
            Step::Open { volume, .. } => Answer::Opened(Opened {
                marker: Some(marker(self.disks[&number_of(&volume)].holds)),
                identified: true,
            }),
            Step::Show(volume) => {
                self.mounted = Some(number_of(&volume));
                Answer::Done
            }
            Step::Record(generation) => {
                self.seen = Some(u8::try_from(generation.get()).unwrap());
                Answer::Done
            }
            Step::Detach { volume, .. } => self.with(&volume, |disk| disk.device = None),
            Step::Delete(volume) => {
                self.disks.remove(&number_of(&volume));
                Answer::Done
            }
            Step::End(_) => unreachable!("the end is no step to be done"),
            _ => Answer::Done,
        }
    }

    fn look(&self) -> Looked {
        Looked {
            mounted: self.mounted.map(|disk| Mounted {
                volume: Some(volume_id(disk)),
                marker: Some(marker(self.disks[&disk].holds)),
            }),
            seen: self.seen.map(|seen| Generation::new(u64::from(seen))),
        }
    }

    fn is_in_use(&self) -> bool {
        self.visitors > 0 || (self.is_ready && self.is_busy)
    }

    fn create(&mut self, of: Gen, shared: &Shared) -> Answer {
        match shared.snapshots.get(&of) {
            None => Answer::Failed(Fault::Cloud(CloudFault::NotFound)),
            Some(known) if !known.is_usable => {
                Answer::Failed(Fault::Cloud(CloudFault::IncorrectState))
            }
            Some(_) => {
                self.made += 1;
                let disk = Disk {
                    of,
                    holds: of,
                    device: None,
                    dies: false,
                };
                self.disks.insert(self.made, disk);
                Answer::Volume(Some(Box::new(self.show(self.made))))
            }
        }
    }

    fn with(&mut self, id: &VolumeId, change: impl FnOnce(&mut Disk)) -> Answer {
        match self.disks.get_mut(&number_of(id)) {
            None => Answer::Failed(Fault::Cloud(CloudFault::NotFound)),
            Some(disk) => {
                change(disk);
                Answer::Done
            }
        }
    }

    fn known(&self, id: &VolumeId) -> Option<Box<Volume>> {
        let number = number_of(id);
        self.disks.get(&number).map(|_| Box::new(self.show(number)))
    }

    fn show(&self, number: u8) -> Volume {
        let disk = &self.disks[&number];
        let me = identity(self.number);
        Volume {
            id: volume_id(number),
            state: match disk.device {
                Some(_) => VolumeState::InUse,
                None => VolumeState::Available,
            },
            zone: me.zone,
            size_gib: 1,
            snapshot: Some(snapshot_id(disk.of)),
            created: Moment::from_unix_millis(0),
            attachments: disk
                .device
                .iter()
                .map(|device| Attachment {
                    instance: me.instance.clone(),
                    device: device.clone(),
                    state: AttachmentState::Attached,
                    delete_on_termination: disk.dies,
                })
                .collect(),
            tags: Tags::from([
                (TAG_FLEET.to_owned(), "web".to_owned()),
                (TAG_INSTANCE.to_owned(), me.instance.to_string()),
            ]),
        }
    }
}

fn begin(number: usize) -> Box<Boot> {
    Box::new(Boot::new(orders(), identity(number)))
}

/// Does anybody but the instance itself change what the step finds, or find what it changes? All other steps
/// may be taken to happen at once with the one before: in which order others act makes no difference to them.
/// Snapshots are among these, since the one that a pointer names stays as it is; that is a promise of its own.
fn is_noticed(step: &Step) -> bool {
    matches!(
        step,
        Step::Look
            | Step::ReadPointer { .. }
            | Step::Probe
            | Step::HighestTag { .. }
            | Step::Hide
            | Step::Show(_)
    )
}

fn volume_id(number: u8) -> VolumeId {
    format!("vol-{number:08x}").parse().unwrap()
}

fn number_of(volume: &VolumeId) -> u8 {
    u8::from_str_radix(&volume.as_str()["vol-".len()..], 16).unwrap()
}
