//! Whether to compress, and how hard.

use std::sync::atomic::{AtomicU64, Ordering};

/// Content up to here is that of a small update, which waits for the line, in bytes.
const SMALL_UPDATE: u64 = 8 << 20;
/// Up to here an update is a large one, or a small first copy.
const UPDATE: u64 = 32 << 20;

/// Levels of zstd.
const DENSEST: i32 = 6;
const DENSE: i32 = 3;
const FAST: i32 = 1;

/// What is looked at to tell whether content compresses, in bytes: from the start, the middle and the end.
const SAMPLE: usize = 1 << 10;

/// Chooses zstd levels: an update is small and waits for the line, a first copy is large and waits for
/// the processor.
#[derive(Debug, Default)]
pub(super) struct Level {
    encoded: AtomicU64,
}

impl Level {
    /// The level for `length` bytes more.
    pub(super) fn of(&self, length: usize) -> i32 {
        let before = self.encoded.fetch_add(length as u64, Ordering::Relaxed);
        match before {
            _ if before < SMALL_UPDATE => DENSEST,
            _ if before < UPDATE => DENSE,
            _ => FAST,
        }
    }
}

/// Does this look as if it can be compressed? Images, archives and fonts don't, and cost zstd more time than
/// text does.
///
/// Counts how often pairs of bytes in three samples are alike: of `n` random bytes, `n²/256`. What compresses
/// by a few per cent has far more, but for content that repeats itself at a distance only, which is rare.
pub(super) fn is_compressible(content: &[u8]) -> bool {
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
    fn the_first_bytes_are_compressed_hardest() {
        let level = Level::default();
        let levels: Vec<i32> = (0..50).map(|_| level.of(1 << 20)).collect();
        assert!(levels.is_sorted_by(|a, b| a >= b), "{levels:?}");
        assert_eq!((levels[0], levels[49]), (DENSEST, FAST));
    }
}
