//! A fleet in a folder: what EC2 is to a demo, to tests, and to whoever tries things out.
//!
//! ```text
//! fleet.json               what there is, and since when
//! lock                     whoever reads or changes it holds this (flock)
//! instances/<id>/root/     an instance's file system
//! instances/<id>/dev/sdf   the device of an attached volume: a link to the volume's directory
//! instances/<id>/console.log
//! volumes/<id>/            what is on a volume
//! snapshots/<id>/          what a snapshot shows
//! ```
//!
//! A volume is a directory, and attaching it makes it visible. A snapshot is a copy that is taken at the
//! call. Things take the time that [`Delays`] say: a new snapshot is pending for a while, though its copy is
//! there. Any number of processes may use one folder.

// It is an adapter: the pure layers are above it.
#![allow(clippy::disallowed_methods)]

mod copy;
mod fault;
mod fleet;
mod folder;
mod port;
mod state;
mod volume;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

pub use fault::{Effect, Fault};
pub use fleet::Launch;
pub use state::Delays;

use folder::Folder;
use state::State;

use super::{Action, CloudError, CloudFault};
use crate::{DeviceName, InstanceId, Moment, VolumeId};

/// A fleet in a folder. Its calls work on the disk and return when they are done: they never wait, but
/// making a snapshot or a volume takes as long as copying it.
#[derive(Clone)]
pub struct LocalCloud {
    folder: Folder,
    clock: Arc<dyn Clock>,
}

/// What time it is.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Moment;
}

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Moment::from_unix_millis(0).after(since.unwrap_or_default())
    }
}

/// The fleet's folder can't be used.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// There is none.
    #[error("there is no fleet in {}", .0.display())]
    None(PathBuf),
    /// There is something else.
    #[error("{} has something else in it", .0.display())]
    NotEmpty(PathBuf),
    /// Reading or writing failed.
    #[error("the fleet in {} can't be used", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What it remembers is damaged.
    #[error("the fleet's state in {} is damaged", path.display())]
    Damaged {
        /// The folder.
        path: PathBuf,
        /// Where.
        source: serde_json::Error,
    },
    /// It has no such group or instance, or one already.
    #[error("{0}")]
    Refused(String),
}

impl FleetError {
    /// Never: a disk or a file that fails once does so again.
    pub const fn is_retryable(&self) -> bool {
        false
    }
}

impl LocalCloud {
    /// Makes a fleet without anything in it. The folder is made, or empty, or a fleet already: that one is
    /// opened then.
    pub fn create(root: &Path, clock: Arc<dyn Clock>) -> Result<Self, FleetError> {
        let folder = Folder::create(root)?;
        Ok(Self { folder, clock })
    }

    /// Opens a fleet that is there.
    pub fn open(root: &Path, clock: Arc<dyn Clock>) -> Result<Self, FleetError> {
        let folder = Folder::open(root)?;
        Ok(Self { folder, clock })
    }

    /// An instance's file system: what is `/` to it.
    pub fn instance_root(&self, instance: &InstanceId) -> PathBuf {
        self.folder.instance(instance).join("root")
    }

    /// What is on a volume.
    pub fn volume_directory(&self, volume: &VolumeId) -> PathBuf {
        self.folder.volume(volume)
    }

    /// The devices that an instance has now, with their volumes: what a kernel would list. The path leads to
    /// the volume's directory.
    pub fn devices(
        &self,
        instance: &InstanceId,
    ) -> Result<Vec<(DeviceName, VolumeId, PathBuf)>, FleetError> {
        self.administer(|state, now| {
            let attached = state.devices(instance, now);
            let devices = attached.into_iter().map(|(device, volume)| {
                let path = self.folder.device(instance, &device);
                (device, volume, path)
            });
            Ok(devices.collect())
        })
    }

    /// What is done to the fleet from outside, as an administrator does.
    fn administer<T>(
        &self,
        change: impl FnOnce(&mut State, Moment) -> Result<T, FleetError>,
    ) -> Result<T, FleetError> {
        let now = self.clock.now();
        self.folder.transact(now, |state| change(state, now))?
    }

    /// A call of the port: faults first, then the deed.
    fn call<T>(
        &self,
        action: Action,
        deed: impl FnOnce(&mut Call<'_>) -> Result<T, CloudError>,
    ) -> Result<T, CloudError> {
        let now = self.clock.now();
        let outcome = self.folder.transact(now, |state| {
            let effect = fault::take(&mut state.faults, action);
            if let Some(fault) = effect.and_then(Effect::refusal) {
                return Err(CloudError::new(action, fault, "as was asked for"));
            }
            let answer = deed(&mut Call {
                action,
                state,
                now,
                folder: &self.folder,
                spoiled: effect == Some(Effect::Spoil),
            });
            match effect {
                Some(Effect::LoseAnswer) => Err(CloudError::new(
                    action,
                    CloudFault::Lost,
                    "as was asked for",
                )),
                _ => answer,
            }
        });
        outcome.unwrap_or_else(|error| {
            Err(CloudError::new(action, CloudFault::Other, error.to_string()).caused_by(error))
        })
    }
}

impl fmt::Debug for LocalCloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LocalCloud").field(&self.folder).finish()
    }
}

/// What a call works on.
struct Call<'a> {
    action: Action,
    state: &'a mut State,
    now: Moment,
    folder: &'a Folder,
    /// What it makes is to end in an error.
    spoiled: bool,
}

impl Call<'_> {
    fn error(&self, fault: CloudFault, message: impl AsRef<str>) -> CloudError {
        CloudError::new(self.action, fault, message)
    }

    fn io(&self, error: std::io::Error) -> CloudError {
        self.error(CloudFault::Other, "the disk").caused_by(error)
    }
}

#[cfg(test)]
mod tests;
