//! How hard to compress.

use std::sync::atomic::{AtomicU64, Ordering};

/// Content up to here is worth a dense encoding, in bytes: an update, not a first copy.
const UPDATE: u64 = 32 << 20;
const DENSE: i32 = 3;
const FAST: i32 = 1;

/// Chooses zstd levels: an update is small and waits for the line, a first copy is large and waits for
/// the processor.
#[derive(Debug, Default)]
pub(super) struct Level {
    encoded: AtomicU64,
}

impl Level {
    /// The level for `length` bytes more.
    pub(super) fn of(&self, length: usize) -> i32 {
        let before = self.encoded.fetch_add(length as u64, Ordering::Relaxed);
        if before < UPDATE { DENSE } else { FAST }
    }
}
