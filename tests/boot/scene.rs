//! An instance of EC2 that boots: a region, its metadata service, its disks, and a published release.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use release_core::{FileSystem, Generation, Label, Marker, Moment, Pointer, ReleaseId, SecretKey};
use release_sync::{Options, scan};
use release_tests::ec2::{Ec2, REGION};
use release_tests::imds::{Imds, ImdsOptions};
use release_tests::volumes::{Content, Machine, Volumes};
use serde_json::{Value, json};

/// The access key of the instance's role.
pub(crate) const ROLE_KEY: &str = "ASIAINSTANCE";

/// A region with an instance in it.
pub(crate) struct Scene {
    pub(crate) volumes: Volumes,
    pub(crate) ec2: Ec2,
    pub(crate) imds: Imds,
    pub(crate) instance: String,
    pub(crate) machine: Machine,
    pub(crate) key: SecretKey,
    /// The same in its file.
    pub(crate) secret: String,
    file_system: FileSystem,
    /// The release server's volume, and where it is mounted.
    source: String,
    tree: PathBuf,
    folder: tempfile::TempDir,
}

/// A boot that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) text: String,
    pub(crate) events: Vec<Value>,
}

const INSTANCE: &str = r#"
made = ec2.run_instances(ImageId="ami-12345678", MinCount=1, MaxCount=1, InstanceType="t3.small",
    Placement={"AvailabilityZone": args["zone"]})
result = made["Instances"][0]["InstanceId"]
"#;

const SOURCE: &str = r#"
result = ec2.create_volume(AvailabilityZone=args["zone"], Size=1,
    TagSpecifications=[{"ResourceType": "volume", "Tags": [{"Key": "release-fleet", "Value": "web"}]}])["VolumeId"]
"#;

const SNAPSHOT: &str = r#"
tags = [{"Key": key, "Value": value} for key, value in args["tags"].items()]
result = ec2.create_snapshot(VolumeId=args["volume"],
    TagSpecifications=[{"ResourceType": "snapshot", "Tags": tags}])["SnapshotId"]
"#;

const TAG: &str = r#"
ec2.create_tags(Resources=[args["snapshot"]], Tags=[{"Key": "release-generation", "Value": args["generation"]}])
"#;

const ENDS_WITH_INSTANCE: &str = r#"
instance = ec2.describe_instances(InstanceIds=[args])["Reservations"][0]["Instances"][0]
result = {one["Ebs"]["VolumeId"]: one["Ebs"]["DeleteOnTermination"] for one in instance["BlockDeviceMappings"]}
"#;

const GROUP: &str = r#"
ec2.create_tags(Resources=[args], Tags=[{"Key": "aws:autoscaling:groupName", "Value": "web"}])
autoscaling.create_launch_configuration(LaunchConfigurationName="lc", ImageId="ami-12345678", InstanceType="t3.small")
autoscaling.create_auto_scaling_group(AutoScalingGroupName="web", MinSize=0, MaxSize=5, DesiredCapacity=0,
    LaunchConfigurationName="lc", AvailabilityZones=["us-east-1a"])
"#;

impl Scene {
    /// Generation 1 is published on an ext4 volume, and an instance runs.
    pub(crate) fn new() -> Self {
        Self::with(Content::Ext4, |_| ())
    }

    /// With another file system, or an instance that is not well.
    pub(crate) fn with(content: Content, change: impl FnOnce(&mut ImdsOptions)) -> Self {
        let volumes = Volumes::new();
        let ec2 = Ec2::with_volumes(&volumes);
        let zone = format!("{REGION}a");
        let text = |value: Value| value.as_str().unwrap().to_owned();
        let instance = text(ec2.aside(INSTANCE, &json!({"zone": zone})));
        let source = text(ec2.aside(SOURCE, &json!({"zone": zone})));
        let (bytes, file_system) = match content {
            Content::Xfs => (320 << 20, FileSystem::Xfs),
            Content::Btrfs => (128 << 20, FileSystem::Btrfs),
            _ => (64 << 20, FileSystem::Ext4),
        };
        volumes.create(&source, bytes, content);
        let tree = volumes.mount(&source);
        let mut options = ImdsOptions::new(&instance, &zone, &ec2.account());
        change(&mut options);
        let folder = tempfile::tempdir().unwrap();
        for part in ["root/etc", "published"] {
            fs::create_dir_all(folder.path().join(part)).unwrap();
        }
        let (key, secret) = SecretKey::generate(None).unwrap();
        fs::write(
            folder.path().join("release.pub"),
            key.public_file().unwrap(),
        )
        .unwrap();
        let scene = Self {
            machine: volumes.machine(&instance),
            imds: Imds::start(options),
            volumes,
            ec2,
            instance,
            key,
            secret,
            file_system,
            source,
            tree,
            folder,
        };
        scene.publish(1);
        scene
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where the instance has its release.
    pub(crate) fn release(&self) -> PathBuf {
        self.path("root/release")
    }

    /// Makes a release on the server's volume, snapshots it, and publishes it.
    pub(crate) fn publish(&self, generation: u64) -> Pointer {
        let pointer = self.prepare(generation);
        self.announce(&pointer);
        pointer
    }

    /// The same without publishing it.
    pub(crate) fn prepare(&self, generation: u64) -> Pointer {
        self.prepare_with(generation, |_| ())
    }

    /// The same, with something done to the tree after it was stamped.
    pub(crate) fn prepare_with(&self, generation: u64, spoil: impl FnOnce(&Path)) -> Pointer {
        let tree = &self.tree;
        fs::write(tree.join("app"), format!("release {generation}\n")).unwrap();
        let release = stamp(tree, generation);
        spoil(tree);
        let frozen = |flag: &str| {
            let status = Command::new("fsfreeze").arg(flag).arg(tree).status();
            assert!(status.unwrap().success());
        };
        frozen("-f");
        let args = json!({"volume": self.source, "tags": {
            "release-fleet": "web",
            "release-id": release.to_string(),
        }});
        let snapshot = self.ec2.aside(SNAPSHOT, &args);
        frozen("-u");
        self.pointer(generation, release, snapshot.as_str().unwrap())
    }

    fn pointer(&self, generation: u64, release: ReleaseId, snapshot: &str) -> Pointer {
        Pointer {
            generation: Generation::new(generation),
            release,
            snapshot: snapshot.parse().unwrap(),
            region: REGION.parse().unwrap(),
            account: self.ec2.account().parse().unwrap(),
            volume_gib: 1,
            file_system: self.file_system,
            label: None,
            created: Moment::from_unix_millis(0),
            previous: None,
            who: Label::cut("test"),
        }
    }

    /// Unmounts the release server's volume: nothing can be prepared any more.
    pub(crate) fn close_source(&self) {
        self.volumes.detach(&self.source);
    }

    /// Makes what is mounted what was last prepared, as a push does.
    pub(crate) fn push(&self) {
        let mut copy = Command::new("cp");
        copy.arg("-aT").arg(&self.tree).arg(self.release());
        assert!(copy.status().unwrap().success());
    }

    /// Publishes a pointer, signed with the key that instances know; the snapshot is tagged after that.
    pub(crate) fn announce(&self, pointer: &Pointer) {
        self.announce_by(&self.key, pointer);
        let args =
            json!({"snapshot": pointer.snapshot, "generation": pointer.generation.to_string()});
        self.ec2.aside(TAG, &args);
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

    /// From now on the instance is of a group, and held by its hook.
    pub(crate) fn hold(&self) {
        self.ec2.aside(GROUP, &json!(self.instance));
        self.ec2.set_lifecycle(&self.instance, Some("Pending:Wait"));
    }

    /// A command that boots the instance, as it is configured to.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let published = self.path("published").join(Pointer::FILE);
        let pointer = format!("file://{}", published.display());
        self.command_at(&pointer, arguments)
    }

    /// The same, of another build of the program.
    pub(crate) fn command_of(&self, program: &OsStr, arguments: &[&str]) -> Command {
        let published = self.path("published").join(Pointer::FILE);
        let pointer = format!("file://{}", published.display());
        self.put_together(program, &pointer, arguments)
    }

    /// The same, with the pointer somewhere else.
    pub(crate) fn command_at(&self, pointer: &str, arguments: &[&str]) -> Command {
        let program = std::env::var_os("RELEASE_BOOT");
        let program = program.expect("`./dev boot` builds release-boot and says where it is");
        self.put_together(&program, pointer, arguments)
    }

    fn put_together(&self, program: &OsStr, pointer: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(["--config=/dev/null", "--json"])
            .arg(format!("--pointer={pointer}"))
            .arg(format!(
                "--public-key={}",
                self.path("release.pub").display()
            ))
            .arg(format!("--root={}", self.path("root").display()))
            .arg(format!("--sys={}", self.machine.sys().display()))
            .arg(format!("--dev={}", self.machine.dev().display()))
            .args(["--interval=1s", "--attempts=3", "--deadline=60s"])
            .args(arguments)
            .env_clear()
            .env("AWS_ENDPOINT_URL", self.ec2.endpoint())
            .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", self.imds.endpoint());
        command
    }

    pub(crate) fn boot(&self, arguments: &[&str]) -> Ended {
        Ended::of(&self.command(arguments).output().unwrap())
    }

    /// Boots until so many events were told, and is killed then; one that ended before returns as it ended.
    pub(crate) fn boot_killed_after(&self, events: usize) -> Option<Ended> {
        let mut child = piped(self.command(&[]));
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

    /// Waits until a boot that runs has made a call.
    #[track_caller]
    pub(crate) fn wait_for_call(&self, action: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.ec2.count(action) == 0 {
            assert!(Instant::now() < deadline, "nobody calls {action}");
            sleep(Duration::from_millis(20));
        }
    }

    /// As after a start of the machine: nothing is mounted, what is attached stays attached.
    pub(crate) fn restart(&self) {
        let status = Command::new("umount").arg(self.release()).status();
        assert!(status.unwrap().success());
    }

    /// What is attached already is what is mounted again.
    #[track_caller]
    pub(crate) fn restart_with_its_volume(&self) {
        self.restart();
        let ended = self.boot(&[]);
        ended.assert_code(0);
        assert_eq!(ended.last()["source"], "attached already", "{}", ended.text);
    }

    /// The instance has one volume that was made for it, it ends with the instance, and it is mounted with
    /// this generation.
    #[track_caller]
    pub(crate) fn assert_settled(&self, generation: u64) {
        // The server's, the instance's own disk, and the new one.
        let inventory = self.ec2.inventory();
        assert_eq!(inventory.volumes(), 3, "{inventory:?}");
        let attached = self.ec2.aside(ENDS_WITH_INSTANCE, &json!(self.instance));
        let attached = attached.as_object().unwrap();
        assert_eq!(attached.len(), 2, "{attached:?}");
        assert!(attached.values().all(|ends| ends == true), "{attached:?}");
        let app = fs::read_to_string(self.release().join("app")).unwrap();
        assert_eq!(app, format!("release {generation}\n"));
    }

    /// Nothing is mounted, and no volume is there that was not there before.
    #[track_caller]
    pub(crate) fn assert_untouched(&self) {
        let inventory = self.ec2.inventory();
        assert_eq!(inventory.volumes(), 2, "{inventory:?}");
        assert!(!self.release().join("app").exists());
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .args(["-q", "-l"])
            .arg(self.release())
            .output();
    }
}

impl Ended {
    pub(crate) fn of(output: &Output) -> Self {
        let events = String::from_utf8(output.stdout.clone()).unwrap();
        let event = |line| serde_json::from_str(line).unwrap();
        Self {
            code: output.status.code().unwrap_or(-1),
            text: String::from_utf8(output.stderr.clone()).unwrap(),
            events: events.lines().map(event).collect(),
        }
    }

    pub(crate) fn last(&self) -> &Value {
        self.events.last().unwrap()
    }

    #[track_caller]
    pub(crate) fn assert_code(&self, code: i32) {
        assert_eq!(self.code, code, "{}", self.text);
    }

    #[track_caller]
    pub(crate) fn assert_says(&self, words: &str) {
        assert!(self.text.contains(words), "{words}: {}", self.text);
    }
}

pub(crate) fn piped(mut command: Command) -> Child {
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Writes into a tree what it is.
fn stamp(tree: &Path, generation: u64) -> ReleaseId {
    let source = scan(tree, &Options::default(), &()).unwrap();
    let marker = Marker {
        release: source.release(),
        generation: Generation::new(generation),
    };
    fs::write(tree.join(".release/marker"), marker.encode()).unwrap();
    fs::write(tree.join(".release/manifest"), source.manifest().encode()).unwrap();
    source.release()
}

/// The program as it goes into images.
pub(crate) fn static_program() -> PathBuf {
    let program = std::env::var_os("RELEASE_BOOT_STATIC").map(PathBuf::from);
    program.expect("`./dev boot` builds the static release-boot and says where it is")
}
