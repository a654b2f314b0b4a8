//! The second part of a scan: digests that need not be found out again.

use std::collections::HashMap;
use std::sync::Arc;

use release_core::Manifest;

use super::index::Index;
use super::{Found, FoundKind};

/// Files that this process wrote lately, each as an entry of the manifest that it was written by.
///
/// They are known by inode, size and mtime: their ctime was changed by our own renaming.
#[derive(Debug)]
pub(crate) struct Written {
    manifest: Arc<Manifest>,
    entries: HashMap<u64, u32>,
}

impl Written {
    /// None as yet.
    pub(crate) fn new(manifest: Arc<Manifest>) -> Self {
        Self {
            manifest,
            entries: HashMap::new(),
        }
    }

    /// Notes a file that is complete: its inode, and the index of its entry.
    pub(crate) fn insert(&mut self, inode: u64, entry: u32) {
        self.entries.insert(inode, entry);
    }

    /// Gives found files the digests that they were written with.
    pub(super) fn fill_in(&self, found: &mut [Found]) {
        for file in found {
            if let FoundKind::File { size, digest } = &mut file.kind
                && let Some(&index) = self.entries.get(&file.stamp.inode)
                && let Some(entry) = self.manifest.entries().get(index as usize)
                && let Some((length, written)) = entry.file()
                && (length, entry.meta.mtime) == (*size, file.mtime)
            {
                *digest = Some(written);
            }
        }
    }
}

/// Takes the digests of untouched files from an index. Says whether the index has just these files,
/// all of them untouched.
pub(super) fn fill_in_from_index(found: &mut [Found], index: &Index) -> bool {
    let mut records = index.records();
    let mut record = records.advance();
    let mut is_current = true;
    for file in found {
        let FoundKind::File { size, digest } = &mut file.kind else {
            continue;
        };
        let path = file.path.as_bytes();
        while record.is_some() && records.path() != path && is_before(records.path(), path) {
            is_current = false;
            record = records.advance();
        }
        let here = record.take_if(|_| records.path() == path);
        if here.is_some() {
            record = records.advance();
        }
        let untouched = here.filter(|known| {
            (known.size, known.mtime, known.stamp) == (*size, file.mtime, file.stamp)
                // Git's racy rule: what was changed in the tick in which that scan began, or later,
                // may have been changed once more without a trace.
                && known.stamp.ctime < index.scanned_at()
        });
        match untouched {
            Some(known) => *digest = Some(known.digest),
            None => is_current = false,
        }
    }
    is_current && record.is_none()
}

/// Order of [`release_core::RelPath`], for bytes that are none.
fn is_before(a: &[u8], b: &[u8]) -> bool {
    let slash = |&byte: &u8| byte == b'/';
    a.split(slash).lt(b.split(slash))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use release_core::RelPath;

    use super::is_before;

    proptest! {
        #[test]
        fn order_is_that_of_paths(a in "[a-b./-]{0,5}", b in "[a-b./-]{0,5}") {
            let paths = (RelPath::parse(a.as_bytes()), RelPath::parse(b.as_bytes()));
            if let (Ok(first), Ok(second)) = paths {
                prop_assert_eq!(is_before(a.as_bytes(), b.as_bytes()), first < second);
            }
        }
    }
}
