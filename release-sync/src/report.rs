//! What came of a run, as data.

use release_core::{Generation, ProofClass, ReleaseId};

use crate::Error;

/// What a host ended as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The release was put there by this run, and proven.
    Committed,
    /// The release was there already, as the host's proof shows; nothing was changed.
    Unchanged,
    /// Out of reach for now; a later run may succeed.
    Deferred,
    /// Stopped or hibernated; it catches up when it wakes.
    Asleep,
    /// Launched lately; its own boot brings it up.
    Booting,
    /// Terminated meanwhile.
    Gone,
    /// Its file system is mounted read-only: replaced, not pushed to.
    ReadOnly,
    /// Something went wrong; [`HostReport::error`] says what.
    Failed,
    /// It had the release and was sent back to the one before.
    Undone,
}

impl Outcome {
    /// The word used in events: lower case, with a dash.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::Unchanged => "unchanged",
            Self::Deferred => "deferred",
            Self::Asleep => "asleep",
            Self::Booting => "booting",
            Self::Gone => "gone",
            Self::ReadOnly => "read-only",
            Self::Failed => "failed",
            Self::Undone => "undone",
        }
    }
}

/// How much was done for a host.
///
/// A host that was lost is tried again. What a run *moved* is counted over all of these attempts: whatever
/// crossed the transport, before its encryption. What it *did* is what the attempt did of which the outcome
/// is: an earlier attempt's part of it, which lay staged on the host, is not counted again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Files that had been asked for and whose content was sent to its end, whole or as a delta, each
    /// counted once; in the attempt that counted.
    pub files_sent: u64,
    /// Entries of every kind that were deleted, as the host says once its commit is over; in the attempt
    /// that counted.
    pub files_deleted: u64,
    /// Bytes from the controller to the host, the agent's upload apart, in all attempts.
    pub bytes_sent: u64,
    /// Bytes from the host to the controller, in all attempts.
    pub bytes_received: u64,
    /// Bytes of content that were sent as they are, before compression; as the host says, once it has
    /// staged; in the attempt that counted.
    pub literal_bytes: u64,
    /// Bytes of content that deltas took from an old file; likewise.
    pub matched_bytes: u64,
    /// Bytes of content that the host had elsewhere: moved, copied or kept from an earlier release;
    /// likewise.
    pub local_bytes: u64,
    /// Bytes of the agent's own upload, in all attempts.
    pub agent_bytes: u64,
}

/// What came of one host.
#[derive(Debug)]
pub struct HostReport {
    /// The host's name.
    pub host: String,
    /// How it ended.
    pub outcome: Outcome,
    /// What the host's proof covers; `None` where there is no proof.
    pub proof: Option<ProofClass>,
    /// The release that is on the host now, as far as is known.
    pub release: Option<ReleaseId>,
    /// The generation in the host's marker, as far as is known.
    pub generation: Option<Generation>,
    /// How much was done.
    pub counts: Counts,
    /// From the start of this host's work to its end, in seconds.
    pub seconds: f64,
    /// Things worth knowing that are no faults.
    pub notes: Vec<String>,
    /// What went wrong, for [`Outcome::Failed`] and [`Outcome::Deferred`].
    pub error: Option<Error>,
}

/// How much was done once for all hosts of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Payload frames that were encoded.
    pub frames_encoded: u64,
    /// Bytes of content and deltas that were handed to the compressor.
    pub bytes_encoded: u64,
    /// Times that a file of the source was opened to be sent.
    pub files_read: u64,
    /// Bytes of the source that were read to be sent.
    pub bytes_read: u64,
}

/// What came of a run over many hosts.
#[derive(Debug)]
pub struct Report {
    /// The release that was given out; `None` after an undo that led hosts to different ones.
    pub release: Option<ReleaseId>,
    /// The generation of this run.
    pub generation: Generation,
    /// Each host, in the order in which they were given.
    pub hosts: Vec<HostReport>,
    /// What was done once for all of them.
    pub work: Work,
    /// Wall-clock time of the run, in seconds.
    pub seconds: f64,
}

/// What a host's tree was found to be, without changing it.
#[derive(Debug)]
pub struct HostStatus {
    /// The host's name.
    pub host: String,
    /// What the tree's marker claims, and since when (seconds since 1970); `None` without a marker.
    pub marker: Option<(release_core::Marker, i64)>,
    /// Whether the tree is what the marker claims; `None` where that could not be found out.
    pub intact: Option<bool>,
    /// What the comparison covered.
    pub proof: Option<ProofClass>,
    /// Files in the tree.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// From the start of this host's work to its end, in seconds.
    pub seconds: f64,
    /// Why nothing is known of the host.
    pub error: Option<Error>,
}

/// What a push would do to a host.
#[derive(Debug)]
pub struct HostPlan {
    /// The host's name.
    pub host: String,
    /// What the tree's marker claims; `None` without a marker.
    pub marker: Option<release_core::Marker>,
    /// Would nothing change?
    pub unchanged: bool,
    /// Entries that would be made.
    pub created: u64,
    /// Entries whose content would change.
    pub changed: u64,
    /// Entries of which only mode, owner or time would change.
    pub attributes: u64,
    /// Entries that would be deleted.
    pub deleted: u64,
    /// Files whose content would be sent, whole or as a delta.
    pub files_sent: u64,
    /// Their bytes. What a delta would save is not known before it is made.
    pub bytes_wanted: u64,
    /// Bytes of content that the host has elsewhere.
    pub local_bytes: u64,
    /// Each change, in the order of the manifest, deletions last; empty unless it was asked for.
    pub items: Vec<PlanItem>,
    /// From the start of this host's work to its end, in seconds.
    pub seconds: f64,
    /// Why nothing is known of the host, or why a push would be refused.
    pub error: Option<Error>,
}

/// One change that a push would make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanItem {
    /// What would change, in the eleven letters of rsync's `%i`; `*deleting  ` for a deletion.
    pub flags: String,
    /// Where.
    pub path: release_core::RelPath,
}

/// What a host was found to be like, without looking at its tree.
#[derive(Debug)]
pub struct HostProbe {
    /// The host's name.
    pub host: String,
    /// The agent's build id.
    pub agent: Option<String>,
    /// Can the agent set owners?
    pub superuser: Option<bool>,
    /// Free space at the destination, in bytes.
    pub free: Option<u64>,
    /// How far the host's clock is ahead of ours, in seconds; half a round trip is its error.
    pub clock_ahead: Option<f64>,
    /// Bytes of the agent's upload; 0 where it was there.
    pub agent_bytes: u64,
    /// From the start of this host's work to its end, in seconds.
    pub seconds: f64,
    /// What is wrong.
    pub error: Option<Error>,
}
