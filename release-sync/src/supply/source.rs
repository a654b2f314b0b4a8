//! The tree that is given out.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use release_core::{Generation, Manifest, Marker, RelPath, ReleaseId};

use crate::confine::Root;
use crate::filter::Filter;
use crate::scan::{Names, Progress, Scan, ScanOptions, Trace, scan_tree};
use crate::session::{Earlier, Release};
use crate::store::Store;
use crate::{Error, Event, Monitor, Options};

/// How often the monitor is told of a scan.
const TELL: Duration = Duration::from_millis(200);

/// A tree that was scanned and can be given out.
#[derive(Debug)]
pub struct Source {
    directory: PathBuf,
    root: Root,
    release: Arc<Release>,
    notes: Vec<String>,
    /// What was left out of the scan.
    filter: Filter,
    trace: Arc<Trace>,
}

impl Source {
    /// The directory that was scanned.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// All entries.
    pub fn manifest(&self) -> &Manifest {
        &self.release.manifest
    }

    /// What the tree is.
    pub fn release(&self) -> ReleaseId {
        self.release.id
    }

    /// The release, ready to be given out.
    pub(crate) fn shared(&self) -> Arc<Release> {
        Arc::clone(&self.release)
    }

    /// What the scan saw.
    pub(super) fn trace(&self) -> Arc<Trace> {
        Arc::clone(&self.trace)
    }

    /// The directory, open.
    pub(crate) fn root(&self) -> &Root {
        &self.root
    }

    /// Looks whether the directory still is what was scanned: `None`, or a path that is not. A directory is
    /// named only where nothing in it can be; the empty path is the source itself.
    ///
    /// Each entry is looked at once, in parallel, and its size, mode, owner, mtime, ctime and inode are
    /// compared, so that a change that was undone is found as well. Files are read only where these can't
    /// tell: those that were changed in the tick of the clock in which the scan began, or all of them
    /// where no index could be kept. What is in `.release` doesn't matter, nor does what was excluded.
    ///
    /// # Errors
    /// [`Error::Source`] when the directory, [`Error::SourceUnreadable`] when something in it, can't be
    /// read.
    pub fn changed_since(&self) -> Result<Option<RelPath>, Error> {
        let unreadable = |error: io::Error| Error::Source {
            path: self.directory.clone(),
            source: error,
        };
        let store = Store::open_existing(self.root.try_clone().map_err(unreadable)?);
        let index = store.ok().and_then(Result::ok).and_then(|it| it.index());
        let mut options = ScanOptions::new(&self.filter);
        options.index = index.as_ref();
        let scan = readable(scan_tree(&self.root, &options).map_err(unreadable)?)?;
        let entries = self.manifest().entries();
        Ok(self.trace.difference(entries, &scan))
    }

    /// Lets the directory claim to be this release, of this generation: manifest and marker in its `.release`,
    /// as a host has them after a commit. A snapshot that is taken of it afterwards then is what a host is.
    /// Nothing is looked at again; see [`changed_since`](Self::changed_since).
    ///
    /// # Errors
    /// [`Error::SourceUnwritable`] when they can't be written.
    pub fn mark(&self, generation: Generation) -> Result<(), Error> {
        let marker = Marker {
            release: self.release(),
            generation,
        };
        let mark = || {
            let store = Store::open(self.root.try_clone()?)?;
            store.set_manifest(Some(self.manifest()))?;
            store.set_marker(&marker, None)
        };
        mark().map_err(|source| Error::SourceUnwritable {
            path: self.directory.clone(),
            source,
        })
    }

    /// Things worth knowing that are no faults: entries that are not carried, an index that could not
    /// be kept.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// Walks a source tree in parallel and finds out what it is: digests that are known from an earlier
/// scan and whose files were not touched since are taken from the index, everything else is read.
///
/// The index is kept in `.release` inside the source, if that can be written.
pub fn scan(source: &Path, options: &Options, monitor: &dyn Monitor) -> Result<Source, Error> {
    let root = Root::open(source).map_err(|error| Error::Source {
        path: source.to_owned(),
        source: error,
    })?;
    Source::of(root, source.to_owned(), options, monitor, true)
}

impl Source {
    /// Scans a tree that is open. `keep_index` lets `.release` be made or changed in it.
    pub(crate) fn of(
        root: Root,
        directory: PathBuf,
        options: &Options,
        monitor: &dyn Monitor,
        keep_index: bool,
    ) -> Result<Self, Error> {
        let unreadable = |error: io::Error| Error::Source {
            path: directory.clone(),
            source: error,
        };
        let filter = Filter::new(&options.exclude)?;
        let mut notes = Vec::new();
        let again = root.try_clone().map_err(unreadable)?;
        let store = if keep_index {
            Store::open(again).ok()
        } else {
            Store::open_existing(again).ok().and_then(Result::ok)
        };
        if keep_index && store.is_none() {
            notes.push(String::from(
                "the source can't be written to: every file is read each time",
            ));
        }
        let index = store.as_ref().and_then(Store::index);
        let progress = Progress::default();
        let mut scan_options = ScanOptions::new(&filter);
        scan_options.checksum = options.checksum;
        scan_options.index = index.as_ref();
        scan_options.progress = &progress;
        let scan =
            watched(&progress, monitor, || scan_tree(&root, &scan_options)).map_err(unreadable)?;
        let scan = readable(scan)?;
        if let Some(store) = &store
            && keep_index
            && !scan.index_is_current
            && store.set_index(&scan.index()).is_err()
        {
            notes.push(String::from("the source's index can't be written"));
        }
        notes.extend(left_out(&scan));
        notes.extend(untied(&scan));
        let names = Names::system(options.numeric_owner);
        let manifest = scan
            .manifest(&names)
            .map_err(|error| unreadable(io::Error::other(error)))?;
        if manifest.is_empty() && !options.allow_empty {
            return Err(Error::SourceEmpty { path: directory });
        }
        let mut release = Release::new(manifest);
        check_length(&directory, release.length)?;
        if let Some(store) = store.filter(|_| keep_index) {
            // Of no consequence where it fails: hosts are told all of the next list then.
            let _ = store.keep_recent(release.id, &release.manifest);
            release = release.after(Arc::new(Recent(store)));
        }
        Ok(Self {
            root,
            release: Arc::new(release),
            notes,
            directory,
            trace: Arc::new(scan.trace()),
            filter,
        })
    }
}

/// What the source was before, as far as that was kept.
#[derive(Debug)]
struct Recent(Store);

impl Earlier for Recent {
    fn manifest(&self, release: ReleaseId) -> Option<Vec<u8>> {
        self.0.recent(release)
    }
}

/// A manifest that every host would refuse is refused here, before anything is done.
fn check_length(directory: &Path, bytes: u64) -> Result<(), Error> {
    let limit = Manifest::MAX_BYTES as u64;
    if bytes <= limit {
        return Ok(());
    }
    Err(Error::SourceTooLarge {
        path: directory.to_owned(),
        bytes,
        limit,
    })
}

fn left_out(scan: &Scan) -> Option<String> {
    let first = scan.specials.first()?;
    Some(match scan.specials.len() {
        1 => format!("a device, fifo or socket is left out: `{first}`"),
        count => {
            format!("{count} devices, fifos and sockets are left out, the first of them `{first}`")
        }
    })
}

/// A release has no hard links.
fn untied(scan: &Scan) -> Option<String> {
    Some(match scan.linked {
        0 => return None,
        1 => String::from(
            "1 file has another name as well, and is one of its own on hosts: no hard link",
        ),
        count => format!(
            "{count} files have other names as well, and are files of their own on hosts: no hard links"
        ),
    })
}

/// Runs a scan and tells the monitor, now and then and at the end, how far it is.
fn watched<R>(progress: &Progress, monitor: &dyn Monitor, run: impl FnOnce() -> R) -> R {
    let tell = || {
        monitor.event(Event::Scanning {
            entries: progress.entries.load(Ordering::Relaxed),
            bytes_hashed: progress.bytes_hashed.load(Ordering::Relaxed),
        });
    };
    let result = std::thread::scope(|scope| {
        let (running, ended) = mpsc::channel::<()>();
        scope.spawn(move || {
            while ended.recv_timeout(TELL) == Err(RecvTimeoutError::Timeout) {
                tell();
            }
        });
        let result = run();
        drop(running);
        result
    });
    tell();
    result
}

/// A source of which something can't be read is none: a release without it would delete it everywhere.
fn readable(mut scan: Scan) -> Result<Scan, Error> {
    let count = scan.unreadable.len();
    if count == 0 {
        return Ok(scan);
    }
    let (first, source) = scan.unreadable.swap_remove(0);
    Err(Error::SourceUnreadable {
        count,
        first,
        source,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_manifest_that_no_host_takes_is_refused() {
        let source = Path::new("/source");
        check_length(source, 1 << 30).unwrap();
        let error = check_length(source, (1 << 30) + 1).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the source /source has too many entries: their list is 1073741825 bytes long, \
             and a host takes 1073741824"
        );
    }
}
