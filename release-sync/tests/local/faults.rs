//! Two at once, a source that changes, and a run that is stopped.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use release_sync::{Cancel, Error, Event, Fleet, Generation, HostState, Monitor, Options, Outcome};

use crate::common::*;

/// Does something when a host comes to a state, once.
struct When<F: Fn() + Sync>(HostState, F, AtomicBool);

impl<F: Fn() + Sync> Monitor for When<F> {
    fn event(&self, event: Event<'_>) {
        if let Event::State { state, .. } = event
            && state == self.0
            && !self.2.swap(true, Ordering::SeqCst)
        {
            (self.1)();
        }
    }
}

fn when<F: Fn() + Sync>(state: HostState, act: F) -> When<F> {
    When(state, act, AtomicBool::new(false))
}

#[test]
fn the_second_of_two_at_once_is_told_who_the_first_is() {
    let scratch = Scratch::new();
    let (one, two) = (scratch.directory("one"), scratch.directory("two"));
    write(one.join("file"), "one");
    write(two.join("file"), "two");
    let host = local(&scratch.at("host"));
    let holding = Options {
        holder: String::from("alice@desk"),
        ..options()
    };
    let second = Mutex::new(None);
    for state in [HostState::Scanning, HostState::Staging, HostState::Staged] {
        let monitor = when(state, || {
            *second.lock().unwrap() = Some(push_one(&two, &host, options(), 2));
        });
        let fleet = Fleet::new(vec![host.clone()], holding.clone()).unwrap();
        let report = fleet.push(&source(&one), Generation::new(1), &monitor);
        assert!(report.hosts[0].error.is_none(), "{report:?}");
        match second.lock().unwrap().take().unwrap().error {
            Some(error @ Error::Locked { .. }) => {
                assert!(error.is_locked());
                assert!(error.to_string().contains("alice@desk"), "{error}");
                assert!(error.to_string().contains("/host"), "{error}");
            }
            other => panic!("{other:?}"),
        }
        assert_same(&tree(&one), &tree(&host.destination));
        std::fs::write(host.destination.join("file"), "drift").unwrap();
    }
}

#[test]
fn a_source_that_changes_is_named_and_nothing_is_committed() {
    let scratch = Scratch::new();
    let old = scratch.directory("old");
    write(old.join("f7"), "old");
    type Change = fn(&std::path::Path);
    let changes: [(&str, Change); 6] = [
        ("f7", |at| write(at.join("f7"), noise(77, 2_000))),
        ("f7", |at| write(at.join("f7"), noise(7, 2_001))),
        ("f7", |at| write(at.join("f7"), "shorter")),
        ("f7", |at| std::fs::remove_file(at.join("f7")).unwrap()),
        ("large", |at| write(at.join("large"), noise(4, 6 << 20))),
        ("large", |at| write(at.join("large"), noise(3, 1 << 20))),
    ];
    for (number, (name, change)) in changes.iter().enumerate() {
        let from = scratch.directory(&format!("source{number}"));
        for file in 0..20 {
            write(from.join(format!("f{file}")), noise(file, 2_000));
        }
        write(from.join("large"), noise(3, 6 << 20));
        let host = local(&scratch.at(&format!("host{number}")));
        push_one(&old, &host, options(), 1);
        let before = tree(&host.destination);
        let scanned = source(&from);
        change(&from);
        let report = push(&scanned, vec![host.clone()], options(), 2)
            .hosts
            .remove(0);
        match &report.error {
            Some(Error::SourceChanged { path }) => assert_eq!(path.as_bytes(), name.as_bytes()),
            other => panic!("change {number}: {other:?}"),
        }
        assert_same(&before, &tree(&host.destination));
        let again = push_one(&from, &host, options(), 3);
        assert_ended(&again, Outcome::Committed);
        assert_same(&tree(&from), &tree(&host.destination));
        assert_tidy(&host.destination);
    }
}

#[test]
fn a_source_that_was_only_touched_is_given_out() {
    let scratch = Scratch::new();
    let from = scratch.directory("source");
    let host = local(&scratch.at("host"));
    write(from.join("small"), "old");
    write(from.join("edited"), noise(1, 6 << 20));
    push_one(&from, &host, options(), 1);
    write(from.join("small"), "new");
    write(
        from.join("edited"),
        [&noise(1, 6 << 20)[..], b"more"].concat(),
    );
    write(from.join("large"), noise(2, 6 << 20));
    let scanned = source(&from);
    for name in ["small", "edited", "large"] {
        std::fs::hard_link(from.join(name), scratch.at(name)).unwrap();
    }
    let mut report = push(&scanned, vec![host.clone()], options(), 2);
    assert_ended(&report.hosts.remove(0), Outcome::Committed);
    assert_same(&tree(&from), &tree(&host.destination));
}

#[test]
fn a_cancelled_run_leaves_the_tree_and_keeps_what_was_staged() {
    let scratch = Scratch::new();
    let (old, from) = (scratch.directory("old"), scratch.directory("source"));
    write(old.join("file"), "old");
    for number in 0..50 {
        write(from.join(format!("f{number}")), noise(number, 50_000));
    }
    for state in [
        HostState::Connecting,
        HostState::Scanning,
        HostState::Staging,
        HostState::Staged,
    ] {
        let host = local(&scratch.at(state.as_str()));
        push_one(&old, &host, options(), 1);
        let before = tree(&host.destination);
        let handle: Mutex<Option<Cancel>> = Mutex::default();
        let monitor = when(state, || handle.lock().unwrap().as_ref().unwrap().cancel());
        let fleet = Fleet::new(vec![host.clone()], options()).unwrap();
        *handle.lock().unwrap() = Some(fleet.cancel_handle());
        let report = fleet
            .push(&source(&from), Generation::new(2), &monitor)
            .hosts
            .remove(0);
        assert!(
            matches!(report.error, Some(Error::Cancelled)),
            "{state:?}: {report:?}"
        );
        assert_same(&before, &tree(&host.destination));
        assert_eq!(report.counts.files_deleted, 0, "{state:?}");
        let again = until_unlocked(|| push_one(&from, &host, options(), 3));
        assert_ended(&again, Outcome::Committed);
        assert_eq!(again.counts.files_deleted, 1);
        if state == HostState::Staged {
            assert_eq!(
                again.counts.files_sent, 0,
                "what was staged is not sent again"
            );
        }
        assert_same(&tree(&from), &tree(&host.destination));
        assert_tidy(&host.destination);
    }
}

#[test]
fn sources_that_are_none_are_refused() {
    let scratch = Scratch::new();
    let missing = release_sync::scan(&scratch.at("missing"), &options(), &());
    assert!(matches!(missing, Err(Error::Source { .. })));
    write(scratch.at("file"), "x");
    let file = release_sync::scan(&scratch.at("file"), &options(), &());
    assert!(matches!(file, Err(Error::Source { .. })));
    let empty = scratch.directory("empty");
    let refused = release_sync::scan(&empty, &options(), &());
    assert!(matches!(refused, Err(Error::SourceEmpty { .. })));
    let allowed = Options {
        allow_empty: true,
        ..options()
    };
    let host = local(&scratch.directory("host"));
    write(host.destination.join("old"), "old");
    assert_ended(&push_one(&empty, &host, allowed, 1), Outcome::Committed);
    assert_eq!(tree(&host.destination).len(), 1);
}

/// The disk is full from the moment at which all is staged. What is staged stays, and once there is room
/// the next run sends nothing.
#[test]
fn a_disk_that_is_full_for_the_commit_costs_nothing_twice() {
    let scratch = Scratch::new();
    let (old, from) = (scratch.directory("old"), scratch.directory("source"));
    for number in 0..50 {
        write(old.join(format!("f{number}")), noise(number, 2_000));
        write(from.join(format!("f{number}")), noise(100 + number, 2_000));
    }
    let disk = scratch.at("disk");
    let _mounted = Mount::tmpfs(&disk, "4m");
    let host = local(&disk.join("host"));
    assert_ended(&push_one(&old, &host, options(), 1), Outcome::Committed);
    let before = tree(&host.destination);
    let filler = disk.join("filler");
    let fill = when(HostState::Staged, || {
        let mut file = std::fs::File::create(&filler).unwrap();
        while std::io::Write::write_all(&mut file, &[1; 4096]).is_ok() {}
    });
    let fleet = Fleet::new(vec![host.clone()], options()).unwrap();
    let full = fleet.push(&source(&from), Generation::new(2), &fill);
    let full = &full.hosts[0];
    assert!(
        matches!(full.error, Some(Error::NoSpace { .. })),
        "{full:?}"
    );
    assert_same(&before, &tree(&host.destination));
    std::fs::remove_file(&filler).unwrap();
    let again = until_unlocked(|| push_one(&from, &host, options(), 3));
    assert_ended(&again, Outcome::Committed);
    assert_eq!(again.counts.files_sent, 0, "{again:?}");
    assert_same(&tree(&from), &tree(&host.destination));
    assert_tidy(&host.destination);
}
