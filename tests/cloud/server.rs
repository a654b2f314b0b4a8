//! A release server in EC2: `release-cli`, run as an operator does, on an instance whose volumes are loop
//! devices.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use release_tests::cli;
use release_tests::ec2::{Ec2, REGION};
use release_tests::volumes::{Machine, Volumes};
use rustix::process::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Who calls.
pub(crate) const CALLER: &str = "server";

const LAUNCH: &str = r#"
instance, = ec2.run_instances(ImageId="ami-12c6146b", MinCount=1, MaxCount=1,
    Placement={"AvailabilityZone": args["zone"]})["Instances"]
result = instance["InstanceId"]
"#;

/// A server whose source is on a volume of its own, once it is set up.
pub(crate) struct Server {
    pub(crate) ec2: Ec2,
    pub(crate) volumes: Volumes,
    pub(crate) instance: String,
    machine: Machine,
    folder: TempDir,
}

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) events: Vec<Value>,
    pub(crate) said: String,
}

impl Server {
    /// Nothing is prepared yet.
    pub(crate) fn new() -> Self {
        let volumes = Volumes::new();
        // Enough for either file system, and sparse.
        volumes.fill_in(512 << 20);
        let ec2 = Ec2::with_volumes(&volumes);
        let launched = ec2.aside(LAUNCH, &json!({"zone": format!("{REGION}a")}));
        let instance = launched.as_str().unwrap().to_owned();
        let server = Self {
            machine: volumes.machine(&instance),
            folder: TempDir::with_prefix("release-server-").unwrap(),
            instance,
            ec2,
            volumes,
        };
        server.configure("");
        server
    }

    /// Prepared, with a release in the source.
    pub(crate) fn ready(file_system: &str) -> Self {
        Self::ready_after(file_system, |_| ())
    }

    /// The same, where something happens before it is set up.
    pub(crate) fn ready_after(file_system: &str, happens: fn(&Self)) -> Self {
        let server = Self::new();
        happens(&server);
        let run = server.set_up(&["--file-system", file_system]);
        run.assert_done();
        let volume = server.ec2.inventory();
        assert_eq!(
            (volume.volumes(), volume.snapshots()),
            (2, 0),
            "its own, and the source's"
        );
        let volume = run.said.split("volume = \"").nth(1).unwrap();
        let volume = volume.split('"').next().unwrap();
        server.configure(&format!("volume = \"{volume}\"\n"));
        server.write("index.html", "hello");
        server
    }

    /// `more` are lines below `[snapshot]`.
    pub(crate) fn configure(&self, more: &str) {
        self.configure_for("/release", "settle = \"2s\"\n", more);
    }

    /// With a destination, and lines below `[cloud]`.
    pub(crate) fn configure_for(&self, destination: &str, cloud: &str, more: &str) {
        let config = format!(
            "source = \"release\"\n\
             destination.path = {destination:?}\n\
             state.directory = \"state\"\n\
             [cloud]\nkind = \"aws\"\nregion = \"{REGION}\"\n{cloud}\
             [publish]\ndirectory = \"www\"\nkey = \"release.key\"\n\
             [snapshot]\nfreeze_timeout = \"10s\"\n{more}"
        );
        fs::write(self.at("release.toml"), config).unwrap();
    }

    /// Replaces a piece of the configuration.
    #[track_caller]
    pub(crate) fn reconfigure(&self, old: &str, new: &str) {
        let file = self.at("release.toml");
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(text.matches(old).count(), 1, "`{old}` in {text}");
        fs::write(file, text.replace(old, new)).unwrap();
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts something into the source.
    pub(crate) fn write(&self, name: &str, content: &str) {
        fs::write(self.at("release").join(name), content).unwrap();
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(cli::agent().with_file_name("release-cli"));
        command
            .arg("--json")
            .args(words)
            .current_dir(self.folder.path())
            .env_remove("AWS_PROFILE")
            .env("AWS_ENDPOINT_URL", self.ec2.endpoint())
            .env("AWS_ACCESS_KEY_ID", CALLER)
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> Run {
        Run::of(self.command(words).output().unwrap())
    }

    pub(crate) fn set_up(&self, more: &[&str]) -> Run {
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let paths = [
            text(self.machine.sys()),
            text(self.machine.dev()),
            text(&self.at("fstab")),
        ];
        let words = [
            "setup",
            "--fleet",
            "web",
            "--size",
            "1",
            "--instance",
            &self.instance,
            "--sys",
            &paths[0],
            "--dev",
            &paths[1],
            "--fstab",
            &paths[2],
        ];
        self.run(&[&words, more].concat())
    }

    /// The words of a `snapshot`, which has to find the devices of this machine.
    pub(crate) fn snapshot_words(&self) -> [&str; 3] {
        ["snapshot", "--sys", self.machine.sys().to_str().unwrap()]
    }

    /// The volume that is configured.
    pub(crate) fn volume(&self) -> String {
        let file = fs::read_to_string(self.at("release.toml")).unwrap();
        let volume = file.split("volume = \"").nth(1).unwrap();
        volume.split('"').next().unwrap().to_owned()
    }

    pub(crate) fn snapshot(&self) -> Run {
        self.run(&self.snapshot_words())
    }

    /// What a new instance would find: the snapshot's tree, mounted. The source is unmounted before: XFS mounts
    /// no two copies of a file system at a time.
    pub(crate) fn boot(&self, snapshot: &str) -> PathBuf {
        let source = self.at("release");
        let unmounted = Command::new("umount").arg(&source).status();
        assert!(unmounted.unwrap().success());
        let volume = format!("vol-of-{snapshot}");
        self.volumes.restore(snapshot, &volume, None);
        self.volumes.mount(&volume)
    }

    pub(crate) fn published(&self) -> Value {
        let text = fs::read(self.at("www/release.json")).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    /// Nothing is frozen, nothing stands in the ledger, and there are so many snapshots.
    #[track_caller]
    pub(crate) fn assert_clean(&self, snapshots: usize) {
        assert_eq!(self.ec2.inventory().snapshots(), snapshots);
        assert!(!self.at("state/snapshots.json").exists());
        self.assert_thawed();
    }

    /// Somebody who writes a file into the source, whenever that is possible.
    pub(crate) fn writer(&self, name: &str) -> Child {
        let file = self.at("release").join(name);
        Command::new("touch").arg(file).spawn().unwrap()
    }

    /// Whoever writes to a frozen disk can't be killed, so a child does that nobody waits for.
    #[track_caller]
    pub(crate) fn assert_thawed(&self) {
        let file = self.at("release/probe");
        let mut child = self.writer("probe");
        let begin = std::time::Instant::now();
        while !matches!(child.try_wait(), Ok(Some(_))) {
            assert!(begin.elapsed() < Duration::from_secs(10), "it is frozen");
            std::thread::sleep(Duration::from_millis(5));
        }
        fs::remove_file(&file).expect("it was written");
    }
}

impl Drop for Server {
    /// Before the disks go; each of it fails where nothing is to be done.
    fn drop(&mut self) {
        let source = self.at("release");
        let _ = Command::new("fsfreeze").arg("-u").arg(&source).output();
        let _ = Command::new("umount").arg("-l").arg(&source).output();
    }
}

/// The process that thaws if its parent can't.
pub(crate) fn watchdog(parent: &Child) -> Option<Pid> {
    let tasks = fs::read_dir(format!("/proc/{}/task", parent.id())).ok()?;
    for task in tasks.flatten() {
        let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        for pid in children.split_whitespace() {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            if line.split(|&byte| byte == 0).nth(1) == Some(b"watchdog") {
                return Pid::from_raw(pid.parse().ok()?);
            }
        }
    }
    None
}

impl Run {
    pub(crate) fn of(output: std::process::Output) -> Self {
        let lines = String::from_utf8(output.stdout).unwrap();
        Self {
            code: output.status.code(),
            events: lines
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect(),
            said: String::from_utf8(output.stderr).unwrap(),
        }
    }

    #[track_caller]
    pub(crate) fn assert_done(&self) {
        assert_eq!(self.code, Some(0), "{self:#?}");
    }

    #[track_caller]
    pub(crate) fn assert_fails(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:#?}");
        for word in words {
            assert!(self.said.contains(word), "`{word}` in {}", self.said);
        }
    }

    /// The events of a name.
    pub(crate) fn named(&self, name: &str) -> Vec<&Value> {
        let events = self.events.iter();
        events.filter(|event| event["event"] == name).collect()
    }

    /// How long the file system was frozen.
    pub(crate) fn frozen(&self) -> Duration {
        let seconds = self.events.last().unwrap()["frozen_seconds"].as_f64();
        Duration::from_secs_f64(seconds.expect("it was frozen"))
    }
}
