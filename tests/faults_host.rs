//! Hosts that can't take a release: full, read-only, or with something else where it should go.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::process::Command;

use release_tests::judge;
use release_tests::scene::{Scene, write};
use release_tests::sshd::{SshdOptions, WWW};
use release_tests::tree;

fn scene() -> Scene {
    let scene = Scene::new(1);
    write(&scene.source(), "file", "content");
    write(&scene.source(), "below/file", "content");
    scene
}

/// One host whose disk is so large, in bytes, and has a small release.
fn small_disk(size: u64) -> Scene {
    let scene = Scene::with([SshdOptions {
        disk: Some(size),
        ..SshdOptions::default()
    }]);
    tree::release(&scene.source(), 1, 50, 200_000);
    scene.cli.deploy().assert_proven();
    judge::assert_snapshots_equal(&scene.source(), &scene.host().tree());
    scene
}

#[test]
fn no_space_while_staging_leaves_the_tree_as_it_was() {
    let scene = small_disk(8 << 20);
    let before = scene.snapshots();
    let big = tree::Random::new(4).bytes(20 << 20);
    write(&scene.source(), "big", big);
    write(&scene.source(), "small", "also new");
    let destination = scene.rack.destination();
    for _ in 0..2 {
        let run = scene.cli.deploy();
        run.assert_failed(1, &["alpha", destination.to_str().unwrap(), "space"]);
        scene.assert_unchanged(&before);
    }
    // Nor does what could not be used go on taking room.
    fs::remove_file(scene.source().join("big")).unwrap();
    let fits = tree::Random::new(5).bytes(5 << 20);
    write(&scene.source(), "fits", fits);
    scene.cli.deploy().assert_proven();
    judge::assert_snapshots_equal(&scene.source(), &scene.host().tree());
}

#[test]
fn many_small_files_fill_a_disk_too() {
    let scene = small_disk(4 << 20);
    let before = scene.snapshots();
    tree::release(&scene.source().join("more"), 2, 3000, 12 << 20);
    let run = scene.cli.deploy();
    run.assert_failed(1, &["alpha", "space"]);
    scene.assert_unchanged(&before);
}

#[test]
fn a_destination_that_is_a_file() {
    let scene = scene();
    fs::write(scene.host().tree(), "precious").unwrap();
    let before = scene.snapshots();
    let run = scene.cli.deploy();
    let destination = scene.rack.destination();
    run.assert_failed(1, &["alpha", destination.to_str().unwrap()]);
    assert_eq!(run.host("alpha").outcome, "failed");
    scene.assert_unchanged(&before);
}

#[test]
fn a_destination_on_a_read_only_file_system() {
    let scene = scene();
    scene.deploy_and_judge();
    let before = scene.snapshots();
    write(&scene.source(), "more", "content");
    let shared = scene.rack.shared().display();
    (scene.host()).run(&format!("mount -o remount,bind,ro {shared}"));
    let run = scene.cli.deploy();
    let destination = scene.rack.destination();
    run.assert_failed(1, &["alpha", destination.to_str().unwrap(), "read-only"]);
    let outcome = &*run.host("alpha").outcome;
    assert!(["read-only", "failed"].contains(&outcome), "{outcome}");
    scene.assert_unchanged(&before);
    (scene.host()).run(&format!("mount -o remount,bind,rw {shared}"));
    scene.deploy_and_judge();
}

/// Found out before anything is changed, and no matter where the release has no such times.
#[test]
fn a_file_system_that_cannot_hold_the_times_of_the_release() {
    let scene = Scene::with([SshdOptions {
        disk: Some(40 << 20),
        ..SshdOptions::default()
    }]);
    let (image, at) = (scene.rack.shared().join("image"), scene.rack.destination());
    let (image, at) = (image.display(), at.display());
    scene.host().run(&format!(
        "truncate -s 32M {image}; mkfs.ext4 -q -I 128 {image}; mkdir {at}; mount -o loop {image} {at}"
    ));
    write(&scene.source(), "whole", "content");
    write(&scene.source(), "below/file", "content");
    let set_times = |times: [&str; 2]| {
        for (path, time) in [".", "whole", "below", "below/file"]
            .into_iter()
            .zip([times[0], times[0], times[0], times[1]])
        {
            let status = Command::new("touch")
                .args(["-d", time])
                .arg(scene.source().join(path))
                .status();
            assert!(status.unwrap().success());
        }
    };
    let before = scene.snapshots();
    for odd in ["@1700000000.5", "@1700000000.000000001", "@3000000000"] {
        set_times(["@1700000000", odd]);
        let run = scene.cli.deploy();
        run.assert_failed(1, &["alpha", "below/file", &odd[1..], "mkfs.ext4 -I 256"]);
        scene.assert_unchanged(&before);
    }
    set_times(["@1700000000", "@1600000000"]);
    scene.cli.deploy().assert_proven();
    judge::assert_snapshots_equal(&scene.source(), &scene.host().tree());
}

#[test]
fn a_destination_that_the_user_may_not_write() {
    let mut scene = scene();
    scene.deploy_and_judge();
    let before = scene.snapshots();
    write(&scene.source(), "more", "content");
    scene.cli.set("user", "www");
    let run = scene.cli.deploy();
    let destination = scene.rack.destination();
    run.assert_failed(1, &["alpha", destination.to_str().unwrap()]);
    scene.assert_unchanged(&before);
}

/// Only root can give files away; everything else is proven, and the proof says so.
#[test]
fn a_user_who_is_not_root_gets_all_but_the_owners() {
    let mut scene = scene();
    fs::create_dir(scene.host().tree()).unwrap();
    chown(scene.host().tree(), Some(WWW), Some(WWW)).unwrap();
    fs::set_permissions(
        scene.source().join("file"),
        PermissionsExt::from_mode(0o640),
    )
    .unwrap();
    scene.cli.set("user", "www");
    for outcome in ["committed", "unchanged"] {
        let run = scene.cli.deploy();
        assert_eq!(run.code, Some(0), "{run:#?}");
        let host = run.host("alpha");
        assert_eq!((&*host.outcome, &*host.proof), (outcome, "without-owner"));
        // The same, given to www, is what should be there.
        let ours = tempfile::tempdir().unwrap();
        let given = ours.path().join("given");
        tree::replace(&given, &scene.source());
        for path in ["file", "below/file", "below", ""] {
            chown(given.join(path), Some(WWW), Some(WWW)).unwrap();
        }
        judge::assert_equal(&given, &scene.host().tree());
    }
}

#[test]
fn a_destination_that_is_a_link_is_followed_once() {
    let scene = scene();
    let real = scene.host().shared().join("real");
    fs::create_dir(&real).unwrap();
    for target in ["real".into(), scene.rack.shared().join("real")] {
        let _ = fs::remove_file(scene.host().tree());
        symlink(&target, scene.host().tree()).unwrap();
        scene.cli.deploy().assert_proven();
        judge::assert_equal(&scene.source(), &real);
        assert_eq!(fs::read_link(scene.host().tree()).unwrap(), target);
    }
}

/// A deployed release whose host has since mounted something at `mounted`, inside the destination.
fn with_a_mount() -> Scene {
    let scene = scene();
    scene.deploy_and_judge();
    let path = scene.rack.destination().join("mounted");
    let path = path.display();
    scene.host().run(&format!(
        "mkdir {path}; mount -t tmpfs none {path}; echo precious > {path}/file"
    ));
    scene
}

fn mounted_file(scene: &Scene) -> String {
    let path = scene.rack.destination().join("mounted/file");
    scene.host().run(&format!("cat {}", path.display()))
}

#[test]
fn a_mount_below_the_destination_is_never_deleted() {
    let scene = with_a_mount();
    write(&scene.source(), "more", "content");
    let run = scene.cli.deploy();
    assert_eq!(mounted_file(&scene), "precious\n", "{run:#?}");
}

#[test]
fn a_change_inside_a_mount_is_refused_by_name() {
    let scene = with_a_mount();
    write(&scene.source(), "mounted/file", "of the release");
    write(&scene.source(), "more", "content");
    let before = scene.snapshots();
    let run = scene.cli.deploy();
    run.assert_failed(1, &["alpha", "mounted"]);
    assert_eq!(mounted_file(&scene), "precious\n");
    scene.assert_unchanged(&before);
}
