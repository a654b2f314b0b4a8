//! Where frames wait until every host has had them: in memory up to a budget, then in a file without a
//! name.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::readers::Readers;
use crate::wire::FrameBytes;

/// A frame that is kept.
#[derive(Debug)]
pub(super) struct Slot {
    place: Place,
    had: Readers,
}

#[derive(Debug)]
enum Place {
    Memory(Arc<FrameBytes>),
    File {
        offset: u64,
        length: usize,
    },
    /// Every host has had it.
    Gone,
}

impl Slot {
    /// Was it let go of, since every host has had it?
    pub(super) fn is_gone(&self) -> bool {
        matches!(self.place, Place::Gone)
    }
}

/// Where frames are kept until every host has had them.
#[derive(Debug)]
pub(super) struct Shelf {
    budget: usize,
    used: AtomicUsize,
    /// Hosts that may ask yet.
    readers: Mutex<Readers>,
    overflow: Mutex<Option<(File, u64)>>,
}

impl Shelf {
    pub(super) fn new(budget: usize, hosts: usize) -> Self {
        Self {
            budget,
            used: AtomicUsize::new(0),
            readers: Mutex::new(Readers::first(hosts)),
            overflow: Mutex::new(None),
        }
    }

    /// Keeps a frame.
    pub(super) fn put(&self, frame: FrameBytes) -> Slot {
        Slot {
            place: self.place(frame),
            had: Readers::default(),
        }
    }

    /// A host will not come any more.
    pub(super) fn leave(&self, reader: usize) {
        lock(&self.readers).remove(reader);
    }

    fn place(&self, frame: FrameBytes) -> Place {
        let used = self.used.load(Ordering::Relaxed);
        if used + frame.len() > self.budget
            && let Ok(place) = self.put_aside(&frame)
        {
            return place;
        }
        self.used.fetch_add(frame.len(), Ordering::Relaxed);
        Place::Memory(Arc::new(frame))
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
    pub(super) fn take(&self, slot: &mut Slot, reader: usize) -> io::Result<Arc<FrameBytes>> {
        slot.had.insert(reader);
        let frame = match &slot.place {
            Place::Memory(frame) => Arc::clone(frame),
            Place::File { offset, length } => self.read_aside(*offset, *length)?,
            Place::Gone => return Err(io::Error::other("a frame was let go of too early")),
        };
        if lock(&self.readers).are_all_in(&slot.had) {
            self.free(&slot.place);
            slot.place = Place::Gone;
        }
        Ok(frame)
    }

    fn read_aside(&self, offset: u64, length: usize) -> io::Result<Arc<FrameBytes>> {
        let overflow = lock(&self.overflow);
        let Some((file, _)) = &*overflow else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let mut frame = vec![0; length];
        file.read_exact_at(&mut frame, offset)?;
        Ok(Arc::new(frame.into()))
    }

    /// A frame that nobody will ask for.
    pub(super) fn discard(&self, slot: &Slot) {
        self.free(&slot.place);
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
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
