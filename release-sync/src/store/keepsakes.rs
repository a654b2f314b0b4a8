//! Content that lies in `.release` and may serve a release.

use std::fs::File;
use std::io;

use release_core::{Digest, RelPath, ReleaseId};

use super::undo::{CONTENT, all};
use super::{Stage, Store, names, stage, subdirectory};
use crate::confine::Root;
use crate::tree::FoundKind;

/// Content that is kept beside the tree: of undos, and of stages that were never committed.
#[derive(Debug, Default)]
pub(crate) struct Keepsakes {
    roots: Vec<Root>,
    /// What each one's content is said to be; whoever uses it finds out.
    pub(crate) digests: Vec<Digest>,
    places: Vec<(usize, RelPath)>,
}

impl Keepsakes {
    /// Everything that is kept, but for the stage of `release`.
    pub(crate) fn gather(store: &Store, release: ReleaseId) -> io::Result<Self> {
        let mut keepsakes = Self::default();
        if let Some(undos) = all(store)? {
            for name in names(&undos)? {
                let undo = subdirectory(&undos, &name)?;
                if let Ok(content) = subdirectory(&undo, CONTENT) {
                    keepsakes.add_undo(content)?;
                }
            }
        }
        for root in Stage::others(&store.private, release)? {
            keepsakes.add_stage(root)?;
        }
        Ok(keepsakes)
    }

    fn add_undo(&mut self, content: Root) -> io::Result<()> {
        for name in names(&content)? {
            let digest = std::str::from_utf8(&name)
                .ok()
                .and_then(|name| name.parse().ok());
            if let (Some(digest), Ok(path)) = (digest, RelPath::parse(&name)) {
                self.digests.push(digest);
                self.places.push((self.roots.len(), path));
            }
        }
        self.roots.push(content);
        Ok(())
    }

    fn add_stage(&mut self, root: Root) -> io::Result<()> {
        for found in stage::read_all(&root)?.found {
            if let FoundKind::File {
                digest: Some(digest),
                ..
            } = found.kind
            {
                self.digests.push(digest);
                self.places.push((self.roots.len(), found.path));
            }
        }
        self.roots.push(root);
        Ok(())
    }

    /// Opens one, by its index in [`Self::digests`].
    pub(crate) fn open(&self, index: u32) -> io::Result<File> {
        let (root, path) = &self.places[index as usize];
        self.roots[*root].file(path)
    }
}
