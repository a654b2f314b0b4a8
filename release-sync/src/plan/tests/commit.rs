//! A plan carried out on a map, in the order of a real commit.

use std::collections::BTreeMap;

use release_core::RelPath;

use super::model::*;
use crate::plan::{Action, Plan};

/// Carries a plan out as a commit does: clearings, steps, deletions, and then directories.
pub(super) fn carry_out(case: &Case, plan: &Plan) -> Model {
    let tree: Vec<&RelPath> = case.old.keys().collect();
    let entries: Vec<(&RelPath, &Node)> = case.new.iter().collect();
    let mut model = case.old.clone();
    let remove = |model: &mut Model, old: u32| {
        let path = tree[old as usize];
        let inside = |other: &&RelPath| *other != path && other.is_within(path);
        assert!(
            !model.keys().any(|other| inside(&other)),
            "{path} is not empty"
        );
        assert!(!case.holds(path), "{path} holds something");
        assert!(model.remove(path).is_some(), "{path} is removed twice");
    };
    plan.clearings
        .iter()
        .for_each(|&old| remove(&mut model, old));
    let mut settled = BTreeMap::new();
    let mut moved: Option<&RelPath> = None;
    for step in &plan.steps {
        let (path, node) = entries[step.entry as usize];
        assert_eq!(
            step.old.map(|old| tree[old as usize]),
            case.old.get_key_value(path).map(|e| e.0)
        );
        if node.what == What::Directory {
            settled.insert(path, node);
        }
        let parent = path.parent().map(|parent| model[&parent].what.clone());
        assert!(
            parent.is_none_or(|what| what == What::Directory),
            "{path} is in no directory"
        );
        let with_it = moved.is_some_and(|moved| path.is_within(moved));
        match step.action {
            Action::Attributes => {
                assert!(!with_it);
                let inode = model[path].inode;
                let shares =
                    |other: &&mut Node| matches!(other.what, What::File(_)) && other.inode == inode;
                match node.what {
                    // One inode: what one name gets, every other gets as well.
                    What::File(_) => model.values_mut().filter(shares).for_each(|other| {
                        (other.mode, other.mtime) = (node.mode, node.mtime);
                    }),
                    _ => assert_eq!(model[path].what, node.what),
                }
            }
            Action::Directory => {
                assert!(!model.contains_key(path), "{path} is in its own way");
                model.insert(path.clone(), super::model::node(What::Directory, 0o700, 99));
                if !with_it {
                    moved = Some(path);
                }
            }
            Action::Symlink | Action::File(_) => {
                assert!(
                    model
                        .get(path)
                        .is_none_or(|old| old.what != What::Directory)
                );
                // A rename: another inode takes the name.
                let inode = 1000 + u64::from(step.entry);
                model.insert(
                    path.clone(),
                    Node {
                        inode,
                        ..node.clone()
                    },
                );
            }
        }
    }
    plan.deletions
        .iter()
        .for_each(|&old| remove(&mut model, old));
    for (path, node) in settled {
        model.insert(path.clone(), node.clone());
    }
    model.values_mut().for_each(|node| node.inode = 0);
    model
}
