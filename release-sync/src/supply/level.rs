//! Whether to compress, and how hard.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Levels of zstd in an update, and up to how many bytes of content in all they are used.
const OF_UPDATES: [(u64, i32); 3] = [(16 << 20, 6), (128 << 20, 3), (u64::MAX, 1)];
/// Levels for first copies of releases up to so many bytes.
const OF_COPIES: [(u64, i32); 3] = [(8 << 20, 6), (32 << 20, 3), (u64::MAX, 1)];

/// What is looked at to tell whether content compresses, in bytes: from the start, the middle and the end.
const SAMPLE: usize = 1 << 10;

/// How a frame's content is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// As it is.
    Plain,
    /// Compressed: files that hosts have nothing of.
    Copy,
    /// Compressed: files of which they have old ones.
    Update,
}

impl Manner {
    /// What is sent of files of which hosts have old ones, or nothing.
    pub(super) fn of(update: bool) -> Self {
        if update { Self::Update } else { Self::Copy }
    }

    /// The same, but for content that is not worth the try.
    pub(super) fn if_compressible(self, content: &[u8]) -> Self {
        match is_compressible(content) {
            true => self,
            false => Self::Plain,
        }
    }
}

/// Chooses zstd levels: an update is small and waits for the line, a first copy is large and waits for
/// the processor. Where some host has old files, what is new in the release belongs to the update.
#[derive(Debug)]
pub(super) struct Level {
    /// Bytes of the release.
    size: u64,
    encoded: AtomicU64,
    updates: AtomicBool,
}

impl Level {
    /// For a release of so many bytes.
    pub(super) fn new(size: u64) -> Self {
        Self {
            size,
            encoded: AtomicU64::new(0),
            updates: AtomicBool::new(false),
        }
    }

    /// The level for `length` bytes more.
    pub(super) fn of(&self, length: usize, manner: Manner) -> Option<i32> {
        if manner == Manner::Plain {
            return None;
        }
        let before = self.encoded.fetch_add(length as u64, Ordering::Relaxed);
        if manner == Manner::Update {
            self.updates.store(true, Ordering::Relaxed);
        }
        let (levels, bytes) = match self.updates.load(Ordering::Relaxed) {
            true => (OF_UPDATES, before),
            false => (OF_COPIES, self.size),
        };
        let fits = levels.iter().find(|(end, _)| bytes < *end);
        fits.map(|&(_, level)| level)
    }
}

/// Does this look as if it can be compressed? Images, archives and fonts don't, and cost zstd more time than
/// text does.
///
/// Counts how often pairs of bytes in three samples are alike: of `n` random bytes, `n²/256`. What compresses
/// by a few per cent has far more, but for content that repeats itself at a distance only, which is rare.
fn is_compressible(content: &[u8]) -> bool {
    if content.len() < 3 * SAMPLE {
        return true;
    }
    let middle = content.len() / 2;
    let samples = [0, middle, content.len() - SAMPLE];
    samples.into_iter().any(|at| {
        let mut counts = [0u32; 256];
        for &byte in &content[at..at + SAMPLE] {
            counts[usize::from(byte)] += 1;
        }
        let alike: u32 = counts.iter().map(|count| count * count).sum();
        // Random bytes: 1024²/256 + 1024 = 5,120, and hardly ever 1,000 more.
        alike > 6 << 10
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Bytes as random as a packed file's.
    fn noise(length: usize) -> Vec<u8> {
        let mut output = blake3::Hasher::new().update(b"noise").finalize_xof();
        let mut noise = vec![0; length];
        output.fill(&mut noise);
        noise
    }

    #[test]
    fn what_was_packed_is_told_from_what_was_not() {
        let noise = noise(1 << 20);
        assert!(
            noise
                .chunks(10_000)
                .all(|part| !is_compressible(part) || part.len() < 3 * SAMPLE)
        );
        // Three quarters of what bytes can be.
        let letters: Vec<u8> = noise.iter().map(|byte| byte % 192).collect();
        assert!(letters.chunks(10_000).all(is_compressible));
        let text = "One line of a page, and another one.\n".repeat(1000);
        assert!(is_compressible(text.as_bytes()));
        // One end that does is enough.
        assert!(is_compressible(&[&noise[..], text.as_bytes()].concat()));
        assert!(is_compressible(&noise[..100]), "too short to tell");
    }

    #[test]
    fn the_first_bytes_of_an_update_are_compressed_hardest() {
        let level = Level::new(1 << 30);
        let levels =
            [1 << 20, 16 << 20, 128 << 20, 1 << 20].map(|bytes| level.of(bytes, Manner::Update));
        assert_eq!(levels, [6, 6, 3, 1].map(Some));
        assert_eq!(level.of(1 << 20, Manner::Plain), None);
    }

    #[test]
    fn the_larger_a_first_copy_the_quicker_it_is_compressed() {
        let first = |size| Level::new(size).of(1 << 20, Manner::Copy);
        assert_eq!([1 << 20, 20 << 20, 1 << 30].map(first), [6, 3, 1].map(Some));
    }

    #[test]
    fn what_is_new_in_an_update_belongs_to_it() {
        let level = Level::new(1 << 30);
        let of = |manner| level.of(1 << 20, manner);
        assert_eq!(of(Manner::Copy), Some(1));
        assert_eq!(of(Manner::Update), Some(6));
        assert_eq!(of(Manner::Copy), Some(6));
    }
}
