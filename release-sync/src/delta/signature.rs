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

/// Signs a basis that is read in pieces.
#[derive(Debug)]
pub(crate) struct SignatureBuilder {
    blocks: Blocks,
    sums: Vec<u8>,
    signed: u64,
    /// A piece that was no multiple of the block length has been signed: only the last may be that.
    ended: bool,
}

/// What was signed is not the basis that was announced.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignError {
    /// The file has another size than before.
    #[error("the basis had {announced} bytes, and {signed} when it was read")]
    Size {
        /// Size that was given to the builder.
        announced: u64,
        /// Bytes that were pushed.
        signed: u64,
    },
    /// A piece other than the last was no multiple of the block length.
    #[error("the basis was read in pieces that do not fit blocks of {length} bytes")]
    Ragged {
        /// The block length.
        length: u32,
    },
}

impl SignatureBuilder {
    /// About how long a piece is, in bytes.
    const PIECE: usize = 1 << 20;

    /// A builder for the signature of a basis that is cut into `blocks`.
    pub(crate) fn new(blocks: Blocks) -> Self {
        Self {
            blocks,
            sums: Vec::with_capacity(Signature::size_for(blocks)),
            signed: 0,
            ended: false,
        }
    }

    /// How much to read and [`push`](Self::push) at a time, in bytes: a multiple of the block length,
    /// about 1 MiB, at most 8.
    pub(crate) fn piece_length(&self) -> usize {
        let batch = LANES * self.blocks.length() as usize;
        (Self::PIECE / batch).max(1) * batch
    }

    /// Signs the next piece of the basis. All but the last must be multiples of the block length.
    ///
    /// More bytes than were announced are counted but not signed, so memory stays bounded even if
    /// the file grows without end; [`finish`](Self::finish) then fails.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        let announced_yet = self.blocks.basis_size().saturating_sub(self.signed);
        self.signed = self.signed.saturating_add(piece.len() as u64);
        if self.ended || piece.len() as u64 > announced_yet {
            return;
        }
        self.ended = !piece.len().is_multiple_of(self.blocks.length() as usize);
        let size = sum_size(self.blocks);
        for sum in sums(piece, self.blocks) {
            self.sums.extend_from_slice(&sum[..size]);
        }
    }

    /// The signature's bytes for the wire.
    ///
    /// # Errors
    /// If the pieces were not the announced basis: it has changed, and should be signed anew or not
    /// used at all.
    pub(crate) fn finish(self) -> Result<Vec<u8>, SignError> {
        if self.signed != self.blocks.basis_size() {
            return Err(SignError::Size {
                announced: self.blocks.basis_size(),
                signed: self.signed,
            });
        }
        if self.sums.len() != Signature::size_for(self.blocks) {
            return Err(SignError::Ragged {
                length: self.blocks.length(),
            });
        }
        Ok(self.sums)
    }
}

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

    fn sign(bytes: &[u8], pieces: impl Iterator<Item = usize>) -> Result<Vec<u8>, SignError> {
        let mut builder = SignatureBuilder::new(Blocks::of(bytes.len() as u64).unwrap());
        let mut rest = bytes;
        for length in pieces {
            let (piece, later) = rest.split_at(length.min(rest.len()));
            builder.push(piece);
            rest = later;
        }
        builder.finish()
    }

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
            let cut = sum_size(blocks);
            let sums = sums(&bytes, blocks);
            let whole: Vec<u8> = sums.iter().flat_map(|sum| &sum[..cut]).copied().collect();
            let piece = SignatureBuilder::new(blocks).piece_length();
            for piece in [blocks.length() as usize, piece] {
                let built = sign(&bytes, std::iter::repeat_n(piece, size.div_ceil(piece)));
                assert_eq!(built.as_ref(), Ok(&whole), "{size} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn a_piece_is_a_multiple_of_the_block_and_bounded() {
        for size in [1, 490_000, 1 << 30, 1 << 37, Blocks::MAX_BASIS] {
            let blocks = Blocks::of(size).unwrap();
            let piece = SignatureBuilder::new(blocks).piece_length();
            assert!(piece.is_multiple_of(blocks.length() as usize));
            assert!((1 << 19..=8 << 20).contains(&piece), "{piece}");
        }
    }

    #[test]
    fn a_changed_basis_is_refused() {
        let blocks = Blocks::of(2000).unwrap();
        for signed in [0, 1296, 1999, 2001, 9000] {
            let mut builder = SignatureBuilder::new(blocks);
            for piece in noise(signed).chunks(432) {
                builder.push(piece);
            }
            let error = SignError::Size {
                announced: 2000,
                signed: signed as u64,
            };
            assert_eq!(builder.finish(), Err(error));
        }
        let ragged = sign(&noise(2000), [1, 1400, 599].into_iter());
        assert_eq!(ragged, Err(SignError::Ragged { length: 432 }));
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
        assert_eq!(sign(&basis, [435].into_iter()).unwrap(), golden);
    }
}
