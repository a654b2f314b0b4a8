//! What goes where, in which form, and what happens where it can't go.

use std::fs::{self, File};
use std::os::unix::net::UnixListener;

use serde_json::Value;

use super::place::{NOBODY, Place, events, said};

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
    let place = Place::with_source(NOBODY);
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

/// Whoever reads events gets at least the last one, or is told that there are none.
#[test]
fn commands_without_hosts_have_a_last_event_too() {
    let place = Place::with_source(NOBODY);
    let last = |words: &[&str]| {
        let output = place.run(&[&["--json"], words].concat());
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        let last = events(&output).pop().unwrap();
        assert_eq!(
            (&last["event"], &last["outcome"]),
            (&"finished".into(), &"ok".into())
        );
        last
    };
    assert_eq!(last(&["thaw"])["thawed"], false);
    let made = last(&["keygen", "--key", "release.key"]);
    let text = fs::read_to_string(place.path().join("release.pub")).unwrap();
    assert_eq!(text.lines().nth(1), made["key"].as_str());
    for words in [&["man"][..], &["completions", "bash"]] {
        let output = place.run(&[&["--json"], words].concat());
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert_eq!(events(&output)[0]["kind"], "usage");
    }
    let none = place.run(&["history", "--last", "0"]);
    assert_eq!(none.status.code(), Some(2), "{}", said(&none));
    assert!(said(&none).contains("at least 1"), "{}", said(&none));
}

/// What of the source does not travel.
#[test]
fn what_is_left_out_of_a_release_is_told() {
    let place = Place::with_source(NOBODY);
    let _socket = UnixListener::bind(place.path().join("app/socket")).unwrap();
    let text = "a device, fifo or socket is left out: `socket`";
    for verb in [&["deploy", "--no-snapshot"][..], &["plan"]] {
        let told = said(&place.run(verb));
        assert!(told.contains(&format!("note: {text}\n")), "{told}");
        let events = events(&place.run(&[&["--json"], verb].concat()));
        let mut notes = events.iter().filter(|event| event["event"] == "note");
        let note = notes.next().unwrap();
        assert_eq!((&note["host"], &note["text"]), (&Value::Null, &text.into()));
        assert!(notes.next().is_none());
    }
}
