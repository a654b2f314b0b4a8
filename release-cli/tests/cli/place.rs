//! Where the binary is run.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rustix::fs::{FlockOperation, flock};
use serde_json::Value;

/// A working directory with a configuration, and nothing of this machine's surroundings.
pub(crate) struct Place(tempfile::TempDir);

impl Place {
    pub(crate) fn new(config: &str) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::write(place.path().join("release.toml"), config).unwrap();
        place
    }

    /// One with a source that has something in it, too, and a file of host keys.
    pub(crate) fn with_source(config: &str) -> Self {
        let place = Self::new(config);
        fs::create_dir(place.path().join("app")).unwrap();
        fs::write(place.path().join("app/a"), "content").unwrap();
        fs::write(place.path().join("known_hosts"), "").unwrap();
        place
    }

    /// Makes the key that the configuration names.
    pub(crate) fn make_key(&self) {
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(self.path().join("id"))
            .status();
        assert!(
            made.expect("ssh-keygen is needed: openssh-client")
                .success()
        );
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_release-cli"));
        command.args(words).current_dir(self.path()).env_clear();
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// Takes the lock as another deploy would.
    pub(crate) fn locked(&self) -> File {
        let state = self.path().join("state");
        fs::create_dir(&state).unwrap();
        let path = state.join("deploy.lock");
        fs::write(&path, "ada@build-1 (process 42)\n").unwrap();
        let file = File::open(path).unwrap();
        flock(&file, FlockOperation::LockExclusive).unwrap();
        file
    }
}

pub(crate) const CONFIG: &str = r#"
source = "app"
destination.path = "/release"
state.directory = "state"
[[host]]
name = "web-1"
address = "127.0.0.1"
"#;

pub(crate) fn events(output: &Output) -> Vec<Value> {
    let lines = str::from_utf8(&output.stdout).unwrap().lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

pub(crate) fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Where nobody listens, and with a key that is not there.
pub(crate) const NOBODY: &str = r#"
source = "app"
destination.path = "/release"
state.directory = "state"
ssh = { identity = "id", known_hosts = "known_hosts" }
sync.retries = 0
[[host]]
name = "web-1"
address = "127.0.0.1"
port = 9
"#;
