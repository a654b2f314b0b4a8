//! What changed on a host behind our back is found, and mended, by the next deploy.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::Path;

use release_tests::scene::{Scene, write};
use release_tests::tree;

/// Replaces some bytes of a file, and leaves its size and time as they were.
fn edit_in_secret(path: &Path) {
    let before = fs::metadata(path).unwrap();
    let mut content = fs::read(path).unwrap();
    content[0] ^= 1;
    fs::write(path, content).unwrap();
    tree::set_mtime(path, before.mtime(), before.mtime_nsec() as u32);
    let after = fs::metadata(path).unwrap();
    assert_eq!((before.len(), before.mtime()), (after.len(), after.mtime()));
}

fn scene() -> Scene {
    let scene = Scene::new(2);
    for name in ["first", "second", "third", "in/a/directory"] {
        write(&scene.source(), name, tree::Random::new(3).text(5000));
    }
    symlink("first", scene.source().join("link")).unwrap();
    tree::release(&scene.source().join("more"), 3, 50, 100_000);
    scene.deploy_and_judge();
    scene
}

#[test]
fn an_edit_that_keeps_size_and_time_is_mended() {
    let scene = scene();
    edit_in_secret(&scene.hosts[0].tree().join("second"));
    let run = scene.deploy_and_judge();
    assert_eq!(run.host("alpha").outcome, "committed");
    assert_eq!(run.host("bravo").outcome, "unchanged");
    // Again, at once: what was just mended is not trusted any more than the rest.
    edit_in_secret(&scene.hosts[0].tree().join("second"));
    scene.deploy_and_judge();
}

#[test]
fn an_edit_of_the_source_that_keeps_size_and_time_is_sent() {
    let scene = scene();
    for _ in 0..3 {
        edit_in_secret(&scene.source().join("in/a/directory"));
        let run = scene.deploy_and_judge();
        assert_eq!(run.host("alpha").outcome, "committed");
    }
}

#[test]
fn drift_of_every_kind_is_mended() {
    let outside = tempfile::tempdir().unwrap();
    write(outside.path(), "a/directory", "nobody may touch this");
    let replaced = outside.path().to_owned();
    type Drift = Box<dyn Fn(&Path)>;
    let kinds: Vec<Drift> = vec![
        Box::new(|tree| fs::remove_file(tree.join("second")).unwrap()),
        Box::new(|tree| fs::remove_dir_all(tree.join("in")).unwrap()),
        Box::new(|tree| write(tree, "in/too/much", "more")),
        Box::new(|tree| fs::create_dir(tree.join("empty")).unwrap()),
        Box::new(|tree| symlink("second", tree.join("another")).unwrap()),
        Box::new(|tree| {
            fs::set_permissions(tree.join("in/a"), PermissionsExt::from_mode(0o500)).unwrap();
        }),
        Box::new(|tree| lchown(tree.join("link"), Some(5), Some(6)).unwrap()),
        Box::new(|tree| tree::set_mtime(tree.join("in/a/directory"), 5, 5)),
        Box::new(|tree| tree::set_mtime(tree, 5, 5)),
        Box::new(|tree| {
            fs::remove_file(tree.join("link")).unwrap();
            symlink("third", tree.join("link")).unwrap();
        }),
        Box::new(move |tree| {
            fs::remove_dir_all(tree.join("in")).unwrap();
            symlink(&replaced, tree.join("in")).unwrap();
        }),
    ];
    let scene = scene();
    for drift in kinds {
        drift(&scene.hosts[0].tree());
        let run = scene.deploy_and_judge();
        assert_eq!(run.host("alpha").outcome, "committed");
        assert_eq!(run.host("bravo").outcome, "unchanged");
    }
    let untouched = fs::read_to_string(outside.path().join("a/directory")).unwrap();
    assert_eq!(untouched, "nobody may touch this");
}

/// What the agent keeps for itself is no more than a hint: when it is damaged, it is not believed.
#[test]
fn a_damaged_record_is_not_believed() {
    let scene = scene();
    for name in ["index", "marker", "manifest"] {
        for damage in [cut as fn(&Path), flip, empty, forget] {
            let tree = scene.hosts[0].tree();
            damage(&tree.join(".release").join(name));
            edit_in_secret(&tree.join("third"));
            scene.deploy_and_judge();
        }
    }
}

fn cut(path: &Path) {
    let length = fs::metadata(path).unwrap().len();
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_len(length / 2).unwrap();
}

fn flip(path: &Path) {
    let mut content = fs::read(path).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 0x55;
    fs::write(path, content).unwrap();
}

fn empty(path: &Path) {
    fs::write(path, "").unwrap();
}

fn forget(path: &Path) {
    fs::remove_file(path).unwrap();
}

/// A marker is a claim, not a proof.
#[test]
fn a_host_that_claims_a_release_it_has_not_is_found_out() {
    let scene = scene();
    let old = tempfile::tempdir().unwrap();
    tree::replace(&old.path().join("tree"), &scene.hosts[0].tree());
    write(&scene.source(), "second", "of the new release");
    scene.deploy_and_judge();
    let claims = scene.hosts[0].tree().join(".release");
    let mine = tempfile::tempdir().unwrap();
    tree::replace(&mine.path().join("claims"), &claims);
    tree::replace(&scene.hosts[0].tree(), &old.path().join("tree"));
    tree::replace(&claims, &mine.path().join("claims"));
    let run = scene.deploy_and_judge();
    assert_eq!(run.host("alpha").outcome, "committed");
    assert_eq!(run.host("bravo").outcome, "unchanged");
}
