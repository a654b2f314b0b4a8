//! A whole deploy with a fleet in a folder: instances are folders with real agents, and the cloud has its
//! delays and faults.

mod looking;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use release_core::cloud::local::{Delays, Effect, Fault, Launch, LocalCloud, SystemClock};
use release_core::cloud::{
    Action, ClientToken, Cloud, Encryption, NewVolume, Snapshot, SnapshotQuery, Tags, VolumeKind,
    VolumeSource, tagged_generation,
};
use release_core::{GroupName, InstanceId, VolumeId};
use release_tests::cli::{Event, Finished, agent};
use tempfile::TempDir;

/// A release server, and a fleet in a folder.
struct Server {
    folder: TempDir,
    cloud: LocalCloud,
    volume: VolumeId,
}

const DELAYS: Delays = Delays {
    launch: 50,
    listing: 0,
    end: 20,
    volume: 10,
    attach: 10,
    detach: 10,
    snapshot: 300,
};

impl Server {
    fn new() -> Self {
        Self::with_settings("")
    }

    fn with_settings(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("fleet");
        let cloud = LocalCloud::create(&root, Arc::new(SystemClock)).unwrap();
        cloud.set_delays(DELAYS).unwrap();
        cloud.make_group(&group(), Tags::new(), None).unwrap();
        let volume = block_on(cloud.create_volume(&blank())).unwrap().id;
        let server = Self {
            folder,
            cloud,
            volume,
        };
        fs::create_dir(server.publish()).unwrap();
        let config = format!(
            "source = {source:?}\n\
             [destination]\npath = \"/release\"\n\
             [cloud]\nkind = \"local\"\nroot = {root:?}\ngroups = [\"web\"]\nsettle = \"1s\"\n\
             [rollout]\ndeadline = \"20s\"\nboot_deadline = \"1s\"\n\
             [snapshot]\nvolume = \"{volume}\"\n\
             [publish]\ndirectory = {publish:?}\nkey = {key:?}\n\
             [state]\ndirectory = {state:?}\n{more}",
            source = server.source(),
            volume = server.volume,
            publish = server.publish(),
            key = server.folder.path().join("publish.key"),
            state = server.folder.path().join("state"),
        );
        fs::write(server.folder.path().join("release.toml"), config).unwrap();
        let made = server.command(&["keygen"]).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        server.edit("index.html", "first");
        server
    }

    fn source(&self) -> PathBuf {
        self.cloud.volume_directory(&self.volume)
    }

    fn publish(&self) -> PathBuf {
        self.folder.path().join("www")
    }

    fn edit(&self, name: &str, text: &str) {
        fs::write(self.source().join(name), text).unwrap();
    }

    fn launch(&self, asleep: bool) -> InstanceId {
        let launch = Launch {
            group: Some(group()),
            asleep,
            ..Launch::default()
        };
        self.cloud.launch(launch).unwrap()
    }

    /// Some that have been running for longer than a boot takes.
    fn launch_old(&self, count: usize) -> Vec<InstanceId> {
        let all = (0..count).map(|_| self.launch(false)).collect();
        sleep(Duration::from_millis(2200));
        all
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(agent().with_file_name("release-cli"));
        command
            .current_dir(self.folder.path())
            .args(["--json", "--config", "release.toml"])
            .args(arguments)
            .env("HOME", self.folder.path());
        command
    }

    fn deploy(&self) -> Run {
        Run::of(self.command(&["deploy"]).output().unwrap())
    }

    fn start(&self) -> Child {
        let mut command = self.command(&["deploy"]);
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    fn on(&self, instance: &InstanceId) -> Option<String> {
        let root = self.cloud.instance_root(instance);
        fs::read_to_string(root.join("release/index.html")).ok()
    }

    fn snapshots(&self) -> Vec<Snapshot> {
        let query = SnapshotQuery::OwnTagged(Tags::new());
        block_on(self.cloud.snapshots(&query)).unwrap()
    }

    fn pointed(&self) -> Option<String> {
        let text = fs::read_to_string(self.publish().join("snap.txt"));
        text.ok().map(|text| text.trim().to_owned())
    }

    fn inject(&self, action: Action, effect: Effect, times: u32) {
        let action = Some(action);
        let fault = Fault {
            action,
            effect,
            times,
        };
        self.cloud.inject(fault).unwrap();
    }

    /// Exactly one snapshot is there, the published one, and nobody holds anything.
    #[track_caller]
    fn assert_tidy(&self, generations: usize) {
        let snapshots = self.snapshots();
        assert_eq!(snapshots.len(), generations, "{snapshots:#?}");
        let tagged = snapshots
            .iter()
            .filter_map(|one| tagged_generation(&one.tags));
        assert_eq!(tagged.count(), generations, "{snapshots:#?}");
        let pointed = self.pointed().unwrap();
        assert!(snapshots.iter().any(|one| one.id.as_str() == pointed));
        let state = self.folder.path().join("state");
        assert!(!state.join("unfinished.json").exists());
        assert_eq!(fs::read(state.join("deploy.lock")).unwrap(), b"");
    }
}

/// What a deploy came to.
#[derive(Debug)]
struct Run {
    code: Option<i32>,
    words: Vec<String>,
    finished: Option<Finished>,
    stderr: String,
}

impl Run {
    fn of(output: Output) -> Self {
        let text = String::from_utf8(output.stdout).unwrap();
        let mut finished = None;
        let mut words = Vec::new();
        for line in text.lines() {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            words.push(value["event"].as_str().unwrap().to_owned());
            if let Ok(Event::Finished(one)) = serde_json::from_str(line) {
                finished = Some(one);
            }
        }
        Self {
            code: output.status.code(),
            words,
            finished,
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    #[track_caller]
    fn outcomes(&self) -> BTreeMap<String, String> {
        let finished = self
            .finished
            .as_ref()
            .unwrap_or_else(|| panic!("{self:#?}"));
        let hosts = finished.hosts.iter();
        hosts
            .map(|host| (host.host.clone(), host.outcome.clone()))
            .collect()
    }

    #[track_caller]
    fn assert_code(&self, code: i32) {
        assert_eq!(self.code, Some(code), "{self:#?}");
    }
}

fn group() -> GroupName {
    "web".parse().unwrap()
}

fn blank() -> NewVolume {
    NewVolume {
        source: VolumeSource::Blank { size_gib: 1 },
        zone: "local-a".parse().unwrap(),
        kind: VolumeKind::Gp3,
        throughput: None,
        iops: None,
        initialization_rate: None,
        encryption: Encryption::Inherited,
        tags: Tags::from([("release-fleet".to_owned(), "web".to_owned())]),
        token: ClientToken::of("source"),
    }
}

fn block_on<T>(answer: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(answer)
}

fn wait_for(what: &str, mut so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !so() {
        assert!(begin.elapsed() < Duration::from_secs(30), "{what}");
        sleep(Duration::from_millis(10));
    }
}

#[test]
fn all_instances_are_proven_and_one_snapshot_is_published() {
    let server = Server::new();
    let hosts = server.launch_old(3);
    let asleep = server.launch(true);
    let run = server.deploy();
    run.assert_code(0);
    let finished = run.finished.as_ref().unwrap();
    assert_eq!(finished.outcome, "ok");
    let outcomes = run.outcomes();
    for host in &hosts {
        assert_eq!(outcomes[host.as_str()], "committed", "{run:#?}");
        assert_eq!(server.on(host).as_deref(), Some("first"));
    }
    assert_eq!(outcomes[asleep.as_str()], "asleep");
    assert_eq!(server.on(&asleep), None);
    for word in ["started", "snapshot", "published"] {
        assert!(run.words.iter().any(|said| said == word), "{run:#?}");
    }
    assert_eq!(run.words.last().unwrap(), "finished");
    server.assert_tidy(1);

    server.edit("index.html", "second");
    server.deploy().assert_code(0);
    assert!(
        hosts
            .iter()
            .all(|host| server.on(host).as_deref() == Some("second"))
    );
    server.assert_tidy(2);
}

#[test]
fn an_instance_that_comes_meanwhile_is_brought_up_in_the_same_run() {
    let server = Server::new();
    server.launch_old(1);
    let slow = Delays {
        snapshot: 3000,
        ..DELAYS
    };
    server.cloud.set_delays(slow).unwrap();
    let deploy = server.start();
    wait_for("a snapshot is begun", || !server.snapshots().is_empty());
    let late = server.launch(false);
    assert_eq!(
        server.pointed(),
        None,
        "it is launched before the publication"
    );
    let run = Run::of(deploy.wait_with_output().unwrap());
    run.assert_code(0);
    assert_eq!(run.outcomes()[late.as_str()], "committed", "{run:#?}");
    assert_eq!(server.on(&late).as_deref(), Some("first"));
    server.assert_tidy(1);
}

#[test]
fn a_group_without_instances_is_published_for_all_the_same() {
    let server = Server::new();
    let run = server.deploy();
    run.assert_code(0);
    assert!(run.stderr.contains("there is no instance"), "{run:#?}");
    server.assert_tidy(1);
}

#[test]
fn without_a_snapshot_no_host_is_changed() {
    let server = Server::new();
    let hosts = server.launch_old(1);
    server.inject(Action::CreateSnapshot, Effect::Deny, 9);
    let run = server.deploy();
    run.assert_code(1);
    assert!(run.stderr.contains("ec2:CreateSnapshot"), "{run:#?}");
    assert_eq!(server.on(&hosts[0]), None);
    assert!(server.snapshots().is_empty());
    assert_eq!(server.pointed(), None);
}

#[test]
fn a_snapshot_that_spoils_is_made_again() {
    let server = Server::new();
    server.launch_old(1);
    server.inject(Action::CreateSnapshot, Effect::Spoil, 1);
    server.deploy().assert_code(0);
    server.assert_tidy(1);
}

#[test]
fn an_unknown_group_changes_nothing() {
    let server = Server::new();
    let output = server.command(&["deploy", "--group", "nobody"]).output();
    let run = Run::of(output.unwrap());
    run.assert_code(1);
    assert!(run.stderr.contains("nobody"), "{run:#?}");
    assert!(server.snapshots().is_empty());
}

#[test]
fn a_pointer_that_cannot_be_written_leaves_a_record_that_the_next_deploy_clears() {
    let server = Server::new();
    let hosts = server.launch_old(1);
    // Where the publish directory should be there is another one, which nobody may change.
    let www = server.publish();
    fs::create_dir(www.join("release.json")).unwrap();
    let run = server.deploy();
    assert_ne!(run.code, Some(0), "{run:#?}");
    fs::remove_dir(www.join("release.json")).unwrap();
    let run = server.deploy();
    run.assert_code(0);
    assert_eq!(server.on(&hosts[0]).as_deref(), Some("first"));
    server.assert_tidy(1);
}

#[test]
fn killed_at_any_time_it_is_ended_by_the_next() {
    let server = Server::new();
    let hosts = server.launch_old(2);
    for round in 0..8 {
        server.edit("index.html", &format!("release {round}"));
        let mut deploy = server.start();
        sleep(Duration::from_millis(150 * round + 40));
        deploy.kill().unwrap();
        deploy.wait().unwrap();
    }
    let run = server.deploy();
    run.assert_code(0);
    for host in &hosts {
        assert_eq!(server.on(host).as_deref(), Some("release 7"), "{run:#?}");
    }
    let published = server.snapshots().len();
    assert!(published >= 1);
    server.assert_tidy(published);
}

#[test]
fn an_interrupt_before_the_commit_changes_no_host() {
    let server = Server::new();
    let hosts = server.launch_old(1);
    let slow = Delays {
        snapshot: 60_000,
        ..DELAYS
    };
    server.cloud.set_delays(slow).unwrap();
    let config = server.folder.path().join("release.toml");
    let text = fs::read_to_string(&config).unwrap();
    let text = text.replace("[rollout]", "[rollout]\norder = \"snapshot-first\"");
    fs::write(&config, text).unwrap();
    let deploy = server.start();
    wait_for("a snapshot is begun", || !server.snapshots().is_empty());
    let process = rustix::process::Pid::from_child(&deploy);
    rustix::process::kill_process(process, rustix::process::Signal::INT).unwrap();
    let run = Run::of(deploy.wait_with_output().unwrap());
    run.assert_code(130);
    assert_eq!(server.on(&hosts[0]), None);
    assert_eq!(server.snapshots(), []);
    assert_eq!(server.pointed(), None);
}
