//! Failed by the disk at any moment, that of the commit above all.

use std::sync::atomic::{AtomicBool, Ordering};

use release_sync::{Event, Fleet, Generation, HostState, Monitor, Outcome, Source};

use crate::common::*;
use crate::scene::*;

/// What a disk says to a call, once.
const FAILURES: &[(&str, &str)] = &[
    ("renameat", "ENOSPC"),
    ("linkat", "EDQUOT"),
    ("unlinkat", "EIO"),
    ("mkdirat", "ENOSPC"),
    ("pwrite64", "EIO"),
    ("write", "ENOSPC"),
    ("utimensat", "EIO"),
    ("fchown", "EROFS"),
    ("fsync", "EIO"),
    ("syncfs", "EIO"),
];

/// Notes whether a commit began.
#[derive(Default)]
struct Committing(AtomicBool);

impl Monitor for Committing {
    fn event(&self, event: Event<'_>) {
        if let Event::State { state, .. } = event {
            self.0
                .fetch_or(state == HostState::Committing, Ordering::SeqCst);
        }
    }
}

/// What became of a push to a destination on a disk that fails.
struct Failed {
    failed: bool,
    /// Had its commit begun?
    in_commit: bool,
}

fn push_to_a_failing_disk(pushed: &Source, injection: &str, at: &std::path::Path) -> Failed {
    let committing = Committing::default();
    let fleet = Fleet::new(vec![tampered(&[injection], at)], options()).unwrap();
    let report = fleet.push(pushed, Generation::new(2), &committing);
    Failed {
        failed: report.hosts[0].error.is_some(),
        in_commit: committing.0.load(Ordering::SeqCst),
    }
}

/// After so many calls in a row that failed without ending the run there are no more of them.
const ENOUGH: u32 = 3;

#[test]
fn at_every_call_once() {
    let Scene {
        scratch,
        old,
        new,
        trees,
    } = scene();
    let template = scratch.at("template");
    assert_ended(
        &push_one(&old, &local(&template), options(), 1),
        Outcome::Committed,
    );
    let pushed = source(&new);
    let [old_tree, new_tree] = &trees;
    let (mut failures, mut in_commits) = (0, 0);
    for (call, error) in FAILURES {
        let (mut nth, mut without) = (0, 0);
        while without < ENOUGH {
            nth += 1;
            let what = format!("{call}, call {nth}: {error}");
            let host = fresh_host(&scratch, &template);
            let at = &host.destination;
            let injection = format!("{call}:error={error}:when={nth}");
            let Failed { failed, in_commit } = push_to_a_failing_disk(&pushed, &injection, at);
            if !failed {
                without += 1;
                continue;
            }
            without = 0;
            failures += 1;
            assert_old_or_new(&tree(at), [old_tree, new_tree], &what);
            let report = assert_completes(&host, &pushed, &trees, &what);
            if in_commit {
                in_commits += 1;
                assert_eq!(report.counts.files_sent, 0, "{what}: {report:?}");
            }
        }
        assert!(nth > ENOUGH, "{call}: nothing ever failed");
    }
    assert!(
        failures > 60 && in_commits > 40,
        "only {failures} failures, {in_commits} of them in commits"
    );
}
