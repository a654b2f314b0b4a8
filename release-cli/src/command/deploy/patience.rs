//! What is told of hosts that somebody else deploys to, while they are waited for.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use release_sync::{Event, HostReport, HostState, Monitor, Report};

use super::super::desk::Deadline;

/// Passes events on, but for those of hosts that are found locked again and again until the deadline: that
/// such a host is waited for is told once, and then how that ended.
pub(super) struct Patience<'m> {
    monitor: &'m dyn Monitor,
    deadline: Deadline,
    /// The hosts that are waited for.
    awaited: Mutex<HashSet<String>>,
}

impl<'m> Patience<'m> {
    pub(super) fn new(monitor: &'m dyn Monitor, deadline: Deadline) -> Self {
        Self {
            monitor,
            deadline,
            awaited: Mutex::default(),
        }
    }

    /// Nobody is waited for any more.
    pub(super) fn end(self, report: &Report) {
        let awaited = self.awaited().clone();
        for report in &report.hosts {
            if awaited.contains(&report.host) {
                self.monitor.event(Event::Finished { report });
            }
        }
    }

    /// Is this the host's end, as far as is known?
    fn has_ended(&self, report: &HostReport) -> bool {
        let error = report.error.as_ref().filter(|error| error.is_locked());
        let Some(error) = error.filter(|_| !self.deadline.has_passed()) else {
            self.awaited().remove(&report.host);
            return true;
        };
        let is_new = self.awaited().insert(report.host.clone());
        if is_new {
            self.monitor.event(Event::Note {
                host: &report.host,
                text: &format!("{error}; waiting for that to end"),
            });
        }
        false
    }

    /// Is this a state that the host was not in before it was found locked?
    fn is_news(&self, host: &str, state: HostState) -> bool {
        match state {
            HostState::Connecting | HostState::Scanning => !self.awaited().contains(host),
            _ => {
                self.awaited().remove(host);
                true
            }
        }
    }

    fn awaited(&self) -> MutexGuard<'_, HashSet<String>> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Monitor for Patience<'_> {
    fn event(&self, event: Event<'_>) {
        let passes = match &event {
            Event::Finished { report } => self.has_ended(report),
            Event::State { host, state } => self.is_news(host, *state),
            _ => true,
        };
        if passes {
            self.monitor.event(event);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use super::*;
    use crate::ui::samples;

    /// What was told, in a few words.
    #[derive(Default)]
    struct Told(Mutex<Vec<String>>);

    impl Monitor for Told {
        fn event(&self, event: Event<'_>) {
            let text = match event {
                Event::Finished { report } => {
                    format!("{} {}", report.host, report.outcome.as_str())
                }
                Event::Note { host, .. } => format!("{host} waits"),
                Event::State { host, state } => format!("{host} {}", state.as_str()),
                _ => return,
            };
            self.0.lock().unwrap().push(text);
        }
    }

    /// Of its hosts one is committed, and the last is locked.
    fn found_locked() -> Report {
        let mut report = samples::report();
        report.hosts[2].error = Some(samples::locked());
        report
    }

    /// Tries twice, with what comes of it told as the engine does.
    fn try_twice(patience: &Patience<'_>, report: &Report) {
        for _ in 0..2 {
            for state in [HostState::Connecting, HostState::Scanning] {
                let host = "worker-10";
                patience.event(Event::State { host, state });
            }
            let report = &report.hosts[2];
            patience.event(Event::Finished { report });
        }
    }

    const TRIED: [&str; 3] = [
        "worker-10 connecting",
        "worker-10 scanning",
        "worker-10 waits",
    ];

    #[test]
    fn a_host_that_stays_locked_is_told_of_twice() {
        let (told, report) = (Told::default(), found_locked());
        let patience = Patience::new(&told, Deadline::after(Duration::from_secs(60)));
        try_twice(&patience, &report);
        patience.event(Event::Finished {
            report: &report.hosts[0],
        });
        patience.end(&report);
        let told = told.0.into_inner().unwrap();
        let ends = ["web-1 committed", "worker-10 failed"];
        assert_eq!(told, [&TRIED[..], &ends].concat());
    }

    #[test]
    fn a_host_that_is_let_go_of_goes_on() {
        let (told, mut report) = (Told::default(), found_locked());
        let patience = Patience::new(&told, Deadline::after(Duration::from_secs(60)));
        try_twice(&patience, &report);
        for state in [
            HostState::Connecting,
            HostState::Staging,
            HostState::Committing,
        ] {
            let host = "worker-10";
            patience.event(Event::State { host, state });
        }
        report.hosts[2].error = None;
        report.hosts[2].outcome = release_sync::Outcome::Committed;
        patience.event(Event::Finished {
            report: &report.hosts[2],
        });
        patience.end(&report);
        let told = told.0.into_inner().unwrap();
        let ends = [
            "worker-10 staging",
            "worker-10 committing",
            "worker-10 committed",
        ];
        assert_eq!(told, [&TRIED[..], &ends].concat());
    }

    #[test]
    fn where_nobody_waits_all_is_told() {
        let (told, report) = (Told::default(), found_locked());
        let patience = Patience::new(&told, Deadline::after(Duration::ZERO));
        patience.event(Event::Finished {
            report: &report.hosts[2],
        });
        patience.end(&report);
        assert_eq!(told.0.into_inner().unwrap(), ["worker-10 failed"]);
    }
}
