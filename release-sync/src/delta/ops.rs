//! Ops, which make a new file out of a basis, and their form on the wire.
//!
//! A part of a file is a sequence of ops, nothing before, between or after them. Each begins with a
//! number: twice its length, plus 1 if it is a copy. A literal's bytes follow. A copy is followed by
//! another number: how far its offset in the basis is from where the copy before it ended (from 0 for
//! the first), zigzag-coded. So each part can be read without the others, and blocks that follow one
//! another cost little.
//!
//! Numbers have 7 bits a byte, the lowest first, and the highest bit of each byte but the last set; in
//! the shortest form.

/// One step in making a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op<'a> {
    /// These bytes; at least one.
    Literal(&'a [u8]),
    /// Bytes of the basis, all within it.
    Copy {
        /// Where they begin.
        offset: u64,
        /// How many; not 0.
        length: u64,
    },
}

/// Why bytes are not ops on a basis.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OpError {
    /// The bytes end inside a number.
    #[error("the ops end inside a number")]
    Cut,
    /// A number needs more than 64 bits, or is not in its shortest form.
    #[error("a number in the ops is out of range")]
    Number,
    /// An op has length 0.
    #[error("an op does nothing")]
    Empty,
    /// A literal is longer than all that is left.
    #[error("a literal of {length} bytes has only {left}")]
    Literal {
        /// Length that the literal gives.
        length: u64,
        /// Bytes that there are.
        left: usize,
    },
    /// A copy begins or ends outside the basis.
    #[error("a copy of {length} bytes from {offset} leaves the basis of {basis_size} bytes")]
    Copy {
        /// Where it begins.
        offset: u64,
        /// Its length.
        length: u64,
        /// Size of the basis.
        basis_size: u64,
    },
}

/// Writes a part's ops.
#[derive(Debug)]
#[must_use = "the last copy is not written before `finish`"]
pub(crate) struct OpWriter<'a> {
    out: &'a mut Vec<u8>,
    /// Where the last copy that was written ends.
    cursor: u64,
    /// A copy that may yet grow: offset and length.
    pending: Option<(u64, u64)>,
}

impl<'a> OpWriter<'a> {
    /// Begins a part; its ops are appended to `out`.
    pub(crate) fn new(out: &'a mut Vec<u8>) -> Self {
        Self {
            out,
            cursor: 0,
            pending: None,
        }
    }

    /// These bytes, if there are any.
    pub(crate) fn literal(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.flush();
        Self::literal_head(bytes.len(), self.out);
        self.out.extend_from_slice(bytes);
    }

    /// What stands before a literal's bytes, for a part that is one literal. Not for an empty one.
    pub(crate) fn literal_head(length: usize, out: &mut Vec<u8>) {
        put_number(out, (length as u64) << 1);
    }

    /// `length` bytes of the basis from `offset` on, below 2⁶³ both, if there are any. One copy is
    /// made of those that continue each other.
    pub(crate) fn copy(&mut self, offset: u64, length: u64) {
        if length == 0 {
            return;
        }
        if let Some((start, so_far)) = &mut self.pending
            && *start + *so_far == offset
        {
            *so_far += length;
            return;
        }
        self.flush();
        self.pending = Some((offset, length));
    }

    /// Ends the part.
    pub(crate) fn finish(mut self) {
        self.flush();
    }

    fn flush(&mut self) {
        if let Some((offset, length)) = self.pending.take() {
            put_number(self.out, length << 1 | 1);
            let distance = offset.wrapping_sub(self.cursor).cast_signed();
            put_number(self.out, (distance << 1 ^ distance >> 63).cast_unsigned());
            self.cursor = offset + length;
        }
    }
}

/// Reads a part's ops, which a peer has sent. After an error there is nothing more.
///
/// Each op is checked against the basis; that together they make a file of the expected size is for
/// the caller to see to.
#[derive(Clone, Debug)]
pub(crate) struct OpReader<'a> {
    rest: &'a [u8],
    basis_size: u64,
    cursor: u64,
}

impl<'a> OpReader<'a> {
    /// The ops in `bytes`, on a basis of `basis_size` bytes: 0 if there is none.
    pub(crate) fn new(bytes: &'a [u8], basis_size: u64) -> Self {
        Self {
            rest: bytes,
            basis_size,
            cursor: 0,
        }
    }

    fn op(&mut self) -> Result<Op<'a>, OpError> {
        let head = take_number(&mut self.rest)?;
        match (head >> 1, head & 1) {
            (0, _) => Err(OpError::Empty),
            (length, 0) => self.literal(length),
            (length, _) => self.copy(length),
        }
    }

    fn literal(&mut self, length: u64) -> Result<Op<'a>, OpError> {
        let error = OpError::Literal {
            length,
            left: self.rest.len(),
        };
        let split = usize::try_from(length)
            .ok()
            .and_then(|length| self.rest.split_at_checked(length));
        let (literal, rest) = split.ok_or(error)?;
        self.rest = rest;
        Ok(Op::Literal(literal))
    }

    fn copy(&mut self, length: u64) -> Result<Op<'a>, OpError> {
        let zigzag = take_number(&mut self.rest)?;
        let distance = zigzag >> 1 ^ (zigzag & 1).wrapping_neg();
        // Whatever the sum wraps to, what counts is whether it lies in the basis.
        let offset = self.cursor.wrapping_add(distance);
        match offset.checked_add(length) {
            Some(end) if end <= self.basis_size => {
                self.cursor = end;
                Ok(Op::Copy { offset, length })
            }
            _ => Err(OpError::Copy {
                offset,
                length,
                basis_size: self.basis_size,
            }),
        }
    }
}

impl<'a> Iterator for OpReader<'a> {
    type Item = Result<Op<'a>, OpError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let op = self.op();
        if op.is_err() {
            self.rest = &[];
        }
        Some(op)
    }
}

impl std::iter::FusedIterator for OpReader<'_> {}

fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn take_number(bytes: &mut &[u8]) -> Result<u64, OpError> {
    let mut number = 0u64;
    for shift in (0..u64::BITS).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(OpError::Cut)?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits {
            return Err(OpError::Number);
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            let shortest = byte != 0 || shift == 0;
            return shortest.then_some(number).ok_or(OpError::Number);
        }
    }
    Err(OpError::Number)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    const BASIS: u64 = 1 << 40;

    fn written(ops: &[Op<'_>]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = OpWriter::new(&mut out);
        for op in ops {
            match *op {
                Op::Literal(bytes) => writer.literal(bytes),
                Op::Copy { offset, length } => writer.copy(offset, length),
            }
        }
        writer.finish();
        out
    }

    fn read(bytes: &[u8], basis_size: u64) -> Result<Vec<Op<'_>>, OpError> {
        OpReader::new(bytes, basis_size).collect()
    }

    #[test]
    fn the_wire_form_stays() {
        let ops = [
            Op::Literal(b"new"),
            Op::Copy {
                offset: 700,
                length: 700,
            },
            Op::Literal(b"!"),
            Op::Copy {
                offset: 1400,
                length: 1,
            },
            Op::Copy {
                offset: 0,
                length: 64,
            },
        ];
        let golden = [
            0x06, b'n', b'e', b'w', // 3 bytes
            0xf9, 0x0a, 0xf8, 0x0a, // 700, 700 behind the beginning
            0x02, b'!', // 1 byte
            0x03, 0x00, // 1, where the last copy ended
            0x81, 0x01, 0xf1, 0x15, // 64, 1401 before
        ];
        assert_eq!(written(&ops), golden);
        assert_eq!(read(&golden, 1401), Ok(ops.to_vec()));
    }

    #[test]
    fn copies_that_continue_each_other_are_one() {
        let copies = [(5, 5), (10, 700), (710, 1), (0, 5), (5, 1)];
        let ops = copies.map(|(offset, length)| Op::Copy { offset, length });
        let joined = [(5, 706), (0, 6)].map(|(offset, length)| Op::Copy { offset, length });
        assert_eq!(read(&written(&ops), BASIS), Ok(joined.to_vec()));
    }

    #[test]
    fn nothing_is_written_for_nothing() {
        let nothing = [
            Op::Literal(b""),
            Op::Copy {
                offset: 7,
                length: 0,
            },
        ];
        assert!(written(&nothing).is_empty());
    }

    #[test]
    fn what_is_no_op_is_refused() {
        let copy = |offset, length, basis_size| OpError::Copy {
            offset,
            length,
            basis_size,
        };
        let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        let huge_literal = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        let longest = u64::MAX >> 1;
        let cases: [(&[u8], OpError); 14] = [
            (&[0x80], OpError::Cut),
            (&[0x03], OpError::Cut),
            (&[0x00], OpError::Empty),
            (&[0x01, 0x00], OpError::Empty),
            (&[0x82, 0x00, b'x'], OpError::Number),
            (&[0x03, 0x80, 0x00], OpError::Number),
            (&[0xff; 10], OpError::Number),
            (
                &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02],
                OpError::Number,
            ),
            (&[0x06, b'a', b'b'], OpError::Literal { length: 3, left: 2 }),
            (
                &huge_literal,
                OpError::Literal {
                    length: longest,
                    left: 0,
                },
            ),
            (&[0x17, 0x00], copy(0, 11, 10)),
            (&[0x03, 0x14], copy(10, 1, 10)),
            (&[0x03, 0x01], copy(u64::MAX, 1, 10)),
            (&[&huge[..], &[0x02]].concat(), copy(1, longest, 10)),
        ];
        for (bytes, error) in cases {
            assert_eq!(read(bytes, 10), Err(error), "{bytes:02x?}");
            let mut reader = OpReader::new(bytes, 10);
            assert_eq!((reader.by_ref().count(), reader.next()), (1, None));
        }
        assert_eq!(read(&[0x03, 0x00], 0), Err(copy(0, 1, 0)));
    }

    fn an_op() -> impl Strategy<Value = (Vec<u8>, u64, u64)> {
        (
            proptest::collection::vec(any::<u8>(), 0..200),
            0..BASIS,
            0..BASIS,
        )
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(ops in proptest::collection::vec(an_op(), 0..20)) {
            // A literal before each copy: copies are not joined.
            let ops: Vec<Op<'_>> = ops
                .iter()
                .filter(|(literal, _, length)| !literal.is_empty() && *length > 0)
                .flat_map(|(literal, offset, length)| {
                    let length = (*length).min(BASIS - offset);
                    [Op::Literal(literal), Op::Copy { offset: *offset, length }]
                })
                .collect();
            let bytes = written(&ops);
            prop_assert_eq!(read(&bytes, BASIS), Ok(ops));
        }

        #[test]
        fn whatever_is_read_is_within_bounds(
            bytes in proptest::collection::vec(prop_oneof![0u8..8, any::<u8>()], 0..200),
            basis_size in prop_oneof![0u64..300, any::<u64>()],
        ) {
            let mut literals = 0;
            for op in OpReader::new(&bytes, basis_size) {
                match op {
                    Ok(Op::Literal(literal)) => {
                        prop_assert!(!literal.is_empty());
                        literals += literal.len();
                    }
                    Ok(Op::Copy { offset, length }) => {
                        prop_assert!(length > 0);
                        prop_assert!(offset.checked_add(length).unwrap() <= basis_size);
                    }
                    Err(_) => {}
                }
            }
            prop_assert!(literals <= bytes.len());
        }
    }
}
