//! Hosts that are reached through a command: a bastion, mostly.

use std::fs;
use std::path::Path;
use std::time::Duration;

use release_sync::{Error, HostReport, Outcome};
use release_tests::engine::{Engine, in_words};
use release_tests::judge;
use release_tests::scene::{Scene, write};
use release_tests::tree;

/// The first host is the bastion. The others are behind it: nothing here connects to them directly.
fn behind_a_bastion(hosts: usize) -> (Scene, Engine) {
    let scene = Scene::new(1 + hosts);
    tree::release(&scene.source(), 1, 50, 100_000);
    let mut engine = Engine::new(&scene.rack);
    for (host, name) in scene.hosts[1..].iter().zip(release_tests::cli::NAMES) {
        engine.reach(name, host.address());
    }
    let bastion = scene.host().address();
    engine.ssh.proxy_command = Some(format!(
        "ssh -F /dev/null -o BatchMode=yes -o UserKnownHostsFile={} -i {} -p {} -W %h:%p root@{}",
        scene.rack.known_hosts().display(),
        scene.rack.identity().display(),
        bastion.port(),
        bastion.ip(),
    ));
    (scene, engine)
}

/// A command that is a bash script, with `$1` and `$2` for the host.
fn by_script(scene: &Scene, folder: &Path, script: &str) -> Engine {
    let path = folder.join("proxy");
    fs::write(&path, [PASS, script].concat()).unwrap();
    let mut engine = Engine::new(&scene.rack);
    engine.reach("alpha", scene.host().address());
    engine.ssh.proxy_command = Some(format!("bash {} %h %p", path.display()));
    engine.options.silence = Duration::from_secs(6);
    engine
}

/// What one host says of SSH holds for that host, whatever `[ssh]` says.
#[test]
fn a_host_may_have_its_own_command_and_key() {
    let mut scene = Scene::new(3);
    tree::release(&scene.source(), 1, 20, 100_000);
    let folder = tempfile::tempdir().unwrap();
    let (key, used) = (scene.rack.identity(), folder.path().join("used"));
    let bastion = scene.host().address();
    let command = format!(
        "echo %h >> {}; exec ssh -F /dev/null -o BatchMode=yes -o UserKnownHostsFile={} -i {} -p {} -W %h:%p \
         root@{}",
        used.display(),
        scene.rack.known_hosts().display(),
        key.display(),
        bastion.port(),
        bastion.ip(),
    );
    scene.cli.forget("alpha");
    let (bravo, charlie) = (scene.hosts[1].address(), scene.hosts[2].address());
    let own = format!("identity = {key:?}\nproxy_command = {command:?}\n");
    scene.cli.reach_with("bravo", bravo, &own);
    scene.cli.reach("charlie", charlie);
    scene.cli.set("identity", folder.path().join("no-key"));

    let run = scene.cli.deploy();
    assert_eq!(run.code, Some(3), "{run:#?}");
    assert_eq!(run.host("bravo").outcome, "committed");
    judge::assert_equal(&scene.source(), &scene.hosts[1].tree());
    run.assert_failed(3, &["charlie", "no-key"]);
    let through = fs::read_to_string(used).unwrap();
    assert!(through.lines().all(|host| host == bravo.ip().to_string()));

    scene
        .cli
        .reach_with("charlie", charlie, &format!("identity = {key:?}"));
    let run = scene.cli.deploy_with(&["--retry-failed"]);
    run.assert_proven();
    assert_eq!(run.finished().hosts.len(), 1);
}

/// For scripts: lets so many bytes through, each as soon as it comes.
const PASS: &str = "pass() { dd bs=64k iflag=count_bytes count=$1 status=none; }\n";

fn failure(report: &HostReport) -> String {
    let error = report.error.as_ref();
    in_words(error.unwrap_or_else(|| panic!("{report:#?}")))
}

#[test]
fn hosts_behind_a_bastion() {
    let (scene, mut engine) = behind_a_bastion(2);
    for round in 1..3 {
        let report = engine.push(&scene.source());
        for (host, report) in scene.hosts[1..].iter().zip(&report.hosts) {
            assert_eq!(report.outcome, Outcome::Committed, "{report:#?}");
            judge::assert_equal(&scene.source(), &host.tree());
        }
        tree::next_release(&scene.source(), round);
        let content = tree::Random::new(round).bytes(4 << 20);
        write(&scene.source(), "large", content);
    }
    let bastion = scene.host().log();
    assert!(bastion.contains("Accepted"), "it was used: {bastion}");
}

#[test]
fn one_that_is_dead_behind_a_bastion_is_deferred() {
    let (mut scene, mut engine) = behind_a_bastion(2);
    drop(scene.hosts.pop());
    let report = engine.push(&scene.source());
    assert_eq!(report.hosts[0].outcome, Outcome::Committed, "{report:#?}");
    assert_eq!(report.hosts[1].outcome, Outcome::Deferred, "{report:#?}");
    let words = failure(&report.hosts[1]);
    assert!(words.contains("can't connect to 127.0.10."), "{words}");
    assert!(words.contains("ended with status 255"), "{words}");
}

#[test]
fn what_a_command_says_is_passed_on_and_bounded() {
    let scene = Scene::new(1);
    write(&scene.source(), "file", "content");
    let folder = tempfile::tempdir().unwrap();
    let script = "yes 'turn back' | head -c 3000000 >&2; printf 'the \\033[2Jend' >&2; exit 9\n";
    let mut engine = by_script(&scene, folder.path(), script);
    let words = failure(&engine.push_to_one(&scene.source()));
    assert!(words.contains("ended with status 9"), "{words}");
    assert!(words.ends_with(r"turn back / the \u{1b}[2Jend"), "{words}");
    assert!(words.len() < 2000, "{words}");
}

/// Bytes that pass, and then none: nothing is closed.
#[test]
fn a_command_that_falls_silent_is_given_up() {
    let scene = Scene::new(1);
    let content = tree::Random::new(1).bytes(4 << 20);
    write(&scene.source(), "large", content);
    let folder = tempfile::tempdir().unwrap();
    let script = "exec 3<>/dev/tcp/$1/$2; cat <&3 & pass 5000000 >&3; exec sleep 1000\n";
    let mut engine = by_script(&scene, folder.path(), script);
    let report = engine.push_to_one(&scene.source());
    let error = report.error.as_ref().unwrap();
    assert!(
        matches!(error, Error::Silence { .. }),
        "{}",
        failure(&report)
    );
    let named = |pid: &fs::DirEntry| {
        let line = fs::read(pid.path().join("cmdline")).unwrap_or_default();
        let proxy = folder.path().join("proxy");
        String::from_utf8_lossy(&line).contains(proxy.to_str().unwrap())
    };
    let left = fs::read_dir("/proc").unwrap().flatten().filter(named);
    assert_eq!(left.count(), 0, "no process stays behind");
}

#[test]
fn a_command_that_breaks_off_amid_a_transfer() {
    let scene = Scene::new(1);
    let content = tree::Random::new(1).bytes(16 << 20);
    write(&scene.source(), "large", content);
    let folder = tempfile::tempdir().unwrap();
    let script =
        "exec 3<>/dev/tcp/$1/$2; cat <&3 & pass 9000000 >&3; echo enough >&2; kill %1; exit 5\n";
    let mut engine = by_script(&scene, folder.path(), script);
    let report = engine.push_to_one(&scene.source());
    let error = report.error.as_ref().unwrap();
    assert!(error.is_retryable(), "{}", failure(&report));
    let words = failure(&report);
    assert!(words.contains("status 5 and said: enough"), "{words}");
    assert!(!scene.host().tree().join("large").exists());
}

#[test]
fn a_host_whose_name_a_shell_would_read_is_refused() {
    let scene = Scene::new(1);
    write(&scene.source(), "file", "content");
    let folder = tempfile::tempdir().unwrap();
    let trap = folder.path().join("trap");
    let mut engine = by_script(&scene, folder.path(), "exit 1\n");
    engine.address_of("alpha", &format!("$(touch {})", trap.display()));
    let words = failure(&engine.push_to_one(&scene.source()));
    assert!(words.contains("can't go into a shell command"), "{words}");
    assert!(!trap.exists());
}
