//! Why a release server is not prepared.

use std::io;
use std::path::PathBuf;

use release_core::cloud::CloudError;
use release_core::{DeviceError, InstanceId, VolumeId};

/// The cause is in `source()`. What was done before stays, and is found done the next time.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetupError {
    #[error(transparent)]
    Cloud(#[from] CloudError),
    #[error("nothing says which instance this machine is")]
    NoInstance,
    #[error("there is no instance {0} in this region and account")]
    UnknownInstance(InstanceId),
    #[error("there is no volume {0}")]
    NoVolume(VolumeId),
    #[error("the volume {volume} belongs to the fleet `{found}`, and not to `{wanted}`")]
    OthersVolume {
        volume: VolumeId,
        found: String,
        wanted: String,
    },
    #[error("the fleet `{fleet}` has several volumes of a source: {}", list(.volumes))]
    Ambiguous {
        fleet: String,
        volumes: Vec<VolumeId>,
    },
    #[error("the volume {volume} is attached to {instance}")]
    AttachedElsewhere {
        volume: VolumeId,
        instance: InstanceId,
    },
    #[error("the instance has no device name left")]
    NoName,
    #[error("the volume {volume} did not become {what} in time")]
    Late {
        volume: VolumeId,
        what: &'static str,
    },
    #[error("sysfs can't be looked at")]
    Sysfs(#[from] DeviceError),
    #[error("the volume {0} has several partitions")]
    Partitions(VolumeId),
    #[error("{} can't be read", .path.display())]
    Device { path: PathBuf, source: io::Error },
    #[error("{} is not empty: it has {what}", .device.display())]
    NotEmpty { device: PathBuf, what: String },
    #[error("{} can't be started", .program.display())]
    Program { program: PathBuf, source: io::Error },
    #[error("{program} failed: {words}")]
    Failed { program: String, words: String },
    #[error("{} can't be made", .path.display())]
    Make { path: PathBuf, source: io::Error },
    #[error("{} can't be changed", .path.display())]
    Change { path: PathBuf, source: io::Error },
    #[error("{} is used for {what} already", .path.display())]
    Taken { path: PathBuf, what: String },
    #[error("{} can't be mounted", .path.display())]
    Mount { path: PathBuf, source: io::Error },
}

impl SetupError {
    /// Was it for safety's sake?
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::NotEmpty { .. }
                | Self::Taken { .. }
                | Self::OthersVolume { .. }
                | Self::AttachedElsewhere { .. }
        )
    }

    /// Might the same thing work in a moment?
    #[expect(dead_code, reason = "whoever is told so runs the setup again by hand")]
    pub(crate) fn is_retryable(&self) -> bool {
        match self {
            Self::Cloud(error) => error.is_retryable(),
            Self::Late { .. } => true,
            _ => false,
        }
    }
}

fn list(volumes: &[VolumeId]) -> String {
    let volumes: Vec<_> = volumes.iter().map(VolumeId::as_str).collect();
    volumes.join(", ")
}
