//! How many hosts transfer at one time.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::Cancel;
use crate::cancel::Listening;

/// A number of places, each held by one host.
#[derive(Debug)]
pub(super) struct Slots {
    places: Arc<Places>,
    cancel: Cancel,
    _listening: Listening,
}

#[derive(Debug)]
struct Places {
    free: Mutex<usize>,
    changed: Condvar,
}

/// A place; given up when it is dropped.
#[derive(Debug)]
pub(super) struct Slot<'a>(&'a Slots);

impl Slots {
    /// At least one place.
    pub(super) fn new(count: usize, cancel: &Cancel) -> Self {
        let places = Arc::new(Places {
            free: Mutex::new(count.max(1)),
            changed: Condvar::new(),
        });
        let theirs = Arc::clone(&places);
        let listening = cancel.listen(move || {
            // Whoever has looked and does not sleep yet holds this.
            let _free = theirs.free();
            theirs.changed.notify_all();
        });
        Self {
            places,
            cancel: cancel.clone(),
            _listening: listening,
        }
    }

    /// Waits for a place; `None` once the run is cancelled.
    pub(super) fn take(&self) -> Option<Slot<'_>> {
        let none = |free: &mut usize| *free == 0 && !self.cancel.is_cancelled();
        let free = self.places.changed.wait_while(self.places.free(), none);
        let mut free = free.unwrap_or_else(PoisonError::into_inner);
        if self.cancel.is_cancelled() {
            return None;
        }
        *free -= 1;
        Some(Slot(self))
    }
}

impl Places {
    fn free(&self) -> MutexGuard<'_, usize> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        *self.0.places.free() += 1;
        self.0.places.changed.notify_one();
    }
}
