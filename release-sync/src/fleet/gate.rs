//! Where hosts that have staged wait for each other, so that a fleet flips together.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::Hold;
use crate::cancel::Listening;
use crate::drive::Verdict;
use crate::transport::Waker;

/// How long a staged host waits for the others, as a share of the time that it took itself. Hosts that
/// are alike flip together; one that is slow, silent or dead holds nobody up.
const PATIENCE: f64 = 0.1;

/// Opens when every host has staged, or has failed; and not before it is released, where somebody holds it.
#[derive(Debug)]
pub(super) struct Gate {
    hold: Option<Hold>,
    /// Wait for all of them, however long it takes.
    together: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    expected: usize,
    waiting: Vec<Waker>,
}

impl Gate {
    /// Expects so many hosts.
    pub(super) fn new(hosts: usize, together: bool) -> Self {
        Self {
            hold: None,
            together,
            state: Mutex::new(State {
                expected: hosts,
                waiting: Vec::new(),
            }),
        }
    }

    /// One that opens when it is released, and for nothing else.
    pub(super) fn held(hold: &Hold) -> Self {
        Self {
            hold: Some(hold.clone()),
            ..Self::new(0, false)
        }
    }

    /// Wakes a host when the gate is released, where it is held.
    pub(super) fn listen(&self, waker: &Waker) -> Option<Listening> {
        let waker = waker.clone();
        Some(self.hold.as_ref()?.listen(move || waker.wake()))
    }

    /// A host has come as far as it will before a commit; once for each. One that waits is woken when
    /// the last is there.
    pub(super) fn arrive(&self, waker: Option<&Waker>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.expected = state.expected.saturating_sub(1);
        state.waiting.extend(waker.cloned());
        if state.expected == 0 {
            state.waiting.drain(..).for_each(|waker| waker.wake());
        }
    }

    /// What a host is to do that took `took` to stage and has waited for `waited` since.
    pub(super) fn verdict(&self, took: Duration, waited: Duration) -> Verdict {
        match &self.hold {
            Some(hold) if hold.is_released() => return Verdict::Commit,
            Some(_) => return Verdict::Hold,
            None => {}
        }
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let impatient = !self.together && waited >= took.mul_f64(PATIENCE);
        if state.expected == 0 || impatient {
            Verdict::Commit
        } else {
            Verdict::Wait
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn hosts_flip_when_the_last_is_there() {
        let gate = Gate::new(2, false);
        gate.arrive(None);
        assert_eq!(gate.verdict(SECOND, Duration::ZERO), Verdict::Wait);
        gate.arrive(None);
        assert_eq!(gate.verdict(SECOND, Duration::ZERO), Verdict::Commit);
    }

    #[test]
    fn nobody_waits_long_unless_all_are_to_flip_together() {
        let waited = SECOND / 5;
        assert_eq!(Gate::new(2, false).verdict(SECOND, waited), Verdict::Commit);
        assert_eq!(Gate::new(2, true).verdict(SECOND, waited), Verdict::Wait);
    }

    #[test]
    fn a_gate_that_is_held_opens_for_nothing_but_its_release() {
        let hold = Hold::default();
        let gate = Gate::held(&hold);
        gate.arrive(None);
        assert_eq!(gate.verdict(SECOND, SECOND * 900), Verdict::Hold);
        hold.release();
        assert_eq!(gate.verdict(SECOND, Duration::ZERO), Verdict::Commit);
    }
}
