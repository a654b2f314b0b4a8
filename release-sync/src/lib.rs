//! A sync engine: rsync's delta transfer, native, fanned out to many hosts over SSH.

#[cfg(feature = "ssh")]
#[allow(dead_code, reason = "the fleet will drive it")]
mod bootstrap;
mod confine;
mod delta;
mod error;
mod filter;
mod fleet;
mod host;
mod monitor;
mod options;
mod plan;
mod report;
mod scan;
mod session;
#[cfg(feature = "fs")]
#[allow(dead_code, unused_imports, reason = "the fleet will drive it")]
mod transport;
mod tree;
mod unit;
mod wire;

pub use error::Error;
pub use fleet::{Cancel, Fleet, Source, scan};
pub use host::{Host, HostKeys, Identity, Reach, SshOptions, SshTarget};
pub use monitor::{Event, HostState, Monitor};
pub use options::Options;
pub use release_core::{Digest, Generation, Manifest, Proof, ProofClass, RelPath, ReleaseId};
pub use report::{Counts, HostReport, HostStatus, Outcome, Report};
