//! Events that nobody should hear of yet.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::{Event, HostState, Monitor};

/// Keeps what happens to hosts to itself, until the run may be told of.
///
/// What is worth telling late are the states that hosts are in, and how they ended: for that a host's thread
/// waits. Hosts' progress and notes do not come that early; those that do are in the report.
pub(super) struct Held<'a> {
    monitor: &'a dyn Monitor,
    told: Mutex<Told>,
    changed: Condvar,
}

/// May the monitor hear of the run?
enum Told {
    /// Not yet. These are the states that hosts have come to.
    Later(Vec<(String, HostState)>),
    Now,
    /// There will be no run.
    Never,
}

impl<'a> Held<'a> {
    pub(super) fn new(monitor: &'a dyn Monitor) -> Self {
        Self {
            monitor,
            told: Mutex::new(Told::Later(Vec::new())),
            changed: Condvar::new(),
        }
    }

    /// Tells what happened so far, and passes on what happens from now on.
    pub(super) fn release(&self) {
        let mut told = self.told();
        if matches!(*told, Told::Never) {
            return;
        }
        if let Told::Later(states) = std::mem::replace(&mut *told, Told::Now) {
            for (host, state) in &states {
                self.monitor.event(Event::State {
                    host,
                    state: *state,
                });
            }
        }
        self.changed.notify_all();
    }

    /// Tells nothing, now or later.
    pub(super) fn discard(&self) {
        *self.told() = Told::Never;
        self.changed.notify_all();
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Monitor for Held<'_> {
    fn event(&self, event: Event<'_>) {
        let mut told = self.told();
        if let (Told::Later(states), Event::State { host, state }) = (&mut *told, &event) {
            states.push(((*host).to_owned(), *state));
            return;
        }
        if matches!(event, Event::Finished { .. }) {
            let later = |told: &mut Told| matches!(told, Told::Later(_));
            told = self
                .changed
                .wait_while(told, later)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let passes = matches!(*told, Told::Now);
        drop(told);
        if passes {
            self.monitor.event(event);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Writes down whose states it hears of.
    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>);

    impl Monitor for Heard {
        fn event(&self, event: Event<'_>) {
            if let Event::State { host, state } = event {
                let text = format!("{host} {}", state.as_str());
                self.0.lock().unwrap().push(text);
            }
        }
    }

    fn state(host: &str, state: HostState) -> Event<'_> {
        Event::State { host, state }
    }

    #[test]
    fn what_is_held_is_told_in_order_and_first() {
        let heard = Heard::default();
        let held = Held::new(&heard);
        held.event(state("a", HostState::Connecting));
        held.event(state("b", HostState::Connecting));
        assert!(heard.0.lock().unwrap().is_empty());
        held.release();
        held.event(state("a", HostState::Scanning));
        let all = ["a connecting", "b connecting", "a scanning"];
        assert_eq!(*heard.0.lock().unwrap(), all);
    }

    #[test]
    fn what_is_discarded_is_never_told() {
        let heard = Heard::default();
        let held = Held::new(&heard);
        held.event(state("a", HostState::Connecting));
        held.discard();
        held.release();
        assert!(heard.0.lock().unwrap().is_empty());
    }
}
