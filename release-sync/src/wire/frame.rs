//! The greeting, and frames: `length:u32le kind:u8 body`, where the length counts kind and body.

use std::ops::Deref;

use super::WireError;

/// What every agent says first. A login shell may print before it; nothing that a shell prints has a
/// NUL in it.
pub(crate) const MAGIC: [u8; 8] = *b"\0RELEASE";

/// Version of the conversation. A change that an older peer would misunderstand raises it.
pub(crate) const VERSION: u16 = 5;

/// How much a login shell may print before the agent's greeting.
const MAX_NOISE: usize = 8 * 1024;

/// Bytes of length and kind.
pub(super) const HEADER: usize = 5;

/// The greeting of this build.
pub(crate) fn greeting() -> Vec<u8> {
    [&MAGIC[..], &VERSION.to_le_bytes()].concat()
}

/// What a frame's body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameKind {
    /// A postcard message.
    Control,
    /// A part of the compressed manifest.
    Manifest,
    /// What an agent lacks.
    Want,
    /// File content.
    Payload,
}

impl FrameKind {
    fn from_byte(byte: u8) -> Result<Self, WireError> {
        Ok(match byte {
            0 => Self::Control,
            1 => Self::Manifest,
            2 => Self::Want,
            3 => Self::Payload,
            other => return Err(WireError::Kind(other)),
        })
    }

    /// Longest body, in bytes.
    pub(crate) const fn limit(self) -> usize {
        match self {
            // Nearly all are small. `Begin` has patterns, and `MAX_PATTERNS` sees to it that they fit.
            Self::Control => 1 << 20,
            Self::Manifest => 256 << 10,
            Self::Want => 6 << 20,
            // What did not compress is sent raw, so no payload grows beyond its content and a header.
            Self::Payload => super::MAX_PAYLOAD_RAW + 64,
        }
    }
}

/// One frame, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// What the body is.
    pub(crate) kind: FrameKind,
    /// The body.
    pub(crate) body: Vec<u8>,
}

/// A frame's bytes as they are sent. They need not begin where their memory does: so a large body can stay where
/// it was put together.
#[derive(Debug)]
pub(crate) struct FrameBytes {
    memory: Vec<u8>,
    start: usize,
}

impl FrameBytes {
    /// Puts a frame's header, and what its body begins with, before the rest of the body. That lies in `memory`
    /// behind `reserved` bytes, which must be enough for both.
    pub(super) fn around(
        kind: FrameKind,
        mut memory: Vec<u8>,
        reserved: usize,
        head: &[u8],
    ) -> Self {
        let at = reserved - head.len();
        memory[at..reserved].copy_from_slice(head);
        let start = at - HEADER;
        let header = Frame::header(kind, memory.len() - at);
        memory[start..at].copy_from_slice(&header);
        Self { memory, start }
    }
}

impl From<Vec<u8>> for FrameBytes {
    fn from(memory: Vec<u8>) -> Self {
        Self { memory, start: 0 }
    }
}

impl Deref for FrameBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.memory[self.start..]
    }
}

impl Frame {
    /// The bytes of a frame. The body must be within the kind's limit: the caller made it.
    pub(crate) fn encode(kind: FrameKind, body: &[u8]) -> Vec<u8> {
        Self::join(kind, &[body])
    }

    /// The same where the body is in pieces.
    pub(super) fn join(kind: FrameKind, body: &[&[u8]]) -> Vec<u8> {
        let length: usize = body.iter().map(|piece| piece.len()).sum();
        let mut out = Vec::with_capacity(HEADER + length);
        out.extend_from_slice(&Self::header(kind, length));
        body.iter().for_each(|piece| out.extend_from_slice(piece));
        out
    }

    /// What stands before a body of `length` bytes.
    fn header(kind: FrameKind, length: usize) -> [u8; HEADER] {
        debug_assert!(length <= kind.limit());
        let [a, b, c, d] = (length as u32 + 1).to_le_bytes();
        [a, b, c, d, kind as u8]
    }
}

/// Takes a peer's byte stream apart, whatever pieces it arrives in.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    buffer: Vec<u8>,
    /// Bytes of `buffer` that were consumed and are dropped at the next push.
    used: usize,
    greeted: bool,
}

impl Decoder {
    /// Adds bytes that arrived.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.used);
        self.used = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The peer's version, once its greeting is there. Before it, noise is skipped.
    pub(crate) fn greeting(&mut self) -> Result<Option<u16>, WireError> {
        let bytes = &self.buffer[self.used..];
        let Some(at) = bytes
            .windows(MAGIC.len())
            .position(|window| window == MAGIC)
        else {
            // Bytes at the end may be the beginning of the magic, however they were cut.
            return if bytes.len() >= MAX_NOISE + MAGIC.len() {
                Err(WireError::NoGreeting(MAX_NOISE))
            } else {
                Ok(None)
            };
        };
        if at > MAX_NOISE {
            return Err(WireError::NoGreeting(MAX_NOISE));
        }
        let version = &bytes[at + MAGIC.len()..];
        let &[low, high, ..] = version else {
            return Ok(None);
        };
        self.used += at + MAGIC.len() + 2;
        self.greeted = true;
        Ok(Some(u16::from_le_bytes([low, high])))
    }

    /// What arrived before the greeting, for an error message; nothing once there was one.
    pub(crate) fn noise(&self) -> &[u8] {
        if self.greeted {
            &[]
        } else {
            &self.buffer[..self.buffer.len().min(MAX_NOISE)]
        }
    }

    /// Bytes that arrived and were not read: of a frame that is not whole, once nothing more is.
    pub(crate) fn unread(&self) -> usize {
        self.buffer.len() - self.used
    }

    /// What was not read as frames.
    pub(crate) fn into_rest(mut self) -> Vec<u8> {
        self.buffer.split_off(self.used)
    }

    /// The next whole frame.
    pub(crate) fn frame(&mut self) -> Result<Option<Frame>, WireError> {
        let bytes = &self.buffer[self.used..];
        let Some((&header, rest)) = bytes.split_first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let [a, b, c, d, kind] = header;
        let kind = FrameKind::from_byte(kind)?;
        let length = u32::from_le_bytes([a, b, c, d]);
        let limit = kind.limit();
        let body = match (length as usize).checked_sub(1) {
            Some(body) if body <= limit => body,
            _ => {
                return Err(WireError::TooLong {
                    length,
                    limit: limit as u32,
                });
            }
        };
        let Some(body) = rest.get(..body) else {
            return Ok(None);
        };
        let frame = Frame {
            kind,
            body: body.to_vec(),
        };
        self.used += HEADER + frame.body.len();
        Ok(Some(frame))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn frames_survive_any_cutting(
            bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..8),
            noise in "[a-z\\n]{0,200}",
            cut in 1usize..50,
        ) {
            let mut stream = noise.into_bytes();
            stream.extend(greeting());
            for body in &bodies {
                stream.extend(Frame::encode(FrameKind::Manifest, body));
            }
            let mut decoder = Decoder::default();
            let (mut version, mut read) = (None, Vec::new());
            for piece in stream.chunks(cut) {
                decoder.push(piece);
                if version.is_none() {
                    version = decoder.greeting().unwrap();
                }
                if version.is_some() {
                    while let Some(frame) = decoder.frame().unwrap() {
                        read.push(frame.body);
                    }
                }
            }
            prop_assert_eq!(version, Some(VERSION));
            prop_assert_eq!(read, bodies);
        }

        #[test]
        fn any_bytes_are_taken_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let mut decoder = Decoder::default();
            decoder.push(&bytes);
            while let Ok(Some(_)) = decoder.frame() {}
        }
    }

    #[test]
    fn a_frame_is_refused_by_its_length_alone() {
        let mut decoder = Decoder::default();
        decoder.push(&[0xff, 0xff, 0xff, 0x7f, 0]);
        assert!(matches!(decoder.frame(), Err(WireError::TooLong { .. })));
        let mut decoder = Decoder::default();
        decoder.push(&[0, 0, 0, 0, 0]);
        assert!(matches!(
            decoder.frame(),
            Err(WireError::TooLong { length: 0, .. })
        ));
    }

    #[test]
    fn noise_has_a_bound_however_it_is_cut() {
        let heard = |noise: usize, cut: usize| {
            let stream = [vec![b'x'; noise], greeting()].concat();
            let mut decoder = Decoder::default();
            for piece in stream.chunks(cut) {
                decoder.push(piece);
                match decoder.greeting() {
                    Ok(None) => {}
                    other => return other,
                }
            }
            Ok(None)
        };
        for cut in [1, 7, MAX_NOISE, MAX_NOISE + 4, 2 * MAX_NOISE] {
            assert_eq!(heard(MAX_NOISE, cut), Ok(Some(VERSION)), "cut by {cut}");
            let refused = Err(WireError::NoGreeting(MAX_NOISE));
            assert_eq!(heard(MAX_NOISE + 1, cut), refused, "cut by {cut}");
        }
        let mut decoder = Decoder::default();
        decoder.push(&vec![b'x'; MAX_NOISE + MAGIC.len()]);
        assert!(decoder.greeting().is_err(), "nobody waits for more");
    }
}
