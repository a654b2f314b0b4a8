//! File content on its way: a unit's answer is one or more payload frames.
//!
//! ```text
//! payload  unit flags:u8 rawlength bytes      flags 1: the unit's last frame, 2: bytes are zstd
//! bytes    part*
//! part     entry flags:u8 length ops          flags 1: the file ends here, 2: it could not be read
//! ```
//! `ops` are the delta module's literal and copy commands; a whole file is literals alone. A file's
//! parts stand in order, in one frame or in frames that follow each other.

use std::borrow::Cow;
use std::cell::RefCell;

use zstd::bulk::{Compressor, Decompressor};

use super::frame::HEADER;
use super::{Frame, FrameBytes, FrameKind, WireError, number};
use crate::delta::OpWriter;
use crate::unit::LOT_BYTES;

/// Most bytes that a payload frame has before compression: a lot fits into one, but for its parts' heads.
pub(crate) const MAX_PAYLOAD_RAW: usize = LOT_BYTES as usize;

const LAST: u8 = 1;
const ZSTD: u8 = 2;
/// Content is compressed only if that saves at least one part in this many.
const WORTHWHILE: usize = 32;

/// What compresses and decompresses in a thread. Made anew for each frame, its tables cost as much as their use.
#[derive(Default)]
struct Press {
    compressor: Compressor<'static>,
    decompressor: Decompressor<'static>,
    /// Room for a compressed frame.
    packed: Vec<u8>,
}

thread_local! {
    static PRESS: RefCell<Press> = RefCell::default();
}

impl Press {
    /// Compresses at a level; `None` if it fails.
    fn pack(&mut self, raw: &[u8], level: i32) -> Option<&[u8]> {
        self.compressor.set_compression_level(level).ok()?;
        self.packed.clear();
        self.packed
            .reserve(zstd::zstd_safe::compress_bound(raw.len()));
        self.compressor
            .compress_to_buffer(raw, &mut self.packed)
            .ok()?;
        Some(&self.packed)
    }
}

/// A payload frame's body, taken apart and decompressed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Payload<'a> {
    /// Which unit it answers.
    pub(crate) unit: u32,
    /// Is it the unit's last frame?
    pub(crate) last: bool,
    raw: Cow<'a, [u8]>,
}

/// What a part's flags say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PartFlags {
    /// More of the file follows.
    More,
    /// The file ends with this part.
    End,
    /// The source could not give it.
    Failed,
}

/// Puts a frame together, part by part.
#[derive(Debug)]
pub(crate) struct PayloadBuilder {
    /// The parts, behind [`HEADS`](Self::HEADS) bytes for what is known when all are there.
    memory: Vec<u8>,
}

impl Default for PayloadBuilder {
    fn default() -> Self {
        Self {
            memory: vec![0; Self::HEADS],
        }
    }
}

impl PayloadBuilder {
    /// Most bytes that a part's header takes.
    pub(crate) const PART_HEADER: usize = 12;

    /// Most bytes that stand before the first part: the frame's header, the unit, flags, and the length.
    const HEADS: usize = HEADER + 5 + 1 + 5;

    /// Bytes that a frame has room for yet.
    pub(crate) fn room(&self) -> usize {
        MAX_PAYLOAD_RAW - self.length()
    }

    /// Bytes that are in it, before compression.
    pub(crate) fn length(&self) -> usize {
        self.raw().len()
    }

    /// Adds a part. Header and ops must fit into [`Self::room`].
    pub(crate) fn push(&mut self, entry: u32, flags: PartFlags, ops: &[u8]) {
        self.head(entry, flags, ops.len());
        self.memory.extend_from_slice(ops);
        debug_assert!(self.length() <= MAX_PAYLOAD_RAW);
    }

    /// Adds a part that is one literal, not empty. It must fit like any part.
    pub(crate) fn push_whole(&mut self, entry: u32, content: &[u8]) {
        self.literal_head(entry, PartFlags::End, content.len());
        self.memory.extend_from_slice(content);
        debug_assert!(self.length() <= MAX_PAYLOAD_RAW);
    }

    /// What stands before the bytes of a part that is one literal.
    fn literal_head(&mut self, entry: u32, flags: PartFlags, length: usize) {
        let mut head = Vec::with_capacity(8);
        OpWriter::literal_head(length, &mut head);
        self.head(entry, flags, head.len() + length);
        self.memory.extend_from_slice(&head);
    }

    /// Makes room in memory for `length` bytes more, as far as they fit.
    pub(crate) fn reserve(&mut self, length: usize) {
        self.memory.reserve(length.min(self.room()));
    }

    /// Adds all parts of another frame, which must fit into [`Self::room`].
    pub(crate) fn append(&mut self, other: &Self) {
        self.memory.extend_from_slice(other.raw());
        debug_assert!(self.length() <= MAX_PAYLOAD_RAW);
    }

    fn head(&mut self, entry: u32, flags: PartFlags, length: usize) {
        number::put(&mut self.memory, entry.into());
        self.memory.push(match flags {
            PartFlags::More => 0,
            PartFlags::End => 1,
            PartFlags::Failed => 2,
        });
        number::put(&mut self.memory, length as u64);
    }

    /// Adds a part that is one literal of `length` bytes, not 0, and gives the place for them. It must fit like
    /// any part.
    pub(crate) fn push_literal(
        &mut self,
        entry: u32,
        flags: PartFlags,
        length: usize,
    ) -> &mut [u8] {
        self.memory.reserve(2 * Self::PART_HEADER + length);
        self.literal_head(entry, flags, length);
        let at = self.memory.len();
        self.memory.resize(at + length, 0);
        debug_assert!(self.length() <= MAX_PAYLOAD_RAW);
        &mut self.memory[at..]
    }

    /// What is in it, before compression.
    pub(crate) fn raw(&self) -> &[u8] {
        &self.memory[Self::HEADS..]
    }

    /// The frame: compressed at `level`, if there is one and it is worth the while. The next one begins.
    pub(crate) fn finish(
        &mut self,
        unit: u32,
        last: bool,
        level: impl Into<Option<i32>>,
    ) -> FrameBytes {
        let raw = self.raw();
        let head = |packed| {
            let mut head = Vec::with_capacity(Self::HEADS);
            number::put(&mut head, unit.into());
            head.push(if last { LAST } else { 0 } | if packed { ZSTD } else { 0 });
            number::put(&mut head, raw.len() as u64);
            head
        };
        let packed = PRESS.with_borrow_mut(|press| {
            let packed = press.pack(raw, level.into()?)?;
            let pays = packed.len() + raw.len() / WORTHWHILE < raw.len();
            pays.then(|| Frame::join(FrameKind::Payload, &[&head(true), packed]))
        });
        if let Some(frame) = packed {
            self.memory.truncate(Self::HEADS);
            return frame.into();
        }
        let head = head(false);
        let mut memory = std::mem::take(self).memory;
        // Frames wait to be sent: with no more memory than they need.
        if memory.capacity() > memory.len() + memory.len() / 16 {
            memory = memory.clone();
        }
        FrameBytes::around(FrameKind::Payload, memory, Self::HEADS, &head)
    }
}

impl<'a> Payload<'a> {
    /// The unit that a payload frame's body belongs to, without decompressing it.
    pub(crate) fn unit(mut body: &[u8]) -> Result<u32, WireError> {
        number::take_u32(&mut body).ok_or(WireError::Body("a payload"))
    }

    /// Reads and decompresses a payload frame's body.
    pub(crate) fn decode(body: &'a [u8]) -> Result<Self, WireError> {
        let refuse = || WireError::Body("a payload");
        let mut rest = body;
        let unit = number::take_u32(&mut rest).ok_or_else(refuse)?;
        let (&flags, after) = rest.split_first().ok_or_else(refuse)?;
        rest = after;
        let length = number::take(&mut rest).ok_or_else(refuse)?;
        if flags & !(LAST | ZSTD) != 0 || length > MAX_PAYLOAD_RAW as u64 {
            return Err(refuse());
        }
        let raw = if flags & ZSTD != 0 {
            PRESS
                .with_borrow_mut(|press| press.decompressor.decompress(rest, length as usize))
                .map(Cow::Owned)
                .map_err(|_| refuse())?
        } else {
            Cow::Borrowed(rest)
        };
        if raw.len() as u64 != length {
            return Err(refuse());
        }
        Ok(Self {
            unit,
            last: flags & LAST != 0,
            raw,
        })
    }

    /// The parts, in order.
    pub(crate) fn parts(&self) -> Parts<'_> {
        Parts { rest: &self.raw }
    }
}

/// The parts of a payload: entry, flags, ops.
#[derive(Debug)]
pub(crate) struct Parts<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Parts<'a> {
    type Item = Result<(u32, PartFlags, &'a [u8]), WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let part = take_part(&mut self.rest).ok_or(WireError::Body("a part of a payload"));
        if part.is_err() {
            self.rest = &[];
        }
        Some(part)
    }
}

fn take_part<'a>(rest: &mut &'a [u8]) -> Option<(u32, PartFlags, &'a [u8])> {
    let entry = number::take_u32(rest)?;
    let (&flags, after) = rest.split_first()?;
    *rest = after;
    let flags = match flags {
        0 => PartFlags::More,
        1 => PartFlags::End,
        2 => PartFlags::Failed,
        _ => return None,
    };
    Some((entry, flags, number::take_block(rest)?))
}
