//! What the last commit displaced: the way back, without a transfer.
//!
//! `.release/undo/<release>/` holds the manifest of the tree as it was, its marker if it had one, and in
//! `content/` each file that the new tree no longer has, named by its digest. What the new tree still
//! has is not kept twice.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use release_core::{Digest, Manifest, Marker, RelPath, ReleaseId};
use rustix::fs::AtFlags;
use rustix::io::Errno;

use super::{Stage, Store, make_subdirectory, names, put, read_small, remove_tree, subdirectory};
use crate::confine::Root;
use crate::tree::FoundKind;

const UNDOS: &[u8] = b"undo";
const CONTENT: &[u8] = b"content";
/// Present while a commit is under way. A commit that was cut off is gone on with by the next run, whose
/// tree is neither old nor new: the undo that was begun then stays the way back.
const UNDER_WAY: &[u8] = b"commit";

/// An undo that a commit fills.
#[derive(Debug)]
pub(crate) struct Undo {
    name: Vec<u8>,
    content: Root,
}

impl Undo {
    /// Begins the undo of a commit, or goes on with that of a commit that was cut off.
    ///
    /// `old` is the manifest of the tree as it is, `marker` what the tree claims to be.
    pub(crate) fn begin(
        store: &Store,
        old: &Manifest,
        marker: Option<&Marker>,
    ) -> io::Result<Self> {
        let undos = make_subdirectory(&store.private, UNDOS)?;
        if let Some((name, _)) = read_small(&store.private, UNDER_WAY, 100)?
            && let Ok(undo) = subdirectory(&undos, &name)
        {
            return Ok(Self {
                name,
                content: make_subdirectory(&undo, CONTENT)?,
            });
        }
        let name = old.release_id().to_string().into_bytes();
        let undo = make_subdirectory(&undos, &name)?;
        put(&undo, b"manifest", &old.encode())?;
        if let Some(marker) = marker {
            put(&undo, b"marker", &marker.encode())?;
        }
        let content = make_subdirectory(&undo, CONTENT)?;
        store.put(UNDER_WAY, &name)?;
        Ok(Self { name, content })
    }

    /// Keeps the content of a file that is about to be replaced: the file itself stays where it is.
    pub(crate) fn keep(&self, parent: impl AsFd, name: &[u8], digest: &Digest) -> io::Result<()> {
        let kept = digest.to_string();
        let linked = rustix::fs::linkat(&parent, name, &self.content, &*kept, AtFlags::empty());
        match linked {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            // Not every file system links, and the kernel may refuse to link what others own.
            Err(_) => self.take(parent, name, digest),
        }
    }

    /// Moves away a file that goes.
    pub(crate) fn take(&self, parent: impl AsFd, name: &[u8], digest: &Digest) -> io::Result<()> {
        Ok(rustix::fs::renameat(
            parent,
            name,
            &self.content,
            digest.to_string(),
        )?)
    }

    /// The commit is done: earlier undos go.
    pub(crate) fn finish(self, store: &Store) -> io::Result<()> {
        clear(store, Some(&self.name))
    }

    /// What the last commit displaced, if that was kept.
    pub(crate) fn last(store: &Store) -> io::Result<Option<Manifest>> {
        let Some(undos) = all(store)? else {
            return Ok(None);
        };
        for name in names(&undos)? {
            let undo = subdirectory(&undos, &name)?;
            if let Some((bytes, _)) = read_small(&undo, b"manifest", super::MAX_MANIFEST)? {
                return Manifest::decode(&bytes).map(Some).map_err(io::Error::other);
            }
        }
        Ok(None)
    }
}

/// Ends a commit that keeps no undo: what earlier ones kept goes as well.
pub(super) fn clear(store: &Store, except: Option<&[u8]>) -> io::Result<()> {
    if let Some(undos) = all(store)? {
        for name in names(&undos)?
            .iter()
            .filter(|name| Some(&name[..]) != except)
        {
            remove_tree(&undos, &RelPath::parse(name).map_err(io::Error::other)?)?;
        }
    }
    match rustix::fs::unlinkat(&store.private, UNDER_WAY, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn all(store: &Store) -> io::Result<Option<Root>> {
    match subdirectory(&store.private, UNDOS) {
        Ok(undos) => Ok(Some(undos)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

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
        for found in super::stage::read_all(&root)?.found {
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
