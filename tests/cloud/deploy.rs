//! `release-cli deploy` to the instances of a group, each a real SSH server, from a disk that is really frozen.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use release_tests::ec2::{Delays, Fault};
use release_tests::group::{Group, Instance};
use release_tests::sshd::{Rack, SshdOptions};
use serde_json::Value;

use crate::server::{CALLER, Run, Server};

const PATIENCE: Duration = Duration::from_secs(60);

/// A release server, and a group whose keys it takes from consoles.
struct Scene {
    server: Server,
    group: Group,
    destination: String,
}

impl Scene {
    fn new(instances: usize) -> Self {
        let server = Server::ready("ext4");
        let rack = Rack::new();
        let mut group = Group::new(&server.ec2, &rack, "web");
        for instance in group.add(instances) {
            group.show_host_key(&instance.id);
        }
        let file = fs::read_to_string(server.at("release.toml")).unwrap();
        let volume = file.lines().find(|line| line.starts_with("volume = "));
        server.configure(&format!(
            "{volume}\n\
             [ssh]\nuser = \"root\"\nport = {port}\nidentity = {identity:?}\n\
             known_hosts = {known_hosts:?}\nhost_keys = \"ec2-console\"\n\
             [rollout]\ndeadline = \"60s\"\nboot_deadline = \"1s\"\n",
            volume = volume.unwrap(),
            port = group.port(),
            identity = rack.identity(),
            known_hosts = rack.known_hosts(),
        ));
        // Whoever was launched just now may still be booting, as far as anybody knows.
        sleep(Duration::from_millis(2500));
        server.ec2.forget_calls();
        Self {
            destination: rack.destination().to_str().unwrap().to_owned(),
            server,
            group,
        }
    }

    fn command(&self) -> Command {
        let [_, sys, path] = self.server.snapshot_words();
        let words = [
            "deploy",
            sys,
            path,
            "--group",
            "web",
            "--dest",
            &self.destination,
        ];
        self.server.command(&words)
    }

    fn deploy(&self) -> Run {
        Run::of(self.command().output().unwrap())
    }

    /// What an instance serves.
    fn on(&self, instance: &str) -> Option<String> {
        let host = self.group.host(instance).unwrap();
        fs::read_to_string(host.tree().join("index.html")).ok()
    }

    /// Verifies what is published as any other program would.
    #[track_caller]
    fn assert_published(&self, snapshot: &str) {
        let bare = fs::read_to_string(self.server.at("www/snap.txt")).unwrap();
        assert_eq!(bare, format!("{snapshot}\n"));
        let minisign = Command::new("minisign")
            .arg("-Vm")
            .arg(self.server.at("www/release.json"))
            .arg("-p")
            .arg(self.server.at("release.pub"))
            .output()
            .unwrap();
        assert!(minisign.status.success(), "{minisign:?}");
    }
}

fn outcomes(run: &Run) -> BTreeMap<&str, &str> {
    let finished = run.events.last().unwrap();
    assert_eq!(finished["event"], "finished", "{run:#?}");
    let hosts = finished["hosts"].as_array().unwrap().iter();
    hosts
        .map(|host| {
            (
                host["host"].as_str().unwrap(),
                host["outcome"].as_str().unwrap(),
            )
        })
        .collect()
}

#[track_caller]
fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "{what} didn't come");
        sleep(Duration::from_millis(5));
    }
}

#[test]
fn one_command_brings_a_group_to_a_release_and_publishes_it() {
    let mut scene = Scene::new(3);
    let first = scene.group.instances();
    let ec2 = scene.server.ec2.clone();
    ec2.set_delays(Delays {
        snapshot: Duration::from_secs(4),
        ..Delays::default()
    });
    ec2.add_fault(Fault::late(Duration::from_secs(1)).on("CreateSnapshot"));
    let deploy = scene.command().spawn().unwrap();
    wait_for("a snapshot", || ec2.count("CreateSnapshot") == 1);
    // After the list, before the publication.
    let late = scene.group.launch(1).remove(0);
    scene.group.boot(&late, SshdOptions::default());
    scene.group.show_host_key(&late.id);
    assert!(!scene.server.at("www/release.json").exists());
    let run = Run::of(deploy.wait_with_output().unwrap());
    run.assert_done();

    let outcomes = outcomes(&run);
    for Instance { id, .. } in first.iter().chain([&late]) {
        assert_eq!(outcomes[id.as_str()], "committed", "{run:#?}");
        assert_eq!(scene.on(id).as_deref(), Some("hello"));
    }
    let finished = run.events.last().unwrap();
    let hosts = finished["hosts"].as_array().unwrap();
    assert!(hosts.iter().all(|host| host["proof"] == "full"), "{run:#?}");
    let begun = run.named("snapshot")[0];
    let frozen = begun["frozen_seconds"].as_f64().expect("it was frozen");
    assert!((1.0..1.5).contains(&frozen), "{frozen}");
    let published = run.named("published")[0];
    let snapshot = published["snapshot"].as_str().unwrap();
    scene.assert_published(snapshot);
    scene.server.assert_clean(1);
    let tags = ec2.aside(TAGS, &Value::from(snapshot));
    assert_eq!(tags["release-generation"], "1");
    assert_eq!(tags["release-id"], published["release"]);
    assert_is_allowed(&ec2.permissions_used(CALLER));
}

const TAGS: &str = r#"
snapshot, = ec2.describe_snapshots(SnapshotIds=[args])["Snapshots"]
result = {tag["Key"]: tag["Value"] for tag in snapshot["Tags"]}
"#;

/// Was nothing called that the release server's policy does not allow?
#[track_caller]
fn assert_is_allowed(used: &BTreeSet<String>) {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../docs/iam/release-server.json"
    );
    let policy: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let mut allowed = BTreeSet::from(["sts:GetCallerIdentity".to_owned()]);
    for statement in policy["Statement"].as_array().unwrap() {
        match &statement["Action"] {
            Value::String(action) => drop(allowed.insert(action.clone())),
            actions => allowed.extend(
                actions
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|action| action.as_str().unwrap().to_owned()),
            ),
        }
    }
    let beyond: Vec<_> = used.difference(&allowed).collect();
    assert!(beyond.is_empty(), "{beyond:?}");
    assert!(used.contains("ec2:GetConsoleOutput") && used.contains("ec2:CreateSnapshot"));
}

#[test]
fn who_sleeps_or_has_gone_is_no_fault() {
    let mut scene = Scene::new(3);
    let [awake, asleep, gone] = &scene.group.instances()[..] else {
        panic!("there are three");
    };
    let (awake, asleep, gone) = (awake.id.clone(), asleep.id.clone(), gone.id.clone());
    scene.group.stop(&asleep);
    scene.group.set_lifecycle(&gone, Some("Terminating:Wait"));
    let run = scene.deploy();
    run.assert_done();
    let outcomes = outcomes(&run);
    assert_eq!(outcomes[awake.as_str()], "committed", "{run:#?}");
    assert_eq!(outcomes[asleep.as_str()], "asleep", "{run:#?}");
    assert_eq!(outcomes[gone.as_str()], "gone", "{run:#?}");
    assert_eq!(scene.on(&gone), None);
    scene.server.assert_clean(1);
}

#[test]
fn what_is_denied_is_named_and_changes_no_host() {
    let scene = Scene::new(1);
    let id = scene.group.instances()[0].id.clone();
    let ec2 = &scene.server.ec2;
    ec2.add_fault(Fault::deny().on("CreateSnapshot"));
    let run = scene.deploy();
    run.assert_fails(1, &["ec2:CreateSnapshot", "docs/iam"]);
    assert_eq!(scene.on(&id), None);
    assert!(!scene.server.at("www/release.json").exists());
    scene.server.assert_clean(0);
    ec2.clear_faults();
    scene.deploy().assert_done();
}

#[test]
fn a_key_that_no_console_shows_is_not_believed() {
    let mut scene = Scene::new(1);
    let stranger = scene.group.launch(1).remove(0);
    scene.group.boot(&stranger, SshdOptions::default());
    sleep(Duration::from_millis(2500));
    let file = scene.server.at("release.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(
        &file,
        text.replace("deadline = \"60s\"", "deadline = \"6s\""),
    )
    .unwrap();
    let run = scene.deploy();
    assert_eq!(run.code, Some(3), "{run:#?}");
    assert_eq!(outcomes(&run)[stranger.id.as_str()], "deferred", "{run:#?}");
    assert_eq!(scene.on(&stranger.id), None);
}
