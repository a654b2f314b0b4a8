//! What keeps staged hosts from committing.

use std::fmt;

use crate::Cancel;
use crate::cancel::Listening;

/// Keeps hosts that have staged waiting until somebody says that they may commit: see
/// [`Fleet::push_held`](crate::Fleet::push_held). Clones hold the same hosts.
#[derive(Clone, Default)]
pub struct Hold(Cancel);

impl Hold {
    /// Lets all hosts commit, those that have staged and those that will. Once and for all.
    pub fn release(&self) {
        // What tells that a run is over and what tells that it goes on are one mechanism: a flag that is
        // set once, and wakes whoever waits for it.
        self.0.cancel();
    }

    /// May they commit?
    pub fn is_released(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Has something done at the moment of the release; see [`Cancel::listen`].
    pub(crate) fn listen(&self, act: impl Fn() + Send + 'static) -> Listening {
        self.0.listen(act)
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_released = self.is_released();
        formatter.debug_tuple("Hold").field(&is_released).finish()
    }
}
