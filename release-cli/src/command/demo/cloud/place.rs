//! A release server and a fleet, in a folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use release_core::cloud::local::{Delays, Launch, LocalCloud, SystemClock};
use release_core::cloud::{
    ClientToken, Cloud, Encryption, NewVolume, TAG_FLEET, Tags, VolumeKind, VolumeSource,
};
use release_core::{GroupName, InstanceId, Pointer, PublicKey, VolumeId};
use serde_json::Value;

use super::super::{app, broken};
use crate::command::desk::Desk;
use crate::failure::Failure;
use crate::publish::published;

/// The words that a program ended with, and what it did.
pub(super) struct Ran {
    pub(super) code: Option<i32>,
    /// The end of what it said in words.
    pub(super) said: String,
    /// How many hosts it committed on.
    pub(super) committed: usize,
}

pub(super) struct Place {
    folder: PathBuf,
    program: PathBuf,
    cloud: LocalCloud,
    volume: VolumeId,
    /// All that were launched.
    pub(super) instances: Vec<InstanceId>,
}

/// How long something may take that takes a moment.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(10);

/// Long enough to launch somebody meanwhile.
const DELAYS: Delays = Delays {
    launch: 50,
    listing: 0,
    end: 50,
    volume: 50,
    attach: 50,
    detach: 50,
    snapshot: 1500,
};

impl Place {
    /// A source with the application in it, a key, a configuration, and a group without instances.
    pub(super) fn set_up(desk: &Desk, folder: &Path) -> Result<Self, Failure> {
        let fleet = folder.join("fleet");
        let cloud = LocalCloud::create(&fleet, Arc::new(SystemClock))?;
        cloud.set_delays(DELAYS)?;
        cloud.make_group(&group(), Tags::new(), None)?;
        let volume = wait(cloud.create_volume(&blank()))?.id;
        let place = Self {
            folder: folder.to_owned(),
            program: desk.environment.executable.clone(),
            volume,
            cloud,
            instances: Vec::new(),
        };
        let source = place.source();
        app::make(&source).map_err(broken(&source))?;
        let write = || {
            fs::create_dir(place.at("www"))?;
            fs::write(place.at("release.toml"), place.configuration())
        };
        write().map_err(broken(folder))?;
        place.run(&["keygen"])?;
        Ok(place)
    }

    fn configuration(&self) -> String {
        format!(
            "source = {source:?}\n\
             destination.path = \"/release\"\n\
             state.directory = \"server-state\"\n\
             [cloud]\nkind = \"local\"\nroot = \"fleet\"\ngroups = [\"web\"]\nsettle = \"1s\"\n\
             [rollout]\nboot_deadline = \"5s\"\ndeadline = \"60s\"\n\
             [snapshot]\nvolume = \"{volume}\"\n\
             [publish]\ndirectory = \"www\"\nkey = \"publish.key\"\n",
            source = self.source(),
            volume = self.volume,
        )
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(super) fn source(&self) -> PathBuf {
        self.cloud.volume_directory(&self.volume)
    }

    pub(super) fn launch(&mut self) -> Result<InstanceId, Failure> {
        let id = self.cloud.launch(Launch {
            group: Some(group()),
            ..Launch::default()
        })?;
        self.instances.push(id.clone());
        Ok(id)
    }

    /// Until a deploy has begun its snapshot, or has ended without.
    pub(super) fn await_snapshot(&self, deploy: &mut Child) -> Result<(), Failure> {
        let begun = Instant::now();
        let mut is_running = true;
        while is_running && self.cloud.count()?.1 == 0 && begun.elapsed() < PATIENCE {
            sleep(LOOK);
            let ended = deploy.try_wait().map_err(broken(&self.program))?;
            is_running = ended.is_none();
        }
        Ok(())
    }

    /// An instance's release, wherever it is mounted from.
    pub(super) fn tree(&self, instance: &InstanceId) -> Result<PathBuf, Failure> {
        let path = self.cloud.instance_root(instance).join("release");
        fs::canonicalize(&path).map_err(broken(&path))
    }

    /// What is published, if its signature is right.
    pub(super) fn pointer(&self) -> Option<Pointer> {
        let key: PublicKey = fs::read_to_string(self.at("publish.pub"))
            .ok()?
            .parse()
            .ok()?;
        published(&self.at("www"), &key).ok()?
    }

    /// Runs `release-cli` with these words.
    pub(super) fn run(&self, words: &[&str]) -> Result<Ran, Failure> {
        let running = self.start(words)?;
        self.end(running)
    }

    pub(super) fn start(&self, words: &[&str]) -> Result<Child, Failure> {
        let mut command = Command::new(&self.program);
        command
            .args(["--json", "--config", "release.toml"])
            .args(words)
            .current_dir(&self.folder);
        spawn(command).map_err(broken(&self.program))
    }

    pub(super) fn end(&self, running: Child) -> Result<Ran, Failure> {
        let output = running.wait_with_output();
        let output = output.map_err(broken(&self.program))?;
        let said = String::from_utf8_lossy(&output.stderr);
        let events = String::from_utf8_lossy(&output.stdout);
        let finished = events.lines().last();
        let finished: Option<Value> = finished.and_then(|line| serde_json::from_str(line).ok());
        let hosts = finished
            .as_ref()
            .and_then(|event| event["hosts"].as_array());
        let is_committed =
            |host: &&Value| host["outcome"] == "committed" && host["proof"] != "none";
        Ok(Ran {
            code: output.status.code(),
            said: last_words(&said),
            committed: hosts.map_or(0, |hosts| hosts.iter().filter(is_committed).count()),
        })
    }

    /// The program that boots, where it is beside this one.
    pub(super) fn boot_program(&self) -> Option<PathBuf> {
        let program = self.program.with_file_name("release-boot");
        program.is_file().then_some(program)
    }

    pub(super) fn boot(&self, program: &Path, instance: &InstanceId) -> Result<Ran, Failure> {
        let option = |name: &str, value: &Path| format!("--{name}={}", value.display());
        let pointer = self.at("www").join(Pointer::FILE);
        let mut command = Command::new(program);
        command
            .args(["--config=/dev/null", "--json", "--deadline=30s"])
            .arg(format!("--pointer=file://{}", pointer.display()))
            .arg(option("public-key", &self.at("publish.pub")))
            .arg(format!("--cloud=local:{}", self.at("fleet").display()))
            .arg(option("root", &self.cloud.instance_root(instance)));
        self.end(spawn(command).map_err(broken(program))?)
    }
}

/// The last error, its causes and its hint, in one line; where there is none, the last line.
fn last_words(said: &str) -> String {
    let lines: Vec<&str> = said.lines().map(str::trim).collect();
    let error = lines.iter().rposition(|line| line.starts_with("error:"));
    let words = lines[error.unwrap_or(lines.len().saturating_sub(1))..].join("; ");
    match words.is_empty() {
        true => "it said nothing".to_owned(),
        false => words,
    }
}

fn spawn(mut command: Command) -> io::Result<Child> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

#[expect(clippy::expect_used, reason = "the name is in sight")]
fn group() -> GroupName {
    "web".parse().expect("that is a name")
}

#[expect(clippy::expect_used, reason = "the zone is in sight")]
fn blank() -> NewVolume {
    NewVolume {
        source: VolumeSource::Blank { size_gib: 1 },
        zone: "local-a".parse().expect("that is a zone"),
        kind: VolumeKind::Gp3,
        throughput: None,
        iops: None,
        initialization_rate: None,
        encryption: Encryption::Inherited,
        tags: Tags::from([(TAG_FLEET.to_owned(), "web".to_owned())]),
        token: ClientToken::of("the source of the demo"),
    }
}

/// A local cloud's answers are there when they are asked for.
fn wait<T>(answer: release_core::cloud::Reply<'_, T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.map_err(Failure::Runtime)?;
    Ok(runtime.block_on(answer)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_deploy_that_ends_at_once_is_not_waited_for_and_its_error_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let fleet = folder.path().join("fleet");
        let place = Place {
            folder: folder.path().to_owned(),
            program: "/bin/sh".into(),
            cloud: LocalCloud::create(&fleet, Arc::new(SystemClock)).unwrap(),
            volume: "vol-00000001".parse().unwrap(),
            instances: Vec::new(),
        };
        let mut command = Command::new(&place.program);
        let fails =
            "echo a note; echo error: no room; echo '  caused by: full'; echo hint: make some";
        command.args(["-c", &format!("{{ {fails}; }} >&2; exit 1")]);
        let begun = Instant::now();
        let mut running = spawn(command).unwrap();
        place.await_snapshot(&mut running).unwrap();
        assert!(begun.elapsed() < PATIENCE / 2);
        let ran = place.end(running).unwrap();
        assert_eq!(ran.code, Some(1));
        assert_eq!(ran.said, "error: no room; caused by: full; hint: make some");
        assert_eq!(last_words("a note\nthe last"), "the last");
        assert_eq!(last_words(""), "it said nothing");
    }
}
