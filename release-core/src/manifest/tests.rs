//! The format as it is given out, and all that is refused.
#![allow(clippy::unwrap_used)]

mod generate;
mod refusals;

use proptest::prelude::*;

use self::generate::{any_manifest, any_mutation, mutate};
use super::{Entry, Kind, Manifest, ManifestError, Meta, Principal, ProofClass, Timestamp, codec};
use crate::{Digest, RelPath};

/// Version 1 as it was first given out. Fixtures are never edited: the bytes are what release ids are
/// made of, so a change of one of them is a change of every id that there is.
const SMALL: &[u8] = include_bytes!("fixtures/small-v1.bin");
const SMALL_WITHOUT_OWNER: &[u8] = include_bytes!("fixtures/small-without-owner-v1.bin");
const ODDITIES: &[u8] = include_bytes!("fixtures/oddities-v1.bin");

fn principal(id: u32, name: &str) -> Principal {
    let name = (!name.is_empty()).then(|| name.as_bytes().into());
    Principal { id, name }
}

fn entry(path: &[u8], mode: u16, mtime: (i64, u32), kind: Kind) -> Entry {
    let mtime = Timestamp {
        seconds: mtime.0,
        nanos: mtime.1,
    };
    Entry {
        path: RelPath::parse(path).unwrap(),
        meta: Meta {
            mode,
            user: 0,
            group: 0,
            mtime,
        },
        kind,
    }
}

fn owned(user: u32, group: u32, mut entry: Entry) -> Entry {
    (entry.meta.user, entry.meta.group) = (user, group);
    entry
}

fn file(size: u64, content: &[u8]) -> Kind {
    Kind::File {
        size,
        digest: Digest::of(content),
    }
}

fn symlink(target: &[u8]) -> Kind {
    Kind::Symlink {
        target: target.into(),
    }
}

/// The example of `docs/manifest-format.md`.
fn small() -> Manifest {
    let entries = vec![
        entry(b"", 0o755, (1_700_000_000, 0), Kind::Directory),
        entry(b"bin", 0o755, (1_700_000_000, 5), Kind::Directory),
        owned(1, 1, entry(b"bin/run", 0o4755, (-1, 0), file(5, b"hello"))),
        entry(b"bin/start", 0, (0, 0), symlink(b"run")),
    ];
    let users = vec![principal(0, "root"), principal(33, "www")];
    let groups = vec![principal(0, "root"), principal(1000, "")];
    Manifest::new(users, groups, entries).unwrap()
}

/// Every kind, every odd name, and each number at its ends.
fn oddities() -> Manifest {
    let long = [b'n'; RelPath::MAX_NAME];
    let target = [b't'; Manifest::MAX_TARGET];
    let dir = |path: &[u8], mode| entry(path, mode, (0, 0), Kind::Directory);
    let mut entries = vec![
        dir(b"", 0o7777),
        dir(b" ", 0),
        dir(b"-rf", 0o1777),
        dir(b"a", 0o2755),
        entry(b"a/b", 0o644, (i64::MIN, 999_999_999), file(0, b"")),
        entry(
            b"a/b2",
            0o644,
            (i64::MAX, 0),
            file(i64::MAX as u64, b"large"),
        ),
        // By component: before `a.b`, although `.` sorts before `/`.
        entry(b"a/bb", 0, (-1, 999_999_999), symlink(b"../../../outside")),
        entry(b"a.b", 0o000, (1, 1), file(127, b"127")),
        entry(b"a\\b", 0o644, (63, 127), file(128, b"128")),
        entry(b"a\nb", 0o644, (64, 128), file(16_384, b"16384")),
        entry(b"\xff\xfe", 0o4000, (-64, 0), file(1, b"x")),
        entry("caf\u{e9}".as_bytes(), 0o644, (-65, 0), file(1, b"x")),
        dir(b"deep", 0o700),
        dir(b"deep/\x01", 0o700),
        dir(b"deep/\x01/\x7f", 0o700),
        entry(b"link", 0, (0, 0), symlink(&target)),
        entry(&long, 0o600, (0, 0), file(2, b"yy")),
    ];
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    let users = vec![
        principal(u32::MAX, ""),
        principal(7, "\u{e9}ric"),
        principal(7, ""),
    ];
    let groups = vec![
        principal(0, &"g".repeat(Principal::MAX_NAME)),
        principal(128, "x"),
    ];
    for (index, entry) in (0..).zip(&mut entries) {
        (entry.meta.user, entry.meta.group) = (index % 3, index / 5 % 2);
    }
    Manifest::new(users, groups, entries).unwrap()
}

#[test]
fn the_format_stays_what_it_is() {
    for (golden, manifest) in [(SMALL, small()), (ODDITIES, oddities())] {
        assert_eq!(manifest.encode(), golden);
        assert_eq!(Manifest::decode(golden).unwrap(), manifest);
    }
    let without_owner = codec::encode(&small(), ProofClass::WithoutOwner);
    assert_eq!(without_owner, SMALL_WITHOUT_OWNER);
}

#[test]
fn ids_stay_what_they_are() {
    let ids = |manifest: Manifest| {
        let without_owner = manifest.proof(ProofClass::WithoutOwner).digest;
        [*manifest.release_id().digest(), without_owner].map(|digest| digest.to_string())
    };
    assert_eq!(
        ids(small()),
        [
            "f671d7aba9af7bbabb461c9efe7db4714c51dbff76c0a8faae126357f21eda3b",
            "01230d58bd47c6f39efc07a0391afa2efafc1cfb06ff85f02674634cefacf198"
        ]
    );
    assert_eq!(
        ids(oddities()),
        [
            "b19a2550942ca306fbaec24de02b27ea0ece1f7e2a380164b281c3fbf4871b23",
            "f55c5f0890f959bde6099e5d414e0aa855d8be99e15651f7db25a7876e10a869"
        ]
    );
}

/// Bytes of the blocks that follow a fence of this name, up to what is not a byte on each line.
fn documented(fence: &str) -> Vec<u8> {
    let text = include_str!("../../../docs/manifest-format.md");
    let fence = format!("```hex {fence}\n");
    let (_, after) = text.split_once(&fence).unwrap();
    let (block, _) = after.split_once("```").unwrap();
    let byte = |word: &str| {
        u8::from_str_radix(word, 16)
            .ok()
            .filter(|_| word.len() == 2)
    };
    let lines = block.lines();
    lines
        .flat_map(|line| line.split_whitespace().map_while(byte))
        .collect()
}

#[test]
fn the_document_shows_the_real_bytes() {
    assert_eq!(documented("small-v1.bin"), SMALL);
    assert_eq!(
        documented("small-without-owner-v1.bin"),
        SMALL_WITHOUT_OWNER
    );
}

#[test]
fn only_the_tables_are_read_where_only_they_are_asked_for() {
    let (users, groups) = Manifest::decode_principals(ODDITIES).unwrap();
    assert_eq!(
        (&users[..], &groups[..]),
        (oddities().users(), oddities().groups())
    );
    assert!(Manifest::decode_principals(&ODDITIES[..20]).is_err());
}

#[test]
fn owners_are_put_in_the_order_of_their_first_use() {
    let entries = || {
        vec![
            owned(2, 0, entry(b"", 0o755, (0, 0), Kind::Directory)),
            owned(0, 0, entry(b"a", 0o755, (0, 0), Kind::Directory)),
            owned(3, 0, entry(b"b", 0o755, (0, 0), Kind::Directory)),
        ]
    };
    let (a, b) = (principal(1, "a"), principal(1, "b"));
    let users = vec![a.clone(), principal(9, "unused"), b.clone(), a.clone()];
    let manifest = Manifest::new(users, vec![principal(0, "")], entries()).unwrap();
    assert_eq!(manifest.users(), [b, a]);
    let uses: Vec<u32> = manifest.entries().iter().map(|e| e.meta.user).collect();
    assert_eq!(uses, [0, 1, 1]);
}

#[test]
fn totals_of_claimed_sizes_do_not_overflow() {
    let huge = |path: &[u8]| entry(path, 0o644, (0, 0), file(i64::MAX as u64, b""));
    let root = entry(b"", 0o755, (0, 0), Kind::Directory);
    let entries = vec![root, huge(b"a"), huge(b"b"), huge(b"c")];
    let table = vec![principal(0, "")];
    let manifest = Manifest::new(table.clone(), table, entries).unwrap();
    assert_eq!(manifest.totals(), (3, u64::MAX));
}

#[test]
fn what_could_not_be_read_again_is_not_made() {
    let root = || vec![entry(b"", 0o755, (0, 0), Kind::Directory)];
    let table = || vec![principal(0, "")];
    let nameless = vec![Principal {
        id: 0,
        name: Some(Box::default()),
    }];
    let long = vec![principal(0, &"n".repeat(Principal::MAX_NAME + 1))];
    for users in [nameless, long, Vec::new()] {
        let made = Manifest::new(users, table(), root());
        assert!(
            matches!(made, Err(ManifestError::Field { field: "owner", .. })),
            "{made:?}"
        );
    }
    assert_eq!(
        Manifest::new(table(), table(), Vec::new()),
        Err(ManifestError::NoRoot)
    );
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(manifest in any_manifest()) {
        prop_assert_eq!(Manifest::decode(&manifest.encode()), Ok(manifest));
    }

    #[test]
    fn what_decodes_is_canonical(
        manifest in any_manifest(),
        mutations in proptest::collection::vec(any_mutation(), 1..4),
    ) {
        let mut bytes = manifest.encode();
        mutations.iter().for_each(|mutation| mutate(&mut bytes, mutation));
        if let Ok(decoded) = Manifest::decode(&bytes) {
            prop_assert_eq!(decoded.encode(), bytes);
        }
    }

    #[test]
    fn any_bytes_are_taken_without_panic(rest in proptest::collection::vec(any::<u8>(), 0..300)) {
        let bytes = [b"RLS-MANIFEST\x01\x00", &rest[..]].concat();
        for bytes in [&bytes[..], &rest] {
            let _ = Manifest::decode_principals(bytes);
            if let Ok(decoded) = Manifest::decode(bytes) {
                prop_assert_eq!(decoded.encode(), bytes);
            }
        }
    }

    #[test]
    fn a_path_is_found_where_it_stands(manifest in any_manifest()) {
        for (index, entry) in manifest.entries().iter().enumerate() {
            prop_assert_eq!(manifest.find(&entry.path), Some((index, entry)));
        }
    }

    #[test]
    fn owners_count_in_one_class_only(manifest in any_manifest(), id: u32) {
        let foreign = vec![Principal { id, name: Some(b"somebody else entirely".as_slice().into()) }];
        let mut entries = manifest.entries().to_vec();
        for entry in &mut entries {
            (entry.meta.user, entry.meta.group) = (0, 0);
        }
        let other = Manifest::new(foreign.clone(), foreign, entries).unwrap();
        prop_assert_ne!(other.release_id(), manifest.release_id());
        let class = ProofClass::WithoutOwner;
        prop_assert_eq!(other.proof(class), manifest.proof(class));
    }
}

/// The digest is made piece by piece; a manifest of many pieces has that of all its bytes.
#[test]
fn the_digest_of_many_entries_is_that_of_their_bytes() {
    let name = |number: usize| format!("{number:05}{}", "n".repeat(200)).into_bytes();
    let root = entry(b"", 0o755, (1, 0), Kind::Directory);
    let files =
        (0..5_000).map(|number| entry(&name(number), 0o644, (1, 0), file(1, &name(number))));
    let entries: Vec<Entry> = std::iter::once(root).chain(files).collect();
    let root = || vec![principal(0, "root")];
    let manifest = Manifest::new(root(), root(), entries).unwrap();
    let bytes = manifest.encode();
    assert!(bytes.len() > 200_000);
    assert_eq!(*manifest.release_id().digest(), Digest::of(&bytes));
}
