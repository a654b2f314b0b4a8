//! The binary as it is typed: exit codes, and what goes where. Nothing here reaches a host.
#![allow(clippy::unwrap_used)]

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// A working directory with a configuration, and nothing of this machine's surroundings.
struct Place(tempfile::TempDir);

impl Place {
    fn new(config: &str) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::write(place.path().join("release.toml"), config).unwrap();
        place
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_release-cli"));
        command.args(words).current_dir(self.path()).env_clear();
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// Takes the lock as another deploy would.
    fn locked(&self) -> File {
        let state = self.path().join("state");
        fs::create_dir(&state).unwrap();
        let path = state.join("deploy.lock");
        fs::write(&path, "ada@build-1 (process 42)\n").unwrap();
        let file = File::open(path).unwrap();
        flock(&file, FlockOperation::LockExclusive).unwrap();
        file
    }
}

const CONFIG: &str = r#"
source = "app"
destination.path = "/release"
state.directory = "state"
[[host]]
name = "web-1"
address = "127.0.0.1"
"#;

fn events(output: &Output) -> Vec<Value> {
    let lines = str::from_utf8(&output.stdout).unwrap().lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn usage_and_configuration_end_with_two() {
    let good = Place::new(CONFIG);
    let bad = Place::new("[sync]\nparalel = 3\n");
    let kind = |place: &Place, words: &[&str]| {
        let output = place.run(&[&["--json"], words].concat());
        assert_eq!(
            output.status.code(),
            Some(2),
            "{words:?}: {}",
            said(&output)
        );
        let events = events(&output);
        assert_eq!(events.len(), 1);
        assert_eq!(events[0]["event"], "error");
        assert!(said(&output).contains("error: "));
        events[0]["kind"].as_str().unwrap().to_owned()
    };
    assert_eq!(kind(&good, &["deploy"]), "usage");
    assert_eq!(kind(&good, &["deploy", "--wave", "1"]), "usage");
    assert_eq!(kind(&good, &["status", "--host", "web1"]), "unknown-host");
    assert_eq!(kind(&bad, &["deploy", "--no-snapshot"]), "config");
    assert_eq!(
        kind(&good, &["--config", "none.toml", "status"]),
        "no-config"
    );
}

#[test]
fn a_deploy_that_finds_another_one_names_it_and_ends_with_four() {
    let place = Place::new(CONFIG);
    let _held = place.locked();
    let output = place.run(&["deploy", "--no-snapshot", "--json"]);
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    let events = events(&output);
    assert_eq!(events[0]["kind"], "locked");
    let message = events[0]["message"].as_str().unwrap();
    assert!(message.contains("ada@build-1 (process 42)"), "{message}");
    assert!(message.contains("state/deploy.lock"), "{message}");
    assert!(!place.path().join("state/generation").exists());
}

fn wait_for_end(child: &mut Child) -> Option<i32> {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(20) {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    None
}

#[test]
fn waiting_for_a_lock_ends_with_an_interrupt() {
    for signal in [Signal::INT, Signal::TERM] {
        let place = Place::new(CONFIG);
        let _held = place.locked();
        let mut child = place
            .command(&["--json", "deploy", "--no-snapshot", "--lock-wait", "60"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let mut line = [0; 7];
        stderr.read_exact(&mut line).unwrap();
        assert_eq!(&line, b"waiting");

        kill_process(Pid::from_child(&child), signal).unwrap();
        assert_eq!(wait_for_end(&mut child), Some(130));
        let mut out = String::new();
        child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut out)
            .unwrap();
        let event: Value = serde_json::from_str(out.trim()).unwrap();
        assert_eq!(event["kind"], "interrupted");
    }
}

#[test]
fn a_lock_that_is_given_back_in_time_is_taken() {
    let place = Place::new(CONFIG);
    let held = place.locked();
    let mut child = place
        .command(&["deploy", "--no-snapshot", "--lock-wait", "60"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    sleep(Duration::from_millis(300));
    assert_eq!(child.try_wait().unwrap(), None);
    drop(held);
    // There is no source: it went on, and failed at that.
    wait_for_end(&mut child);
    let mut said = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert!(said.contains("its lock, which is taken over"), "{said}");
}

#[test]
fn help_and_version_go_to_standard_output() {
    let place = Place::new("");
    for words in [
        &["--help"][..],
        &["deploy", "-h"],
        &["--version"],
        &["help", "demo"],
    ] {
        let output = place.run(words);
        assert_eq!(output.status.code(), Some(0));
        assert!(
            !output.stdout.is_empty() && output.stderr.is_empty(),
            "{words:?}"
        );
    }
}

#[test]
fn a_reader_that_went_away_does_no_harm() {
    let place = Place::new("");
    for words in [&["--help"][..], &["--json", "deploy", "--no-snapshot"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = place.command(words).stdout(writer).output().unwrap();
        assert!(
            output.status.code().is_some_and(|code| code < 100),
            "{words:?}: {output:?}"
        );
        assert!(!said(&output).contains("panicked"));
    }
}

#[test]
fn colours_come_only_where_they_are_wanted() {
    let place = Place::new("");
    let said_with = |words: &[&str]| said(&place.run(words)).contains('\x1b');
    assert!(!said_with(&["status"]));
    assert!(said_with(&["status", "--color", "always"]));
    assert!(!said_with(&["status", "--color", "never"]));
}
