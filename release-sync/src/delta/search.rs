//! Finding a basis's blocks in a new file.

use std::ops::Range;

use super::Index;
use super::ops::OpWriter;
use super::signature::{LANES, Sum, sums};
use super::weak::{Rolling, Weak};

/// What a part of a new file consists of, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DiffStats {
    /// Sent as they are.
    pub(crate) literal: u64,
    /// Copied from the basis.
    pub(crate) matched: u64,
}

impl Index {
    /// Appends to `out` the ops that make `window[part]` out of the basis. Returns how much of it
    /// is new.
    ///
    /// Parts of a file are searched on their own, in any order and by any number of threads. What lies
    /// before and after a part should be in the window too, [`margin`](Self::margin) bytes on each
    /// side where the file has them: a block across a border is then found from both sides, and each
    /// part copies its share of it. Parts that begin at multiples of the block length find a file
    /// that did not move at once.
    ///
    /// The work is bounded whatever the signature says: at most that of a small number of passes over
    /// the window.
    ///
    /// # Panics
    /// If `part` is not within `window`.
    pub(crate) fn diff(&self, window: &[u8], part: Range<usize>, out: &mut Vec<u8>) -> DiffStats {
        let mut ops = OpWriter::new(out);
        let mut stats = DiffStats::default();
        let mut done = part.start;
        for found in Search::new(self, window) {
            let start = found.at.max(done);
            let end = (found.at + found.length).min(part.end);
            if found.at >= part.end {
                break;
            }
            if start >= end {
                continue;
            }
            ops.literal(&window[done..start]);
            ops.copy(
                found.offset + (start - found.at) as u64,
                (end - start) as u64,
            );
            stats.literal += (start - done) as u64;
            stats.matched += (end - start) as u64;
            done = end;
        }
        ops.literal(&window[done..part.end]);
        ops.finish();
        stats.literal += (part.end - done) as u64;
        stats
    }

    /// How many bytes before and after a part [`diff`](Self::diff) can make use of: a block's length.
    pub(crate) fn margin(&self) -> usize {
        self.blocks().length() as usize
    }

    /// Is any block of the basis in this piece of a new file?
    pub(crate) fn matches_anything(&self, sample: &[u8]) -> bool {
        Search::new(self, sample).next().is_some()
    }
}

#[cfg(any(test, feature = "fuzz"))]
impl Index {
    /// What a search of the whole window costs, about in bytes hashed, and the most that it may: ten passes, and what
    /// it takes to see that a block which was found is followed by none.
    pub(crate) fn cost(&self, window: &[u8]) -> (u64, u64) {
        let stride = self.margin() * LANES;
        let mut search = Search::new(self, window);
        let found = search.by_ref().count();
        let most = 10 * (window.len() + stride) + 2 * found * stride;
        (search.effort.spent, most as u64)
    }
}

/// A block of the basis, found in the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Match {
    /// Where it is in the window.
    at: usize,
    /// Where it is in the basis.
    offset: u64,
    length: usize,
}

/// The matches in a window, in its order. Only a short last block may overlap the one before it.
///
/// It has two gaits. Walking, it rolls the weak sum over the window byte by byte until a block may
/// have it. From there, and for as long as block follows block, it strides: the sums of the next
/// [`LANES`] blocks are computed at once, which takes hardly longer than those of one, and each is
/// looked up as a whole.
struct Search<'a> {
    index: &'a Index,
    window: &'a [u8],
    /// Block length.
    length: usize,
    gait: Gait,
    /// Where the next block is looked for.
    at: usize,
    /// Sums of the blocks from `at` on, as far as they are known; only while striding.
    ahead: std::vec::IntoIter<Sum>,
    /// The block that follows the last match in the basis.
    expected: u32,
    effort: Effort,
}

enum Gait {
    /// Looking for a block anywhere from `at` on.
    Walk,
    /// Looking for a block at `at`.
    Stride,
    /// No block of full length is left to be found, a short one perhaps.
    Tail,
    End,
}

impl Iterator for Search<'_> {
    type Item = Match;

    fn next(&mut self) -> Option<Match> {
        loop {
            match self.gait {
                Gait::Walk => self.walk(),
                Gait::Stride => {
                    if let Some(found) = self.stride() {
                        return Some(found);
                    }
                }
                Gait::Tail => {
                    self.gait = Gait::End;
                    return self.short_block();
                }
                Gait::End => return None,
            }
        }
    }
}

impl<'a> Search<'a> {
    fn new(index: &'a Index, window: &'a [u8]) -> Self {
        let length = index.blocks().length() as usize;
        Self {
            index,
            window,
            length,
            gait: Gait::Walk,
            at: 0,
            ahead: Vec::new().into_iter(),
            expected: 0,
            effort: Effort::new(window.len(), length * LANES),
        }
    }

    /// Goes on to where the weak sum is that of a block.
    fn walk(&mut self) {
        self.effort.spend(self.length);
        let may_have = self.index.may_have();
        let mut rolling = Rolling::new(self.window, self.length, self.at);
        while let Some((at, weak)) = rolling.next_where(&may_have) {
            let wait = self.effort.wait(at);
            if wait > 0 {
                self.at = at + wait.max(self.length);
                return;
            }
            if self.index.has(weak) {
                self.at = at;
                self.gait = Gait::Stride;
                return;
            }
            self.effort.spend(Effort::LOOKUP);
        }
        self.gait = Gait::Tail;
    }

    /// Takes the block at `at`, if it is one.
    fn stride(&mut self) -> Option<Match> {
        let begins = self.ahead.len() == 0;
        if begins {
            self.ahead = self.sums_ahead().into_iter();
            self.effort.spend(self.length * LANES);
        }
        let Some(sum) = self.ahead.next() else {
            self.gait = Gait::Tail;
            return None;
        };
        let Some(block) = self.index.find(&sum, self.expected) else {
            self.ahead = Vec::new().into_iter();
            self.at += 1;
            self.gait = Gait::Walk;
            return None;
        };
        if begins {
            self.effort.pays_off(self.length * LANES);
        }
        let found = Match {
            at: self.at,
            offset: self.index.blocks().offset(block),
            length: self.length,
        };
        self.at += self.length;
        self.expected = block + 1;
        Some(found)
    }

    /// The sums of the next blocks from `at` on, as many as can be had at the price of one; none if
    /// there is no room for a block.
    fn sums_ahead(&self) -> Vec<Sum> {
        let length = self.length;
        let blocks = (self.window[self.at..].len() / length).min(LANES);
        let end = self.at + blocks * length;
        // Near the window's end what was passed already fills the lanes.
        let (start, wanted) = match end.checked_sub(LANES * length) {
            Some(start) if blocks > 1 => (start, blocks),
            _ => (self.at, blocks.min(1)),
        };
        let ahead = &self.window[start..self.at + wanted * length];
        let mut ahead = sums(ahead, self.index.blocks());
        ahead.split_off(ahead.len() - wanted)
    }

    /// The short last block of the basis, if it is the end of the window: elsewhere it is not looked
    /// for, so that an unchanged file is found whole and no other one costs more.
    fn short_block(&self) -> Option<Match> {
        let (block, length, sum) = self.index.short_block()?;
        let at = self.window.len().checked_sub(length)?;
        let tail = &self.window[at..];
        let is_it = Weak::of(tail).value().to_be_bytes() == sum[..4]
            && sums(tail, self.index.blocks()) == [*sum];
        is_it.then(|| Match {
            at,
            offset: self.index.blocks().offset(block),
            length,
        })
    }
}

/// Keeps the work of a search within bounds, whatever the signature.
///
/// A signature can be made so that every byte of a file looks like the beginning of a block and is
/// none. So what is done beyond rolling the weak sum has a price, about in bytes hashed, and a search
/// that has spent more than its share goes on blindly until it can afford to look again. Files met by
/// chance stay far below.
#[derive(Debug)]
struct Effort {
    spent: u64,
    /// What may be spent, apart from the share of the bytes passed.
    granted: u64,
    /// Price of a stride.
    stride: u64,
}

impl Effort {
    /// Price of a look into the index that the filter should have spared.
    const LOOKUP: usize = 32;
    /// How much may be spent in vain for each byte: half of it beforehand, half as it is passed.
    const SHARE: u64 = 8;

    fn new(window: usize, stride: usize) -> Self {
        Self {
            spent: 0,
            // Some strides also in a window that is shorter than one.
            granted: Self::SHARE / 2 * (window as u64 + stride as u64),
            stride: stride as u64,
        }
    }

    fn spend(&mut self, price: usize) {
        self.spent += price as u64;
    }

    /// What was spent has found something.
    fn pays_off(&mut self, price: usize) {
        self.granted += price as u64;
    }

    /// How many bytes must be passed from `at` on before there is enough for a stride.
    fn wait(&self, at: usize) -> usize {
        let granted = self.granted + Self::SHARE / 2 * at as u64;
        let lacking = (self.spent + self.stride).saturating_sub(granted);
        lacking.div_ceil(Self::SHARE / 2) as usize
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::delta::{Blocks, Signature};

    /// A basis of as many blocks of the least length as there can be: 448 of 432 bytes.
    const BASIS: u64 = 432 * 448;

    fn short_blocks() -> Blocks {
        Blocks::of(BASIS).unwrap()
    }

    /// Bytes that differ enough, and repeat after `period`.
    fn periodic(length: usize, period: u32) -> Vec<u8> {
        let byte = |i: u32| ((i % period).wrapping_mul(0x9e37_79b1) >> 24) as u8;
        (0..length as u32).map(byte).collect()
    }

    /// The effort of a search that is expected to find `matches` matches.
    fn effort(window: &[u8], sums: Vec<Sum>, basis_size: u64, matches: usize) -> u64 {
        let size = 4 + Blocks::of(basis_size).unwrap().strong_size();
        let bytes: Vec<u8> = sums.iter().flat_map(|sum| &sum[..size]).copied().collect();
        let index = Index::new(Signature::parse(&bytes, basis_size).unwrap());
        let mut search = Search::new(&index, window);
        assert_eq!(search.by_ref().count(), matches);
        search.effort.spent
    }

    /// What may be spent in vain, and sums of blocks at the beginning of each walk.
    fn bound(window: &[u8], length: usize) -> u64 {
        10 * (window.len() + LANES * length) as u64
    }

    /// Sums of the blocks that begin at every position, with wrong strong ones.
    fn lies(file: &[u8], blocks: Blocks, count: usize) -> Vec<Sum> {
        let mut lies: Vec<Sum> = (0..count)
            .flat_map(|at| sums(&file[at..at + blocks.length() as usize], blocks))
            .collect();
        for (number, sum) in (0u16..).zip(&mut lies) {
            sum[4..6].copy_from_slice(&number.to_be_bytes());
        }
        lies
    }

    #[test]
    fn wrong_strong_sums_cost_no_more_than_a_few_passes() {
        // Every byte of each of these begins a window whose weak sum is in the signature.
        for period in [1, 2, 7, 440] {
            let window = periodic(400_000, period);
            let spent = effort(&window, lies(&window, short_blocks(), 448), BASIS, 0);
            assert!(
                spent > window.len() as u64,
                "the lies were not looked at: {spent}"
            );
            assert!(
                spent <= bound(&window, 432),
                "{spent} for a period of {period}"
            );
        }
    }

    #[test]
    fn long_blocks_cost_no_more_than_short_ones() {
        let basis_size = 8_000_000;
        let blocks = Blocks::of(basis_size).unwrap();
        let length = blocks.length() as usize;
        for window in [length, 2 * length + 1, 9 * length, 300_000] {
            let window = vec![0; window];
            let lie = lies(&vec![0; length], blocks, 1);
            let sums = vec![lie[0]; blocks.count() as usize];
            let spent = effort(&window, sums, basis_size, 0);
            assert!(
                spent <= bound(&window, length),
                "{spent} for {}",
                window.len()
            );
        }
    }

    #[test]
    fn a_slot_full_of_other_sums_costs_no_more_either() {
        // Weak sums that share the filter's bits and the slot with that of the window, as far as
        // small distances to its key go.
        let window = vec![0u8; 400_000];
        let zeros = sums(&window[..432], short_blocks())[0];
        let weak = u32::from_be_bytes([zeros[0], zeros[1], zeros[2], zeros[3]]);
        // The multiplier of the index's keys, and its inverse modulo 2³² by Newton's iteration.
        let times = 0x9e37_79b1u32;
        let inverse = (0..5).fold(times, |inverse, _| {
            inverse.wrapping_mul(2u32.wrapping_sub(times.wrapping_mul(inverse)))
        });
        let neighbour = |distance: u32| {
            let key = weak.wrapping_mul(times) ^ (distance + 1) << 12;
            let mut sum = zeros;
            sum[..4].copy_from_slice(&key.wrapping_mul(inverse).to_be_bytes());
            sum
        };
        let sums: Vec<Sum> = (0..448).map(neighbour).collect();
        let spent = effort(&window, sums, BASIS, 0);
        assert!(
            spent > window.len() as u64,
            "the slot was not looked into: {spent}"
        );
        assert!(spent <= bound(&window, 432), "{spent}");
    }

    #[test]
    fn an_unchanged_file_is_hashed_once() {
        let window = periodic(BASIS as usize, u32::MAX);
        let sums = sums(&window, short_blocks());
        let spent = effort(&window, sums, BASIS, 448);
        assert!(
            spent <= (window.len() + LANES * 432 + 432) as u64,
            "{spent}"
        );
    }
}
