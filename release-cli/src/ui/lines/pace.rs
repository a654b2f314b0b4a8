//! How often something is heard of a host that takes long.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::ui::summary::Way;

/// A host, or a scan, that takes long is heard of this often.
pub(super) const PACE: Duration = Duration::from_secs(5);

/// When something was last heard of each host; of the scan, under the empty name.
#[derive(Debug, Default)]
pub(super) struct Pace {
    pub(super) heard: HashMap<String, Instant>,
    /// Of the longest name.
    pub(super) width: usize,
    pub(super) way: Way,
}

impl Pace {
    /// Has nothing been heard of it for a while? The first time counts as being heard.
    pub(super) fn is_due(&mut self, name: &str, now: Instant) -> bool {
        match self.heard.get_mut(name) {
            None => {
                self.heard.insert(name.to_owned(), now);
                false
            }
            Some(heard) if now.duration_since(*heard) < PACE => false,
            Some(heard) => {
                *heard = now;
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_takes_long_is_heard_of_now_and_then() {
        let (mut pace, begin) = (Pace::default(), Instant::now());
        let due: Vec<u64> = (0..12)
            .filter(|second| pace.is_due("web-1", begin + Duration::from_secs(*second)))
            .collect();
        assert_eq!(due, [5, 10]);
        assert!(!pace.is_due("web-2", begin));
    }
}
