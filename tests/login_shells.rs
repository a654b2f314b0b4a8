//! Every command goes through the user's login shell, whatever that is and whatever it says.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use release_tests::scene::{Scene, write};
use release_tests::sshd::SshdOptions;
use release_tests::tree;

fn scene(options: SshdOptions) -> Scene {
    let scene = Scene::with([options]);
    tree::release(&scene.source(), 1, 50, 100_000);
    scene
}

fn with_shell(shell: impl Into<PathBuf>) -> Scene {
    let shell = shell.into();
    assert!(shell.is_file(), "there is no {}", shell.display());
    scene(SshdOptions {
        login_shell: Some(shell),
        ..SshdOptions::default()
    })
}

/// A shell that is a script around sh.
fn scripted(folder: &Path, before: &str) -> Scene {
    let shell = folder.join("shell");
    fs::write(
        &shell,
        format!("#!/bin/sh\n{before}\nexec /bin/sh \"$@\"\n"),
    )
    .unwrap();
    fs::set_permissions(&shell, PermissionsExt::from_mode(0o755)).unwrap();
    with_shell(shell)
}

/// Once with the agent's upload, and once without.
fn deploy_twice(scene: &Scene) {
    assert!(scene.deploy_and_judge().host("alpha").agent_bytes > 100_000);
    tree::next_release(&scene.source(), 2);
    assert_eq!(scene.deploy_and_judge().host("alpha").agent_bytes, 0);
}

/// Each reads a file of its own before every command, and that file greets.
#[test]
fn shells_of_every_kind() {
    for (shell, greeter) in [
        ("/bin/bash", ".bashrc"),
        ("/bin/dash", ".profile"),
        ("/bin/bsd-csh", ".cshrc"),
        ("/bin/tcsh", ".tcshrc"),
        ("/usr/bin/fish", ".config/fish/config.fish"),
    ] {
        let scene = with_shell(shell);
        write(&scene.host().home(), greeter, "echo \"Hello from $HOME\"\n");
        deploy_twice(&scene);
    }
}

#[test]
fn names_that_shells_would_read_are_left_alone() {
    for shell in ["/bin/bash", "/bin/bsd-csh", "/bin/tcsh", "/usr/bin/fish"] {
        let mut scene = with_shell(shell);
        let shared = scene.rack.shared().display().to_string();
        let directory =
            format!("{shared}/it's a $(touch {shared}/trap) `!1` \"place\" ~ * {{a,b}}");
        let key = format!("[ssh]\nagent_directory = {directory:?}");
        scene.cli.replace("[ssh]", &key);
        deploy_twice(&scene);
        assert!(!scene.host().shared().join("trap").exists());
        let kept = scene.host().run(&format!("find {shared} -name 'agent-*'"));
        let [agent] = kept.lines().collect::<Vec<_>>()[..] else {
            panic!("{kept}");
        };
        assert!(agent.starts_with(&directory), "{agent}");
    }
}

#[test]
fn a_slow_start_is_waited_for() {
    let scene = with_shell("/bin/bash");
    write(&scene.host().home(), ".bashrc", "sleep 3\n");
    scene.deploy_and_judge();
    let started = Instant::now();
    scene.deploy_and_judge();
    assert!(started.elapsed() >= Duration::from_secs(3));
}

#[test]
fn greetings_on_every_stream_are_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let shell = "yes 'Unauthorised use is forbidden.' | head -c 8000; echo 'mail: 3 messages' >&2";
    let scene = scripted(folder.path(), shell);
    deploy_twice(&scene);

    let banner = folder.path().join("banner");
    fs::write(&banner, "=== Property of somebody ===\n".repeat(200)).unwrap();
    let scene = scene_with_banner(&banner);
    write(&scene.host().home(), ".ssh/rc", "echo rc; echo rc >&2\n");
    deploy_twice(&scene);
}

fn scene_with_banner(banner: &Path) -> Scene {
    scene(SshdOptions {
        config: vec![
            format!("Banner {}", banner.display()),
            "PrintMotd yes".into(),
        ],
        ..SshdOptions::default()
    })
}

#[test]
fn a_flood_of_errors_holds_nothing_up() {
    let folder = tempfile::tempdir().unwrap();
    let scene = scripted(folder.path(), "head -c 50000000 /dev/zero >&2");
    deploy_twice(&scene);
}

#[test]
fn a_shell_that_lets_nobody_in_is_named() {
    let scene = with_shell("/usr/sbin/nologin");
    scene
        .cli
        .deploy()
        .assert_failed(1, &["alpha", "not available"]);
    assert!(!scene.host().tree().exists());
}

#[test]
fn a_shell_that_never_stops_talking_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let scene = scripted(folder.path(), "exec yes 'no agent here'");
    scene
        .cli
        .deploy()
        .assert_failed(1, &["alpha", "no agent here"]);
}
