//! Signatures: a weak and a strong sum of each block of a basis.
//!
//! On the wire a signature is its blocks' sums one after the other: the weak sum, big-endian, then as many
//! bytes of the MD4 digest as are [needed](Blocks::strong_size). It has no header, since all that librsync's
//! would say follows from the basis's size ([`Blocks`]), which travels with it.

use super::Blocks;

/// Bytes of the weak sum.
const WEAK_SIZE: usize = 4;
/// Bytes of the strong sum, MD4, before it is cut.
const STRONG_SIZE: usize = 16;

/// A block's sums, as they are on the wire, and zeros behind them.
pub(super) type Sum = [u8; 12];

/// How many blocks fast_rsync hashes in one go where the processor can. Fewer than these it hashes
/// one by one, which takes as long for each as for all of these together.
pub(super) const LANES: usize = 8;

/// A basis's signature: as many sums as the basis has blocks. That the sums are true is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signature {
    blocks: Blocks,
    sums: Vec<Sum>,
}

/// Why bytes from a host are not the signature of its basis.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignatureError {
    /// No basis of such a size is ever signed.
    #[error("a basis of {basis_size} bytes has no signature")]
    Basis {
        /// The size that the host gave.
        basis_size: u64,
    },
    /// The signature's length does not fit the basis's size.
    #[error("the signature of {basis_size} bytes has {expected} bytes, not {found}")]
    Length {
        /// The size that the host gave.
        basis_size: u64,
        /// Bytes of a signature of such a basis.
        expected: usize,
        /// Bytes that the host sent.
        found: usize,
    },
}

impl Signature {
    /// About how long a piece is, in bytes.
    const PIECE: usize = 1 << 20;

    /// How long the pieces are in which a basis is read to be signed, in bytes: whole blocks, about 1 MiB, at
    /// most 8. The last one is what is left.
    pub(crate) fn piece_length(blocks: Blocks) -> usize {
        let batch = LANES * blocks.length() as usize;
        (Self::PIECE / batch).max(1) * batch
    }

    /// Signs a piece of a basis, for the wire. The pieces' bytes, one after the other, are those of the signature,
    /// if all pieces but the last are whole blocks.
    pub(crate) fn of_piece(piece: &[u8], blocks: Blocks) -> Vec<u8> {
        let size = sum_size(blocks);
        let sums = sums(piece, blocks);
        sums.iter().flat_map(|sum| &sum[..size]).copied().collect()
    }

    /// Signs all of a basis that is in memory, piece by piece as an agent does.
    #[cfg(any(test, feature = "bench", feature = "fuzz"))]
    pub(crate) fn of(basis: &[u8], blocks: Blocks) -> Vec<u8> {
        let pieces = basis.chunks(Self::piece_length(blocks));
        pieces
            .flat_map(|piece| Self::of_piece(piece, blocks))
            .collect()
    }

    /// Bytes of the signature of a basis that is cut into `blocks`.
    pub(crate) fn size_for(blocks: Blocks) -> usize {
        blocks.count() as usize * sum_size(blocks)
    }

    /// Takes the bytes that a host gives as the signature of its basis of `basis_size` bytes.
    pub(crate) fn parse(bytes: &[u8], basis_size: u64) -> Result<Self, SignatureError> {
        let blocks = Blocks::of(basis_size).ok_or(SignatureError::Basis { basis_size })?;
        let expected = Self::size_for(blocks);
        if bytes.len() != expected {
            return Err(SignatureError::Length {
                basis_size,
                expected,
                found: bytes.len(),
            });
        }
        let sums = bytes.chunks_exact(sum_size(blocks)).map(padded).collect();
        Ok(Self { blocks, sums })
    }

    /// How the basis is cut.
    pub(crate) fn blocks(&self) -> Blocks {
        self.blocks
    }
    /// The sums, one a block.
    pub(super) fn sums(&self) -> &[Sum] {
        &self.sums
    }
}

/// Bytes of a block's sums on the wire.
fn sum_size(blocks: Blocks) -> usize {
    WEAK_SIZE + blocks.strong_size()
}

fn padded(bytes: &[u8]) -> Sum {
    let mut sum = Sum::default();
    sum[..bytes.len()].copy_from_slice(bytes);
    sum
}

/// The sums of blocks of that length that `bytes` is cut into, a short last one included.
pub(super) fn sums(bytes: &[u8], blocks: Blocks) -> Vec<Sum> {
    let options = fast_rsync::SignatureOptions {
        block_size: blocks.length(),
        crypto_hash_size: STRONG_SIZE as u32,
    };
    let signature = fast_rsync::Signature::calculate(bytes, options);
    // After a header of constant size come the sums, in the form that our wire has too.
    let whole: &[[u8; WEAK_SIZE + STRONG_SIZE]] = signature.serialized().as_rchunks().1;
    let size = sum_size(blocks);
    whole.iter().map(|sum| padded(&sum[..size])).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const LONGEST: usize = Blocks::MAX_COUNT as usize * 11;

    fn noise(length: usize) -> Vec<u8> {
        (0..length as u32)
            .map(|i| (i.wrapping_mul(0x9e37_79b1) >> 24) as u8)
            .collect()
    }

    #[test]
    fn pieces_make_the_signature_of_the_whole() {
        for size in [1, 431, 432, 433, 3456, 100_000, 3_000_000] {
            let bytes = noise(size);
            let blocks = Blocks::of(size as u64).unwrap();
            let whole = Signature::of_piece(&bytes, blocks);
            assert_eq!(whole.len(), Signature::size_for(blocks));
            for length in [blocks.length() as usize, Signature::piece_length(blocks)] {
                let pieces = bytes.chunks(length);
                let built: Vec<u8> = pieces
                    .flat_map(|piece| Signature::of_piece(piece, blocks))
                    .collect();
                assert_eq!(built, whole, "{size} in pieces of {length}");
            }
        }
    }

    #[test]
    fn a_piece_is_a_multiple_of_the_block_and_bounded() {
        for size in [1, 490_000, 1 << 30, 1 << 37, Blocks::MAX_BASIS] {
            let blocks = Blocks::of(size).unwrap();
            let piece = Signature::piece_length(blocks);
            assert!(piece.is_multiple_of(blocks.length() as usize));
            assert!((1 << 19..=8 << 20).contains(&piece), "{piece}");
        }
    }

    #[test]
    fn only_the_one_length_that_fits_the_basis_is_parsed() {
        for size in [1, 432, 433, 490_000, 1 << 30, Blocks::MAX_BASIS] {
            let blocks = Blocks::of(size).unwrap();
            let (sum, fits) = (sum_size(blocks), Signature::size_for(blocks));
            assert!(fits <= LONGEST);
            assert!(Signature::parse(&vec![0; fits], size).is_ok());
            for found in [0, 1, fits - sum, fits - 1, fits + 1, fits + sum] {
                let error = SignatureError::Length {
                    basis_size: size,
                    expected: fits,
                    found,
                };
                assert_eq!(Signature::parse(&vec![0; found], size), Err(error));
            }
        }
        for size in [0, Blocks::MAX_BASIS + 1, u64::MAX] {
            for found in [0, 6, LONGEST] {
                let error = SignatureError::Basis { basis_size: size };
                assert_eq!(Signature::parse(&vec![0; found], size), Err(error));
            }
        }
    }

    #[test]
    fn the_wire_form_stays() {
        let mut basis = vec![b'a'; 432];
        basis.extend_from_slice(b"abc");
        let golden = [
            // 432 times 'a'; OpenSSL says that the digest begins so
            0xac, 0x00, 0xd8, 0x00, 0xae, 0x41,
            // "abc": RFC 1320 has the digest in its test suite
            0x03, 0x04, 0x01, 0x83, 0xa4, 0x48,
        ];
        let blocks = Blocks::of(basis.len() as u64).unwrap();
        assert_eq!(Signature::of_piece(&basis, blocks), golden);
    }
}
