//! How a basis is cut into blocks.

/// How a basis is cut into blocks: all of one length, the last one possibly shorter.
///
/// Both sides work it out from the basis's size, so that no length or count is ever taken from a
/// peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Blocks {
    basis_size: u64,
    length: u32,
    count: u32,
}

impl Blocks {
    /// Most blocks of a basis: keeps the largest signature below 4 MiB.
    pub(crate) const MAX_COUNT: u32 = 200_000;
    /// Longest block, in bytes. What is searched at a time should be a few times as long.
    pub(crate) const MAX_LENGTH: u32 = 1 << 20;
    /// Largest basis, in bytes: about 210 GB.
    pub(crate) const MAX_BASIS: u64 = Self::MAX_COUNT as u64 * Self::MAX_LENGTH as u64;

    /// The least and (where the count allows it) the greatest block length; rsync's least is 700.
    const USUAL_LENGTHS: (u64, u64) = (432, 1 << 17);

    /// How many bits of a pair of sums are spared: a weak sum tells about 24 bits' worth of windows apart, and
    /// one file in a million may have a window that is taken for a block and isn't.
    const BITS_SPARED: u32 = 24 - 20;

    /// The blocks of a basis of `basis_size` bytes; `None` if it is empty or larger than
    /// [`MAX_BASIS`](Self::MAX_BASIS), where a delta is not to be had.
    ///
    /// The length is the square root of the size, rounded down to a multiple of 8, from 432 bytes
    /// to 128 KiB. It balances the signature, which grows with the number of blocks, against what an
    /// edit costs, which grows with their length. Files for which that gave more than
    /// [`MAX_COUNT`](Self::MAX_COUNT) blocks get longer ones.
    pub(crate) fn of(basis_size: u64) -> Option<Self> {
        if basis_size == 0 || basis_size > Self::MAX_BASIS {
            return None;
        }
        let (shortest, longest) = Self::USUAL_LENGTHS;
        let usual = (basis_size.isqrt() & !7).clamp(shortest, longest);
        let needed = basis_size
            .div_ceil(u64::from(Self::MAX_COUNT))
            .next_multiple_of(8);
        let length = usual.max(needed);
        Some(Self {
            basis_size,
            length: u32::try_from(length).ok()?,
            count: u32::try_from(basis_size.div_ceil(length)).ok()?,
        })
    }

    /// Size of the basis, in bytes; not 0.
    pub(crate) fn basis_size(self) -> u64 {
        self.basis_size
    }

    /// Length of each block but the last, in bytes: 432 to [`MAX_LENGTH`](Self::MAX_LENGTH).
    pub(crate) fn length(self) -> u32 {
        self.length
    }

    /// How many there are, a short last one included: 1 to [`MAX_COUNT`](Self::MAX_COUNT).
    pub(crate) fn count(self) -> u32 {
        self.count
    }

    /// Bytes that a signature has of a block's strong sum: 2 to 7.
    ///
    /// So many that, with the weak sum, hardly a file has a window that is mistaken for a block. Of files as large
    /// as the basis there are `basis_size × count` pairs of a window and a block. More would be no safer: MD4 is
    /// not trusted, the digest of the finished file decides, and a file that it refuses is asked for whole.
    pub(crate) fn strong_size(self) -> usize {
        let pairs = u128::from(self.basis_size) * u128::from(self.count);
        let bits = (pairs.ilog2() + 1).saturating_sub(Self::BITS_SPARED);
        (bits.div_ceil(8) as usize).max(2)
    }

    /// How many have the full length.
    pub(super) fn full_count(self) -> u32 {
        self.count - u32::from(self.short_length().is_some())
    }

    /// Length of the last block, if it is shorter than the others.
    pub(super) fn short_length(self) -> Option<usize> {
        let rest = self.basis_size % u64::from(self.length);
        (rest != 0).then_some(rest as usize)
    }

    /// Where a block begins in the basis.
    pub(super) fn offset(self, block: u32) -> u64 {
        u64::from(block) * u64::from(self.length)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::Blocks;

    fn length(basis_size: u64) -> u32 {
        Blocks::of(basis_size).unwrap().length()
    }

    #[test]
    fn lengths_are_square_roots() {
        assert_eq!(length(1), 432);
        assert_eq!(length(439 * 439), 432);
        assert_eq!(length(440 * 440), 440);
        assert_eq!(length(704 * 704), 704);
        assert_eq!(length(1 << 20), 1024);
        assert_eq!(length((1 << 30) - 1), 32_760);
        assert_eq!(length(1 << 30), 32_768);
        assert_eq!(length(20 << 30), 1 << 17);
    }

    #[test]
    fn huge_files_get_longer_blocks_and_the_hugest_none() {
        assert_eq!(length(100_000_000_000), 500_000);
        assert_eq!(length(Blocks::MAX_BASIS), Blocks::MAX_LENGTH);
        assert_eq!(Blocks::of(Blocks::MAX_BASIS + 1), None);
        assert_eq!(Blocks::of(u64::MAX), None);
        assert_eq!(Blocks::of(0), None);
    }

    #[test]
    fn a_short_last_block_is_counted() {
        let even = Blocks::of(3 * 432).unwrap();
        assert_eq!((even.count(), even.full_count()), (3, 3));
        assert_eq!(even.short_length(), None);

        let odd = Blocks::of(3 * 432 + 1).unwrap();
        assert_eq!((odd.count(), odd.full_count()), (4, 3));
        assert_eq!(odd.short_length(), Some(1));
        assert_eq!(odd.offset(3), 3 * 432);
    }

    #[test]
    fn the_larger_a_file_the_longer_its_strong_sums() {
        let strong = |size| Blocks::of(size).unwrap().strong_size();
        assert_eq!((strong(1), strong(20_000)), (2, 2));
        assert_eq!((strong(100_000), strong(1 << 20)), (3, 4));
        assert_eq!((strong(1 << 30), strong(Blocks::MAX_BASIS)), (6, 7));
    }

    proptest! {
        #[test]
        fn blocks_cover_the_basis_within_bounds(size in 1..=Blocks::MAX_BASIS) {
            let blocks = Blocks::of(size).unwrap();
            prop_assert!(blocks.count() <= Blocks::MAX_COUNT);
            prop_assert!((432..=Blocks::MAX_LENGTH).contains(&blocks.length()));
            prop_assert!(blocks.offset(blocks.count()) >= size);
            prop_assert!(blocks.offset(blocks.count() - 1) < size);
        }
    }
}
