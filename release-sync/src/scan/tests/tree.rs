//! What is found, whatever it is called and wherever it is.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use proptest::prelude::*;
use release_core::{Manifest, Principal};

use super::*;

#[test]
fn everything_about_an_entry_is_found() {
    let tree = Tree::new();
    tree.write(b"d/file", "content");
    tree.write(b"d/empty", "");
    symlink("../some\nwhere", tree.path().join("link")).unwrap();
    let mode = Permissions::from_mode(0o4751);
    std::fs::set_permissions(tree.at(b"d/file"), mode).unwrap();
    set_mtime(&tree, "d/file", Duration::new(1_234_567_890, 123_456_789));
    let scan = scan(&tree);
    let names: Vec<String> = scan.found.iter().map(|f| f.path.to_string()).collect();
    assert_eq!(names, [".", "d", "d/empty", "d/file", "link"]);
    let file = at(&scan, b"d/file");
    let known = tree.at(b"d/file").metadata().unwrap();
    assert_eq!(file.file(), Some((7, Digest::of(b"content"))));
    assert_eq!(file.mode, 0o4751);
    assert_eq!((file.uid, file.gid), (known.uid(), known.gid()));
    assert_eq!(file.stamp.inode, known.ino());
    assert_eq!(file.stamp.ctime.seconds, known.ctime());
    let mtime = Timestamp {
        seconds: 1_234_567_890,
        nanos: 123_456_789,
    };
    assert_eq!(file.mtime, mtime);
    assert_eq!(at(&scan, b"d/empty").file(), Some((0, Digest::of(b""))));
    let target = b"../some\nwhere"[..].into();
    assert_eq!(at(&scan, b"link").kind, FoundKind::Symlink { target });
    assert_eq!(at(&scan, b"link").mode, 0);
    assert_eq!(at(&scan, b"").kind, FoundKind::Directory);
}

#[test]
fn names_are_bytes() {
    let tree = Tree::new();
    let names = [
        &b"-rf"[..],
        b"new\nline",
        b"\xff\xfe",
        b" ",
        b"\\x41",
        &[b'n'; 255],
    ];
    for name in names {
        tree.write(name, name);
    }
    let scan = scan(&tree);
    for name in names {
        assert_eq!(at(&scan, name).file().unwrap().1, Digest::of(name));
    }
    assert_eq!(scan.found.len(), 1 + names.len());
}

#[test]
fn depth_costs_no_stack() {
    let tree = Tree::new();
    let deep = tree.deep(b"directory", 3_000);
    let scan = scan(&tree);
    assert_eq!(scan.found.len(), 3_001);
    assert_eq!(scan.found[3_000].path.as_bytes(), deep);
    assert!(scan.unreadable.is_empty());
}

#[test]
fn a_path_beyond_all_limits_is_reported() {
    let tree = Tree::new();
    tree.deep(&[b'd'; 255], RelPath::MAX_LEN / 256 + 2);
    let scan = scan(&tree);
    assert_eq!(scan.found.len(), 1 + (RelPath::MAX_LEN + 1) / 256);
    let (at, error) = &scan.unreadable[0];
    assert_eq!(at, &scan.found[scan.found.len() - 1].path);
    assert_eq!(error.kind(), io::ErrorKind::InvalidFilename);
    assert!(scan.manifest(&Names::parse(b"", b"")).is_err());
}

#[test]
fn our_own_and_the_file_systems_directory_are_not_of_the_tree() {
    let tree = Tree::new();
    for name in [
        &b".release/x"[..],
        b"lost+found/x",
        b"d/.release/x",
        b"d/lost+found/x",
    ] {
        tree.write(name, "");
    }
    let scan = scan(&tree);
    let names: Vec<String> = scan.found.iter().map(|f| f.path.to_string()).collect();
    let kept = [
        "d/.release",
        "d/.release/x",
        "d/lost+found",
        "d/lost+found/x",
    ];
    assert_eq!(names[2..], kept);
    assert!(scan.excluded_in.is_empty());
}

#[test]
fn what_is_excluded_is_not_entered() {
    let tree = Tree::new();
    for name in [
        &b"a/keep"[..],
        b"a/x.pyc",
        b"cache/deep/file",
        b"a/b/cache/f",
        b"file.pyc/in",
    ] {
        tree.write(name, "");
    }
    let (scan, _) = scan_with(&tree, &["*.pyc", "cache/", "!/cache/"], None);
    let names: Vec<String> = scan.found.iter().map(|f| f.path.to_string()).collect();
    assert_eq!(
        names,
        [
            ".",
            "a",
            "a/b",
            "a/keep",
            "cache",
            "cache/deep",
            "cache/deep/file"
        ]
    );
    // A file `a/b/cache` would not be excluded.
    let excluded_in = ["", "a", "a/b", "a/b/cache"].map(path);
    assert_eq!(scan.excluded_in, excluded_in);
}

#[test]
fn specials_are_reported_and_not_carried() {
    let tree = Tree::new();
    tree.fifo(b"fifo");
    let _socket = std::os::unix::net::UnixListener::bind(tree.at(b"socket")).unwrap();
    let scan = scan(&tree);
    assert_eq!(scan.specials, [path("fifo"), path("socket")]);
    assert_eq!(at(&scan, b"fifo").kind, FoundKind::Special);
    let manifest = scan.manifest(&Names::parse(b"", b"")).unwrap();
    assert!(manifest.is_empty());
    assert!(scan.unreadable.is_empty());
}

#[test]
fn a_tree_that_is_torn_down_meanwhile_is_no_fault_of_the_scan() {
    let tree = Tree::new();
    let change = || {
        for number in 0..20 {
            tree.write(format!("d/{number}/file").as_bytes(), "content");
        }
        std::fs::remove_dir_all(tree.at(b"d")).unwrap();
    };
    for scan in while_running(200, change, || scan(&tree)) {
        for (path, error) in scan.unreadable {
            let kind = error.kind();
            // A file that is unlinked while it is being read has changed.
            let expected = [io::ErrorKind::NotFound, io::ErrorKind::ResourceBusy];
            assert!(expected.contains(&kind), "{path}: {kind}");
        }
    }
}

#[test]
fn a_scan_can_be_cancelled() {
    let tree = Tree::new();
    tree.write(b"file", "content");
    let rig = Rig::new(&[]);
    rig.cancel.store(true, Ordering::Relaxed);
    let options = rig.options();
    let error = scan_tree(&tree.root(), &options).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Interrupted);
}

#[test]
fn the_manifest_says_who_owns_what() {
    let tree = Tree::new();
    tree.write(b"d/file", "content");
    let scan = scan(&tree);
    let Found { uid, gid, .. } = *at(&scan, b"d/file");
    let passwd = format!("someone:x:{uid}:1::/:\n");
    let names = Names::parse(passwd.as_bytes(), b"");
    let manifest = scan.manifest(&names).unwrap();
    let someone = Principal {
        id: uid,
        name: Some(b"someone"[..].into()),
    };
    assert_eq!(manifest.users(), [someone]);
    assert_eq!(
        manifest.groups(),
        [Principal {
            id: gid,
            name: None
        }]
    );
    assert_eq!(manifest.totals(), (1, 7));
}

#[test]
fn a_mount_below_the_root_is_not_entered() {
    let rig = Rig::new(&[]);
    let options = rig.options();
    // Every Linux has devpts mounted here, with `ptmx` in it.
    let scan = scan_tree(&Root::open("/dev".as_ref()).unwrap(), &options).unwrap();
    assert!(scan.mounts.contains(&path("pts")), "{:?}", scan.mounts);
    assert_eq!(at(&scan, b"pts").kind, FoundKind::Directory);
    assert!(
        !scan
            .found
            .iter()
            .any(|found| found.path.parent_bytes() == b"pts")
    );
}

#[test]
fn a_root_that_cannot_be_listed_is_an_error() {
    let tree = Tree::new();
    let flags = rustix::fs::OFlags::PATH;
    let unlisted = rustix::fs::open(tree.path(), flags, rustix::fs::Mode::empty()).unwrap();
    let root = Root::from_fd(unlisted, tree.path().to_owned());
    std::fs::remove_dir(tree.path()).unwrap();
    let rig = Rig::new(&[]);
    assert!(scan_tree(&root, &rig.options()).is_err());
}

#[test]
fn what_may_not_be_read_is_reported() {
    let tree = Tree::new();
    tree.write(b"closed/inside", "content");
    tree.write(b"file", "content");
    tree.write(b"empty", "");
    for name in ["closed", "file", "empty"] {
        let closed = Permissions::from_mode(0o000);
        std::fs::set_permissions(tree.at(name.as_bytes()), closed).unwrap();
    }
    let scan = scan(&tree);
    let open = Permissions::from_mode(0o700);
    std::fs::set_permissions(tree.at(b"closed"), open).unwrap();
    assert_eq!(at(&scan, b"empty").file(), Some((0, Digest::of(b""))));
    if rustix::process::geteuid().is_root() {
        // Root reads what it wants.
        assert!(scan.unreadable.is_empty());
        assert_eq!(
            at(&scan, b"closed/inside").file(),
            at(&scan, b"file").file()
        );
        return;
    }
    let unreadable: Vec<_> = scan
        .unreadable
        .iter()
        .map(|(path, _)| path.clone())
        .collect();
    assert_eq!(unreadable, [path("closed"), path("file")]);
    assert_eq!(at(&scan, b"file").file(), None);
    let manifest = scan.manifest(&Names::parse(b"", b""));
    assert!(
        matches!(manifest, Err(crate::scan::manifest::IncompleteScan::Unreadable(first)) if first == path("closed"))
    );
}

#[derive(Clone, Debug)]
enum Node {
    File(Vec<u8>),
    Link(String),
    Directory,
}

fn nodes() -> impl Strategy<Value = Vec<(String, Node)>> {
    let node = prop_oneof![
        4 => proptest::collection::vec(any::<u8>(), 0..40).prop_map(Node::File),
        1 => "[a-z/.]{1,20}".prop_map(Node::Link),
        2 => Just(Node::Directory),
    ];
    proptest::collection::vec(("[ab.-]{1,2}[a0](/[ab.-]{1,2}[a0]){0,4}", node), 0..30)
}

proptest! {
    #![proptest_config(crate::testing::cases(64))]

    /// What `walkdir` finds is what is found, in the order of paths, with the content that is there.
    #[test]
    fn a_scan_agrees_with_a_plain_walk(nodes in nodes()) {
        let tree = Tree::new();
        for (name, node) in nodes {
            let at = tree.at(name.as_bytes());
            // Names may clash with one another; what cannot be made is left out.
            let _ = std::fs::create_dir_all(at.parent().unwrap());
            let _ = match node {
                Node::File(content) => File::create_new(at).and_then(|mut f| f.write_all(&content)),
                Node::Link(target) => symlink(target, at),
                Node::Directory => std::fs::create_dir(at),
            };
        }
        let scan = scan(&tree);
        prop_assert!(scan.unreadable.is_empty());
        let mut expected: Vec<RelPath> = walkdir::WalkDir::new(tree.path())
            .into_iter()
            .map(|entry| {
                let entry = entry.unwrap();
                let path = entry.path().strip_prefix(tree.path()).unwrap();
                RelPath::parse(path.as_os_str().as_bytes()).unwrap()
            })
            .collect();
        expected.sort();
        let found: Vec<RelPath> = scan.found.iter().map(|found| found.path.clone()).collect();
        prop_assert_eq!(found, expected);
        for found in &scan.found {
            if let Some((size, digest)) = found.file() {
                let content = std::fs::read(tree.at(found.path.as_bytes())).unwrap();
                prop_assert_eq!((size, digest), (content.len() as u64, Digest::of(&content)));
            }
        }
        let manifest = scan.manifest(&Names::parse(b"", b"")).unwrap();
        prop_assert_eq!(Manifest::decode(&manifest.encode()), Ok(manifest));
    }
}
