//! Where it is decided, once, whether a commit takes place.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

const OPEN: u8 = 0;
const COMMITTED: u8 = 1;
const CANCELLED: u8 = 2;

/// Decided by whoever comes first: the receiver that is about to commit, or its caller that gives it up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latch(Arc<AtomicU8>);

impl Latch {
    /// May the commit begin? From then on it is completed.
    pub(crate) fn commit(&self) -> bool {
        self.decide(COMMITTED)
    }

    /// Is it given up? Not once it has begun.
    pub(crate) fn cancel(&self) -> bool {
        self.decide(CANCELLED)
    }

    fn decide(&self, what: u8) -> bool {
        let (order, state) = (Ordering::SeqCst, &self.0);
        state.compare_exchange(OPEN, what, order, order).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_decides() {
        let latch = Latch::default();
        assert!(latch.commit() && !latch.clone().cancel());
        let latch = Latch::default();
        assert!(latch.cancel() && !latch.commit());
    }
}
