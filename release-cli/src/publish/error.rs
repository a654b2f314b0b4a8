//! Why nothing was published.

use std::io;
use std::path::PathBuf;

use release_core::{Generation, PointerError, SigningError};

/// The cause is in `source()`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    #[error("the publish directory {} can't be opened", .path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error("{} can't be read", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} can't be written", .path.display())]
    Write { path: PathBuf, source: io::Error },
    /// Something is published that our key has not signed.
    #[error("what is published in {} is not ours", .path.display())]
    Unfit {
        path: PathBuf,
        source: Box<PointerError>,
    },
    #[error("generation {new} can't be published: the pointer is of generation {current} already")]
    NotNewer {
        current: Generation,
        new: Generation,
    },
    #[error("the key {} can't be read", .path.display())]
    KeyUnreadable { path: PathBuf, source: io::Error },
    #[error("{} can't be used as a key", .path.display())]
    BadKey { path: PathBuf, source: SigningError },
    #[error("the pointer can't be signed")]
    Key(#[source] SigningError),
}

impl PublishError {
    /// Was it for safety's sake?
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::Unfit { .. } | Self::NotNewer { .. })
    }
}
