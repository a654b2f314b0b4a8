//! What controller and agent say to each other: bytes to messages and back.
//!
//! Each side starts with a *greeting*: [`MAGIC`] and its [`VERSION`]. Frames follow: a length, a kind, a
//! body. Small messages are postcard; what is large or hot has a layout of its own. Everything that is
//! read here comes from a peer that may be hostile: a length is checked before anything is allocated for
//! it. `docs/wire-format.md` describes the bytes.

mod frame;
mod manifest;
mod message;
mod number;
mod payload;
#[cfg(test)]
mod tests;
mod want;

pub(crate) use frame::{Decoder, Frame, FrameBytes, FrameKind, MAGIC, VERSION, greeting};
pub(crate) use manifest::{pack, pack_from, unpack, unpack_from};
pub(crate) use message::{
    Begin, Fault, FaultKind, Have, Item, MAX_PATTERNS, PATTERN_COST, Planned, Purpose, Refusal,
    Settled, Staged, Supply, ToAgent, ToController, Welcome, control,
};
pub(crate) use payload::{MAX_PAYLOAD_RAW, PartFlags, Payload, PayloadBuilder};
pub(crate) use want::{Ask, Basis, WANT_WINDOW, Want};

/// Why bytes from a peer are not a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WireError {
    /// Noise went on for too long before the greeting.
    #[error("no greeting in the first {0} bytes")]
    NoGreeting(usize),
    /// A frame is larger than its kind may be.
    #[error("a frame of {length} bytes, where at most {limit} are allowed")]
    TooLong {
        /// Bytes announced.
        length: u32,
        /// Bytes allowed.
        limit: u32,
    },
    /// A kind of frame that this version does not have.
    #[error("frame kind {0} is not known")]
    Kind(u8),
    /// The body does not parse.
    #[error("{0} does not parse")]
    Body(&'static str),
}
