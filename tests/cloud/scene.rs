//! A release server in EC2, and a group whose instances are real SSH servers that it deploys to.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use release_tests::group::Group;
use release_tests::sshd::Rack;

use crate::server::{Run, Server};

/// How long it may take until something is to be seen, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A release server, and a group whose keys it takes from consoles.
pub(crate) struct Scene {
    pub(crate) server: Server,
    pub(crate) group: Group,
}

/// What was published at a moment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Published {
    document: String,
    signature: String,
    bare: String,
}

impl Scene {
    /// The group `web` with so many instances. Nothing is waited for that a test doesn't ask for: a list lags by
    /// some 300 ms, and boots are over when they begin.
    pub(crate) fn new(instances: usize) -> Self {
        let scene = Self::held(instances, |_| ());
        scene.server.ec2.forget_calls();
        scene
    }

    /// The same of a server to which something happens before it is set up.
    pub(crate) fn held(instances: usize, hold: fn(&Server)) -> Self {
        let server = Server::ready_after("ext4", hold);
        let rack = Rack::new();
        let mut group = Group::new(&server.ec2, &rack, "web");
        for instance in group.add(instances) {
            group.show_host_key(&instance.id);
        }
        server.configure_for(
            rack.destination().to_str().unwrap(),
            "groups = [\"web\"]\nsettle = \"300ms\"\n",
            &format!(
                "volume = \"{volume}\"\nkeep = 10\n\
                 [ssh]\nuser = \"root\"\nport = {port}\nidentity = {identity:?}\n\
                 known_hosts = {known_hosts:?}\nhost_keys = \"ec2-console\"\n\
                 [rollout]\ndeadline = \"60s\"\nboot_deadline = \"1ms\"\n",
                volume = server.volume(),
                port = group.port(),
                identity = rack.identity(),
                known_hosts = rack.known_hosts(),
            ),
        );
        Self { server, group }
    }

    /// One in which the release `hello` was deployed to one instance.
    pub(crate) fn deployed() -> (Self, String) {
        let scene = Self::new(1);
        scene.deploy().assert_done();
        let instance = scene.group.instances()[0].id.clone();
        assert_eq!(scene.on(&instance).as_deref(), Some("hello"));
        scene.server.ec2.forget_calls();
        (scene, instance)
    }

    pub(crate) fn command(&self, more: &[&str]) -> Command {
        let [_, sys, path] = self.server.snapshot_words();
        self.server
            .command(&[&["deploy", sys, path], more].concat())
    }

    pub(crate) fn doctor(&self, more: &[&str]) -> Run {
        let [_, sys, path] = self.server.snapshot_words();
        self.server.run(&[&["doctor", sys, path], more].concat())
    }

    pub(crate) fn deploy(&self) -> Run {
        self.deploy_with(&[])
    }

    pub(crate) fn deploy_with(&self, more: &[&str]) -> Run {
        Run::of(self.command(more).output().unwrap())
    }

    /// What an instance serves.
    pub(crate) fn on(&self, instance: &str) -> Option<String> {
        let host = self.group.host(instance).unwrap();
        fs::read_to_string(host.tree().join("index.html")).ok()
    }

    /// What is published, after it was verified as any other program would.
    #[track_caller]
    pub(crate) fn published(&self) -> Published {
        let minisign = Command::new("minisign")
            .arg("-Vm")
            .arg(self.server.at("www/release.json"))
            .arg("-p")
            .arg(self.server.at("release.pub"))
            .output()
            .unwrap();
        assert!(minisign.status.success(), "{minisign:?}");
        let read = |name: &str| fs::read_to_string(self.server.at("www").join(name)).unwrap();
        let published = Published {
            document: read("release.json"),
            signature: read("release.json.minisig"),
            bare: read("snap.txt"),
        };
        let shown = self.server.published();
        let snapshot = format!("{}\n", shown["snapshot"].as_str().unwrap());
        assert_eq!(published.bare, snapshot);
        published
    }

    /// The next deploy ends well, with this on the instance, so many snapshots, and nothing left over: no record
    /// of what is unfinished, no ledger, nothing frozen, nothing half published.
    #[track_caller]
    pub(crate) fn assert_next_is_clean(&self, instance: &str, content: &str, snapshots: usize) {
        self.server.write("index.html", content);
        let run = self.deploy();
        run.assert_done();
        assert_eq!(outcomes(&run)[instance], "committed", "{run:#?}");
        self.assert_settled(instance, content, snapshots);
    }

    /// The same of what is there.
    #[track_caller]
    pub(crate) fn assert_settled(&self, instance: &str, content: &str, snapshots: usize) {
        assert_eq!(self.on(instance).as_deref(), Some(content));
        self.published();
        self.server.assert_clean(snapshots);
        assert!(!self.server.at("state/unfinished.json").exists());
        let mut files: Vec<_> = fs::read_dir(self.server.at("www"))
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        assert_eq!(files, ["release.json", "release.json.minisig", "snap.txt"]);
    }
}

/// What became of each host.
#[track_caller]
pub(crate) fn outcomes(run: &Run) -> BTreeMap<&str, &str> {
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
pub(crate) fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "{what} didn't come");
        sleep(Duration::from_millis(5));
    }
}
