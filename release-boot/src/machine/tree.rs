//! A release's tree, by the descriptor of its root: what it claims to be, and whether it is.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use release_core::{Entry, Manifest, Marker, Principal, escape};
use release_sync::{Options, Source};
use rustix::fs::{FileType, Mode, OFlags, fstat, openat};
use rustix::io::Errno;

/// What no release is part of, at a tree's root.
const PRIVATE: &str = ".release";

/// Why a tree can't be compared.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TreeError {
    #[error("`{PRIVATE}` can't be read")]
    Private(#[source] io::Error),
    #[error("there is no marker")]
    NoMarker,
    #[error("the tree can't be read")]
    Scan(#[source] release_sync::Error),
    #[error("its manifest is damaged")]
    Manifest(#[source] release_core::CodecError),
    #[error("`{path}` {how}")]
    Differs { path: String, how: &'static str },
    #[error("the tree is release {found}, and its marker says {claimed}")]
    OtherRelease { found: String, claimed: String },
}

impl TreeError {
    /// Whether the tree was read, and is another one.
    pub(crate) const fn is_difference(&self) -> bool {
        !matches!(self, Self::Private(_) | Self::Scan(_))
    }
}

/// What a comparison found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Proved {
    pub(crate) marker: Marker,
    /// Files whose content was hashed.
    pub(crate) files: u64,
    /// Entries that the manifest does not have, such as files that deploys leave out.
    pub(crate) unlisted: usize,
    /// Entries with another owner than the manifest's, as where a deploy's user is not root.
    pub(crate) other_owners: usize,
}

/// What a tree claims to be; `None` where it claims nothing that can be understood.
pub(crate) fn marker(root: impl AsFd) -> io::Result<Option<Marker>> {
    let bytes = read(root, "marker", Marker::MAX_LEN)?;
    Ok(bytes.and_then(|bytes| Marker::decode(&bytes).ok()))
}

/// Hashes every file of a tree, and compares it with its manifest.
pub(crate) fn prove(root: &OwnedFd) -> Result<Proved, TreeError> {
    let marker = marker(root).map_err(TreeError::Private)?;
    let marker = marker.ok_or(TreeError::NoMarker)?;
    let options = Options {
        checksum: true,
        allow_empty: true,
        ..Options::default()
    };
    let found = release_sync::scan(&path_of(root), &options, &()).map_err(TreeError::Scan)?;
    let stored = read(root, "manifest", Manifest::MAX_BYTES).map_err(TreeError::Private)?;
    let manifest = stored.map(|bytes| Manifest::decode(&bytes));
    let manifest = manifest.transpose().map_err(TreeError::Manifest)?;
    match manifest.filter(|manifest| manifest.release_id() == marker.release) {
        Some(manifest) => compare(marker, &manifest, &found),
        // Without a list of what belongs to it, everything does.
        None if found.release() == marker.release => Ok(Proved {
            marker,
            files: found.manifest().totals().0,
            unlisted: 0,
            other_owners: 0,
        }),
        None => Err(TreeError::OtherRelease {
            found: found.release().short(),
            claimed: marker.release.short(),
        }),
    }
}

fn compare(marker: Marker, manifest: &Manifest, found: &Source) -> Result<Proved, TreeError> {
    let there = found.manifest();
    let mut proved = Proved {
        marker,
        files: manifest.totals().0,
        unlisted: there
            .entries()
            .len()
            .saturating_sub(manifest.entries().len()),
        other_owners: 0,
    };
    for expected in manifest.entries() {
        let differs = |how| TreeError::Differs {
            path: escape(expected.path.as_bytes()),
            how,
        };
        let (_, entry) = there
            .find(&expected.path)
            .ok_or_else(|| differs("is missing"))?;
        if let Some(how) = difference(expected, entry) {
            return Err(differs(how));
        }
        let owners = |list: &Manifest, entry: &Entry| {
            let name = |all: &[Principal], index: u32| all.get(index as usize).cloned();
            (
                name(list.users(), entry.meta.user),
                name(list.groups(), entry.meta.group),
            )
        };
        if owners(manifest, expected) != owners(there, entry) {
            proved.other_owners += 1;
        }
    }
    Ok(proved)
}

/// How an entry differs from what it should be, owners aside.
fn difference(expected: &Entry, found: &Entry) -> Option<&'static str> {
    if expected.kind != found.kind {
        return Some("has another content");
    }
    if expected.meta.mode != found.meta.mode {
        return Some("has another mode");
    }
    (expected.meta.mtime != found.meta.mtime).then_some("has another time")
}

/// A way to an open directory that needs no other name of it.
fn path_of(root: &OwnedFd) -> PathBuf {
    Path::new("/proc/self/fd").join(root.as_raw_fd().to_string())
}

/// A file in `.release`, if it is there. Nothing on the way is followed that is no directory, or no file.
fn read(root: impl AsFd, name: &str, most: usize) -> io::Result<Option<Vec<u8>>> {
    let Some(private) = open(root, PRIVATE, OFlags::PATH | OFlags::DIRECTORY)? else {
        return Ok(None);
    };
    let Some(file) = open(private, name, OFlags::RDONLY | OFlags::NONBLOCK)? else {
        return Ok(None);
    };
    if FileType::from_raw_mode(fstat(&file)?.st_mode) != FileType::RegularFile {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    File::from(file).take(limit).read_to_end(&mut bytes)?;
    Ok((bytes.len() <= most).then_some(bytes))
}

fn open(at: impl AsFd, name: &str, flags: OFlags) -> io::Result<Option<OwnedFd>> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat(at, name, flags, Mode::empty()) {
        Ok(file) => Ok(Some(file)),
        // What is in the way of a file there is not ours.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
