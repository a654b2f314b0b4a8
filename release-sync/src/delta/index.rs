//! A signature made ready to be searched.

use super::Blocks;
use super::signature::{Signature, Sum};

/// Which blocks have a given sum.
///
/// A lookup has three steps, each rarer than the one before. A filter of bits, small enough for a
/// processor's cache, tells nearly all weak sums that are in no block. Then come the weak sums, sorted
/// and cut into slots of about one each; among blocks with equal weak sums the strong one decides, by
/// bisection. So a host gains nothing by a signature whose sums are all the same.
///
/// Takes at most about 8 MiB, signature included.
#[derive(Debug)]
pub(crate) struct Index {
    signature: Signature,
    /// A Bloom filter: for each block two bits are set, both in the word that the topmost
    /// `filter_bits` bits of its key name.
    filter: Vec<u64>,
    filter_bits: u32,
    /// The keys of all blocks of full length, sorted.
    keys: Vec<u32>,
    /// The block of each key. Those of one key are sorted by strong sum, then number.
    order: Vec<u32>,
    /// Where the keys begin that have the same topmost `slot_bits` bits; one more at the end.
    slots: Vec<u32>,
    slot_bits: u32,
}

/// A weak sum, spread over all 32 bits: one to one, so equal keys are equal sums. The topmost bits
/// depend on all of the sum, also where the data make the sum's own bits lopsided.
#[inline(always)]
fn key(weak: u32) -> u32 {
    weak.wrapping_mul(0x9e37_79b1)
}

fn weak(sum: &Sum) -> u32 {
    u32::from_be_bytes([sum[0], sum[1], sum[2], sum[3]])
}

/// The topmost bits of a key.
#[inline(always)]
fn top(key: u32, bits: u32) -> usize {
    (key >> (32 - bits)) as usize
}

/// The two bits of a key in its word of the filter.
#[inline(always)]
fn filter_places(key: u32) -> [u32; 2] {
    [key % 64, (key >> 6) % 64]
}

/// How many topmost bits tell so many keys apart, more or less; at least one.
fn bits(keys: usize) -> u32 {
    keys.next_power_of_two().trailing_zeros().max(1)
}

impl Index {
    /// Words of the filter: one for so many blocks, or up to twice as many words.
    const BLOCKS_A_WORD: usize = 2;

    /// Sorts a signature for searching.
    pub(crate) fn new(signature: Signature) -> Self {
        // A short last block has its own place in the search: a window of full length can't be it.
        let full = signature.blocks().full_count() as usize;
        let mut pairs: Vec<(u32, u32)> = (0u32..)
            .zip(&signature.sums()[..full])
            .map(|(block, sum)| (key(weak(sum)), block))
            .collect();
        pairs.sort_unstable();
        let (keys, mut order): (Vec<u32>, Vec<u32>) = pairs.into_iter().unzip();
        sort_equals(&keys, &mut order, signature.sums());

        let filter_bits = bits(full / Self::BLOCKS_A_WORD);
        let mut filter = vec![0u64; 1 << filter_bits];
        for &key in &keys {
            let [first, second] = filter_places(key);
            filter[top(key, filter_bits)] |= 1 << first | 1 << second;
        }
        let slot_bits = bits(full);
        Self {
            slots: slots(&keys, slot_bits),
            signature,
            filter,
            filter_bits,
            keys,
            order,
            slot_bits,
        }
    }

    /// How the basis is cut.
    pub(crate) fn blocks(&self) -> Blocks {
        self.signature.blocks()
    }

    /// Tells of a weak sum whether a block of full length may have it: wrong for hardly one in a
    /// hundred sums that no block has, never for one that a block has.
    ///
    /// A function to keep, so that the loop that calls it for each byte has all it needs in registers.
    #[inline(always)]
    pub(super) fn may_have(&self) -> impl Fn(u32) -> bool + '_ {
        let words = self.filter.as_slice();
        let bits = self.filter_bits;
        move |weak| {
            let key = key(weak);
            let word = words[top(key, bits)];
            let [first, second] = filter_places(key);
            (word >> first) & (word >> second) & 1 != 0
        }
    }

    /// Has a block of full length this weak sum?
    pub(super) fn has(&self, weak: u32) -> bool {
        !self.with_key(key(weak)).is_empty()
    }

    /// A block of full length that has this sum, weak and strong. Of several the one that is nearest
    /// behind `wanted`, itself included, or else the first in the basis: runs of equal blocks are
    /// then copied in one piece.
    pub(super) fn find(&self, sum: &Sum, wanted: u32) -> Option<u32> {
        if wanted < self.blocks().full_count() && self.sum(wanted) == sum {
            return Some(wanted);
        }
        let equals = self.with_key(key(weak(sum)));
        let behind = equals.partition_point(|&block| (self.sum(block), block) < (sum, wanted));
        let first = equals.partition_point(|&block| self.sum(block) < sum);
        [behind, first]
            .into_iter()
            .filter_map(|place| equals.get(place).copied())
            .find(|&block| self.sum(block) == sum)
    }

    /// The sum of the last block, with its number and length, if it is shorter than the others.
    pub(super) fn short_block(&self) -> Option<(u32, usize, &Sum)> {
        let length = self.blocks().short_length()?;
        let block = self.blocks().count() - 1;
        Some((block, length, self.sum(block)))
    }

    fn sum(&self, block: u32) -> &Sum {
        &self.signature.sums()[block as usize]
    }

    /// The blocks of full length with this key.
    fn with_key(&self, key: u32) -> &[u32] {
        let slot = top(key, self.slot_bits);
        let (start, end) = (self.slots[slot] as usize, self.slots[slot + 1] as usize);
        let keys = &self.keys[start..end];
        let from = keys.partition_point(|&other| other < key);
        let to = keys.partition_point(|&other| other <= key);
        &self.order[start + from..start + to]
    }
}

/// Sorts the blocks of each key by strong sum and number. They are sorted by number.
fn sort_equals(keys: &[u32], order: &mut [u32], sums: &[Sum]) {
    let mut rest = order;
    for equals in keys.chunk_by(|a, b| a == b) {
        let (blocks, later) = rest.split_at_mut(equals.len());
        blocks.sort_unstable_by_key(|&block| (&sums[block as usize], block));
        rest = later;
    }
}

/// Where, among sorted keys, each value of the topmost bits begins, and where the last one ends.
fn slots(keys: &[u32], bits: u32) -> Vec<u32> {
    let mut slots = vec![0u32; (1 << bits) + 1];
    for &key in keys {
        slots[top(key, bits) + 1] += 1;
    }
    let mut sum = 0;
    for slot in &mut slots {
        sum += *slot;
        *slot = sum;
    }
    slots
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn signature(sums: &[Sum], basis_size: u64) -> Signature {
        let size = 4 + Blocks::of(basis_size).unwrap().strong_size();
        let bytes: Vec<u8> = sums.iter().flat_map(|sum| &sum[..size]).copied().collect();
        Signature::parse(&bytes, basis_size).unwrap()
    }

    /// An index of blocks with these sums, all of full length.
    fn index(sums: &[Sum]) -> Index {
        Index::new(signature(sums, sums.len() as u64 * 432))
    }

    fn sum(weak: u32, strong: u8) -> Sum {
        let mut sum = Sum::default();
        sum[..4].copy_from_slice(&weak.to_be_bytes());
        sum[4..6].fill(strong);
        sum
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_a_walk_finds(
            // Few different values, so that there are equal weak sums, and equal sums.
            sums in proptest::collection::vec((0u32..9, 0u8..4), 1..448),
            scale in prop::sample::select(vec![1u32, 0x10001, 0x1000_0000]),
            looked_for in (0u32..10, 0u8..5),
            wanted in 0u32..500,
        ) {
            let sum_of = |(weak, strong): (u32, u8)| sum(weak.wrapping_mul(scale), strong);
            let sums: Vec<Sum> = sums.into_iter().map(sum_of).collect();
            let sum = sum_of(looked_for);
            let index = index(&sums);

            let known = sums.iter().any(|other| other[..4] == sum[..4]);
            prop_assert_eq!(index.has(weak(&sum)), known);
            prop_assert!(!known || index.may_have()(weak(&sum)));

            let mut equals = (0u32..).zip(&sums).filter(|(_, other)| **other == sum);
            let first = equals.clone().next();
            let found = equals.find(|&(block, _)| block >= wanted).or(first);
            prop_assert_eq!(index.find(&sum, wanted), found.map(|(block, _)| block));
        }
    }

    #[test]
    fn most_unknown_sums_end_at_the_filter() {
        let sums: Vec<Sum> = (0..448)
            .map(|i| sum(0x0101_0107u32.wrapping_mul(i), 0))
            .collect();
        let index = index(&sums);
        let passed = (0..100_000u32)
            .filter(|i| index.may_have()(i.wrapping_mul(0x0003_0005) + 2))
            .count();
        assert!(passed < 100_000 / 64, "{passed}");
    }

    #[test]
    fn a_short_last_block_is_apart() {
        let sums = [sum(1, 1), sum(2, 2)];
        let index = Index::new(signature(&sums, 433));
        assert_eq!(index.find(&sums[0], 0), Some(0));
        assert_eq!(index.find(&sums[1], 1), None);
        assert!(!index.has(2));
        assert_eq!(index.short_block(), Some((1, 1, &sums[1])));
    }

    #[test]
    fn a_basis_shorter_than_a_block_has_no_block_to_find() {
        let sums = [sum(1, 1)];
        let index = Index::new(signature(&sums, 5));
        assert!(!index.has(1));
        assert!(!index.may_have()(1));
        assert_eq!(index.find(&sums[0], 0), None);
    }
}
