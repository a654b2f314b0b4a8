//! Events that nobody should hear of yet.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::{Event, HostState, Monitor};

/// Keeps what happens to hosts to itself, until the run may be told of.
///
/// What is worth telling late are the states that hosts are in, notes (what a login shell prints, say), and
/// how hosts ended: for that a host's thread waits. Progress does not come that early.
pub(super) struct Held<'a> {
    monitor: &'a dyn Monitor,
    told: Mutex<Told>,
    changed: Condvar,
}

/// May the monitor hear of the run?
enum Told {
    /// Not yet. This is what happened, to which host.
    Later(Vec<(String, Happened)>),
    Now,
    /// There will be no run.
    Never,
}

/// An event without its host, for later.
enum Happened {
    State(HostState),
    Note(String),
}

impl Happened {
    fn of(event: &Event<'_>) -> Option<(String, Self)> {
        let (host, happened) = match event {
            Event::State { host, state } => (host, Self::State(*state)),
            Event::Note { host, text } => (host, Self::Note((*text).to_owned())),
            _ => return None,
        };
        Some(((*host).to_owned(), happened))
    }

    fn to(&self, host: &str, monitor: &dyn Monitor) {
        monitor.event(match self {
            Self::State(state) => Event::State {
                host,
                state: *state,
            },
            Self::Note(text) => Event::Note { host, text },
        });
    }
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
        if let Told::Later(happened) = std::mem::replace(&mut *told, Told::Now) {
            for (host, happened) in &happened {
                happened.to(host, self.monitor);
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
        if let Told::Later(happened) = &mut *told
            && let Some(event) = Happened::of(&event)
        {
            happened.push(event);
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

    /// Writes down what it hears of whom.
    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>);

    impl Monitor for Heard {
        fn event(&self, event: Event<'_>) {
            let text = match event {
                Event::State { host, state } => format!("{host} {}", state.as_str()),
                Event::Note { host, text } => format!("{host}: {text}"),
                _ => return,
            };
            self.0.lock().unwrap().push(text);
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
        held.event(Event::Note {
            host: "b",
            text: "its login shell prints: hello",
        });
        assert!(heard.0.lock().unwrap().is_empty());
        held.release();
        held.event(state("a", HostState::Scanning));
        let all = [
            "a connecting",
            "b connecting",
            "b: its login shell prints: hello",
            "a scanning",
        ];
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
