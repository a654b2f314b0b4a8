//! Attributes, and removing whole directories.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::*;
use crate::tree::{Found, FoundKind, Stamp};

fn chmod(path: impl AsRef<std::path::Path>, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn at(entry: Entry, seconds: i64, nanos: u32) -> Entry {
    let mtime = Timestamp { seconds, nanos };
    let meta = Meta {
        mtime,
        ..entry.meta
    };
    Entry { meta, ..entry }
}

#[test]
fn attributes_are_set_to_the_last_bit() {
    let tree = Tree::new();
    tree.write(b"d/file", "content");
    symlink("file", tree.at(b"d/link")).unwrap();
    let root = tree.root();
    let owners = rustix::process::geteuid()
        .is_root()
        .then(|| crate::plan::Owners {
            users: vec![12_345],
            groups: vec![54_321],
        });
    let mut suid = at(file("d/file", b"content"), -7, 999_999_999);
    suid.meta.mode = 0o6711;
    let link = at(link("d/link", "file"), 3, 4);
    let mut closed = at(directory("d"), 1 << 33, 1);
    closed.meta.mode = 0o1000;
    // The directory last: what is set in it would touch it.
    for entry in [&suid, &link, &closed] {
        let (parent, name) = root.parent(&entry.path).unwrap();
        Attributes::of(entry, owners.as_ref())
            .set_at(&parent, name)
            .unwrap();
    }
    let directory = tree.at(b"d").metadata().unwrap();
    chmod(tree.at(b"d"), 0o755);
    for (entry, name) in [(&suid, "d/file"), (&link, "d/link")] {
        let stat = tree.at(name.as_bytes()).symlink_metadata().unwrap();
        let mtime = (stat.mtime(), stat.mtime_nsec() as u32);
        assert_eq!(
            mtime,
            (entry.meta.mtime.seconds, entry.meta.mtime.nanos),
            "{name}"
        );
        if owners.is_some() {
            assert_eq!((stat.uid(), stat.gid()), (12_345, 54_321), "{name}");
        }
    }
    assert_eq!(
        tree.at(b"d/file").metadata().unwrap().mode() & 0o7777,
        0o6711
    );
    assert_eq!(
        (directory.mode() & 0o7777, directory.mtime()),
        (0o1000, 1 << 33)
    );
}

#[test]
fn of_what_was_found_only_what_differs_is_set() {
    let tree = Tree::new();
    tree.write(b"file", "content");
    tree.write(b"target", "content");
    symlink("target", tree.at(b"link")).unwrap();
    chmod(tree.at(b"file"), 0o640);
    let root = tree.root();
    let stat = tree.at(b"file").metadata().unwrap();
    let mut found = Found {
        path: RelPath::parse(b"file").unwrap(),
        mode: 0o640,
        uid: stat.uid(),
        gid: stat.gid(),
        mtime: Timestamp::default(),
        stamp: Stamp {
            inode: stat.ino(),
            ctime: Timestamp::default(),
        },
        kind: FoundKind::Special,
    };
    let mut wanted = at(file("file", b"content"), 77, 8);
    wanted.meta.mode = 0o640;
    let set = |wanted: &Entry, found: &Found| {
        let attributes = Attributes::of(wanted, None);
        attributes
            .set_on_found(&root, found.path.as_bytes(), found)
            .unwrap();
        let stat = tree.at(b"file").metadata().unwrap();
        (stat.mode() & 0o7777, stat.mtime(), stat.mtime_nsec())
    };
    assert_eq!(set(&wanted, &found), (0o640, 77, 8));
    wanted.meta.mode = 0o4755;
    assert_eq!(set(&wanted, &found), (0o4755, 77, 8));

    // A link that has just come to stand in a file's place is all that is touched.
    let before = tree.at(b"target").metadata().unwrap();
    found.path = RelPath::parse(b"link").unwrap();
    found.mode = 0o4755;
    set(&wanted, &found);
    let after = tree.at(b"target").metadata().unwrap();
    assert_eq!(
        (before.mtime(), before.ctime_nsec()),
        (after.mtime(), after.ctime_nsec())
    );
    assert_eq!(tree.at(b"link").symlink_metadata().unwrap().mtime(), 77);
}

/// A link where a file should be may have come a moment ago: what it points to is left alone.
#[test]
fn a_link_is_never_followed() {
    let tree = Tree::new();
    tree.write(b"target", "content");
    symlink("target", tree.at(b"link")).unwrap();
    let before = tree.at(b"target").metadata().unwrap();
    let root = tree.root();
    let as_file = Attributes::of(&file("link", b"content"), None);
    assert!(as_file.set_at(&root, b"link").is_err());
    assert!(attributes::change_mode(&root, b"link", 0o777).is_err());
    let after = tree.at(b"target").metadata().unwrap();
    assert_eq!(
        (before.mode(), before.ctime_nsec()),
        (after.mode(), after.ctime_nsec())
    );
}

#[test]
fn an_owner_changes_what_they_may_not_read() {
    let tree = Tree::new();
    tree.write(b"file", "content");
    chmod(tree.at(b"file"), 0);
    as_nobody(&tree, || {
        let root = tree.root();
        for mode in [0, 0o200, 0o4111] {
            let mut entry = file("file", b"content");
            entry.meta.mode = mode;
            Attributes::of(&entry, None).set_at(&root, b"file").unwrap();
            let stat = tree.at(b"file").metadata().unwrap();
            assert_eq!(
                (stat.mode() & 0o7777, stat.mtime()),
                (mode.into(), 1_000_000_000)
            );
        }
    });
}

#[test]
fn a_tree_is_removed_however_deep() {
    let tree = Tree::new();
    tree.write(b"outside/precious", "x");
    std::fs::create_dir(tree.at(b"gone")).unwrap();
    let inner = Tree::new();
    inner.deep(b"directory", 3_000);
    std::fs::rename(inner.at(b"directory"), tree.at(b"gone/directory")).unwrap();
    symlink("../outside", tree.at(b"gone/link")).unwrap();
    tree.fifo(b"gone/fifo");
    remove_tree(&tree.root(), &path("gone")).unwrap();
    assert!(!tree.at(b"gone").exists());
    assert!(tree.at(b"outside/precious").exists());
    remove_tree(&tree.root(), &path("gone")).unwrap();
    remove_tree(&tree.root(), &path("never/was")).unwrap();
}

#[test]
fn closed_directories_are_removed_by_their_owner() {
    let tree = Tree::new();
    for mode in [0, 0o100, 0o400, 0o500, 0o555] {
        for inside in ["", "/inner", "/inner/innermost"] {
            tree.write(format!("gone/{mode}{inside}/file").as_bytes(), "x");
        }
        std::fs::create_dir(tree.at(format!("gone/{mode}/hollow").as_bytes())).unwrap();
        for closed in ["/inner/innermost", "/inner", "/hollow", ""] {
            chmod(tree.at(format!("gone/{mode}{closed}").as_bytes()), mode);
        }
    }
    as_nobody(&tree, || remove_tree(&tree.root(), &path("gone")).unwrap());
    assert!(!tree.at(b"gone").exists());
}
