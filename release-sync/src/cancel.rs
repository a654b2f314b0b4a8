//! Stopping a run from outside.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Stops a run from another thread: no further commits, agents abort. What is staged stays, for the
/// next run to use. Clones stop the same run.
#[derive(Clone, Default)]
pub struct Cancel(Arc<Inner>);

#[derive(Default)]
struct Inner {
    is_cancelled: AtomicBool,
    listeners: Mutex<Listeners>,
}

#[derive(Default)]
struct Listeners {
    next: u64,
    by_number: BTreeMap<u64, Box<dyn Fn() + Send>>,
}

impl Cancel {
    /// Asks the run to stop. Returns at once; a host that is being connected to, or waits for
    /// something, is given up within some 200 ms, a conversation with an agent is ended within about a
    /// second, and a commit that was begun is completed.
    pub fn cancel(&self) {
        self.0.is_cancelled.store(true, Ordering::SeqCst);
        self.listeners()
            .by_number
            .values()
            .for_each(|listener| listener());
    }

    /// Was it asked to?
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled.load(Ordering::SeqCst)
    }

    /// Has something done at the moment of the cancellation, or now if that has passed: in the thread
    /// that cancels, so it should be quick, and may not come back here. Not done any more once what is
    /// given back was dropped.
    pub(crate) fn listen(&self, act: impl Fn() + Send + 'static) -> Listening {
        let mut listeners = self.listeners();
        // Whoever cancels says so first and then looks for listeners: one of us sees the other.
        if self.is_cancelled() {
            act();
        }
        let number = listeners.next;
        listeners.next += 1;
        listeners.by_number.insert(number, Box::new(act));
        drop(listeners);
        Listening {
            cancel: self.clone(),
            number,
        }
    }

    fn listeners(&self) -> MutexGuard<'_, Listeners> {
        let listeners = self.0.listeners.lock();
        listeners.unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Cancel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_cancelled = self.is_cancelled();
        formatter
            .debug_tuple("Cancel")
            .field(&is_cancelled)
            .finish()
    }
}

/// Something that is done when a run is cancelled, as long as this lives.
#[derive(Debug)]
pub(crate) struct Listening {
    cancel: Cancel,
    number: u64,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.cancel.listeners().by_number.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    #[test]
    fn listeners_hear_of_it_while_they_listen() {
        let cancel = Cancel::default();
        let heard = Arc::new(AtomicU32::new(0));
        let listen = |cancel: &Cancel| {
            let heard = Arc::clone(&heard);
            cancel.listen(move || {
                heard.fetch_add(1, Ordering::Relaxed);
            })
        };
        let (gone, _stays) = (listen(&cancel), listen(&cancel));
        drop(gone);
        assert_eq!(heard.load(Ordering::Relaxed), 0);
        cancel.clone().cancel();
        assert!(cancel.is_cancelled());
        assert_eq!(heard.load(Ordering::Relaxed), 1);
        let _late = listen(&cancel);
        assert_eq!(heard.load(Ordering::Relaxed), 2);
    }
}
