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

/// A file of events that lacks the last ones must not pass for a whole one.
#[test]
fn output_that_has_no_room_is_an_error() {
    let place = Place::new(NOBODY);
    fs::create_dir(place.path().join("app")).unwrap();
    fs::write(place.path().join("app/a"), "content").unwrap();
    fs::write(place.path().join("known_hosts"), "").unwrap();
    // All went well, as far as anybody knows: there is nothing to try again, and so nothing to fail at.
    place.run(&["deploy", "--no-snapshot"]);
    let last = place.path().join("state/last-deploy.json");
    let text = fs::read_to_string(&last).unwrap();
    fs::write(&last, text.replace("\"well\": false", "\"well\": true")).unwrap();
    let again = ["deploy", "--no-snapshot", "--retry-failed"];
    for words in [
        &again[..],
        &[&["--json"], &again[..]].concat(),
        &["man"],
        &["completions", "bash"],
    ] {
        assert_eq!(place.run(words).status.code(), Some(0), "{words:?}");
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = place.command(words).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{words:?}: {output:?}");
        assert!(said(&output).contains("No space left"), "{words:?}");
    }
}

#[test]
fn what_needs_a_cloud_or_is_not_built_is_a_usage_error() {
    let place = Place::new(CONFIG);
    for (words, message) in [
        (&["--group", "web", "db"][..], "`--group` has no meaning"),
        (&["--region", "eu-west-1"], "`--region` has no meaning"),
        (
            &["--max-delete", "-1"],
            "it is a whole number, and not below 0",
        ),
        (
            &["--lock-wait", "-1"],
            "it is a whole number, and not below 0",
        ),
        (&["--wave", "0%"], "can't do `--wave 0%` yet"),
        (&["--max-failures", "0"], "can't do `--max-failures 0` yet"),
        (&["--dest", ""], "a value is required for '--dest <DIR>'"),
        (&["--host", ""], "no host is called ``"),
    ] {
        for verb in [&["deploy", "--no-snapshot"][..], &["plan"]] {
            let output = place.run(&[&["--json"], verb, words].concat());
            assert_eq!(output.status.code(), Some(2), "{words:?}: {output:?}");
            let events = events(&output);
            assert_eq!(events.len(), 1);
            let told = events[0]["message"].as_str().unwrap();
            assert!(told.contains(message), "{words:?}: {told}");
            assert!(events[0]["hint"].is_string(), "{words:?}");
            let said = said(&output);
            assert!(
                said.starts_with("error: ") && said.contains("\nhint: "),
                "{said}"
            );
            assert!(
                !place.path().join("state").exists(),
                "refused before anything is made"
            );
        }
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

#[test]
fn the_manual_and_the_completions_are_printed_or_written() {
    let place = Place::new("");
    let output = place.run(&["man"]);
    assert_eq!(output.status.code(), Some(0));
    let pages = String::from_utf8(output.stdout).unwrap();
    assert!(pages.starts_with(".ie"), "{pages}");
    let output = place.run(&["man", "--dir", "man1"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(0), 0));
    let names = fs::read_dir(place.path().join("man1")).unwrap();
    assert_eq!(names.count(), pages.matches("\n.TH ").count());

    for shell in ["bash", "zsh", "fish"] {
        let output = place.run(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0));
        assert!(said(&output).is_empty() && output.stdout.len() > 1_000);
    }
    fs::write(place.path().join("file"), "").unwrap();
    assert_eq!(
        place.run(&["man", "--dir", "file/x"]).status.code(),
        Some(1)
    );
}

/// Where nobody listens, and with a key that is not there.
const NOBODY: &str = r#"
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

#[test]
fn a_plan_that_reaches_nobody_says_so_and_changes_nothing() {
    let place = Place::new(NOBODY);
    fs::create_dir(place.path().join("app")).unwrap();
    fs::write(place.path().join("app/a"), "content").unwrap();
    fs::write(place.path().join("known_hosts"), "").unwrap();
    let output = place.run(&["--json", "plan", "--itemize"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let events = events(&output);
    assert_eq!(events.len(), 2);
    assert_eq!(events[0]["event"], "host");
    assert_eq!(events[0]["error_kind"], "identity");
    assert_eq!(events[1]["event"], "finished");
    assert_eq!(events[1]["outcome"], "failed");
    assert!(!place.path().join("state").exists());
}

#[test]
fn what_failed_is_tried_again_and_nothing_else() {
    let two = format!("{NOBODY}[[host]]\nname = \"web-2\"\naddress = \"127.0.0.1\"\nport = 9\n");
    let place = Place::new(&two);
    fs::create_dir(place.path().join("app")).unwrap();
    fs::write(place.path().join("app/a"), "content").unwrap();
    fs::write(place.path().join("known_hosts"), "").unwrap();
    let again = ["--json", "deploy", "--no-snapshot", "--retry-failed"];
    let output = place.run(&again);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(events(&output)[0]["kind"], "no-last-deploy");

    let hosts = |output: &Output| {
        let last = events(output).pop().unwrap();
        assert_eq!(last["event"], "finished");
        let hosts = last["hosts"].as_array().unwrap().iter();
        hosts
            .map(|host| host["host"].to_string())
            .collect::<Vec<_>>()
    };
    let first = place.run(&["--json", "deploy", "--no-snapshot", "--host", "web-2"]);
    assert_eq!(first.status.code(), Some(1), "{}", said(&first));
    assert_eq!(hosts(&first), ["\"web-2\""]);
    assert_eq!(hosts(&place.run(&again)), ["\"web-2\""]);

    let history = fs::read_to_string(place.path().join("state/history.jsonl")).unwrap();
    let generations = history.lines().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["hosts"][0]["error"], "identity");
        line["generation"].as_u64().unwrap()
    });
    assert_eq!(generations.collect::<Vec<_>>(), [1, 2]);

    // As if all had gone well meanwhile.
    let last = place.path().join("state/last-deploy.json");
    let text = fs::read_to_string(&last).unwrap();
    fs::write(&last, text.replace("\"well\": false", "\"well\": true")).unwrap();
    let output = place.run(&again);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(hosts(&output).is_empty());
    assert!(said(&output).contains("nothing to try again"));
}

#[test]
fn a_doctor_finds_each_fault_and_says_how_to_mend_it() {
    let place = Place::new(NOBODY);
    let output = place.run(&["--json", "doctor"]);
    assert_eq!(output.status.code(), Some(1));
    let mut events = events(&output);
    let last = events.pop().unwrap();
    assert_eq!(last["event"], "finished");
    assert_eq!(last["outcome"], "failed");
    let mut faults = 0;
    for check in &events {
        assert_eq!(check["event"], "check");
        let is_ok = check["result"] == "ok";
        assert_eq!(check["mend"].is_null(), is_ok, "{check}");
        faults += u64::from(check["result"] == "fault");
    }
    assert_eq!(last["faults"], faults);
    let of = |name: &str| {
        let check = events.iter().find(|event| event["check"] == name);
        check.unwrap()["result"].as_str().unwrap().to_owned()
    };
    assert_eq!(of("configuration"), "ok");
    for name in ["key", "known_hosts", "source", "ssh"] {
        assert_eq!(of(name), "fault");
    }
    assert_eq!(events.last().unwrap()["host"], "web-1");
}

#[test]
fn a_pull_takes_what_it_is_told_and_asks_nobody() {
    let place = Place::new(NOBODY);
    fs::create_dir(place.path().join("app")).unwrap();
    fs::write(place.path().join("app/a"), "content").unwrap();
    fs::write(place.path().join("known_hosts"), "").unwrap();
    let pull = |from: &str| place.run(&["--json", "pull", from]);
    assert_eq!(pull("web-1:relative").status.code(), Some(2));
    assert_eq!(pull("web-1").status.code(), Some(2));
    let output = pull("web-1:/srv/app");
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let events = events(&output);
    assert_eq!(events[0]["event"], "started");
    assert_eq!(events[0]["source"], "www@127.0.0.1:/srv/app");
    assert_eq!(events.last().unwrap()["event"], "finished");
    assert_eq!(events.last().unwrap()["generation"], Value::Null);
    assert!(place.path().join("app/a").exists());
}
