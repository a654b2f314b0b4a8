//! What is current, and whether it is there already.

use std::time::Duration;

use super::clear::Then;
use super::job::{Held, Job, Place};
use super::{Announced, Answer, Boot, Fault, Mounted, Phase, Reason, Source, Standing, Target};
use crate::cloud::{CloudFault, HeldInstance, Snapshot, SnapshotState, TAG_FLEET, tagged_release};
use crate::{Expectation, Generation, GroupName, PointerError, SnapshotId};

/// Its refusal is the pointer's.
const READ_POINTER: &str = "read the pointer";

impl Boot {
    pub(super) fn looked(&mut self, answer: Answer) -> Phase {
        let Answer::Looked(looked) = answer else {
            return self.failed("look what is mounted", answer);
        };
        self.remembered = looked.seen;
        self.seen = looked.seen;
        self.mounted = looked.mounted;
        // Where something nameless will do, it may be mounted as well.
        let is_nameless = |mounted: &Mounted| mounted.marker.is_none();
        if self.mounted.as_ref().is_some_and(is_nameless) && !self.orders.allow_unsigned {
            return self.fail(Reason::ForeignMount);
        }
        match self.orders.hook {
            Some(_) => self.enter(Phase::Group),
            None => self.enter(Phase::Point),
        }
    }

    /// Not knowing the group is no failure yet: a new instance's tags may not be listed.
    pub(super) fn grouped(&mut self, answer: Answer) -> Phase {
        if let Answer::Group(Some(group)) = answer {
            self.held = self.held_in(group);
        }
        self.enter(Phase::Point)
    }

    /// The instance, as the hook that was ordered holds it in its group.
    pub(super) fn held_in(&self, group: GroupName) -> Option<HeldInstance> {
        let hook = self.orders.hook.clone()?;
        Some(HeldInstance {
            instance: self.me.instance.clone(),
            group,
            hook,
        })
    }

    pub(super) fn pointed(&mut self, answer: Answer) -> Phase {
        let announced = match answer {
            Answer::Pointer(announced) => announced,
            Answer::Failed(Fault::Unreachable) => return self.again(Phase::Point),
            other => return self.failed(READ_POINTER, other),
        };
        if matches!(announced, Announced::Bare(_)) && !self.orders.allow_unsigned {
            return self.fail(Reason::Unsigned);
        }
        let target = Target::of(announced);
        if let Err(error) = self.check(&target, None) {
            return self.doubt(target.generation, error);
        }
        self.seen = self
            .seen
            .max(target.pointer.as_ref().map(|pointer| pointer.generation));
        // A bare name says nothing of the mounted tree before its snapshot's tags are known.
        if target.release.is_some()
            && let Some(phase) = self.judge_mounted(&target)
        {
            return phase;
        }
        self.enter(Phase::Snapshot(target))
    }

    /// Holds a signed pointer against what this machine knows.
    fn check(&self, target: &Target, tagged: Option<Generation>) -> Result<(), PointerError> {
        let Some(pointer) = &target.pointer else {
            return Ok(());
        };
        pointer.check(&Expectation {
            account: self.me.account.clone(),
            region: self.me.region.clone(),
            seen: self.seen,
            tagged,
        })
    }

    /// One that stays too old, or is not for here, is refused.
    fn doubt(&mut self, generation: Option<Generation>, error: PointerError) -> Phase {
        let is_old = matches!(
            error,
            PointerError::OlderThanSeen { .. } | PointerError::OlderThanTagged { .. }
        );
        if is_old && self.may_doubt(generation) {
            let phase = self.start_over();
            self.pause = Some(Duration::from_millis(500));
            return phase;
        }
        self.fail(Reason::Unfit(error.to_string()))
    }

    /// What follows from what is mounted; `None`: nothing is, or what is has been judged before.
    pub(super) fn judge_mounted(&mut self, target: &Target) -> Option<Phase> {
        let mounted = self.mounted.clone()?;
        Some(match target.standing(mounted.marker.as_ref(), None) {
            Standing::Current | Standing::Newer => {
                let Mounted { marker, volume } = mounted;
                let settling = self.settling(target, marker, volume, Source::Mounted);
                self.settle(settling)
            }
            Standing::Stale => self.enter(Phase::Probe(target.clone())),
            Standing::Wrong => self.fail(Reason::ForeignMount),
        })
    }

    /// Asked before anything is made: a busy tree would be asked for again at every turn of the timer.
    pub(super) fn probed(&mut self, target: Target, answer: Answer) -> Phase {
        self.idle = answer == Answer::Done;
        match answer {
            Answer::Done if target.fleet.is_empty() => self.enter(Phase::Snapshot(target)),
            Answer::Done => self.enter(Phase::Tags(target)),
            Answer::Failed(Fault::Busy) => self.fail(Reason::Busy),
            other => self.failed("look whether the mounted release is idle", other),
        }
    }

    pub(super) fn found(&mut self, target: Target, answer: Answer) -> Phase {
        match answer {
            Answer::Snapshot(Some(snapshot)) => self.use_snapshot(target, &snapshot),
            Answer::Snapshot(None) => self.lost_snapshot(&target.snapshot),
            Answer::Failed(fault) if self.may_repeat(fault) => self.again(Phase::Snapshot(target)),
            other => self.failed("find the snapshot", other),
        }
    }

    /// A snapshot that is gone was replaced: the pointer tells by which, unless it is not seen to move.
    fn lost_snapshot(&mut self, snapshot: &SnapshotId) -> Phase {
        if self.rounds >= super::MOST_ROUNDS {
            return self.fail(Reason::NoSnapshot(snapshot.clone()));
        }
        let phase = self.start_over();
        self.pause = Some(Duration::from_secs(self.rounds.into()));
        phase
    }

    fn use_snapshot(&mut self, target: Target, snapshot: &Snapshot) -> Phase {
        if snapshot.owner != self.me.account {
            return self.fail(Reason::Owner {
                snapshot: target.snapshot,
                owner: snapshot.owner.clone(),
            });
        }
        let is_tagged = snapshot.tags.contains_key(TAG_FLEET);
        let release = tagged_release(&snapshot.tags);
        let is_other = target.release.is_some() && release.is_some() && release != target.release;
        if is_other || !is_tagged && target.pointer.is_some() {
            return self.fail(Reason::Tags(target.snapshot));
        }
        match &snapshot.state {
            SnapshotState::Completed => {}
            SnapshotState::Pending => return self.again(Phase::Snapshot(target)),
            state => {
                return self.fail(Reason::Snapshot {
                    snapshot: target.snapshot,
                    state: state.clone(),
                });
            }
        }
        let is_bare = target.pointer.is_none();
        let target = target.complete(snapshot);
        if is_bare
            && target.release.is_some()
            && let Some(phase) = self.judge_mounted(&target)
        {
            return phase;
        }
        self.enter(Phase::Tags(target))
    }

    pub(super) fn tagged(&mut self, target: Target, answer: Answer) -> Phase {
        let highest = match answer {
            Answer::Highest(highest) => highest,
            Answer::Failed(fault) if self.may_repeat(fault) => {
                return self.again(Phase::Tags(target));
            }
            other => return self.failed("look at the snapshots' tags", other),
        };
        match self.check(&target, highest) {
            Err(error) => {
                // Another place may have what is current.
                if matches!(error, PointerError::OlderThanTagged { .. }) {
                    self.tagged = self.tagged.max(highest);
                }
                self.doubt(target.generation, error)
            }
            Ok(()) => self.enter(Phase::Job(Box::new(Job::new(target)))),
        }
    }

    /// The pointer, read once more when the release is shown.
    pub(super) fn confirm(&mut self, job: Job, place: Place, answer: Answer) -> Phase {
        let announced = match answer {
            Answer::Pointer(announced) => announced,
            Answer::Failed(Fault::Unreachable) => return self.repeat(job),
            other => return self.failed_in(job, READ_POINTER, other),
        };
        let now = Target::of(announced);
        if now.pointer.is_none() && !self.orders.allow_unsigned {
            return self.give_up(job, Reason::Unsigned);
        }
        match self.check(&now, None) {
            Ok(()) => {}
            Err(PointerError::OlderThanSeen { .. }) if self.may_doubt(now.generation) => {
                return self.repeat(job);
            }
            Err(error) => return self.give_up(job, Reason::Unfit(error.to_string())),
        }
        let stays = match now.release {
            Some(_) => matches!(
                now.standing(place.marker.as_ref(), None),
                Standing::Current | Standing::Newer
            ),
            None => now.snapshot == job.target.snapshot,
        };
        if !stays {
            let chores = job.undo(&self.orders, &self.me);
            return self.clear(chores, Then::StartOver);
        }
        // The present pointer may have another number, and name another snapshot of the same release.
        let shown = Target {
            generation: now.generation.or(job.target.generation),
            ..job.target
        };
        let Held { id, source, .. } = place.volume;
        let settling = self.settling(&shown, place.marker, Some(id), source);
        self.settle(settling.retiring(job.stale.into_iter().chain(job.strays)))
    }

    /// Fails for a step, with nothing to clear away.
    pub(super) fn failed(&mut self, step: &'static str, answer: Answer) -> Phase {
        let reason = Reason::of(step, &answer);
        self.fail(reason)
    }
}

impl Reason {
    /// Why a step failed that had this answer, which is none to go on with.
    pub(super) fn of(step: &'static str, answer: &Answer) -> Self {
        match answer {
            Answer::Failed(Fault::Refused) if step == READ_POINTER => Self::Pointer,
            Answer::Failed(fault) => Self::Step(step, *fault),
            _ => Self::Confused(step),
        }
    }
}

/// Whether something is not there, in the words of any of the services.
pub(super) const fn is_gone(fault: CloudFault) -> bool {
    matches!(fault, CloudFault::NotFound | CloudFault::Invalid)
}
