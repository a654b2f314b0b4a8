//! A thread that ends by a panic must not leave the others waiting for it.

use std::sync::mpsc;

use super::Event;

/// Tells the session's thread when the thread that holds this panics.
pub(super) struct Alarm(mpsc::Sender<Event>);

impl Alarm {
    pub(super) fn new(events: &mpsc::Sender<Event>) -> Self {
        Self(events.clone())
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // An error means that the session is over.
            let _ = self.0.send(Event::Panicked);
        }
    }
}

/// Where tests have a thread panic: at a file of that name. Quietly, for others count panics.
#[cfg(test)]
pub(super) fn trip(path: &release_core::RelPath, at: &str) {
    if path.name() == at.as_bytes() {
        std::panic::resume_unwind(Box::new(()));
    }
}

#[cfg(not(test))]
pub(super) fn trip(_: &release_core::RelPath, _: &str) {}
