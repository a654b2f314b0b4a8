//! Whether the host is alive, and whether it gets on.

use std::time::{Duration, Instant};

use super::hearing::broken;
use super::phase::Phase;
use crate::Error;
use crate::session::headway::{Headway, Patience};

/// Something is said at least this often.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// Messages that only show that the agent is alive, at the start and for each second. A good one sends at
/// most a dozen a second.
const SMALL_TALK: (u64, u64) = (100, 20);

/// When there was a sign of life, on either side.
#[derive(Debug)]
pub(super) struct Liveness {
    silence: Duration,
    since: Instant,
    /// When the host last said anything.
    pub(super) heard: Instant,
    said: Instant,
    small_talk: u64,
    pub(super) headway: Headway,
    /// Files and bytes that the host says it has staged.
    staged: u64,
    /// Bytes to be sent that mean nothing.
    idle: usize,
}

impl Liveness {
    pub(super) fn new(patience: Patience, now: Instant) -> Self {
        Self {
            silence: patience.silence,
            since: now,
            heard: now,
            said: now,
            small_talk: 0,
            headway: Headway::new(patience.stall, now),
            staged: 0,
            idle: 0,
        }
    }

    /// The host can hear us, and be heard, from now on.
    pub(super) fn handle_connected(&mut self, now: Instant) {
        (self.heard, self.said) = (now, now);
        self.headway.note(now);
    }

    /// The host has taken so many bytes; `all` if nothing is left to be sent.
    pub(super) fn handle_transmitted(&mut self, count: usize, all: bool, now: Instant) {
        self.said = now;
        let idle = self.idle.min(count);
        self.idle -= idle;
        self.headway.take((count - idle) as u64, all, now);
    }

    /// The host says how much it has staged. Is that more than it said before?
    pub(super) fn handle_staged(&mut self, files: u64, bytes: u64) {
        let staged = files.saturating_add(bytes);
        if staged > self.staged {
            self.staged = staged;
            self.headway.note(self.heard);
        }
    }

    /// Keeps a host from passing for alive, for ever, by a flood that says nothing.
    pub(super) fn handle_small_talk(&mut self) -> Result<(), Error> {
        let (at_start, each_second) = SMALL_TALK;
        let seconds = self.heard.duration_since(self.since).as_secs();
        self.small_talk += 1;
        if self.small_talk > at_start.saturating_add(seconds.saturating_mul(each_second)) {
            return Err(broken("it goes on and on without saying anything"));
        }
        Ok(())
    }

    /// Is the host silent or stuck?
    pub(super) fn check(&mut self, phase: Phase, now: Instant) -> Result<(), Error> {
        let doing = phase.doing();
        if now.duration_since(self.heard) >= self.silence {
            let silence = self.silence;
            return Err(Error::Silence { doing, silence });
        }
        if matches!(phase, Phase::Scanned | Phase::Staged) {
            self.headway.note(now);
        }
        match self.headway.stalled(now) {
            Some(patience) => Err(Error::Stalled { doing, patience }),
            None => Ok(()),
        }
    }

    /// Nothing waits to be sent: is it time to say something? What is said then has `length` bytes.
    pub(super) fn speaks(&mut self, length: usize, now: Instant) -> bool {
        let is_time = now.duration_since(self.said) >= KEEP_ALIVE;
        if is_time {
            (self.said, self.idle) = (now, length);
        }
        is_time
    }

    /// When there is something to check, or to say if nothing waits to be sent.
    pub(super) fn due(&self, phase: Phase, idle: bool) -> Instant {
        let mut due = self.heard + self.silence;
        if !matches!(phase, Phase::Scanned | Phase::Staged) {
            due = due.min(self.headway.due());
        }
        if idle {
            due = due.min(self.said + KEEP_ALIVE);
        }
        due
    }
}
