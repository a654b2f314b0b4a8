//! What `release-cli --json` says, as data.

use serde::Deserialize;

/// One line of the output. Only what tests look at is kept.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// The source was scanned, and the run begins.
    Started(Started),
    /// A host's state has changed.
    Host(HostState),
    /// How far things are.
    Progress {},
    /// The run is over.
    Finished(Finished),
    /// Refused before it started.
    Error(Refusal),
    /// Something that no test looks at.
    #[serde(other)]
    Other,
}

/// The first event.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs)]
pub struct Started {
    pub release: String,
    pub generation: u64,
    pub files: u64,
    pub bytes: u64,
}

/// Where a host stands: `connecting`, `scanning`, `staging`, `staged`, `committed`, ….
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs)]
pub struct HostState {
    pub host: String,
    #[serde(default)]
    pub state: String,
}

/// The last event.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs)]
pub struct Finished {
    pub outcome: String,
    pub release: String,
    pub generation: u64,
    pub hosts: Vec<HostResult>,
}

/// What came of a host.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs)]
pub struct HostResult {
    pub host: String,
    pub outcome: String,
    pub proof: String,
    pub release: Option<String>,
    pub generation: Option<u64>,
    pub files_sent: u64,
    pub files_deleted: u64,
    pub bytes_sent: u64,
    pub bytes_received: u64,
    pub agent_bytes: u64,
    pub literal_bytes: u64,
    pub matched_bytes: u64,
    pub local_bytes: u64,
    pub error: Option<String>,
}

/// Why nothing was started.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs)]
pub struct Refusal {
    pub kind: String,
    pub message: String,
    pub hint: Option<String>,
}
