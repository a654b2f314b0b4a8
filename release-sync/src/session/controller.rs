//! The controller's half of a session with one host.
//!
//! ```text
//! Greeting → Opening → Scanning → Staging → Staged → Committing → Over
//! ```
//! Everything that the host says is checked against what it may say in that phase; what is not
//! expected ends the session with [`Error::Protocol`].

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use release_core::{ReleaseId, escape};

mod hearing;
mod liveness;
mod phase;

pub(crate) use self::hearing::MOST_REFUSALS;

use self::hearing::protocol;
use self::liveness::Liveness;
use self::phase::Phase;
use super::asking::Asking;
use super::headway::Patience;
use super::outbox::Outbox;
use super::release::Release;
use crate::wire::{
    self, Begin, Decoder, FrameBytes, Have, Item, Planned, Refusal, Settled, Staged, ToAgent,
    VERSION, Want, Welcome, control,
};
use crate::{Counts, Error, HostState};

/// What a session is to bring about.
#[derive(Clone, Debug)]
pub(crate) enum Goal {
    /// The tree becomes a release that is not known yet: [`Controller::handle_release`] tells.
    Await,
    /// The tree becomes this release.
    Push(Arc<Release>),
    /// The tree becomes what the last commit displaced.
    Undo {
        /// Only if it claims to be this release. Else it has gone back before, and that is shown.
        from: Option<ReleaseId>,
        /// Only if it comes to this release.
        to: Option<ReleaseId>,
    },
    /// Nothing; only see what is there.
    Inspect,
    /// Nothing; only see what a push of this release would do.
    Plan(Arc<Release>),
}

/// What there is to tell.
#[derive(Debug)]
pub(crate) enum Step {
    /// The session went on.
    State(HostState),
    /// The host has answered.
    Welcome(Welcome),
    /// What the host has.
    Found(Have),
    /// Changes that a push would make.
    Items(Vec<Item>),
    /// What a push would do, and why it would be refused.
    Planned(Planned, Option<Error>),
    /// Staging went on.
    Progress {
        /// Files staged.
        files: u64,
        /// Their bytes.
        bytes: u64,
    },
    /// All is staged: [`Controller::commit`] or [`Controller::abort`] decides.
    Staged(Staged),
    /// The commit is done, and proven.
    Done(Settled),
}

/// While less than this waits to be sent, more is asked of the answers, in bytes.
const LOW_WATER: usize = 1 << 20;

/// The controller's half of a session.
#[derive(Debug)]
pub(crate) struct Controller {
    goal: Goal,
    begin: Begin,
    liveness: Liveness,
    phase: Phase,
    decoder: Decoder,
    outbox: Outbox,
    steps: VecDeque<Step>,
    asking: Asking,
    /// Where in all that is ever sent an answer ends, and how many files it brings for the first time.
    answers: VecDeque<(u64, u64)>,
    /// What the host has, while the release is waited for.
    found: Option<Have>,
    superuser: bool,
    refusals: Vec<Refusal>,
    items: u64,
    item_bytes: u64,
    /// What the commit makes current.
    target: Option<ReleaseId>,
    /// Was the last want sent?
    has_asked: bool,
    counts: Counts,
}

impl Controller {
    /// Prepares a session: greeting and `Begin` are ready to be sent.
    pub(crate) fn new(goal: Goal, begin: Begin, patience: Patience, now: Instant) -> Self {
        let mut outbox = Outbox::default();
        outbox.push(wire::greeting());
        outbox.push(control(&ToAgent::Begin(begin.clone())));
        Self {
            goal,
            begin,
            liveness: Liveness::new(patience, now),
            phase: Phase::Greeting,
            decoder: Decoder::default(),
            outbox,
            steps: VecDeque::new(),
            asking: Asking::default(),
            answers: VecDeque::new(),
            found: None,
            superuser: true,
            refusals: Vec::new(),
            items: 0,
            item_bytes: 0,
            target: None,
            has_asked: false,
            counts: Counts::default(),
        }
    }

    // -- what happened --

    /// A transport to the host is there. `opened` says that [`Self::opening`] was sent on it already.
    pub(crate) fn handle_connected(&mut self, opened: bool, now: Instant) {
        self.liveness.handle_connected(now);
        while opened && let Some(bytes) = self.outbox.front() {
            self.handle_transmitted(bytes.len(), now);
        }
    }

    /// Bytes came from the host.
    pub(crate) fn handle_bytes(&mut self, bytes: &[u8], now: Instant) -> Result<(), Error> {
        self.liveness.heard = now;
        self.counts.bytes_received += bytes.len() as u64;
        self.decoder.push(bytes);
        if self.phase == Phase::Greeting {
            match self.decoder.greeting().map_err(protocol)? {
                None => return Ok(()),
                Some(VERSION) => self.phase = Phase::Opening,
                Some(theirs) if theirs > VERSION => {
                    return Err(Error::NewerAgent {
                        theirs,
                        ours: VERSION,
                    });
                }
                Some(theirs) => {
                    return Err(Error::OlderAgent {
                        theirs,
                        ours: VERSION,
                    });
                }
            }
        }
        while let Some(frame) = self.decoder.frame().map_err(protocol)? {
            self.handle_frame(frame)?;
        }
        let begun = self.decoder.unread() as u64;
        self.liveness.headway.begin(begun, now);
        Ok(())
    }

    /// The host's stream ended. Fine once the session is over.
    pub(crate) fn handle_end(&self, stderr: &[u8]) -> Result<(), Error> {
        if self.phase == Phase::Over {
            return Ok(());
        }
        let noise = [self.decoder.noise(), stderr].concat();
        let said = &noise[noise.len().saturating_sub(500)..];
        Err(Error::Disconnected {
            doing: self.phase.doing(),
            stderr: escape(said.trim_ascii()),
        })
    }

    /// The first `count` bytes of what [`Self::poll_transmit`] gave were sent.
    pub(crate) fn handle_transmitted(&mut self, count: usize, now: Instant) {
        self.counts.bytes_sent += count as u64;
        self.outbox.consume(count);
        while let Some(&(end, files)) = self.answers.front()
            && end <= self.outbox.gone()
        {
            self.counts.files_sent += files;
            self.answers.pop_front();
        }
        let all = self.outbox.is_empty();
        self.liveness.handle_transmitted(count, all, now);
    }

    /// What [`Goal::Await`] waited for.
    pub(crate) fn handle_release(&mut self, release: &Arc<Release>) {
        self.goal = Goal::Push(Arc::clone(release));
        if let Some(have) = self.found.take() {
            self.offer(have);
        }
    }

    /// A frame of the answer to the oldest want is ready; `last` if it is the answer's last.
    pub(crate) fn handle_answer(&mut self, frame: Arc<FrameBytes>, last: bool) {
        self.outbox.push_shared(frame);
        if last {
            let files = self.asking.answered();
            self.answers.push_back((self.outbox.end(), files));
        }
    }

    /// It is we who are waited for: an answer is being encoded, or a limit of bandwidth holds us back.
    pub(crate) fn handle_delay(&mut self, now: Instant) {
        self.liveness.headway.note(now);
    }

    /// Time went by: keeps the session alive, or finds the host silent or stuck.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        self.liveness.check(self.phase, now)?;
        if self.outbox.is_empty() {
            let word = control(&ToAgent::KeepAlive);
            if self.liveness.speaks(word.len(), now) {
                self.outbox.push(word);
            }
        }
        Ok(())
    }

    // -- what is to be done --

    /// Bytes to send.
    pub(crate) fn poll_transmit(&self) -> Option<&[u8]> {
        self.outbox.front()
    }

    /// The next want whose answer should be prepared. Answers are handed over in the order of wants.
    pub(crate) fn poll_encode(&mut self) -> Option<Arc<Want>> {
        self.asking.start()
    }

    /// Is the next frame of the oldest want's answer welcome now?
    pub(crate) fn wants_answer(&self) -> bool {
        self.asking.is_started() && self.outbox.bytes() < LOW_WATER
    }

    /// Something to tell.
    pub(crate) fn poll_step(&mut self) -> Option<Step> {
        self.steps.pop_front()
    }

    /// When [`Self::handle_timeout`] is due.
    pub(crate) fn poll_timeout(&self) -> Instant {
        self.liveness.due(self.phase, self.outbox.is_empty())
    }

    /// Has everything been said?
    pub(crate) fn is_over(&self) -> bool {
        self.phase == Phase::Over && self.outbox.is_empty()
    }

    // -- decisions, and what is known --

    /// Makes current what is staged. Only after [`Step::Staged`].
    pub(crate) fn commit(&mut self) {
        if let (Phase::Staged, Some(release)) = (self.phase, self.target) {
            self.enter(Phase::Committing, Some(HostState::Committing));
            self.outbox.push(control(&ToAgent::Commit(release)));
        }
    }

    /// Gives the session up. What is staged stays for the next one.
    pub(crate) fn abort(&mut self) {
        if self.phase != Phase::Over {
            self.outbox.drop_unsent();
            self.answers.clear();
            self.outbox.push(control(&ToAgent::Abort));
            self.phase = Phase::Over;
        }
    }

    /// Is there nothing to be done before [`Self::handle_release`] is called?
    pub(crate) fn awaits_release(&self) -> bool {
        matches!(self.goal, Goal::Await)
    }

    /// What is said first, without waiting for the agent's greeting.
    pub(crate) fn opening(&self) -> Vec<u8> {
        self.outbox.all()
    }

    /// How much was done.
    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// Files that the host asked for, and their bytes.
    pub(crate) fn wanted(&self) -> (u64, u64) {
        self.asking.wanted
    }

    /// What the session is doing, for errors of the transport.
    pub(crate) fn doing(&self) -> &'static str {
        self.phase.doing()
    }

    fn enter(&mut self, phase: Phase, state: Option<HostState>) {
        self.phase = phase;
        self.steps.extend(state.map(Step::State));
    }
}

#[cfg(test)]
mod tests;
