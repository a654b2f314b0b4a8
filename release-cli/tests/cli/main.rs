//! The binary as it is typed: exit codes, and what goes where. Nothing here reaches a host.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod folder_cloud;
mod many;
mod output;
mod place;

use std::fs;
use std::io::Read;
use std::process::{Child, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use place::{CONFIG, NOBODY, Place, events, said};

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

#[test]
fn hosts_that_are_one_directory_and_a_source_that_is_not_there_are_mistakes() {
    let twice = format!("{NOBODY}[[host]]\nname = \"web-2\"\naddress = \"127.0.0.1\"\nport = 9\n");
    let place = Place::with_source(&twice);
    for words in [&["plan"][..], &["deploy", "--no-snapshot"]] {
        let output = place.run(&[&["--json"], words].concat());
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert_eq!(events(&output)[0]["kind"], "one-directory");
        let nowhere = Place::new(NOBODY);
        let output = nowhere.run(&[&["--json"], words].concat());
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert_eq!(events(&output)[0]["kind"], "source");
    }
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
fn a_plan_that_reaches_nobody_says_so_and_changes_nothing() {
    let place = Place::with_source(NOBODY);
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
    let two = format!("{NOBODY}[[host]]\nname = \"web-2\"\naddress = \"127.0.0.1\"\nport = 10\n");
    let place = Place::with_source(&two);
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

/// The hint of a host that can't be reached is to correct its address and port.
#[test]
fn a_host_whose_address_was_corrected_is_tried_again() {
    let place = Place::with_source(NOBODY);
    place.make_key();
    let first = place.run(&["deploy", "--no-snapshot"]);
    assert_eq!(first.status.code(), Some(1), "{}", said(&first));
    let corrected = NOBODY.replace("port = 9", "port = 10");
    fs::write(place.path().join("release.toml"), corrected).unwrap();
    let again = ["--json", "deploy", "--no-snapshot", "--retry-failed"];
    let again = place.run(&again);
    assert_eq!(again.status.code(), Some(1), "{}", said(&again));
    let last = events(&again).pop().unwrap();
    assert_eq!(last["hosts"][0]["host"], "web-1");
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

/// Whoever listens there says nothing.
#[test]
fn an_interrupt_ends_whatever_is_connecting() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    for words in [
        &["pull", "web-1:/srv/app"][..],
        &["deploy", "--no-snapshot"],
        &["status"],
    ] {
        let place = Place::with_source(&NOBODY.replace("port = 9", &format!("port = {port}")));
        place.make_key();
        let mut child = place
            .command(&[&["--json"], words].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let _met = listener.accept().unwrap();
        let begin = Instant::now();
        let pid = Pid::from_child(&child);
        kill_process(pid, Signal::INT).unwrap();
        assert_eq!(wait_for_end(&mut child), Some(130), "{words:?}");
        let took = begin.elapsed();
        // Far less than it would have waited for the connection, even on a busy machine.
        assert!(took < Duration::from_secs(5), "{words:?}: {took:?}");
        let events = events(&child.wait_with_output().unwrap());
        let last = events.last().unwrap();
        let of_status = (last["event"] == "host").then(|| &last["error_kind"]);
        let is_told =
            last["event"] == "finished" || of_status.is_some_and(|kind| kind == "cancelled");
        assert!(is_told, "{words:?}: {last}");
    }
}

#[test]
fn a_pull_takes_what_it_is_told_and_asks_nobody() {
    let place = Place::with_source(NOBODY);
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
