//! A tree that is brought from a host over real SSH.

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Output;

use release_tests::judge;
use release_tests::proxy::{Direction, ProxyOptions};
use release_tests::scene::{Scene, write};
use release_tests::snapshot::Snapshot;
use release_tests::tree;
use serde_json::Value;

/// A host with a tree that nobody has deployed.
fn scene() -> (Scene, PathBuf) {
    let scene = Scene::new(1);
    let staging = scene.host().shared().join("staging");
    fs::create_dir(&staging).unwrap();
    tree::release(&staging, 1, 100, 2 << 20);
    (scene, staging)
}

fn pull(scene: &Scene, words: &[&str]) -> (Output, Value) {
    let from = format!("alpha:{}", scene.rack.shared().join("staging").display());
    let output = scene.cli.output(&[&["pull", &from], words].concat());
    let text = std::str::from_utf8(&output.stdout).unwrap();
    let last = text.lines().last().unwrap_or_default();
    let last = serde_json::from_str(last).unwrap();
    (output, last)
}

/// Fails unless it ends so, with that outcome of its one host.
#[track_caller]
fn assert_pulled(scene: &Scene, words: &[&str], outcome: &str) -> Value {
    let (output, mut finished) = pull(scene, words);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(finished["event"], "finished");
    assert_eq!(finished["outcome"], "ok");
    let host = finished["hosts"][0].take();
    assert_eq!(host["outcome"], outcome, "{host}");
    assert_eq!(host["proof"], "full");
    host
}

fn assert_left_alone(before: &Snapshot, staging: &Path) {
    judge::assert_unchanged(before, staging);
    assert!(!staging.join(".release").exists());
}

#[test]
fn a_host_s_tree_becomes_the_source_and_can_be_given_out() {
    let (scene, staging) = scene();
    let before = Snapshot::of(&staging);
    let host = assert_pulled(&scene, &[], "committed");
    assert!(host["bytes_received"].as_u64().unwrap() > 100_000, "{host}");
    judge::assert_equal(&staging, &scene.source());
    let host = assert_pulled(&scene, &[], "unchanged");
    assert!(host["bytes_received"].as_u64().unwrap() < 10_000, "{host}");
    assert_left_alone(&before, &staging);

    tree::next_release(&staging, 2);
    write(&scene.source(), "own", "goes");
    let (output, refused) = pull(&scene, &["--max-delete", "0"]);
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    assert_eq!(refused["hosts"][0]["error_kind"], "max-delete");
    assert!(scene.source().join("own").exists());
    assert_pulled(&scene, &["--no-delete"], "committed");
    assert!(scene.source().join("own").exists());
    assert_pulled(&scene, &[], "committed");
    judge::assert_equal(&staging, &scene.source());
    scene.deploy_and_judge();
}

#[test]
fn a_pull_that_is_cut_off_changes_nothing_and_is_not_done_twice() {
    let (mut scene, staging) = scene();
    write(&scene.source(), "old", "stays");
    for number in 0..32 {
        let content = tree::Random::new(number).bytes(256 << 10);
        write(&staging, &format!("files/{number}"), content);
    }
    // The agent is there already, so that what is cut is the transfer.
    assert_eq!(scene.cli.output(&["status"]).status.code(), Some(0));
    let before = Snapshot::of(&scene.source());
    // Slowly enough that what has arrived is written when the rest is cut off, also on a busy machine.
    let proxy = scene.through(ProxyOptions {
        rate: Some(3 << 20),
        cut: Some((Direction::Down, 6 << 20)),
        ..ProxyOptions::default()
    });
    let (output, finished) = pull(&scene, &[]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(finished["outcome"], "failed");
    judge::assert_unchanged(&before, &scene.source());
    drop(proxy);

    scene.reach_directly();
    scene.host().wait_for_the_end_of_agents();
    let host = assert_pulled(&scene, &[], "committed");
    let received = host["bytes_received"].as_u64().unwrap();
    assert!(received < 6 << 20, "{host}");
    judge::assert_equal(&staging, &scene.source());
}

#[test]
fn what_a_host_can_not_give_out_is_said() {
    let (scene, staging) = scene();
    write(&scene.source(), "file", "content");
    let before = Snapshot::of(&scene.source());
    fs::remove_dir_all(&staging).unwrap();
    for (words, said) in [(&[][..], "No such file"), (&[], "is empty")] {
        let (output, finished) = pull(&scene, words);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let host = &finished["hosts"][0];
        assert_eq!(host["error_kind"], "supply");
        assert!(host["error"].as_str().unwrap().contains(said), "{host}");
        fs::create_dir_all(&staging).unwrap();
    }
    judge::assert_unchanged(&before, &scene.source());
    let _socket = UnixListener::bind(staging.join("socket")).unwrap();
    write(&staging, "file", "content");
    assert_pulled(&scene, &[], "committed");
    assert!(!scene.source().join("socket").exists());
}
