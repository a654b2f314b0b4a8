//! What is cleared away: after a failure, before starting over, and when a release was replaced.

use std::collections::VecDeque;

use super::job::Job;
use super::settle::Settling;
use super::{Answer, Boot, Ended, Fault, MOST_TRIES, Phase, Reason, Step};
use crate::cloud::{CloudFault, HeldInstance, HookResult, NewVolume};
use crate::{InstanceId, OnFailure, VolumeId};

/// Things to clear away, one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Clearing {
    chores: VecDeque<Chore>,
    then: Then,
    /// What could not be cleared away.
    left: Vec<VolumeId>,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Chore {
    /// Unmount what was shown of a volume.
    Hide(VolumeId),
    Close(VolumeId),
    Detach(VolumeId, InstanceId),
    Delete(VolumeId),
    /// Ask again for a volume that may have been made, to learn which it is, and delete it.
    Learn(Box<NewVolume>),
    /// Open, and show, what was there before.
    Reopen(VolumeId),
    Reshow(VolumeId),
    /// Find out the group, to abandon the instance.
    Group,
    Abandon(HeldInstance),
}

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Then {
    /// It failed.
    Fail(Reason),
    /// It begins again with the pointer.
    StartOver,
    /// It goes on with the next volume.
    Job(Box<Job>),
    /// It is ready, but for what remains to be done at the end.
    Settle(Box<Settling>),
}

impl Chore {
    /// What takes a volume off the instance, and away.
    pub(super) fn removal(volume: &VolumeId, instance: &InstanceId) -> [Self; 2] {
        let detach = Self::Detach(volume.clone(), instance.clone());
        [detach, Self::Delete(volume.clone())]
    }

    /// The volume that is the worse for it if this is not done.
    fn volume(&self) -> Option<&VolumeId> {
        match self {
            Self::Hide(volume) | Self::Detach(volume, _) | Self::Delete(volume) => Some(volume),
            _ => None,
        }
    }
}

impl Clearing {
    pub(super) fn next(&self) -> Step {
        match self.chores.front() {
            Some(Chore::Hide(_)) => Step::Hide,
            Some(Chore::Close(volume)) => Step::Close(volume.clone()),
            Some(Chore::Detach(volume, instance)) => Step::Detach {
                volume: volume.clone(),
                instance: instance.clone(),
            },
            Some(Chore::Delete(volume)) => Step::Delete(volume.clone()),
            Some(Chore::Learn(request)) => Step::CreateVolume(request.clone()),
            Some(Chore::Reopen(volume)) => Step::Open {
                volume: volume.clone(),
                device: None,
                file_system: None,
            },
            Some(Chore::Reshow(volume)) => Step::Show(volume.clone()),
            Some(Chore::Group) => Step::FindGroup,
            Some(Chore::Abandon(held)) => {
                Step::CompleteLifecycle(held.clone(), HookResult::Abandon)
            }
            // Never there: without chores there is no clearing.
            None => Step::Wait(std::time::Duration::ZERO),
        }
    }

    /// Why it failed, if it has.
    pub(super) const fn failure(&self) -> Option<&Reason> {
        match &self.then {
            Then::Fail(reason) => Some(reason),
            _ => None,
        }
    }

    /// How it ends if nothing more is done.
    pub(super) fn ended(self) -> Ended {
        let mut left = self.left;
        for chore in &self.chores {
            left.extend(chore.volume().cloned());
        }
        left.sort();
        left.dedup();
        match self.then {
            Then::Settle(mut settling) => {
                settling.leave(left);
                Ended::Ready(settling.cut_short())
            }
            Then::Fail(reason) => Ended::Failed { reason, left },
            // The deadline comes first, and makes failures of these.
            Then::StartOver | Then::Job(_) => Ended::Failed {
                reason: Reason::Deadline("clear away"),
                left,
            },
        }
    }
}

impl Boot {
    /// Does some chores, and then goes on.
    pub(super) fn clear(&mut self, chores: Vec<Chore>, then: Then) -> Phase {
        let mut clearing = Clearing {
            chores: chores.into(),
            then,
            left: Vec::new(),
        };
        if matches!(clearing.then, Then::Fail(_)) {
            clearing.chores.extend(self.amends());
        }
        self.next_chore(clearing)
    }

    /// What a failure asks for besides: the old release is shown again, and the hook is told.
    fn amends(&mut self) -> Vec<Chore> {
        let mut chores = Vec::new();
        if let Some(volume) = self.displaced.take() {
            chores.push(Chore::Reopen(volume.clone()));
            chores.push(Chore::Reshow(volume));
        }
        if self.orders.on_failure == OnFailure::Abandon && self.orders.hook.is_some() {
            chores.push(match &self.held {
                Some(held) => Chore::Abandon(held.clone()),
                None => Chore::Group,
            });
        }
        chores
    }

    fn next_chore(&mut self, clearing: Clearing) -> Phase {
        if !clearing.chores.is_empty() {
            return self.enter(Phase::Clear(Box::new(clearing)));
        }
        match clearing.then {
            Then::StartOver => self.start_over(),
            Then::Job(job) => self.next_candidate(*job),
            Then::Settle(mut settling) => {
                settling.leave(clearing.left);
                self.next_act(*settling)
            }
            Then::Fail(_) => Phase::End(clearing.ended()),
        }
    }

    pub(super) fn cleared(&mut self, mut clearing: Clearing, answer: Answer) -> Phase {
        let Some(chore) = clearing.chores.front().cloned() else {
            return self.next_chore(clearing);
        };
        if let Answer::Failed(fault) = answer
            && (self.may_repeat(fault) || self.may_yet(&chore, fault))
        {
            return self.again(Phase::Clear(Box::new(clearing)));
        }
        clearing.chores.pop_front();
        match (chore, answer) {
            (Chore::Hide(_), Answer::Done) => self.mounted = None,
            // Still mounted: its device must stay.
            (Chore::Hide(volume), _) => {
                let stays = |chore: &Chore| {
                    chore.volume() == Some(&volume)
                        || matches!(chore, Chore::Reopen(_) | Chore::Reshow(_))
                };
                clearing.chores.retain(|chore| !stays(chore));
                clearing.left.push(volume);
            }
            (
                Chore::Delete(_),
                Answer::Done | Answer::Failed(Fault::Cloud(CloudFault::NotFound)),
            ) => {}
            (Chore::Delete(volume), _) => clearing.left.push(volume),
            (Chore::Learn(_), Answer::Volume(Some(volume))) => {
                clearing.chores.push_front(Chore::Delete(volume.id));
            }
            (Chore::Reopen(volume), answer) if !matches!(answer, Answer::Opened(_)) => {
                clearing
                    .chores
                    .retain(|chore| *chore != Chore::Reshow(volume.clone()));
            }
            (Chore::Group, Answer::Group(Some(group))) => {
                if let Some(held) = self.held_in(group) {
                    clearing.chores.push_front(Chore::Abandon(held));
                }
            }
            _ => {}
        }
        self.next_chore(clearing)
    }

    /// Whether a chore that failed may be possible in a moment: a volume is not detached at once.
    fn may_yet(&self, chore: &Chore, fault: Fault) -> bool {
        let waits = matches!(
            fault,
            Fault::Cloud(CloudFault::InUse | CloudFault::IncorrectState)
        );
        matches!(chore, Chore::Delete(_)) && waits && self.tries < MOST_TRIES
    }

    /// The deadline passed while something was being cleared away.
    pub(super) fn hurry(&mut self, mut clearing: Clearing, reason: Reason) -> Phase {
        match clearing.then {
            Then::Fail(_) | Then::Settle(_) => Phase::Clear(Box::new(clearing)),
            Then::StartOver => {
                clearing.then = Then::Fail(reason);
                clearing.chores.extend(self.amends());
                Phase::Clear(Box::new(clearing))
            }
            Then::Job(job) => {
                let undone = job.undo(&self.orders, &self.me);
                clearing.chores.extend(undone);
                clearing.chores.extend(self.amends());
                clearing.then = Then::Fail(reason);
                self.next_chore(clearing)
            }
        }
    }
}
