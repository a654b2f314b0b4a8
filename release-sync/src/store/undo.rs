//! What the last commit displaced: the way back, without a transfer.
//!
//! `.release/undo/<release>/` holds the manifest of the tree as it was, its marker if it had one, and in
//! `content/` each file that the new tree no longer has, named by its digest. What the new tree still
//! has is not kept twice.

mod under_way;

use std::collections::HashSet;
use std::io;
use std::os::fd::AsFd;

use release_core::{Digest, Manifest, Marker, RelPath, ReleaseId};
use rustix::fs::AtFlags;
use rustix::io::Errno;

use self::under_way::UnderWay;
use super::{
    Store, UNDER_WAY, create, make_subdirectory, names, open_file, put, read_small, remove_tree,
    subdirectory, temporary, unlink,
};
use crate::confine::Root;

/// The directory of all undos, in `.release`.
pub(super) const UNDOS: &[u8] = b"undo";
/// Files of an undo, named by their digests.
pub(super) const CONTENT: &[u8] = b"content";
/// Written last: an undo without it was never begun.
const MANIFEST: &[u8] = b"manifest";

/// An undo that a commit fills.
#[derive(Debug)]
pub(crate) struct Undo {
    content: Root,
}

impl Undo {
    /// Begins the undo of a commit, or goes on with that of a commit that was cut off: its tree is
    /// neither old nor new, so the way back is to what was before it. `None` where that one kept nothing,
    /// so that there is no way back, or where it is not known what the tree is.
    ///
    /// `old` is the manifest of the tree as it is, `marker` what the tree claims to be; `restored` is
    /// the undo that this commit itself goes back to.
    pub(crate) fn begin(
        store: &Store,
        old: Option<&Manifest>,
        marker: Option<&Marker>,
        restored: Option<ReleaseId>,
    ) -> io::Result<Option<Self>> {
        let undos = make_subdirectory(&store.private, UNDOS)?;
        let restored = restored.map(name_of);
        if let Some(cut_off) = UnderWay::read(store)? {
            let undo = begun(&undos, cut_off.undo.as_deref())?;
            if cut_off.keeps_nothing() || undo.is_some() {
                if cut_off.restored != restored {
                    UnderWay {
                        restored,
                        ..cut_off
                    }
                    .write(store)?;
                }
                let content = undo.map(|undo| make_subdirectory(&undo, CONTENT));
                return Ok(content.transpose()?.map(|content| Self { content }));
            }
        }
        let undo = old.map(|old| name_of(old.release_id()));
        UnderWay {
            undo: undo.clone(),
            restored,
        }
        .write(store)?;
        let (Some(old), Some(name)) = (old, undo) else {
            return Ok(None);
        };
        let undo = make_subdirectory(&undos, &name)?;
        let content = make_subdirectory(&undo, CONTENT)?;
        if let Some(marker) = marker {
            put(&undo, b"marker", &marker.encode())?;
        }
        put(&undo, MANIFEST, &old.encode())?;
        Ok(Some(Self { content }))
    }

    /// Notes that the commit which begins now keeps nothing. If it is cut off, what earlier ones kept is
    /// no way back any more.
    pub(crate) fn renounce(store: &Store, restored: Option<ReleaseId>) -> io::Result<()> {
        UnderWay {
            undo: None,
            restored: restored.map(name_of),
        }
        .write(store)
    }

    /// Keeps the content of a file that is about to be replaced: the file itself stays where it is.
    pub(crate) fn keep(
        &self,
        parent: impl AsFd + Copy,
        name: &[u8],
        digest: &Digest,
    ) -> io::Result<()> {
        let kept = digest.to_string();
        match rustix::fs::linkat(parent, name, &self.content, &*kept, AtFlags::empty()) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            // Not every file system links, a file has no endless number of names, and the kernel may
            // refuse to link what others own.
            Err(
                Errno::PERM
                | Errno::ACCESS
                | Errno::OPNOTSUPP
                | Errno::NOSYS
                | Errno::MLINK
                | Errno::XDEV,
            ) => self.copy(parent, name, kept.as_bytes()),
            Err(error) => Err(error.into()),
        }
    }

    /// The same where it can't be done by a second name. Moving the file away would leave nothing at its
    /// path for a moment.
    fn copy(&self, parent: impl AsFd, name: &[u8], kept: &[u8]) -> io::Result<()> {
        let mut from = open_file(parent, name)?;
        let temporary = temporary(kept);
        unlink(&self.content, &temporary)?;
        let mut to = create(&self.content, &temporary)?;
        io::copy(&mut from, &mut to)?;
        to.sync_all()?;
        Ok(rustix::fs::renameat(
            &self.content,
            &*temporary,
            &self.content,
            kept,
        )?)
    }

    /// Moves away a file that goes.
    pub(crate) fn take(&self, parent: impl AsFd, name: &[u8], digest: &Digest) -> io::Result<()> {
        rustix::fs::renameat(&parent, name, &self.content, digest.to_string())?;
        // A rename to another name of the same inode does nothing at all.
        unlink(parent, name)
    }

    /// Takes from stages, which are about to be removed, what only they have of the tree that was before
    /// a commit which was cut off: that commit meant to put it elsewhere, and another release came.
    /// `is_retained` says which content the tree has.
    pub(crate) fn rescue(
        store: &Store,
        stages: &[Root],
        is_retained: impl Fn(&Digest) -> bool,
    ) -> io::Result<()> {
        if stages.is_empty() {
            return Ok(());
        }
        let (Some(cut_off), Some(undos)) = (UnderWay::read(store)?, all(store)?) else {
            return Ok(());
        };
        let Some(undo) = begun(&undos, cut_off.undo.as_deref())? else {
            return Ok(());
        };
        let undone = manifest_in(&undo)?;
        let content = make_subdirectory(&undo, CONTENT)?;
        let kept: HashSet<Vec<u8>> = names(&content)?.into_iter().collect();
        let mut missing: HashSet<Digest> = undone
            .iter()
            .flat_map(Manifest::entries)
            .filter_map(|entry| Some(entry.file()?.1))
            .filter(|digest| !is_retained(digest) && !kept.contains(digest.to_string().as_bytes()))
            .collect();
        let undo = Self { content };
        for stage in stages {
            if missing.is_empty() {
                break;
            }
            for found in super::stage::read_all(stage)?.found {
                if let Some((_, digest)) = found.file()
                    && missing.remove(&digest)
                {
                    let (parent, name) = stage.parent(&found.path)?;
                    undo.take(parent, name, &digest)?;
                }
            }
        }
        Ok(())
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
        let Some(undo) = undo else {
            return clear(store, None);
        };
        if let Some(undos) = all(store)? {
            if undo != name_of(current) && begun(&undos, Some(&undo))?.is_some() {
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
            .and_then(|cut_off| cut_off.restored.as_deref());
        if let Some(restored) = restored
            && begun(&undos, Some(restored))?.is_none()
            && let Some(bytes) = store.manifest()?
            && Digest::of(&bytes).to_string().as_bytes() == restored
        {
            // It had been reached, and all that was missing was to clear away.
            return decode(&bytes).map(Some);
        }
        // What is kept of an earlier commit is no way back from one that keeps nothing.
        let others = match cut_off.as_ref().is_some_and(UnderWay::keeps_nothing) {
            true => Vec::new(),
            false => names(&undos)?,
        };
        let cut_off = cut_off.iter().filter_map(|cut_off| cut_off.undo.as_deref());
        let others = others.iter().map(|name| &name[..]);
        for name in restored.into_iter().chain(cut_off).chain(others) {
            if let Some(undo) = begun(&undos, Some(name))?
                && let Some(manifest) = manifest_in(&undo)?
            {
                return Ok(Some(manifest));
            }
        }
        Ok(None)
    }
}

fn manifest_in(undo: &Root) -> io::Result<Option<Manifest>> {
    read_small(undo, MANIFEST, super::MAX_MANIFEST)?
        .map(|(bytes, _)| decode(&bytes))
        .transpose()
}

fn name_of(release: ReleaseId) -> Vec<u8> {
    release.to_string().into_bytes()
}

fn decode(manifest: &[u8]) -> io::Result<Manifest> {
    Manifest::decode(manifest).map_err(io::Error::other)
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
fn begun(undos: &Root, name: Option<&[u8]>) -> io::Result<Option<Root>> {
    let Some(name) = name else { return Ok(None) };
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

/// The directory of all undos, if there is one.
pub(super) fn all(store: &Store) -> io::Result<Option<Root>> {
    match subdirectory(&store.private, UNDOS) {
        Ok(undos) => Ok(Some(undos)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
