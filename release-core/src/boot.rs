//! How a new instance comes to its release, as a machine that does nothing itself.
//!
//! [`Boot`] says the next [`Step`] and is told the [`Answer`]. It reads no clock and makes no call, and it is a
//! plain value: a program drives it with EC2 and the kernel, a test with a world of its own, and a model
//! checker copies it and tries every order.
//!
//! ```text
//! look ─ group ─ pointer ─┬─ (mounted, and fresh) ──────────────────────────────┐
//!                         └─ idle? ─ snapshot ─ tags ─ attached ─┐              │
//!     ┌──────────────────────────────────────────────────────────┘              │
//!     ├─ each volume that is attached already: device ─ open ─ its marker ─┐    │
//!     └─ made ─ create ─ volume ─ attach ─ device ─ mark ─ open ─ proof ───┤    │
//!     ┌────────────────────────────────────────────────────────────────────┘    │
//!     └─ hide the old ─ show ─ fstab ─ pointer again ─ record ─ complete ─ clear ┴─ end
//! ```
//!
//! - **Every step can be repeated.** A process that is killed leaves nothing behind that the next one does not
//!   find: a volume is made by a token that is a function of what it is for, and is tagged as it is made.
//! - **Nothing wrong is ever seen.** A volume is opened before it is shown: its marker is compared with the pointer
//!   while no other process can see its files.
//! - **Nothing is leaked.** What this machine made and does not end up with is detached and deleted, also when
//!   the deadline [passes](Boot::expire).
//! - **It ends.** Starting over, because the pointer moved, is bounded; what only time can mend is bounded by
//!   the deadline, which is the driver's.

mod clear;
mod ending;
mod find;
mod job;
mod mount;
mod orders;
mod settle;
mod step;
mod target;
#[cfg(test)]
mod tests;
mod volume;

use std::time::Duration;

pub use ending::{Ended, Kind, Ready, Reason, Source};
pub use orders::Orders;
pub use step::{Announced, Answer, Fault, InstanceIdentity, Looked, Mounted, Opened, Step};
pub use target::{Standing, Target};

use crate::cloud::{CloudFault, HeldInstance};
use crate::{Generation, VolumeId};
use clear::{Clearing, Then};
use job::{Job, Task};
use settle::Settling;

/// How often it starts over because the pointer moved, or the snapshot was gone.
const MOST_ROUNDS: u8 = 5;
/// How often a pointer that looks too old is read again before it is refused: tags and pointers are not
/// seen to change at one moment.
const MOST_DOUBTS: u8 = 3;
/// How often what may mend itself, but mostly doesn't, is tried: missing credentials, a volume that can't be seen.
const MOST_TRIES: u8 = 12;

/// An instance on its way to its release. See the [module](self).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Boot {
    orders: Orders,
    me: InstanceIdentity,
    /// What is mounted where the release belongs.
    mounted: Option<Mounted>,
    /// The highest generation that this machine remembers: what came of it was finished.
    remembered: Option<Generation>,
    /// The highest generation that a pointer had, also in this boot.
    seen: Option<Generation>,
    /// The highest generation on tags, where a pointer was older than that.
    tagged: Option<Generation>,
    /// The hook that holds the instance, once its group is known.
    held: Option<HeldInstance>,
    /// What was mounted before, as long as it may have to be shown again.
    displaced: Option<VolumeId>,
    /// What is mounted was found idle.
    idle: bool,
    rounds: u8,
    /// A generation that looked too old, and how often.
    doubts: (Option<Generation>, u8),
    /// The deadline passed.
    late: bool,
    /// How often the present step was tried.
    tries: u8,
    /// The wait before the present step.
    pause: Option<Duration>,
    phase: Phase,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Phase {
    Look,
    Group,
    Heartbeat,
    Point,
    Probe(Target),
    Snapshot(Target),
    Tags(Target),
    Job(Box<Job>),
    Settle(Box<Settling>),
    Clear(Box<Clearing>),
    End(Ended),
}

impl Boot {
    /// An instance that begins, perhaps not for the first time.
    pub const fn new(orders: Orders, me: InstanceIdentity) -> Self {
        Self {
            orders,
            me,
            mounted: None,
            remembered: None,
            seen: None,
            tagged: None,
            held: None,
            displaced: None,
            idle: false,
            late: false,
            rounds: 0,
            doubts: (None, 0),
            tries: 0,
            pause: None,
            phase: Phase::Look,
        }
    }

    /// What is to be done now. The same, until [`tell`](Self::tell) is called.
    pub fn next(&self) -> Step {
        if let Some(pause) = self.pause {
            return Step::Wait(pause);
        }
        match &self.phase {
            Phase::Look => Step::Look,
            Phase::Group => Step::FindGroup,
            Phase::Heartbeat => match &self.held {
                Some(held) => Step::Heartbeat(held.clone()),
                None => Step::Wait(Duration::ZERO),
            },
            Phase::Point => Step::ReadPointer {
                least: self.least(),
            },
            Phase::Probe(_) => Step::Probe,
            Phase::Snapshot(target) => Step::FindSnapshot(target.snapshot.clone()),
            Phase::Tags(target) => Step::HighestTag {
                fleet: target.fleet.clone(),
            },
            Phase::Job(job) => job.next(&self.orders, &self.me, self.least()),
            Phase::Settle(settling) => settling.next(&self.me.instance),
            Phase::Clear(clearing) => clearing.next(),
            Phase::End(ended) => Step::End(ended.clone()),
        }
    }

    /// What came of the step. An answer that is none to it ends in failure, and changes nothing after the end.
    pub fn tell(&mut self, answer: Answer) {
        if self.pause.take().is_some() {
            return;
        }
        let phase = std::mem::replace(&mut self.phase, Phase::Point);
        self.phase = match phase {
            Phase::Look => self.looked(answer),
            Phase::Group => self.grouped(answer),
            Phase::Heartbeat => self.enter(Phase::Point),
            Phase::Point => self.pointed(answer),
            Phase::Probe(target) => self.probed(target, answer),
            Phase::Snapshot(target) => self.found(target, answer),
            Phase::Tags(target) => self.tagged(target, answer),
            Phase::Job(job) => self.worked(*job, answer),
            Phase::Settle(settling) => self.settled(*settling, answer),
            Phase::Clear(clearing) => self.cleared(*clearing, answer),
            Phase::End(ended) => Phase::End(ended),
        };
    }

    /// The deadline passed, whatever the step: its answer, if one still comes, is not told.
    ///
    /// The first time, what is unfinished is cleared away; that takes steps again, and time of its own. The
    /// second time it ends at once.
    pub fn expire(&mut self) {
        self.pause = None;
        let reason = Reason::Deadline(self.next().words());
        let is_last = std::mem::replace(&mut self.late, true);
        let phase = std::mem::replace(&mut self.phase, Phase::Point);
        self.phase = match phase {
            Phase::Job(mut job) => {
                // Whether it was made is not known.
                job.in_doubt |= matches!(job.task, Task::Create);
                self.give_up(*job, reason)
            }
            Phase::Settle(settling) => Phase::End(Ended::Ready(settling.cut_short())),
            Phase::Clear(clearing) if is_last => Phase::End(clearing.ended()),
            Phase::Clear(clearing) => self.hurry(*clearing, reason),
            Phase::End(ended) => Phase::End(ended),
            _ => self.fail(reason),
        };
    }

    /// What a pointer has at least that is not too old, as far as it is known.
    fn least(&self) -> Option<Generation> {
        self.seen.max(self.tagged)
    }

    /// How it ended, if it has.
    pub const fn ended(&self) -> Option<&Ended> {
        match &self.phase {
            Phase::End(ended) => Some(ended),
            _ => None,
        }
    }

    /// Why it fails, once it does: what follows is clearing away.
    pub const fn failure(&self) -> Option<&Reason> {
        match &self.phase {
            Phase::Clear(clearing) => clearing.failure(),
            Phase::End(Ended::Failed { reason, .. }) => Some(reason),
            _ => None,
        }
    }

    /// Goes on to another phase.
    fn enter(&mut self, phase: Phase) -> Phase {
        self.tries = 0;
        phase
    }

    /// Tries the same again after a while, which grows.
    fn again(&mut self, phase: Phase) -> Phase {
        let doubled = 250_u64 << self.tries.min(3);
        self.tries = self.tries.saturating_add(1).min(MOST_TRIES);
        self.pause = Some(Duration::from_millis(doubled));
        phase
    }

    /// Whether a failed call is to be made again: for as long as the deadline allows where the service may
    /// recover, a few times where there are no credentials, as there may be none in an instance's first seconds.
    const fn may_repeat(&self, fault: Fault) -> bool {
        match fault {
            Fault::Cloud(CloudFault::Throttled | CloudFault::Lost | CloudFault::Unavailable) => {
                true
            }
            Fault::Cloud(CloudFault::Credentials) => self.tries < MOST_TRIES,
            _ => false,
        }
    }

    /// Whether a pointer that looks too old is to be read again: it may have been replaced a moment ago, after
    /// it was read and before that was which it was compared with. One that stays so is believed to be old.
    fn may_doubt(&mut self, generation: Option<Generation>) -> bool {
        if self.doubts.0 != generation {
            self.doubts = (generation, 0);
        }
        self.doubts.1 += 1;
        self.doubts.1 <= MOST_DOUBTS
    }

    /// Begins again with the pointer, but not for ever.
    fn start_over(&mut self) -> Phase {
        if self.rounds >= MOST_ROUNDS {
            return self.fail(Reason::Restless {
                rounds: self.rounds,
            });
        }
        self.rounds += 1;
        match &self.held {
            // What takes longer than was thought should not be taken for dead.
            Some(_) => self.enter(Phase::Heartbeat),
            None => self.enter(Phase::Point),
        }
    }

    /// Fails with nothing to clear away.
    fn fail(&mut self, reason: Reason) -> Phase {
        self.clear(Vec::new(), Then::Fail(reason))
    }
}
