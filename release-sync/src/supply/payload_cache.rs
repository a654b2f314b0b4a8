//! Every distinct answer is encoded once, whoever asks for it.
//!
//! An answer is made as it is read: a reader that needs a frame which is not there yet sets off the
//! encoding of a few more, on the pool, and is woken when they are there. So nothing waits inside the
//! pool, a slow host holds nobody back, and what nobody reads is not encoded.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use release_core::{Digest, RelPath};

use super::encode::{Encoder, Supply};
use super::shelf::{Shelf, Slot, lock};
use crate::Work;
use crate::transport::Waker;
use crate::wire::{FrameBytes, Want};

/// Frames that are encoded ahead of the fastest reader.
const AHEAD: usize = 4;

/// The answers of a run.
#[derive(Debug)]
pub(crate) struct PayloadCache {
    supply: Arc<Supply>,
    answers: Mutex<Answers>,
    shelf: Arc<Shelf>,
}

/// Answers that some host has yet to have.
#[derive(Debug, Default)]
struct Answers {
    by_key: HashMap<Digest, Arc<Answer>>,
    /// Units of which something was encoded.
    begun: HashSet<u32>,
}

impl PayloadCache {
    /// Answers wants of a release's files. At most `budget` bytes of frames are kept in memory, the others in a
    /// file that has no name. Hosts from 0 to below `hosts` may ask.
    pub(super) fn new(supply: Supply, budget: usize, hosts: usize) -> Self {
        Self {
            supply: Arc::new(supply),
            answers: Mutex::default(),
            shelf: Arc::new(Shelf::new(budget, hosts)),
        }
    }

    /// What answers a want, in order: mostly one answer, that of the hosts that ask the same.
    ///
    /// A host that has drifted asks for other files of a unit than those before it. If it lacks half of
    /// the unit or more, it is sent all of it, as every such host is; else each file by itself. So
    /// however many hosts ask, and for whatever, a file is encoded three times at the most in each
    /// form (whole, or against one old file).
    pub(crate) fn answers(&self, want: &Arc<Want>) -> Vec<Arc<Answer>> {
        let mut answers = lock(&self.answers);
        if let Some(answer) = answers.find(&want.key()) {
            return vec![answer];
        }
        let units = self.supply.units_of(want).unwrap_or(0..0);
        let is_first = !units.clone().any(|unit| answers.begun.contains(&unit));
        answers.begun.extend(units);
        if is_first || want.asks.len() == 1 {
            return vec![self.encode(&mut answers, Arc::clone(want))];
        }
        if let Some(unit) = self.supply.worth_all(want) {
            return vec![self.find_or_encode(&mut answers, unit)];
        }
        let alone = want
            .asks
            .iter()
            .map(|ask| Want::new(want.unit, vec![ask.clone()]));
        alone
            .map(|want| self.find_or_encode(&mut answers, want))
            .collect()
    }

    fn find_or_encode(&self, answers: &mut Answers, want: Want) -> Arc<Answer> {
        match answers.find(&want.key()) {
            Some(answer) => answer,
            None => self.encode(answers, Arc::new(want)),
        }
    }

    fn encode(&self, answers: &mut Answers, want: Arc<Want>) -> Arc<Answer> {
        answers.by_key.retain(|_, answer| answer.is_whole());
        let key = want.key();
        let encoder = Encoder::new(Arc::clone(&self.supply), want);
        let answer = Arc::new(Answer {
            shelf: Arc::clone(&self.shelf),
            state: Mutex::new(State {
                encoder: Some(encoder),
                ..State::default()
            }),
        });
        answers.by_key.insert(key, Arc::clone(&answer));
        answer
    }

    /// How much was done for all hosts together, so far.
    pub(crate) fn work(&self) -> Work {
        self.supply.work.read()
    }

    /// A host will not ask any more.
    pub(crate) fn leave(&self, reader: usize) {
        self.shelf.leave(reader);
    }

    /// A file of the source that no longer is what was scanned, if one was found.
    pub(crate) fn changed(&self) -> Option<RelPath> {
        lock(&self.supply.changed).clone()
    }
}

impl Answers {
    fn find(&self, key: &Digest) -> Option<Arc<Answer>> {
        self.by_key
            .get(key)
            .filter(|answer| answer.is_whole())
            .cloned()
    }
}

/// The frames that answer a want.
#[derive(Debug)]
pub(crate) struct Answer {
    shelf: Arc<Shelf>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Gone when all is encoded, or while more is being encoded.
    encoder: Option<Encoder>,
    running: bool,
    complete: bool,
    frames: Vec<Slot>,
    /// Frames are encoded until there are this many.
    target: usize,
    waiting: Vec<Waker>,
}

impl Answer {
    /// Is every frame that was encoded still there? A host that asks once more comes too late for one
    /// that every host has had.
    fn is_whole(&self) -> bool {
        lock(&self.state).frames.iter().all(|slot| !slot.is_gone())
    }

    /// Starts the encoding, so that the first frames are there when they are asked for.
    pub(crate) fn prepare(self: &Arc<Self>) {
        let mut state = lock(&self.state);
        state.target = state.target.max(1);
        self.go_on(&mut state);
    }

    /// The frame of that number for a host, with whether it is the last. If it is not there yet, `waker` is woken
    /// when it is.
    pub(crate) fn poll(
        self: &Arc<Self>,
        number: usize,
        reader: usize,
        waker: &Waker,
    ) -> Poll<io::Result<(Arc<FrameBytes>, bool)>> {
        let mut state = lock(&self.state);
        state.target = state.target.max(number + 1 + AHEAD);
        self.go_on(&mut state);
        let count = state.frames.len();
        if number >= count {
            state.waiting.push(waker.clone());
            return Poll::Pending;
        }
        let last = state.complete && number + 1 == count;
        Poll::Ready(
            self.shelf
                .take(&mut state.frames[number], reader)
                .map(|frame| (frame, last)),
        )
    }

    fn go_on(self: &Arc<Self>, state: &mut State) {
        if state.running || state.complete || state.frames.len() >= state.target {
            return;
        }
        state.running = true;
        let answer = Arc::downgrade(self);
        rayon::spawn(move || {
            // Nobody waits for an answer that was dropped.
            while let Some(answer) = answer.upgrade()
                && answer.encode()
            {}
        });
    }

    /// Encodes a few frames more. Is there more to do?
    fn encode(&self) -> bool {
        let Some(mut encoder) = lock(&self.state).encoder.take() else {
            return false;
        };
        let encoded = encoder.next();
        let mut state = lock(&self.state);
        for (frame, last) in encoded {
            state.complete |= last;
            let slot = self.shelf.put(frame);
            state.frames.push(slot);
        }
        state.running = !state.complete && state.frames.len() < state.target;
        if !state.complete {
            state.encoder = Some(encoder);
        }
        state.waiting.drain(..).for_each(|waker| waker.wake());
        state.running
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        state
            .frames
            .drain(..)
            .for_each(|slot| self.shelf.discard(&slot));
    }
}
