//! Why there is no snapshot.

use std::io;
use std::path::{Path, PathBuf};

use release_core::cloud::{CloudError, SnapshotState};
use release_core::{DeviceError, RelPath, SnapshotId, UnknownFileSystem, VolumeId};

/// The cause is in `source()`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SnapshotError {
    #[error(transparent)]
    Cloud(#[from] CloudError),
    #[error("there is no volume {0}")]
    NoVolume(VolumeId),
    #[error("the volume {0} has no tag `release-fleet`, so nobody says whose it is")]
    NobodysVolume(VolumeId),
    #[error("{} can't be looked at", .path.display())]
    Look { path: PathBuf, source: io::Error },
    #[error("the source {} is not the volume {volume}, which is {}", .source_directory.display(), .directory.display())]
    ElsewhereFolder {
        source_directory: PathBuf,
        volume: VolumeId,
        directory: PathBuf,
    },
    #[error("the source {} is not on {volume}: its device {device} is {serial}", .path.display())]
    OtherVolume {
        path: PathBuf,
        device: String,
        serial: String,
        volume: VolumeId,
    },
    #[error("nothing shows that the source {} is on {volume}: its device {device} has no serial number", .path.display())]
    UnknownVolume {
        path: PathBuf,
        device: String,
        volume: VolumeId,
    },
    #[error("the device of the source can't be looked up")]
    Device(#[from] DeviceError),
    #[error("there could be no boot from a snapshot of the source's file system")]
    FileSystem(#[from] UnknownFileSystem),
    #[error(
        "`{path}` was changed in the source while the snapshot was begun, which is thrown away"
    )]
    SourceChanged { path: RelPath },
    #[error("no snapshot after {attempts} attempts: {last}")]
    GivenUp { attempts: u32, last: String },
    #[error("the snapshot {id} ended in the state `{state}`")]
    Spoilt {
        id: SnapshotId,
        state: SnapshotState,
    },
    #[error("the snapshot {0} is gone")]
    Gone(SnapshotId),
}

impl SnapshotError {
    pub(super) fn look(path: &Path, source: io::Error) -> Self {
        Self::Look {
            path: path.to_owned(),
            source,
        }
    }

    /// Was it for safety's sake?
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::ElsewhereFolder { .. } | Self::OtherVolume { .. } | Self::UnknownVolume { .. }
        )
    }

    /// Might another snapshot succeed, with nobody doing anything about it?
    pub(crate) fn is_retryable(&self) -> bool {
        match self {
            Self::Cloud(error) => error.is_retryable(),
            Self::Spoilt { .. } | Self::Gone(_) => true,
            _ => false,
        }
    }
}
