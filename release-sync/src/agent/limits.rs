//! What bounds an agent's memory and patience.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bytes from the controller that are in memory at one time, compressed content included.
pub(super) const INPUT_BYTES: usize = 8 << 20;

/// Longest silence of a controller that has not yet said how long it may be silent.
pub(super) const SILENCE_BEFORE_BEGIN: Duration = Duration::from_secs(60);

/// How often the session's thread looks at the clock.
pub(super) const TICK: Duration = Duration::from_secs(1);

/// Something is said at least this often.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// Longest wait, at the end, for a controller to take what was said to it.
pub(super) const FAREWELL: Duration = Duration::from_secs(10);

/// Progress is told at most this often.
pub(super) const PROGRESS: Duration = Duration::from_millis(100);

/// An amount that is taken and given back by several threads.
///
/// Whoever [`takes`](Self::take) waits until the amount in use is below the limit, and then takes all
/// it needs: one that needs more than the limit gets through as well, alone.
#[derive(Debug)]
pub(super) struct Budget {
    limit: usize,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    used: usize,
    closed: bool,
}

impl Budget {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            state: Mutex::default(),
            freed: Condvar::new(),
        }
    }

    /// Waits until there is room, and takes it. `false` once nobody will give anything back.
    pub(super) fn take(&self, amount: usize) -> bool {
        let full =
            |state: &mut State| !state.closed && state.used > 0 && state.used + amount > self.limit;
        let state = self.freed.wait_while(self.state(), full);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        state.used += amount;
        !state.closed
    }

    /// Takes without waiting, over the limit if need be.
    pub(super) fn take_now(&self, amount: usize) {
        self.state().used += amount;
    }

    /// Gives back.
    pub(super) fn give_back(&self, amount: usize) {
        let mut state = self.state();
        state.used = state.used.saturating_sub(amount);
        self.freed.notify_all();
    }

    /// The session is over: whoever waits need not.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.freed.notify_all();
    }

    /// Is the session over?
    pub(super) fn is_closed(&self) -> bool {
        self.state().closed
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
