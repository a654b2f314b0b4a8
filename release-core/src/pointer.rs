//! The pointer: the small signed document that says which release is current.

#[cfg(feature = "sign")]
mod sign;
mod verify;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

#[cfg(feature = "sign")]
pub use sign::{SecretKey, SigningError};
pub use verify::{Expectation, KeyError, PointerError, PublicKey};

use crate::{AccountId, Generation, Label, Moment, ParseNameError, Region, ReleaseId, SnapshotId};

/// `release.json`: what a new instance is to run, and where that is to be had.
///
/// Fields are documented in `docs/pointer-format.md`. [`Pointer::verify`] is how one that came over a
/// network is read; [`Pointer::decode`] believes whoever wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pointer {
    /// Which deploy. Higher than that of every pointer before it, also after a rollback.
    pub generation: Generation,
    /// What the snapshot's tree is.
    pub release: ReleaseId,
    /// The snapshot of the volume that holds it.
    pub snapshot: SnapshotId,
    /// Where the snapshot is.
    pub region: Region,
    /// Whose the snapshot is.
    pub account: AccountId,
    /// Least size of a volume that is made from it, in GiB, as EC2 counts.
    pub volume_gib: u32,
    /// What is on the volume.
    pub file_system: FileSystem,
    /// The file system's label, if it has one. For people: devices are never found by it.
    pub label: Option<Label>,
    /// When it was signed, to the second.
    pub created: Moment,
    /// What was current before.
    pub previous: Option<Previous>,
    /// Who made it, as in `root@release-server`.
    pub who: Label,
}

/// What was current before a pointer was published.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Previous {
    /// Which deploy.
    pub generation: Generation,
    /// What it gave out.
    pub release: ReleaseId,
    /// The snapshot that holds it.
    pub snapshot: SnapshotId,
}

/// What is on a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileSystem {
    /// ext4
    Ext4,
    /// XFS
    Xfs,
    /// btrfs
    Btrfs,
    /// None: the volume is a directory, as those of a local fleet are.
    Folder,
}

impl FileSystem {
    /// The kernel's name for it; `folder` for a directory.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
            Self::Folder => "folder",
        }
    }
}

impl fmt::Display for FileSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for FileSystem {
    type Err = UnknownFileSystem;

    fn from_str(text: &str) -> Result<Self, UnknownFileSystem> {
        [Self::Ext4, Self::Xfs, Self::Btrfs, Self::Folder]
            .into_iter()
            .find(|known| known.as_str() == text)
            .ok_or_else(|| UnknownFileSystem(Label::cut(text)))
    }
}

/// A file system that can't be mounted here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the file system `{0}` is not one of ext4, xfs and btrfs")]
pub struct UnknownFileSystem(Label);

/// What every format has, so that a later one is told from damage whatever else it holds.
#[derive(Deserialize)]
struct Head {
    format: u64,
}

/// The fields, in the order in which they are written.
#[derive(Serialize, Deserialize)]
struct Document {
    format: u64,
    generation: Generation,
    release: String,
    snapshot: SnapshotId,
    region: Region,
    account: AccountId,
    volume_gib: u32,
    file_system: FileSystem,
    label: Option<Label>,
    created: Moment,
    previous: Option<PreviousDocument>,
    who: Label,
}

#[derive(Serialize, Deserialize)]
struct PreviousDocument {
    generation: Generation,
    release: String,
    snapshot: SnapshotId,
}

const FORMAT: u64 = 1;

/// Why bytes are not a pointer.
#[derive(Debug, thiserror::Error)]
pub enum PointerFormatError {
    /// More than any pointer needs.
    #[error("it is longer than {} bytes", Pointer::MAX_LEN)]
    TooLong,
    /// A format that this build does not read.
    #[error("its format {0} is not known here; this build reads format {FORMAT}")]
    Format(u64),
    /// No JSON, or not with the pointer's fields.
    #[error("it is no pointer document")]
    Syntax(#[source] serde_json::Error),
    /// A release is no id.
    #[error("it is no pointer document")]
    Release(#[from] crate::ParseIdError),
}

impl Pointer {
    /// The document's name in the directory that is served.
    pub const FILE: &'static str = "release.json";
    /// The name of the detached signature beside it.
    pub const SIGNATURE_FILE: &'static str = "release.json.minisig";
    /// The name of the file with nothing but the snapshot's id, for old boot scripts.
    pub const SNAPSHOT_FILE: &'static str = "snap.txt";
    /// Longest document that is read, in bytes.
    pub const MAX_LEN: usize = 16 << 10;
    /// Longest signature that is read, in bytes.
    pub const MAX_SIGNATURE_LEN: usize = 4 << 10;
    /// Longest `snap.txt` that is read, in bytes.
    pub const MAX_SNAPSHOT_LEN: usize = 128;

    /// The file's content: one encoding for one pointer, a newline at its end.
    pub fn encode(&self) -> Vec<u8> {
        let document = Document {
            format: FORMAT,
            generation: self.generation,
            release: self.release.to_string(),
            snapshot: self.snapshot.clone(),
            region: self.region.clone(),
            account: self.account.clone(),
            volume_gib: self.volume_gib,
            file_system: self.file_system,
            label: self.label.clone(),
            created: self.created.whole_second(),
            previous: self.previous.as_ref().map(Previous::document),
            who: self.who.clone(),
        };
        // It fails only on maps whose keys are no texts, and for writers that fail; here is neither.
        let mut bytes = serde_json::to_vec_pretty(&document).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// Reads a file's content, whoever wrote it. Unknown fields are let pass: a later build may have more
    /// to say.
    pub fn decode(bytes: &[u8]) -> Result<Self, PointerFormatError> {
        if bytes.len() > Self::MAX_LEN {
            return Err(PointerFormatError::TooLong);
        }
        let head: Head = serde_json::from_slice(bytes).map_err(PointerFormatError::Syntax)?;
        if head.format != FORMAT {
            return Err(PointerFormatError::Format(head.format));
        }
        let document: Document =
            serde_json::from_slice(bytes).map_err(PointerFormatError::Syntax)?;
        Ok(Self {
            generation: document.generation,
            release: document.release.parse()?,
            snapshot: document.snapshot,
            region: document.region,
            account: document.account,
            volume_gib: document.volume_gib,
            file_system: document.file_system,
            label: document.label,
            created: document.created.whole_second(),
            previous: document.previous.map(Previous::read).transpose()?,
            who: document.who,
        })
    }

    /// The content of `snap.txt`: the bare id and a newline.
    pub fn snapshot_file(&self) -> Vec<u8> {
        format!("{}\n", self.snapshot).into_bytes()
    }

    /// Reads a `snap.txt`, which nobody signed.
    pub fn read_snapshot_file(bytes: &[u8]) -> Result<SnapshotId, ParseNameError> {
        let bytes = &bytes[..bytes.len().min(Self::MAX_SNAPSHOT_LEN)];
        String::from_utf8_lossy(bytes).trim_ascii().parse()
    }

    /// What the next pointer will call the previous one.
    pub fn as_previous(&self) -> Previous {
        Previous {
            generation: self.generation,
            release: self.release,
            snapshot: self.snapshot.clone(),
        }
    }
}

impl Previous {
    fn document(&self) -> PreviousDocument {
        PreviousDocument {
            generation: self.generation,
            release: self.release.to_string(),
            snapshot: self.snapshot.clone(),
        }
    }

    fn read(document: PreviousDocument) -> Result<Self, PointerFormatError> {
        Ok(Self {
            generation: document.generation,
            release: document.release.parse()?,
            snapshot: document.snapshot,
        })
    }
}

#[cfg(test)]
mod tests;
