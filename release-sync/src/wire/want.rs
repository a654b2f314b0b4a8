//! What an agent lacks: for each file of a unit, the whole of it, or a delta against a signature.
//!
//! ```text
//! want   unit count ask*
//! ask    entry basis          basis 0: whole
//!                             basis 1: size length signature
//! ```

use std::sync::Arc;

use release_core::Digest;

use super::{Frame, FrameKind, WireError, number};
use crate::unit::UNIT_ENTRIES;

/// Bytes of want frames that an agent may have unanswered at one time, unless it is a single one.
/// What bounds a controller's memory against an agent that asks and asks.
pub(crate) const WANT_WINDOW: usize = 16 << 20;

/// What is asked for of one unit, as it came: hosts in one state ask with the same bytes.
#[derive(Clone, Debug)]
pub(crate) struct Want {
    /// The unit that all the asks belong to.
    pub(crate) unit: u32,
    /// What is asked for, in manifest order.
    pub(crate) asks: Vec<Ask>,
    bytes: Arc<[u8]>,
}

/// One file that is lacking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    /// Index of its entry in the manifest.
    pub(crate) entry: u32,
    /// The old file that a delta may refer to.
    pub(crate) basis: Option<Basis>,
}

/// An old file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Basis {
    /// Its length in bytes, as the agent says.
    pub(crate) size: u64,
    /// Its signature's serialized bytes, not yet checked.
    pub(crate) signature: Vec<u8>,
}

impl Want {
    /// The frame that asks for this. The signatures of one unit must fit into it: the caller leaves out
    /// those that are larger than the file that they are to spare.
    pub(crate) fn encode(unit: u32, asks: &[Ask]) -> Vec<u8> {
        Frame::encode(FrameKind::Want, &body(unit, asks))
    }

    /// A want of our own making, with the key that the same one from a host would have.
    pub(crate) fn new(unit: u32, asks: Vec<Ask>) -> Self {
        let bytes = body(unit, &asks).into();
        Self { unit, asks, bytes }
    }

    /// Reads a want frame's body.
    pub(crate) fn decode(body: Vec<u8>) -> Result<Self, WireError> {
        let refuse = || WireError::Body("a want");
        let mut rest = &body[..];
        let unit = number::take_u32(&mut rest).ok_or_else(refuse)?;
        let count = number::take(&mut rest).ok_or_else(refuse)?;
        // An ask takes two bytes at least, but twenty times that in memory.
        if count > (rest.len() as u64 / 2).min(UNIT_ENTRIES.into()) {
            return Err(refuse());
        }
        let asks = (0..count)
            .map(|_| Ask::take(&mut rest))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(refuse)?;
        if !rest.is_empty() || !asks.is_sorted_by(|a, b| a.entry < b.entry) {
            return Err(refuse());
        }
        Ok(Self {
            unit,
            asks,
            bytes: body.into(),
        })
    }

    /// What was asked, as a key: equal for hosts that ask the same.
    pub(crate) fn key(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    /// Bytes of the frame's body.
    pub(crate) fn length(&self) -> usize {
        self.bytes.len()
    }
}

fn body(unit: u32, asks: &[Ask]) -> Vec<u8> {
    let mut body = Vec::new();
    number::put(&mut body, unit.into());
    number::put(&mut body, asks.len() as u64);
    for ask in asks {
        number::put(&mut body, ask.entry.into());
        body.push(ask.basis.is_some().into());
        if let Some(basis) = &ask.basis {
            number::put(&mut body, basis.size);
            number::put(&mut body, basis.signature.len() as u64);
            body.extend_from_slice(&basis.signature);
        }
    }
    body
}

impl Ask {
    fn take(rest: &mut &[u8]) -> Option<Self> {
        let entry = number::take_u32(rest)?;
        let (&marked, after) = rest.split_first()?;
        *rest = after;
        let basis = match marked {
            0 => None,
            1 => Some(Basis {
                size: number::take(rest)?,
                signature: number::take_block(rest)?.to_vec(),
            }),
            _ => return None,
        };
        Some(Self { entry, basis })
    }
}
