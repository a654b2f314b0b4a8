//! Sources that can't be given out: missing, empty, unreadable, or changing under our hands.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use release_tests::cli::Event;
use release_tests::proxy::ProxyOptions;
use release_tests::scene::{Scene, write};
use release_tests::tree;

#[test]
fn a_missing_source() {
    let scene = Scene::deployed(20, 20_000);
    let before = scene.snapshots();
    fs::remove_dir_all(scene.source()).unwrap();
    let run = scene.cli.deploy();
    run.assert_failed(2, &[scene.source().to_str().unwrap()]);
    assert!(run.started().is_none());
    assert!(
        matches!(run.events.last(), Some(Event::Error(_))),
        "{run:#?}"
    );
    scene.assert_unchanged(&before);
}

#[test]
fn a_source_that_is_a_file() {
    let scene = Scene::deployed(20, 20_000);
    let before = scene.snapshots();
    fs::remove_dir_all(scene.source()).unwrap();
    fs::write(scene.source(), "not a directory").unwrap();
    let run = scene.cli.deploy();
    run.assert_failed(2, &[scene.source().to_str().unwrap()]);
    scene.assert_unchanged(&before);
}

#[test]
fn an_empty_source_is_refused_unless_it_is_meant() {
    let scene = Scene::deployed(20, 20_000);
    let before = scene.snapshots();
    tree::delete(scene.source());
    fs::create_dir(scene.source()).unwrap();
    let run = scene.cli.deploy();
    run.assert_failed(5, &[scene.source().to_str().unwrap(), "--allow-empty"]);
    assert!(
        matches!(run.events.last(), Some(Event::Error(_))),
        "{run:#?}"
    );
    scene.assert_unchanged(&before);
    scene.cli.deploy_with(&["--allow-empty"]).assert_proven();
    scene.judge();
}

#[test]
fn new_hosts_never_hear_of_a_source_that_is_refused() {
    let scene = Scene::new(1);
    tree::delete(scene.source());
    scene.cli.deploy().assert_failed(2, &[]);
    fs::create_dir(scene.source()).unwrap();
    scene.cli.deploy().assert_failed(5, &[]);
    assert!(!scene.host().tree().exists());
    assert!(scene.host().home().read_dir().unwrap().next().is_none());
}

#[test]
fn a_source_that_is_partly_unreadable() {
    for hidden in ["area/file", "area"] {
        let mut scene = Scene::new(1);
        write(&scene.source(), "area/file", "secret");
        write(&scene.source(), "open", "to all");
        scene.deploy_and_judge();
        let before = scene.snapshots();
        write(&scene.source(), "open", "and new");
        let path = scene.source().join(hidden);
        fs::set_permissions(&path, PermissionsExt::from_mode(0o000)).unwrap();
        // What is above has to be open for it to come that far.
        let above = scene.source().parent().unwrap().to_owned();
        fs::set_permissions(above, PermissionsExt::from_mode(0o755)).unwrap();
        scene.cli.become_nobody();
        let run = scene.cli.deploy();
        run.assert_failed(1, &[hidden]);
        scene.assert_unchanged(&before);
    }
}

/// Changes a file of the source after it was scanned, and before it is read to be sent: the host is a
/// long way off, and what it wants is known only after some journeys there and back.
fn changed_after_the_scan(change: fn(&Path)) {
    let mut scene = Scene::deployed(20, 20_000);
    let before = scene.snapshots();
    write(&scene.source(), "quiet", "new as well");
    write(
        &scene.source(),
        "restless",
        tree::Random::new(1).bytes(1 << 20),
    );
    let latency = Duration::from_millis(150);
    let proxy = scene.through(ProxyOptions {
        latency,
        ..Default::default()
    });
    let mut running = scene.cli.start(&[]);
    assert!(running.wait_for(|event| matches!(event, Event::Started(_))));
    change(&scene.source().join("restless"));
    let run = running.finish();
    run.assert_failed(1, &["alpha", "restless"]);
    assert!(!run.stderr.contains("quiet"), "{run:#?}");
    scene.assert_unchanged(&before);
    drop(proxy);
    if scene.source().join("restless").exists() {
        scene.reach_directly();
        scene.deploy_and_judge();
    }
}

#[test]
fn a_file_that_is_rewritten_while_it_is_read() {
    changed_after_the_scan(|path| fs::write(path, tree::Random::new(2).bytes(1 << 20)).unwrap());
}

#[test]
fn a_file_that_is_rewritten_in_secret_while_it_is_read() {
    changed_after_the_scan(|path| {
        let before = fs::metadata(path).unwrap();
        fs::write(path, tree::Random::new(2).bytes(1 << 20)).unwrap();
        tree::set_mtime(path, before.mtime(), before.mtime_nsec() as u32);
    });
}

#[test]
fn a_file_that_is_cut_while_it_is_read() {
    changed_after_the_scan(|path| {
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_len(1000).unwrap();
    });
}

#[test]
fn a_file_that_grows_while_it_is_read() {
    changed_after_the_scan(|path| {
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_len(3 << 20).unwrap();
    });
}

#[test]
fn a_file_that_goes_while_it_is_read() {
    changed_after_the_scan(|path| fs::remove_file(path).unwrap());
}

#[test]
fn a_file_that_becomes_a_link_while_it_is_read() {
    changed_after_the_scan(|path| {
        fs::remove_file(path).unwrap();
        std::os::unix::fs::symlink("/etc/shadow", path).unwrap();
    });
}
