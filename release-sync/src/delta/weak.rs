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

    /// The sums of all windows of `length` bytes in `bytes`, in order.
    #[inline]
    pub(super) fn rolling(bytes: &[u8], length: usize) -> impl Iterator<Item = u32> {
        let mut sum = bytes.get(..length).map(Self::of);
        let entering = bytes.get(length..).unwrap_or_default();
        let mut rolls = bytes.iter().zip(entering);
        std::iter::from_fn(move || {
            let current = sum?;
            sum = rolls.next().map(|(&old, &new)| {
                let mut next = current;
                next.roll(length as u32, old, new);
                next
            });
            Some(current.value())
        })
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Weak;

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
        fn a_rolled_sum_is_the_sum(
            bytes in proptest::collection::vec(any::<u8>(), 0..2000),
            length in 1usize..2000,
        ) {
            let rolled: Vec<u32> = Weak::rolling(&bytes, length).collect();
            let sums: Vec<u32> = bytes.windows(length).map(|w| Weak::of(w).value()).collect();
            prop_assert_eq!(rolled, sums);
        }
    }

    #[test]
    fn a_sum_of_the_longest_block_does_not_overflow() {
        let block = vec![0xff; super::super::Blocks::MAX_LENGTH as usize];
        assert_eq!(Weak::of(&block).value().to_be_bytes(), fast_rsyncs(&block));
    }
}
