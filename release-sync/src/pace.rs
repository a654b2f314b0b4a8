//! Sending no faster than was allowed: a token bucket, told the time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What may be sent at once after a pause, as a share of a second.
const BURST: f64 = 0.1;

/// A limit that several senders share.
#[derive(Clone, Debug)]
pub(crate) struct Pace(Option<Arc<Mutex<Bucket>>>);

#[derive(Debug)]
struct Bucket {
    /// Bytes a second.
    rate: f64,
    /// Bytes that may be sent; below zero after a piece that was larger than what there was.
    tokens: f64,
    at: Instant,
}

impl Pace {
    /// `rate` bytes a second; 0: no limit.
    pub(crate) fn new(rate: u64, now: Instant) -> Self {
        let rate = rate as f64;
        let bucket = || {
            Arc::new(Mutex::new(Bucket {
                rate,
                tokens: rate * BURST,
                at: now,
            }))
        };
        Self((rate > 0.0).then(bucket))
    }

    /// How long to wait before anything may be sent; nothing if something may be now.
    pub(crate) fn delay(&self, now: Instant) -> Option<Duration> {
        let mut bucket = self
            .0
            .as_ref()?
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        bucket.fill(now);
        (bucket.tokens <= 0.0)
            .then(|| Duration::from_secs_f64(-bucket.tokens / bucket.rate + 0.001))
    }

    /// So many bytes were sent.
    pub(crate) fn spend(&self, bytes: usize) {
        if let Some(bucket) = &self.0 {
            bucket.lock().unwrap_or_else(PoisonError::into_inner).tokens -= bytes as f64;
        }
    }

    /// The most that should be sent in one piece, so that a slow line is not stuffed for seconds.
    pub(crate) fn piece(&self) -> usize {
        let Some(bucket) = &self.0 else {
            return usize::MAX;
        };
        let rate = bucket.lock().unwrap_or_else(PoisonError::into_inner).rate;
        ((rate * BURST) as usize).max(1024)
    }
}

impl Bucket {
    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.tokens = (self.tokens + passed * self.rate).min(self.rate * BURST);
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends pieces as fast as it may, for so many simulated seconds.
    fn sent(paces: &[Pace], start: Instant, seconds: u64) -> usize {
        let (mut now, mut sent) = (start, 0);
        while now < start + Duration::from_secs(seconds) {
            match paces.iter().filter_map(|pace| pace.delay(now)).max() {
                Some(delay) => now += delay,
                None => {
                    let piece = paces.iter().map(Pace::piece).min().unwrap_or(0).min(32_700);
                    paces.iter().for_each(|pace| pace.spend(piece));
                    sent += piece;
                }
            }
        }
        sent
    }

    #[test]
    fn the_lower_of_two_limits_holds() {
        let start = Instant::now();
        let (own, shared) = (Pace::new(100_000, start), Pace::new(1_000_000, start));
        let sent = sent(&[own, shared], start, 10);
        assert!((950_000..=1_050_000).contains(&sent), "{sent}");
    }

    #[test]
    fn a_pause_is_not_saved_up() {
        let start = Instant::now();
        let pace = Pace::new(100_000, start);
        let sent = sent(&[pace], start + Duration::from_secs(3600), 1);
        assert!(sent <= 115_000, "{sent}");
    }

    #[test]
    fn no_limit_is_none() {
        let pace = Pace::new(0, Instant::now());
        pace.spend(1 << 40);
        assert_eq!(pace.delay(Instant::now()), None);
    }
}
