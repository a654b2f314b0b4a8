//! What release-boot is told: by its flags, the kernel's command line, and its file.
//!
//! All three have the same keys. Each is read into [`BootSettings`]; put over one another they become a
//! [`BootConfig`].

mod settings;
mod sources;

use std::path::PathBuf;
use std::time::Duration;

pub use settings::{BootError, BootSettings, PointerUrl};

use crate::cloud::VolumeKind;
use crate::{HookName, PublicKey};

/// What release-boot does, with defaults for what it was not told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootConfig {
    /// `pointer`: where the pointer is, in the order in which they are tried. At least one, where it is read.
    pub pointers: Vec<PointerUrl>,
    /// `public_key`: what its signature is checked with; `None` only with `allow_unsigned`.
    pub public_key: Option<KeySource>,
    /// `allow_unsigned`: a bare `snap.txt` will do. Default: no.
    pub allow_unsigned: bool,
    /// `mount`: where the release is mounted, below `root`. Default: `/release`.
    pub mount: PathBuf,
    /// `root`: what will be `/`, for an initramfs. Default: `/`.
    pub root: PathBuf,
    /// `options`: mount options. Default: `rw,nodev,nosuid`.
    pub options: String,
    /// `attempts`: how often the device is looked for, 1 to 1,000. Default: 10.
    pub attempts: u32,
    /// `interval`: how long to wait in between. Default: 5 s.
    pub interval: Duration,
    /// `deadline`: longest time for all of it. Default: 300 s.
    pub deadline: Duration,
    /// `on_failure`: what follows a failure. Default: fail.
    pub on_failure: OnFailure,
    /// `lifecycle_hook`: the hook that holds the instance until the release is there. Default: none.
    pub lifecycle_hook: Option<HookName>,
    /// `fstab`: write the mount down there. Default: no.
    pub fstab: bool,
    /// `verify`: what proves the tree. Default: its marker.
    pub verify: Verify,
    /// `cloud`: where volumes come from. Default: AWS.
    pub cloud: BootCloud,
    /// `volume_type` of a new volume. Default: gp3.
    pub volume_type: VolumeKind,
    /// `throughput` of a new volume, in MiB a second. Default: its type's.
    pub throughput: Option<u32>,
    /// `iops` of a new volume. Default: its type's.
    pub iops: Option<u32>,
    /// `initialization_rate`: MiB a second with which a new volume is filled, 100 to 300. Default: it is filled
    /// as it is read.
    pub initialization_rate: Option<u32>,
    /// `kms_key` that encrypts a new volume. Default: encrypted as the snapshot is.
    pub kms_key: Option<String>,
    /// `authorities`: a file with certificate authorities in PEM form, trusted besides those of the web.
    pub authorities: Option<PathBuf>,
    /// `state`: where the highest generation is remembered, below `root`. Default: `/var/lib/release`.
    pub state: PathBuf,
    /// `json`: events instead of lines. Default: no.
    pub json: bool,
    /// `sys`: where sysfs is. Default: `/sys`.
    pub sys: PathBuf,
    /// `dev`: where devices are. Default: `/dev`.
    pub dev: PathBuf,
}

/// A key, or where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// The key itself.
    Key(PublicKey),
    /// The file with it.
    File(PathBuf),
}

/// What follows a failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnFailure {
    /// The machine starts without the release.
    Continue,
    /// release-boot says so with its exit code. The default.
    #[default]
    Fail,
    /// That too, and the lifecycle hook is told to end the instance.
    Abandon,
}

/// What proves a tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Verify {
    /// Its marker. The default.
    #[default]
    Marker,
    /// Its content, every byte of it.
    Full,
}

/// Where volumes come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum BootCloud {
    /// EC2. The default.
    #[default]
    Aws,
    /// A fleet in this folder.
    Local(PathBuf),
}

#[cfg(test)]
mod tests;
