//! Bytes that are nearly a manifest.

use super::super::{CodecError, Manifest, ManifestError, codec};
use super::{ODDITIES, SMALL};

/// One user or group, number 0, nameless.
const NOBODY: &[u8] = &[1, 0, 0];
const ROOT: &[u8] = &[0, 0, 0, 0, 0, 0, 0, 0];

/// Bytes of a manifest of which every part can be wrong.
fn raw(users: &[u8], groups: &[u8], entries: &[&[u8]]) -> Vec<u8> {
    let count = [entries.len() as u8];
    let entries = entries.concat();
    [b"RLS-MANIFEST\x01\x00", users, groups, &count[..], &entries].concat()
}

/// An entry in the root: its name in full, mode 0, the first owners, time 0.
fn entry(name: &[u8], kind: u8, rest: &[u8]) -> Vec<u8> {
    let length = [0, name.len() as u8];
    [&length[..], name, &[kind, 0, 0, 0, 0, 0], rest].concat()
}

fn directory(name: &[u8]) -> Vec<u8> {
    entry(name, 0, &[])
}

fn file(name: &[u8]) -> Vec<u8> {
    entry(name, 1, &[0; 33])
}

fn tree(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut all = vec![ROOT];
    all.extend(entries.iter().map(Vec::as_slice));
    raw(NOBODY, NOBODY, &all)
}

/// A root with these numbers in place of its mode, owners and time.
fn root(numbers: &[u8]) -> Vec<u8> {
    raw(NOBODY, NOBODY, &[&[&[0, 0, 0], numbers].concat()])
}

/// The error and its causes, in one line.
fn refusal(bytes: &[u8]) -> String {
    let error = Manifest::decode(bytes).unwrap_err();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn all_refused(matrix: &[(&str, Vec<u8>)]) {
    for (reason, bytes) in matrix {
        let found = refusal(bytes);
        assert!(found.contains(reason), "{bytes:x?}: {found}, not {reason}");
    }
}

#[test]
fn what_the_matrix_starts_from_is_valid() {
    for bytes in [
        raw(NOBODY, NOBODY, &[ROOT]),
        tree(&[directory(b"a"), file(b"b"), entry(b"c", 2, &[1, b'x'])]),
        tree(&[directory(b"a"), [&[1, 2][..], b"/b", &[0; 6]].concat()]),
        root(&[0xff, 0x1f, 0, 0, 0, 0]),
    ] {
        assert_eq!(Manifest::decode(&bytes).unwrap().encode(), bytes);
    }
}

#[test]
fn other_formats_are_told_apart() {
    let mut later = SMALL.to_vec();
    later[12] = 2;
    assert_eq!(Manifest::decode(&later), Err(CodecError::Version(2)));
    assert_eq!(Manifest::decode(b"RLS-INDEX\x01"), Err(CodecError::Magic));
    assert_eq!(Manifest::decode(b""), Err(CodecError::Magic));
    // Bytes of the class without owners are made for their digest, and never read.
    let mut classless = SMALL.to_vec();
    classless[13] = 1;
    assert!(refusal(&classless).contains("class"));
}

#[test]
fn a_manifest_cut_off_anywhere_is_refused() {
    for golden in [SMALL, ODDITIES] {
        for length in 0..golden.len() {
            let error = Manifest::decode(&golden[..length]).unwrap_err();
            let expected = match length {
                0..12 => CodecError::Magic,
                _ => CodecError::Truncated(length),
            };
            assert_eq!(error, expected);
        }
    }
}

#[test]
fn nothing_follows_the_last_entry() {
    for tail in [&[0][..], ROOT, SMALL] {
        assert!(refusal(&[SMALL, tail].concat()).contains("trailing data"));
    }
}

#[test]
fn a_count_is_believed_only_as_far_as_there_are_bytes() {
    let counts: [&[u8]; 4] = [
        &[2],
        &[0xff, 0xff, 0xff, 0xff, 0x0f],
        &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
    ];
    let head = b"RLS-MANIFEST\x01\x00";
    for count in counts {
        let of_users = [head, count, &[0, 0]].concat();
        let of_entries = [head, NOBODY, NOBODY, count, ROOT].concat();
        let of_a_name = [head, &[1, 0, 1][..], count, b"n"].concat();
        let of_a_path = [head, NOBODY, NOBODY, &[1, 0], count, &[b'p'; 1]].concat();
        for bytes in [of_users, of_entries, of_a_name, of_a_path] {
            let error = Manifest::decode(&bytes).unwrap_err();
            assert_eq!(error, CodecError::Truncated(bytes.len()));
        }
    }
}

#[test]
fn entries_that_make_no_tree_are_refused() {
    let below = |prefix: u8, rest: &[u8]| {
        let length = [prefix, rest.len() as u8];
        [&length[..], rest, &[0; 6]].concat()
    };
    all_refused(&[
        ("not the root directory", raw(NOBODY, NOBODY, &[])),
        (
            "not the root directory",
            raw(NOBODY, NOBODY, &[&directory(b"a")]),
        ),
        ("not the root directory", raw(NOBODY, NOBODY, &[&file(b"")])),
        (
            "`b` is out of order",
            tree(&[directory(b"c"), directory(b"b")]),
        ),
        (
            "out of order or doubled",
            tree(&[directory(b"a"), below(1, b"")]),
        ),
        (
            "out of order or doubled",
            raw(NOBODY, NOBODY, &[ROOT, ROOT]),
        ),
        // What is inside `a` comes before `a.b`.
        (
            "`a/b` is out of order",
            tree(&[directory(b"a"), below(1, b".b"), below(1, b"/b")]),
        ),
        ("parent of `a/b`", tree(&[directory(b"a/b")])),
        ("parent of `a/b`", tree(&[file(b"a"), below(1, b"/b")])),
        (
            "parent of `a/b/c`",
            tree(&[directory(b"a"), below(1, b"/b/c")]),
        ),
    ]);
}

#[test]
fn paths_that_lead_out_are_refused() {
    all_refused(&[
        ("`..` has a `.` or `..`", tree(&[directory(b"..")])),
        ("`.` or `..` component", tree(&[directory(b".")])),
        ("`.` or `..` component", tree(&[directory(b"a/../../b")])),
        ("empty component", tree(&[directory(b"/etc")])),
        ("empty component", tree(&[directory(b"a//b")])),
        ("empty component", tree(&[directory(b"a/")])),
        ("NUL", tree(&[directory(b"a\0b")])),
    ]);
    // The length takes two bytes, so it is written out.
    let long = [&[0, 0x80, 0x02][..], &[b'n'; 256], &[0; 6]].concat();
    all_refused(&[("longer than 255 bytes", tree(&[long]))]);
}

#[test]
fn a_prefix_is_as_long_as_can_be_and_no_longer() {
    let longer_than_before = [&[1, 1][..], b"a", &[0; 6]].concat();
    let shorter_than_possible = [&[0, 2][..], b"ab", &[0; 6]].concat();
    all_refused(&[
        ("a prefix", tree(&[longer_than_before])),
        ("a prefix", tree(&[directory(b"aa"), shorter_than_possible])),
    ]);
}

#[test]
fn numbers_have_one_form() {
    all_refused(&[
        ("a number", root(&[0x80, 0, 0, 0, 0, 0])),
        ("a number", root(&[0, 0, 0, 0x80, 0x80, 0, 0])),
        // More than 64 bits, more than 32, more than 16.
        (
            "a number",
            root(&[0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2, 0]),
        ),
        (
            "a number",
            root(&[0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1]),
        ),
        (
            "a number",
            root(&[0, 0xff, 0xff, 0xff, 0xff, 0x10, 0, 0, 0]),
        ),
        ("a mode", root(&[0x80, 0x80, 0x04, 0, 0, 0, 0])),
    ]);
}

#[test]
fn fields_are_kept_to_their_ranges() {
    let size = [&[255; 9][..], &[1], &[0; 32]].concat();
    let symlink_with_mode = [&[0, 1][..], b"a", &[2, 1, 0, 0, 0, 0, 1, b'x']].concat();
    let long_target = [&[0x80, 0x20][..], &[b't'; 4096]].concat();
    all_refused(&[
        ("bad mode", root(&[0x80, 0x20, 0, 0, 0, 0])),
        // 1,000,000,000 nanoseconds.
        (
            "bad mtime",
            root(&[0, 0, 0, 0, 0x80, 0x94, 0xeb, 0xdc, 0x03]),
        ),
        ("bad owner", root(&[0, 1, 0, 0, 0])),
        ("bad owner", root(&[0, 0, 1, 0, 0])),
        ("bad size", tree(&[entry(b"a", 1, &size)])),
        ("bad mode", tree(&[symlink_with_mode])),
        ("bad link target", tree(&[entry(b"a", 2, &[0])])),
        ("bad link target", tree(&[entry(b"a", 2, &[1, 0])])),
        ("bad link target", tree(&[entry(b"a", 2, &long_target)])),
        ("a kind", tree(&[entry(b"a", 3, &[])])),
    ]);
}

#[test]
fn tables_of_owners_are_canonical() {
    let with_users = |users: &[u8], uses: u8| {
        let a = [&[0, 1][..], b"a", &[0, 0, uses, 0, 0, 0]].concat();
        raw(users, NOBODY, &[ROOT, &a])
    };
    let swapped = {
        let mut root = ROOT.to_vec();
        root[4] = 1;
        raw(&[2, 0, 0, 1, 0], NOBODY, &[&root, &directory(b"a")])
    };
    let long = [&[1, 0, 1, 0x80, 0x02][..], &[b'n'; 256]].concat();
    assert!(Manifest::decode(&with_users(&[2, 0, 0, 1, 0], 1)).is_ok());
    all_refused(&[
        ("the table of owners", with_users(&[2, 0, 0, 1, 0], 0)),
        ("the table of owners", with_users(&[2, 0, 0, 0, 0], 1)),
        ("the table of owners", swapped),
        ("a name's mark", with_users(&[1, 0, 2], 0)),
        ("a name's length", with_users(&[1, 0, 1, 0], 0)),
        ("a name's length", raw(&long, NOBODY, &[ROOT])),
        (
            "a number",
            with_users(&[1, 0xff, 0xff, 0xff, 0xff, 0x10, 0], 0),
        ),
    ]);
}

#[test]
fn few_bytes_do_not_expand_to_many() {
    // A directory with a name of 200 bytes, and 99 entries in it whose paths differ in their last byte.
    let long = directory(&[b'n'; 200]);
    let long = [&[0, 0xc8, 1][..], &long[2..]].concat();
    let mut entries = vec![ROOT.to_vec(), long];
    for name in 101..200 {
        let shared = if name == 101 { 200 } else { 201 };
        let suffix: &[u8] = &[b'/', name];
        let suffix = &suffix[shared - 200..];
        let head = [shared as u8, 1, suffix.len() as u8];
        entries.push([&head[..], suffix, &[0; 6]].concat());
    }
    let entries: Vec<&[u8]> = entries.iter().map(Vec::as_slice).collect();
    let bytes = raw(NOBODY, NOBODY, &entries);
    let names = 200 + 99 * 202;
    assert!(bytes.len() * 10 < names);
    assert!(codec::decode(&bytes, names).is_ok());
    let refused = CodecError::Manifest(ManifestError::Paths);
    assert_eq!(codec::decode(&bytes, names - 1), Err(refused));
}

#[test]
fn more_entries_than_there_may_be_are_refused_before_they_are_read() {
    let count = Manifest::MAX_ENTRIES + 1;
    let mut varint = count;
    let mut counted = Vec::new();
    while varint >= 0x80 {
        counted.push(varint as u8 | 0x80);
        varint >>= 7;
    }
    counted.push(varint as u8);
    let bytes = [
        b"RLS-MANIFEST\x01\x00",
        NOBODY,
        NOBODY,
        &counted,
        &vec![0; 8 * count],
    ]
    .concat();
    let refused = CodecError::Manifest(ManifestError::TooMany(count));
    assert_eq!(Manifest::decode(&bytes), Err(refused));
}
