//! Answering wants: file content, whole or as a delta, in payload frames.

mod large;

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use release_core::{Digest, RelPath};
use rustix::buffer::spare_capacity;
use rustix::io::{read, retry_on_intr};

use self::large::LargeFile;
use super::level::{Level, Manner};
use crate::Work;
use crate::confine::Root;
use crate::delta::{Index, Signature};
use crate::scan::Trace;
use crate::session::Release;
use crate::unit::LARGE_FILE;
use crate::wire::{Ask, Basis, FrameBytes, PartFlags, PayloadBuilder, Want};

/// A frame, and whether it is its answer's last.
pub(super) type Encoded = (FrameBytes, bool);

/// What an encoder reads.
#[derive(Debug)]
pub(super) struct Supply {
    source: Root,
    release: Arc<Release>,
    trace: Arc<Trace>,
    level: Level,
    /// The first file that was found to be changed.
    pub(super) changed: Mutex<Option<RelPath>>,
    pub(super) work: WorkCounts,
}

/// What was done, counted by several threads.
#[derive(Debug, Default)]
pub(super) struct WorkCounts {
    frames: AtomicU64,
    encoded: AtomicU64,
    files: AtomicU64,
    read: AtomicU64,
}

impl WorkCounts {
    pub(super) fn read(&self) -> Work {
        Work {
            frames_encoded: self.frames.load(Ordering::Relaxed),
            bytes_encoded: self.encoded.load(Ordering::Relaxed),
            files_read: self.files.load(Ordering::Relaxed),
            bytes_read: self.read.load(Ordering::Relaxed),
        }
    }
}

impl Supply {
    /// Gives out a source's files: what it is, and what the scan saw of it.
    pub(super) fn new(source: Root, release: Arc<Release>, trace: Arc<Trace>) -> Self {
        let (changed, work) = (Mutex::new(None), WorkCounts::default());
        let (_, size) = release.manifest.totals();
        Self {
            source,
            release,
            trace,
            level: Level::new(size),
            changed,
            work,
        }
    }

    /// The want of a whole unit, if this one is for half of its bytes or more and has no use for deltas.
    pub(super) fn worth_all(&self, want: &Want) -> Option<Want> {
        let size = |entry: u32| self.file(entry).1;
        let wanted: u64 = want.asks.iter().map(|ask| size(ask.entry)).sum();
        let whole = want.asks.iter().all(|ask| ask.basis.is_none());
        let units = self.units_of(want)?;
        let (start, end) = (units.start, units.end - 1);
        let units = &self.release.units;
        let entries = units.range(start)?.start..units.range(end)?.end;
        let files = entries
            .filter(|&entry| size(entry) > 0)
            .collect::<Vec<u32>>();
        let all: u64 = files.iter().map(|&entry| size(entry)).sum();
        let asks = files.into_iter().map(|entry| Ask { entry, basis: None });
        (whole && wanted >= all / 2).then(|| Want::new(want.unit, asks.collect()))
    }

    /// The units that a want's files belong to, and those between them.
    pub(super) fn units_of(&self, want: &Want) -> Option<Range<u32>> {
        let (first, last) = (want.asks.first()?, want.asks.last()?);
        let units = &self.release.units;
        Some(units.of_entry(first.entry)?..units.of_entry(last.entry)? + 1)
    }

    fn open(&self, path: &RelPath, size: u64) -> io::Result<File> {
        self.work.files.fetch_add(1, Ordering::Relaxed);
        self.work.read.fetch_add(size, Ordering::Relaxed);
        self.source.file(path)
    }

    /// Closes a frame, whose content is sent as it is or compressed.
    fn finish(
        &self,
        frame: &mut PayloadBuilder,
        unit: u32,
        last: bool,
        manner: Manner,
    ) -> FrameBytes {
        let length = frame.length();
        self.work.frames.fetch_add(1, Ordering::Relaxed);
        self.work
            .encoded
            .fetch_add(length as u64, Ordering::Relaxed);
        frame.finish(unit, last, self.level.of(length, manner))
    }

    fn file(&self, entry: u32) -> (&RelPath, u64, Digest) {
        let entry = &self.release.manifest.entries()[entry as usize];
        // Sessions let only wants of files through.
        let (size, digest) = entry.file().unwrap_or((0, Digest::of(b"")));
        (&entry.path, size, digest)
    }

    /// Was a file not touched since the scan? What was read of it before this was asked is then what was scanned.
    /// Hosts have the last word: they find out the digest of what came. Here it is found out only where a file
    /// was touched, so as to name it.
    fn is_untouched(&self, entry: u32, file: &File) -> bool {
        self.trace.is_still(entry as usize, file)
    }

    fn changed(&self, path: &RelPath) {
        if let Ok(mut changed) = self.changed.lock() {
            changed.get_or_insert_with(|| path.clone());
        }
    }
}

/// Encodes the answer to one want, a few frames at a time.
#[derive(Debug)]
pub(super) struct Encoder {
    supply: Arc<Supply>,
    want: Arc<Want>,
    large: Option<LargeFile>,
}

impl Encoder {
    pub(super) fn new(supply: Arc<Supply>, want: Arc<Want>) -> Self {
        Self {
            supply,
            want,
            large: None,
        }
    }

    /// The next frames; the last of all is marked. Not called after it.
    pub(super) fn next(&mut self) -> Vec<Encoded> {
        if let Some(large) = &mut self.large {
            return large.next(&self.supply, self.want.unit);
        }
        match &self.want.asks[..] {
            [ask] if self.supply.file(ask.entry).1 > LARGE_FILE => {
                match LargeFile::open(&self.supply, ask) {
                    Ok(large) => self.large.insert(large).next(&self.supply, self.want.unit),
                    Err(_) => self.failed(ask.entry),
                }
            }
            _ => self.small_files(),
        }
    }

    fn failed(&self, entry: u32) -> Vec<Encoded> {
        self.supply.changed(self.supply.file(entry).0);
        let mut frame = PayloadBuilder::default();
        frame.push(entry, PartFlags::Failed, &[]);
        let frame = self
            .supply
            .finish(&mut frame, self.want.unit, true, Manner::Plain);
        vec![(frame, true)]
    }

    fn small_files(&self) -> Vec<Encoded> {
        let mut frames = Vec::new();
        // What compresses, and what doesn't.
        let mut open = [PayloadBuilder::default(), PayloadBuilder::default()];
        let manner = Manner::of(self.want.asks.iter().any(|ask| ask.basis.is_some()));
        let unit = self.want.unit;
        let (mut content, mut ops) = (Vec::new(), Vec::new());
        let mut left = self.bytes_of_copies();
        for ask in &self.want.asks {
            ops.clear();
            let file = self.small_file(ask, &mut content, &mut ops);
            let news = match file {
                SmallFile::Whole => &content,
                SmallFile::Ops(_) => &ops,
            };
            let manner = manner.if_compressible(news);
            let frame = &mut open[usize::from(manner == Manner::Plain)];
            if frame.room() < news.len() + 2 * PayloadBuilder::PART_HEADER {
                let full = self.supply.finish(frame, unit, false, manner);
                frames.push((full, false));
            }
            match file {
                SmallFile::Whole => {
                    if frame.length() == 0 {
                        frame.reserve(left);
                    }
                    left = left.saturating_sub(content.len());
                    frame.push_whole(ask.entry, &content);
                }
                SmallFile::Ops(flags) => frame.push(ask.entry, flags, &ops),
            }
        }
        let [loose, dense] = &mut open;
        let only_dense = loose.raw().is_empty();
        if !dense.raw().is_empty() {
            let frame = self.supply.finish(dense, unit, only_dense, Manner::Plain);
            frames.push((frame, only_dense));
        }
        if !only_dense {
            frames.push((self.supply.finish(loose, unit, true, manner), true));
        }
        frames
    }

    /// Bytes of the files that are sent whole, and of what stands before each.
    fn bytes_of_copies(&self) -> usize {
        let copies = self.want.asks.iter().filter(|ask| ask.basis.is_none());
        copies
            .map(|ask| self.supply.file(ask.entry).1 as usize + 2 * PayloadBuilder::PART_HEADER)
            .sum()
    }

    /// Reads a file, and appends ops where it is not to be sent as it is. `content` is room for it.
    fn small_file(&self, ask: &Ask, content: &mut Vec<u8>, ops: &mut Vec<u8>) -> SmallFile {
        let (path, size, digest) = self.supply.file(ask.entry);
        let read = self.supply.open(path, size).and_then(|file| {
            read_whole(&file, size, content)?;
            Ok(content.len() as u64 == size && self.supply.is_untouched(ask.entry, &file))
        });
        let is_good = read.is_ok_and(|is_untouched| is_untouched || Digest::of(content) == digest);
        if !is_good {
            self.supply.changed(path);
            return SmallFile::Ops(PartFlags::Failed);
        }
        match ask.basis.as_ref().and_then(index_of) {
            Some(index) => {
                index.diff(content, 0..content.len(), ops);
            }
            None if !content.is_empty() => return SmallFile::Whole,
            None => {}
        }
        SmallFile::Ops(PartFlags::End)
    }
}

/// What is sent of a small file.
#[derive(Clone, Copy)]
enum SmallFile {
    /// Its content.
    Whole,
    /// The ops that make it, or none.
    Ops(PartFlags),
}

/// The index of an old file. A signature that is refused is as good as none: the whole file is sent.
fn index_of(basis: &Basis) -> Option<Index> {
    Signature::parse(&basis.signature, basis.size)
        .ok()
        .map(Index::new)
}

/// Reads a file that should have `size` bytes in place of what `content` holds; one more shows that it has
/// grown.
fn read_whole(file: &File, size: u64, content: &mut Vec<u8>) -> io::Result<()> {
    content.clear();
    content.reserve(size as usize + 1);
    while content.len() as u64 <= size {
        let room = content.capacity() - content.len();
        let read = retry_on_intr(|| read(file, spare_capacity(content)))?;
        // Most files come in one call, which has shown as well that there is no more.
        if read == 0 || (read < room && content.len() as u64 == size) {
            break;
        }
    }
    Ok(())
}
