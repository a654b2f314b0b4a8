//! Which agent a host gets: of its architecture, of this build, in a place where it can run.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use release_sync::{Error, HostReport, Outcome};
use release_tests::engine::{Engine, in_words};
use release_tests::judge;
use release_tests::scene::Scene;
use release_tests::sshd::SshdOptions;
use release_tests::tree;

fn scene(config: Vec<String>) -> Scene {
    let scene = Scene::with([SshdOptions {
        config,
        ..SshdOptions::default()
    }]);
    tree::release(&scene.source(), 1, 50, 100_000);
    scene
}

fn engine(scene: &Scene) -> Engine {
    let mut engine = Engine::new(&scene.rack);
    engine.reach("alpha", scene.host().address());
    engine
}

#[track_caller]
fn assert_committed(scene: &Scene, report: &HostReport) {
    let arrived = [Outcome::Committed, Outcome::Unchanged];
    assert!(arrived.contains(&report.outcome), "{report:#?}");
    judge::assert_equal(&scene.source(), &scene.host().tree());
}

/// The built agent, and some bytes that it does not notice: another build.
fn other_build(engine: &Engine, mark: &[u8]) -> Vec<u8> {
    let built = fs::read(engine.ssh.agents.join("release-agent")).unwrap();
    [&built, mark].concat()
}

fn kept(scene: &Scene) -> Vec<PathBuf> {
    let cache = scene.host().home().join(".cache/release-sync");
    let kept = fs::read_dir(cache).into_iter().flatten();
    kept.map(|entry| entry.unwrap().path()).collect()
}

// -- architectures --

/// A host that says of itself that it is another machine.
fn vax(folder: &Path) -> Scene {
    let uname = folder.join("uname");
    let script = "#!/bin/sh\ncase $1 in -s) echo Linux;; -m) echo vax;; esac\n";
    fs::write(&uname, script).unwrap();
    fs::set_permissions(&uname, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    scene(vec![format!(
        "SetEnv PATH={}:/usr/bin:/bin",
        folder.display()
    )])
}

#[test]
fn an_architecture_without_an_agent_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let scene = vax(folder.path());
    let run = scene.cli.deploy();
    run.assert_failed(1, &["alpha", "`vax`", "agents/release-agent-vax"]);
    assert!(kept(&scene).is_empty() && !scene.host().tree().exists());
}

#[test]
fn a_host_gets_the_agent_of_its_architecture() {
    let folder = tempfile::tempdir().unwrap();
    let scene = vax(folder.path());
    let mut engine = engine(&scene);
    let agent = other_build(&engine, b"for a vax");
    let agents = tempfile::tempdir().unwrap();
    fs::create_dir(agents.path().join("agents")).unwrap();
    fs::write(agents.path().join("agents/release-agent-vax"), &agent).unwrap();
    fs::copy(
        engine.ssh.agents.join("release-agent"),
        agents.path().join("release-agent"),
    )
    .unwrap();
    engine.ssh.agents = agents.path().to_owned();
    for agent_bytes in [agent.len() as u64, 0] {
        let report = engine.push_to_one(&scene.source());
        assert_committed(&scene, &report);
        assert_eq!(report.counts.agent_bytes, agent_bytes);
    }
    assert_eq!(kept(&scene).len(), 1);
    assert_eq!(fs::read(&kept(&scene)[0]).unwrap(), agent);
}

/// A kernel of one architecture, an agent for another.
#[test]
fn an_agent_that_the_host_can_not_run_is_said_so() {
    let scene = scene(Vec::new());
    let mut engine = engine(&scene);
    let mut agent = other_build(&engine, b"");
    // e_machine of its ELF header: a VAX.
    agent[18] = 75;
    let agents = tempfile::tempdir().unwrap();
    fs::write(agents.path().join("release-agent"), &agent).unwrap();
    engine.ssh.agents = agents.path().to_owned();
    let report = engine.push_to_one(&scene.source());
    let error = report.error.as_ref().unwrap();
    assert!(matches!(error, Error::Bootstrap { .. }), "{error:?}");
    let words = in_words(error);
    assert!(words.contains("Exec format error"), "{words}");
}

// -- builds --

#[test]
fn an_older_build_is_replaced_and_goes_when_it_is_old() {
    let scene = scene(Vec::new());
    let mut engine = engine(&scene);
    let built = engine.ssh.agents.clone();
    let older = tempfile::tempdir().unwrap();
    fs::write(
        older.path().join("release-agent"),
        other_build(&engine, b"older"),
    )
    .unwrap();
    engine.ssh.agents = older.path().to_owned();
    let report = engine.push_to_one(&scene.source());
    assert_committed(&scene, &report);
    let old = kept(&scene).remove(0);

    engine.ssh.agents = built;
    let report = engine.push_to_one(&scene.source());
    assert_committed(&scene, &report);
    assert!(report.counts.agent_bytes > 0);
    assert_eq!(kept(&scene).len(), 2);

    let month = Duration::from_secs(31 * 24 * 60 * 60);
    let file = fs::File::open(&old).unwrap();
    file.set_modified(SystemTime::now() - month).unwrap();
    for agent in kept(&scene).iter().filter(|agent| **agent != old) {
        fs::write(agent, "damaged").unwrap();
    }
    let report = engine.push_to_one(&scene.source());
    assert_committed(&scene, &report);
    assert!(!old.exists() && kept(&scene).len() == 1);
}

/// A host where a forced command starts an agent of another version.
fn forced_version(version: &str) -> Scene {
    scene(vec![format!(
        "ForceCommand printf '\\0RELEASE{version}\\0'; exec sleep 100"
    )])
}

#[test]
fn a_newer_agent_is_refused_with_a_way_out() {
    // 63 in octal: no version that there will be soon.
    let scene = forced_version(r"\77");
    let run = scene.cli.deploy();
    let words = ["alpha", "version 63", "as new as the agent"];
    run.assert_failed(1, &words);
    assert!(!scene.host().tree().exists());
}

#[test]
fn an_older_agent_that_is_forced_is_refused_with_a_way_out() {
    let scene = forced_version(r"\0");
    let run = scene.cli.deploy();
    let words = ["alpha", "version 0", "forced command", "release-agent"];
    run.assert_failed(1, &words);
    assert!(!scene.host().tree().exists());
}

// -- places --

#[test]
fn another_place_helps_where_home_is_of_no_use() {
    for spoil in [
        "mount -o remount,bind,noexec /root",
        "mount -t tmpfs -o size=64k none /root",
        "mount -t tmpfs -o ro none /root",
    ] {
        let mut scene = scene(Vec::new());
        scene.host().run(spoil);
        scene
            .cli
            .deploy()
            .assert_failed(1, &["alpha", "ssh.agent_directory"]);
        let directory = scene.rack.shared().join("agents");
        let key = format!("[ssh]\nagent_directory = {directory:?}");
        scene.cli.replace("[ssh]", &key);
        scene.deploy_and_judge();
        assert_eq!(scene.deploy_and_judge().host("alpha").agent_bytes, 0);
        let kept = fs::read_dir(scene.host().shared().join("agents")).unwrap();
        assert_eq!(kept.count(), 1);
    }
}
