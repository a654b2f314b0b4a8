//! What has to be made, changed and deleted; where content comes from is left open.

use std::collections::{HashMap, HashSet};

use release_core::{Entry, Kind, RelPath};

use super::{Action, Obstacle, Origin, Plan, Situation, Step};
use crate::tree::{Found, FoundKind};

/// Compares both lists. Every file that is made is [`Origin::Empty`] until its origin is looked for.
pub(super) fn difference(situation: &Situation<'_>) -> Plan {
    let pairs = pair(situation.manifest.entries(), situation.tree);
    let mut difference = Difference {
        situation,
        plan: Plan::default(),
    };
    difference.retire(&pairs);
    difference.advance(&pairs);
    difference.untie();
    difference.plan
}

/// An entry of the manifest, an entry of the tree, or both at one path.
pub(super) type Pair = (Option<u32>, Option<u32>);

/// Walks both lists, which are in one order, side by side.
pub(super) fn pair(entries: &[Entry], tree: &[Found]) -> Vec<Pair> {
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

struct Difference<'a> {
    situation: &'a Situation<'a>,
    plan: Plan,
}

impl Difference<'_> {
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
                doomed.push((old, new.is_some()));
            }
        }
        self.divide(&doomed);
    }

    /// Divides what goes, each with whether it is in the way of an entry of another kind: what is in such
    /// a directory has to go before. In the order of paths a directory is followed by all that is in it,
    /// so one look at each will do.
    fn divide(&mut self, doomed: &[(u32, bool)]) {
        let tree = self.situation.tree;
        let mut in_the_way: Option<&RelPath> = None;
        for &(old, is_in_the_way) in doomed.iter().rev() {
            let path = &tree[old as usize].path;
            if is_in_the_way {
                in_the_way = Some(path);
            }
            match in_the_way.is_some_and(|way| path.is_within(way)) {
                true => self.plan.clearings.push(old),
                false => self.plan.deletions.push(old),
            }
        }
        self.plan.clearings.reverse();
        self.plan.deletions.reverse();
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
            if let Some(obstacle) = self.obstacle(entry, old, &kept) {
                self.plan.obstacles.push((new, obstacle));
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

    /// What keeps an entry from its place, other mounts apart.
    fn obstacle(&self, entry: &Entry, old: Option<u32>, kept: &HashSet<u32>) -> Option<Obstacle> {
        let holding = self.situation.holding;
        match old {
            Some(old) if kept.contains(&old) => Some(Obstacle::Directory),
            None if holding.binary_search(&entry.path).is_ok() => match entry.is_directory() {
                true => Some(Obstacle::Unlisted),
                false => Some(Obstacle::Directory),
            },
            _ if self.is_shut(entry) => Some(Obstacle::Unreadable),
            _ => None,
        }
    }

    /// A directory that could not be looked into any more, and so never be proven. Root can, and only root
    /// sets owners.
    fn is_shut(&self, entry: &Entry) -> bool {
        let is_root = self.situation.owners.is_some();
        !is_root && entry.is_directory() && entry.meta.mode & 0o500 != 0o500
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

    /// Mounts are not entered, so none lies inside another: of those in order, only the last one before a
    /// path can have it in it.
    fn mount_above(&self, path: &RelPath) -> Option<RelPath> {
        let mounts = self.situation.mounts;
        let before = mounts.partition_point(|mount| mount <= path);
        let mount = mounts[..before].last()?;
        path.is_within(mount).then(|| mount.clone())
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
