//! The lists of the trees that a source was found to be of late.
//!
//! A host that still has one of them is told a new release by what differs from it. Nothing depends on
//! a list being here: one that is missing, or is not what its name says, costs a longer message.

use std::io::{self, Write};

use release_core::{Digest, Manifest, ReleaseId};
use rustix::fs::AtFlags;

use super::{
    MAX_MANIFEST, Store, create, make_subdirectory, names, read_small, subdirectory, unlink,
};

/// The directory of all lists, in `.release`, each named by its release.
const RECENT: &[u8] = b"recent";

/// How many are kept. A plan is a look at the source, too: some of those are never given out.
const KEPT: usize = 4;

/// What a list is called until it is whole.
const UNFINISHED: &[u8] = b"new";

impl Store {
    /// Keeps a list, unless it is here already, and lets go of the oldest.
    ///
    /// Not durable, which it need not be.
    pub(crate) fn keep_recent(&self, release: ReleaseId, manifest: &Manifest) -> io::Result<()> {
        let recent = make_subdirectory(&self.private, RECENT)?;
        let name = release.to_string();
        let now = rustix::fs::Timespec {
            tv_sec: 0,
            tv_nsec: rustix::fs::UTIME_NOW,
        };
        let times = rustix::fs::Timestamps {
            last_access: now,
            last_modification: now,
        };
        // One that comes back is the newest again.
        match rustix::fs::utimensat(&recent, &*name, &times, AtFlags::SYMLINK_NOFOLLOW) {
            Err(rustix::io::Errno::NOENT) => {}
            other => return Ok(other?),
        }
        unlink(&recent, UNFINISHED)?;
        let mut file = create(&recent, UNFINISHED)?;
        file.write_all(&manifest.encode())?;
        drop(file);
        rustix::fs::renameat(&recent, UNFINISHED, &recent, &*name)?;
        let mut all = Vec::new();
        for name in names(&recent)? {
            let found = rustix::fs::statat(&recent, &*name, AtFlags::SYMLINK_NOFOLLOW)?;
            all.push((found.st_mtime, found.st_mtime_nsec, name));
        }
        all.sort_unstable_by(|a, b| b.cmp(a));
        let old = all.iter().filter(|(.., other)| *other != name.as_bytes());
        old.skip(KEPT - 1)
            .try_for_each(|(.., name)| unlink(&recent, name))
    }

    /// The list of a release, if it is here.
    pub(crate) fn recent(&self, release: ReleaseId) -> Option<Vec<u8>> {
        let recent = subdirectory(&self.private, RECENT).ok()?;
        let name = release.to_string();
        let (bytes, _) = read_small(&recent, name.as_bytes(), MAX_MANIFEST).ok()??;
        (Digest::of(&bytes) == *release.digest()).then_some(bytes)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use release_core::{Entry, Kind, Meta, Principal, RelPath, Timestamp};

    use super::*;
    use crate::scan::testing::Tree;

    fn manifest(seconds: i64) -> Manifest {
        let root = Entry {
            path: RelPath::root(),
            meta: Meta {
                mode: 0o755,
                user: 0,
                group: 0,
                mtime: Timestamp { seconds, nanos: 0 },
            },
            kind: Kind::Directory,
        };
        let table = vec![Principal { id: 0, name: None }];
        Manifest::new(table.clone(), table, vec![root]).unwrap()
    }

    #[test]
    fn the_last_few_lists_are_kept() {
        let tree = Tree::new();
        let store = Store::open(tree.root()).unwrap();
        let lists: Vec<Manifest> = (0..KEPT as i64 + 3).map(manifest).collect();
        assert_eq!(store.recent(lists[0].release_id()), None);
        for list in &lists {
            store.keep_recent(list.release_id(), list).unwrap();
            // As if it had been looked at before each of the others.
            store.keep_recent(lists[0].release_id(), &lists[0]).unwrap();
        }
        let kept = |list: &Manifest| store.recent(list.release_id()) == Some(list.encode());
        let kept: Vec<bool> = lists.iter().map(kept).collect();
        let all: Vec<bool> = (0..lists.len())
            .map(|n| n == 0 || n > lists.len() - KEPT)
            .collect();
        assert_eq!(kept, all);
    }

    #[test]
    fn what_is_not_what_its_name_says_is_none() {
        let tree = Tree::new();
        let store = Store::open(tree.root()).unwrap();
        let (list, other) = (manifest(1), manifest(2));
        store.keep_recent(list.release_id(), &list).unwrap();
        let file = tree
            .path()
            .join(".release/recent")
            .join(list.release_id().to_string());
        std::fs::write(file, other.encode()).unwrap();
        assert_eq!(store.recent(list.release_id()), None);
    }
}
