//! A large file's answer: segments that are read, searched and compressed in parallel.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rayon::prelude::*;
use release_core::Digest;

use super::super::level::Manner;
use super::{Encoded, Supply, index_of};
use crate::delta::Index;
use crate::wire::{Ask, PartFlags, PayloadBuilder};

/// Content of a large file in one frame, in bytes: with its ops it stays below the frame's limit.
const SEGMENT: u64 = 960 << 10;

/// Segments of a large file that are encoded at the same time.
const BATCH: u64 = 4;

/// A file that is sent in segments.
#[derive(Debug)]
pub(super) struct LargeFile {
    entry: u32,
    file: File,
    size: u64,
    position: u64,
    index: Option<Index>,
    /// Memory to read segments into.
    windows: Vec<Vec<u8>>,
}

impl LargeFile {
    pub(super) fn open(supply: &Supply, ask: &Ask) -> io::Result<Self> {
        let (path, size, _) = supply.file(ask.entry);
        let file = supply.open(path, size)?;
        let index = ask.basis.as_ref().and_then(index_of);
        let index = index.filter(|index| is_worthwhile(index, &file, size));
        Ok(Self {
            entry: ask.entry,
            file,
            size,
            position: 0,
            index,
            windows: Vec::new(),
        })
    }

    pub(super) fn next(&mut self, supply: &Supply, unit: u32) -> Vec<Encoded> {
        let starts = (0..BATCH).map(|n| self.position + n * SEGMENT);
        let segments: Vec<u64> = starts.filter(|&start| start < self.size).collect();
        let mut windows = std::mem::take(&mut self.windows);
        windows.resize_with(segments.len(), Vec::new);
        let read: io::Result<Vec<_>> = segments
            .par_iter()
            .zip(windows)
            .map(|(&start, window)| match &self.index {
                Some(index) => self.compare(index, start, window),
                None => self.copy(start),
            })
            .collect();
        let Ok(mut read) = read else {
            return self.failed(supply, unit);
        };
        for segment in &mut read {
            self.position += segment.length as u64;
            self.windows
                .extend(segment.window.as_mut().map(std::mem::take));
        }
        let ends = self.position == self.size;
        if ends && !supply.is_as_scanned(self.entry, &self.file, || self.digest()) {
            return self.failed(supply, unit);
        }
        let mut frames = joined(read);
        let count = frames.len();
        frames
            .par_iter_mut()
            .enumerate()
            .map(|(number, segment)| {
                let last = ends && number + 1 == count;
                let manner = Manner::of(self.index.is_some()).if_compressible(segment.news());
                let frame = supply.finish(&mut segment.frame, unit, last, manner);
                (frame, last)
            })
            .collect()
    }

    /// What there is in it now; `None` if it can't be read, or has grown.
    fn digest(&self) -> Option<Digest> {
        let mut hasher = blake3::Hasher::new();
        let mut piece = vec![0; SEGMENT as usize];
        for start in (0..self.size).step_by(SEGMENT as usize) {
            let piece = &mut piece[..SEGMENT.min(self.size - start) as usize];
            self.file.read_exact_at(piece, start).ok()?;
            hasher.update_rayon(piece);
        }
        let has_grown = self.file.read_at(&mut [0], self.size).ok()? > 0;
        (!has_grown).then(|| hasher.finalize().into())
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
    fn compare(&self, index: &Index, start: u64, mut window: Vec<u8>) -> io::Result<Segment> {
        let length = SEGMENT.min(self.size - start) as usize;
        let margin = index.margin() as u64;
        let from = start.saturating_sub(margin);
        let to = (start + length as u64 + margin).min(self.size);
        window.resize((to - from) as usize, 0);
        self.file.read_exact_at(&mut window, from)?;
        let part = (start - from) as usize..(start - from) as usize + length;
        let mut ops = Vec::with_capacity(16);
        index.diff(&window, part, &mut ops);
        let mut frame = PayloadBuilder::default();
        let flags = self.flags(start + length as u64);
        frame.push(self.entry, flags, &ops);
        Ok(Segment {
            frame,
            window: Some(window),
            length,
        })
    }

    /// The file is not what was scanned: its end is a failure.
    fn failed(&mut self, supply: &Supply, unit: u32) -> Vec<Encoded> {
        supply.changed(supply.file(self.entry).0);
        let mut frame = PayloadBuilder::default();
        frame.push(self.entry, PartFlags::Failed, &[]);
        vec![(supply.finish(&mut frame, unit, true, Manner::Plain), true)]
    }
}

/// A segment that was read, and what is to be sent of it.
struct Segment {
    frame: PayloadBuilder,
    /// What it was read into, where it was compared. Else it is the end of the frame.
    window: Option<Vec<u8>>,
    length: usize,
}

impl Segment {
    /// What is sent, its head apart where it is sent whole.
    fn news(&self) -> &[u8] {
        let raw = self.frame.raw();
        match self.window {
            Some(_) => raw,
            None => &raw[raw.len() - self.length..],
        }
    }
}

/// Puts what is left of segments that were compared into as few frames as can be: the more of it stands
/// together, the better it compresses.
fn joined(segments: Vec<Segment>) -> Vec<Segment> {
    let mut frames: Vec<Segment> = Vec::with_capacity(segments.len());
    for segment in segments {
        let open = frames
            .last_mut()
            .filter(|open| segment.window.is_some() && open.frame.room() >= segment.frame.length());
        match open {
            Some(open) => open.frame.append(&segment.frame),
            None => frames.push(segment),
        }
    }
    frames
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
