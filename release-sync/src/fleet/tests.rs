//! Runs as a whole.
#![allow(clippy::unwrap_used)]

mod ahead;
mod cancelling;
mod held;
mod liveness;

use super::*;
use crate::{Outcome, Reach, scan};

fn excluding(count: usize, length: usize) -> Options {
    let pattern = |number| format!("/{number:0>length$}", length = length - 1);
    Options {
        exclude: (0..count).map(pattern).collect(),
        ..Options::default()
    }
}

#[test]
fn long_lists_of_patterns_reach_a_host() {
    let source = tempfile::tempdir().unwrap();
    let destination = tempfile::tempdir().unwrap();
    std::fs::write(source.path().join("file"), "content").unwrap();
    std::fs::write(
        destination.path().join("0000000000000000000000000001499"),
        "",
    )
    .unwrap();
    let host = Host {
        name: String::from("host"),
        destination: destination.path().to_owned(),
        reach: Reach::Local,
    };
    let fleet = Fleet::new(vec![host], excluding(3000, 32)).unwrap();
    let source = scan(source.path(), &fleet.options, &()).unwrap();
    let report = fleet.push(&source, Generation::new(1), &());
    assert_eq!(report.hosts[0].outcome, Outcome::Committed, "{report:?}");
    assert_eq!(
        std::fs::read(destination.path().join("file")).unwrap(),
        b"content"
    );
    let excluded = destination.path().join("0000000000000000000000000001499");
    assert!(excluded.exists(), "it is neither sent nor deleted");
}

#[test]
fn longer_lists_than_a_message_holds_are_refused_at_once() {
    let mut options = excluding(400, 1000);
    options.protect = excluding(200, 1000).exclude;
    match Fleet::new(Vec::new(), options) {
        Err(Error::Pattern { pattern, reason }) => {
            assert_eq!(pattern, "(600 patterns)");
            assert!(reason.contains("longer than 512 KiB"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_tree_is_brought_from_a_host() {
    let remote = tempfile::tempdir().unwrap();
    let into = tempfile::tempdir().unwrap();
    std::fs::write(remote.path().join("file"), "content").unwrap();
    std::fs::write(into.path().join("gone"), "old").unwrap();
    let mut host = Host {
        name: String::from("host"),
        destination: remote.path().to_owned(),
        reach: Reach::Local,
    };
    let report = pull(
        &host,
        into.path(),
        &Options::default(),
        &Cancel::default(),
        &(),
    );
    assert_eq!(report.outcome, Outcome::Committed, "{report:?}");
    let content = std::fs::read(into.path().join("file")).unwrap();
    assert_eq!(content, b"content");
    assert!(!into.path().join("gone").exists());
    let again = pull(
        &host,
        into.path(),
        &Options::default(),
        &Cancel::default(),
        &(),
    );
    assert_eq!(again.outcome, Outcome::Unchanged, "{again:?}");

    host.destination.push("missing");
    let missing = pull(
        &host,
        into.path(),
        &Options::default(),
        &Cancel::default(),
        &(),
    );
    assert!(
        matches!(missing.error, Some(Error::Supply { .. })),
        "{missing:?}"
    );
}
