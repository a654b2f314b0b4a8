//! A destination on a disk: its tree, and `.release` inside it, where a release is staged beside the
//! current tree, made current, and kept for going back.
//!
//! ```text
//! .release/lock              who is at work here; the lock itself is the kernel's
//! .release/marker            what the tree claims to be
//! .release/manifest          its entries
//! .release/index             digests that were known of its files
//! .release/stage/<release>/  entries of a release on their way, at the paths that they will have
//! .release/undo/<release>/   what the last commit displaced: manifest, marker, content by digest
//! .release/commit            present while a commit is under way: which undo it fills, if any
//! ```

mod attributes;
mod commit;
mod keepsakes;
mod lock;
mod recent;
mod remove;
mod stage;
#[cfg(test)]
mod tests;
mod undo;
mod write;

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use release_core::{Manifest, Marker, RelPath, Timestamp};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, StatxAttributes, StatxFlags};
use rustix::io::Errno;

pub(crate) use attributes::{Attributes, Birth};
pub(crate) use commit::Commit;
pub(crate) use keepsakes::Keepsakes;
pub(crate) use lock::{Lock, LockError};
pub(crate) use remove::remove_tree;
pub(crate) use stage::{Stage, discard_stages};
pub(crate) use undo::Undo;
pub(crate) use write::{FileWriter, WriteError};

use crate::confine::Root;
use crate::scan::Index;

/// The directory at a tree's root that belongs to us, on both sides.
pub(crate) const PRIVATE: &[u8] = b".release";

/// A destination whose tree can be changed.
#[derive(Debug)]
pub(crate) struct Store {
    /// The tree.
    pub(crate) tree: Root,
    /// `.release` in it.
    pub(crate) private: Root,
}

impl Store {
    /// Opens `.release` in a tree, and makes it first if it is missing: mode 0700, owned as the root,
    /// and without a trace in the root's mtime, which belongs to the tree.
    pub(crate) fn open(tree: Root) -> io::Result<Self> {
        let private = match open_private(&tree) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make_private(&tree)?;
                open_private(&tree)?
            }
            other => other?,
        };
        Ok(Self { tree, private })
    }

    /// Opens `.release` if it is there.
    pub(crate) fn open_existing(tree: Root) -> io::Result<Result<Self, Root>> {
        match open_private(&tree) {
            Ok(private) => Ok(Ok(Self { tree, private })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Err(tree)),
            Err(error) => Err(error),
        }
    }

    /// What the tree claims to be, and since when (seconds since 1970). A damaged marker is none.
    pub(crate) fn marker(&self) -> io::Result<Option<(Marker, i64)>> {
        let (bytes, mtime) = match read_small(&self.private, b"marker", Marker::MAX_LEN) {
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => return Ok(None),
            Ok(None) => return Ok(None),
            Ok(Some(read)) => read,
            Err(error) => return Err(error),
        };
        Ok(Marker::decode(&bytes).ok().map(|marker| (marker, mtime)))
    }

    /// Says what the tree is, and since when (seconds since 1970) where that is not now. Durable before it
    /// returns.
    pub(crate) fn set_marker(&self, marker: &Marker, since: Option<i64>) -> io::Result<()> {
        put_since(&self.private, b"marker", &marker.encode(), since)
    }

    /// Is a commit under way, or was one cut off?
    pub(crate) fn is_under_way(&self) -> bool {
        rustix::fs::statat(&self.private, UNDER_WAY, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// The manifest's bytes of the release that the marker names.
    pub(crate) fn manifest(&self) -> io::Result<Option<Vec<u8>>> {
        Ok(read_small(&self.private, b"manifest", MAX_MANIFEST)?.map(|(bytes, _)| bytes))
    }

    /// Writes the manifest of the release that is current from now on, or that it is not known.
    pub(crate) fn set_manifest(&self, manifest: Option<&Manifest>) -> io::Result<()> {
        match manifest {
            Some(manifest) => self.put(b"manifest", &manifest.encode()),
            None => unlink(&self.private, b"manifest"),
        }
    }

    /// What was last known of the tree's files. A missing or damaged index is none: it costs a scan
    /// that reads everything, and nothing else.
    pub(crate) fn index(&self) -> Option<Index> {
        let (bytes, _) = read_small(&self.private, b"index", MAX_INDEX).ok()??;
        Index::decode(bytes)
    }

    /// Writes down what is known of the tree's files.
    pub(crate) fn set_index(&self, index: &Index) -> io::Result<()> {
        self.put(b"index", index.as_bytes())
    }

    /// Removes what a run that was cut off was about to put in place. Only for whoever has the lock.
    pub(crate) fn sweep(&self) -> io::Result<()> {
        let names: [&[u8]; 4] = [b"marker", b"manifest", b"index", UNDER_WAY];
        names
            .iter()
            .try_for_each(|name| unlink(&self.private, &temporary(name)))
    }

    /// Writes back everything that the file system has in memory.
    pub(crate) fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(&self.private)?)
    }

    /// Replaces a file in `.release` in one step, durably.
    fn put(&self, name: &[u8], content: &[u8]) -> io::Result<()> {
        put(&self.private, name, content)
    }
}

/// Present while a commit is under way: the name of the undo that it fills, or that it keeps nothing.
const UNDER_WAY: &[u8] = b"commit";
const MAX_MANIFEST: usize = Manifest::MAX_BYTES;
const MAX_INDEX: usize = 2 << 30;

/// Is this directory the root of a mount?
pub(crate) fn is_mount(tree: &Root) -> io::Result<bool> {
    let found = rustix::fs::statx(tree, c"", AtFlags::EMPTY_PATH, StatxFlags::TYPE)?;
    Ok(found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// Opens a directory, making it and what leads to it if it is missing. `path` may be a symlink: it is
/// resolved here, once.
pub(crate) fn open_or_make(path: &Path) -> io::Result<Root> {
    match Root::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            std::fs::create_dir_all(path)?;
            Root::open(path)
        }
        other => other,
    }
}

/// Opens a directory below another, making it and what leads to it if `make` says so.
pub(crate) fn open_below(root: &Root, path: &RelPath, make: bool) -> io::Result<Root> {
    let mut opened = root.try_clone()?;
    for name in path.components() {
        opened = if make {
            make_directory(&opened, name)?
        } else {
            subdirectory(&opened, name)?
        };
    }
    Ok(opened)
}

fn open_private(tree: &Root) -> io::Result<Root> {
    subdirectory(tree, PRIVATE)
}

/// Opens a directory inside another as a root of its own.
fn subdirectory(root: &Root, name: &[u8]) -> io::Result<Root> {
    let path = RelPath::parse(name).map_err(io::Error::other)?;
    let below = root
        .path()
        .join(Path::new(std::ffi::OsStr::from_bytes(name)));
    Ok(root.below(root.directory(&path)?, below))
}

/// Opens a directory inside another, and makes it first if it is missing: for its owner alone.
fn make_subdirectory(root: &Root, name: &[u8]) -> io::Result<Root> {
    make(root, name, Mode::RWXU)
}

/// The same for a directory that others may look into, as the umask allows.
fn make_directory(root: &Root, name: &[u8]) -> io::Result<Root> {
    make(root, name, Mode::RWXU | Mode::RWXG | Mode::RWXO)
}

fn make(root: &Root, name: &[u8], mode: Mode) -> io::Result<Root> {
    match rustix::fs::mkdirat(root, name, mode) {
        Ok(()) | Err(Errno::EXIST) => subdirectory(root, name),
        Err(error) => Err(error.into()),
    }
}

/// Names in a directory, without `.` and `..`.
fn names(root: &Root) -> io::Result<Vec<Vec<u8>>> {
    let directory = root.directory(&RelPath::root())?;
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(&directory)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(name);
        }
    }
    Ok(names)
}

fn make_private(tree: &Root) -> io::Result<()> {
    let root = rustix::fs::fstat(tree)?;
    match rustix::fs::mkdirat(tree, PRIVATE, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let private = open_private(tree)?;
    if rustix::process::geteuid().is_root() {
        let owner = rustix::fs::Uid::from_raw(root.st_uid);
        let group = rustix::fs::Gid::from_raw(root.st_gid);
        rustix::fs::fchown(&private, Some(owner), Some(group))?;
    }
    let mtime = Timestamp {
        seconds: root.st_mtime,
        nanos: root.st_mtime_nsec as u32,
    };
    match attributes::set_mtime(tree.as_fd(), mtime) {
        // Only an owner can; then the next commit, which sets the root's mtime, fails and says so.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        other => other,
    }
}

/// Reads a file of at most `limit` bytes, and its mtime in seconds; a longer one is an error.
fn read_small(directory: &Root, name: &[u8], limit: usize) -> io::Result<Option<(Vec<u8>, i64)>> {
    use std::io::Read;
    let path = RelPath::parse(name).map_err(io::Error::other)?;
    let file = match directory.file(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let stat = rustix::fs::fstat(&file)?;
    let mut bytes = Vec::with_capacity((stat.st_size.max(0) as usize).min(limit));
    file.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > limit {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "larger than it can be",
        ));
    }
    Ok(Some((bytes, stat.st_mtime)))
}

fn temporary(name: &[u8]) -> Vec<u8> {
    [name, b".new"].concat()
}

/// Removes what is no directory. What is not there is removed already.
fn unlink(directory: impl AsFd, name: &[u8]) -> io::Result<()> {
    match rustix::fs::unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Replaces a file in one step: temporary, fsync, rename, fsync of the directory.
fn put(directory: &Root, name: &[u8], content: &[u8]) -> io::Result<()> {
    put_since(directory, name, content, None)
}

/// The same, with an mtime in seconds.
fn put_since(directory: &Root, name: &[u8], content: &[u8], mtime: Option<i64>) -> io::Result<()> {
    use std::io::Write;
    let temporary = temporary(name);
    unlink(directory, &temporary)?;
    let mut file = create(directory, &temporary)?;
    file.write_all(content)?;
    if let Some(seconds) = mtime {
        attributes::set_mtime(file.as_fd(), Timestamp { seconds, nanos: 0 })?;
    }
    file.sync_all()?;
    rustix::fs::renameat(directory, &*temporary, directory, name)?;
    Ok(rustix::fs::fsync(directory)?)
}

/// Opens a regular file of a directory, to read it.
fn open_file(directory: impl AsFd, name: &[u8]) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::openat(directory, name, flags, Mode::empty())?;
    let mode = rustix::fs::fstat(&file)?.st_mode;
    match FileType::from_raw_mode(mode) {
        FileType::RegularFile => Ok(file.into()),
        _ => Err(Errno::INVAL.into()),
    }
}

/// Makes a file that was not there, readable and writable for its owner alone.
fn create(directory: impl AsFd, name: &[u8]) -> io::Result<File> {
    create_with(directory, name, Mode::RUSR | Mode::WUSR)
}

/// Makes a file that was not there, with a mode as far as the umask allows it.
fn create_with(directory: impl AsFd, name: &[u8], mode: Mode) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(directory, name, flags, mode)?.into())
}
