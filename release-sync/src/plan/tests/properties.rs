//! What holds for any tree and any release.

use std::collections::{BTreeSet, HashSet};

use proptest::prelude::*;
use release_core::{Digest, RelPath};

use super::commit::carry_out;
use super::model::*;
use crate::plan::origin::LEAST_BASIS;
use crate::plan::{Action, Origin, Step};
use crate::tree::Found;

proptest! {
    #![proptest_config(crate::testing::cases(2_000))]

    #[test]
    fn a_tree_becomes_the_release(case in case()) {
        let (_, _, plan) = case.plan();
        if !plan.obstacles.is_empty() {
            return Ok(());
        }
        let done = carry_out(&case, &plan);
        for (path, node) in &case.new {
            prop_assert_eq!(done.get(path), Some(&Node { inode: 0, ..node.clone() }), "{}", path);
        }
        for path in done.keys().filter(|path| !case.new.contains_key(*path)) {
            prop_assert!(!case.delete || case.holds(path), "{} should be gone", path);
        }
        for path in case.old.keys().filter(|path| !done.contains_key(*path)) {
            prop_assert!(case.delete, "{} was deleted", path);
        }
        // Then there is nothing left to do.
        let again = Case { old: done, staged: HashSet::new(), ..case.clone() };
        prop_assert!(again.plan().2.is_empty());
    }

    #[test]
    fn what_stays_stands_in_the_way_and_nothing_else_does(case in case()) {
        let (manifest, _, plan) = case.plan();
        let mut expected = BTreeSet::new();
        for (index, (path, node)) in (0u32..).zip(&case.new) {
            let old = case.old.get(path);
            let is_same = old.is_some_and(|old| (&old.what, old.mode, old.mtime)
                == (&node.what, node.mode, node.mtime));
            let in_mount = case.mounts.iter().any(|mount| path.is_within(mount));
            let stays = |other: &RelPath| other != path && other.is_within(path) && !case.delete
                && !case.new.contains_key(other);
            let is_directory = old.is_some_and(|old| old.what == What::Directory);
            let blocked = is_directory && node.what != What::Directory
                && (case.holds(path) || case.old.keys().any(stays));
            if (in_mount && !is_same) || blocked {
                expected.insert(index);
            }
        }
        let obstacles: BTreeSet<u32> = plan.obstacles.iter().map(|(entry, _)| *entry).collect();
        prop_assert_eq!(obstacles, expected);
        for step in &plan.steps {
            let path = &manifest.entries()[step.entry as usize].path;
            prop_assert!(!case.mounts.iter().any(|mount| path.is_within(mount)));
        }
    }

    #[test]
    fn each_list_is_in_order_and_they_share_nothing(case in case()) {
        let (_, tree, plan) = case.plan();
        prop_assert!(plan.steps.is_sorted_by(|a, b| a.entry < b.entry));
        for list in [&plan.clearings, &plan.deletions] {
            prop_assert!(list.is_sorted_by(|a, b| tree[*a as usize].path > tree[*b as usize].path));
        }
        let gone: BTreeSet<u32> = plan.clearings.iter().chain(&plan.deletions).copied().collect();
        prop_assert_eq!(gone.len() as u64, plan.deleted());
        prop_assert!(plan.kept.iter().all(|kept| !gone.contains(kept)));
        // A deletion that has to come early makes way for something.
        for &old in &plan.clearings {
            let path = &tree[old as usize].path;
            let makes_way = |step: &Step| {
                step.old.is_some_and(|old| path.is_within(&tree[old as usize].path))
            };
            let in_a_new_kind = plan.steps.iter().any(makes_way)
                || plan.obstacles.iter().any(|_| true);
            prop_assert!(in_a_new_kind, "{} was cleared for nothing", path);
        }
    }

    #[test]
    fn content_comes_from_where_it_is(case in case()) {
        let (manifest, tree, plan) = case.plan();
        let here: HashSet<Digest> =
            tree.iter().filter_map(Found::file).map(|file| file.1).collect();
        let mut brought = HashSet::new();
        for step in &plan.steps {
            let Action::File(origin) = step.action else { continue };
            let (size, digest) = manifest.entries()[step.entry as usize].file().unwrap();
            match origin {
                Origin::Empty => prop_assert_eq!(size, 0),
                Origin::Staged => {
                    prop_assert!(case.staged.contains(&step.entry));
                    brought.insert(step.entry);
                }
                Origin::Tree(old) => {
                    prop_assert_eq!(tree[old as usize].file(), Some((size, digest)));
                }
                Origin::Kept(kept) => {
                    prop_assert_eq!(case.kept[kept as usize], digest);
                    prop_assert!(!here.contains(&digest));
                }
                Origin::Twin(other) => {
                    prop_assert!(other < step.entry && brought.contains(&other));
                    prop_assert_eq!(manifest.entries()[other as usize].file(), Some((size, digest)));
                }
                Origin::Wanted { basis } => {
                    prop_assert!(size > 0);
                    prop_assert!(!here.contains(&digest) && !case.kept.contains(&digest));
                    let twins = brought.iter().filter_map(|&entry: &u32| {
                        manifest.entries()[entry as usize].file()
                    });
                    let mut twins = twins.map(|file| file.1);
                    prop_assert!(!twins.any(|twin| twin == digest), "wanted twice");
                    brought.insert(step.entry);
                    let old = step.old.map(|old| &tree[old as usize]);
                    let fit = old.and_then(Found::file).is_some_and(|(size, _)| size >= LEAST_BASIS);
                    if fit || basis.is_none() {
                        prop_assert_eq!(basis, step.old.filter(|_| fit));
                    } else if let Some(old) = basis {
                        let old = &tree[old as usize];
                        prop_assert!(old.file().is_some_and(|(size, _)| size >= LEAST_BASIS));
                        let entries = manifest.entries();
                        prop_assert!(entries.iter().all(|entry| entry.path != old.path));
                    }
                }
            }
        }
    }
}
