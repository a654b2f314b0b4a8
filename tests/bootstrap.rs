//! How the agent gets to a host, and what stands in its way there.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use release_tests::scene::{Scene, write};
use release_tests::sshd::SshdOptions;
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
fn a_shell_that_talks_is_talked_over() {
    let folder = tempfile::tempdir().unwrap();
    let shell = folder.path().join("shell");
    let script = "#!/bin/sh\necho 'Welcome! Unauthorised use is forbidden.'\n\
                  echo 'mail: 3 messages' >&2\nsleep 0.3\nexec /bin/sh \"$@\"\n";
    fs::write(&shell, script).unwrap();
    fs::set_permissions(&shell, PermissionsExt::from_mode(0o755)).unwrap();
    let scene = scene(SshdOptions {
        login_shell: Some(shell),
        ..SshdOptions::default()
    });
    scene.deploy_and_judge();
    scene.deploy_and_judge();
}

#[test]
fn a_shell_that_lets_nobody_in_is_named() {
    let scene = scene(SshdOptions {
        login_shell: Some("/usr/sbin/nologin".into()),
        ..SshdOptions::default()
    });
    scene
        .cli
        .deploy()
        .assert_failed(1, &["alpha", "not available"]);
    assert!(!scene.host().tree().exists());
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

/// The agent as the one thing that a key may do, and one directory as the one place.
#[test]
fn a_forced_command_is_held_to_its_root() {
    let mut scene = scene(SshdOptions::default());
    scene.deploy_and_judge();
    let agent = agents_kept(&scene).remove(0);
    let name = agent.file_name().unwrap().to_str().unwrap();
    let shared = scene.rack.shared().display();
    let forced = |root: &str| SshdOptions {
        config: vec![format!(
            "ForceCommand {shared}/{name} serve --root {shared}/{root}"
        )],
        ..SshdOptions::default()
    };
    for (root, goes) in [("release", true), ("elsewhere", false)] {
        let host = scene.rack.start(forced(root));
        fs::copy(&agent, host.shared().join(name)).unwrap();
        for folder in ["release", "elsewhere"] {
            fs::create_dir(host.shared().join(folder)).unwrap();
        }
        scene.cli.reach("alpha", host.address());
        let run = scene.cli.deploy();
        if goes {
            run.assert_proven();
            release_tests::judge::assert_equal(&scene.source(), &host.tree());
        } else {
            run.assert_failed(1, &["alpha", scene.rack.destination().to_str().unwrap()]);
            assert_eq!(fs::read_dir(host.tree()).unwrap().count(), 0);
        }
    }
}
