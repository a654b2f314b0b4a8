//! Samples of a new file, which tell whether searching all of it is worth the time.

use std::ops::Range;

use super::Index;

/// Samples of a file: enough that one in five blocks left of the basis is hardly ever overlooked.
const SAMPLES: u64 = 16;
/// Shortest sample, in bytes.
const SHORTEST: u64 = 128 << 10;
/// How much longer the file is than its samples together; else it is simply searched.
const WORTHWHILE: u64 = 16;

impl Index {
    /// Where to take samples of a new file of `new_size` bytes, spread over all of it, its beginning
    /// and its end included. If there are any and none of them
    /// [matches anything](Self::matches_anything), the file had better be sent whole: a delta would
    /// save little, and a search in vain is slower than a good line. A file that is searched in no
    /// time has none.
    pub(crate) fn sample_ranges(&self, new_size: u64) -> impl Iterator<Item = Range<u64>> + use<> {
        // Twice the block's length, so that a block is whole in a sample wherever its beginning is.
        let length = SHORTEST.max(2 * u64::from(self.blocks().length()));
        let samples = match new_size / (SAMPLES * length) {
            WORTHWHILE.. => SAMPLES,
            _ => 0,
        };
        let step = new_size.saturating_sub(length) / (SAMPLES - 1);
        (0..samples).map(move |sample| {
            let start = sample * step;
            start..start + length
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::delta::{Blocks, Signature};

    fn index(basis_size: u64) -> Index {
        let size = Signature::size_for(Blocks::of(basis_size).unwrap());
        Index::new(Signature::parse(&vec![0; size], basis_size).unwrap())
    }

    #[test]
    fn a_large_file_is_sampled_from_end_to_end() {
        for (basis, new) in [
            (1000, 32 << 20),
            (1 << 30, 1 << 30),
            (1 << 36, 1 << 40),
            (1, u64::MAX),
        ] {
            let index = index(basis);
            let ranges: Vec<_> = index.sample_ranges(new).collect();
            assert_eq!(ranges.len(), 16);
            assert_eq!(ranges[0].start, 0);
            assert!(ranges.windows(2).all(|pair| pair[0].end <= pair[1].start));
            assert!((new - 16..=new).contains(&ranges[15].end));
            let length = u64::from(index.blocks().length());
            assert!(
                ranges
                    .iter()
                    .all(|range| range.end - range.start >= 2 * length)
            );
        }
    }

    #[test]
    fn a_small_file_is_not_sampled() {
        for new in [0, 1, 700, 128 << 10, (32 << 20) - 1] {
            assert_eq!(index(1000).sample_ranges(new).count(), 0);
        }
        assert_eq!(index(1 << 36).sample_ranges(32 << 20).count(), 0);
    }
}
