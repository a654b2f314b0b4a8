//! Progress as data: what happens is told upward through a trait that is defined below its callers.

use crate::HostReport;

/// Where a host's session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HostState {
    /// Reaching the host: TCP, SSH, log-in, the agent.
    Connecting,
    /// The agent looks at what is there.
    Scanning,
    /// Content travels and is verified.
    Staging,
    /// All of the release is on the host, beside the current tree.
    Staged,
    /// It is being made current.
    Committing,
}

impl HostState {
    /// The word used in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Scanning => "scanning",
            Self::Staging => "staging",
            Self::Staged => "staged",
            Self::Committing => "committing",
        }
    }
}

/// Something that happened in a run.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The source is being scanned.
    Scanning {
        /// Entries seen so far.
        entries: u64,
        /// Bytes read so far, to find digests that were not known.
        bytes_hashed: u64,
    },
    /// A host's session went on to another state.
    State {
        /// The host's name.
        host: &'a str,
        /// The state that it is in now.
        state: HostState,
    },
    /// A host's transfer went on. At most ten a second for each host. Of a pull only the bytes that have come
    /// are known, as they crossed the transport; what is wanted is 0 then.
    Progress {
        /// The host's name.
        host: &'a str,
        /// Files that were asked for and are on the host by now.
        files_done: u64,
        /// Files that were asked for, as far as is known.
        files_wanted: u64,
        /// Bytes of content of those files, and of what has come of large ones.
        bytes_done: u64,
        /// Bytes of content of the files asked for.
        bytes_wanted: u64,
    },
    /// Something worth knowing that is no fault.
    Note {
        /// The host's name.
        host: &'a str,
        /// One sentence.
        text: &'a str,
    },
    /// A host is done.
    Finished {
        /// What came of it.
        report: &'a HostReport,
    },
}

/// Is told what happens. Called from the hosts' threads, often at the same moment, so it should return
/// soon: a slow monitor slows the host whose thread it holds.
pub trait Monitor: Sync {
    /// Takes note of something.
    fn event(&self, event: Event<'_>);
}

/// Listens to nothing.
impl Monitor for () {
    fn event(&self, _: Event<'_>) {}
}
