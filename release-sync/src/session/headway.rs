//! Whether the other side gets on with what is its to do.
//!
//! That a peer speaks shows that it is alive and no more: an agent whose disk hangs goes on saying that it
//! is there. So each side says as well how much it has done, in a number that only grows; and a side whose
//! number stands still for too long, from which nothing comes and which takes nothing, is stuck.

use std::time::{Duration, Instant};

use crate::Options;

/// Bytes that have to move, in either direction, to count for something while their frame is not whole:
/// with the usual patience some hundred bytes a second, less than any connection that is of use.
const PIECE: u64 = 64 << 10;

/// How long one waits for the other side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Longest time without a word.
    pub(crate) silence: Duration,
    /// Longest time in which it gets no further with what is its to do.
    pub(crate) stall: Duration,
}

impl Patience {
    /// What a run's options say.
    pub(crate) fn of(options: &Options) -> Self {
        Self {
            silence: options.silence,
            stall: options.stall,
        }
    }
}

/// When the other side last got any further.
#[derive(Debug)]
pub(crate) struct Headway {
    stall: Duration,
    last: Instant,
    /// What it said that it had done.
    done: u64,
    /// Bytes of content that it took since.
    taken: u64,
    /// Bytes of a frame that is not whole yet, when they last counted.
    begun: u64,
}

impl Headway {
    /// Counts from now.
    pub(crate) fn new(stall: Duration, now: Instant) -> Self {
        Self {
            stall,
            last: now,
            done: 0,
            taken: 0,
            begun: 0,
        }
    }

    /// Something came of it; or it had nothing to do.
    pub(crate) fn note(&mut self, now: Instant) {
        (self.last, self.taken, self.begun) = (now, 0, 0);
    }

    /// It says how much it has done: worth something if that is more than before.
    pub(crate) fn claim(&mut self, done: u64, now: Instant) {
        if done > self.done {
            self.done = done;
            self.note(now);
        }
    }

    /// It has taken so many bytes more, all that there were to take if `all`.
    pub(crate) fn take(&mut self, bytes: u64, all: bool, now: Instant) {
        self.taken = self.taken.saturating_add(bytes);
        if self.taken >= PIECE || (all && self.taken > 0) {
            self.note(now);
        }
    }

    /// So many bytes of a frame that is not whole are there.
    pub(crate) fn begin(&mut self, bytes: u64, now: Instant) {
        if bytes >= self.begun.saturating_add(PIECE) {
            self.note(now);
            self.begun = bytes;
        }
    }

    /// When patience ends.
    pub(crate) fn due(&self) -> Instant {
        // A time that the clock can't reach is for ever; a year is, here.
        const EVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);
        self.last + self.stall.min(EVER)
    }

    /// For how long it was waited for in vain, if that is too long.
    pub(crate) fn stalled(&self, now: Instant) -> Option<Duration> {
        (now >= self.due()).then_some(self.stall)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn only_what_is_more_than_before_is_headway() {
        let start = Instant::now();
        let mut headway = Headway::new(10 * SECOND, start);
        headway.claim(0, start + 5 * SECOND);
        assert_eq!(headway.stalled(start + 9 * SECOND), None);
        assert_eq!(headway.stalled(start + 10 * SECOND), Some(10 * SECOND));
        headway.claim(7, start + 5 * SECOND);
        headway.claim(7, start + 9 * SECOND);
        headway.claim(6, start + 9 * SECOND);
        assert_eq!(headway.due(), start + 15 * SECOND);
        headway.claim(u64::MAX, start + 14 * SECOND);
        assert_eq!(headway.due(), start + 24 * SECOND);
    }

    #[test]
    fn trickles_are_none_and_pieces_are() {
        let start = Instant::now();
        let mut headway = Headway::new(10 * SECOND, start);
        let later = start + SECOND;
        headway.take(PIECE - 1, false, later);
        assert_eq!(headway.due(), start + 10 * SECOND);
        headway.take(1, false, later);
        assert_eq!(headway.due(), later + 10 * SECOND);
        headway.begin(PIECE - 1, later + SECOND);
        assert_eq!(headway.due(), later + 10 * SECOND);
        headway.begin(PIECE, later + SECOND);
        headway.begin(2 * PIECE - 1, later + 2 * SECOND);
        assert_eq!(headway.due(), later + 11 * SECOND);
        // The last of it counts, however little it is; nothing at all does not.
        headway.take(0, true, later + 2 * SECOND);
        assert_eq!(headway.due(), later + 11 * SECOND);
        headway.take(1, true, later + 2 * SECOND);
        assert_eq!(headway.due(), later + 12 * SECOND);
    }
}
