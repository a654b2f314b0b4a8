//! What a tree holds, found by a parallel walk.
//!
//! A scan looks at every entry once ([`walk`]), takes the digests of files that were not touched since
//! an earlier scan from that scan's [`Index`] ([`known`]), and reads all others ([`hash`]).

mod clock;
mod hash;
mod index;
mod known;
mod manifest;
mod names;
mod stat;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod trace;
mod walk;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use release_core::{Digest, RelPath, Timestamp};
use rustix::fs::FileType;

pub(crate) use clock::settle_now;
pub(crate) use index::Index;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) use index::fuzz;
pub(crate) use known::Written;
pub(crate) use names::Names;
pub(crate) use trace::Trace;

use crate::confine::Root;
use crate::filter::Filter;
use crate::tree::{Found, FoundKind};
use stat::Stat;

/// How a tree is scanned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScanOptions<'a> {
    /// What it matches is neither listed nor entered.
    pub(crate) filter: &'a Filter,
    /// Read every file, whatever the index says.
    pub(crate) checksum: bool,
    /// What an earlier scan of this tree found out.
    pub(crate) index: Option<&'a Index>,
    /// Files whose digests are known since they were written just now.
    pub(crate) written: Option<&'a Written>,
    /// Is told how the scan goes on.
    pub(crate) progress: &'a Progress,
    /// Ends the scan early when it becomes true.
    pub(crate) cancel: &'a AtomicBool,
}

static UNWATCHED: Progress = Progress {
    entries: AtomicU64::new(0),
    bytes_hashed: AtomicU64::new(0),
};
static NEVER: AtomicBool = AtomicBool::new(false);

impl<'a> ScanOptions<'a> {
    /// Everything that the filter lets through, with nothing known beforehand and nobody watching.
    pub(crate) fn new(filter: &'a Filter) -> Self {
        Self {
            filter,
            checksum: false,
            index: None,
            written: None,
            progress: &UNWATCHED,
            cancel: &NEVER,
        }
    }

    fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    fn check_cancelled(&self) -> io::Result<()> {
        match self.is_cancelled() {
            true => Err(io::Error::new(io::ErrorKind::Interrupted, "cancelled")),
            false => Ok(()),
        }
    }
}

/// How far a scan is.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Entries seen, the root not counted.
    pub(crate) entries: AtomicU64,
    /// Bytes read to find digests out.
    pub(crate) bytes_hashed: AtomicU64,
}

impl Found {
    fn new(path: RelPath, stat: &Stat, target: &[u8]) -> Self {
        let size = stat.size;
        let kind = match stat.file_type {
            FileType::Directory => FoundKind::Directory,
            FileType::RegularFile => FoundKind::File {
                size,
                // Nothing is read to know what is in an empty file.
                digest: (size == 0).then(|| Digest::of(&[])),
            },
            FileType::Symlink => FoundKind::Symlink {
                target: target.into(),
            },
            _ => FoundKind::Special,
        };
        Self {
            path,
            mode: stat.mode,
            uid: stat.uid,
            gid: stat.gid,
            mtime: stat.mtime,
            stamp: stat.stamp,
            kind,
        }
    }
}

/// What a tree was found to hold.
#[derive(Debug)]
pub(crate) struct Scan {
    /// All entries in [`RelPath`] order, the root first. `.release` and `lost+found` at the root are
    /// not among them, nor is what the filter excludes.
    pub(crate) found: Vec<Found>,
    /// When the scan began, by the clock that inodes are stamped with.
    pub(crate) scanned_at: Timestamp,
    /// Entries that could not be looked at or read, in order. A directory here may hold more than was
    /// found in it.
    pub(crate) unreadable: Vec<(RelPath, io::Error)>,
    /// Devices, fifos and sockets, in order.
    pub(crate) specials: Vec<RelPath>,
    /// Entries that are other mounts, in order. Directories among them were not entered.
    pub(crate) mounts: Vec<RelPath>,
    /// The directories that hold something excluded, in order: they are not as empty as they look. Among
    /// them is what was excluded as a directory, or as none: something of another kind may come to its place.
    pub(crate) excluded_in: Vec<RelPath>,
    /// How many of the files have another name as well, in the tree or elsewhere.
    pub(crate) linked: u64,
    /// Whether [`Scan::index`] would say nothing that the index given did not say already.
    pub(crate) index_is_current: bool,
}

/// Scans a tree, with all threads of the rayon pool that this is called in.
///
/// # Errors
/// When the root can't be read, and [`io::ErrorKind::Interrupted`] when the scan is cancelled. Whatever
/// concerns one entry is in [`Scan::unreadable`].
pub(crate) fn scan_tree(root: &Root, options: &ScanOptions<'_>) -> io::Result<Scan> {
    let scanned_at = clock::coarse_now();
    let walk::Walked { mut found, aside } = walk::walk(root, options)?;
    let mut index_is_current = false;
    if let Some(index) = options.index
        && !options.checksum
    {
        index_is_current = known::fill_in_from_index(&mut found, index);
    }
    if let Some(written) = options.written {
        written.fill_in(&mut found);
    }
    let mut unreadable = aside.unreadable;
    unreadable.extend(hash::fill_in(root, options, &mut found)?);
    let mut scan = Scan {
        found,
        scanned_at,
        unreadable,
        specials: aside.specials,
        mounts: aside.mounts,
        excluded_in: aside.excluded_in,
        linked: aside.linked,
        index_is_current,
    };
    scan.unreadable.sort_by(|(a, _), (b, _)| a.cmp(b));
    scan.mounts.sort();
    scan.excluded_in.sort();
    Ok(scan)
}

impl Scan {
    /// What the next scan of this tree need not find out again.
    pub(crate) fn index(&self) -> Index {
        let mut writer = index::Writer::new(self.scanned_at, self.found.len());
        for found in &self.found {
            if let Some((size, digest)) = found.file() {
                let record = index::Record {
                    size,
                    mtime: found.mtime,
                    stamp: found.stamp,
                    digest,
                };
                writer.add(found.path.as_bytes(), &record);
            }
        }
        writer.finish()
    }
}
