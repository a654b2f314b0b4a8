//! The clock that file systems stamp inodes with.

use std::time::Duration;

use release_core::Timestamp;
use rustix::time::{ClockId, clock_gettime};

/// Longest tick that is waited for: at 100 Hz the clock advances every 10 ms.
const LONGEST_TICK: Duration = Duration::from_millis(20);
const STEP: Duration = Duration::from_millis(1);

/// The least time that a change made from now on leaves on an inode.
///
/// This clock stands still between the kernel's ticks. Two changes within one tick may leave one and
/// the same ctime, so a ctime that is not older than the clock says nothing about later changes.
pub(super) fn coarse_now() -> Timestamp {
    read(ClockId::RealtimeCoarse)
}

/// Waits until the clock has gone past `moment`, so that a file changed then can be told from one
/// that is changed afterwards. Returns at once for a moment in the past, and for one that is further
/// in the future than a tick: that one comes from another clock, and waiting would not help.
pub(super) fn settle(moment: Timestamp) {
    let mut now = coarse_now();
    if now > moment || later(now, LONGEST_TICK).is_none_or(|limit| limit < moment) {
        return;
    }
    let steps = LONGEST_TICK.as_millis() / STEP.as_millis();
    for _ in 0..=steps {
        if now > moment {
            return;
        }
        std::thread::sleep(STEP);
        now = coarse_now();
    }
}

/// Waits until everything changed so far can be told from what is changed afterwards: a tick, some
/// milliseconds. The index of a scan that begins then is good for all of it.
pub(crate) fn settle_now() {
    // Since Linux 6.13 a stamp can be finer than the coarse clock, and so ahead of it.
    settle(read(ClockId::Realtime));
}

fn read(clock: ClockId) -> Timestamp {
    let now = clock_gettime(clock);
    Timestamp {
        seconds: now.tv_sec,
        nanos: u32::try_from(now.tv_nsec).unwrap_or(0),
    }
}

fn later(moment: Timestamp, by: Duration) -> Option<Timestamp> {
    let nanos = moment.nanos.checked_add(by.subsec_nanos())?;
    Some(Timestamp {
        seconds: moment
            .seconds
            .checked_add_unsigned(by.as_secs())?
            .checked_add((nanos / 1_000_000_000).into())?,
        nanos: nanos % 1_000_000_000,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use std::time::Instant;

    use super::*;

    #[test]
    fn settling_passes_now_and_does_not_wait_for_tomorrow() {
        let moment = read(ClockId::Realtime);
        let started = Instant::now();
        settle_now();
        assert!(coarse_now() > moment);
        settle(later(moment, Duration::from_secs(86_400)).unwrap());
        settle(Timestamp::default());
        assert!(started.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn later_carries_into_seconds() {
        let moment = Timestamp {
            seconds: 7,
            nanos: 990_000_000,
        };
        let expected = Timestamp {
            seconds: 8,
            nanos: 10_000_000,
        };
        assert_eq!(later(moment, LONGEST_TICK), Some(expected));
    }
}
