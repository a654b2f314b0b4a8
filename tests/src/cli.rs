//! The built `release-cli`, run as an operator does: a configuration file, a command line, its events,
//! its exit code.

mod events;
mod running;

use std::fs;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;

pub use events::{Event, Finished, HostResult, HostState, Refusal, Started};
pub use running::Running;

use crate::sshd::{Rack, Sshd};

/// What the programs' paths are told by; `./dev test` sets both.
const PROGRAM: &str = "RELEASE_CLI";
const AGENT: &str = "RELEASE_AGENT";

/// What hosts are called: words that are in no message by chance.
pub const NAMES: [&str; 4] = ["alpha", "bravo", "charlie", "foxtrot"];

/// An operator's place: a configuration, a state directory, and the program.
#[derive(Debug)]
pub struct Cli {
    program: PathBuf,
    folder: TempDir,
    head: String,
    hosts: Vec<Target>,
    /// Configuration keys whose files may be root's alone.
    secrets: [(&'static str, PathBuf); 2],
    /// Whose process it is, if not ours.
    user: Option<u32>,
}

/// A `[[host]]` of the configuration.
#[derive(Debug)]
struct Target {
    name: String,
    address: SocketAddr,
    more: String,
}

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Run {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Each line of its output.
    pub events: Vec<Event>,
    /// When each of them came, from the start.
    pub times: Vec<Duration>,
    /// What it said in words.
    pub stderr: String,
}

impl Cli {
    /// An operator who deploys `source` to the rack's destination, so far on no host.
    pub fn new(rack: &Rack, source: &Path) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("release-cli-")
            .tempdir()
            .expect("a temporary folder can be made");
        let head = format!(
            "source = {source:?}\n\
             [destination]\npath = {destination:?}\n\
             [cloud]\nkind = \"none\"\n\
             [ssh]\nuser = \"root\"\nidentity = {identity:?}\nknown_hosts = {known_hosts:?}\n\
             host_keys = \"strict\"\n\
             [state]\ndirectory = {state:?}\n",
            destination = rack.destination(),
            identity = rack.identity(),
            known_hosts = rack.known_hosts(),
            state = folder.path().join("state"),
        );
        Self {
            program: program(),
            folder,
            head,
            hosts: Vec::new(),
            secrets: [
                ("identity", rack.identity()),
                ("known_hosts", rack.known_hosts()),
            ],
            user: None,
        }
    }

    /// One who deploys to these hosts, which are called [`NAMES`].
    pub fn with_hosts(rack: &Rack, source: &Path, hosts: &[Sshd]) -> Self {
        let mut cli = Self::new(rack, source);
        assert!(
            hosts.len() <= NAMES.len(),
            "there are more hosts than names"
        );
        for (name, host) in NAMES.into_iter().zip(hosts) {
            cli.reach(name, host.address());
        }
        cli
    }

    /// From now on, the host of this name is reached at `address`: its own, or that of a proxy.
    pub fn reach(&mut self, name: &str, address: SocketAddr) {
        self.reach_with(name, address, "");
    }

    /// The same, with more lines in the host's part of the configuration.
    pub fn reach_with(&mut self, name: &str, address: SocketAddr, more: &str) {
        self.forget(name);
        self.hosts.push(Target {
            name: name.to_owned(),
            address,
            more: more.to_owned(),
        });
    }

    /// From now on, nothing is deployed to the host of this name.
    pub fn forget(&mut self, name: &str) {
        self.hosts.retain(|host| host.name != name);
    }

    /// Replaces the value of a key of the configuration.
    pub fn set(&mut self, key: &str, value: impl std::fmt::Debug) {
        let prefix = format!("{key} = ");
        let old = self.head.lines().find(|line| line.starts_with(&prefix));
        let old = old.unwrap_or_else(|| panic!("no `{key}` in:\n{}", self.head));
        self.head = self.head.replace(old, &format!("{prefix}{value:?}"));
    }

    /// Replaces a part of the configuration's text.
    pub fn replace(&mut self, old: &str, new: &str) {
        assert!(self.head.contains(old), "no `{old}` in:\n{}", self.head);
        self.head = self.head.replacen(old, new, 1);
    }

    /// Adds lines to the configuration: a section.
    pub fn add(&mut self, lines: &str) {
        self.head += lines;
        self.head.push('\n');
    }

    /// From now on it is run by a user who may do nothing, with copies of what root alone may read.
    pub fn become_nobody(&mut self) {
        const NOBODY: u32 = 65_534;
        let folder = self.folder.path().to_owned();
        let copy = |file: &Path| {
            let copy = folder.join(file.file_name().expect("a file has a name"));
            fs::copy(file, &copy).expect("a file can be copied");
            copy
        };
        copy(&self.program.with_file_name("release-agent"));
        self.program = copy(&self.program);
        for (key, file) in self.secrets.clone() {
            self.set(key, copy(&file));
        }
        let owned = Command::new("chown")
            .args(["-R", &NOBODY.to_string()])
            .arg(&folder)
            .status()
            .expect("chown is there");
        assert!(owned.success(), "chown: {owned}");
        self.user = Some(NOBODY);
    }

    /// `deploy --no-snapshot`, to its end.
    pub fn deploy(&self) -> Run {
        self.deploy_with(&[])
    }

    /// `deploy --no-snapshot` and more options, to its end.
    pub fn deploy_with(&self, options: &[&str]) -> Run {
        self.start(options).finish()
    }

    /// Starts `deploy --no-snapshot`, and comes back at once.
    pub fn start(&self, options: &[&str]) -> Running {
        let mut command = self.command();
        command.args(["deploy", "--no-snapshot"]).args(options);
        Running::new(command.spawn().expect("release-cli can be started"))
    }

    /// Any other command that has hosts to do with, to its end. How it starts is left out: only a deploy tells
    /// all of that.
    pub fn run(&self, words: &[&str]) -> Run {
        let output = self.output(words);
        let text = String::from_utf8(output.stdout).expect("events are text");
        let told = text
            .lines()
            .filter(|line| !line.contains("\"event\":\"started\""));
        let event =
            |line| serde_json::from_str(line).expect("every line of the output is an event");
        Run {
            code: output.status.code(),
            events: told.map(event).collect(),
            times: Vec::new(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Where it keeps its state.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Any other command, with events, to its end.
    pub fn output(&self, words: &[&str]) -> Output {
        let mut command = self.command();
        command.args(words);
        command.output().expect("release-cli can be started")
    }

    fn command(&self) -> Command {
        let file = self.folder.path().join("release.toml");
        fs::write(&file, self.configuration()).expect("a file can be written");
        let mut command = Command::new(&self.program);
        command
            .arg("--config")
            .arg(file)
            .arg("--json")
            .env_clear()
            .env("HOME", self.folder.path())
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        command
    }

    fn configuration(&self) -> String {
        let host = |host: &Target| {
            format!(
                "[[host]]\nname = {:?}\naddress = \"{}\"\nport = {}\n{}\n",
                host.name,
                host.address.ip(),
                host.address.port(),
                host.more
            )
        };
        let hosts: String = self.hosts.iter().map(host).collect();
        self.head.clone() + &hosts
    }
}

impl Run {
    /// The first event's content, if it came that far.
    pub fn started(&self) -> Option<&Started> {
        self.events.iter().find_map(|event| match event {
            Event::Started(started) => Some(started),
            _ => None,
        })
    }

    /// What the run came to. Fails if it didn't say.
    #[track_caller]
    pub fn finished(&self) -> &Finished {
        match self.events.last() {
            Some(Event::Finished(finished)) => finished,
            _ => panic!("no `finished` at the end of {self:#?}"),
        }
    }

    /// What came of a host. Fails if nothing is said of it.
    #[track_caller]
    pub fn host(&self, name: &str) -> &HostResult {
        let hosts = &self.finished().hosts;
        let host = hosts.iter().find(|host| host.host == name);
        host.unwrap_or_else(|| panic!("nothing of `{name}` in {self:#?}"))
    }

    /// When a host came to this state, from the start of the run; `None` if it didn't.
    pub fn reached(&self, name: &str, state: &str) -> Option<Duration> {
        let is_it = |event: &Event| matches!(event, Event::Host(host) if host.host == name && host.state == state);
        let at = self.events.iter().position(is_it)?;
        Some(self.times[at])
    }

    /// Fails unless all went as asked, and every host proves that it has the release.
    #[track_caller]
    pub fn assert_proven(&self) -> &Self {
        assert_eq!(self.code, Some(0), "{self:#?}");
        let finished = self.finished();
        let started = self.started().expect("what finished has started");
        assert_eq!(finished.outcome, "ok", "{self:#?}");
        assert_eq!(finished.release, started.release, "{self:#?}");
        assert!(!finished.hosts.is_empty(), "{self:#?}");
        for host in &finished.hosts {
            assert!(
                ["committed", "unchanged"].contains(&host.outcome.as_str()),
                "{self:#?}"
            );
            assert_eq!(host.proof, "full", "{self:#?}");
            assert_eq!(host.release.as_ref(), Some(&started.release), "{self:#?}");
            assert_eq!(host.generation, Some(started.generation), "{self:#?}");
        }
        self
    }

    /// Fails unless the run ended with this code and its words have all of these in them.
    #[track_caller]
    pub fn assert_failed(&self, code: i32, words: &[&str]) -> &Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        for word in words {
            assert!(
                self.stderr.contains(word),
                "`{word}` should be said in {self:#?}"
            );
        }
        self
    }
}

/// The built agent.
pub fn agent() -> PathBuf {
    program().with_file_name("release-agent")
}

/// `release-cli`, with the agent beside it, where it looks for it.
pub(crate) fn program() -> PathBuf {
    let built = || {
        let this = std::env::current_exe().expect("a test knows where it is");
        let target = this
            .ancestors()
            .nth(3)
            .expect("a test is in target/PROFILE/deps");
        target.join("tested/release-cli")
    };
    let program = std::env::var_os(PROGRAM).map_or_else(built, PathBuf::from);
    let beside = program.with_file_name("release-agent");
    let agent = std::env::var_os(AGENT).map_or_else(|| beside.clone(), PathBuf::from);
    for (file, variable) in [(&program, PROGRAM), (&agent, AGENT)] {
        assert!(
            file.is_file(),
            "there is no {}: `./dev real` builds it, or {variable} says where it is",
            file.display()
        );
    }
    assert_eq!(
        agent, beside,
        "release-cli looks for its agent beside itself"
    );
    program
}
