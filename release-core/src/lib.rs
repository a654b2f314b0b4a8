//! The domain of a release.
//!
//! A *tree* is a directory as it stands on a disk. Its [`Manifest`] is the sorted, canonical list of
//! its entries, and the BLAKE3 digest of the manifest's canonical bytes is the tree's [`ReleaseId`]:
//! two trees with one id are equal, entry by entry and byte by byte. A deploy gives a tree out under
//! a [`Generation`], a number that only grows, and leaves a [`Marker`] in each tree to say what it is.
//!
//! Everything here is pure: no I/O, no clock, no environment.
#![forbid(unsafe_code)]

mod config;
mod id;
mod manifest;
mod marker;
mod path;
mod retry;

pub use config::{
    AddressKind, CloudConfig, CloudKind, Config, ConfigError, ConfigFault, DestinationConfig,
    HostConfig, HostKeyPolicy, IdentityConfig, Order, Period, PublishConfig, Rate, RolloutConfig,
    Share, SnapshotConfig, SshConfig, StateConfig, SyncConfig, ValueError, nearest,
};
pub use id::{Digest, Generation, ParseIdError, ReleaseId};
pub use manifest::{
    CodecError, Entry, Kind, MODE_MASK, Manifest, ManifestError, Meta, Principal, Proof,
    ProofClass, Timestamp,
};
pub use marker::{Marker, MarkerError};
pub use path::{PathError, RelPath, escape};
pub use retry::{Backoff, Schedule};
