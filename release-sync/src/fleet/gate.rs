//! Where hosts that have staged wait for each other: none is changed before all are ready.

use std::sync::{Mutex, PoisonError};

use super::drive::Verdict;
use crate::transport::Waker;

/// Opens when every host has staged, or has failed.
#[derive(Debug)]
pub(super) struct Gate {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    expected: usize,
    waiting: Vec<Waker>,
}

impl Gate {
    /// Waits for so many hosts.
    pub(super) fn new(hosts: usize) -> Self {
        Self {
            state: Mutex::new(State {
                expected: hosts,
                waiting: Vec::new(),
            }),
        }
    }

    /// A host has come as far as it will before a commit. Once for each.
    pub(super) fn arrive(&self, waker: &Waker) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.expected = state.expected.saturating_sub(1);
        state.waiting.push(waker.clone());
        if state.expected == 0 {
            state.waiting.drain(..).for_each(|waker| waker.wake());
        }
    }

    /// What a staged host is to do now.
    pub(super) fn verdict(&self) -> Verdict {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.expected == 0 {
            Verdict::Commit
        } else {
            Verdict::Wait
        }
    }
}
