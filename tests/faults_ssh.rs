//! Ways to a host that don't lead there: wrong keys, nobody home, connections that break.

use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use release_tests::proxy::{Direction, ProxyOptions};
use release_tests::scene::{Scene, write};
use release_tests::tree;

fn scene() -> Scene {
    let scene = Scene::new(1);
    write(&scene.source(), "file", "content");
    scene
}

#[test]
fn an_unknown_host_key_is_refused() {
    let scene = scene();
    let known = scene.rack.known_hosts();
    fs::write(&known, "").unwrap();
    let run = scene.cli.deploy();
    run.assert_failed(5, &["alpha", known.to_str().unwrap(), "SHA256:"]);
    assert!(!scene.host().tree().exists());
    assert_eq!(scene.host().agents().len(), 0);
}

#[test]
fn a_changed_host_key_is_refused_in_either_mode() {
    for mode in ["strict", "accept-new"] {
        let mut scene = Scene::new(2);
        write(&scene.source(), "file", "content");
        scene.cli.set("host_keys", mode);
        let known = scene.rack.known_hosts();
        // The second host's key as the first one's.
        let keys = fs::read_to_string(&known).unwrap();
        let other = keys.lines().nth(1).unwrap().split_once(' ').unwrap().1;
        let address = scene.host().address();
        let changed = format!("[{}]:{} {other}\n", address.ip(), address.port());
        fs::write(&known, &changed).unwrap();
        scene.cli.forget("bravo");
        let run = scene.cli.deploy();
        run.assert_failed(5, &["alpha", known.to_str().unwrap(), "changed"]);
        assert!(!scene.host().tree().exists());
        assert_eq!(fs::read_to_string(&known).unwrap(), changed);
    }
}

#[test]
fn a_new_host_key_is_written_down_when_asked_for() {
    let mut scene = scene();
    let known = scene.rack.known_hosts();
    let key = fs::read_to_string(&known).unwrap();
    fs::write(&known, "").unwrap();
    scene.cli.set("host_keys", "accept-new");
    scene.deploy_and_judge();
    let field = |line: &str, number| line.split(' ').nth(number).map(str::to_owned);
    let written = fs::read_to_string(&known).unwrap();
    for number in 0..3 {
        assert_eq!(field(written.trim(), number), field(key.trim(), number));
    }
    scene.cli.set("host_keys", "strict");
    scene.deploy_and_judge();
}

#[test]
fn what_changes_nothing_writes_no_host_key_down() {
    let mut scene = scene();
    let known = scene.rack.known_hosts();
    scene.cli.set("host_keys", "accept-new");
    for found in [Some(""), None] {
        match found {
            Some(text) => fs::write(&known, text).unwrap(),
            None => fs::remove_file(&known).unwrap(),
        }
        for verb in ["plan", "status", "doctor"] {
            let output = scene.cli.output(&[verb]);
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(!said.contains("host-key"), "{verb}: {output:?}");
            assert!(output.status.success(), "{verb}: {output:?}");
            assert_eq!(fs::read_to_string(&known).ok().as_deref(), found, "{verb}");
        }
    }
    scene.deploy_and_judge();
    assert_eq!(fs::read_to_string(&known).unwrap().lines().count(), 1);
}

#[test]
fn a_key_that_the_host_does_not_know_fails() {
    let mut scene = scene();
    let stranger = release_tests::sshd::Rack::new();
    let identity = stranger.identity();
    scene.cli.set("identity", &identity);
    let run = scene.cli.deploy();
    run.assert_failed(1, &["alpha", "root", identity.to_str().unwrap()]);
    assert_eq!(run.host("alpha").outcome, "failed");
    assert!(!scene.host().tree().exists());
}

#[test]
fn a_missing_key_file_fails_by_name() {
    let mut scene = scene();
    scene.cli.set("identity", "/no/such/key");
    let run = scene.cli.deploy();
    assert!(matches!(run.code, Some(1 | 2)), "{run:#?}");
    assert!(run.stderr.contains("/no/such/key"), "{run:#?}");
    assert!(!scene.host().tree().exists());
}

#[test]
fn one_that_cannot_be_reached_does_not_keep_the_others_from_it() {
    let mut scene = Scene::new(2);
    write(&scene.source(), "file", "content");
    let nobody: SocketAddr = "127.0.10.3:1".parse().unwrap();
    scene.cli.reach("charlie", nobody);
    let run = scene.cli.deploy();
    run.assert_failed(3, &["charlie", "127.0.10.3:1"]);
    assert_eq!(run.finished().outcome, "partial");
    for name in ["alpha", "bravo"] {
        let host = run.host(name);
        assert_eq!((&*host.outcome, &*host.proof), ("committed", "full"));
    }
    scene.judge();
    let host = run.host("charlie");
    assert!(matches!(&*host.outcome, "deferred" | "failed"), "{host:#?}");
    assert!(host.error.as_ref().unwrap().contains("127.0.10.3:1"));
}

#[test]
fn one_that_cannot_be_reached_alone_is_a_failure() {
    let mut scene = scene();
    scene.cli.reach("alpha", "127.0.10.3:1".parse().unwrap());
    let run = scene.cli.deploy();
    run.assert_failed(1, &["alpha", "127.0.10.3:1"]);
    assert_eq!(run.finished().outcome, "failed");
}

/// Cuts the connection at many bytes of an update. Once the agent has ended, the tree is the old release
/// or the new one, and the next run completes.
fn cut_at_any_moment(direction: Direction) {
    const CUTS: u64 = 16;
    let mut scene = Scene::deployed(150, 1 << 20);
    let whole = {
        let proxy = scene.through(ProxyOptions::default());
        next(&scene, 0);
        scene.deploy_and_judge();
        proxy.bytes(direction)
    };
    for number in 0..CUTS {
        let before = scene.snapshots();
        next(&scene, number + 1);
        let cut = Some((direction, whole * number / (CUTS - 1)));
        let proxy = scene.through(ProxyOptions {
            cut,
            ..Default::default()
        });
        let run = scene.cli.deploy();
        drop(proxy);
        scene.host().wait_for_the_end_of_agents();
        if run.code == Some(0) || is_new(&scene) {
            // It may have committed, and not been able to say so any more.
            assert!(matches!(run.code, Some(0 | 1 | 3)), "{run:#?}");
            scene.judge();
        } else {
            run.assert_failed(1, &["alpha"]);
            scene.assert_unchanged(&before);
        }
        scene.reach_directly();
        scene.deploy_and_judge();
    }
}

/// Half a MiB of new content, all of it incompressible, and the usual small changes.
fn next(scene: &Scene, seed: u64) {
    tree::next_release(&scene.source(), seed);
    let content = tree::Random::new(seed + 100).bytes(512 << 10);
    write(&scene.source(), "new", content);
}

fn is_new(scene: &Scene) -> bool {
    let new = |tree: std::path::PathBuf| fs::read(tree.join("new")).ok();
    new(scene.source()) == new(scene.host().tree())
}

#[test]
fn a_connection_cut_on_the_way_up_at_any_moment() {
    cut_at_any_moment(Direction::Up);
}

#[test]
fn a_connection_cut_on_the_way_down_at_any_moment() {
    cut_at_any_moment(Direction::Down);
}

/// Nothing is closed, nothing arrives: only the silence says that there is something wrong.
#[test]
fn a_connection_that_falls_silent_is_given_up() {
    let mut scene = Scene::deployed(50, 100_000);
    let before = scene.snapshots();
    next(&scene, 1);
    let stall = Some((Direction::Up, 100_000));
    let proxy = scene.through(ProxyOptions {
        stall,
        ..Default::default()
    });
    let started = Instant::now();
    let run = scene.cli.deploy();
    run.assert_failed(1, &["alpha"]);
    assert!(
        started.elapsed() < Duration::from_secs(100),
        "{:?}",
        started.elapsed()
    );
    scene.assert_unchanged(&before);
    drop(proxy);
    scene.reach_directly();
    scene.deploy_and_judge();
}

#[test]
fn a_long_way_is_only_slow() {
    let mut scene = Scene::deployed(300, 1 << 20);
    let latency = Duration::from_millis(50);
    let _proxy = scene.through(ProxyOptions {
        latency,
        ..Default::default()
    });
    next(&scene, 1);
    scene.deploy_and_judge();
}
