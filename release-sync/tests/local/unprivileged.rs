//! A destination that belongs to somebody who is not root: owners can't be set, and permissions count.

use std::path::PathBuf;

use release_sync::{Fleet, Host, Options, Outcome, ProofClass};

use crate::common::*;

const NOBODY: u32 = 65_534;

/// A destination of nobody's, and an agent that runs as nobody. Whoever is not root is nobody enough.
fn nobody(scratch: &Scratch) -> Host {
    let at = scratch.directory("host");
    if !is_root() {
        return command(&at, [AGENT, "serve"]);
    }
    chown(&at, NOBODY, NOBODY);
    // Where it was built nobody may be able to reach it.
    let agent = scratch.at("release-agent");
    std::fs::copy(AGENT, &agent).unwrap();
    chmod(&agent, 0o755);
    let id = NOBODY.to_string();
    let words = ["setpriv", "--reuid", &id, "--regid", &id, "--clear-groups"];
    let words = words.map(std::ffi::OsString::from).into_iter();
    command(&at, words.chain([agent.into(), "serve".into()]))
}

#[test]
fn closed_directories_and_files_come_go_and_change() {
    let scratch = Scratch::new();
    let host = nobody(&scratch);
    let (one, two) = (scratch.directory("one"), scratch.directory("two"));
    for root in [&one, &two] {
        for directory in ["closed", "closed/inner", "closed/changes", "goes", "stays"] {
            std::fs::create_dir_all(root.join(directory)).unwrap();
        }
        write(root.join("closed/same"), "same");
        write(root.join("closed/inner/same"), "same");
        write(root.join("stays/unreadable"), noise(5, 3_000));
        chmod(root.join("stays/unreadable"), 0);
    }
    write(one.join("closed/inner/goes"), "goes");
    write(one.join("closed/edited"), noise(1, 5_000));
    write(one.join("closed/changes/a"), "a");
    write(one.join("goes/deep/er"), "er");
    write(one.join("secret"), "first");
    write(two.join("closed/inner/comes"), "comes");
    write(two.join("closed/edited"), noise(2, 5_000));
    std::fs::remove_dir(two.join("goes")).unwrap();
    std::fs::remove_dir(two.join("closed/changes")).unwrap();
    write(two.join("closed/changes"), "now a file");
    write(two.join("closed/brand/new"), "new");
    write(two.join("secret"), "second");
    chmod(two.join("closed/brand"), 0o555);
    for (root, modes) in [(&one, [0o555, 0o500]), (&two, [0o500, 0o555])] {
        chmod(root.join("secret"), 0);
        chmod(root.join("closed/inner"), modes[0]);
        if root.join("goes").exists() {
            chmod(root.join("goes/deep"), 0o500);
            chmod(root.join("goes"), 0o555);
            chmod(root.join("closed/changes"), 0o500);
        }
        chmod(root.join("closed"), modes[1]);
    }
    chmod(&two, 0o555);
    for (round, root) in [&one, &two, &one, &two].into_iter().enumerate() {
        let generation = round as u64 + 1;
        let report = push_one(root, &host, options(), generation);
        assert_ended(&report, Outcome::Committed);
        assert_eq!(report.proof, Some(ProofClass::WithoutOwner));
        assert_same(
            &without_owners(tree(root)),
            &without_owners(tree(&host.destination)),
        );
        assert_tidy(&host.destination);
        let repeat = push_one(root, &host, options(), generation);
        assert_ended(&repeat, Outcome::Unchanged);
        assert_eq!(repeat.proof, Some(ProofClass::WithoutOwner));
        assert!(repeat.counts.bytes_sent < 1_000, "{repeat:?}");
    }
}

/// What is left out from now on changes nothing there, and yet the release is another one, which the host
/// has to know whole to be held against it.
#[test]
fn a_release_that_is_there_already_can_be_held_against_the_tree() {
    let scratch = Scratch::new();
    let host = nobody(&scratch);
    let from = scratch.directory("source");
    write(from.join("a"), "a");
    write(from.join("b.bin"), "b");
    push_one(&from, &host, options(), 1);
    let without = Options {
        exclude: vec![String::from("*.bin")],
        ..options()
    };
    let push = push_one(&from, &host, without.clone(), 2);
    assert_ended(&push, Outcome::Unchanged);
    let fleet = Fleet::new(vec![host.clone()], without).unwrap();
    let status = fleet.status(false, &()).remove(0);
    assert_eq!(
        status.marker.map(|(marker, _)| marker.release),
        push.release
    );
    assert_eq!(status.intact, Some(true), "{status:?}");
}

#[test]
fn going_back_works_without_root_as_well() {
    let scratch = Scratch::new();
    let host = nobody(&scratch);
    let (one, two): (PathBuf, PathBuf) = (scratch.directory("one"), scratch.directory("two"));
    write(one.join("closed/a"), "a");
    write(two.join("b"), "b");
    chmod(one.join("closed"), 0o555);
    push_one(&one, &host, options(), 1);
    push_one(&two, &host, options(), 2);
    let undone = undo_one(&host, 3);
    assert_ended(&undone, Outcome::Undone);
    assert_eq!(undone.release, Some(source(&one).release()));
    assert_same(
        &without_owners(tree(&one)),
        &without_owners(tree(&host.destination)),
    );
}

/// Something that stays inside a closed directory that the release does not have.
#[test]
fn a_closed_directory_may_hold_what_stays() {
    let scratch = Scratch::new();
    let host = nobody(&scratch);
    let (one, two) = (scratch.directory("one"), scratch.directory("two"));
    write(one.join("closed/goes"), "x");
    write(two.join("b"), "b");
    push_one(&one, &host, options(), 1);
    let closed = host.destination.join("closed");
    write(closed.join("x.log"), "stays");
    if is_root() {
        chown(closed.join("x.log"), NOBODY, NOBODY);
    }
    chmod(&closed, 0o555);
    let options = release_sync::Options {
        exclude: vec![String::from("*.log")],
        ..options()
    };
    assert_ended(&push_one(&two, &host, options, 2), Outcome::Committed);
    assert!(closed.join("x.log").exists() && !closed.join("goes").exists());
    assert_eq!(
        std::os::unix::fs::MetadataExt::mode(&closed.metadata().unwrap()) & 0o777,
        0o555
    );
}

/// As when what was a directory becomes a link to the current version of it.
#[test]
fn a_closed_directory_may_lie_where_there_is_no_directory_any_more() {
    let scratch = Scratch::new();
    let host = nobody(&scratch);
    let (one, two) = (scratch.directory("one"), scratch.directory("two"));
    for name in ["current", "upwards", "file"] {
        write(one.join(name).join("lib/f"), "f");
        chmod(one.join(name).join("lib"), 0o555);
    }
    write(two.join("v1/lib/f"), "f");
    chmod(two.join("v1/lib"), 0o555);
    symlink("v1", two.join("current"));
    symlink("..", two.join("upwards"));
    write(two.join("file"), "now a file");
    for (generation, root) in [(1, &one), (2, &two), (3, &one)] {
        let push = push_one(root, &host, options(), generation);
        assert_ended(&push, Outcome::Committed);
        assert_same(
            &without_owners(tree(root)),
            &without_owners(tree(&host.destination)),
        );
    }
}

#[test]
fn a_directory_that_nobody_could_read_again_is_refused_by_name() {
    let scratch = Scratch::new();
    let host = nobody(&scratch);
    let from = scratch.directory("source");
    write(from.join("a"), "a");
    push_one(&from, &host, options(), 1);
    let before = tree(&host.destination);
    write(from.join("a"), "b");
    write(from.join("d/f"), "f");
    for mode in [0o311, 0o400, 0] {
        chmod(from.join("d"), mode);
        if !is_root() {
            // Such a source is none for its owner either.
            release_sync::scan(&from, &options(), &()).unwrap_err();
            continue;
        }
        match push_as_planned(&from, &host, options()).error {
            Some(release_sync::Error::Files {
                count: 1, first, ..
            }) => assert_eq!(first.as_bytes(), b"d"),
            other => panic!("{mode:o}: {other:?}"),
        }
        assert_same(&before, &tree(&host.destination));
        let roots = local(&scratch.at(&format!("roots{mode}")));
        assert_ended(&push_one(&from, &roots, options(), 2), Outcome::Committed);
    }
}

#[test]
fn a_destination_of_somebody_else_is_refused_as_it_is() {
    let scratch = Scratch::new();
    let host = nobody(&scratch);
    let from = scratch.directory("source");
    write(from.join("file"), "x");
    write(host.destination.join("old"), "old");
    if is_root() {
        chown(&host.destination, 0, 0);
    }
    chmod(&host.destination, 0o555);
    let before = tree(&host.destination);
    let report = push_one(&from, &host, options(), 1);
    if is_root() {
        let error = report.error.expect("root's directory can't be written to");
        assert!(
            matches!(error, release_sync::Error::Destination { .. }),
            "{error:?}"
        );
        assert_same(&before, &tree(&host.destination));
    } else {
        assert_eq!(report.outcome, Outcome::Failed);
    }
}
