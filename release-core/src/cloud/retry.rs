//! Calls that are made again.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use super::CloudError;
use crate::Backoff;

/// Time and chance, for code that has neither. Release-boot's is a runtime's; a test's is a counter.
pub trait Timer: Send + Sync {
    /// Time since some fixed moment; it never goes back.
    fn elapsed(&self) -> Duration;

    /// Waits.
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;

    /// A number drawn evenly from 0 to 1.
    fn draw(&self) -> f64;
}

/// Makes a call until it succeeds, fails for good, or `backoff` gives up; the last error is returned then.
///
/// Made again is what [`CloudError::may_be_repeated`] allows: never a snapshot whose answer was lost, since
/// that may exist. Errors of state, like a volume that is not available yet, are the caller's to wait out.
pub async fn persist<T, F>(
    timer: &dyn Timer,
    backoff: Backoff,
    mut call: impl FnMut() -> F,
) -> Result<T, CloudError>
where
    F: Future<Output = Result<T, CloudError>>,
{
    let begin = timer.elapsed();
    let mut schedule = backoff.schedule();
    loop {
        let error = match call().await {
            Err(error) if error.may_be_repeated() => error,
            outcome => return outcome,
        };
        let elapsed = timer.elapsed().saturating_sub(begin);
        match schedule.next(elapsed, timer.draw()) {
            Some(wait) => timer.sleep(wait).await,
            None => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Mutex;

    use super::*;
    use crate::cloud::{Action, CloudFault};
    use crate::testing::{TestTimer, block_on};

    /// Plays `faults`, then succeeds. Returns the outcome, the calls that were made, and the time it took.
    fn play(
        action: Action,
        faults: &[CloudFault],
        backoff: Backoff,
    ) -> (Result<u32, CloudFault>, u32, u64) {
        let timer = TestTimer::default();
        let calls = Mutex::new(0_u32);
        let outcome = block_on(persist(&timer, backoff, || async {
            let mut calls = calls.lock().unwrap();
            *calls += 1;
            match faults.get(*calls as usize - 1) {
                Some(fault) => Err(CloudError::new(action, *fault, "")),
                None => Ok(*calls),
            }
        }));
        let calls = calls.into_inner().unwrap();
        let outcome = outcome.map_err(|error| error.fault);
        (outcome, calls, timer.elapsed().as_secs())
    }

    const BACKOFF: Backoff = Backoff {
        first: Duration::from_secs(2),
        longest: Duration::from_secs(8),
        deadline: Duration::from_secs(60),
    };

    #[test]
    fn what_may_pass_is_tried_again_with_growing_waits() {
        use CloudFault::{Lost, Throttled, Unavailable};
        let faults = [Throttled, Lost, Unavailable, Throttled];
        // The test's timer draws one half: 1 + 2 + 4 + 4.
        assert_eq!(play(Action::CreateVolume, &faults, BACKOFF), (Ok(5), 5, 11));
    }

    #[test]
    fn what_will_not_pass_is_not_tried_again() {
        for fault in [
            CloudFault::Denied,
            CloudFault::NotFound,
            CloudFault::IncorrectState,
        ] {
            assert_eq!(
                play(Action::CreateVolume, &[fault], BACKOFF),
                (Err(fault), 1, 0)
            );
        }
    }

    #[test]
    fn a_snapshot_whose_answer_was_lost_is_not_made_twice() {
        let lost = CloudFault::Lost;
        assert_eq!(
            play(Action::CreateSnapshot, &[lost], BACKOFF),
            (Err(lost), 1, 0)
        );
        let throttled = [CloudFault::Throttled];
        assert_eq!(
            play(Action::CreateSnapshot, &throttled, BACKOFF),
            (Ok(2), 2, 1)
        );
    }

    #[test]
    fn it_gives_up_in_time_with_the_last_error() {
        let faults = [CloudFault::Throttled; 1000];
        let (outcome, calls, seconds) = play(Action::DescribeVolumes, &faults, BACKOFF);
        assert_eq!(outcome, Err(CloudFault::Throttled));
        assert!(
            (50..=60).contains(&seconds) && (10..30).contains(&calls),
            "{seconds} {calls}"
        );
    }
}
