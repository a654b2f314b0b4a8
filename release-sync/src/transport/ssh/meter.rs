//! How much libssh2 may take from the network.
//!
//! libssh2 reads until the network has nothing more: a host that sends faster than that would keep its
//! thread for ever, past every time limit. It also keeps each packet that it has no use for yet, however
//! many come. So it reads through a meter, which pretends now and then that there is nothing more, and
//! hangs up on a host that sends much beyond what is asked for.

use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Bytes after which libssh2 gets a chance to look at the clock, and its caller at everything else.
const ROUND: usize = 2 << 20;

/// Bytes that a host may send without being asked for anything: key exchanges, banners, refusals.
const TRUST: u64 = 1 << 20;

/// Bytes that a host may send for each byte that was read from a command, or written to one. A packet of
/// one byte of content has some 50 bytes; what is written is answered by packets that make room for more.
const OVERHEAD: u64 = 64;

/// Counts what a host sends. A session is used by one thread at a time, so no order of memory accesses
/// has to be asked for.
#[derive(Debug)]
pub(super) struct Meter {
    taken: AtomicUsize,
    in_round: AtomicUsize,
    credit: AtomicU64,
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            taken: AtomicUsize::new(0),
            in_round: AtomicUsize::new(0),
            credit: AtomicU64::new(TRUST),
        }
    }
}

impl Meter {
    /// Takes from the network, if libssh2 may: `WouldBlock` at the end of a round, `QuotaExceeded` once
    /// the host has sent too much.
    pub(super) fn pass(&self, take: impl FnOnce() -> io::Result<usize>) -> io::Result<usize> {
        if self.in_round.load(Ordering::Relaxed) >= ROUND {
            self.in_round.store(0, Ordering::Relaxed);
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let credit = self.credit.load(Ordering::Relaxed);
        if credit == 0 {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        let count = take()?;
        self.in_round.fetch_add(count, Ordering::Relaxed);
        self.taken.fetch_add(count, Ordering::Relaxed);
        let rest = credit.saturating_sub(count as u64);
        self.credit.store(rest, Ordering::Relaxed);
        Ok(count)
    }

    /// A command's streams are open: the host may send so many bytes of them before any are read, in
    /// packets that add as much at the most.
    pub(super) fn allow(&self, window: u32) {
        self.add(2 * u64::from(window));
    }

    /// So many bytes of a command's streams came out of it, or went in.
    pub(super) fn earn(&self, count: usize) {
        self.add(OVERHEAD.saturating_mul(count as u64));
    }

    fn add(&self, earned: u64) {
        let credit = self.credit.load(Ordering::Relaxed);
        self.credit
            .store(credit.saturating_add(earned), Ordering::Relaxed);
    }

    /// Has the host said anything at all?
    pub(super) fn is_silent(&self) -> bool {
        self.taken.load(Ordering::Relaxed) == 0
    }

    /// Has the host sent more than it may?
    pub(super) fn is_exceeded(&self) -> bool {
        self.credit.load(Ordering::Relaxed) == 0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn kind(result: io::Result<usize>) -> Result<usize, io::ErrorKind> {
        result.map_err(|error| error.kind())
    }

    #[test]
    fn a_round_ends_and_another_begins() {
        let meter = Meter::default();
        meter.earn(1 << 30);
        let mut paused = 0;
        for _ in 0..200 {
            match kind(meter.pass(|| Ok(64 << 10))) {
                Ok(_) => {}
                Err(io::ErrorKind::WouldBlock) => paused += 1,
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(paused, 200 / (ROUND / (64 << 10) + 1));
        assert!(!meter.is_exceeded());
    }

    #[test]
    fn trust_ends_and_is_earned() {
        let meter = Meter::default();
        assert!(meter.is_silent());
        assert_eq!(kind(meter.pass(|| Ok(TRUST as usize))), Ok(1 << 20));
        assert!(meter.is_exceeded() && !meter.is_silent());
        let refused = kind(meter.pass(|| unreachable!()));
        assert_eq!(refused, Err(io::ErrorKind::QuotaExceeded));
        meter.earn(1);
        assert_eq!(kind(meter.pass(|| Ok(OVERHEAD as usize))), Ok(64));
        assert!(meter.is_exceeded());
    }

    /// It may all come before we read the first byte.
    #[test]
    fn a_window_may_be_filled_at_once() {
        let meter = Meter::default();
        meter.allow(2 << 20);
        for _ in 0..64 {
            let count = loop {
                if let Ok(count) = meter.pass(|| Ok((32 << 10) + 100)) {
                    break count;
                }
                assert!(!meter.is_exceeded());
            };
            assert_eq!(count, (32 << 10) + 100);
        }
        assert!(!meter.is_exceeded());
    }

    #[test]
    fn what_is_not_there_is_not_counted() {
        let meter = Meter::default();
        let nothing = kind(meter.pass(|| Err(io::ErrorKind::WouldBlock.into())));
        assert_eq!(nothing, Err(io::ErrorKind::WouldBlock));
        assert!(meter.is_silent());
    }
}
