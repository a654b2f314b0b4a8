//! A tree of every oddity arrives as it is, twice over, after changes of every type.

use std::fs;

use release_tests::judge;
use release_tests::scene::{Scene, write};
use release_tests::tree;

#[test]
fn every_oddity_arrives_twice_over() {
    let scene = Scene::new(2);
    tree::oddities(&scene.source());
    scene.deploy_and_judge();
    for seed in [1, 2] {
        tree::mutate(&scene.source(), seed);
        let run = scene.deploy_and_judge();
        assert_eq!(run.host("alpha").outcome, "committed");
    }
    let repeat = scene.deploy_and_judge();
    assert_eq!(repeat.host("bravo").outcome, "unchanged");
}

#[test]
fn paths_that_are_longer_than_the_kernel_takes() {
    let scene = Scene::deployed(10, 10_000);
    let shallow = scene.snapshots();
    tree::deep(&scene.source());
    scene.cli.deploy().assert_proven();
    judge::assert_snapshots_equal(&scene.source(), &scene.host().tree());
    let top = "d".repeat(250);
    fs::remove_dir_all(scene.source().join(&top)).unwrap();
    scene.cli.deploy().assert_proven();
    assert!(!scene.host().tree().join(&top).exists());
    // All but the root's own time, which changed with the deletion.
    tree::set_mtime(scene.source(), 1_700_000_000, 7);
    scene.cli.deploy().assert_proven();
    judge::assert_snapshots_equal(&scene.source(), &scene.host().tree());
    assert_eq!(shallow[0].len(), scene.snapshots()[0].len());
}

/// `.release` and `lost+found` at the root are nobody's release, on either side.
#[test]
fn what_is_ours_at_the_root_is_neither_sent_nor_deleted() {
    let scene = Scene::new(1);
    write(&scene.source(), "file", "content");
    write(&scene.source(), ".release/secret", "of the source");
    write(&scene.source(), "lost+found/lost", "of the source");
    write(&scene.host().tree(), "lost+found/lost", "of the host");
    for _ in 0..2 {
        scene.deploy_and_judge();
        let tree = scene.host().tree();
        assert!(!tree.join(".release/secret").exists());
        let lost = fs::read_to_string(tree.join("lost+found/lost"));
        assert_eq!(lost.unwrap(), "of the host");
    }
    let mode = std::os::unix::fs::PermissionsExt::mode;
    let ours = fs::metadata(scene.host().tree().join(".release")).unwrap();
    assert_eq!(mode(&ours.permissions()) & 0o7777, 0o700);
}

/// A host that had a tree before it met us: nothing of it is in an index.
#[test]
fn a_tree_that_was_there_before_becomes_the_release() {
    let scene = Scene::new(1);
    tree::oddities(&scene.source());
    tree::replace(&scene.host().tree(), &scene.source());
    tree::mutate(&scene.host().tree(), 9);
    write(&scene.host().tree(), "more/and/more", "too much");
    let run = scene.deploy_and_judge();
    // Most of it is there already, and need not be sent.
    let host = run.host("alpha");
    assert!(host.bytes_sent < 2 << 20, "{host:#?}");
}
