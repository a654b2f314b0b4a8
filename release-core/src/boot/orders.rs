//! What a boot is told to do.

use std::time::Duration;

use crate::cloud::{Encryption, VolumeKind};
use crate::{BootConfig, HookName, OnFailure, Verify};

/// What of the configuration decides the steps.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Orders {
    /// A bare `snap.txt` will do.
    pub allow_unsigned: bool,
    /// How often the device is looked for, 1 at least.
    pub attempts: u32,
    /// How long each time.
    pub interval: Duration,
    /// What follows a failure.
    pub on_failure: OnFailure,
    /// The hook that may hold the instance.
    pub hook: Option<HookName>,
    /// Write the mount down in fstab.
    pub fstab: bool,
    /// What proves the tree.
    pub verify: Verify,
    /// A new volume's type.
    pub kind: VolumeKind,
    /// MiB a second of a new volume; `None`: its type's.
    pub throughput: Option<u32>,
    /// Operations a second of a new volume; `None`: its type's.
    pub iops: Option<u32>,
    /// MiB a second with which a new volume is filled; `None`: as it is read.
    pub initialization_rate: Option<u32>,
    /// How a new volume is encrypted.
    pub encryption: Encryption,
}

impl From<&BootConfig> for Orders {
    fn from(config: &BootConfig) -> Self {
        Self {
            allow_unsigned: config.allow_unsigned,
            attempts: config.attempts.max(1),
            interval: config.interval,
            on_failure: config.on_failure,
            hook: config.lifecycle_hook.clone(),
            fstab: config.fstab,
            verify: config.verify,
            kind: config.volume_type.clone(),
            throughput: config.throughput,
            iops: config.iops,
            initialization_rate: config.initialization_rate,
            encryption: match &config.kms_key {
                None => Encryption::Inherited,
                Some(key) => Encryption::Key(key.clone()),
            },
        }
    }
}
