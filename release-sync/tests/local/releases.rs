//! A release, the next one, the same once more, and the ways back.

use std::path::Path;
use std::time::{Duration, SystemTime};

use release_sync::{Error, Fleet, Generation, HostReport, Outcome, ProofClass};

use crate::common::*;

fn first(root: &Path) {
    write(root.join("a"), "first a");
    write(root.join("dir/b"), noise(1, 5_000));
    write(root.join("dir/deep/c"), "c");
    write(root.join("empty"), "");
    write(root.join("run"), "#!/bin/sh\n");
    chmod(root.join("run"), 0o4755);
    write(root.join("becomes-a-directory"), "x");
    write(root.join("becomes-a-file/inside/x"), "was inside");
    write(root.join("becomes-a-link/y"), "was inside, too");
    symlink("dir/b", root.join("link"));
    symlink("nowhere", root.join("becomes-a-file-from-a-link"));
    std::fs::create_dir_all(root.join("hollow/hollower")).unwrap();
    chmod(root.join("hollow"), 0o1777);
    age(&root.join("a"), 1_000_000_000, 123_456_789);
}

fn second(root: &Path) {
    write(root.join("a"), "second a");
    let mut b = noise(1, 5_000);
    b.splice(2_000..2_000, *b"inserted");
    write(root.join("dir/b"), b);
    write(root.join("dir/new"), "new");
    write(root.join("run"), "#!/bin/sh\n");
    chmod(root.join("run"), 0o2711);
    write(root.join("becomes-a-directory/z"), "z");
    write(root.join("becomes-a-file"), "now a file");
    symlink("a", root.join("becomes-a-link"));
    symlink("dir/new", root.join("link"));
    write(root.join("becomes-a-file-from-a-link"), "now a file");
    std::fs::create_dir_all(root.join("hollow")).unwrap();
    age(&root.join("hollow"), 5, 0);
    age(root, 2, 1);
}

fn age(path: &Path, seconds: u64, nanos: u32) {
    let time = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos);
    std::fs::File::open(path)
        .unwrap()
        .set_modified(time)
        .unwrap();
}

struct Scene {
    scratch: Scratch,
    one: std::path::PathBuf,
    two: std::path::PathBuf,
}

fn scene() -> Scene {
    let scratch = Scratch::new();
    let (one, two) = (scratch.directory("one"), scratch.directory("two"));
    first(&one);
    second(&two);
    Scene { scratch, one, two }
}

#[test]
fn there_and_again_and_back_two_ways() {
    let Scene { scratch, one, two } = scene();
    let host = local(&scratch.at("host"));
    let at = &host.destination;

    let cold = push_one(&one, &host, options(), 1);
    assert_ended(&cold, Outcome::Committed);
    assert_eq!(
        cold.proof,
        Some(if is_root() {
            ProofClass::Full
        } else {
            ProofClass::WithoutOwner
        })
    );
    assert_eq!(cold.release, Some(source(&one).release()));
    assert_same(&tree(&one), &tree(at));
    assert_tidy(at);

    for _ in 0..2 {
        let repeat = push_one(&one, &host, options(), 1);
        assert_ended(&repeat, Outcome::Unchanged);
        assert!(repeat.counts.bytes_sent < 1_000, "{repeat:?}");
        assert_tidy(at);
    }

    let update = push_one(&two, &host, options(), 2);
    assert_ended(&update, Outcome::Committed);
    assert!(update.counts.matched_bytes > 3_000, "{update:?}");
    assert_same(&tree(&two), &tree(at));
    assert_tidy(at);

    let back = push_one(&one, &host, options(), 3);
    assert_ended(&back, Outcome::Committed);
    assert_eq!(
        (back.counts.files_sent, back.counts.literal_bytes),
        (0, 0),
        "{back:?}"
    );
    assert!(back.counts.local_bytes > 5_000, "{back:?}");
    assert_same(&tree(&one), &tree(at));

    let undone = undo_one(&host, 4);
    assert_ended(&undone, Outcome::Undone);
    assert_eq!(undone.release, Some(source(&two).release()));
    assert_eq!(undone.counts.files_sent, 0);
    assert_same(&tree(&two), &tree(at));
    assert_tidy(at);
}

#[test]
fn an_undo_of_an_undo_is_the_release_again() {
    let Scene { scratch, one, two } = scene();
    let host = local(&scratch.at("host"));
    push_one(&one, &host, options(), 1);
    push_one(&two, &host, options(), 2);
    for (generation, expected) in [(3, &one), (4, &two), (5, &one)] {
        assert_ended(&undo_one(&host, generation), Outcome::Undone);
        assert_same(&tree(expected), &tree(&host.destination));
    }
}

/// Since when a host has a release is not since when it was last deployed.
#[test]
fn a_deploy_of_what_is_there_does_not_begin_anew() {
    let scratch = Scratch::new();
    let host = local(&scratch.at("host"));
    let from = scratch.directory("source");
    write(from.join("file"), "one");
    push_one(&from, &host, options(), 1);
    // As if that had been a while ago.
    let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    let marker = std::fs::File::options()
        .write(true)
        .open(host.destination.join(".release/marker"));
    marker.unwrap().set_modified(long_ago).unwrap();
    let since = || {
        let fleet = Fleet::new(vec![host.clone()], options()).unwrap();
        let (marker, since) = fleet.status(false, &()).remove(0).marker.unwrap();
        (marker.generation.get(), since)
    };
    assert_ended(&push_one(&from, &host, options(), 2), Outcome::Unchanged);
    assert_eq!(since(), (2, 1_700_000_000));
    // Nor where something had to be mended.
    write(host.destination.join("file"), "edited");
    assert_ended(&push_one(&from, &host, options(), 3), Outcome::Committed);
    assert_eq!(since(), (3, 1_700_000_000));
    write(from.join("file"), "two");
    push_one(&from, &host, options(), 4);
    assert!(since().1 > 1_700_000_000);
}

/// What was undone is known by its marker, and a deploy that changes nothing is no step to undo.
#[test]
fn a_repeat_does_not_cost_the_undo() {
    let Scene { scratch, one, two } = scene();
    for checksum in [false, true] {
        let host = local(&scratch.at(if checksum { "hashed" } else { "known" }));
        push_one(&one, &host, options(), 1);
        push_one(&two, &host, options(), 2);
        for delete in [true, false] {
            let repeat = push_one(&two, &host, options_with(delete, checksum), 3);
            assert_ended(&repeat, Outcome::Unchanged);
        }
        assert_ended(&undo_one(&host, 4), Outcome::Undone);
        assert_same(&tree(&one), &tree(&host.destination));
    }
}

fn options_with(delete: bool, checksum: bool) -> release_sync::Options {
    release_sync::Options {
        delete,
        checksum,
        ..options()
    }
}

#[test]
fn without_an_undo_nothing_is_kept_and_nothing_undone() {
    let Scene { scratch, one, two } = scene();
    let host = local(&scratch.at("host"));
    let plain = release_sync::Options {
        keep_undo: false,
        ..options()
    };
    push_one(&one, &host, options(), 1);
    push_one(&two, &host, options(), 2);
    assert_ended(&push_one(&one, &host, plain, 3), Outcome::Committed);
    let before = tree(&host.destination);
    let undone = undo_one(&host, 4);
    assert!(
        matches!(undone.error, Some(Error::NoUndo { .. })),
        "{undone:?}"
    );
    assert_eq!(undone.outcome, Outcome::Failed);
    assert_same(&before, &tree(&host.destination));
    assert_tidy(&host.destination);
}

#[test]
fn a_host_that_never_had_a_release_has_no_undo() {
    let scratch = Scratch::new();
    let host = local(&scratch.directory("host"));
    let undone = undo_one(&host, 1);
    assert!(
        matches!(undone.error, Some(Error::NoUndo { .. })),
        "{undone:?}"
    );
}

/// The first release displaces a tree that was no release, and that tree comes back.
#[test]
fn what_was_there_before_the_first_release_comes_back() {
    let Scene { scratch, one, two } = scene();
    let host = local(&scratch.at("host"));
    copy(&two, &host.destination);
    let _ = std::fs::remove_dir_all(host.destination.join(".release"));
    age(&host.destination, 77, 7);
    let before = tree(&host.destination);
    assert_ended(&push_one(&one, &host, options(), 1), Outcome::Committed);
    assert_ended(&undo_one(&host, 2), Outcome::Undone);
    assert_same(&before, &tree(&host.destination));
}

#[test]
fn an_older_generation_is_refused_whatever_it_brings() {
    let Scene { scratch, one, two } = scene();
    let host = local(&scratch.at("host"));
    push_one(&one, &host, options(), 5);
    for (directory, generation) in [(&two, 4), (&one, 4)] {
        let refused = push_one(directory, &host, options(), generation);
        match refused.error {
            Some(Error::Fenced { seen, ours }) => {
                assert_eq!((seen.get(), ours.get()), (5, generation));
            }
            other => panic!("{other:?}"),
        }
        assert_same(&tree(&one), &tree(&host.destination));
    }
    // A repeat by a later deploy moves the fence.
    assert_ended(&push_one(&one, &host, options(), 9), Outcome::Unchanged);
    assert!(matches!(
        push_one(&two, &host, options(), 8).error,
        Some(Error::Fenced { .. })
    ));
    assert!(matches!(
        undo_one(&host, 8).error,
        Some(Error::Fenced { .. })
    ));
}

#[test]
fn a_generation_means_one_release() {
    let Scene { scratch, one, two } = scene();
    let host = local(&scratch.at("host"));
    push_one(&one, &host, options(), 1);
    push_one(&two, &host, options(), 2);
    let assert_refused = |report: HostReport| {
        match report.error {
            Some(Error::Fenced { seen, ours }) => assert_eq!((seen.get(), ours.get()), (2, 2)),
            other => panic!("{other:?}"),
        }
        assert_eq!(report.generation, Some(Generation::new(2)));
        assert_eq!(report.release, Some(source(&two).release()));
        assert_tidy(&host.destination);
    };
    assert_refused(push_one(&one, &host, options(), 2));
    assert_refused(undo_one(&host, 2));
    assert_same(&tree(&two), &tree(&host.destination));
    // Also where somebody has made the tree that release already.
    let edited = scratch.at("edited");
    copy(&two, &edited);
    for tree in [&edited, &host.destination] {
        write(tree.join("a"), "edited");
        age(&tree.join("a"), 3, 3);
    }
    assert_refused(push_one(&edited, &host, options(), 2));
    // The same release may come again, to mend what was edited.
    assert_ended(&push_one(&two, &host, options(), 2), Outcome::Committed);
    assert_ended(&push_one(&two, &host, options(), 2), Outcome::Unchanged);
    assert_same(&tree(&two), &tree(&host.destination));
    assert_ended(&push_one(&one, &host, options(), 3), Outcome::Committed);
}

#[test]
fn hosts_in_different_states_all_become_right() {
    let Scene { scratch, one, two } = scene();
    let hosts: Vec<_> = (0..8)
        .map(|n| local(&scratch.at(&format!("host{n}"))))
        .collect();
    for (number, host) in hosts.iter().enumerate() {
        let at = &host.destination;
        match number {
            0 => {}
            1 => assert_ended(&push_one(&one, host, options(), 1), Outcome::Committed),
            2 => assert_ended(&push_one(&two, host, options(), 1), Outcome::Committed),
            3 => copy(&one, at),
            4 => write(at.join("a/b/c/d"), "only strangers"),
            5 => {
                push_one(&one, host, options(), 1);
                std::fs::remove_dir_all(at.join("dir")).unwrap();
            }
            6 => {
                push_one(&two, host, options(), 1);
                write(at.join("dir/b"), noise(3, 5_000));
                chmod(at.join("run"), 0);
            }
            _ => symlink("elsewhere", scratch.directory("host7").join("dir")),
        }
    }
    let report = push(&source(&two), hosts.clone(), options(), 2);
    assert_eq!(report.release, Some(source(&two).release()));
    for (host, report) in hosts.iter().zip(&report.hosts) {
        let same = host.name == "host2";
        assert_ended(
            report,
            if same {
                Outcome::Unchanged
            } else {
                Outcome::Committed
            },
        );
        assert_same(&tree(&two), &tree(&host.destination));
        assert_tidy(&host.destination);
    }
}

/// One host's failure is that host's.
#[test]
fn a_host_that_fails_holds_nobody_back() {
    let Scene { scratch, one, .. } = scene();
    write(scratch.at("file"), "no directory");
    let hosts = vec![local(&scratch.at("good")), local(&scratch.at("file"))];
    let report = push(&source(&one), hosts, options(), 1);
    assert_ended(&report.hosts[0], Outcome::Committed);
    assert_eq!(report.hosts[1].outcome, Outcome::Failed);
    assert_same(&tree(&one), &tree(&scratch.at("good")));
}

#[test]
fn status_tells_what_is_there_and_makes_nothing() {
    let Scene { scratch, one, .. } = scene();
    let host = local(&scratch.at("host"));
    let status = |verify| {
        let fleet = Fleet::new(vec![host.clone()], options()).unwrap();
        let mut status = fleet.status(verify, &());
        assert!(status[0].error.is_none(), "{status:?}");
        status.remove(0)
    };
    assert_eq!(status(false).marker, None);
    assert!(!host.destination.exists(), "looking makes nothing");
    push_one(&one, &host, options(), 7);
    let seen = status(false);
    assert_eq!(
        seen.marker.map(|(marker, _)| marker.generation),
        Some(Generation::new(7))
    );
    assert_eq!((seen.intact, seen.files), (Some(true), 8), "{seen:?}");
    write(host.destination.join("a"), "changed");
    assert_eq!(status(false).intact, Some(false));
}
