//! Plans carried out on trees that are maps, in the order of a real commit.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use release_core::{Principal, Timestamp};

use super::*;
use crate::tree::Stamp;

/// What stands at a path: the whole of it, attributes too.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Node {
    what: What,
    mode: u16,
    mtime: i64,
    /// Of files: names with one inode are one file.
    inode: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Directory,
    /// Content; files of 9 are large enough for a basis.
    File(u8),
    /// A file that can't be read.
    Closed,
    Link(u8),
    Special,
}

type Model = BTreeMap<RelPath, Node>;

fn path(text: &str) -> RelPath {
    RelPath::parse(text.as_bytes()).unwrap()
}

fn size(content: u8) -> u64 {
    match content {
        0 => 0,
        content if content >= 5 => LEAST_BASIS + u64::from(content),
        content => content.into(),
    }
}

fn digest(content: u8) -> Digest {
    if content == 0 {
        Digest::of(b"")
    } else {
        Digest::of(&[content])
    }
}

fn found(model: &Model) -> Vec<Found> {
    let found = model.iter().map(|(path, node)| Found {
        path: path.clone(),
        mode: node.mode,
        uid: 0,
        gid: 0,
        mtime: time(node),
        stamp: Stamp {
            inode: node.inode,
            ctime: Timestamp::default(),
        },
        kind: match node.what {
            What::Directory => FoundKind::Directory,
            What::File(content) => FoundKind::File {
                size: size(content),
                digest: Some(digest(content)),
            },
            What::Closed => FoundKind::File {
                size: 5,
                digest: None,
            },
            What::Link(target) => FoundKind::Symlink {
                target: Box::new([b'a' + target]),
            },
            What::Special => FoundKind::Special,
        },
    });
    found.collect()
}

fn time(node: &Node) -> Timestamp {
    Timestamp {
        seconds: node.mtime,
        nanos: 0,
    }
}

fn manifest(model: &Model) -> Manifest {
    let entries = model.iter().map(|(path, node)| Entry {
        path: path.clone(),
        meta: Meta {
            mode: node.mode,
            user: 0,
            group: 0,
            mtime: time(node),
        },
        kind: match node.what {
            What::Directory => Kind::Directory,
            What::File(content) => Kind::File {
                size: size(content),
                digest: digest(content),
            },
            What::Link(target) => Kind::Symlink {
                target: Box::new([b'a' + target]),
            },
            What::Closed | What::Special => unreachable!("no release has these"),
        },
    });
    let root = vec![Principal { id: 0, name: None }];
    Manifest::new(root.clone(), root, entries.collect()).unwrap()
}

/// Attributes of symlinks are no part of what is compared, so they have none here.
fn node(what: What, mode: u16, mtime: i64) -> Node {
    let mode = if let What::Link(_) = what { 0 } else { mode };
    Node {
        what,
        mode,
        mtime,
        inode: 0,
    }
}

/// Puts nodes at paths, with the directories that they need; what would be in a file is left out.
fn model(nodes: Vec<(Vec<u8>, Node)>) -> Model {
    let directory = || node(What::Directory, 0o755, 1);
    let mut model = Model::from([(RelPath::root(), directory())]);
    for (index, (names, mut node)) in nodes.into_iter().enumerate() {
        node.inode = index as u64 + 10;
        let mut at = RelPath::root();
        let mut names = names.into_iter().peekable();
        while let Some(name) = names.next() {
            at = at.join(&[name]).unwrap();
            let last = names.peek().is_none();
            let here = model
                .entry(at.clone())
                .or_insert_with(|| if last { node.clone() } else { directory() });
            if here.what != What::Directory {
                break;
            }
        }
    }
    model
}

/// Names from three letters and three levels: most paths of one tree are in the other, too.
fn names() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(b'a'..=b'c', 1..=3)
}

fn listed_node() -> impl Strategy<Value = Node> {
    let what = prop_oneof![
        2 => Just(What::Directory),
        6 => (0..9u8).prop_map(What::File),
        2 => (0..2u8).prop_map(What::Link),
    ];
    let mode = prop_oneof![Just(0o644u16), Just(0o755)];
    (what, mode, 0..2i64).prop_map(|(what, mode, mtime)| node(what, mode, mtime))
}

fn any_node() -> impl Strategy<Value = Node> {
    let odd = prop_oneof![Just(What::Closed), Just(What::Special)];
    prop_oneof![
        8 => listed_node(),
        1 => odd.prop_map(|what| node(what, 0o600, 1)),
    ]
}

fn release() -> impl Strategy<Value = Model> {
    prop::collection::vec((names(), listed_node()), 0..14).prop_map(model)
}

/// A tree, in which now and then two names share an inode.
fn tree() -> impl Strategy<Value = Model> {
    let nodes = prop::collection::vec((names(), any_node()), 0..14);
    (
        nodes,
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
    )
        .prop_map(|(nodes, a, b)| {
            let mut model = model(nodes);
            let files: Vec<RelPath> = model
                .iter()
                .filter(|(_, node)| matches!(node.what, What::File(_)))
                .map(|(path, _)| path.clone())
                .collect();
            if files.len() > 1 {
                let shared = model[a.get(&files)].clone();
                model.insert(b.get(&files).clone(), shared);
            }
            model
        })
}

/// Everything that a plan is made from.
#[derive(Clone, Debug)]
struct Case {
    old: Model,
    new: Model,
    holding: Vec<RelPath>,
    mounts: Vec<RelPath>,
    kept: Vec<Digest>,
    staged: HashSet<u32>,
    delete: bool,
}

fn case() -> impl Strategy<Value = Case> {
    let some = || prop::collection::vec(any::<prop::sample::Index>(), 0..2);
    let kept = prop::collection::vec((1..9u8).prop_map(digest), 0..2);
    let staged = prop::collection::vec(any::<prop::sample::Index>(), 0..3);
    (
        tree(),
        release(),
        some(),
        some(),
        kept,
        staged,
        any::<bool>(),
    )
        .prop_map(|(mut old, new, holding, mounts, kept, staged, delete)| {
            let directories = |old: &Model| -> Vec<RelPath> {
                let all = old.iter().filter(|(_, node)| node.what == What::Directory);
                all.map(|(path, _)| path.clone()).collect()
            };
            let below: Vec<RelPath> = directories(&old).into_iter().skip(1).collect();
            let mounts = match below.is_empty() {
                true => BTreeSet::new(),
                false => mounts.iter().map(|at| at.get(&below).clone()).collect(),
            };
            // What is in another mount is not in the listing.
            old.retain(|path, _| !mounts.iter().any(|m| path != m && path.is_within(m)));
            let mounts = mounts
                .into_iter()
                .filter(|mount| old.contains_key(mount))
                .collect();
            let all = directories(&old);
            let holding: BTreeSet<_> = holding.iter().map(|at| at.get(&all).clone()).collect();
            let files: Vec<u32> = (0u32..)
                .zip(new.values())
                .filter(|(_, node)| matches!(node.what, What::File(_)))
                .map(|(index, _)| index)
                .collect();
            let staged = match files.is_empty() {
                true => HashSet::new(),
                false => staged.iter().map(|at| *at.get(&files)).collect(),
            };
            Case {
                old,
                new,
                holding: holding.into_iter().collect(),
                mounts,
                kept,
                staged,
                delete,
            }
        })
}

impl Case {
    fn plan(&self) -> (Manifest, Vec<Found>, Plan) {
        let (manifest, tree) = (manifest(&self.new), found(&self.old));
        let owners = Owners {
            users: vec![0],
            groups: vec![0],
        };
        let plan = plan(&Situation {
            manifest: &manifest,
            tree: &tree,
            holding: &self.holding,
            mounts: &self.mounts,
            kept: &self.kept,
            staged: &self.staged,
            owners: Some(&owners),
            delete: self.delete,
        });
        (manifest, tree, plan)
    }

    /// Has a directory something in it, or below it, that must not go?
    fn holds(&self, directory: &RelPath) -> bool {
        let stays = |path: &RelPath| path.is_within(directory);
        self.holding.iter().chain(&self.mounts).any(stays)
    }
}

/// Carries a plan out as a commit does: clearings, steps, deletions, and then directories.
fn carry_out(case: &Case, plan: &Plan) -> Model {
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
                model.insert(path.clone(), super::tests::node(What::Directory, 0o700, 99));
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

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
                    prop_assert_eq!(basis, step.old.filter(|_| fit));
                }
            }
        }
    }
}

fn small(nodes: &[(&str, What)]) -> Model {
    let node = |(name, what): &(&str, What)| {
        let names: Vec<u8> = name.bytes().filter(|&byte| byte != b'/').collect();
        (names, super::tests::node(what.clone(), 0o644, 1))
    };
    model(nodes.iter().map(node).collect())
}

fn simple(old: &[(&str, What)], new: &[(&str, What)]) -> Case {
    Case {
        old: small(old),
        new: small(new),
        holding: Vec::new(),
        mounts: Vec::new(),
        kept: Vec::new(),
        staged: HashSet::new(),
        delete: true,
    }
}

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
