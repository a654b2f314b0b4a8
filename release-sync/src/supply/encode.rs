//! Answering wants: file content, whole or as a delta, in payload frames.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use rayon::prelude::*;
use release_core::{Digest, RelPath};

use super::level::Level;
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
    pub(super) source: Root,
    pub(super) release: Arc<Release>,
    pub(super) level: Level,
    /// The first file that was found to be changed.
    pub(super) changed: std::sync::Mutex<Option<RelPath>>,
}

impl Supply {
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
        vec![(frame.finish(self.want.unit, true, 1), true)]
    }

    fn small_files(&self) -> Vec<Encoded> {
        let mut frames = Vec::new();
        let mut frame = PayloadBuilder::default();
        let unit = self.want.unit;
        for ask in &self.want.asks {
            let (flags, ops) = self.small_file(ask);
            if frame.room() < ops.len() + PayloadBuilder::PART_HEADER {
                frames.push((frame.finish(unit, false, self.supply.level.of(0)), false));
            }
            frame.push(ask.entry, flags, &ops);
        }
        let level = self.supply.level.of(frame.length());
        frames.push((frame.finish(unit, true, level), true));
        frames
    }

    fn small_file(&self, ask: &Ask) -> (PartFlags, Vec<u8>) {
        let (path, size, digest) = self.supply.file(ask.entry);
        let content = match read_whole(&self.supply.source, path, size) {
            Ok(content) if Digest::of(&content) == digest => content,
            _ => {
                self.supply.changed(path);
                return (PartFlags::Failed, Vec::new());
            }
        };
        let mut ops = Vec::with_capacity(content.len() + 16);
        match ask.basis.as_ref().and_then(index_of) {
            Some(index) => {
                index.diff(&content, 0..content.len(), &mut ops);
            }
            None => literal(&content, &mut ops),
        }
        (PartFlags::End, ops)
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

/// Reads a file that should have `size` bytes; one more shows that it has grown.
fn read_whole(source: &Root, path: &RelPath, size: u64) -> io::Result<Vec<u8>> {
    use std::io::Read;
    let mut content = Vec::with_capacity(size as usize + 1);
    source
        .file(path)?
        .take(size + 1)
        .read_to_end(&mut content)?;
    Ok(content)
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
        let file = supply.source.file(path)?;
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
        let encoded: io::Result<Vec<_>> = segments
            .par_iter()
            .map(|&start| self.segment(start, supply, unit))
            .collect();
        let Ok(encoded) = encoded else {
            return self.failed(supply, unit);
        };
        let mut frames = Vec::with_capacity(encoded.len());
        for (content, frame) in encoded {
            self.hasher.update(&content);
            self.position += content.len() as u64;
            frames.push((frame, self.position == self.size));
        }
        if self.position == self.size && !self.is_as_scanned() {
            return self.failed(supply, unit);
        }
        frames
    }

    /// Was the whole of it read, and was it what the manifest says? One byte more shows that the file
    /// has grown.
    fn is_as_scanned(&self) -> bool {
        let at_end = matches!(self.file.read_at(&mut [0], self.size), Ok(0));
        at_end && Digest::from(self.hasher.finalize()) == self.digest
    }

    /// Encodes one segment; gives its content back for the digest.
    fn segment(&self, start: u64, supply: &Supply, unit: u32) -> io::Result<(Vec<u8>, Vec<u8>)> {
        let length = SEGMENT.min(self.size - start) as usize;
        let margin = self.index.as_ref().map_or(0, Index::margin) as u64;
        let from = start.saturating_sub(margin);
        let to = (start + length as u64 + margin).min(self.size);
        let mut window = vec![0; (to - from) as usize];
        self.file.read_exact_at(&mut window, from)?;
        let part = (start - from) as usize..(start - from) as usize + length;
        let mut ops = Vec::with_capacity(16);
        match &self.index {
            Some(index) => {
                index.diff(&window, part.clone(), &mut ops);
            }
            None => literal(&window[part.clone()], &mut ops),
        }
        let last = start + length as u64 == self.size;
        let mut frame = PayloadBuilder::default();
        frame.push(
            self.entry,
            if last {
                PartFlags::End
            } else {
                PartFlags::More
            },
            &ops,
        );
        let level = supply.level.of(frame.length());
        let frame = frame.finish(unit, last, level);
        window.truncate(part.end);
        window.drain(..part.start);
        Ok((window, frame))
    }

    /// The file is not what was scanned: its end is a failure.
    fn failed(&mut self, supply: &Supply, unit: u32) -> Vec<Encoded> {
        supply.changed(supply.file(self.entry).0);
        let mut frame = PayloadBuilder::default();
        frame.push(self.entry, PartFlags::Failed, &[]);
        vec![(frame.finish(unit, true, 1), true)]
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
