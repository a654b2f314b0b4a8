//! Why a file system was not frozen, or not thawed.

use std::io;
use std::path::PathBuf;

use super::premises::Refusal;
use super::record::Record;

/// The cause is in `source()`. Nothing is frozen by us after any of these but [`FreezeError::Thaw`].
#[derive(Debug, thiserror::Error)]
pub(crate) enum FreezeError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the file system at {} can't be frozen: its kind doesn't know how", .0.display())]
    Unsupported(PathBuf),
    #[error("the file system at {} is frozen already, by somebody else", .0.display())]
    Busy(PathBuf),
    #[error("the file system at {} is frozen by another deploy: {by}", .path.display())]
    AtWork { path: PathBuf, by: Box<Record> },
    #[error("the file system at {} can't be frozen", .path.display())]
    Freeze { path: PathBuf, source: io::Error },
    #[error("the file system at {} can't be thawed", .path.display())]
    Thaw { path: PathBuf, source: io::Error },
    #[error("what is in the memory can't be written to the file system at {}", .path.display())]
    Sync { path: PathBuf, source: io::Error },
    #[error("the watchdog, without which nothing is frozen, can't be started")]
    Watchdog(#[source] io::Error),
    #[error("{} can't be looked at", .path.display())]
    Look { path: PathBuf, source: io::Error },
    #[error("what is frozen can't be written down in {}", .path.display())]
    Record { path: PathBuf, source: io::Error },
    #[error("{0} was left frozen, and is no longer mounted here")]
    Unmounted(Box<Record>),
}

impl FreezeError {
    /// Somebody else's freeze ends; the rest stays as it is until somebody mends it.
    #[expect(
        dead_code,
        reason = "a snapshot stops at either; whoever waits for them is not there yet"
    )]
    pub(crate) fn is_retryable(&self) -> bool {
        matches!(self, Self::Busy(_) | Self::AtWork { .. })
    }

    /// Was it for safety's sake?
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Unsupported(_))
    }
}
