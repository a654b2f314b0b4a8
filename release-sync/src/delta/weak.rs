//! The weak sum, which can be rolled along a file byte by byte.

/// What is added to each byte, so that runs of zeros of different lengths differ.
const BIAS: u32 = 31;

/// The weak sum of a window: rsync's two running sums, each modulo 2¹⁶, as librsync and fast_rsync
/// have it.
///
/// They are kept in 32 bits, of which only the low 16 are meant: that saves the hot loop the cutting.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weak {
    bytes: u32,
    weighted: u32,
}

impl Weak {
    /// The sum of `window`, from scratch.
    pub(super) fn of(window: &[u8]) -> Self {
        let length = window.len() as u32;
        // Weights, where a running sum would do, since this form is one that compilers vectorize.
        let mut bytes = 0u32;
        let mut weighted = 0u32;
        for (weight, &byte) in (0..length).rev().zip(window) {
            let byte = u32::from(byte);
            bytes = bytes.wrapping_add(byte);
            weighted = weighted.wrapping_add(byte.wrapping_mul(weight + 1));
        }
        let triangle = (u64::from(length) * (u64::from(length) + 1) / 2) as u32;
        Self {
            bytes: bytes.wrapping_add(length.wrapping_mul(BIAS)),
            weighted: weighted.wrapping_add(triangle.wrapping_mul(BIAS)),
        }
    }

    /// Moves the window of `length` bytes by one: `old` leaves it in front, `new` enters it behind.
    #[inline(always)]
    fn roll(&mut self, length: u32, old: u8, new: u8) {
        let old = u32::from(old);
        self.bytes = self.bytes.wrapping_add(u32::from(new)).wrapping_sub(old);
        self.weighted = self
            .weighted
            .wrapping_add(self.bytes)
            .wrapping_sub(length.wrapping_mul(old + BIAS));
    }

    /// The sum as a signature has it, big-endian there.
    #[inline(always)]
    pub(super) fn value(self) -> u32 {
        (self.bytes & 0xffff) | (self.weighted << 16)
    }
}

/// The weak sums of all windows of one length in some bytes.
pub(super) struct Rolling<'a> {
    bytes: &'a [u8],
    length: usize,
    /// Where the next window begins.
    at: usize,
    /// Its sum; `None` behind the last one.
    sum: Option<Weak>,
}

impl<'a> Rolling<'a> {
    /// The windows of `length` bytes that begin at `at` or later.
    pub(super) fn new(bytes: &'a [u8], length: usize, at: usize) -> Self {
        let first = bytes.get(at..).and_then(|rest| rest.get(..length));
        Self {
            bytes,
            length,
            at,
            sum: first.map(Weak::of),
        }
    }

    /// Where the next window is whose sum is wanted, and that sum.
    ///
    /// The one loop that runs for each byte of a new file; not an iterator, which would keep its
    /// state in memory.
    #[inline(always)]
    pub(super) fn next_where(&mut self, wanted: impl Fn(u32) -> bool) -> Option<(usize, u32)> {
        let mut sum = self.sum.take()?;
        let leaving = &self.bytes[self.at..];
        let entering = &self.bytes[self.at + self.length..];
        for (at, (&old, &new)) in (self.at..).zip(leaving.iter().zip(entering)) {
            let value = sum.value();
            sum.roll(self.length as u32, old, new);
            if wanted(value) {
                self.at = at + 1;
                self.sum = Some(sum);
                return Some((at, value));
            }
        }
        let last = self.bytes.len() - self.length;
        wanted(sum.value()).then(|| (last, sum.value()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Rolling, Weak};

    fn fast_rsyncs(window: &[u8]) -> [u8; 4] {
        let options = fast_rsync::SignatureOptions {
            block_size: window.len() as u32,
            crypto_hash_size: 0,
        };
        let signature = fast_rsync::Signature::calculate(window, options);
        let serialized = signature.serialized();
        std::array::from_fn(|i| serialized[serialized.len() - 4 + i])
    }

    proptest! {
        #[test]
        fn a_sum_is_fast_rsyncs(window in proptest::collection::vec(any::<u8>(), 1..3000)) {
            prop_assert_eq!(Weak::of(&window).value().to_be_bytes(), fast_rsyncs(&window));
        }

        #[test]
        fn rolled_sums_are_the_windows_sums(
            bytes in proptest::collection::vec(any::<u8>(), 0..2000),
            length in 1usize..2000,
            at in 0usize..2000,
        ) {
            let mut rolling = Rolling::new(&bytes, length, at);
            let rolled: Vec<_> = std::iter::from_fn(|| rolling.next_where(|sum| sum % 3 != 0)).collect();
            let sums: Vec<_> = bytes
                .windows(length)
                .map(|window| Weak::of(window).value())
                .enumerate()
                .filter(|&(place, sum)| place >= at && sum % 3 != 0)
                .collect();
            prop_assert_eq!(rolled, sums);
        }
    }

    #[test]
    fn a_sum_of_the_longest_block_does_not_overflow() {
        let block = vec![0xff; super::super::Blocks::MAX_LENGTH as usize];
        assert_eq!(Weak::of(&block).value().to_be_bytes(), fast_rsyncs(&block));
    }
}
