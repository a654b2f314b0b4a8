#![allow(clippy::unwrap_used, clippy::expect_used)]

mod commit;
mod model;
mod predecessor;
mod properties;

use std::time::{Duration, Instant};

use release_core::RelPath;

use self::commit::carry_out;
use self::model::*;
use super::*;

/// Whatever an entry was, it becomes what it is to be; only directories take more than a rename.
#[test]
fn every_kind_becomes_every_other() {
    use What::*;
    let wanted = Action::File(Origin::Wanted { basis: None });
    let delta = Action::File(Origin::Wanted { basis: Some(1) });
    let table = [
        (Directory, Directory, None, 0),
        (Directory, File(3), Some(wanted), 1),
        (Directory, Link(0), Some(Action::Symlink), 1),
        (File(3), Directory, Some(Action::Directory), 1),
        (File(3), File(3), None, 0),
        (File(3), File(4), Some(wanted), 0),
        (File(5), File(6), Some(delta), 0),
        (File(3), File(0), Some(Action::File(Origin::Empty)), 0),
        (File(3), Link(0), Some(Action::Symlink), 0),
        (Closed, File(3), Some(wanted), 0),
        (Link(0), Directory, Some(Action::Directory), 1),
        (Link(0), File(3), Some(wanted), 0),
        (Link(0), Link(0), None, 0),
        (Link(0), Link(1), Some(Action::Symlink), 0),
        (Special, Directory, Some(Action::Directory), 1),
        (Special, File(3), Some(wanted), 0),
        (Special, Link(0), Some(Action::Symlink), 0),
    ];
    for (old, new, action, cleared) in table {
        let what = format!("{old:?} to {new:?}");
        let case = simple(&[("a", old)], &[("a", new)]);
        let (_, _, plan) = case.plan();
        let actions: Vec<Action> = plan.steps.iter().map(|step| step.action).collect();
        assert_eq!(actions, action.into_iter().collect::<Vec<_>>(), "{what}");
        assert_eq!(
            (plan.clearings.len(), plan.deletions.len()),
            (cleared, 0),
            "{what}"
        );
        carry_out(&case, &plan);
    }
}

#[test]
fn what_is_in_a_directory_goes_before_it() {
    use What::*;
    let old = [
        ("a/b/c", File(1)),
        ("a/b/a", Link(0)),
        ("a/c", File(2)),
        ("b/a", File(3)),
    ];
    let (_, tree, plan) = simple(&old, &[("a", File(4))]).plan();
    let paths = |list: &[u32]| -> Vec<String> {
        list.iter()
            .map(|&old| tree[old as usize].path.to_string())
            .collect()
    };
    assert_eq!(
        paths(&plan.clearings),
        ["a/c", "a/b/c", "a/b/a", "a/b", "a"]
    );
    assert_eq!(paths(&plan.deletions), ["b/a", "b"]);
}

#[test]
fn what_is_not_listed_is_in_the_way_of_whatever_comes_there() {
    use What::*;
    let new = [
        ("a", File(1)),
        ("b", Link(0)),
        ("c/d", File(2)),
        ("e", File(3)),
    ];
    let mut case = simple(&[("c", Directory)], &new);
    case.holding = ["", "a", "b", "c", "c/d"].map(path).to_vec();
    let (manifest, _, plan) = case.plan();
    let index = |name: &str| manifest.find(&path(name)).unwrap().0 as u32;
    let expected = ["a", "b", "c/d"].map(|name| (index(name), Obstacle::Directory));
    assert_eq!(plan.obstacles, expected);
    assert_eq!(summarize(&plan, &manifest).refused, 3);
    case.new = small(&[("a/x", File(1))]);
    case.holding = vec![path("a")];
    assert_eq!(case.plan().2.obstacles, [(1, Obstacle::Unlisted)]);
}

#[test]
fn a_mount_that_is_a_file_stays_as_well() {
    use What::*;
    let case = Case {
        mounts: vec![path("a/b")],
        ..simple(&[("a/b", File(1)), ("a/c", File(2))], &[("b", File(3))])
    };
    let (_, tree, plan) = case.plan();
    let kept: Vec<&RelPath> = plan
        .kept
        .iter()
        .map(|&old| &tree[old as usize].path)
        .collect();
    assert_eq!(kept, [&path("a/b"), &path("a")]);
    assert_eq!(plan.deleted(), 1);
}

#[test]
fn owners_count_only_where_they_can_be_set() {
    let case = simple(&[("a", What::File(1))], &[("a", What::File(1))]);
    let (manifest, tree) = (manifest(&case.new), found(&case.old));
    let with = |owners: Option<&Owners>| {
        let situation = Situation {
            manifest: &manifest,
            tree: &tree,
            holding: &[],
            mounts: &[],
            kept: &[],
            staged: &HashSet::new(),
            owners,
            delete: true,
        };
        plan(&situation).steps.len()
    };
    let owners = |uid, gid| Owners {
        users: vec![uid],
        groups: vec![gid],
    };
    assert_eq!(with(None), 0);
    assert_eq!(with(Some(&owners(0, 0))), 0);
    assert_eq!(with(Some(&owners(1, 0))), 2, "the root and the file");
    assert_eq!(with(Some(&owners(0, 1))), 2);
}

/// Directories that become files, each with something in it.
fn directories_that_become_files(count: usize) -> (Manifest, Vec<Found>) {
    let name = |number: usize| RelPath::parse(format!("{number:06}").as_bytes()).unwrap();
    let numbered = |what: What| (0..count).map(move |number| (name(number), what.clone()));
    let root = || (RelPath::root(), What::Directory);
    let make = |nodes: &mut dyn Iterator<Item = (RelPath, What)>| -> Model {
        nodes
            .map(|(path, what)| (path, node(what, 0o755, 1)))
            .collect()
    };
    let inside = (0..count).map(|number| (name(number).join(b"x").unwrap(), What::File(1)));
    let old = make(&mut numbered(What::Directory).chain(inside).chain([root()]));
    let new = make(&mut numbered(What::File(2)).chain([root()]));
    (manifest(&new), found(&old))
}

/// A release in which everything changes its kind, or with many mounts, is compared in one pass.
#[test]
fn eight_times_as_much_takes_about_eight_times_as_long() {
    let time = |count: usize| {
        let (manifest, tree) = directories_that_become_files(count);
        let mounts: Vec<RelPath> = (0..count)
            .map(|number| RelPath::parse(format!("{number:06}-mount").as_bytes()).unwrap())
            .collect();
        let taken = (0..9).map(|_| {
            let started = Instant::now();
            let plan = plan(&Situation {
                manifest: &manifest,
                tree: &tree,
                holding: &[],
                mounts: &mounts,
                kept: &[],
                staged: &HashSet::new(),
                owners: None,
                delete: true,
            });
            assert_eq!(plan.clearings.len(), 2 * count);
            started.elapsed()
        });
        taken.min().unwrap().max(Duration::from_micros(100))
    };
    let (few, many) = (time(2_000), time(16_000));
    let ratio = many.as_secs_f64() / few.as_secs_f64();
    // Work by pairs would make it 64.
    assert!(ratio < 32.0, "{few:?}, then {many:?}");
}
