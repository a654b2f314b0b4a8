//! What bounds an agent's memory and patience.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Bytes from the controller that are in memory at one time, compressed content included.
pub(super) const INPUT_BYTES: usize = 8 << 20;

/// Longest silence of a controller that has not yet said how long it may be silent.
pub(super) const SILENCE_BEFORE_BEGIN: Duration = Duration::from_secs(60);

/// How often the session's thread looks at the clock.
pub(super) const TICK: Duration = Duration::from_secs(1);

/// Something is said at least this often.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// Progress is told at most this often.
pub(super) const PROGRESS: Duration = Duration::from_millis(100);

/// An amount that is taken and given back by several threads.
///
/// Whoever [`takes`](Self::take) waits until the amount in use is below the limit, and then takes all
/// it needs: one that needs more than the limit gets through as well, alone.
#[derive(Debug)]
pub(super) struct Budget {
    limit: usize,
    used: Mutex<usize>,
    freed: Condvar,
}

impl Budget {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            used: Mutex::new(0),
            freed: Condvar::new(),
        }
    }

    /// Waits until there is room, and takes it.
    pub(super) fn take(&self, amount: usize) {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |used: &mut usize| *used > 0 && *used + amount > self.limit;
        let mut used = self
            .freed
            .wait_while(used, full)
            .unwrap_or_else(PoisonError::into_inner);
        *used += amount;
    }

    /// Takes without waiting, over the limit if need be.
    pub(super) fn take_now(&self, amount: usize) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) += amount;
    }

    /// Gives back.
    pub(super) fn give_back(&self, amount: usize) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        *used = used.saturating_sub(amount);
        self.freed.notify_all();
    }
}
