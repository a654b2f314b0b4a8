//! What a scan saw of each entry, in eight bytes, to tell later whether it is still so.

use std::hash::{DefaultHasher, Hash, Hasher};

use release_core::{Entry, RelPath, Timestamp};

use super::Scan;
use crate::tree::{Found, FoundKind, Stamp};

/// A number for each entry that a manifest carries, in its order.
///
/// Two states of an entry have the same number by a chance of one in 2⁶⁴. The numbers are good in this
/// process only.
#[derive(Debug)]
pub(crate) struct Trace(Vec<u64>);

impl Scan {
    /// Takes down what was seen.
    pub(crate) fn trace(&self) -> Trace {
        Trace(carried(self).map(print).collect())
    }
}

impl Trace {
    /// An entry that `scan` saw otherwise; `entries` are those of the manifest that was made when the trace
    /// was. It is the first one in order, but a directory is named only if nothing else can be: what was
    /// made or removed in it says more.
    ///
    /// Digests are compared too: a file that was changed twice within a tick of the clock looks the same
    /// from outside, and a scan reads such files again.
    pub(crate) fn difference(&self, entries: &[Entry], scan: &Scan) -> Option<RelPath> {
        let mut directory = None;
        let mut now = carried(scan);
        for (entry, &print_then) in entries.iter().zip(&self.0) {
            match now.next() {
                None => return Some(entry.path.clone()),
                // Whichever comes first in order is the one that is only on one side.
                Some(found) if found.path != entry.path => {
                    return Some(found.path.clone().min(entry.path.clone()));
                }
                Some(found) if print(found) == print_then && !is_other_content(found, entry) => {}
                Some(_) if entry.is_directory() => directory = directory.or(Some(&entry.path)),
                Some(_) => return Some(entry.path.clone()),
            }
        }
        let added = now.next().map(|found| &found.path);
        added.or(directory).cloned()
    }
}

fn carried(scan: &Scan) -> impl Iterator<Item = &Found> {
    let found = scan.found.iter();
    found.filter(|found| !matches!(found.kind, FoundKind::Special))
}

/// A file that can't be read is another matter, and the scan says so.
fn is_other_content(found: &Found, entry: &Entry) -> bool {
    found
        .file()
        .is_some_and(|content| entry.file() != Some(content))
}

fn print(found: &Found) -> u64 {
    let mut hasher = DefaultHasher::new();
    (found.mode, found.uid, found.gid).hash(&mut hasher);
    time(found.mtime).hash(&mut hasher);
    // Making `.release` moves the root's ctime, which says nothing about the tree.
    if found.path != RelPath::root() {
        stamp(found.stamp).hash(&mut hasher);
    }
    match &found.kind {
        FoundKind::Directory => 0u8.hash(&mut hasher),
        FoundKind::File { size, .. } => (1u8, size).hash(&mut hasher),
        FoundKind::Symlink { target } => (2u8, target).hash(&mut hasher),
        FoundKind::Special => 3u8.hash(&mut hasher),
    }
    hasher.finish()
}

fn stamp(stamp: Stamp) -> impl Hash {
    (stamp.inode, time(stamp.ctime))
}

fn time(time: Timestamp) -> impl Hash {
    (time.seconds, time.nanos)
}
