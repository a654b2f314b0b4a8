//! Manifest × tree → what to do, as data.
//!
//! A plan says how a tree becomes a release: which entries are made, changed or deleted, and where the
//! content of each file comes from. It does nothing; it can be printed, compared and tested.

mod difference;
mod itemize;
mod origin;
mod predecessor;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use release_core::{Digest, Manifest, Meta, RelPath};

pub(crate) use itemize::{itemize, summarize};

use crate::tree::Found;

/// Where the content of a file comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nowhere: the file is empty.
    Empty,
    /// It is staged already, by a run that was cut off.
    Staged,
    /// A file of the tree has it: index into the tree.
    Tree(u32),
    /// It was kept aside (an undo or an older stage): index into the keepsakes.
    Kept(u32),
    /// Another entry of this plan brings it: index into the manifest.
    Twin(u32),
    /// The controller sends it, as a delta if there is a basis: index into the tree.
    Wanted {
        /// The file at the same path, or else one that the new file probably was.
        basis: Option<u32>,
    },
}

/// What is to be done for one entry of the manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Mode, owner or time differ; the content is right.
    Attributes,
    /// A directory is made.
    Directory,
    /// A symlink is made.
    Symlink,
    /// A file is made or replaced.
    File(Origin),
}

/// One entry that has to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Index into the manifest.
    pub(crate) entry: u32,
    /// What is to be done.
    pub(crate) action: Action,
    /// What stands at the path now: index into the tree.
    pub(crate) old: Option<u32>,
}

/// Why an entry can't be put in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// It lies below another mount.
    Mount(RelPath),
    /// A directory is in the way, and what is in it is to stay.
    Directory,
    /// Something that the tree's listing leaves out is in the way of a directory.
    Unlisted,
    /// The directory will not let its owner read it, who is not root.
    Unreadable,
}

/// How a tree becomes a release.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Entries that change, in manifest order.
    pub(crate) steps: Vec<Step>,
    /// Entries of the tree that have to make way for a step of another kind, what is inside a
    /// directory before it: indices into the tree.
    pub(crate) clearings: Vec<u32>,
    /// The other entries of the tree that go, in the same order.
    pub(crate) deletions: Vec<u32>,
    /// Entries that can't be put in place.
    pub(crate) obstacles: Vec<(u32, Obstacle)>,
    /// Entries that stay although the release does not have them: mounts, and directories with something
    /// in them that is to stay. Indices into the tree.
    pub(crate) kept: Vec<u32>,
}

impl Plan {
    /// Is the tree the release already?
    pub(crate) fn is_empty(&self) -> bool {
        self.steps.is_empty()
            && self.clearings.is_empty()
            && self.deletions.is_empty()
            && self.obstacles.is_empty()
    }

    /// How many entries of the tree go.
    pub(crate) fn deleted(&self) -> u64 {
        (self.clearings.len() + self.deletions.len()) as u64
    }
}

/// Users and groups of a manifest as numbers on this machine, by the manifest's indices.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    /// The uid of each of the manifest's users.
    pub(crate) users: Vec<u32>,
    /// The gid of each of the manifest's groups.
    pub(crate) groups: Vec<u32>,
}

impl Owners {
    /// The numbers that an entry's owner and group have here.
    pub(crate) fn of(&self, meta: &Meta) -> (u32, u32) {
        let number = |table: &[u32], index: u32| table.get(index as usize).copied().unwrap_or(0);
        (
            number(&self.users, meta.user),
            number(&self.groups, meta.group),
        )
    }
}

/// What a plan is made from.
pub(crate) struct Situation<'a> {
    /// What the tree is to become.
    pub(crate) manifest: &'a Manifest,
    /// What it is, in [`RelPath`] order.
    pub(crate) tree: &'a [Found],
    /// Directories in which something stays that the tree's listing leaves out, in order. One that the
    /// listing leaves out itself is in the way of whatever the manifest has there.
    pub(crate) holding: &'a [RelPath],
    /// Entries that are other mounts, in order. None lies in another.
    pub(crate) mounts: &'a [RelPath],
    /// Content that was kept aside.
    pub(crate) kept: &'a [Digest],
    /// Entries whose content is staged already.
    pub(crate) staged: &'a HashSet<u32>,
    /// What owners are here; `None` where they can't be set, and so don't matter.
    pub(crate) owners: Option<&'a Owners>,
    /// Delete what the release does not have.
    pub(crate) delete: bool,
}

/// Compares a tree with a manifest.
pub(crate) fn plan(situation: &Situation<'_>) -> Plan {
    let mut plan = difference::difference(situation);
    origin::source(situation, &mut plan.steps);
    plan
}
