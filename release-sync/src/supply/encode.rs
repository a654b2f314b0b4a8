//! Answering wants: file content, whole or as a delta, in payload frames.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rayon::prelude::*;
use release_core::{Digest, RelPath};

use super::level::{Level, is_compressible};
use crate::Work;
use crate::confine::Root;
use crate::delta::{Index, OpWriter, Signature};
use crate::session::Release;
use crate::unit::LARGE_FILE;
use crate::wire::{Ask, Basis, PartFlags, PayloadBuilder, Want};

/// Content of a large file in one frame, in bytes: with its ops it stays below the frame's limit.
const SEGMENT: u64 = 960 << 10;

/// Segments of a large file that are encoded at the same time.
const BATCH: u64 = 4;

/// A frame, and whether it is its answer's last.
pub(super) type Encoded = (Vec<u8>, bool);

/// What an encoder reads.
#[derive(Debug)]
pub(super) struct Supply {
    source: Root,
    release: Arc<Release>,
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
    pub(super) fn new(source: Root, release: Arc<Release>) -> Self {
        let (changed, work) = (Mutex::new(None), WorkCounts::default());
        Self {
            source,
            release,
            level: Level::default(),
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
        compressible: bool,
    ) -> Vec<u8> {
        let length = frame.length();
        self.work.frames.fetch_add(1, Ordering::Relaxed);
        self.work
            .encoded
            .fetch_add(length as u64, Ordering::Relaxed);
        let level = compressible.then(|| self.level.of(length));
        frame.finish(unit, last, level)
    }

    fn file(&self, entry: u32) -> (&RelPath, u64, Digest) {
        let entry = &self.release.manifest.entries()[entry as usize];
        // Sessions let only wants of files through.
        let (size, digest) = entry.file().unwrap_or((0, Digest::of(b"")));
        (&entry.path, size, digest)
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
        let frame = self.supply.finish(&mut frame, self.want.unit, true, true);
        vec![(frame, true)]
    }

    fn small_files(&self) -> Vec<Encoded> {
        let mut frames = Vec::new();
        // What compresses, and what doesn't.
        let mut open = [PayloadBuilder::default(), PayloadBuilder::default()];
        let unit = self.want.unit;
        let (mut content, mut ops) = (Vec::new(), Vec::new());
        for ask in &self.want.asks {
            ops.clear();
            let flags = self.small_file(ask, &mut content, &mut ops);
            let compressible = is_compressible(&ops);
            let frame = &mut open[usize::from(!compressible)];
            if frame.room() < ops.len() + PayloadBuilder::PART_HEADER {
                let full = self.supply.finish(frame, unit, false, compressible);
                frames.push((full, false));
            }
            frame.push(ask.entry, flags, &ops);
        }
        let [compressible, packed] = &mut open;
        if packed.length() > 0 && compressible.length() > 0 {
            frames.push((self.supply.finish(packed, unit, false, false), false));
        }
        let last = match compressible.length() {
            0 => self.supply.finish(packed, unit, true, false),
            _ => self.supply.finish(compressible, unit, true, true),
        };
        frames.push((last, true));
        frames
    }

    /// Appends a file's ops. `content` is room for it.
    fn small_file(&self, ask: &Ask, content: &mut Vec<u8>, ops: &mut Vec<u8>) -> PartFlags {
        let (path, size, digest) = self.supply.file(ask.entry);
        let read = read_whole(&self.supply, path, size, content);
        if read.is_err() || Digest::of(content) != digest {
            self.supply.changed(path);
            return PartFlags::Failed;
        }
        match ask.basis.as_ref().and_then(index_of) {
            Some(index) => {
                index.diff(content, 0..content.len(), ops);
            }
            None => literal(content, ops),
        }
        PartFlags::End
    }
}

/// The index of an old file. A signature that is refused is as good as none: the whole file is sent.
fn index_of(basis: &Basis) -> Option<Index> {
    Signature::parse(basis.signature.clone(), basis.size)
        .ok()
        .map(Index::new)
}

fn literal(content: &[u8], ops: &mut Vec<u8>) {
    let mut writer = OpWriter::new(ops);
    writer.literal(content);
    writer.finish();
}

/// Reads a file that should have `size` bytes in place of what `content` holds; one more shows that it has
/// grown.
fn read_whole(supply: &Supply, path: &RelPath, size: u64, content: &mut Vec<u8>) -> io::Result<()> {
    use std::io::Read;
    content.clear();
    content.reserve(size as usize + 1);
    supply
        .open(path, size)?
        .take(size + 1)
        .read_to_end(content)?;
    Ok(())
}

/// A file that is sent in segments.
#[derive(Debug)]
struct LargeFile {
    entry: u32,
    file: File,
    size: u64,
    digest: Digest,
    position: u64,
    hasher: blake3::Hasher,
    index: Option<Index>,
}

impl LargeFile {
    fn open(supply: &Supply, ask: &Ask) -> io::Result<Self> {
        let (path, size, digest) = supply.file(ask.entry);
        let file = supply.open(path, size)?;
        let index = ask.basis.as_ref().and_then(index_of);
        let index = index.filter(|index| is_worthwhile(index, &file, size));
        let hasher = blake3::Hasher::new();
        Ok(Self {
            entry: ask.entry,
            file,
            size,
            digest,
            position: 0,
            hasher,
            index,
        })
    }

    fn next(&mut self, supply: &Supply, unit: u32) -> Vec<Encoded> {
        let starts = (0..BATCH).map(|n| self.position + n * SEGMENT);
        let segments: Vec<u64> = starts.filter(|&start| start < self.size).collect();
        let read: io::Result<Vec<_>> = segments
            .par_iter()
            .map(|&start| match &self.index {
                Some(index) => self.compare(index, start),
                None => self.copy(start),
            })
            .collect();
        let Ok(mut read) = read else {
            return self.failed(supply, unit);
        };
        for segment in &read {
            let content = segment.content();
            self.hasher.update_rayon(content);
            self.position += content.len() as u64;
        }
        let ends = self.position == self.size;
        if ends && !self.is_as_scanned() {
            return self.failed(supply, unit);
        }
        let count = read.len();
        read.par_iter_mut()
            .enumerate()
            .map(|(number, segment)| {
                let last = ends && number + 1 == count;
                let compressible = is_compressible(segment.news());
                let frame = supply.finish(&mut segment.frame, unit, last, compressible);
                (frame, last)
            })
            .collect()
    }

    /// Was the whole of it read, and was it what the manifest says? One byte more shows that the file
    /// has grown.
    fn is_as_scanned(&self) -> bool {
        let at_end = matches!(self.file.read_at(&mut [0], self.size), Ok(0));
        at_end && Digest::from(self.hasher.finalize()) == self.digest
    }

    /// Reads a segment to where it is sent from.
    fn copy(&self, start: u64) -> io::Result<Segment> {
        let length = SEGMENT.min(self.size - start) as usize;
        let mut frame = PayloadBuilder::default();
        let flags = self.flags(start + length as u64);
        let room = frame.push_literal(self.entry, flags, length);
        self.file.read_exact_at(room, start)?;
        Ok(Segment {
            frame,
            window: None,
            length,
        })
    }

    fn flags(&self, end: u64) -> PartFlags {
        match end == self.size {
            true => PartFlags::End,
            false => PartFlags::More,
        }
    }

    /// Searches a segment for what the old file has.
    fn compare(&self, index: &Index, start: u64) -> io::Result<Segment> {
        let length = SEGMENT.min(self.size - start) as usize;
        let margin = index.margin() as u64;
        let from = start.saturating_sub(margin);
        let to = (start + length as u64 + margin).min(self.size);
        let mut window = vec![0; (to - from) as usize];
        self.file.read_exact_at(&mut window, from)?;
        let part = (start - from) as usize..(start - from) as usize + length;
        let mut ops = Vec::with_capacity(16);
        index.diff(&window, part.clone(), &mut ops);
        let mut frame = PayloadBuilder::default();
        let flags = self.flags(start + length as u64);
        frame.push(self.entry, flags, &ops);
        Ok(Segment {
            frame,
            window: Some((window, part)),
            length,
        })
    }

    /// The file is not what was scanned: its end is a failure.
    fn failed(&mut self, supply: &Supply, unit: u32) -> Vec<Encoded> {
        supply.changed(supply.file(self.entry).0);
        let mut frame = PayloadBuilder::default();
        frame.push(self.entry, PartFlags::Failed, &[]);
        vec![(supply.finish(&mut frame, unit, true, true), true)]
    }
}

/// A segment that was read, and what is to be sent of it.
struct Segment {
    frame: PayloadBuilder,
    /// The segment within what lies around it, where it was compared. Else it is the end of the frame.
    window: Option<(Vec<u8>, Range<usize>)>,
    length: usize,
}

impl Segment {
    /// All of it.
    fn content(&self) -> &[u8] {
        match &self.window {
            Some((window, part)) => &window[part.clone()],
            None => self.news(),
        }
    }

    /// What is sent, its head apart where it is sent whole.
    fn news(&self) -> &[u8] {
        let raw = self.frame.raw();
        match self.window {
            Some(_) => raw,
            None => &raw[raw.len() - self.length..],
        }
    }
}

/// Does the old file have anything of the new one? A few samples tell.
fn is_worthwhile(index: &Index, file: &File, size: u64) -> bool {
    let mut sampled = false;
    for range in index.sample_ranges(size) {
        sampled = true;
        let mut sample = vec![0; (range.end - range.start) as usize];
        match file.read_exact_at(&mut sample, range.start) {
            Ok(()) if !index.matches_anything(&sample) => {}
            _ => return true,
        }
    }
    !sampled
}
