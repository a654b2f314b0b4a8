//! Trees with something in them that is no part of the release, and stays: repeats are as cheap as ever,
//! and what changes is found.

use std::path::Path;

use release_sync::{Host, HostReport, Options, Outcome};

use crate::common::*;

/// Files of the release: so many that a manifest is seen in what is sent.
const FILES: u64 = 300;
/// More than a repeat has to say, less than a tenth of the manifest.
const LITTLE: u64 = 1_000;

fn release(root: &Path) {
    for number in 0..FILES {
        write(root.join(format!("dir/{number}")), noise(number, 40));
    }
}

fn undeleting() -> Options {
    Options {
        delete: false,
        ..options()
    }
}

fn protecting() -> Options {
    Options {
        protect: vec!["/uploads/".to_owned()],
        ..options()
    }
}

fn excluding() -> Options {
    Options {
        exclude: vec!["*.log".to_owned()],
        ..options()
    }
}

/// A host on which something of each kind stays.
fn host(scratch: &Scratch, name: &str) -> Host {
    let host = local(&scratch.directory(name));
    write(host.destination.join("uploads/of/a/user"), "kept");
    write(host.destination.join("old/x.log"), "kept");
    host
}

#[track_caller]
fn assert_cheap(report: &HostReport, what: &str) {
    assert_ended(report, Outcome::Unchanged);
    let sent = report.counts.bytes_sent;
    assert!(sent < LITTLE, "{what}: {sent} bytes");
}

#[test]
fn a_repeat_costs_no_manifest() {
    let scratch = Scratch::new();
    let from = scratch.directory("source");
    release(&from);
    for (name, options) in [
        ("undeleting", undeleting()),
        ("protecting", protecting()),
        ("excluding", excluding()),
    ] {
        let host = host(&scratch, name);
        let first = push_one(&from, &host, options.clone(), 1);
        assert_ended(&first, Outcome::Committed);
        assert!(first.counts.bytes_sent > 10 * LITTLE, "{first:?}");
        for generation in 2..4 {
            let repeat = push_one(&from, &host, options.clone(), generation);
            assert_cheap(&repeat, name);
            assert_tidy(&host.destination);
        }
    }
}

#[test]
fn what_changes_is_found_all_the_same() {
    let scratch = Scratch::new();
    let from = scratch.directory("source");
    release(&from);
    for (name, options) in [("undeleting", undeleting()), ("excluding", excluding())] {
        let host = host(&scratch, name);
        push_one(&from, &host, options.clone(), 1);
        let expected = tree(&host.destination);
        type Change = fn(&Path);
        let changes: [Change; 5] = [
            |root| write(root.join("dir/7"), noise(1_000, 40)),
            |root| std::fs::remove_file(root.join("dir/8")).unwrap(),
            |root| chmod(root.join("dir/9"), 0o600),
            |root| chmod(root.join("dir"), 0o700),
            |root| {
                std::fs::remove_file(root.join("dir/10")).unwrap();
                symlink("9", root.join("dir/10"));
            },
        ];
        for (number, change) in (0u64..).zip(changes) {
            change(&host.destination);
            let report = push_one(&from, &host, options.clone(), 2 + number);
            assert_ended(&report, Outcome::Committed);
            assert_same(&expected, &tree(&host.destination));
        }
    }
}

/// What stood beside the release by one run's rules may be no more to stand there by another's.
#[test]
fn what_may_stay_is_judged_by_each_run() {
    let scratch = Scratch::new();
    let from = scratch.directory("source");
    release(&from);
    let host = host(&scratch, "host");
    push_one(&from, &host, undeleting(), 1);
    assert_cheap(&push_one(&from, &host, undeleting(), 2), "the same rules");
    let second = push_one(&from, &host, protecting(), 3);
    assert_ended(&second, Outcome::Committed);
    assert_eq!(second.counts.files_deleted, 2, "{second:?}");
    assert_cheap(&push_one(&from, &host, undeleting(), 4), "laxer rules");
    let last = push_one(&from, &host, options(), 5);
    assert_ended(&last, Outcome::Committed);
    assert_same(&tree(&from), &tree(&host.destination));
}

/// A fifo is in no manifest, so no proof tells of it.
#[test]
fn a_fifo_that_is_to_go_goes() {
    let scratch = Scratch::new();
    let from = scratch.directory("source");
    release(&from);
    let host = local(&scratch.at("host"));
    push_one(&from, &host, options(), 1);
    let directory = host.destination.join("dir");
    let modified = directory.metadata().unwrap().modified().unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(directory.join("fifo"))
        .status();
    assert!(made.unwrap().success());
    let directory = std::fs::File::open(&directory).unwrap();
    directory.set_modified(modified).unwrap();
    let report = push_one(&from, &host, options(), 2);
    assert_ended(&report, Outcome::Committed);
    assert_eq!(report.counts.files_deleted, 1);
    assert_same(&tree(&from), &tree(&host.destination));
}

#[test]
fn what_stays_is_told_by_its_reason_each_time() {
    let scratch = Scratch::new();
    let from = scratch.directory("source");
    release(&from);
    let host = host(&scratch, "host");
    let mount = host.destination.join("a/mount");
    let _mounted = Mount::tmpfs(&mount, "1m");
    for (generation, outcome) in [(1, Outcome::Committed), (2, Outcome::Unchanged)] {
        let report = push_one(&from, &host, excluding(), generation);
        assert_ended(&report, outcome);
        let expected = [
            "`old` stays: something in it is excluded or protected",
            "`a/mount` stays: it is another mount",
            "`a` stays: there is another mount in it",
        ];
        assert_eq!(report.notes, expected);
    }
}
