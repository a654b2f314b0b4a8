//! A sync engine: rsync's delta transfer, native, fanned out to many hosts over SSH.

mod bootstrap;
#[cfg(feature = "fs")]
#[allow(dead_code, unused_imports)]
mod confine;
mod delta;
mod error;
#[allow(dead_code, unused_imports)]
mod filter;
mod fleet;
mod host;
mod monitor;
mod options;
mod report;
#[cfg(feature = "fs")]
#[allow(dead_code, unused_imports)]
mod scan;
mod transport;

pub use error::Error;
pub use fleet::{Cancel, Fleet, Source, scan};
pub use host::{Host, HostKeys, Identity, Reach, SshOptions, SshTarget};
pub use monitor::{Event, HostState, Monitor};
pub use options::Options;
pub use release_core::{Digest, Generation, Manifest, Proof, ProofClass, RelPath, ReleaseId};
pub use report::{Counts, HostReport, HostStatus, Outcome, Report};
