//! Manifest × tree → what to do, as data.
//!
//! A plan says how a tree becomes a release: which entries are made, changed or deleted, and where the
//! content of each file comes from. It does nothing; it can be printed, compared and tested.

mod itemize;

use std::collections::{HashMap, HashSet};

use release_core::{Digest, Entry, Kind, Manifest, Meta, RelPath};

pub(crate) use itemize::{itemize, summarize};

use crate::tree::{Found, FoundKind};

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
        /// The file at the same path.
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
    /// Directories in which something stays that the tree's listing leaves out.
    pub(crate) holding: &'a [RelPath],
    /// Directories that are other mounts.
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
    let mut planner = Planner {
        situation,
        plan: Plan::default(),
    };
    let pairs = pair(situation.manifest.entries(), situation.tree);
    planner.retire(&pairs);
    planner.advance(&pairs);
    planner.untie();
    planner.source();
    planner.plan
}

/// An entry of the manifest, an entry of the tree, or both at one path.
type Pair = (Option<u32>, Option<u32>);

/// Walks both lists, which are in one order, side by side.
fn pair(entries: &[Entry], tree: &[Found]) -> Vec<Pair> {
    let (mut new, mut old) = (0, 0);
    let mut pairs = Vec::with_capacity(entries.len().max(tree.len()));
    while new < entries.len() || old < tree.len() {
        let order = match (entries.get(new), tree.get(old)) {
            (Some(entry), Some(found)) => entry.path.cmp(&found.path),
            (Some(_), None) => std::cmp::Ordering::Less,
            _ => std::cmp::Ordering::Greater,
        };
        pairs.push((
            order.is_le().then_some(new as u32),
            order.is_ge().then_some(old as u32),
        ));
        new += usize::from(order.is_le());
        old += usize::from(order.is_ge());
    }
    pairs
}

struct Planner<'a> {
    situation: &'a Situation<'a>,
    plan: Plan,
}

impl Planner<'_> {
    /// Decides what of the tree goes: from the end, so that what is inside a directory comes first.
    fn retire(&mut self, pairs: &[Pair]) {
        let Situation {
            tree,
            manifest,
            delete,
            holding,
            mounts,
            ..
        } = *self.situation;
        // Mounts, and directories that have to stay because something inside them does.
        let mut held: HashSet<RelPath> = holding.iter().chain(mounts).cloned().collect();
        for directory in holding.iter().chain(mounts) {
            hold_above(directory, &mut held);
        }
        let mut in_the_way: HashSet<&RelPath> = HashSet::new();
        let mut doomed = Vec::new();
        for &(new, old) in pairs.iter().rev() {
            let Some(old) = old else { continue };
            let found = &tree[old as usize];
            let is_directory = matches!(found.kind, FoundKind::Directory);
            let goes = match new {
                None => delete,
                // A file or symlink is replaced by one rename; only a directory makes two of it.
                Some(new) => is_directory != manifest.entries()[new as usize].is_directory(),
            };
            if !goes {
                if new.is_none() {
                    hold_above(&found.path, &mut held);
                }
            } else if held.contains(&found.path) {
                self.plan.kept.push(old);
                hold_above(&found.path, &mut held);
            } else {
                doomed.push(old);
                if new.is_some() {
                    in_the_way.insert(&found.path);
                }
            }
        }
        let clears = |&old: &u32| {
            let path = &tree[old as usize].path;
            !in_the_way.is_empty() && in_the_way.iter().any(|way| path.is_within(way))
        };
        (self.plan.clearings, self.plan.deletions) = doomed.into_iter().partition(clears);
    }

    /// Decides what of the manifest has to be made or changed. Content comes later.
    fn advance(&mut self, pairs: &[Pair]) {
        let Situation { manifest, tree, .. } = *self.situation;
        let kept: HashSet<u32> = self.plan.kept.iter().copied().collect();
        for &(new, old) in pairs {
            let Some(new) = new else { continue };
            let entry = &manifest.entries()[new as usize];
            if let Some(mount) = self.mount_above(&entry.path) {
                let same = old.is_some_and(|old| self.matches(entry, &tree[old as usize]));
                if !same {
                    self.plan.obstacles.push((new, Obstacle::Mount(mount)));
                }
                continue;
            }
            if old.is_some_and(|old| kept.contains(&old)) {
                self.plan.obstacles.push((new, Obstacle::Directory));
                continue;
            }
            let Some(action) = self.action(entry, old.map(|old| &tree[old as usize])) else {
                continue;
            };
            self.plan.steps.push(Step {
                entry: new,
                action,
                old,
            });
        }
    }

    /// Files of the tree that share an inode share their attributes, too: one that is to have others
    /// becomes a file of its own.
    fn untie(&mut self) {
        let Situation { tree, .. } = *self.situation;
        let inode = |old: u32| match tree[old as usize].kind {
            FoundKind::File { .. } => Some(tree[old as usize].stamp.inode),
            _ => None,
        };
        let changes = |step: &Step| match step.action {
            Action::Attributes => step.old.and_then(inode),
            _ => None,
        };
        let mut names: HashMap<u64, u32> = self
            .plan
            .steps
            .iter()
            .filter_map(changes)
            .map(|inode| (inode, 0))
            .collect();
        if names.is_empty() {
            return;
        }
        for inode in (0..tree.len() as u32).filter_map(inode) {
            names.entry(inode).and_modify(|count| *count += 1);
        }
        for step in &mut self.plan.steps {
            if changes(step).is_some_and(|inode| names.get(&inode).is_some_and(|&count| count > 1))
            {
                step.action = Action::File(Origin::Empty);
            }
        }
    }

    fn mount_above(&self, path: &RelPath) -> Option<RelPath> {
        self.situation
            .mounts
            .iter()
            .find(|mount| path.is_within(mount))
            .cloned()
    }

    fn action(&self, entry: &Entry, old: Option<&Found>) -> Option<Action> {
        let same_content = old.is_some_and(|old| same_content(entry, old));
        match (&entry.kind, same_content) {
            (_, true) if self.same_attributes(entry, old?) => None,
            (Kind::Symlink { .. }, _) => Some(Action::Symlink),
            (_, true) => Some(Action::Attributes),
            (Kind::Directory, false) => Some(Action::Directory),
            (Kind::File { .. }, false) => Some(Action::File(Origin::Empty)),
        }
    }

    fn matches(&self, entry: &Entry, old: &Found) -> bool {
        same_content(entry, old) && self.same_attributes(entry, old)
    }

    fn same_attributes(&self, entry: &Entry, old: &Found) -> bool {
        entry.meta.mode == old.mode
            && entry.meta.mtime == old.mtime
            && self
                .situation
                .owners
                .is_none_or(|owners| owners.of(&entry.meta) == (old.uid, old.gid))
    }

    /// Decides where the content of each new file comes from.
    fn source(&mut self) {
        let Situation {
            manifest,
            tree,
            kept,
            staged,
            ..
        } = *self.situation;
        let content = |step: &Step| match step.action {
            Action::File(_) => manifest.entries()[step.entry as usize].file(),
            _ => None,
        };
        let lacking: HashSet<Digest> = self
            .plan
            .steps
            .iter()
            .filter_map(content)
            .map(|(_, digest)| digest)
            .collect();
        let mut here: HashMap<Digest, Origin> = HashMap::with_capacity(lacking.len());
        for (index, digest) in kept.iter().enumerate() {
            if lacking.contains(digest) {
                here.insert(*digest, Origin::Kept(index as u32));
            }
        }
        for (index, found) in tree.iter().enumerate() {
            if let FoundKind::File {
                digest: Some(digest),
                ..
            } = found.kind
                && lacking.contains(&digest)
            {
                here.insert(digest, Origin::Tree(index as u32));
            }
        }
        for step in &mut self.plan.steps {
            let Some((size, digest)) = content(step) else {
                continue;
            };
            let origin = if staged.contains(&step.entry) {
                Origin::Staged
            } else if size == 0 {
                Origin::Empty
            } else if let Some(&origin) = here.get(&digest) {
                origin
            } else {
                Origin::Wanted {
                    basis: step.old.filter(|&old| is_basis(&tree[old as usize])),
                }
            };
            if let Origin::Staged | Origin::Wanted { .. } = origin {
                here.entry(digest).or_insert(Origin::Twin(step.entry));
            }
            step.action = Action::File(origin);
        }
    }
}

/// Adds the directories that `path` lies in.
fn hold_above(path: &RelPath, held: &mut HashSet<RelPath>) {
    let mut above = path.parent();
    while let Some(directory) = above {
        above = directory.parent();
        if !held.insert(directory) {
            break;
        }
    }
}

/// Kind, size, digest and link target: all but the attributes.
fn same_content(entry: &Entry, old: &Found) -> bool {
    match (&entry.kind, &old.kind) {
        (Kind::Directory, FoundKind::Directory) => true,
        (Kind::File { digest, .. }, FoundKind::File { digest: found, .. }) => {
            Some(digest) == found.as_ref()
        }
        (Kind::Symlink { target }, FoundKind::Symlink { target: found }) => target == found,
        _ => false,
    }
}

/// Files smaller than this are sent whole: a signature and a log of copies would save nothing.
const LEAST_BASIS: u64 = 1024;

fn is_basis(found: &Found) -> bool {
    matches!(found.kind, FoundKind::File { size, digest: Some(_) } if size >= LEAST_BASIS)
}

#[cfg(test)]
mod tests;
