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

use super::{
    Stage, Store, UNDER_WAY, make_subdirectory, names, put, read_small, remove_tree, subdirectory,
    unlink,
};
use crate::confine::Root;
use crate::tree::FoundKind;

const UNDOS: &[u8] = b"undo";
const CONTENT: &[u8] = b"content";
/// Written last: an undo without it was never begun.
const MANIFEST: &[u8] = b"manifest";

/// An undo that a commit fills.
#[derive(Debug)]
pub(crate) struct Undo {
    content: Root,
}

impl Undo {
    /// Begins the undo of a commit, or goes on with that of a commit that was cut off: its tree is
    /// neither old nor new, so the way back is to what was before it.
    ///
    /// `old` is the manifest of the tree as it is, `marker` what the tree claims to be; `restored` is
    /// the undo that this commit itself goes back to.
    pub(crate) fn begin(
        store: &Store,
        old: &Manifest,
        marker: Option<&Marker>,
        restored: Option<ReleaseId>,
    ) -> io::Result<Self> {
        let undos = make_subdirectory(&store.private, UNDOS)?;
        let restored = restored.map(|release| release.to_string().into_bytes());
        if let Some(cut_off) = UnderWay::read(store)?
            && let Some(undo) = begun(&undos, &cut_off.undo)?
        {
            if cut_off.restored != restored {
                UnderWay {
                    restored,
                    ..cut_off
                }
                .write(store)?;
            }
            return Ok(Self {
                content: make_subdirectory(&undo, CONTENT)?,
            });
        }
        let name = old.release_id().to_string().into_bytes();
        UnderWay {
            undo: name.clone(),
            restored,
        }
        .write(store)?;
        let undo = make_subdirectory(&undos, &name)?;
        let content = make_subdirectory(&undo, CONTENT)?;
        if let Some(marker) = marker {
            put(&undo, b"marker", &marker.encode())?;
        }
        put(&undo, MANIFEST, &old.encode())?;
        Ok(Self { content })
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
        rustix::fs::renameat(&parent, name, &self.content, digest.to_string())?;
        // A rename to another name of the same inode does nothing at all.
        unlink(parent, name)
    }

    /// The tree is what it should be: earlier undos go, and a commit that was under way is no more,
    /// whether it was this run's or one that was cut off.
    ///
    /// `current` names the tree as it is. A commit that would lead back to it has changed nothing in
    /// the end, so then the undo before it stays.
    pub(crate) fn conclude(store: &Store, current: ReleaseId) -> io::Result<()> {
        let Some(UnderWay { undo, .. }) = UnderWay::read(store)? else {
            return Ok(());
        };
        if let Some(undos) = all(store)? {
            if undo != current.to_string().as_bytes() && begun(&undos, &undo)?.is_some() {
                return clear(store, Some(&undo));
            }
            if let Ok(path) = RelPath::parse(&undo) {
                remove_tree(&undos, &path)?;
            }
        }
        unlink(&store.private, UNDER_WAY)
    }

    /// What the last commit displaced, if that was kept. After going back was cut off it is still what
    /// was gone back to.
    pub(crate) fn last(store: &Store) -> io::Result<Option<Manifest>> {
        let Some(undos) = all(store)? else {
            return Ok(None);
        };
        let cut_off = UnderWay::read(store)?;
        let restored = cut_off
            .as_ref()
            .and_then(|cut_off| cut_off.restored.as_ref());
        if let Some(restored) = restored
            && begun(&undos, restored)?.is_none()
            && let Some(bytes) = store.manifest()?
            && Digest::of(&bytes).to_string().as_bytes() == restored
        {
            // It had been reached, and all that was missing was to clear away.
            return decode(&bytes).map(Some);
        }
        let others = names(&undos)?;
        let cut_off = cut_off.iter().map(|cut_off| &cut_off.undo);
        for name in restored.into_iter().chain(cut_off).chain(&others) {
            if let Some(undo) = begun(&undos, name)?
                && let Some((bytes, _)) = read_small(&undo, MANIFEST, super::MAX_MANIFEST)?
            {
                return decode(&bytes).map(Some);
            }
        }
        Ok(None)
    }
}

fn decode(manifest: &[u8]) -> io::Result<Manifest> {
    Manifest::decode(manifest).map_err(io::Error::other)
}

/// A commit that is under way, or was cut off. Names of undos are release ids in text.
#[derive(Debug)]
struct UnderWay {
    /// The undo that it fills.
    undo: Vec<u8>,
    /// The undo that it goes back to.
    restored: Option<Vec<u8>>,
}

impl UnderWay {
    fn read(store: &Store) -> io::Result<Option<Self>> {
        let text = match read_small(&store.private, UNDER_WAY, 200) {
            // Damaged beyond use: the undo is begun anew.
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => return Ok(None),
            Ok(None) => return Ok(None),
            Ok(Some((text, _))) => text,
            Err(error) => return Err(error),
        };
        let mut lines = text.split(|&byte| byte == b'\n').map(<[u8]>::to_vec);
        let undo = lines.next().unwrap_or_default();
        Ok(Some(Self {
            undo,
            restored: lines.next(),
        }))
    }

    fn write(&self, store: &Store) -> io::Result<()> {
        let restored = self.restored.iter().flat_map(|name| [&b"\n"[..], name]);
        let text: Vec<&[u8]> = std::iter::once(&self.undo[..]).chain(restored).collect();
        store.put(UNDER_WAY, &text.concat())
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
    unlink(&store.private, UNDER_WAY)
}

/// The undo of that name, if all is there that has to be before a commit may change anything.
fn begun(undos: &Root, name: &[u8]) -> io::Result<Option<Root>> {
    let undo = match subdirectory(undos, name) {
        // Damaged names and files in the place of directories are no undo.
        Err(_) => return Ok(None),
        Ok(_) if name.is_empty() => return Ok(None),
        Ok(undo) => undo,
    };
    match rustix::fs::statat(&undo, MANIFEST, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Ok(Some(undo)),
        Err(Errno::NOENT) => Ok(None),
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
