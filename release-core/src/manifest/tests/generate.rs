//! Manifests, and damage to their bytes, for property tests.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::Index;

use super::super::{Entry, Kind, MODE_MASK, Manifest, Meta, Principal, Timestamp};
use crate::{Digest, RelPath};

/// Names of few letters, so that paths share prefixes and meet; odd ones; and long ones.
fn any_name() -> impl Strategy<Value = Vec<u8>> {
    let odd = proptest::collection::vec(any::<u8>(), 1..8);
    let name = prop_oneof![
        4 => "[ab.-]{1,3}".prop_map(String::into_bytes),
        2 => odd,
        1 => any::<u8>().prop_map(|byte| vec![byte; RelPath::MAX_NAME]),
    ];
    name.prop_map(|name| match RelPath::parse(&name) {
        Ok(path) if path.depth() == 1 => name,
        _ => b"x".to_vec(),
    })
}

fn any_timestamp() -> impl Strategy<Value = Timestamp> {
    (any::<i64>(), 0..1_000_000_000_u32).prop_map(|(seconds, nanos)| Timestamp { seconds, nanos })
}

fn any_kind() -> impl Strategy<Value = Kind> {
    let target = proptest::collection::vec(1..=u8::MAX, 1..30);
    let size = prop_oneof![0..=i64::MAX as u64, 0..300_u64];
    prop_oneof![
        Just(Kind::Directory),
        (size, any::<[u8; 32]>()).prop_map(|(size, digest)| {
            let digest = Digest::from_bytes(digest);
            Kind::File { size, digest }
        }),
        target.prop_map(|target| Kind::Symlink {
            target: target.into()
        }),
    ]
}

fn any_table() -> impl Strategy<Value = Vec<Principal>> {
    let name = proptest::option::of("[a-c]{1,2}");
    let principal = (0..200_u32, name).prop_map(|(id, name)| Principal {
        id,
        name: name.map(|name| name.into_bytes().into()),
    });
    proptest::collection::vec(principal, 1..4)
}

/// What one entry needs but its place: mode, time, kind, and uses of the tables.
type Leaf = (u16, Timestamp, Kind, Index, Index);

fn any_leaf() -> impl Strategy<Value = Leaf> {
    (
        0..=MODE_MASK,
        any_timestamp(),
        any_kind(),
        any::<Index>(),
        any::<Index>(),
    )
}

/// Any valid manifest of up to some dozens of entries.
pub(super) fn any_manifest() -> impl Strategy<Value = Manifest> {
    let path = proptest::collection::vec(any_name(), 1..5);
    let leaves = proptest::collection::vec((path, any_leaf()), 0..16);
    (leaves, any_leaf(), any_table(), any_table()).prop_map(|(leaves, root, users, groups)| {
        let mut tree = BTreeMap::from([(RelPath::root(), directory(root))]);
        for (names, leaf) in leaves {
            let mut path = RelPath::root();
            for name in &names {
                tree.entry(path.clone())
                    .and_modify(|above| *above = directory(above.clone()))
                    .or_insert_with(|| directory(leaf.clone()));
                path = path.join(name).unwrap();
            }
            tree.entry(path).or_insert(leaf);
        }
        let entries = tree.into_iter().map(|(path, leaf)| {
            let (mode, mtime, kind, user, group) = leaf;
            let is_symlink = matches!(kind, Kind::Symlink { .. });
            let meta = Meta {
                mode: if is_symlink { 0 } else { mode },
                user: user.index(users.len()) as u32,
                group: group.index(groups.len()) as u32,
                mtime,
            };
            Entry { path, meta, kind }
        });
        let entries = entries.collect();
        Manifest::new(users, groups, entries).unwrap()
    })
}

fn directory((mode, mtime, _, user, group): Leaf) -> Leaf {
    (mode, mtime, Kind::Directory, user, group)
}

/// Something that happens to bytes.
#[derive(Clone, Debug)]
pub(super) enum Mutation {
    Set(Index, u8),
    Nudge(Index, i8),
    Insert(Index, u8),
    Remove(Index),
    Repeat(Index, Index),
    Cut(Index),
}

pub(super) fn any_mutation() -> impl Strategy<Value = Mutation> {
    let at = any::<Index>;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        (at(), -2..=2_i8).prop_map(|(at, by)| Mutation::Nudge(at, by)),
        (at(), any::<u8>()).prop_map(|(at, byte)| Mutation::Insert(at, byte)),
        at().prop_map(Mutation::Remove),
        (at(), at()).prop_map(|(from, to)| Mutation::Repeat(from, to)),
        at().prop_map(Mutation::Cut),
    ]
}

pub(super) fn mutate(bytes: &mut Vec<u8>, mutation: &Mutation) {
    if bytes.is_empty() {
        return;
    }
    let at = |index: &Index| index.index(bytes.len());
    match mutation {
        Mutation::Set(index, byte) => {
            let at = at(index);
            bytes[at] = *byte;
        }
        Mutation::Nudge(index, by) => {
            let at = at(index);
            bytes[at] = bytes[at].wrapping_add_signed(*by);
        }
        Mutation::Insert(index, byte) => bytes.insert(at(index), *byte),
        Mutation::Remove(index) => {
            bytes.remove(at(index));
        }
        Mutation::Repeat(from, to) => {
            let (a, b) = (at(from), at(to));
            let piece = bytes[a.min(b)..=a.max(b)].to_vec();
            bytes.splice(a..a, piece);
        }
        Mutation::Cut(index) => bytes.truncate(at(index)),
    }
}
