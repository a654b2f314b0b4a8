//! Writers: threads that turn payload and local content into staged files.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use release_core::{Entry, Manifest};

use super::Event;
use super::alarm::{Alarm, trip};
use super::ask::Lacking;
use super::limits::Budget;
use crate::confine::{ParentCache, Root};
use crate::plan::{Origin, Owners};
use crate::store::{Attributes, Birth, FileWriter, Keepsakes, Stage, WriteError};
use crate::tree::{Found, FoundKind};
use crate::wire::{PartFlags, Payload};

/// Something for a writer to do.
#[derive(Debug)]
pub(super) enum Task {
    /// A payload frame's body, whose bytes are given back to the input's budget afterwards.
    Payload(Vec<u8>),
    /// A file whose content is on this machine.
    Local { entry: u32, origin: Origin },
}

/// What a writer has done.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Files of a payload frame; `answered` if it was its unit's last.
    Payload {
        unit: u32,
        answered: bool,
        files: Vec<FileOutcome>,
        /// The file that the frame ended amid, and what there is of it.
        growing: Option<(u32, u64)>,
    },
    /// A file made locally.
    Local(FileOutcome),
    /// The controller's bytes make no sense.
    Nonsense(String),
}

/// What came of a file.
#[derive(Debug)]
pub(super) struct FileOutcome {
    pub(super) entry: u32,
    pub(super) result: Result<Staged, WriteError>,
}

/// A file that is staged.
#[derive(Debug)]
pub(super) struct Staged {
    pub(super) inode: u64,
    pub(super) literal: u64,
    pub(super) matched: u64,
    pub(super) local: u64,
}

/// What all writers share.
pub(super) struct Shared {
    pub(super) manifest: Arc<Manifest>,
    pub(super) tree: Arc<Vec<Found>>,
    pub(super) root: Root,
    pub(super) stage: Stage,
    pub(super) keepsakes: Keepsakes,
    pub(super) owners: Option<Owners>,
    /// Entries that are asked for, in the order of the manifest.
    pub(super) lacking: Arc<[Lacking]>,
    /// Entries that are asked for as a whole because a delta or a local copy was not right.
    pub(super) retried: Mutex<HashSet<u32>>,
    /// Set when nothing more need be staged: writers then only empty their queues.
    pub(super) given_up: AtomicBool,
    pub(super) budget: Arc<Budget>,
}

impl Shared {
    /// Notes that an entry is asked for as a whole. Was it not before?
    pub(super) fn retry(&self, entry: u32) -> bool {
        self.retried
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(entry)
    }

    fn is_retried(&self, entry: u32) -> bool {
        self.retried
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&entry)
    }

    fn lacking(&self, entry: u32) -> Option<&Lacking> {
        let found = self
            .lacking
            .binary_search_by_key(&entry, |lacking| lacking.entry);
        Some(&self.lacking[found.ok()?])
    }

    fn is_asked_for(&self, entry: u32) -> bool {
        self.lacking(entry).is_some() || self.is_retried(entry)
    }
}

/// The writers of a session.
pub(super) struct Pool {
    queues: Vec<Sender<Task>>,
    threads: Vec<JoinHandle<()>>,
    next: usize,
}

impl Pool {
    /// Starts as many as there are processors, within reason.
    pub(super) fn start(shared: &Arc<Shared>, events: &Sender<Event>) -> Self {
        let count = std::thread::available_parallelism()
            .map_or(2, |n| n.get())
            .clamp(2, 8);
        let mut pool = Self {
            queues: Vec::new(),
            threads: Vec::new(),
            next: 0,
        };
        for _ in 0..count {
            let (queue, tasks) = mpsc::channel();
            let writer = Writer {
                shared: Arc::clone(shared),
                parents: ParentCache::default(),
                old_parents: ParentCache::default(),
                open: HashMap::new(),
            };
            let events = events.clone();
            pool.queues.push(queue);
            pool.threads
                .push(std::thread::spawn(move || writer.run(&tasks, &events)));
        }
        pool
    }

    /// Gives a payload to the writer of its unit, since frames of one unit depend on each other.
    pub(super) fn payload(&self, unit: u32, body: Vec<u8>) {
        let queue = &self.queues[unit as usize % self.queues.len()];
        // A writer ends before its queue only by a panic, of which the session hears.
        let _ = queue.send(Task::Payload(body));
    }

    /// Gives a local file to any writer.
    pub(super) fn local(&mut self, entry: u32, origin: Origin) {
        self.next = (self.next + 1) % self.queues.len();
        let _ = self.queues[self.next].send(Task::Local { entry, origin });
    }

    /// Lets the writers do no more than they have begun, and waits for them.
    pub(super) fn give_up(&mut self, shared: &Shared) {
        shared.given_up.store(true, Ordering::Relaxed);
        self.join();
    }

    /// Waits until the writers are done.
    pub(super) fn join(&mut self) {
        self.queues.clear();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

struct Writer {
    shared: Arc<Shared>,
    parents: ParentCache,
    old_parents: ParentCache,
    /// The file that a unit is in the middle of.
    open: HashMap<u32, (u32, Result<Growing, WriteError>)>,
}

/// A file that is being put together.
struct Growing {
    writer: FileWriter,
    birth: Birth,
}

impl Writer {
    fn run(mut self, tasks: &Receiver<Task>, events: &Sender<Event>) {
        let _alarm = Alarm::new(events);
        while let Ok(task) = tasks.recv() {
            if self.shared.given_up.load(Ordering::Relaxed) {
                continue;
            }
            let outcome = match task {
                Task::Payload(body) => {
                    let outcome = self.payload(&body);
                    self.shared.budget.give_back(body.len());
                    outcome
                }
                Task::Local { entry, origin } => Outcome::Local(FileOutcome {
                    entry,
                    result: self.local(entry, origin),
                }),
            };
            if events.send(Event::Worked(outcome)).is_err() {
                return;
            }
        }
    }

    fn payload(&mut self, body: &[u8]) -> Outcome {
        let payload = match Payload::decode(body) {
            Ok(payload) => payload,
            Err(error) => return Outcome::Nonsense(error.to_string()),
        };
        let mut files = Vec::new();
        for part in payload.parts() {
            let (entry, flags, ops) = match part {
                Ok(part) => part,
                Err(error) => return Outcome::Nonsense(error.to_string()),
            };
            // Hosts that lack most of a unit are sent all of it.
            if !self.shared.is_asked_for(entry) {
                continue;
            }
            files.extend(self.part(payload.unit, entry, flags, ops));
        }
        Outcome::Payload {
            unit: payload.unit,
            answered: payload.last,
            files,
            growing: self.growing(payload.unit),
        }
    }

    fn growing(&self, unit: u32) -> Option<(u32, u64)> {
        let (entry, growing) = self.open.get(&unit)?;
        Some((*entry, growing.as_ref().ok()?.writer.position()))
    }

    fn part(&mut self, unit: u32, index: u32, flags: PartFlags, ops: &[u8]) -> Option<FileOutcome> {
        let mut growing = match self.open.remove(&unit) {
            Some((open, growing)) if open == index => growing,
            _ => self.begin(index),
        };
        if let Ok(file) = &mut growing
            && let Err(error) = file.writer.push(ops)
        {
            growing = Err(error);
        }
        let result = match flags {
            PartFlags::More => {
                self.open.insert(unit, (index, growing));
                return None;
            }
            PartFlags::End => growing.and_then(|growing| self.finish(index, growing)),
            PartFlags::Failed => Err(WriteError::Io(io::Error::other("the source can't give it"))),
        };
        let shared = Arc::clone(&self.shared);
        if result.is_err() {
            // What is left behind is found to be no file of the release, and goes.
            let _ = shared.stage.discard(
                &mut self.parents,
                &shared.manifest.entries()[index as usize],
            );
        }
        Some(FileOutcome {
            entry: index,
            result,
        })
    }

    fn begin(&mut self, index: u32) -> Result<Growing, WriteError> {
        let shared = Arc::clone(&self.shared);
        let entry = &shared.manifest.entries()[index as usize];
        let (size, _) = entry.file().ok_or(WriteError::Damaged)?;
        trip(&entry.path, "panics in a writer");
        let (file, birth) = self.create(entry)?;
        let basis = match shared.lacking(index).and_then(|lacking| lacking.basis) {
            Some(old) if !shared.is_retried(index) => self.open_old(&shared.tree[old as usize]),
            _ => None,
        };
        let writer = FileWriter::new(file, size, basis).counted_by(shared.root.effort());
        Ok(Growing { writer, birth })
    }

    /// The old file of a delta; none if it can't be opened: then copies don't come out right, and the
    /// whole file is asked for.
    fn open_old(&mut self, found: &Found) -> Option<(File, u64)> {
        let FoundKind::File { size, .. } = found.kind else {
            return None;
        };
        let file = self.old_parents.file(&self.shared.root, &found.path).ok()?;
        Some((file, size))
    }

    fn create(&mut self, entry: &Entry) -> Result<(File, Birth), WriteError> {
        let shared = Arc::clone(&self.shared);
        let attributes = self.attributes(entry);
        match shared.stage.create(&mut self.parents, entry, &attributes) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                shared.stage.discard(&mut self.parents, entry)?;
                Ok(shared.stage.create(&mut self.parents, entry, &attributes)?)
            }
            other => Ok(other?),
        }
    }

    fn attributes(&self, entry: &Entry) -> Attributes {
        Attributes::of(entry, self.shared.owners.as_ref())
    }

    /// Proves a finished file, and gives it its attributes.
    fn finish(&mut self, index: u32, growing: Growing) -> Result<Staged, WriteError> {
        let entry = &self.shared.manifest.entries()[index as usize];
        let (_, digest) = entry.file().ok_or(WriteError::Damaged)?;
        let Growing { writer, birth } = growing;
        let (literal, matched, local) = (writer.literal, writer.matched, writer.local);
        let file = writer.finish(&digest)?;
        self.attributes(entry).set_on_new(&file, &birth)?;
        Ok(Staged {
            inode: birth.inode,
            literal,
            matched,
            local,
        })
    }

    /// Gives a file that was staged before its attributes.
    fn seal(&self, entry: &Entry, file: &File) -> Result<Staged, WriteError> {
        self.attributes(entry).set(file)?;
        let stat = rustix::fs::fstat(file).map_err(io::Error::from)?;
        Ok(Staged {
            inode: stat.st_ino,
            literal: 0,
            matched: 0,
            local: 0,
        })
    }

    fn local(&mut self, index: u32, origin: Origin) -> Result<Staged, WriteError> {
        let shared = Arc::clone(&self.shared);
        let entry = &shared.manifest.entries()[index as usize];
        let (size, _) = entry.file().ok_or(WriteError::Damaged)?;
        let source = match origin {
            Origin::Empty => None,
            Origin::Tree(old) => Some(
                self.old_parents
                    .file(&shared.root, &shared.tree[old as usize].path)?,
            ),
            Origin::Kept(kept) => Some(shared.keepsakes.open(kept)?),
            Origin::Twin(other) => {
                let other = &shared.manifest.entries()[other as usize];
                Some(self.parents.file(shared.stage.root(), &other.path)?)
            }
            Origin::Staged => {
                let file = self.parents.file(shared.stage.root(), &entry.path)?;
                return self.seal(entry, &file);
            }
            Origin::Wanted { .. } => return Err(WriteError::Damaged),
        };
        let (file, birth) = self.create(entry)?;
        let mut writer = FileWriter::new(file, size, None).counted_by(shared.root.effort());
        if let Some(source) = source {
            writer.push_file(&source)?;
        }
        self.finish(index, Growing { writer, birth })
    }
}
