//! How many files this process may have open at one time.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Enough for some thousand hosts. Not more, since a program that we start may take the trouble to close
/// all that could be open.
const ENOUGH: u64 = 65_536;

/// Raises the limit as far as that is allowed and of use. A host holds two descriptors or more from its
/// log-in to its commit, and the usual limit of 1,024 is for programs that wait with `select(2)`.
pub(crate) fn raise_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // `None` is no limit.
    let wanted = maximum.map_or(ENOUGH, |maximum| maximum.min(ENOUGH));
    if current.is_some_and(|current| current < wanted) {
        let current = Some(wanted);
        // Where it stays as it was, the hosts that there is no descriptor for say so.
        let _ = setrlimit(Resource::Nofile, Rlimit { current, maximum });
    }
}
