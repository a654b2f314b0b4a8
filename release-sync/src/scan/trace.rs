//! What a scan saw of each entry, in eight bytes, to tell later whether it is still so.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};

use release_core::{Entry, RelPath, Timestamp};

use super::Scan;
use super::stat::stat_fd;
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
    /// Is an open file still as the scan saw the manifest's entry of that number? What was read of it before this
    /// is then what the scan has the digest of, as far as a scan can trust what it knows of a file: a later change
    /// has another ctime, since scans leave the tick of a change before they read.
    pub(crate) fn is_still(&self, number: usize, file: &File) -> bool {
        let Ok((stat, _)) = stat_fd(file) else {
            return false;
        };
        // Where it is does not matter.
        let found = Found::new(RelPath::root(), &stat, &[]);
        self.0.get(number) == Some(&print_with(&found, Some(found.stamp)))
    }

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
    // Making `.release` moves the root's ctime, which says nothing about the tree.
    let is_root = found.path == RelPath::root();
    print_with(found, (!is_root).then_some(found.stamp))
}

fn print_with(found: &Found, stamp_of_it: Option<Stamp>) -> u64 {
    let mut hasher = DefaultHasher::new();
    (found.mode, found.uid, found.gid).hash(&mut hasher);
    time(found.mtime).hash(&mut hasher);
    if let Some(it) = stamp_of_it {
        stamp(it).hash(&mut hasher);
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::filter::Filter;
    use crate::scan::testing::{Tree, path};
    use crate::scan::{Names, ScanOptions, scan_tree};

    #[test]
    fn a_file_is_no_longer_what_was_seen_once_it_was_edited() {
        let tree = Tree::new();
        // Not carried by a manifest, and so no part of its numbers.
        tree.fifo(b"a fifo");
        tree.write(b"file", "old");
        tree.write(b"other", "old");
        let filter = Filter::none();
        let scan = scan_tree(&tree.root(), &ScanOptions::new(&filter)).unwrap();
        let trace = scan.trace();
        let manifest = scan.manifest(&Names::system(true)).unwrap();
        let number = |name| {
            let mut entries = manifest.entries().iter();
            entries.position(|it| it.path == path(name)).unwrap()
        };
        let open = |name: &str| File::open(tree.at(name.as_bytes())).unwrap();
        let is_still = |name| trace.is_still(number(name), &open(name));
        assert!(is_still("file") && is_still("other"));
        assert!(!trace.is_still(number("file"), &open("other")));
        assert!(!trace.is_still(manifest.entries().len(), &open("file")));
        let file = File::options().write(true).open(tree.at(b"file")).unwrap();
        let time = file.metadata().unwrap().modified().unwrap();
        std::fs::write(tree.at(b"file"), "new").unwrap();
        file.set_modified(time).unwrap();
        assert!(!is_still("file") && is_still("other"));
    }
}
