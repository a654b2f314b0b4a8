//! How the agent gets to a host, and what stands in its way there.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::PathBuf;

use release_tests::judge;
use release_tests::scene::{Scene, write};
use release_tests::sshd::{SshdOptions, WWW};
use release_tests::tree;

fn scene(options: SshdOptions) -> Scene {
    let scene = Scene::with([options]);
    tree::release(&scene.source(), 1, 50, 100_000);
    scene
}

fn agents_kept(scene: &Scene) -> Vec<PathBuf> {
    let cache = scene.host().home().join(".cache/release-sync");
    let kept = fs::read_dir(cache).into_iter().flatten();
    kept.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn the_agent_is_sent_once() {
    let scene = scene(SshdOptions::default());
    let first = scene.deploy_and_judge();
    assert!(first.host("alpha").agent_bytes > 100_000);
    let kept = agents_kept(&scene);
    assert_eq!(kept.len(), 1, "{kept:?}");
    let second = scene.deploy_and_judge();
    assert_eq!(second.host("alpha").agent_bytes, 0);
    assert_eq!(agents_kept(&scene), kept);
}

#[test]
fn a_damaged_agent_is_replaced() {
    let scene = scene(SshdOptions::default());
    scene.deploy_and_judge();
    let kept = agents_kept(&scene);
    fs::write(&kept[0], "#!/bin/sh\nexit 1\n").unwrap();
    scene.deploy_and_judge();
    assert_eq!(agents_kept(&scene), kept);
}

#[test]
fn keys_are_renewed_on_the_way() {
    let scene = scene(SshdOptions {
        config: vec!["RekeyLimit 1M".into()],
        ..SshdOptions::default()
    });
    write(
        &scene.source(),
        "large",
        tree::Random::new(1).bytes(12 << 20),
    );
    scene.deploy_and_judge();
}

#[test]
fn a_home_where_nothing_may_be_started_is_said_so() {
    let scene = scene(SshdOptions::default());
    scene.host().run("mount -o remount,bind,noexec /root");
    scene
        .cli
        .deploy()
        .assert_failed(1, &["alpha", "noexec", ".cache/release-sync"]);
    assert!(!scene.host().tree().exists());
}

#[test]
fn a_home_without_room_is_said_so() {
    let scene = scene(SshdOptions::default());
    scene.host().run("mount -t tmpfs -o size=64k none /root");
    scene.cli.deploy().assert_failed(1, &["alpha", "space"]);
    assert!(!scene.host().tree().exists());
}

/// Nothing is needed but commands, one at a time.
#[test]
fn a_server_that_allows_next_to_nothing() {
    let config = [
        "MaxSessions 1",
        "AllowTcpForwarding no",
        "AllowStreamLocalForwarding no",
        "AllowAgentForwarding no",
        "PermitTTY no",
        "X11Forwarding no",
        "PermitTunnel no",
        "PermitUserRC no",
        "RekeyLimit 1M",
        "Compression no",
    ];
    let scene = scene(SshdOptions {
        config: config.map(String::from).into(),
        ..SshdOptions::default()
    });
    assert!(scene.deploy_and_judge().host("alpha").agent_bytes > 0);
    let content = tree::Random::new(1).bytes(4 << 20);
    write(&scene.source(), "large", content);
    scene.deploy_and_judge();
}

#[test]
fn ports_and_users_differ_by_host() {
    let mut scene = Scene::new(2);
    tree::release(&scene.source(), 1, 50, 100_000);
    let [alpha, bravo] = [0, 1].map(|host| scene.hosts[host].address());
    assert_ne!(alpha.port(), bravo.port());
    let shared = scene.hosts[1].shared();
    fs::create_dir(shared.join("www")).unwrap();
    chown(shared.join("www"), Some(WWW), Some(WWW)).unwrap();
    let destination = scene.rack.shared().join("www/release");
    let more = format!("user = \"www\"\ndestination = {destination:?}");
    scene.cli.reach_with("bravo", bravo, &more);
    let run = scene.cli.deploy();
    assert_eq!(run.code, Some(0), "{run:#?}");
    assert_eq!(run.host("alpha").proof, "full");
    assert_eq!(run.host("bravo").proof, "without-owner");
    judge::assert_equal(&scene.source(), &scene.hosts[0].tree());
    let theirs = fs::metadata(shared.join("www/release")).unwrap();
    assert_eq!(theirs.uid(), WWW);
    assert!(!scene.hosts[1].tree().exists());
}
