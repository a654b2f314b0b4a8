//! What owners are called in the manifest of a tree that was made from one.

use super::*;
use release_core::{Manifest, Principal};

fn user(id: u32, name: Option<&str>) -> Principal {
    Principal {
        id,
        name: name.map(|name| name.as_bytes().into()),
    }
}

/// A tree of the files `a`, `b` and `c`, with these users.
fn scan_of(users: [u32; 3]) -> Scan {
    let tree = Tree::new();
    for name in [b"a", b"b", b"c"] {
        tree.write(name, "content");
    }
    let mut scan = scan(&tree);
    for (found, uid) in scan.found.iter_mut().zip([0].into_iter().chain(users)) {
        (found.uid, found.gid) = (uid, 0);
    }
    scan
}

/// The release that a source has of these users, by what they are called there.
fn release(scan: &Scan, users: [u32; 3], passwd: &str) -> Manifest {
    let names = Names::parse(passwd.as_bytes(), b"");
    let mut source = scan.found.clone();
    for (found, uid) in source.iter_mut().skip(1).zip(users) {
        found.uid = uid;
    }
    let of_source = Scan {
        found: source,
        scanned_at: scan.scanned_at,
        unreadable: Vec::new(),
        specials: Vec::new(),
        mounts: Vec::new(),
        excluded_in: Vec::new(),
        linked: 0,
        index_is_current: false,
    };
    of_source.manifest(&names).unwrap()
}

const HERE: &[u8] = b"bob:x:4242:\n";

#[test]
fn a_tree_is_called_by_the_names_that_its_release_has() {
    // Bob is 4242 here.
    let scan = scan_of([4242, 7, 4242]);
    let mut names = Names::parse(HERE, b"");
    let before = release(&scan, [77, 7, 77], "bob:x:77:\n");
    names.prefer(before.users(), before.groups());
    // He has another number, the number has another name, and names don't count any more.
    for passwd in ["bob:x:77:\namy:x:7:\n", "bob:x:77:\nann:x:7:\nroot:x:0:\n"] {
        let now = release(&scan, [77, 7, 77], passwd);
        assert_ne!(now, before);
        assert_eq!(scan.manifest_as(&now, &names, |_| true).unwrap(), now);
    }
    for (users, passwd) in [([78, 7, 78], "bob:x:78:\n"), ([4242, 7, 4242], "")] {
        let now = release(&scan, users, passwd);
        assert_eq!(scan.manifest_as(&now, &names, |_| true).unwrap(), now);
    }
}

#[test]
fn two_owners_of_one_number_are_told_apart_by_entry() {
    let scan = scan_of([4242, 4242, 77]);
    let now = release(&scan, [77, 4242, 77], "bob:x:77:\n");
    let mut names = Names::parse(HERE, b"");
    // One file belongs to somebody else, who has by chance the number that bob has at the source.
    let shown = scan.manifest_as(&now, &names, |_| true).unwrap();
    let called = |manifest: &Manifest, at: usize| {
        manifest.users()[manifest.entries()[at].meta.user as usize].clone()
    };
    assert_eq!(called(&shown, 1), user(77, Some("bob")));
    assert_eq!(called(&shown, 2), user(4242, None));
    assert_eq!(called(&shown, 3), user(77, None));
    // Nor is he taken for bob where bob is whom the number is preferably called.
    names.prefer(now.users(), now.groups());
    assert!(names.is_ambiguous());
    let by_number = scan.manifest(&names).unwrap();
    assert_eq!(called(&by_number, 1), user(77, Some("bob")));
    assert_eq!(called(&by_number, 3), user(77, None));
}
