//! What a tree was found to hold, as data.

use release_core::{Digest, RelPath, Timestamp};

/// What tells two states of a file apart even where size and mtime were put back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// The inode number.
    pub(crate) inode: u64,
    /// Time of the last change of the inode, which nobody can set.
    pub(crate) ctime: Timestamp,
}

/// An entry as it stands on a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Where.
    pub(crate) path: RelPath,
    /// Permissions with special bits; 0 for a symlink.
    pub(crate) mode: u16,
    /// The owner's number.
    pub(crate) uid: u32,
    /// The group's number.
    pub(crate) gid: u32,
    /// Time of the last modification.
    pub(crate) mtime: Timestamp,
    /// To know it again.
    pub(crate) stamp: Stamp,
    /// What it is.
    pub(crate) kind: FoundKind,
}

/// What an entry on a disk is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FoundKind {
    /// A directory.
    Directory,
    /// A regular file.
    File {
        /// Length in bytes.
        size: u64,
        /// Digest of the content; `None` where it could not be read.
        digest: Option<Digest>,
    },
    /// A symbolic link.
    Symlink {
        /// Where it points, as it is written.
        target: Box<[u8]>,
    },
    /// A device, a fifo or a socket.
    Special,
}

impl Found {
    /// Size and digest of a file whose digest is known.
    pub(crate) fn file(&self) -> Option<(u64, Digest)> {
        match self.kind {
            FoundKind::File { size, digest } => Some((size, digest?)),
            _ => None,
        }
    }
}
