//! A release on its way: its new entries, beside the tree, at the paths that they will have.
//!
//! A directory that is new is filled here and moved into the tree by one rename. For a change inside a
//! directory that the tree has, its counterpart here is mere scaffolding.
//!
//! A stage outlives whoever fills it. What an earlier run left is trusted for nothing: every file is
//! read again, and what is not a file of the release, whole and right, goes.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use release_core::{Entry, Kind, Manifest, RelPath, ReleaseId, Timestamp};
use rustix::fs::{AtFlags, Mode};
use rustix::io::Errno;

use super::attributes::set_mtime;
use super::{
    Attributes, Birth, create_with, make_subdirectory, names, remove_tree, subdirectory, unlink,
};
use crate::confine::{ParentCache, Root};
use crate::filter::Filter;
use crate::plan::{Action, Owners, Plan};
use crate::scan::{Scan, ScanOptions, scan_tree};
use crate::tree::FoundKind;

/// The directory of all stages, in `.release`.
const STAGES: &[u8] = b"stage";

/// Where a release is put together.
#[derive(Debug)]
pub(crate) struct Stage {
    root: Root,
}

impl Stage {
    /// Opens the stage of a release, or makes it.
    pub(crate) fn open(private: &Root, release: ReleaseId) -> io::Result<Self> {
        let stages = make_subdirectory(private, STAGES)?;
        let root = make_subdirectory(&stages, release.to_string().as_bytes())?;
        Ok(Self { root })
    }

    /// The stages of other releases, left by runs that never ended: their content may serve.
    pub(crate) fn others(private: &Root, release: ReleaseId) -> io::Result<Vec<Root>> {
        all_but(private, Some(release))
    }

    /// All stages that there are.
    pub(crate) fn all(private: &Root) -> io::Result<Vec<Root>> {
        all_but(private, None)
    }

    /// The directory at which the release's root will be.
    pub(crate) fn root(&self) -> &Root {
        &self.root
    }

    /// What the file system makes of a time: tried on the directory of the stage itself, whose own means
    /// nothing.
    pub(crate) fn try_time(&self, mtime: Timestamp) -> io::Result<Timestamp> {
        set_mtime(self.root.as_fd(), mtime)?;
        let found = rustix::fs::fstat(&self.root)?;
        Ok(Timestamp {
            seconds: found.st_mtime,
            nanos: found.st_mtime_nsec as u32,
        })
    }

    /// Sifts what an earlier run left. What stays are directories of the manifest and files that have
    /// their content; the indices of their entries are given back.
    pub(crate) fn sift(&self, manifest: &Manifest) -> io::Result<HashSet<u32>> {
        let scan = read_all(&self.root)?;
        let mut whole = HashSet::new();
        let mut rubbish: Vec<(&RelPath, bool)> = Vec::new();
        for found in scan.found.iter().skip(1) {
            let entry = manifest.find(&found.path);
            match (
                &found.kind,
                entry.map(|(index, entry)| (index, &entry.kind)),
            ) {
                (FoundKind::Directory, Some((_, Kind::Directory))) => {}
                (
                    FoundKind::File {
                        digest: Some(found),
                        ..
                    },
                    Some((index, Kind::File { digest, .. })),
                ) if found == digest => {
                    whole.insert(index as u32);
                }
                (kind, _) => rubbish.push((&found.path, matches!(kind, FoundKind::Directory))),
            }
        }
        for (path, is_directory) in rubbish.into_iter().rev() {
            if is_directory {
                remove_tree(&self.root, path)?;
            } else {
                let (parent, name) = self.root.parent(path)?;
                rustix::fs::unlinkat(&parent, name, AtFlags::empty())?;
            }
        }
        Ok(whole)
    }

    /// Makes the directories that a plan's entries will be in, and its symlinks.
    pub(crate) fn prepare(
        &self,
        manifest: &Manifest,
        plan: &Plan,
        owners: Option<&Owners>,
    ) -> io::Result<()> {
        let mut parents = ParentCache::default();
        // Directories that are here, each in the one before it: those that the walk is inside of.
        let mut here: Vec<RelPath> = vec![RelPath::root()];
        for step in &plan.steps {
            let entry = &manifest.entries()[step.entry as usize];
            let Some(parent) = entry.path.parent() else {
                continue;
            };
            if step.action == Action::Attributes {
                continue;
            }
            while here.last().is_some_and(|last| !parent.is_within(last)) {
                here.pop();
            }
            if here.last() != Some(&parent) {
                self.ensure_parent(&entry.path)?;
                here.push(parent);
            }
            match &entry.kind {
                Kind::Directory => {
                    let (parent, name) = parents.parent(&self.root, &entry.path)?;
                    make_directory(parent, name)?;
                    here.push(entry.path.clone());
                }
                Kind::Symlink { target } => {
                    let (parent, name) = parents.parent(&self.root, &entry.path)?;
                    rustix::fs::symlinkat(&**target, parent, name)?;
                    Attributes::of(entry, owners).set_at(parent, name)?;
                }
                Kind::File { .. } => {}
            }
        }
        Ok(())
    }

    /// Makes an empty file for an entry, with such of its attributes as a file can be made with.
    pub(crate) fn create(
        &self,
        parents: &mut ParentCache,
        entry: &Entry,
        attributes: &Attributes,
    ) -> io::Result<(File, Birth)> {
        let (parent, name) = parents.parent(&self.root, &entry.path)?;
        let file = create_with(parent, name, attributes.at_birth())?;
        let birth = Birth::of(&file)?;
        Ok((file, birth))
    }

    /// Removes what was made for an entry.
    pub(crate) fn discard(&self, parents: &mut ParentCache, entry: &Entry) -> io::Result<()> {
        let (parent, name) = parents.parent(&self.root, &entry.path)?;
        unlink(parent, name)
    }

    /// Makes the directories above a path, from the first that is missing.
    fn ensure_parent(&self, path: &RelPath) -> io::Result<()> {
        let mut missing = Vec::new();
        let mut above = path.parent();
        while let Some(directory) = above {
            match self.root.directory(&directory) {
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    above = directory.parent();
                    missing.push(directory);
                }
                Err(error) => return Err(error),
            }
        }
        for directory in missing.iter().rev() {
            let (parent, name) = self.root.parent(directory)?;
            make_directory(&parent, name)?;
        }
        Ok(())
    }
}

fn all_but(private: &Root, release: Option<ReleaseId>) -> io::Result<Vec<Root>> {
    let stages = match subdirectory(private, STAGES) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let own = release.map(|release| release.to_string().into_bytes());
    let names = names(&stages)?;
    let others = names.iter().filter(|name| Some(*name) != own.as_ref());
    others.map(|name| subdirectory(&stages, name)).collect()
}

/// Removes every stage.
pub(crate) fn discard_stages(private: &Root) -> io::Result<()> {
    remove_tree(private, &RelPath::parse(STAGES).map_err(io::Error::other)?)
}

/// Lists a directory of ours, and reads every file in it.
pub(super) fn read_all(root: &Root) -> io::Result<Scan> {
    let filter = Filter::none();
    scan_tree(root, &ScanOptions::new(&filter))
}

fn make_directory(parent: impl AsFd, name: &[u8]) -> io::Result<()> {
    match rustix::fs::mkdirat(parent, name, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
