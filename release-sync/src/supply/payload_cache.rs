//! Every distinct answer is encoded once, whoever asks for it.
//!
//! An answer is made as it is read: a reader that needs a frame which is not there yet sets off the
//! encoding of a few more, on the pool, and is woken when they are there. So nothing waits inside the
//! pool, a slow host holds nobody back, and what nobody reads is not encoded.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use release_core::{Digest, RelPath};

use super::encode::{Encoder, Supply};
use crate::confine::Root;
use crate::session::Release;
use crate::transport::Waker;
use crate::wire::Want;

/// Frames that are encoded ahead of the fastest reader.
const AHEAD: usize = 4;

/// The answers of a run.
#[derive(Debug)]
pub(crate) struct PayloadCache {
    supply: Arc<Supply>,
    /// Answers that some host has yet to have.
    answers: Mutex<HashMap<Digest, Arc<Answer>>>,
    shelf: Arc<Shelf>,
    encodings: AtomicU64,
}

impl PayloadCache {
    /// Answers wants of a release's files out of the source tree. At most `budget` bytes of frames are
    /// kept in memory, the others in a file that has no name. `hosts` are going to ask.
    pub(crate) fn new(source: Root, release: Arc<Release>, budget: usize, hosts: usize) -> Self {
        let supply = Supply {
            source,
            release,
            level: Default::default(),
            changed: Mutex::new(None),
        };
        Self {
            supply: Arc::new(supply),
            answers: Mutex::default(),
            shelf: Arc::new(Shelf::new(budget, hosts)),
            encodings: AtomicU64::new(0),
        }
    }

    /// The answer to a want: one that is there already, or a new one.
    pub(crate) fn answer(&self, want: &Arc<Want>) -> Arc<Answer> {
        let mut answers = lock(&self.answers);
        let key = want.key();
        if let Some(answer) = answers.get(&key)
            && answer.is_whole()
        {
            return Arc::clone(answer);
        }
        answers.retain(|_, answer| answer.is_whole());
        self.encodings.fetch_add(1, Ordering::Relaxed);
        let encoder = Encoder::new(Arc::clone(&self.supply), Arc::clone(want));
        let answer = Arc::new(Answer {
            shelf: Arc::clone(&self.shelf),
            state: Mutex::new(State {
                encoder: Some(encoder),
                ..State::default()
            }),
        });
        answers.insert(key, Arc::clone(&answer));
        answer
    }

    /// A host will not ask any more.
    pub(crate) fn leave(&self) {
        self.shelf.hosts.fetch_sub(1, Ordering::Relaxed);
    }

    /// A file of the source that no longer is what was scanned, if one was found.
    pub(crate) fn changed(&self) -> Option<RelPath> {
        lock(&self.supply.changed).clone()
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

#[derive(Debug)]
struct Slot {
    place: Place,
    reads: usize,
}

#[derive(Debug)]
enum Place {
    Memory(Arc<[u8]>),
    File {
        offset: u64,
        length: usize,
    },
    /// Every host has had it.
    Gone,
}

impl Answer {
    /// Is every frame that was encoded still there? A host that asks once more comes too late for one
    /// that every host has had.
    fn is_whole(&self) -> bool {
        lock(&self.state)
            .frames
            .iter()
            .all(|slot| !matches!(slot.place, Place::Gone))
    }

    /// Starts the encoding, so that the first frames are there when they are asked for.
    pub(crate) fn prepare(self: &Arc<Self>) {
        let mut state = lock(&self.state);
        state.target = state.target.max(1);
        self.go_on(&mut state);
    }

    /// The frame of that number, with whether it is the last. If it is not there yet, `waker` is woken
    /// when it is.
    pub(crate) fn poll(
        self: &Arc<Self>,
        number: usize,
        waker: &Waker,
    ) -> Poll<io::Result<(Arc<[u8]>, bool)>> {
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
                .take(&mut state.frames[number])
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
            let place = self.shelf.put(frame);
            state.frames.push(Slot { place, reads: 0 });
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
            .for_each(|slot| self.shelf.free(&slot.place));
    }
}

/// Where frames are kept until every host has had them.
#[derive(Debug)]
struct Shelf {
    budget: usize,
    used: AtomicUsize,
    hosts: AtomicUsize,
    overflow: Mutex<Option<(File, u64)>>,
}

impl Shelf {
    fn new(budget: usize, hosts: usize) -> Self {
        Self {
            budget,
            used: AtomicUsize::new(0),
            hosts: AtomicUsize::new(hosts),
            overflow: Mutex::new(None),
        }
    }

    fn put(&self, frame: Vec<u8>) -> Place {
        let used = self.used.load(Ordering::Relaxed);
        if used + frame.len() > self.budget
            && let Ok(place) = self.put_aside(&frame)
        {
            return place;
        }
        self.used.fetch_add(frame.len(), Ordering::Relaxed);
        Place::Memory(frame.into())
    }

    fn put_aside(&self, frame: &[u8]) -> io::Result<Place> {
        let mut overflow = lock(&self.overflow);
        if overflow.is_none() {
            *overflow = Some((unnamed_file()?, 0));
        }
        let Some((file, end)) = &mut *overflow else {
            return Ok(Place::Gone);
        };
        file.write_all_at(frame, *end)?;
        let place = Place::File {
            offset: *end,
            length: frame.len(),
        };
        *end += frame.len() as u64;
        Ok(place)
    }

    /// Reads a frame for one more host; the last of them takes it away.
    fn take(&self, slot: &mut Slot) -> io::Result<Arc<[u8]>> {
        slot.reads += 1;
        let frame = match &slot.place {
            Place::Memory(frame) => Arc::clone(frame),
            Place::File { offset, length } => self.read_aside(*offset, *length)?,
            Place::Gone => return Err(io::Error::other("a frame was let go of too early")),
        };
        if slot.reads >= self.hosts.load(Ordering::Relaxed) {
            self.free(&slot.place);
            slot.place = Place::Gone;
        }
        Ok(frame)
    }

    fn read_aside(&self, offset: u64, length: usize) -> io::Result<Arc<[u8]>> {
        let overflow = lock(&self.overflow);
        let Some((file, _)) = &*overflow else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let mut frame = vec![0; length];
        file.read_exact_at(&mut frame, offset)?;
        Ok(frame.into())
    }

    fn free(&self, place: &Place) {
        match place {
            Place::Memory(frame) => {
                self.used.fetch_sub(frame.len(), Ordering::Relaxed);
            }
            Place::File { offset, length } => {
                if let Some((file, _)) = &*lock(&self.overflow) {
                    let flags = rustix::fs::FallocateFlags::PUNCH_HOLE
                        | rustix::fs::FallocateFlags::KEEP_SIZE;
                    // Where holes can't be punched the room comes back with the run's end.
                    let _ = rustix::fs::fallocate(file, flags, *offset, *length as u64);
                }
            }
            Place::Gone => {}
        }
    }
}

/// A file without a name: gone with the process, however that ends.
fn unnamed_file() -> io::Result<File> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    Ok(rustix::fs::open(c"/var/tmp", flags, Mode::RUSR | Mode::WUSR)?.into())
}

/// What these locks protect is consistent between any two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
