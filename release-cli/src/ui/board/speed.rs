//! Bytes a second, over the last few seconds.

use std::collections::VecDeque;
use std::time::Duration;

/// What lies further back does not count.
const WINDOW: Duration = Duration::from_secs(5);

/// Samples are no closer than this, which bounds their number.
const STEP: Duration = Duration::from_millis(200);

/// What was moved, and when.
#[derive(Debug, Default)]
pub(super) struct Speed {
    samples: VecDeque<(Duration, u64)>,
}

impl Speed {
    /// The rate by `now`, when `moved` bytes were moved in all.
    pub(super) fn of(&mut self, moved: u64, now: Duration) -> u64 {
        let is_due = |(at, _): &(Duration, u64)| now.saturating_sub(*at) >= STEP;
        if self.samples.back().is_none_or(is_due) {
            self.samples.push_back((now, moved));
        }
        // The last one outside of the window is where it begins.
        while self
            .samples
            .get(1)
            .is_some_and(|(at, _)| now.saturating_sub(*at) >= WINDOW)
        {
            self.samples.pop_front();
        }
        let Some((since, before)) = self.samples.front() else {
            return 0;
        };
        let seconds = now.saturating_sub(*since).as_secs_f64();
        if seconds <= 0.0 {
            return 0;
        }
        (moved.saturating_sub(*before) as f64 / seconds) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_times_are_forgotten() {
        let mut speed = Speed::default();
        let mut rate = 0;
        for tenth in 0..=100 {
            rate = speed.of(tenth * 100, Duration::from_millis(tenth * 100));
        }
        assert_eq!(rate, 1_000);
        assert!(speed.samples.len() < 30);
        assert_eq!(speed.of(10_000, Duration::from_secs(20)), 0);
    }

    #[test]
    fn a_single_moment_has_no_speed() {
        let mut speed = Speed::default();
        assert_eq!(speed.of(5, Duration::ZERO), 0);
        assert_eq!(speed.of(9, Duration::ZERO), 0);
        assert_eq!(
            speed.of(0, Duration::from_secs(1)),
            0,
            "a host that starts over"
        );
    }
}
