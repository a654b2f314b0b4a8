//! A fleet in a folder with a release that is published, and the built release-boot.

use std::fs;
use std::future::Future;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use release_core::cloud::local::{Delays, Fault, Launch, LocalCloud, SystemClock};
use release_core::cloud::{
    ClientToken, Cloud, Encryption, NewSnapshot, NewVolume, Snapshot, SnapshotQuery, SnapshotState,
    TAG_FLEET, TAG_GENERATION, TAG_RELEASE, Tags, Volume, VolumeKind, VolumeQuery, VolumeSource,
};
use release_core::{
    FileSystem, Generation, InstanceId, Label, Marker, Moment, Pointer, SecretKey, VolumeId,
};
use release_sync::{Options, scan};
use serde_json::Value;

/// A call of a local fleet is done when it returns.
pub(crate) fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a local fleet waits for nothing"),
    }
}

pub(crate) struct Place {
    folder: tempfile::TempDir,
    pub(crate) cloud: LocalCloud,
    pub(crate) key: SecretKey,
    /// The release server's volume.
    source: VolumeId,
    pub(crate) instance: InstanceId,
}

/// A boot that has ended.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) text: String,
    pub(crate) events: Vec<Value>,
}

impl Ended {
    fn of(output: &Output) -> Self {
        let events = String::from_utf8(output.stdout.clone()).unwrap();
        Self {
            code: output.status.code().unwrap_or(-1),
            text: String::from_utf8(output.stderr.clone()).unwrap(),
            events: events
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect(),
        }
    }

    pub(crate) fn last(&self) -> &Value {
        self.events.last().unwrap()
    }
}

impl Place {
    /// Generation 1 is published, and an instance of the group `web` runs.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cloud =
            LocalCloud::create(&folder.path().join("fleet"), Arc::new(SystemClock)).unwrap();
        let (key, public) = SecretKey::generate(None)
            .map(|(key, _)| {
                let public = key.public_file().unwrap();
                (key, public)
            })
            .unwrap();
        fs::write(folder.path().join("release.pub"), public).unwrap();
        fs::create_dir(folder.path().join("published")).unwrap();
        cloud
            .set_delays(Delays {
                launch: 0,
                volume: 30,
                attach: 30,
                detach: 30,
                snapshot: 30,
                ..Delays::default()
            })
            .unwrap();
        let group = "web".parse().unwrap();
        let hook = ("ready".parse().unwrap(), Duration::from_secs(600));
        cloud.make_group(&group, Tags::new(), Some(hook)).unwrap();
        let launch = Launch {
            group: Some(group),
            ..Launch::default()
        };
        let instance = cloud.launch(launch).unwrap();
        let request = NewVolume {
            source: VolumeSource::Blank { size_gib: 1 },
            zone: "local-a".parse().unwrap(),
            kind: VolumeKind::Gp3,
            throughput: None,
            iops: None,
            initialization_rate: None,
            encryption: Encryption::Inherited,
            tags: tags(&[(TAG_FLEET, "web")]),
            token: ClientToken::of("source"),
        };
        let source = now(cloud.create_volume(&request)).unwrap().id;
        std::thread::sleep(Duration::from_millis(40));
        let place = Self {
            folder,
            cloud,
            key,
            source,
            instance,
        };
        place.publish(1);
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What the instance has at `/release`.
    pub(crate) fn release(&self) -> PathBuf {
        self.cloud.instance_root(&self.instance).join("release")
    }

    /// Makes a release on the server's volume, snapshots it, and publishes it.
    pub(crate) fn publish(&self, generation: u64) -> Pointer {
        let pointer = self.prepare(generation);
        self.announce(&pointer);
        pointer
    }

    /// The same without publishing it.
    pub(crate) fn prepare(&self, generation: u64) -> Pointer {
        let tree = self.cloud.volume_directory(&self.source);
        fs::write(tree.join("app"), format!("release {generation}\n")).unwrap();
        let release = stamp(&tree, generation);
        let request = NewSnapshot {
            volume: self.source.clone(),
            description: String::new(),
            tags: tags(&[
                (TAG_FLEET, "web"),
                (TAG_GENERATION, &generation.to_string()),
                (TAG_RELEASE, &release.to_string()),
            ]),
        };
        let snapshot = now(self.cloud.create_snapshot(&request)).unwrap();
        self.completed(&snapshot);
        let identity = now(self.cloud.identity()).unwrap();
        Pointer {
            generation: Generation::new(generation),
            release,
            snapshot: snapshot.id,
            region: identity.region,
            account: identity.account,
            volume_gib: 1,
            file_system: FileSystem::Folder,
            label: None,
            created: Moment::from_unix_millis(0),
            previous: None,
            who: Label::cut("test"),
        }
    }

    fn completed(&self, snapshot: &Snapshot) {
        let query = SnapshotQuery::Ids(vec![snapshot.id.clone()]);
        let deadline = Instant::now() + Duration::from_secs(10);
        while now(self.cloud.snapshots(&query)).unwrap()[0].state != SnapshotState::Completed {
            assert!(Instant::now() < deadline, "the snapshot does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Makes what is mounted what the pointer says, as a push does.
    pub(crate) fn push(&self, pointer: &Pointer) {
        let snapshot = self.path("fleet/snapshots").join(pointer.snapshot.as_str());
        let mut copy = Command::new("cp");
        copy.arg("-aT")
            .arg(snapshot)
            .arg(self.release().canonicalize().unwrap());
        assert!(copy.status().unwrap().success());
    }

    /// Publishes a pointer, signed with the key that instances know.
    pub(crate) fn announce(&self, pointer: &Pointer) {
        self.announce_by(&self.key, pointer);
    }

    /// The same, signed by somebody.
    pub(crate) fn announce_by(&self, key: &SecretKey, pointer: &Pointer) {
        let (document, signature) = key.sign(pointer).unwrap();
        for (name, bytes) in [
            (Pointer::SIGNATURE_FILE, signature),
            (Pointer::FILE, document),
            (Pointer::SNAPSHOT_FILE, pointer.snapshot_file()),
        ] {
            fs::write(self.path("published").join(name), bytes).unwrap();
        }
    }

    /// A command that boots the instance as it is configured to.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let published = self.path("published").join(Pointer::FILE);
        let pointer = format!("--pointer=file://{}", published.display());
        let mut command = self.command_without_pointer();
        command.arg(pointer).args(arguments);
        command
    }

    /// The same, but told nothing of where the pointer is.
    pub(crate) fn command_without_pointer(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_release-boot"));
        command
            .args(["--config", "/dev/null", "--json"])
            .arg(format!(
                "--public-key={}",
                self.path("release.pub").display()
            ))
            .arg(format!("--cloud=local:{}", self.path("fleet").display()))
            .arg(format!(
                "--root={}",
                self.cloud.instance_root(&self.instance).display()
            ))
            .args(["--interval=1s", "--attempts=3", "--deadline=20s"])
            .env_clear();
        command
    }

    pub(crate) fn boot(&self, arguments: &[&str]) -> Ended {
        Ended::of(&self.command(arguments).output().unwrap())
    }

    /// A boot that is told with these words where pointers are.
    pub(crate) fn boot_from(&self, pointers: &[&str]) -> Ended {
        let output = self.command_without_pointer().args(pointers).output();
        Ended::of(&output.unwrap())
    }

    /// Kills a boot after so many events; one that ended before returns as it ended.
    pub(crate) fn boot_killed_after(&self, events: usize) -> Option<Ended> {
        let mut child = self
            .command(&[])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for _ in 0..events {
            if lines.next().is_none() {
                return Some(Ended::of(&child.wait_with_output().unwrap()));
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        None
    }

    pub(crate) fn inject(&self, fault: Fault) {
        self.cloud.inject(fault).unwrap();
    }

    /// The volumes that are there, but for the server's.
    pub(crate) fn volumes(&self) -> Vec<Volume> {
        let ours = VolumeQuery::Tagged(tags(&[(TAG_FLEET, "web")]));
        let mut volumes = now(self.cloud.volumes(&ours)).unwrap();
        volumes.retain(|volume| volume.id != self.source);
        volumes
    }

    /// One volume is there, attached, ends with the instance, and is mounted with this generation.
    #[track_caller]
    pub(crate) fn assert_settled(&self, generation: u64) {
        let volumes = self.volumes();
        assert_eq!(volumes.len(), 1, "{volumes:?}");
        let attachment = volumes[0].attachment_to(&self.instance).unwrap();
        assert!(attachment.delete_on_termination);
        let app = fs::read_to_string(self.release().join("app")).unwrap();
        assert_eq!(app, format!("release {generation}\n"));
        let mounted = self.release().canonicalize().unwrap();
        assert!(
            mounted.ends_with(volumes[0].id.as_str()),
            "{}",
            mounted.display()
        );
    }

    /// Nothing is mounted, and no volume is there.
    #[track_caller]
    pub(crate) fn assert_untouched(&self) {
        assert_eq!(self.volumes(), []);
        assert!(!self.release().exists());
    }
}

/// Writes into a tree what it is.
fn stamp(tree: &Path, generation: u64) -> release_core::ReleaseId {
    let source = scan(tree, &Options::default(), &()).unwrap();
    let marker = Marker {
        release: source.release(),
        generation: Generation::new(generation),
    };
    fs::write(tree.join(".release/marker"), marker.encode()).unwrap();
    let manifest = source.manifest().encode();
    fs::write(tree.join(".release/manifest"), manifest).unwrap();
    source.release()
}

pub(crate) fn tags(pairs: &[(&str, &str)]) -> Tags {
    let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    pairs.iter().map(own).collect()
}
