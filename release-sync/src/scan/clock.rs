//! The clock that file systems stamp inodes with.

use std::time::Duration;

use release_core::Timestamp;
use rustix::time::{ClockId, clock_gettime};

/// Longest tick that is waited for: at 100 Hz the clock advances every 10 ms.
const LONGEST_TICK: Duration = Duration::from_millis(20);
const STEP: Duration = Duration::from_millis(1);

/// The time that a change made now would leave on an inode, or a moment before it.
///
/// This clock stands still between the kernel's ticks. Two changes within one tick may leave one and
/// the same ctime, so a ctime that is not older than the clock says nothing about later changes.
pub(crate) fn coarse_now() -> Timestamp {
    let now = clock_gettime(ClockId::RealtimeCoarse);
    Timestamp {
        seconds: now.tv_sec,
        nanos: u32::try_from(now.tv_nsec).unwrap_or(0),
    }
}

/// Waits until the clock has gone past `moment`, so that a file changed then can be told from one
/// that is changed afterwards. Returns at once for a moment in the past, and for one that is further
/// in the future than a tick: that one comes from another clock, and waiting would not help.
pub(crate) fn settle(moment: Timestamp) {
    let Some(limit) = later(coarse_now(), LONGEST_TICK) else {
        return;
    };
    let mut now = coarse_now();
    while now <= moment && moment < limit {
        std::thread::sleep(STEP);
        now = coarse_now();
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
        let moment = coarse_now();
        let started = Instant::now();
        settle(moment);
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
