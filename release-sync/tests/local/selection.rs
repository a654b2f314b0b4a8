//! What is left alone: excluded, protected, not to be deleted, another mount.

use release_sync::{Error, Fleet, Options, Outcome};

use crate::common::*;

fn excluding(patterns: &[&str]) -> Options {
    Options {
        exclude: patterns.iter().map(|p| p.to_string()).collect(),
        ..options()
    }
}

fn protecting(patterns: &[&str]) -> Options {
    Options {
        protect: patterns.iter().map(|p| p.to_string()).collect(),
        ..options()
    }
}

fn read(path: impl AsRef<std::path::Path>) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// Pushes until nothing changes: at the second run, that is.
#[track_caller]
fn settles(
    directory: &std::path::Path,
    host: &release_sync::Host,
    options: &Options,
    generation: u64,
) {
    let first = push_one(directory, host, options.clone(), generation);
    assert_ended(&first, Outcome::Committed);
    assert_tidy(&host.destination);
    let second = push_one(directory, host, options.clone(), generation);
    assert_ended(&second, Outcome::Unchanged);
    assert_tidy(&host.destination);
    let fleet = Fleet::new(vec![host.clone()], options.clone()).unwrap();
    let status = fleet.status(true, &()).remove(0);
    assert_eq!(status.intact, Some(true), "{status:?}");
}

#[test]
fn what_is_excluded_is_neither_sent_nor_deleted() {
    let scratch = Scratch::new();
    let (from, host) = (
        scratch.directory("source"),
        local(&scratch.directory("host")),
    );
    write(from.join("code"), "new");
    write(from.join("log/ours"), "not sent");
    write(host.destination.join("log/theirs"), "kept");
    write(host.destination.join("old/log/deep"), "kept");
    write(host.destination.join("old/gone"), "deleted");
    let options = excluding(&["log/"]);
    settles(&from, &host, &options, 1);
    let at = &host.destination;
    assert_eq!(read(at.join("code")).as_deref(), Some("new"));
    assert_eq!(read(at.join("log/theirs")).as_deref(), Some("kept"));
    assert_eq!(read(at.join("log/ours")), None);
    assert_eq!(read(at.join("old/log/deep")).as_deref(), Some("kept"));
    assert_eq!(read(at.join("old/gone")), None);
}

/// `protect` spares what is on the host from deletion; what the release has there comes all the same.
#[test]
fn what_is_protected_is_not_deleted_and_yet_updated() {
    let scratch = Scratch::new();
    let (from, host) = (
        scratch.directory("source"),
        local(&scratch.directory("host")),
    );
    write(from.join("uploads/.keep"), "new");
    write(from.join("config"), "new");
    let at = &host.destination;
    write(at.join("uploads/.keep"), "old");
    write(at.join("uploads/of/a/user"), "kept");
    write(at.join("config"), "old");
    write(at.join("config.local"), "kept");
    write(at.join("gone"), "deleted");
    let options = protecting(&["/uploads/", "config*"]);
    settles(&from, &host, &options, 1);
    assert_eq!(read(at.join("uploads/.keep")).as_deref(), Some("new"));
    assert_eq!(read(at.join("uploads/of/a/user")).as_deref(), Some("kept"));
    assert_eq!(read(at.join("config")).as_deref(), Some("new"));
    assert_eq!(read(at.join("config.local")).as_deref(), Some("kept"));
    assert_eq!(read(at.join("gone")), None);
    // A user who uploads more does not make the release another.
    write(at.join("uploads/more"), "kept");
    std::fs::File::open(at.join("uploads")).unwrap();
    std::fs::write(from.join("config"), "newer").unwrap();
    settles(&from, &host, &options, 2);
    assert_eq!(read(at.join("uploads/more")).as_deref(), Some("kept"));
    assert_ended(&undo_protected(&host, &options), Outcome::Undone);
    assert_eq!(read(at.join("config")).as_deref(), Some("new"));
    assert_eq!(read(at.join("uploads/more")).as_deref(), Some("kept"));
}

fn undo_protected(host: &release_sync::Host, options: &Options) -> release_sync::HostReport {
    let fleet = Fleet::new(vec![host.clone()], options.clone()).unwrap();
    fleet
        .undo(release_sync::Generation::new(9), &())
        .hosts
        .remove(0)
}

#[test]
fn without_deletion_what_the_release_lacks_stays() {
    let scratch = Scratch::new();
    let (from, host) = (
        scratch.directory("source"),
        local(&scratch.directory("host")),
    );
    write(from.join("dir/new"), "new");
    let at = &host.destination;
    write(at.join("dir/stays"), "kept");
    write(at.join("more/stays"), "kept");
    let options = Options {
        delete: false,
        ..options()
    };
    settles(&from, &host, &options, 1);
    assert_eq!(read(at.join("dir/stays")).as_deref(), Some("kept"));
    assert_eq!(read(at.join("more/stays")).as_deref(), Some("kept"));
    assert_eq!(read(at.join("dir/new")).as_deref(), Some("new"));
}

/// A file where a directory is, with something in it that is to stay, can't be put in place, and nothing
/// else is either.
#[test]
fn what_stays_is_an_obstacle_for_what_would_replace_it() {
    let scratch = Scratch::new();
    let from = scratch.directory("source");
    write(from.join("a"), "a");
    write(from.join("data"), "now a file");
    let keep = [
        ("excluded", excluding(&["*.log"])),
        ("protected", protecting(&["*.log"])),
        (
            "undeleted",
            Options {
                delete: false,
                ..options()
            },
        ),
    ];
    for (name, options) in keep {
        let host = local(&scratch.directory(name));
        write(host.destination.join("data/x.log"), "kept");
        let before = tree(&host.destination);
        let report = push_as_planned(&from, &host, options);
        match report.error {
            Some(Error::Files {
                count: 1, first, ..
            }) => assert_eq!(first.as_bytes(), b"data"),
            other => panic!("{name}: {other:?}"),
        }
        assert_same(&before, &tree(&host.destination));
    }
}

/// Likewise where what stays is not even looked into.
#[test]
fn what_is_left_alone_for_its_kind_is_an_obstacle_for_another_kind() {
    let scratch = Scratch::new();
    let from = scratch.directory("source");
    write(from.join("g"), "g");
    write(from.join("shared"), "now a file");
    write(from.join("zz/shared.d/f"), "now a directory");
    let keep = [
        ("excluded", excluding(&["/shared/"])),
        ("protected", protecting(&["/shared/"])),
        ("file", excluding(&["shared.d", "!shared.d/"])),
    ];
    for (name, options) in keep {
        let host = local(&scratch.directory(name));
        let first = match name {
            "file" => "zz/shared.d",
            _ => "shared",
        };
        match name {
            "file" => write(host.destination.join("zz/shared.d"), "kept"),
            _ => write(host.destination.join("shared/upload"), "kept"),
        }
        write(host.destination.join("junk"), "junk");
        let before = tree(&host.destination);
        let report = push_as_planned(&from, &host, options);
        match report.error {
            Some(Error::Files {
                count: 1,
                first: path,
                ..
            }) => assert_eq!(path.as_bytes(), first.as_bytes()),
            other => panic!("{name}: {other:?}"),
        }
        assert_eq!(report.counts.files_deleted, 0);
        assert_same(&before, &tree(&host.destination));
    }
}

#[test]
fn a_limit_on_deletions_refuses_before_anything_happens() {
    let scratch = Scratch::new();
    let (from, host) = (
        scratch.directory("source"),
        local(&scratch.directory("host")),
    );
    write(from.join("new"), "new");
    write(host.destination.join("d/a"), "");
    write(host.destination.join("d/b"), "");
    let before = tree(&host.destination);
    let limited = |limit| Options {
        max_delete: Some(limit),
        ..options()
    };
    let refused = push_one(&from, &host, limited(2), 1);
    assert!(
        matches!(refused.error, Some(Error::MaxDelete { would: 3, limit: 2 })),
        "{refused:?}"
    );
    assert_same(&before, &tree(&host.destination));
    let report = push_one(&from, &host, limited(3), 1);
    assert_ended(&report, Outcome::Committed);
    assert_eq!(report.counts.files_deleted, 3);
}

#[test]
fn another_mount_is_neither_entered_nor_removed() {
    let scratch = Scratch::new();
    let (from, host) = (
        scratch.directory("source"),
        local(&scratch.directory("host")),
    );
    write(from.join("new"), "new");
    let mount = host.destination.join("old/mount");
    let _mounted = Mount::tmpfs(&mount, "1m");
    write(mount.join("inside"), "kept");
    write(host.destination.join("old/gone"), "deleted");
    settles(&from, &host, &options(), 1);
    assert_eq!(read(mount.join("inside")).as_deref(), Some("kept"));
    assert!(!host.destination.join("old/gone").exists());
    // A release that has something there is refused by name.
    write(from.join("old/mount/theirs"), "x");
    let before = tree(&host.destination);
    let report = push_as_planned(&from, &host, options());
    match report.error {
        Some(Error::Files { first, .. }) => assert!(first.as_bytes().starts_with(b"old/mount")),
        other => panic!("{other:?}"),
    }
    assert_same(&before, &tree(&host.destination));
}
