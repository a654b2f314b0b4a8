//! Making a staged release current, layout `tree`.
//!
//! Files are renamed into place in manifest order and deletions come last, so that what refers to a new
//! file is newer than the file, and what an old file refers to is there as long as it. Before that, files that
//! stay get their attributes, for which no order is needed. Directories get their modes and times at the end, when
//! nothing changes in them any more.
//!
//! Cut off at any point, the tree is a mixture whose missing part is still staged: the next run's plan
//! finds just that.

use std::collections::HashSet;
use std::io;

use rayon::prelude::*;
use release_core::{Digest, Entry, Manifest, RelPath, ReleaseId};
use rustix::fs::AtFlags;
use rustix::io::Errno;

use super::{Attributes, Stage, Store, Undo, attributes, discard_stages, undo};
use crate::confine::ParentCache;
use crate::plan::{Action, Owners, Plan, Step};
use crate::tree::{Found, FoundKind};

/// Files that a thread gives their attributes before it looks for more.
const ADJUSTED_AT_ONCE: usize = 128;

/// What a commit works with.
pub(crate) struct Commit<'a> {
    /// Where.
    pub(crate) store: &'a Store,
    /// The new entries.
    pub(crate) stage: &'a Stage,
    /// What the tree becomes.
    pub(crate) manifest: &'a Manifest,
    /// What it is.
    pub(crate) tree: &'a [Found],
    /// The difference.
    pub(crate) plan: &'a Plan,
    /// What owners are here; `None` where they can't be set.
    pub(crate) owners: Option<&'a Owners>,
    /// Where displaced content goes; `None`: it goes for good.
    pub(crate) undo: Option<Undo>,
}

/// What a commit did.
#[derive(Debug, Default)]
pub(crate) struct Committed {
    /// Entries that were deleted.
    pub(crate) deleted: u64,
    /// Files that were given other attributes and had, a moment before, not been touched since the
    /// scan: what is in them need not be read again. Their inodes, and indices into the manifest.
    pub(crate) untouched: Vec<(u64, u32)>,
}

/// Where a commit stopped.
#[derive(Debug, thiserror::Error)]
#[error("`{path}` can't be put in place")]
pub(crate) struct CommitError {
    path: RelPath,
    #[source]
    source: io::Error,
}

impl Commit<'_> {
    /// Changes the tree.
    pub(crate) fn run(&self) -> Result<Committed, CommitError> {
        let mut work = Hand {
            commit: self,
            displaced: self.displaced(),
            in_tree: ParentCache::default(),
            in_stage: ParentCache::default(),
            deleted: 0,
        };
        let touched = self.touched();
        let opened = self.open_up().map_err(at(&RelPath::root()))?;
        let untouched = self.adjust()?;
        for &old in &self.plan.clearings {
            let found = &self.tree[old as usize];
            work.remove(found).map_err(at(&found.path))?;
        }
        let mut moved: Option<&RelPath> = None;
        for step in &self.plan.steps {
            let entry = &self.manifest.entries()[step.entry as usize];
            if moved.is_some_and(|directory| entry.path.is_within(directory)) {
                continue;
            }
            work.place(entry, step).map_err(at(&entry.path))?;
            if step.action == Action::Directory {
                moved = Some(&entry.path);
            }
        }
        for &old in &self.plan.deletions {
            let found = &self.tree[old as usize];
            work.remove(found).map_err(at(&found.path))?;
        }
        // From the end: a directory may be closed only when those inside it are done.
        for &index in touched.iter().rev() {
            let entry = &self.manifest.entries()[index as usize];
            work.settle(entry).map_err(at(&entry.path))?;
        }
        for found in opened {
            self.close(found).map_err(at(&found.path))?;
        }
        Ok(Committed {
            deleted: work.deleted,
            untouched,
        })
    }

    /// Gives files and symlinks that stay their attributes. Which of them were not touched since the scan?
    fn adjust(&self) -> Result<Vec<(u64, u32)>, CommitError> {
        let entries = self.manifest.entries();
        let steps = self.plan.steps.iter().filter(|step| {
            step.action == Action::Attributes && !entries[step.entry as usize].is_directory()
        });
        let steps: Vec<&Step> = steps.collect();
        let lots = steps.par_chunks(ADJUSTED_AT_ONCE).map(|lot| {
            let mut parents = ParentCache::default();
            let mut untouched = Vec::with_capacity(lot.len());
            for step in lot {
                let entry = &entries[step.entry as usize];
                let adjusted = self.adjust_one(&mut parents, entry, step);
                let inode = adjusted.map_err(at(&entry.path))?;
                untouched.extend(inode.map(|inode| (inode, step.entry)));
            }
            Ok(untouched)
        });
        let lots: Result<Vec<_>, CommitError> = lots.collect();
        Ok(lots?.concat())
    }

    /// The inode, if it was not touched since the scan.
    fn adjust_one(
        &self,
        parents: &mut ParentCache,
        entry: &Entry,
        step: &Step,
    ) -> io::Result<Option<u64>> {
        let (parent, name) = parents.parent(&self.store.tree, &entry.path)?;
        let attributes = Attributes::of(entry, self.owners);
        let old = step.old.map(|old| &self.tree[old as usize]);
        let Some(old) = old.filter(|old| attributes::has(parent, name, old.stamp)) else {
            attributes.set_at(parent, name)?;
            return Ok(None);
        };
        attributes.set_on_found(parent, name, old)?;
        Ok(Some(old.stamp.inode))
    }

    /// Drops stages and earlier undos, once the tree is proven.
    pub(crate) fn clean_up(self, release: ReleaseId) -> io::Result<()> {
        let private = &self.store.private;
        let others = Stage::others(private, release)?;
        if !others.is_empty() {
            let retained = self.retained();
            Undo::rescue(self.store, &others, |digest| retained.contains(digest))?;
        }
        discard_stages(private)?;
        match self.undo {
            Some(_) => Undo::conclude(self.store, release),
            None => undo::clear(self.store, None),
        }
    }

    /// Content that the new tree has, wherever: no undo needs to keep it.
    fn retained(&self) -> HashSet<Digest> {
        let files = self.manifest.entries().iter().filter_map(Entry::file);
        files.map(|(_, digest)| digest).collect()
    }

    /// Content of the tree that the new one does not have.
    fn displaced(&self) -> HashSet<Digest> {
        if self.undo.is_none() {
            return HashSet::new();
        }
        let Plan {
            steps,
            clearings,
            deletions,
            ..
        } = self.plan;
        let replaced = steps.iter().filter_map(|step| step.old);
        let gone = clearings.iter().chain(deletions).copied();
        let mut displaced: HashSet<Digest> = replaced
            .chain(gone)
            .filter_map(|old| self.tree[old as usize].file())
            .map(|(_, digest)| digest)
            .collect();
        if !displaced.is_empty() {
            for (_, digest) in self.manifest.entries().iter().filter_map(Entry::file) {
                displaced.remove(&digest);
            }
        }
        displaced
    }

    /// Directories of the manifest that are made, changed, or that something changes in: by index,
    /// sorted.
    fn touched(&self) -> Vec<u32> {
        let mut touched = HashSet::new();
        let mut last: Option<&[u8]> = None;
        let entries = self.manifest.entries();
        let steps = self
            .plan
            .steps
            .iter()
            .map(|step| &entries[step.entry as usize]);
        let gone = self.plan.clearings.iter().chain(&self.plan.deletions);
        let gone = gone.map(|&old| &self.tree[old as usize].path);
        for path in steps.clone().map(|entry| &entry.path).chain(gone) {
            if last == Some(path.parent_bytes()) && !path.is_root() {
                continue;
            }
            last = Some(path.parent_bytes());
            let parent = path.parent().and_then(|parent| self.manifest.find(&parent));
            touched.extend(parent.map(|(index, _)| index as u32));
        }
        for step in &self.plan.steps {
            if entries[step.entry as usize].is_directory() {
                touched.insert(step.entry);
            }
        }
        let mut touched: Vec<u32> = touched.into_iter().collect();
        touched.retain(|&index| entries[index as usize].is_directory());
        touched.sort_unstable();
        touched
    }

    /// Lets us work inside directories that are read-only for their owner, and gives back those that
    /// the release does not have. Root needs no permission.
    fn open_up(&self) -> io::Result<Vec<&Found>> {
        if self.owners.is_some() {
            return Ok(Vec::new());
        }
        let is_closed =
            |found: &&Found| found.kind == FoundKind::Directory && found.mode & 0o300 != 0o300;
        let mut closed: Vec<&Found> = self.tree.iter().filter(is_closed).collect();
        if closed.is_empty() {
            return Ok(closed);
        }
        let entries = self.manifest.entries();
        let placed = self
            .plan
            .steps
            .iter()
            .map(|step| &entries[step.entry as usize].path);
        let gone = self.plan.clearings.iter().chain(&self.plan.deletions);
        let gone = gone.map(|&old| &self.tree[old as usize].path);
        let changing: HashSet<&[u8]> = placed
            .chain(gone)
            .filter(|path| !path.is_root())
            .map(RelPath::parent_bytes)
            .collect();
        closed.retain(|found| changing.contains(found.path.as_bytes()));
        for found in &closed {
            if found.path.is_root() {
                attributes::change_mode(&self.store.tree, b".", 0o700)?;
                continue;
            }
            let (parent, name) = self.store.tree.parent(&found.path)?;
            attributes::change_mode(&parent, name, 0o700)?;
        }
        // One that goes is no more, and where it was may be a file or a symlink.
        let gone = self.plan.clearings.iter().chain(&self.plan.deletions);
        let gone: HashSet<&RelPath> = gone.map(|&old| &self.tree[old as usize].path).collect();
        closed.retain(|found| {
            !gone.contains(&found.path) && self.manifest.find(&found.path).is_none()
        });
        Ok(closed)
    }

    /// Closes a directory again that stays although the release does not have it.
    fn close(&self, found: &Found) -> io::Result<()> {
        let (parent, name) = match self.store.tree.parent(&found.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        match attributes::change_mode(&parent, name, found.mode) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

fn at(path: &RelPath) -> impl FnOnce(io::Error) -> CommitError {
    let path = path.clone();
    move |source| CommitError { path, source }
}

struct Hand<'a> {
    commit: &'a Commit<'a>,
    /// Content that the undo keeps.
    displaced: HashSet<Digest>,
    in_tree: ParentCache,
    in_stage: ParentCache,
    deleted: u64,
}

impl Hand<'_> {
    fn place(&mut self, entry: &Entry, step: &Step) -> io::Result<()> {
        let Commit {
            store, stage, tree, ..
        } = self.commit;
        match step.action {
            // Done already, or at the end.
            Action::Attributes => return Ok(()),
            Action::File(_) | Action::Symlink => {
                self.keep(step.old.map(|old| &tree[old as usize]))?;
            }
            Action::Directory => {}
        }
        let (from, name) = self.in_stage.parent(stage.root(), &entry.path)?;
        let (to, _) = self.in_tree.parent(&store.tree, &entry.path)?;
        Ok(rustix::fs::renameat(from, name, to, name)?)
    }

    /// Saves the content of a file that is about to be replaced by a rename.
    fn keep(&mut self, old: Option<&Found>) -> io::Result<()> {
        let Some((found, digest)) = old.and_then(|old| self.to_keep(old)) else {
            return Ok(());
        };
        let (Some(undo), (parent, name)) = (
            &self.commit.undo,
            self.in_tree.parent(&self.commit.store.tree, &found.path)?,
        ) else {
            return Ok(());
        };
        undo.keep(parent, name, &digest)
    }

    fn to_keep<'f>(&self, found: &'f Found) -> Option<(&'f Found, Digest)> {
        let (_, digest) = found.file()?;
        self.displaced.contains(&digest).then_some((found, digest))
    }

    /// Takes an entry out of the tree.
    fn remove(&mut self, found: &Found) -> io::Result<()> {
        let kept = self.to_keep(found).map(|(_, digest)| digest);
        let (parent, name) = self.in_tree.parent(&self.commit.store.tree, &found.path)?;
        let removed = match (&found.kind, kept, &self.commit.undo) {
            (FoundKind::Directory, ..) => {
                let removed = rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR);
                self.in_tree.forget();
                removed
            }
            (_, Some(digest), Some(undo)) => {
                undo.take(parent, name, &digest)?;
                Ok(())
            }
            _ => rustix::fs::unlinkat(parent, name, AtFlags::empty()),
        };
        match removed {
            // Somebody was faster.
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        self.deleted += 1;
        Ok(())
    }

    /// Gives a directory its mode, owner and time.
    fn settle(&mut self, entry: &Entry) -> io::Result<()> {
        let Commit { store, owners, .. } = self.commit;
        let attributes = Attributes::of(entry, *owners);
        if entry.path.is_root() {
            return attributes.set(&store.tree);
        }
        let (parent, name) = self.in_tree.parent(&store.tree, &entry.path)?;
        attributes.set_at(parent, name)
    }
}
