//! A large file's answer: segments that are read, searched and compressed in parallel.

use std::cell::RefCell;
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

thread_local! {
    /// What this thread reads segments into that it compares.
    static WINDOW: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A file that is sent in segments.
#[derive(Debug)]
pub(super) struct LargeFile {
    entry: u32,
    file: File,
    size: u64,
    position: u64,
    index: Option<Index>,
    /// Of what was read, where the file was touched since the scan.
    hasher: Option<blake3::Hasher>,
}

impl LargeFile {
    pub(super) fn open(supply: &Supply, ask: &Ask) -> io::Result<Self> {
        let (path, size, _) = supply.file(ask.entry);
        let file = supply.open(path, size)?;
        let index = ask.basis.as_ref().and_then(index_of);
        let index = index.filter(|index| is_worthwhile(index, &file, size));
        let is_touched = !supply.is_untouched(ask.entry, &file);
        Ok(Self {
            entry: ask.entry,
            file,
            size,
            position: 0,
            index,
            hasher: is_touched.then(blake3::Hasher::new),
        })
    }

    pub(super) fn next(&mut self, supply: &Supply, unit: u32) -> Vec<Encoded> {
        let starts = (0..BATCH).map(|n| self.position + n * SEGMENT);
        let segments: Vec<u64> = starts.filter(|&start| start < self.size).collect();
        let read: io::Result<Vec<_>> = segments
            .par_iter()
            .map(|&start| match &self.index {
                Some(index) => self.compare(index, start),
                None => self.copy(start),
            })
            .collect();
        let Ok(read) = read else {
            return self.failed(supply, unit);
        };
        for segment in &read {
            self.position += segment.length as u64;
            if let Some(hasher) = &mut self.hasher {
                hasher.update_rayon(segment.content());
            }
        }
        let ends = self.position == self.size;
        if ends && !self.is_as_scanned(supply) {
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

    /// Is it, now that all of it was read, what the manifest says?
    fn is_as_scanned(&self, supply: &Supply) -> bool {
        if self.hasher.is_none() && supply.is_untouched(self.entry, &self.file) {
            return true;
        }
        let has_its_size = self.file.metadata().is_ok_and(|now| now.len() == self.size);
        let digest = || match &self.hasher {
            Some(hasher) => Some(hasher.finalize().into()),
            // It was touched while it was being read, which need not have changed its content.
            None => self.digest(supply).ok(),
        };
        has_its_size && digest() == Some(supply.file(self.entry).2)
    }

    /// What there is in it now.
    fn digest(&self, supply: &Supply) -> io::Result<Digest> {
        let mut hasher = blake3::Hasher::new();
        let mut piece = vec![0; SEGMENT as usize];
        for start in (0..self.size).step_by(SEGMENT as usize) {
            let piece = &mut piece[..SEGMENT.min(self.size - start) as usize];
            self.file.read_exact_at(piece, start)?;
            hasher.update_rayon(piece);
            supply.source.effort().add(piece.len() as u64);
        }
        Ok(hasher.finalize().into())
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
            length,
            compared: None,
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
        let part = (start - from) as usize..(start - from) as usize + length;
        let mut ops = Vec::with_capacity(16);
        let content = WINDOW.with_borrow_mut(|window| {
            window.resize((to - from) as usize, 0);
            self.file.read_exact_at(window, from)?;
            index.diff(window, part.clone(), &mut ops);
            let hashed = self.hasher.as_ref().map(|_| window[part].to_vec());
            io::Result::Ok(hashed.unwrap_or_default())
        })?;
        let mut frame = PayloadBuilder::default();
        let flags = self.flags(start + length as u64);
        frame.push(self.entry, flags, &ops);
        Ok(Segment {
            frame,
            length,
            compared: Some(content),
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
    length: usize,
    /// All of it, for hashing, where it was compared and is to be hashed. Else it is the end of the frame.
    compared: Option<Vec<u8>>,
}

impl Segment {
    /// All of it.
    fn content(&self) -> &[u8] {
        self.compared.as_deref().unwrap_or_else(|| self.news())
    }

    /// What is sent, its head apart where it is sent whole.
    fn news(&self) -> &[u8] {
        let raw = self.frame.raw();
        match self.compared {
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
        let open = frames.last_mut().filter(|open| {
            segment.compared.is_some() && open.frame.room() >= segment.frame.length()
        });
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
