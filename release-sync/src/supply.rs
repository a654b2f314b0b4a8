//! Giving a tree out: scanning it, and answering what is asked for.

mod awaited;
mod encode;
mod level;
mod payload_cache;
mod readers;
mod shelf;
mod source;

pub(crate) use awaited::{Awaited, Supplied};
pub(crate) use payload_cache::{Answer, PayloadCache};
pub use source::{Source, scan};

/// Frames of payload that are kept in memory, in bytes; more of them go to a file without a name.
pub(crate) const CACHE_BUDGET: usize = 256 << 20;
