//! What a host is told of a release: all of the list, or what differs from the one that it has.

use std::path::Path;

use release_sync::{HostReport, Outcome};

use crate::common::*;

const FILES: usize = 1000;

/// A digest for each file: no list of all files is shorter.
const DIGESTS: u64 = FILES as u64 * 32;

fn release(root: &Path) {
    for number in 0..FILES {
        write(root.join(format!("{number:04}")), format!("{number}"));
    }
}

fn change(root: &Path, text: &str) {
    for number in [1, 500, 999] {
        write(root.join(format!("{number:04}")), text);
    }
}

fn sent(report: &HostReport) -> u64 {
    assert_ended(report, Outcome::Committed);
    report.counts.bytes_sent
}

#[test]
fn hosts_are_told_what_differs_from_what_they_have() {
    let scratch = Scratch::new();
    let from = scratch.directory("source");
    release(&from);
    let (host, behind) = (local(&scratch.at("host")), local(&scratch.at("behind")));
    for host in [&host, &behind] {
        let cold = push_one(&from, host, options(), 1);
        assert!(sent(&cold) > DIGESTS, "{cold:?}");
    }

    change(&from, "once");
    let second = push_one(&from, &host, options(), 2);
    assert!(sent(&second) < DIGESTS / 10, "{second:?}");

    // One release further, and two.
    change(&from, "twice");
    for (host, generation) in [(&host, 3), (&behind, 3)] {
        let third = push_one(&from, host, options(), generation);
        assert!(sent(&third) < DIGESTS / 10, "{third:?}");
        assert_same(&tree(&from), &tree(&host.destination));
    }

    // Somebody edits a host's tree: it is no release any more.
    write(host.destination.join("0007"), "edited");
    change(&from, "three times");
    let edited = push_one(&from, &host, options(), 4);
    assert!(sent(&edited) > DIGESTS, "{edited:?}");
    assert_same(&tree(&from), &tree(&host.destination));
}

#[test]
fn lists_that_are_lost_or_damaged_cost_a_longer_message() {
    let scratch = Scratch::new();
    let from = scratch.directory("source");
    release(&from);
    let host = local(&scratch.at("host"));
    sent(&push_one(&from, &host, options(), 1));
    let recent = from.join(".release/recent");
    for (text, generation) in [("damaged", 2), ("lost", 3)] {
        if text == "lost" {
            std::fs::remove_dir_all(&recent).unwrap();
        } else {
            for list in std::fs::read_dir(&recent).unwrap() {
                write(list.unwrap().path(), "nonsense");
            }
        }
        change(&from, text);
        let told = push_one(&from, &host, options(), generation);
        assert!(sent(&told) > DIGESTS, "{told:?}");
        assert_same(&tree(&from), &tree(&host.destination));
    }
    // And the next one is short again.
    change(&from, "again");
    assert!(sent(&push_one(&from, &host, options(), 4)) < DIGESTS / 10);
}
