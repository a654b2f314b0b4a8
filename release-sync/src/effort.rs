//! How much was done, as one number.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A number that grows while work goes on, whoever does it and in whatever units: bytes that were read or
/// written, entries that were looked at. Clones count together. Only that it grows means something.
#[derive(Clone, Debug, Default)]
pub(crate) struct Effort(Arc<AtomicU64>);

impl Effort {
    /// So much more was done.
    pub(crate) fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    /// All that was done.
    pub(crate) fn total(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
