//! What new files were before, by their names.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use release_core::{Digest, Entry, Kind, Manifest, Meta, Principal, RelPath, Timestamp};

use crate::plan::predecessor::Predecessors;
use crate::tree::{Found, FoundKind, Stamp};

fn path(text: &str) -> RelPath {
    RelPath::parse(text.as_bytes()).unwrap()
}

fn tree(files: &[(&str, u64)]) -> Vec<Found> {
    let found = files.iter().map(|&(name, size)| Found {
        path: path(name),
        mode: 0o644,
        uid: 0,
        gid: 0,
        mtime: Timestamp::default(),
        stamp: Stamp {
            inode: 1,
            ctime: Timestamp::default(),
        },
        kind: FoundKind::File {
            size,
            digest: Some(Digest::of(b"old")),
        },
    });
    let mut found: Vec<Found> = found.collect();
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn release(files: &[(&str, u64)]) -> Manifest {
    let meta = Meta {
        mode: 0o644,
        user: 0,
        group: 0,
        mtime: Timestamp::default(),
    };
    let entry = |path: RelPath, kind| (path.clone(), Entry { path, meta, kind });
    let mut entries = std::collections::BTreeMap::from([entry(RelPath::root(), Kind::Directory)]);
    for &(name, size) in files {
        let digest = Digest::of(b"new");
        let file = path(name);
        let above = std::iter::successors(file.parent(), RelPath::parent);
        entries.extend(above.map(|directory| entry(directory, Kind::Directory)));
        entries.extend([entry(file, Kind::File { size, digest })]);
    }
    let table = vec![Principal { id: 0, name: None }];
    Manifest::new(table.clone(), table, entries.into_values().collect()).unwrap()
}

fn is_file(found: &Found) -> bool {
    matches!(found.kind, FoundKind::File { .. })
}

/// Which of the old files the new one is taken to have been.
fn predecessor(
    old: &[(&str, u64)],
    new_release: &[(&str, u64)],
    new: (&str, u64),
) -> Option<String> {
    let (tree, release) = (tree(old), release(new_release));
    let found = Predecessors::new(&release, &tree, is_file).of(&path(new.0), new.1);
    found.map(|index| tree[index as usize].path.to_string())
}

#[test]
fn a_name_with_another_hash_is_known_again() {
    let old = [
        ("js/index-BqcuHnRP.js", 9000),
        ("js/index-BqcuHnRP.css", 9000),
        ("js/vendor-00000000.js", 9000),
        ("other/index-Cx81aaaa.js", 9000),
    ];
    let of = |name: &str, size| predecessor(&old, &[(name, size)], (name, size));
    let found = |name: &str| of(name, 9500);
    assert_eq!(
        found("js/index-D01Ba9_x.js").as_deref(),
        Some("js/index-BqcuHnRP.js")
    );
    assert_eq!(
        found("js/index-D01Ba9_x.css").as_deref(),
        Some("js/index-BqcuHnRP.css")
    );
    assert_eq!(
        found("js/vendor-12345678.js").as_deref(),
        Some("js/vendor-00000000.js")
    );
    assert_eq!(found("js/about-12345678.js"), None);
    assert_eq!(found("js/index-12345678.map"), None);
    assert_eq!(
        of("js/index-D01Ba9_x.js", 90_000),
        None,
        "ten times as long"
    );
}

#[test]
fn what_stays_where_it_is_has_become_nothing_else() {
    let old = [("lib-1.js", 9000), ("lib-2.js", 9000)];
    let new = [("lib-2.js", 9000), ("lib-3.js", 9000)];
    let found = predecessor(&old, &new, ("lib-3.js", 9000));
    assert_eq!(found.as_deref(), Some("lib-1.js"));
}

#[test]
fn of_several_the_most_similar_one_is_taken_and_then_the_one_of_like_size() {
    let old = [
        ("page-ab12.js", 3000),
        ("page-ab13.js", 3000),
        ("page-zz.js", 2000),
    ];
    let found = |name| predecessor(&old, &[(name, 2900)], (name, 2900)).unwrap();
    assert_eq!(found("page-ab14.js"), "page-ab13.js");
    let old = [("x-y-1.js", 3000), ("x-y-3.js", 2000)];
    let found = |size| predecessor(&old, &[("x-y-2.js", size)], ("x-y-2.js", size)).unwrap();
    assert_eq!(
        (found(3100), found(1900)),
        ("x-y-1.js".into(), "x-y-3.js".into())
    );
}

#[test]
fn a_directory_may_have_another_name() {
    let old = [
        ("static/1.2.3/js/app.js", 5000),
        ("static/1.2.3/js/lib.js", 5000),
    ];
    let found = |name| predecessor(&old, &[(name, 5000)], (name, 5000));
    let app = found("static/1.2.4/js/app.js");
    assert_eq!(app.as_deref(), Some("static/1.2.3/js/app.js"));
    assert_eq!(found("static/1.2.4/css/app.js"), None, "two names differ");
    assert_eq!(found("static/js/app.js"), None);
}

/// However many files have gone, few are compared with each new one.
#[test]
fn many_files_are_no_burden() {
    let name = |prefix: &str, number: usize| format!("{prefix}-{number:08}.js");
    let names =
        |prefix: &str| -> Vec<String> { (0..50_000).map(|number| name(prefix, number)).collect() };
    let sized = |names: &'static [String]| -> Vec<(&str, u64)> {
        names.iter().map(|name| (&**name, 5000)).collect()
    };
    let (old, new) = (names("old").leak(), names("oldest").leak());
    let (tree, release) = (tree(&sized(old)), release(&sized(new)));
    let started = Instant::now();
    let predecessors = Predecessors::new(&release, &tree, is_file);
    let files = release
        .entries()
        .iter()
        .filter(|entry| !entry.is_directory());
    let count = files
        .filter(|entry| predecessors.of(&entry.path, 5000).is_some())
        .count();
    assert_eq!(count, 50_000);
    // Comparing all with all would take minutes.
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
}
