//! Destinations that are not plain directories.

use std::path::PathBuf;

use release_sync::{Error, Options, Outcome};

use crate::common::*;

fn small_source(scratch: &Scratch) -> PathBuf {
    let from = scratch.directory("source");
    write(from.join("dir/file"), "content");
    from
}

#[test]
fn a_destination_is_made_with_all_that_leads_to_it() {
    let scratch = Scratch::new();
    let from = small_source(&scratch);
    let host = local(&scratch.at("some/where/deep"));
    assert_ended(&push_one(&from, &host, options(), 1), Outcome::Committed);
    assert_same(&tree(&from), &tree(&host.destination));
}

#[test]
fn a_file_is_no_destination() {
    let scratch = Scratch::new();
    let from = small_source(&scratch);
    write(scratch.at("file"), "precious");
    for name in ["file", "file/below"] {
        let report = push_one(&from, &local(&scratch.at(name)), options(), 1);
        assert_eq!(report.outcome, Outcome::Failed);
        assert!(
            matches!(report.error, Some(Error::Destination { .. })),
            "{report:?}"
        );
    }
    assert_eq!(std::fs::read(scratch.at("file")).unwrap(), b"precious");
}

#[test]
fn a_link_to_a_directory_is_one() {
    let scratch = Scratch::new();
    let from = small_source(&scratch);
    symlink(scratch.directory("real"), scratch.at("link"));
    let host = local(&scratch.at("link"));
    assert_ended(&push_one(&from, &host, options(), 1), Outcome::Committed);
    assert_same(&tree(&from), &tree(&scratch.at("real")));
    assert!(scratch.at("link").symlink_metadata().unwrap().is_symlink());
    symlink("nowhere", scratch.at("dangling"));
    let dangling = push_one(&from, &local(&scratch.at("dangling")), options(), 1);
    assert!(dangling.error.is_some(), "{dangling:?}");
}

/// A link inside the tree is an entry: never followed, replaced where the release has something else.
#[test]
fn a_link_inside_leads_nowhere() {
    let scratch = Scratch::new();
    let from = small_source(&scratch);
    let outside = scratch.directory("outside");
    write(outside.join("file"), "precious");
    let host = local(&scratch.directory("host"));
    symlink(&outside, host.destination.join("dir"));
    assert_ended(&push_one(&from, &host, options(), 1), Outcome::Committed);
    assert_same(&tree(&from), &tree(&host.destination));
    assert_eq!(std::fs::read(outside.join("file")).unwrap(), b"precious");
}

#[test]
fn a_directory_that_must_be_a_mount_is_deferred_until_it_is() {
    let scratch = Scratch::new();
    let from = small_source(&scratch);
    let host = local(&scratch.at("host"));
    let mounted = Options {
        require_mount: true,
        ..options()
    };
    let deferred = || {
        let report = push_as_planned(&from, &host, mounted.clone());
        assert_eq!(report.outcome, Outcome::Deferred);
        assert!(
            matches!(report.error, Some(Error::NotMounted { .. })),
            "{report:?}"
        );
    };
    deferred();
    assert!(!host.destination.exists());
    scratch.directory("host");
    deferred();
    assert_eq!(std::fs::read_dir(&host.destination).unwrap().count(), 0);
    let _mount = Mount::tmpfs(&host.destination, "1m");
    assert_ended(
        &push_one(&from, &host, mounted.clone(), 1),
        Outcome::Committed,
    );
}

#[test]
fn a_read_only_file_system_is_told_apart() {
    let scratch = Scratch::new();
    let from = small_source(&scratch);
    let host = local(&scratch.directory("host"));
    let _mount = Mount::tmpfs(&host.destination, "1m");
    let status = std::process::Command::new("mount")
        .args(["-o", "remount,ro"])
        .arg(&host.destination)
        .status();
    assert!(status.unwrap().success());
    let report = push_as_planned(&from, &host, options());
    assert_eq!(report.outcome, Outcome::ReadOnly, "{report:?}");
    assert!(
        matches!(report.error, Some(Error::ReadOnly { .. })),
        "{report:?}"
    );
}

/// The tree is as it was, the room is given back, and with more room the next run completes.
#[test]
fn a_full_disk_leaves_the_tree_as_it_was() {
    let scratch = Scratch::new();
    let (from, old) = (scratch.directory("source"), scratch.directory("old"));
    write(old.join("file"), noise(1, 300_000));
    for number in 0..60 {
        write(
            from.join(format!("d{}/f{number}", number % 5)),
            noise(number + 10, 200_000),
        );
    }
    write(from.join("large"), noise(5, 3 << 20));
    let host = local(&scratch.directory("host"));
    let _mount = Mount::tmpfs(&host.destination, "6m");
    assert_ended(&push_one(&old, &host, options(), 1), Outcome::Committed);
    let before = tree(&host.destination);
    for _ in 0..5 {
        let report = push_one(&from, &host, options(), 2);
        assert_eq!(report.outcome, Outcome::Failed);
        assert!(
            matches!(report.error, Some(Error::NoSpace { .. })),
            "{report:?}"
        );
        assert_same(&before, &tree(&host.destination));
        assert_tidy(&host.destination);
    }
    let status = std::process::Command::new("mount")
        .args(["-o", "remount,size=64m"])
        .arg(&host.destination)
        .status();
    assert!(status.unwrap().success());
    assert_ended(&push_one(&from, &host, options(), 2), Outcome::Committed);
    assert_same(&tree(&from), &tree(&host.destination));
}
