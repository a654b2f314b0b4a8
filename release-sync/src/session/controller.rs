//! The controller's half of a session with one host.
//!
//! ```text
//! Greeting → Opening → Scanning → Staging → Staged → Committing → Over
//! ```
//! Everything that the host says is checked against what it may say in that phase; what is not
//! expected ends the session with [`Error::Protocol`].

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use release_core::{RelPath, ReleaseId, escape};

use super::asking::Asking;
use super::fault::error_of;
use super::outbox::Outbox;
use super::release::Release;
use crate::wire::{
    self, Begin, Decoder, Frame, FrameKind, Have, Item, Planned, Purpose, Refusal, Settled, Staged,
    ToAgent, ToController, VERSION, Want, Welcome, control,
};
use crate::{Counts, Error, HostState};

/// What a session is to bring about.
#[derive(Clone, Debug)]
pub(crate) enum Goal {
    /// The tree becomes this release.
    Push(Arc<Release>),
    /// The tree becomes what the last commit displaced.
    Undo {
        /// Only if it claims to be this release. Else it has gone back before, and that is shown.
        from: Option<ReleaseId>,
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
    /// What a push would do.
    Planned(Planned),
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Greeting,
    Opening,
    Scanning,
    Staging,
    Staged,
    Committing,
    Over,
}

impl Phase {
    fn doing(self) -> &'static str {
        match self {
            Self::Greeting => "starting the agent",
            Self::Opening => "opening the destination",
            Self::Scanning => "scanning the destination",
            Self::Staging => "staging",
            Self::Staged => "waiting for the commit",
            Self::Committing => "committing",
            Self::Over => "ending the session",
        }
    }
}

/// Something is said at least this often.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// While less than this waits to be sent, more is asked of the answers, in bytes.
const LOW_WATER: usize = 1 << 20;
/// Messages that only show that the agent is alive, at the start and for each second. A good one sends at
/// most a dozen a second.
const SMALL_TALK: (u64, u64) = (100, 20);

/// The controller's half of a session.
#[derive(Debug)]
pub(crate) struct Controller {
    goal: Goal,
    begin: Begin,
    silence: Duration,
    phase: Phase,
    decoder: Decoder,
    outbox: Outbox,
    steps: VecDeque<Step>,
    asking: Asking,
    superuser: bool,
    refusals: Vec<Refusal>,
    items: u64,
    item_bytes: u64,
    /// What the commit makes current.
    target: Option<ReleaseId>,
    small_talk: u64,
    since: Instant,
    heard: Instant,
    said: Instant,
    counts: Counts,
}

impl Controller {
    /// Prepares a session: greeting and `Begin` are ready to be sent.
    pub(crate) fn new(goal: Goal, begin: Begin, silence: Duration, now: Instant) -> Self {
        let mut outbox = Outbox::default();
        outbox.push(wire::greeting());
        outbox.push(control(&ToAgent::Begin(begin.clone())));
        Self {
            goal,
            begin,
            silence,
            phase: Phase::Greeting,
            decoder: Decoder::default(),
            outbox,
            steps: VecDeque::new(),
            asking: Asking::default(),
            superuser: true,
            refusals: Vec::new(),
            items: 0,
            item_bytes: 0,
            target: None,
            small_talk: 0,
            since: now,
            heard: now,
            said: now,
            counts: Counts::default(),
        }
    }

    // -- what happened --

    /// A transport to the host is there. `opened` says that [`Self::opening`] was sent on it already.
    pub(crate) fn handle_connected(&mut self, opened: bool, now: Instant) {
        (self.heard, self.said) = (now, now);
        while opened && let Some(bytes) = self.outbox.front() {
            self.handle_transmitted(bytes.len(), now);
        }
    }

    /// Bytes came from the host.
    pub(crate) fn handle_bytes(&mut self, bytes: &[u8], now: Instant) -> Result<(), Error> {
        self.heard = now;
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
        self.said = now;
        self.counts.bytes_sent += count as u64;
        self.outbox.consume(count);
    }

    /// A frame of the answer to the oldest want is ready; `last` if it is the answer's last.
    pub(crate) fn handle_answer(&mut self, frame: Arc<[u8]>, last: bool) {
        self.outbox.push_shared(frame);
        if last {
            self.asking.answered();
        }
    }

    /// Time went by: keeps the session alive, or finds the host silent.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        if now.duration_since(self.heard) >= self.silence {
            return Err(Error::Silence {
                doing: self.phase.doing(),
                silence: self.silence,
            });
        }
        if now.duration_since(self.said) >= KEEP_ALIVE && self.outbox.is_empty() {
            self.said = now;
            self.outbox.push(control(&ToAgent::KeepAlive));
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
        let silent = self.heard + self.silence;
        if self.outbox.is_empty() {
            silent.min(self.said + KEEP_ALIVE)
        } else {
            silent
        }
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
            self.outbox.push(control(&ToAgent::Abort));
            self.phase = Phase::Over;
        }
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

    fn handle_frame(&mut self, frame: Frame) -> Result<(), Error> {
        match frame.kind {
            FrameKind::Want => self.handle_want(Want::decode(frame.body).map_err(protocol)?),
            FrameKind::Control => {
                self.handle_message(ToController::decode(&frame.body).map_err(protocol)?)
            }
            FrameKind::Manifest | FrameKind::Payload => {
                Err(broken("it sent what only a controller sends"))
            }
        }
    }

    fn handle_message(&mut self, message: ToController) -> Result<(), Error> {
        match (self.phase, message) {
            (_, ToController::KeepAlive) => self.handle_small_talk(),
            (_, ToController::Fault(fault)) => Err(error_of(fault, &self.begin)),
            (Phase::Opening, ToController::Welcome(welcome)) => {
                self.handle_welcome(welcome);
                Ok(())
            }
            (Phase::Scanning, ToController::Have(have)) => self.handle_have(have),
            (Phase::Staging, ToController::WantEnd { .. }) => Ok(()),
            (Phase::Staging, ToController::Progress { files, bytes }) => {
                self.steps.push_back(Step::Progress { files, bytes });
                self.handle_small_talk()
            }
            (Phase::Staging, ToController::Refusal(refusal)) => {
                self.refusals.push(refusal);
                if self.refusals.len() > MOST_REFUSALS {
                    return Err(broken("it refused more files than it may name"));
                }
                Ok(())
            }
            (Phase::Staging, ToController::Staged(staged)) => self.handle_staged(staged),
            (Phase::Staging, ToController::Items(items)) => self.handle_items(items),
            (Phase::Staging, ToController::Planned(planned)) => self.handle_planned(planned),
            (Phase::Committing, ToController::Done(settled)) => self.handle_done(settled),
            // An agent that was told to stop may have said something before it heard of it.
            (Phase::Over, _) => Ok(()),
            (phase, _) => Err(broken(format!(
                "an unexpected message while {}",
                phase.doing()
            ))),
        }
    }

    /// Keeps a host from passing for alive, for ever, by a flood that says nothing.
    fn handle_small_talk(&mut self) -> Result<(), Error> {
        let (at_start, each_second) = SMALL_TALK;
        let seconds = self.heard.duration_since(self.since).as_secs();
        self.small_talk += 1;
        if self.small_talk > at_start.saturating_add(seconds.saturating_mul(each_second)) {
            return Err(broken("it goes on and on without saying anything"));
        }
        Ok(())
    }

    fn handle_welcome(&mut self, welcome: Welcome) {
        self.superuser = welcome.superuser;
        self.steps.push_back(Step::Welcome(welcome));
        if self.begin.purpose == Purpose::Probe {
            self.part();
        } else {
            self.enter(Phase::Scanning, Some(HostState::Scanning));
        }
    }

    fn handle_have(&mut self, have: Have) -> Result<(), Error> {
        if have.proofs.len() > 2 {
            return Err(broken("it has more proofs than there are classes"));
        }
        match &self.goal {
            Goal::Push(release) => {
                self.target = Some(release.id);
                if have
                    .proofs
                    .iter()
                    .any(|proof| release.is_proven_by(proof, self.superuser))
                {
                    self.outbox.push(control(&ToAgent::Same(release.id)));
                } else {
                    release
                        .frames
                        .iter()
                        .for_each(|f| self.outbox.push_shared(Arc::clone(f)));
                }
                self.enter(Phase::Staging, Some(HostState::Staging));
            }
            Goal::Undo { from } => {
                let undo = from.map_or(ToAgent::Undo, ToAgent::UndoFrom);
                self.outbox.push(control(&undo));
                self.enter(Phase::Staging, Some(HostState::Staging));
            }
            Goal::Inspect => self.part(),
            Goal::Plan(release) => {
                release
                    .frames
                    .iter()
                    .for_each(|f| self.outbox.push_shared(Arc::clone(f)));
                self.enter(Phase::Staging, None);
            }
        }
        self.steps.push_back(Step::Found(have));
        Ok(())
    }

    /// The agent has said its last word and ends by itself: a goodbye would find nobody.
    fn part(&mut self) {
        self.phase = Phase::Over;
    }

    fn handle_items(&mut self, items: Vec<Item>) -> Result<(), Error> {
        self.items += items.len() as u64;
        let bytes = |item: &Item| (item.path.len() + item.flags.len()) as u64;
        self.item_bytes += items.iter().map(bytes).sum::<u64>();
        let Purpose::Plan { itemize: true } = self.begin.purpose else {
            return Err(broken("it listed changes that nobody asked for"));
        };
        if self.items > MOST_ITEMS || self.item_bytes > MOST_ITEM_BYTES {
            return Err(broken("it listed more changes than there can be"));
        }
        self.steps.push_back(Step::Items(items));
        Ok(())
    }

    fn handle_planned(&mut self, planned: Planned) -> Result<(), Error> {
        if !matches!(self.goal, Goal::Plan(_)) {
            return Err(broken("it planned what it was to do"));
        }
        self.steps.push_back(Step::Planned(planned));
        self.part();
        Ok(())
    }

    fn handle_want(&mut self, want: Want) -> Result<(), Error> {
        let Goal::Push(release) = &self.goal else {
            return Err(broken("it asked for files that there are none of"));
        };
        if self.phase != Phase::Staging {
            return Err(broken(format!(
                "it asked for files while {}",
                self.phase.doing()
            )));
        }
        self.asking.take(want, release).map_err(broken)?;
        self.counts.files_sent = self.asking.wanted.0;
        Ok(())
    }

    fn handle_staged(&mut self, staged: Staged) -> Result<(), Error> {
        if !self.asking.is_satisfied() {
            return Err(broken("it was done before it had what it asked for"));
        }
        if staged.refused > 0 {
            self.abort();
            return Err(self.refused(staged.refused));
        }
        match (&self.goal, self.target) {
            (Goal::Push(release), _) if staged.release != release.id => {
                return Err(broken("it staged another release"));
            }
            _ => self.target = Some(staged.release),
        }
        self.counts.files_deleted = staged.deletions;
        self.counts.literal_bytes = staged.literal_bytes;
        self.counts.matched_bytes = staged.matched_bytes;
        self.counts.local_bytes = staged.local_bytes;
        self.enter(Phase::Staged, Some(HostState::Staged));
        self.steps.push_back(Step::Staged(staged));
        Ok(())
    }

    fn refused(&self, count: u64) -> Error {
        let entries = match &self.goal {
            Goal::Push(release) => release.manifest.entries(),
            _ => &[],
        };
        let first = self.refusals.first();
        let entry = first.and_then(|refusal| entries.get(refusal.entry as usize));
        Error::Files {
            count,
            first: entry.map_or_else(RelPath::root, |entry| entry.path.clone()),
            reason: first.map_or_else(String::new, |refusal| escape(refusal.reason.as_bytes())),
        }
    }

    fn handle_done(&mut self, settled: Settled) -> Result<(), Error> {
        let proven = match &self.goal {
            Goal::Push(release) => release.is_proven_by(&settled.proof, self.superuser),
            // The agent has compared with the manifest that it kept.
            _ => true,
        };
        self.phase = Phase::Over;
        if !proven {
            return match self.target {
                Some(release) => Err(Error::NotProven { release }),
                None => Err(broken("it committed what was never staged")),
            };
        }
        self.counts.files_deleted = settled.deleted;
        self.steps.push_back(Step::Done(settled));
        Ok(())
    }
}

/// Refusals that a host may name one by one; it counts the others.
pub(crate) const MOST_REFUSALS: usize = 100;

/// Changes that a host may list: bounds what a hostile one can fill memory with.
const MOST_ITEMS: u64 = 4_000_000;

/// Bytes of their paths and letters, together.
const MOST_ITEM_BYTES: u64 = 512 << 20;

fn broken(what: impl Into<String>) -> Error {
    Error::Protocol { what: what.into() }
}

fn protocol(error: wire::WireError) -> Error {
    broken(error.to_string())
}

#[cfg(test)]
mod tests;
