//! The domain of a release.
//!
//! A *tree* is a directory as it stands on a disk. Its [`Manifest`] is the sorted, canonical list of
//! its entries, and the BLAKE3 digest of the manifest's canonical bytes is the tree's [`ReleaseId`]:
//! two trees with one id are equal, entry by entry and byte by byte. A deploy gives a tree out under
//! a [`Generation`], a number that only grows, and leaves a [`Marker`] in each tree to say what it is.
//! A [`Pointer`] says which generation new instances boot, and is signed.
//!
//! How a new instance comes to its release is [`boot`], a machine that is told what happens.
//!
//! All of that is pure: no I/O, no clock, no environment. [`cloud`] is the port to where instances, volumes
//! and snapshots are; what stands behind it is not pure, and is behind features. So is a look at sysfs, to tell which volume a
//! block device is (`device`).
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod boot;
pub mod cloud;
mod config;
pub mod deploy;
// The one look at a disk: below the root of sysfs that it is given.
#[cfg(feature = "device")]
#[allow(clippy::disallowed_methods)]
mod device;
#[cfg(any(test, feature = "fuzz"))]
#[doc(hidden)]
pub mod fuzz;
mod id;
mod manifest;
mod marker;
mod moment;
mod path;
mod pointer;
mod retention;
mod retry;
#[cfg(test)]
mod testing;

pub use config::{
    BootCloud, BootConfig, BootError, BootSettings, CloudConfig, CloudKind, Config, ConfigError,
    ConfigFault, DestinationConfig, HostConfig, HostKeyPolicy, IdentityConfig, KeySource,
    OnFailure, Order, Period, PointerUrl, PublishConfig, Rate, RolloutConfig, Share,
    SnapshotConfig, SshConfig, StateConfig, SyncConfig, ValueError, Verify, nearest,
};
#[cfg(feature = "device")]
pub use device::{BlockDevice, DeviceError, DeviceNumber, Identity, ParseDeviceNumberError};
pub use id::{
    AccountId, DeviceName, Digest, Generation, GroupName, HookName, InstanceId, Label,
    ParseIdError, ParseNameError, Region, ReleaseId, SnapshotId, VolumeId, Zone,
};
pub use manifest::{
    CodecError, Entry, Kind, MODE_MASK, Manifest, ManifestError, Meta, Principal, Proof,
    ProofClass, Timestamp,
};
pub use marker::{Marker, MarkerError};
pub use moment::{Moment, ParseMomentError};
pub use path::{PathError, RelPath, escape};
pub use pointer::{
    Expectation, FileSystem, KeyError, Pointer, PointerError, PointerFormatError, Previous,
    PublicKey, UnknownFileSystem,
};
#[cfg(feature = "sign")]
pub use pointer::{SecretKey, SigningError};
pub use retention::{Fate, Kept, Retention};
pub use retry::{Backoff, Schedule};
