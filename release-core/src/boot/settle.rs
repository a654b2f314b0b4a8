//! The release is shown and proved: what remains is to tell, to tidy up, and to remember. None of it makes
//! the release unready.

use std::collections::{BTreeSet, VecDeque};

use super::clear::{Chore, Then};
use super::find::is_gone;
use super::job::{is_for, tags_of_ours};
use super::{Answer, Boot, Ended, Fault, Phase, Ready, Source, Step, Target};
use crate::cloud::{HeldInstance, HookResult, TAG_FLEET, Volume};
use crate::{FileSystem, Generation, InstanceId, Marker, SnapshotId, VolumeId};

/// How often the group is asked for where a hook may be waiting.
const MOST_QUESTIONS: u8 = 5;

/// What is done at the end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Settling {
    ready: Ready,
    /// The fleet, once it is known.
    fleet: Option<String>,
    /// Volumes that are not needed any more, whether a list shows them or not.
    useless: BTreeSet<VolumeId>,
    acts: VecDeque<Act>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Act {
    Fstab(VolumeId, Option<FileSystem>),
    Group,
    Complete(HeldInstance),
    /// Find out the fleet.
    Fleet(SnapshotId),
    /// Find volumes that were made for this instance and are not what it ended up with.
    Sweep,
    /// Remembered last: what a machine remembers, it has finished.
    Record(Generation),
}

impl Settling {
    /// With volumes that are not needed any more.
    pub(super) fn retiring(mut self, useless: impl IntoIterator<Item = VolumeId>) -> Self {
        self.useless.extend(useless);
        self
    }

    pub(super) fn next(&self, me: &InstanceId) -> Step {
        let nothing = Step::Wait(std::time::Duration::ZERO);
        match self.acts.front() {
            Some(Act::Fstab(volume, file_system)) => Step::WriteFstab {
                volume: volume.clone(),
                file_system: *file_system,
            },
            Some(Act::Group) => Step::FindGroup,
            Some(Act::Complete(held)) => {
                Step::CompleteLifecycle(held.clone(), HookResult::Continue)
            }
            Some(Act::Fleet(snapshot)) => Step::FindSnapshot(snapshot.clone()),
            Some(Act::Sweep) => match &self.fleet {
                Some(fleet) => Step::ListTagged(tags_of_ours(fleet, me)),
                None => nothing,
            },
            Some(Act::Record(generation)) => Step::Record(*generation),
            // Never there: without acts it has ended.
            None => nothing,
        }
    }

    /// As it is, whatever remains to be done.
    pub(super) fn cut_short(mut self) -> Ready {
        self.ready.left.extend(self.useless);
        self.ready
    }

    /// Adds what could not be deleted.
    pub(super) fn leave(&mut self, left: Vec<VolumeId>) {
        self.ready.left.extend(left);
    }

    /// What a list shows that is not needed any more, to be detached and deleted.
    fn sweep(&mut self, volumes: &[Volume], me: &InstanceId) -> Vec<Chore> {
        for volume in volumes.iter().filter(|volume| is_for(volume, me)) {
            // What is mounted has no name here: it may be any that is attached.
            let may_be_it = self.ready.volume.is_none() && !volume.attachments.is_empty();
            let is_elsewhere = volume.attachments.iter().any(|one| one.instance != *me);
            if !may_be_it && !is_elsewhere {
                self.useless.insert(volume.id.clone());
            }
        }
        if let Some(volume) = &self.ready.volume {
            self.useless.remove(volume);
        }
        let useless = std::mem::take(&mut self.useless);
        useless
            .iter()
            .flat_map(|volume| Chore::removal(volume, me))
            .collect()
    }
}

impl Boot {
    /// What is done at the end, with what is mounted as `marker` says.
    pub(super) fn settling(
        &self,
        target: &Target,
        marker: Option<Marker>,
        volume: Option<VolumeId>,
        source: Source,
    ) -> Settling {
        let mut acts = VecDeque::new();
        if self.orders.fstab {
            let written = volume.clone();
            acts.extend(written.map(|volume| Act::Fstab(volume, target.file_system)));
        }
        match (&self.held, &self.orders.hook) {
            (Some(held), _) => acts.push_back(Act::Complete(held.clone())),
            (None, Some(_)) => acts.push_back(Act::Group),
            (None, None) => {}
        }
        let fleet = Some(target.fleet.clone()).filter(|fleet| !fleet.is_empty());
        let is_finished = source == Source::Mounted
            && target.generation.is_some()
            && self.remembered == target.generation;
        if !is_finished {
            if fleet.is_none() {
                acts.push_back(Act::Fleet(target.snapshot.clone()));
            }
            acts.push_back(Act::Sweep);
            acts.extend(target.generation.map(Act::Record));
        }
        Settling {
            ready: Ready {
                marker,
                generation: target.generation,
                volume,
                source,
                left: Vec::new(),
            },
            fleet,
            useless: BTreeSet::new(),
            acts,
        }
    }

    /// Begins the end.
    pub(super) fn settle(&mut self, settling: Settling) -> Phase {
        // What was displaced is gone for good.
        self.displaced = None;
        self.next_act(settling)
    }

    pub(super) fn next_act(&mut self, settling: Settling) -> Phase {
        if settling.acts.is_empty() {
            return Phase::End(Ended::Ready(settling.cut_short()));
        }
        self.enter(Phase::Settle(Box::new(settling)))
    }

    pub(super) fn settled(&mut self, mut settling: Settling, answer: Answer) -> Phase {
        let Some(act) = settling.acts.front().cloned() else {
            return self.next_act(settling);
        };
        if self.may_settle_later(&act, &answer) {
            return self.again(Phase::Settle(Box::new(settling)));
        }
        settling.acts.pop_front();
        match (act, answer) {
            (Act::Group, Answer::Group(Some(group))) => {
                if let Some(held) = self.held_in(group) {
                    settling.acts.push_front(Act::Complete(held));
                }
            }
            (Act::Fleet(_), answer) => {
                if let Answer::Snapshot(Some(snapshot)) = answer {
                    settling.fleet = snapshot.tags.get(TAG_FLEET).cloned();
                }
                // Without a fleet there is nothing to look for.
                if settling.fleet.is_none() {
                    settling.acts.retain(|act| *act != Act::Sweep);
                }
            }
            (Act::Sweep, Answer::Volumes(volumes)) => {
                let chores = settling.sweep(&volumes, &self.me.instance);
                return self.clear(chores, Then::Settle(Box::new(settling)));
            }
            _ => {}
        }
        self.next_act(settling)
    }

    /// Whether something at the end did not succeed, and may yet.
    fn may_settle_later(&self, act: &Act, answer: &Answer) -> bool {
        match (act, answer) {
            (Act::Group, Answer::Group(None)) => self.tries < MOST_QUESTIONS,
            // An action that is not there any more is done.
            (Act::Complete(_), Answer::Failed(Fault::Cloud(fault))) if is_gone(*fault) => false,
            (_, Answer::Failed(fault)) => self.may_repeat(*fault),
            _ => false,
        }
    }
}
