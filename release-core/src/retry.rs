//! When to try again.

use std::time::Duration;

/// How often, and for how long, something that failed for a moment is tried again: exponential
/// backoff with full jitter.
///
/// Before retry *n* (counted from 0) the wait is drawn evenly from nothing up to
/// `min(longest, first × 2ⁿ)`. Drawing from the whole range, rather than adding a little noise to it,
/// is what keeps many hosts that failed at one moment from coming back at one moment
/// (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
///
/// ```
/// # use std::time::Duration;
/// # use release_core::Backoff;
/// let mut schedule = Backoff::default().schedule();
/// let wait = schedule.next(Duration::from_secs(2), 0.5);
/// assert_eq!(wait, Some(Duration::from_millis(250)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The upper bound of the first wait. Default: 0.5 s.
    pub first: Duration,
    /// No wait is longer than this. Default: 15 s.
    pub longest: Duration,
    /// Nothing is begun later than this after the first try. Default: 60 s.
    pub deadline: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(500),
            longest: Duration::from_secs(15),
            deadline: Duration::from_secs(60),
        }
    }
}

impl Backoff {
    /// The waits for one thing that is tried.
    pub const fn schedule(self) -> Schedule {
        Schedule {
            backoff: self,
            retries: 0,
        }
    }
}

/// The waits between the tries of one thing. It reads no clock and draws no numbers: both are given.
#[derive(Clone, Debug)]
pub struct Schedule {
    backoff: Backoff,
    retries: u32,
}

impl Schedule {
    /// How many retries were granted so far.
    pub const fn retries(&self) -> u32 {
        self.retries
    }

    /// How long to wait before trying again, or `None` to give up, because the retry would begin after
    /// the deadline.
    ///
    /// `elapsed` is the time since the first try began. `random` is drawn evenly from 0 to 1 for each
    /// call; what lies outside, or is no number, counts as the nearer end.
    pub fn next(&mut self, elapsed: Duration, random: f64) -> Option<Duration> {
        let Backoff {
            first,
            longest,
            deadline,
        } = self.backoff;
        let doubled = 2_u32.checked_pow(self.retries).unwrap_or(u32::MAX);
        let bound = first.saturating_mul(doubled).min(longest);
        let share = if random.is_nan() {
            0.0
        } else {
            random.clamp(0.0, 1.0)
        };
        let wait = Duration::try_from_secs_f64(bound.as_secs_f64() * share).unwrap_or(bound);

        let within = elapsed
            .checked_add(wait)
            .is_some_and(|begin| begin <= deadline);
        within.then(|| {
            self.retries = self.retries.saturating_add(1);
            wait
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDLESS: Backoff = Backoff {
        first: Duration::from_secs(1),
        longest: Duration::from_secs(10),
        deadline: Duration::MAX,
    };

    #[test]
    fn bounds_double_up_to_the_longest() {
        let mut schedule = ENDLESS.schedule();
        let waits: Vec<_> = (0..6)
            .filter_map(|_| schedule.next(Duration::ZERO, 1.0))
            .map(|wait| wait.as_secs())
            .collect();
        assert_eq!(waits, [1, 2, 4, 8, 10, 10]);
        assert_eq!(schedule.retries(), 6);
    }

    #[test]
    fn the_wait_is_a_share_of_the_bound() {
        let wait = |random| ENDLESS.schedule().next(Duration::ZERO, random);
        assert_eq!(wait(0.0), Some(Duration::ZERO));
        assert_eq!(wait(0.25), Some(Duration::from_millis(250)));
    }

    #[test]
    fn odd_draws_do_no_harm() {
        for (random, wait) in [
            (f64::NAN, 0),
            (-3.0, 0),
            (7.0, 1),
            (f64::INFINITY, 1),
            (f64::NEG_INFINITY, 0),
        ] {
            let drawn = ENDLESS.schedule().next(Duration::ZERO, random);
            assert_eq!(drawn, Some(Duration::from_secs(wait)), "{random}");
        }
    }

    #[test]
    fn it_ends_at_the_deadline_and_counts_no_refusal() {
        let backoff = Backoff {
            deadline: Duration::from_secs(30),
            ..ENDLESS
        };
        let mut schedule = backoff.schedule();
        assert!(schedule.next(Duration::from_secs(29), 1.0).is_some());
        assert_eq!(schedule.next(Duration::from_secs(29), 1.0), None);
        assert_eq!(schedule.retries(), 1);
    }

    #[test]
    fn it_never_overflows() {
        let backoff = Backoff {
            first: Duration::MAX,
            longest: Duration::MAX,
            deadline: Duration::from_secs(1),
        };
        let mut schedule = backoff.schedule();
        schedule.retries = u32::MAX;
        for random in [0.5, 1.0] {
            assert_eq!(schedule.next(Duration::MAX, random), None);
        }
    }
}
