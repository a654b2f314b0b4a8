//! A sync engine: rsync's delta transfer, native, fanned out to many hosts over SSH.

// Both ends share these layers; a build for one end leaves the other's part unused.
#![cfg_attr(not(feature = "ssh"), allow(dead_code, unused_imports))]

#[cfg(feature = "fs")]
mod agent;
#[cfg(feature = "ssh")]
mod bootstrap;
#[cfg(feature = "fs")]
mod cancel;
#[cfg(feature = "fs")]
mod confine;
mod delta;
#[cfg(feature = "fs")]
mod drive;
#[cfg(feature = "fs")]
mod effort;
mod error;
mod filter;
#[cfg(feature = "ssh")]
mod fleet;
mod host;
mod monitor;
mod options;
#[cfg(feature = "fs")]
mod pace;
mod plan;
mod report;
#[cfg(feature = "fs")]
mod scan;
mod session;
#[cfg(feature = "fs")]
mod store;
#[cfg(feature = "fs")]
mod supply;
#[cfg(feature = "fs")]
mod transport;
mod tree;
mod unit;
mod wire;

#[cfg(feature = "fs")]
pub use agent::serve;
#[cfg(feature = "fs")]
pub use cancel::Cancel;
pub use error::Error;
#[cfg(feature = "ssh")]
pub use fleet::{Fleet, pull};
pub use host::{Host, HostKeys, Identity, Reach, SshOptions, SshTarget};
pub use monitor::{Event, HostState, Monitor};
pub use options::Options;
pub use release_core::{Digest, Generation, Manifest, Proof, ProofClass, RelPath, ReleaseId};
pub use report::{
    Counts, HostPlan, HostProbe, HostReport, HostStatus, Outcome, PlanItem, Report, Work,
};
#[cfg(feature = "fs")]
pub use supply::{Source, scan};

/// Names the sources that this build was made from: 16 hexadecimal digits.
pub const BUILD_ID: &str = env!("RELEASE_SYNC_BUILD_ID");
