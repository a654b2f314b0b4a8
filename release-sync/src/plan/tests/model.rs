//! Trees that are maps.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use proptest::prelude::*;
use release_core::{Digest, Entry, Kind, Manifest, Meta, Principal, RelPath, Timestamp};

use crate::plan::origin::LEAST_BASIS;
use crate::plan::{Owners, Plan, Situation, plan};
use crate::tree::{Found, FoundKind, Stamp};

/// What stands at a path: the whole of it, attributes too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) what: What,
    pub(super) mode: u16,
    pub(super) mtime: i64,
    /// Of files: names with one inode are one file.
    pub(super) inode: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    Directory,
    /// Content; files of 9 are large enough for a basis.
    File(u8),
    /// A file that can't be read.
    Closed,
    Link(u8),
    Special,
}

pub(super) type Model = BTreeMap<RelPath, Node>;

pub(super) fn path(text: &str) -> RelPath {
    RelPath::parse(text.as_bytes()).unwrap()
}

pub(super) fn size(content: u8) -> u64 {
    match content {
        0 => 0,
        content if content >= 5 => LEAST_BASIS + u64::from(content),
        content => content.into(),
    }
}

pub(super) fn digest(content: u8) -> Digest {
    if content == 0 {
        Digest::of(b"")
    } else {
        Digest::of(&[content])
    }
}

pub(super) fn found(model: &Model) -> Vec<Found> {
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

pub(super) fn time(node: &Node) -> Timestamp {
    Timestamp {
        seconds: node.mtime,
        nanos: 0,
    }
}

pub(super) fn manifest(model: &Model) -> Manifest {
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
pub(super) fn node(what: What, mode: u16, mtime: i64) -> Node {
    let mode = if let What::Link(_) = what { 0 } else { mode };
    Node {
        what,
        mode,
        mtime,
        inode: 0,
    }
}

/// Puts nodes at paths, with the directories that they need; what would be in a file is left out.
pub(super) fn model(nodes: Vec<(Vec<u8>, Node)>) -> Model {
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
pub(super) fn names() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(b'a'..=b'c', 1..=3)
}

pub(super) fn listed_node() -> impl Strategy<Value = Node> {
    let what = prop_oneof![
        2 => Just(What::Directory),
        6 => (0..9u8).prop_map(What::File),
        2 => (0..2u8).prop_map(What::Link),
    ];
    let mode = prop_oneof![Just(0o644u16), Just(0o755)];
    (what, mode, 0..2i64).prop_map(|(what, mode, mtime)| node(what, mode, mtime))
}

pub(super) fn any_node() -> impl Strategy<Value = Node> {
    let odd = prop_oneof![Just(What::Closed), Just(What::Special)];
    prop_oneof![
        8 => listed_node(),
        1 => odd.prop_map(|what| node(what, 0o600, 1)),
    ]
}

pub(super) fn release() -> impl Strategy<Value = Model> {
    prop::collection::vec((names(), listed_node()), 0..14).prop_map(model)
}

/// A tree, in which now and then two names share an inode.
pub(super) fn tree() -> impl Strategy<Value = Model> {
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
pub(super) struct Case {
    pub(super) old: Model,
    pub(super) new: Model,
    pub(super) holding: Vec<RelPath>,
    pub(super) mounts: Vec<RelPath>,
    pub(super) kept: Vec<Digest>,
    pub(super) staged: HashSet<u32>,
    pub(super) delete: bool,
}

/// A release that differs from a tree in attributes only, where a release can be that.
pub(super) fn kin(old: &Model, tweaks: &[u8]) -> Model {
    let mut new = old.clone();
    new.retain(|_, node| !matches!(node.what, What::Closed | What::Special));
    for (node, tweak) in new.values_mut().zip(tweaks.iter().cycle()) {
        node.mtime ^= i64::from(tweak & 1);
        if !matches!(node.what, What::Link(_)) {
            node.mode ^= u16::from(tweak >> 1 & 1);
        }
    }
    new
}

pub(super) fn case() -> impl Strategy<Value = Case> {
    let some = || prop::collection::vec(any::<prop::sample::Index>(), 0..2);
    let kept = prop::collection::vec((1..9u8).prop_map(digest), 0..2);
    let staged = prop::collection::vec(any::<prop::sample::Index>(), 0..3);
    let two = (
        tree(),
        release(),
        prop::option::of(prop::collection::vec(0..4u8, 3)),
    );
    let two = two.prop_map(|(old, new, tweaks)| match tweaks {
        Some(tweaks) => (old.clone(), kin(&old, &tweaks)),
        None => (old, new),
    });
    (two, some(), some(), kept, staged, any::<bool>()).prop_map(
        |((mut old, new), holding, mounts, kept, staged, delete)| {
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
        },
    )
}

impl Case {
    pub(super) fn plan(&self) -> (Manifest, Vec<Found>, Plan) {
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
    pub(super) fn holds(&self, directory: &RelPath) -> bool {
        let stays = |path: &RelPath| path.is_within(directory);
        self.holding.iter().chain(&self.mounts).any(stays)
    }
}

pub(super) fn small(nodes: &[(&str, What)]) -> Model {
    let node = |(name, what): &(&str, What)| {
        let names: Vec<u8> = name.bytes().filter(|&byte| byte != b'/').collect();
        (names, node(what.clone(), 0o644, 1))
    };
    model(nodes.iter().map(node).collect())
}

pub(super) fn simple(old: &[(&str, What)], new: &[(&str, What)]) -> Case {
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
