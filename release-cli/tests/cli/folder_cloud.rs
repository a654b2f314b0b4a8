//! A release server whose cloud is a folder: prepared, snapshotted, served, pruned.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::place::{Place, events, said};

const CONFIG: &str = r#"
source = "app"
destination.path = "/release"
state.directory = "state"
[cloud]
kind = "local"
root = "fleet"
settle = "0s"
[rollout]
boot_deadline = "1ms"
[publish]
directory = "www"
key = "release.key"
"#;

/// A prepared server; nothing was published yet.
fn server() -> Place {
    let place = Place::new(CONFIG);
    done(&place, &["setup"]);
    let volumes = fs::read_dir(place.path().join("fleet/volumes")).unwrap();
    let volume = volumes.map(|entry| entry.unwrap().file_name()).next();
    let volume = volume.unwrap().into_string().unwrap();
    let config = format!("{CONFIG}\n[snapshot]\nvolume = \"{volume}\"\nkeep = 2\n");
    fs::write(place.path().join("release.toml"), config).unwrap();
    fs::write(place.path().join("app/index.html"), "one").unwrap();
    place
}

/// Runs something that has to go well.
#[track_caller]
fn done(place: &Place, words: &[&str]) -> Vec<Value> {
    let output = place.run(&[&["--json"], words].concat());
    assert_eq!(
        output.status.code(),
        Some(0),
        "{words:?}: {}",
        said(&output)
    );
    events(&output)
}

fn named<'e>(events: &'e [Value], name: &str) -> Vec<&'e Value> {
    let named = events.iter().filter(|event| event["event"] == name);
    named.collect()
}

/// What was done, step by step.
fn steps(events: &[Value]) -> Vec<(&str, &str)> {
    let steps = named(events, "setup").into_iter();
    steps
        .map(|event| {
            let word = |key: &str| event[key].as_str().unwrap();
            (word("step"), word("state"))
        })
        .collect()
}

#[test]
fn a_server_is_prepared_once_and_found_prepared_afterwards() {
    let place = Place::new(CONFIG);
    let planned = done(&place, &["setup", "--plan"]);
    assert_eq!(steps(&planned), [("fleet", "to-do")]);
    let names = fs::read_dir(place.path()).unwrap().count();
    assert_eq!(names, 1, "a plan changes nothing");
    let all = [
        "fleet",
        "volume",
        "source",
        "publish-directory",
        "state-directory",
        "key",
    ];
    assert_eq!(
        steps(&done(&place, &["setup"])),
        all.map(|step| (step, "done"))
    );
    for words in [&["setup"][..], &["setup", "--plan"]] {
        assert_eq!(steps(&done(&place, words)), all.map(|step| (step, "found")));
    }
    // A volume of another fleet is not taken.
    let other = done(&place, &["setup", "--plan", "--fleet", "db"]);
    assert!(steps(&other).contains(&("volume", "to-do")), "{other:?}");
}

#[test]
fn a_snapshot_is_published_and_the_next_one_names_it() {
    let place = server();
    let first = done(&place, &["snapshot"]);
    let last = first.last().unwrap();
    assert_eq!(
        (&last["event"], &last["outcome"]),
        (&"finished".into(), &"ok".into())
    );
    let published = named(&first, "published")[0];
    let shown = |name: &str| fs::read_to_string(place.path().join("www").join(name)).unwrap();
    assert_eq!(shown("snap.txt").trim(), published["snapshot"]);
    let copy = place
        .path()
        .join("fleet/snapshots")
        .join(shown("snap.txt").trim());
    assert_eq!(fs::read_to_string(copy.join("index.html")).unwrap(), "one");
    let marker = fs::read_to_string(copy.join(".release/marker")).unwrap();
    assert!(
        marker.contains(published["release"].as_str().unwrap()),
        "{marker}"
    );

    fs::write(place.path().join("app/index.html"), "two").unwrap();
    let second = done(&place, &["snapshot"]);
    let pointer: Value = serde_json::from_str(&shown("release.json")).unwrap();
    assert_eq!(pointer["generation"], 2);
    assert_eq!(pointer["previous"]["snapshot"], published["snapshot"]);
    let states = named(&second, "snapshot");
    assert_eq!(states.last().unwrap()["state"], "completed");
    assert!(!place.path().join("state/snapshots.json").exists());
}

#[test]
fn history_and_retention_know_what_was_published() {
    let place = server();
    for content in ["one", "two", "three", "four"] {
        fs::write(place.path().join("app/index.html"), content).unwrap();
        done(&place, &["snapshot"]);
    }
    let history = done(&place, &["history", "--last", "3"]);
    let generations: Vec<_> = history.iter().map(|entry| &entry["generation"]).collect();
    assert_eq!(generations, [2, 3, 4]);
    assert!(history.iter().all(|entry| entry["deed"] == "snapshot"));
    // Two are kept, and each snapshot has seen to the rest.
    let count = || {
        fs::read_dir(place.path().join("fleet/snapshots"))
            .unwrap()
            .count()
    };
    assert_eq!(count(), 2);
    // The previous one stays whatever is said.
    let planned = done(&place, &["prune", "--keep", "1", "--plan"]);
    let kept: Vec<_> = named(&planned, "snapshot")
        .iter()
        .map(|it| it["kept"].clone())
        .collect();
    assert_eq!(kept, ["current", "previous"]);
    assert_eq!(count(), 2);
}

#[test]
fn a_dead_deploys_snapshot_is_deleted_by_the_next() {
    let place = server();
    done(&place, &["snapshot"]);
    // As if it had been killed before it was published: its entry is in the ledger, its tag on the snapshot.
    let fleet = place.path().join("fleet/fleet.json");
    let text = fs::read_to_string(&fleet).unwrap();
    let state: Value = serde_json::from_str(&text).unwrap();
    let (id, record) = state["snapshots"]
        .as_object()
        .unwrap()
        .iter()
        .next()
        .unwrap();
    let tag = &record["tags"]["release-deploy"];
    let ledger = serde_json::json!({"begun": [{
        "tag": tag, "fleet": "release", "volume": record["volume"], "region": "local",
        "at": "2026-01-01T00:00:00Z",
    }]});
    fs::write(
        place.path().join("state/snapshots.json"),
        ledger.to_string(),
    )
    .unwrap();
    for name in ["release.json", "release.json.minisig"] {
        fs::remove_file(place.path().join("www").join(name)).unwrap();
    }
    let output = place.run(&["snapshot"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let words = format!("its snapshot {id} was deleted");
    assert!(said(&output).contains(&words), "{}", said(&output));
    assert!(!place.path().join("fleet/snapshots").join(id).exists());
    assert!(!place.path().join("state/snapshots.json").exists());
}

#[test]
fn what_cannot_be_right_is_refused() {
    let place = server();
    let code = |words: &[&str]| place.run(words).status.code();
    assert_eq!(code(&["prune"]), Some(1), "nothing is published");
    assert_eq!(code(&["snapshot", "--region", "us-east-1"]), Some(2));
    assert_eq!(code(&["keygen"]), Some(5), "the key is there");
    // Another source than the volume.
    fs::create_dir(place.path().join("other")).unwrap();
    fs::write(place.path().join("other/file"), "x").unwrap();
    assert_eq!(code(&["snapshot", "--source", "other"]), Some(5));
    // What somebody else signed.
    fs::create_dir_all(place.path().join("www")).unwrap();
    fs::write(place.path().join("www/release.json"), "{}").unwrap();
    assert_eq!(code(&["snapshot"]), Some(5));
    let none = Place::new("source = \"app\"\nstate.directory = \"state\"\n");
    assert_eq!(none.run(&["snapshot"]).status.code(), Some(2));
}

#[test]
fn what_is_published_is_served_until_it_is_told_to_stop() {
    let place = server();
    done(&place, &["snapshot"]);
    let mut command = place.command(&["--json", "serve", "--listen", "127.0.0.1:0"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let serving: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(serving["event"], "serving");
    let mut stream = TcpStream::connect(serving["address"].as_str().unwrap()).unwrap();
    stream
        .write_all(b"GET /snap.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let shown = fs::read_to_string(place.path().join("www/snap.txt")).unwrap();
    assert!(answer.ends_with(&shown), "{answer}");
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let request: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(request["status"], 200);
}

#[test]
fn going_back_publishes_the_older_snapshot_as_a_higher_generation() {
    let place = server();
    for content in ["one", "two"] {
        fs::write(place.path().join("app/index.html"), content).unwrap();
        done(&place, &["snapshot"]);
    }
    let shown = || -> Value {
        let text = fs::read_to_string(place.path().join("www/release.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    };
    let before = shown();
    let back = done(&place, &["rollback"]);
    let pointer = shown();
    assert_eq!(pointer["generation"], 3);
    for key in ["snapshot", "release"] {
        assert_eq!(pointer[key], before["previous"][key]);
    }
    assert_eq!(pointer["previous"]["generation"], 2);
    assert_eq!(named(&back, "published").len(), 1);
    // By name and again, nothing is published anew.
    let again = done(&place, &["rollback", "1"]);
    assert_eq!(named(&again, "published").len(), 0);
    assert_eq!(shown(), pointer);
    // Without a name it goes to what was current before, which is the later one.
    done(&place, &["rollback"]);
    assert_eq!(shown()["snapshot"], before["snapshot"]);
    let unknown = place.run(&["rollback", "99"]);
    assert_eq!(unknown.status.code(), Some(2), "{}", said(&unknown));
    let history = done(&place, &["history"]);
    assert_eq!(history.last().unwrap()["deed"], "rollback");
}

/// The same release, published again: it is not what can be gone back to, and what can be is kept.
#[test]
fn going_back_passes_over_what_is_the_same_release() {
    let place = server();
    done(&place, &["snapshot"]);
    fs::write(place.path().join("app/index.html"), "two").unwrap();
    for _ in 0..3 {
        done(&place, &["snapshot"]);
    }
    let back = done(&place, &["rollback"]);
    let published = named(&back, "published")[0];
    assert_eq!(published["generation"], 5);
    let id = published["snapshot"].as_str().unwrap();
    let copy = place.path().join("fleet/snapshots").join(id);
    assert_eq!(fs::read_to_string(copy.join("index.html")).unwrap(), "one");
}

/// The pointer is out, and a host stays: that is told alike by the exit code, the last event and the history.
#[test]
fn going_back_is_partial_where_a_host_stays() {
    let place = server();
    for content in ["one", "two"] {
        fs::write(place.path().join("app/index.html"), content).unwrap();
        done(&place, &["snapshot"]);
    }
    place.make_key();
    fs::write(place.path().join("known_hosts"), "").unwrap();
    let config = place.path().join("release.toml");
    let more = r#"
[ssh]
identity = "id"
known_hosts = "known_hosts"
[[host]]
name = "web-1"
address = "127.0.0.1"
port = 9
"#;
    let text = fs::read_to_string(&config).unwrap();
    fs::write(config, format!("{text}{more}")).unwrap();
    let outcome = |words: &[&str], code| {
        let output = place.run(&[&["--json"], words].concat());
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
        let last = events(&output).pop().unwrap();
        last["outcome"].clone()
    };
    assert_eq!(outcome(&["rollback"], 3), "partial");
    assert_eq!(outcome(&["history"], 0), "partial");
    // Nothing is published a second time, and so nothing is changed.
    assert_eq!(outcome(&["rollback", "1"], 1), "failed");
}

#[test]
fn the_doctor_looks_at_the_cloud_too() {
    let place = server();
    let checks = |place: &Place| -> Vec<(String, String)> {
        let output = place.run(&["--json", "doctor"]);
        let events = events(&output);
        let word = |event: &Value, key: &str| event[key].as_str().unwrap().to_owned();
        named(&events, "check")
            .into_iter()
            .map(|event| (word(event, "check"), word(event, "result")))
            .collect()
    };
    let has = |found: &[(String, String)], check: &str, result: &str| {
        let is_it = |(name, word): &(String, String)| name == check && word == result;
        assert!(found.iter().any(is_it), "{check} {result}: {found:?}");
    };
    let found = checks(&place);
    // Instances that are folders are reached without a key.
    for check in ["key", "known_hosts"] {
        assert!(found.iter().all(|(name, _)| name != check), "{found:?}");
    }
    for check in ["cloud", "permission", "volume", "freeze", "signing-key"] {
        has(&found, check, "ok");
    }
    has(&found, "pointer", "warning");
    done(&place, &["snapshot"]);
    has(&checks(&place), "pointer", "ok");
    // Each fault is found by itself.
    let fleet = place.path().join("fleet/fleet.json");
    let text = fs::read_to_string(&fleet).unwrap();
    let mut state: Value = serde_json::from_str(&text).unwrap();
    state["faults"] = serde_json::json!([
        {"action": "ec2:CreateSnapshot", "effect": "deny", "times": 99}
    ]);
    fs::write(&fleet, state.to_string()).unwrap();
    has(&checks(&place), "permission", "fault");
    fs::write(place.path().join("release.key"), "x").unwrap();
    has(&checks(&place), "signing-key", "fault");
    fs::write(place.path().join("www/release.json"), "{}").unwrap();
    has(&checks(&place), "pointer", "fault");
}
