//! `.release`: its lock, its stages and its undos.

use std::collections::HashSet;
use std::os::unix::fs::{MetadataExt, symlink};

use release_core::ReleaseId;

use super::*;

fn id(text: &str) -> ReleaseId {
    ReleaseId::new(Digest::of(text.as_bytes()))
}

#[test]
fn the_private_directory_is_the_owners_alone_and_leaves_no_trace() {
    let tree = Tree::new();
    let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::new(99, 7);
    std::fs::File::open(tree.path())
        .unwrap()
        .set_modified(time)
        .unwrap();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(tree.path(), Some(77), Some(88)).unwrap();
    }
    store(&tree);
    store(&tree);
    let (root, private) = (
        tree.path().metadata().unwrap(),
        tree.at(PRIVATE).metadata().unwrap(),
    );
    assert_eq!((root.mtime(), root.mtime_nsec()), (99, 7));
    assert_eq!(private.mode() & 0o7777, 0o700);
    assert_eq!((private.uid(), private.gid()), (root.uid(), root.gid()));
}

#[test]
fn a_lock_is_held_once_and_names_its_holder() {
    let tree = Tree::new();
    let store = store(&tree);
    let held = Lock::take(&store.private, "alice@desk, pid 7").unwrap();
    for _ in 0..2 {
        match Lock::take(&store.private, "bob") {
            Err(LockError::Held(holder)) => assert_eq!(holder, "alice@desk, pid 7"),
            other => panic!("{other:?}"),
        }
    }
    drop(held);
    let long = "é".repeat(1000);
    let held = Lock::take(&store.private, &long).unwrap();
    match Lock::take(&store.private, "carol") {
        Err(LockError::Held(holder)) => assert!(long.starts_with(&holder) && holder.len() > 100),
        other => panic!("{other:?}"),
    }
    drop(held);
    // A killed process holds nothing, whatever it wrote.
    Lock::take(&store.private, "carol").unwrap();
}

#[test]
fn a_lock_of_another_process_counts_until_it_ends() {
    let tree = Tree::new();
    let store = store(&tree);
    drop(Lock::take(&store.private, "somebody").unwrap());
    let mut other = std::process::Command::new("flock")
        .arg(tree.at(b".release/lock"))
        .args(["sh", "-c", "echo locked; cat"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = [0; 7];
    std::io::Read::read_exact(other.stdout.as_mut().unwrap(), &mut line).unwrap();
    assert!(matches!(
        Lock::take(&store.private, "we"),
        Err(LockError::Held(_))
    ));
    drop(other.stdin.take());
    other.wait().unwrap();
    Lock::take(&store.private, "we").unwrap();
}

#[test]
fn a_stage_keeps_what_is_whole_and_right_and_nothing_else() {
    let tree = Tree::new();
    let store = store(&tree);
    let outside = Tree::new();
    outside.write(b"whole", "whole");
    let stage = Stage::open(&store.private, id("new")).unwrap();
    let at = |name: &str| stage.root().path().join(name);
    std::fs::create_dir_all(at("d/e")).unwrap();
    for (name, content) in [
        ("d/whole", "whole"),
        ("d/partial", "who"),
        ("d/e/damaged", "whole"),
        ("no directory", "whole"),
        ("stranger", "whole"),
    ] {
        std::fs::write(at(name), content).unwrap();
    }
    std::fs::create_dir_all(at("no file/x/y")).unwrap();
    std::fs::create_dir_all(at("strange/x")).unwrap();
    std::fs::write(at("strange/x/y"), "").unwrap();
    symlink(outside.path(), at("swapped")).unwrap();
    symlink("d", at("link")).unwrap();
    let manifest = manifest(vec![
        directory("d"),
        file("d/whole", b"whole"),
        file("d/partial", b"whole"),
        file("d/missing", b"whole"),
        directory("d/e"),
        file("d/e/damaged", b"WHOLE"),
        directory("no directory"),
        file("no file", b"whole"),
        directory("swapped"),
        file("swapped/whole", b"whole"),
        link("link", "d"),
    ]);
    let whole = stage.sift(&manifest).unwrap();
    let expected = manifest.find(&path("d/whole")).unwrap().0 as u32;
    assert_eq!(whole, HashSet::from([expected]));
    let mut left: Vec<String> = walkdir::WalkDir::new(stage.root().path())
        .min_depth(1)
        .into_iter()
        .map(|entry| {
            let path = entry.unwrap().into_path();
            path.strip_prefix(stage.root().path())
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    left.sort();
    assert_eq!(left, ["d", "d/e", "d/whole"]);
    assert!(outside.at(b"whole").exists());
}

/// A commit from `old` to `new` that displaces one file each time.
fn displace(store: &Store, old: &Manifest, name: &str, restored: Option<ReleaseId>) -> Undo {
    let undo = Undo::begin(store, Some(old), None, restored)
        .unwrap()
        .unwrap();
    let content = format!("content of {name}");
    std::fs::write(store.tree.path().join(name), &content).unwrap();
    undo.take(
        &store.tree,
        name.as_bytes(),
        &Digest::of(content.as_bytes()),
    )
    .unwrap();
    undo
}

fn of(name: &str) -> Manifest {
    manifest(vec![file(name, format!("content of {name}").as_bytes())])
}

fn last(store: &Store) -> Option<ReleaseId> {
    Undo::last(store)
        .unwrap()
        .map(|manifest| manifest.release_id())
}

#[test]
fn only_the_last_undo_is_kept_and_has_what_was_displaced() {
    let tree = Tree::new();
    let store = store(&tree);
    assert_eq!(last(&store), None);
    for (old, new) in [("a", "b"), ("b", "c"), ("c", "b")] {
        displace(&store, &of(old), old, None);
        Undo::conclude(&store, of(new).release_id()).unwrap();
        assert_eq!(last(&store), Some(of(old).release_id()));
        assert!(!tree.at(old.as_bytes()).exists());
        let keepsakes = Keepsakes::gather(&store, id("none")).unwrap();
        let digest = Digest::of(format!("content of {old}").as_bytes());
        assert_eq!(keepsakes.digests, [digest]);
        let mut text = String::new();
        std::io::Read::read_to_string(&mut keepsakes.open(0).unwrap(), &mut text).unwrap();
        assert_eq!(text, format!("content of {old}"));
    }
}

#[test]
fn a_commit_that_was_cut_off_is_gone_on_with() {
    let tree = Tree::new();
    let store = store(&tree);
    displace(&store, &of("a"), "a", None);
    Undo::conclude(&store, of("b").release_id()).unwrap();
    // b to c is cut off, and the mixture becomes d: the way back is to b.
    displace(&store, &of("b"), "b", None);
    displace(&store, &of("mixture"), "mixture", None);
    assert_eq!(last(&store), Some(of("b").release_id()));
    Undo::conclude(&store, of("d").release_id()).unwrap();
    assert_eq!(last(&store), Some(of("b").release_id()));
    // d to e is cut off, and d is put back: the way back is still to b.
    displace(&store, &of("d"), "d", None);
    Undo::conclude(&store, of("d").release_id()).unwrap();
    assert_eq!(last(&store), Some(of("b").release_id()));
    // Going back from d to b is cut off: going back once more is to b, not to d.
    displace(&store, &of("d"), "d", Some(of("b").release_id()));
    assert_eq!(last(&store), Some(of("b").release_id()));
    Undo::conclude(&store, of("b").release_id()).unwrap();
    assert_eq!(last(&store), Some(of("d").release_id()));
}

#[test]
fn an_undo_that_was_not_fully_begun_is_none() {
    let tree = Tree::new();
    let store = store(&tree);
    displace(&store, &of("a"), "a", None);
    Undo::conclude(&store, of("b").release_id()).unwrap();
    Undo::begin(&store, Some(&of("b")), None, None).unwrap();
    let begun = tree.at(format!(".release/undo/{}", of("b").release_id()).as_bytes());
    std::fs::remove_file(begun.join("manifest")).unwrap();
    assert_eq!(last(&store), Some(of("a").release_id()));
    for rubbish in ["", "../../..", "lock\n\n", "\u{0}", &"x".repeat(5_000)] {
        std::fs::write(tree.at(b".release/commit"), rubbish).unwrap();
        assert_eq!(last(&store), Some(of("a").release_id()), "{rubbish:.10?}");
    }
    displace(&store, &of("b"), "b", None);
    assert_eq!(last(&store), Some(of("b").release_id()));
}

/// Two names of one inode: a rename of one onto the other would do nothing.
#[test]
fn taking_a_name_takes_it_whatever_it_shares() {
    let tree = Tree::new();
    let store = store(&tree);
    let undo = Undo::begin(&store, Some(&of("a")), None, None)
        .unwrap()
        .unwrap();
    tree.write(b"one", "same");
    for other in ["two", "three"] {
        std::fs::hard_link(tree.at(b"one"), tree.at(other.as_bytes())).unwrap();
    }
    let digest = Digest::of(b"same");
    undo.keep(&store.tree, b"one", &digest).unwrap();
    undo.keep(&store.tree, b"one", &digest).unwrap();
    assert!(tree.at(b"one").exists(), "what is kept stays");
    for name in ["one", "two", "three"] {
        undo.take(&store.tree, name.as_bytes(), &digest).unwrap();
        assert!(!tree.at(name.as_bytes()).exists(), "{name}");
    }
    assert_eq!(
        Keepsakes::gather(&store, id("none")).unwrap().digests,
        [digest]
    );
}
