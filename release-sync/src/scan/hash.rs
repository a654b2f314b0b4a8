//! The last part of a scan: reading the files whose digest is not known.

use std::fs::File;
use std::io::{self, Read};
use std::sync::atomic::Ordering;

use rayon::prelude::*;
use release_core::{Digest, RelPath};

use super::clock::settle;
use super::stat::{Stat, stat_fd};
use super::{Found, FoundKind, ScanOptions};
use crate::confine::{ParentCache, Root};
use crate::effort::Effort;

/// Files from this size on are read one after the other, each by all threads; smaller ones are shared
/// out among the threads.
const LARGE: u64 = 8 << 20;
/// What a small file is read by: BLAKE3 is at its best from 16 KiB on, and this stays in the cache.
const PIECE: usize = 128 << 10;
/// What a large file is read by, twice: one piece is hashed while the next one is read.
const LARGE_PIECE: usize = 1 << 20;
/// How often a file that is changed under our eyes is read before it is given up.
const ATTEMPTS: u32 = 3;

/// Finds out the digests that are missing, and gives back the files that could not be read.
pub(super) fn fill_in(
    root: &Root,
    options: &ScanOptions<'_>,
    found: &mut [Found],
) -> io::Result<Vec<(RelPath, io::Error)>> {
    let is_missing = |file: &Found| match file.kind {
        FoundKind::File { size, digest: None } => Some(size),
        _ => None,
    };
    let mut unreadable: Vec<_> = found
        .par_iter_mut()
        .filter(|file| is_missing(file).is_some_and(|size| size < LARGE))
        .map_init(
            || Reader::new(root, options),
            |reader, file| reader.fill_in(file),
        )
        .flatten()
        .collect();
    // Within the pool, for threads that come from outside are handed over for every piece.
    rayon::scope(|_| {
        let mut reader = Reader::new(root, options);
        let large = found
            .iter_mut()
            .filter(|file| is_missing(file).is_some_and(|size| size >= LARGE));
        unreadable.extend(large.filter_map(|file| reader.fill_in(file)));
    });
    options.check_cancelled()?;
    Ok(unreadable)
}

/// Reads one file after the other.
struct Reader<'a> {
    root: &'a Root,
    options: &'a ScanOptions<'a>,
    parents: ParentCache,
    piece: Vec<u8>,
}

impl<'a> Reader<'a> {
    fn new(root: &'a Root, options: &'a ScanOptions<'a>) -> Self {
        Self {
            root,
            options,
            parents: ParentCache::default(),
            piece: vec![0; PIECE],
        }
    }

    /// Reads a file and notes its digest, together with what it looked like at that time.
    fn fill_in(&mut self, file: &mut Found) -> Option<(RelPath, io::Error)> {
        if self.options.is_cancelled() {
            return None;
        }
        match self.read(&file.path) {
            Ok((stat, digest)) => {
                let path = std::mem::replace(&mut file.path, RelPath::root());
                *file = Found::new(path, &stat, &[]);
                if let FoundKind::File { digest: known, .. } = &mut file.kind {
                    *known = Some(digest);
                }
                None
            }
            Err(error) => Some((file.path.clone(), error)),
        }
    }

    fn read(&mut self, path: &RelPath) -> io::Result<(Stat, Digest)> {
        for _ in 0..ATTEMPTS {
            let file = self.parents.file(self.root, path)?;
            let (before, _) = stat_fd(&file)?;
            // A change within the tick of the last one would leave no trace.
            settle(before.stamp.ctime);
            let (digest, length) = self.digest(&file, before.size)?;
            let (after, _) = stat_fd(&file)?;
            if before == after && length == before.size {
                return Ok((after, digest));
            }
        }
        Err(io::Error::new(
            io::ErrorKind::ResourceBusy,
            "changed while it was being read",
        ))
    }

    /// Digest and length of what can be read, up to `size` bytes.
    fn digest(&mut self, file: &File, size: u64) -> io::Result<(Digest, u64)> {
        let mut content = Content {
            file,
            left: size,
            options: self.options,
            effort: self.root.effort(),
        };
        let mut hasher = blake3::Hasher::new();
        if size >= LARGE {
            digest_large(&mut content, &mut hasher)?;
        } else {
            loop {
                let length = content.fill(&mut self.piece)?;
                if length == 0 {
                    break;
                }
                hasher.update(&self.piece[..length]);
            }
        }
        Ok((hasher.finalize().into(), hasher.count()))
    }
}

/// Hashes one piece with all threads while the next one is being read.
fn digest_large(content: &mut Content<'_>, hasher: &mut blake3::Hasher) -> io::Result<()> {
    let mut piece = vec![0; LARGE_PIECE];
    let mut next = vec![0; LARGE_PIECE];
    let mut length = content.fill(&mut piece)?;
    while length > 0 {
        let hash = || {
            hasher.update_rayon(&piece[..length]);
        };
        let (next_length, ()) = rayon::join(|| content.fill(&mut next), hash);
        length = next_length?;
        std::mem::swap(&mut piece, &mut next);
    }
    Ok(())
}

/// What is left of a file to be read. A file that grows meanwhile is not followed.
struct Content<'a> {
    file: &'a File,
    left: u64,
    options: &'a ScanOptions<'a>,
    effort: &'a Effort,
}

impl Content<'_> {
    /// Reads until `piece` is full or nothing is left.
    fn fill(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        if self.options.is_cancelled() {
            return Ok(0);
        }
        let room = piece
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let mut filled = 0;
        while filled < room {
            match self.file.read(&mut piece[filled..room]) {
                Ok(0) => break,
                Ok(length) => filled += length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.left -= filled as u64;
        let hashed = &self.options.progress.bytes_hashed;
        hashed.fetch_add(filled as u64, Ordering::Relaxed);
        self.effort.add(filled as u64);
        Ok(filled)
    }
}
