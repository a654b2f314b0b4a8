//! The sorted, canonical list of a tree's entries.
//!
//! A [`Manifest`] is valid by construction: entries are sorted, unique, start with the root, and each
//! one's parent is a directory of the same manifest. So is one that was decoded: [`Manifest::decode`]
//! accepts exactly the bytes that [`Manifest::encode`] makes.

mod codec;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;

use serde::{Deserialize, Serialize};

pub use codec::CodecError;

use crate::{Digest, RelPath, ReleaseId};

/// The bits of a mode that a manifest holds: permissions, setuid, setgid, sticky.
pub const MODE_MASK: u16 = 0o7777;

/// A point in time, as file systems keep it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Timestamp {
    /// Seconds since 1970-01-01 00:00 UTC; negative before.
    pub seconds: i64,
    /// Nanoseconds on top, below 1,000,000,000.
    pub nanos: u32,
}

/// A user or a group: its number on the machine where the manifest was made, and its name if it had one.
///
/// Where there is a name, the name decides on another machine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Principal {
    /// The uid or gid.
    pub id: u32,
    /// Its name, 1 to [`Principal::MAX_NAME`] bytes.
    pub name: Option<Box<[u8]>>,
}

impl Principal {
    /// Longest name, in bytes.
    pub const MAX_NAME: usize = 255;

    fn is_valid(&self) -> bool {
        let length = self.name.as_ref().map(|name| name.len());
        length.is_none_or(|length| (1..=Self::MAX_NAME).contains(&length))
    }
}

/// What every entry has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Meta {
    /// Permissions with special bits, within [`MODE_MASK`]; 0 for a symlink.
    pub mode: u16,
    /// Index into [`Manifest::users`].
    pub user: u32,
    /// Index into [`Manifest::groups`].
    pub group: u32,
    /// Time of the last modification.
    pub mtime: Timestamp,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File {
        /// Length in bytes.
        size: u64,
        /// Digest of the content.
        digest: Digest,
    },
    /// A symbolic link.
    Symlink {
        /// Where it points, as it is written: 1 to 4095 bytes without NUL.
        target: Box<[u8]>,
    },
}

/// One entry of a tree.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Where it is.
    pub path: RelPath,
    /// Mode, owner, time.
    pub meta: Meta,
    /// Directory, file or symlink, with what belongs to it.
    pub kind: Kind,
}

impl Entry {
    /// Size and digest, if this is a regular file.
    pub fn file(&self) -> Option<(u64, Digest)> {
        match self.kind {
            Kind::File { size, digest } => Some((size, digest)),
            _ => None,
        }
    }

    /// Is this a directory?
    pub fn is_directory(&self) -> bool {
        matches!(self.kind, Kind::Directory)
    }
}

/// The sorted, canonical list of a tree's entries, the root first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    users: Vec<Principal>,
    groups: Vec<Principal>,
    entries: Vec<Entry>,
}

/// Why entries do not make a manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// The first entry is not the root directory.
    #[error("the first entry is not the root directory")]
    NoRoot,
    /// An entry does not sort after the one before it.
    #[error("`{0}` is out of order or doubled")]
    Order(RelPath),
    /// An entry's parent is missing or no directory.
    #[error("the parent of `{0}` is not a directory of the manifest")]
    Orphan(RelPath),
    /// A mode, time, principal or link target is out of its range.
    #[error("`{path}` has a bad {field}")]
    Field {
        /// The entry.
        path: RelPath,
        /// Which of its fields.
        field: &'static str,
    },
    /// More entries than [`Manifest::MAX_ENTRIES`].
    #[error("{0} entries are too many: at most {max} can be", max = Manifest::MAX_ENTRIES)]
    TooMany(usize),
    /// The entries' paths are longer than [`Manifest::MAX_PATHS`] together.
    #[error("the paths are too long: at most {max} bytes together can be", max = Manifest::MAX_PATHS)]
    Paths,
}

/// Whether a proof covers owners: only root can set them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProofClass {
    /// Every attribute of every entry.
    Full,
    /// The same with users and groups left out.
    WithoutOwner,
}

impl ProofClass {
    /// The word for it: `full`, `without-owner`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::WithoutOwner => "without-owner",
        }
    }
}

impl fmt::Display for ProofClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a tree was found to be: the digest of a manifest made from what is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Proof {
    /// What the digest covers.
    pub class: ProofClass,
    /// The digest.
    pub digest: Digest,
}

impl Manifest {
    /// Longest link target, in bytes.
    pub const MAX_TARGET: usize = 4095;

    /// Most entries, the root among them.
    pub const MAX_ENTRIES: usize = 1 << 24;

    /// Most bytes of all entries' paths together.
    pub const MAX_PATHS: usize = 1 << 30;

    /// Longest encoding that is sent, taken or kept, in bytes.
    pub const MAX_BYTES: usize = 1 << 30;

    /// Puts a manifest together from entries in [`RelPath`] order. The entries' `user` and `group` are
    /// indices into `users` and `groups`, which are brought into canonical order (that of first use).
    pub fn new(
        users: Vec<Principal>,
        groups: Vec<Principal>,
        mut entries: Vec<Entry>,
    ) -> Result<Self, ManifestError> {
        let users = canonical_table(users, entries.iter_mut().map(|e| &mut e.meta.user));
        let groups = canonical_table(groups, entries.iter_mut().map(|e| &mut e.meta.group));
        let manifest = Self {
            users,
            groups,
            entries,
        };
        manifest.check()?;
        Ok(manifest)
    }

    /// Users in the order of their first use.
    pub fn users(&self) -> &[Principal] {
        &self.users
    }

    /// Groups in the order of their first use.
    pub fn groups(&self) -> &[Principal] {
        &self.groups
    }

    /// All entries, sorted, the root first.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry at `path`, with its index.
    pub fn find(&self, path: &RelPath) -> Option<(usize, &Entry)> {
        let index = self
            .entries
            .binary_search_by(|entry| entry.path.cmp(path))
            .ok()?;
        Some((index, &self.entries[index]))
    }

    /// Has the tree nothing but its root?
    pub fn is_empty(&self) -> bool {
        self.entries.len() == 1
    }

    /// Number of regular files, and their bytes in all: `u64::MAX` where they are more than that, as
    /// sparse files can claim to be.
    pub fn totals(&self) -> (u64, u64) {
        self.entries
            .iter()
            .filter_map(Entry::file)
            .fold((0, 0), |(files, bytes), (size, _)| {
                (files + 1, bytes.saturating_add(size))
            })
    }

    /// The id of the release that this manifest describes.
    pub fn release_id(&self) -> ReleaseId {
        self.measure().0
    }

    /// The id of the release, and how many canonical bytes it is the digest of.
    pub fn measure(&self) -> (ReleaseId, u64) {
        let (digest, length) = codec::digest(self, ProofClass::Full);
        (ReleaseId::new(digest), length)
    }

    /// The digest that a tree with these entries has, in a class.
    pub fn proof(&self, class: ProofClass) -> Proof {
        Proof {
            class,
            digest: codec::digest(self, class).0,
        }
    }

    /// The canonical bytes. `docs/manifest-format.md` describes them.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self, ProofClass::Full)
    }

    /// Reads canonical bytes. Nothing else is accepted: what decodes encodes to the same bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        codec::decode(bytes, Self::MAX_PATHS)
    }

    /// Reads only the tables of users and groups that stand at the front of canonical bytes.
    pub fn decode_principals(bytes: &[u8]) -> Result<(Vec<Principal>, Vec<Principal>), CodecError> {
        codec::decode_principals(bytes)
    }

    fn check(&self) -> Result<(), ManifestError> {
        if self.entries.len() > Self::MAX_ENTRIES {
            return Err(ManifestError::TooMany(self.entries.len()));
        }
        let paths = self.entries.iter().map(|entry| entry.path.as_bytes().len());
        if paths.sum::<usize>() > Self::MAX_PATHS {
            return Err(ManifestError::Paths);
        }
        if !self
            .entries
            .first()
            .is_some_and(|e| e.path.is_root() && e.is_directory())
        {
            return Err(ManifestError::NoRoot);
        }
        // The directories that the walk is inside of, from the root down.
        let mut open: Vec<&RelPath> = Vec::new();
        for (index, entry) in self.entries.iter().enumerate() {
            if index > 0 {
                if self.entries[index - 1].path >= entry.path {
                    return Err(ManifestError::Order(entry.path.clone()));
                }
                let parent = entry.path.parent_bytes();
                while open
                    .last()
                    .is_some_and(|directory| directory.as_bytes() != parent)
                {
                    open.pop();
                }
                if open.is_empty() {
                    return Err(ManifestError::Orphan(entry.path.clone()));
                }
            }
            self.check_fields(entry)?;
            if entry.is_directory() {
                open.push(&entry.path);
            }
        }
        Ok(())
    }

    fn check_fields(&self, entry: &Entry) -> Result<(), ManifestError> {
        let refuse = |field| {
            Err(ManifestError::Field {
                path: entry.path.clone(),
                field,
            })
        };
        let Meta {
            mode,
            user,
            group,
            mtime,
        } = entry.meta;
        if mode & !MODE_MASK != 0 {
            return refuse("mode");
        }
        if mtime.nanos >= 1_000_000_000 {
            return refuse("mtime");
        }
        let owners = [
            self.users.get(user as usize),
            self.groups.get(group as usize),
        ];
        if !owners
            .iter()
            .all(|owner| owner.is_some_and(Principal::is_valid))
        {
            return refuse("owner");
        }
        match &entry.kind {
            Kind::Symlink { target } => {
                if mode != 0 {
                    return refuse("mode");
                }
                if target.is_empty() || target.len() > Self::MAX_TARGET || target.contains(&0) {
                    return refuse("link target");
                }
            }
            Kind::File { size, .. } if *size > i64::MAX as u64 => return refuse("size"),
            _ => {}
        }
        Ok(())
    }
}

/// Keeps the principals that are used, once each, in the order of first use, and renumbers the uses.
/// An index out of range is left out of range, for `check` to refuse.
fn canonical_table<'a>(
    table: Vec<Principal>,
    uses: impl Iterator<Item = &'a mut u32>,
) -> Vec<Principal> {
    let mut canonical = Vec::new();
    let mut seen: HashMap<&Principal, u32> = HashMap::new();
    // There are many uses of few principals, so each is looked up once.
    let mut known = vec![None; table.len()];
    for index in uses {
        let Some(known) = known.get_mut(*index as usize) else {
            *index = u32::MAX;
            continue;
        };
        let principal = &table[*index as usize];
        *index = *known.get_or_insert_with(|| {
            *seen.entry(principal).or_insert_with(|| {
                canonical.push(principal.clone());
                canonical.len() as u32 - 1
            })
        });
    }
    canonical
}
