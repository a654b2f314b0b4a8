//! What reads bytes that a peer or a file may have forged, as functions that panic where a promise is broken: for the
//! fuzzers in `tests/fuzz`. Not a part of the library: it changes without notice.
//!
//! What a function takes is any bytes. Where a bare parser would refuse nearly all of them, they are a recipe: of a
//! signature of the right length, of a conversation in the right order. The tests here try every function on its seeds
//! and on what chance makes of those, so that none can rot.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod delta;
mod filter;
mod session;
#[cfg(test)]
mod tests;
mod wire;

#[cfg(feature = "fs")]
pub use crate::scan::fuzz::index;
#[cfg(feature = "ssh")]
pub use crate::transport::{fuzz::known_hosts, fuzz_words::words};

pub use self::delta::{delta, ops, signature};
pub use self::filter::filter;
pub use self::session::{agent, controller};
pub use self::wire::{message, packed, payload, stream, want};

/// A name, what takes the bytes, and bytes to begin with: small ones, of every kind that there is.
pub type Target = (&'static str, fn(&[u8]), fn() -> Vec<Vec<u8>>);

/// All that there are.
pub const TARGETS: &[Target] = &[
    ("stream", stream, wire::streams),
    ("message", message, wire::messages),
    ("want", want, wire::wants),
    ("payload", payload, wire::payloads),
    ("packed", packed, wire::manifests),
    ("ops", ops, delta::some_ops),
    ("signature", signature, delta::signatures),
    ("delta", delta, delta::recipes),
    ("controller", controller, session::hosts),
    ("agent", agent, session::controllers),
    ("filter", filter, filter::patterns),
    #[cfg(feature = "fs")]
    ("index", index, crate::scan::fuzz::indexes),
    #[cfg(feature = "ssh")]
    ("known_hosts", known_hosts, crate::transport::fuzz::files),
    #[cfg(feature = "ssh")]
    ("words", words, crate::transport::fuzz_words::said),
];

/// A byte off the front of an input; 0 behind its end.
fn take(bytes: &mut &[u8]) -> u8 {
    let Some((&first, rest)) = bytes.split_first() else {
        return 0;
    };
    *bytes = rest;
    first
}

/// A number of two bytes, likewise.
fn take_two(bytes: &mut &[u8]) -> usize {
    usize::from(u16::from_le_bytes([take(bytes), take(bytes)]))
}
