//! The agent killed at every system call that changes something: the tree holds old or new files and no
//! others, the next run completes, sends nothing again that was there, and leaves nothing behind.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use common::*;
use release_sync::{Error, Host, HostReport, Outcome};

/// System calls by which the agent changes a disk, or makes a change last. Each row is killed in turn at
/// its first call, its second, and so on.
const CALLS: &[(&str, &str)] = &[
    (
        "placing and making room",
        "renameat,renameat2,unlinkat,rmdir,unlink",
    ),
    ("making", "mkdirat,symlinkat,linkat"),
    ("writing", "pwrite64,ftruncate"),
    ("attributes", "fchmod,fchown,fchownat,chmod,utimensat"),
    ("lasting", "fsync,syncfs"),
    ("opening", "openat,openat2"),
];

/// After so many calls one by one, only some are tried.
const EACH: u32 = 40;

/// `strace` counts for each thread, so the first thread that comes to its `nth` call ends all.
fn killed_at(calls: &str, nth: u32, destination: &Path) -> Host {
    let words = [
        "strace",
        "-f",
        "-qqq",
        "-o",
        "/dev/null",
        "-e",
        &format!("trace={calls}"),
        "-e",
        &format!("inject={calls}:signal=KILL:when={nth}"),
        AGENT,
        "serve",
    ]
    .map(str::to_owned);
    command(destination, words)
}

fn assert_strace() {
    let strace = Command::new("strace").arg("-V").output();
    assert!(
        strace.is_ok(),
        "strace is missing: ./dev test installs it, or apt-get install strace"
    );
}

/// Where trees are made that need not last: in memory, if there is such a place.
fn scratch() -> Scratch {
    let shm = Path::new("/dev/shm");
    if shm.is_dir() {
        Scratch::inside(shm)
    } else {
        Scratch::new()
    }
}

fn old(root: &Path) {
    write(root.join("same"), "same");
    write(root.join("edited"), noise(1, 6_000));
    write(root.join("replaced"), "old");
    write(root.join("dir/goes"), noise(2, 2_000));
    write(root.join("dir/stays"), "stays");
    write(root.join("moves/far/away"), noise(3, 3_000));
    write(root.join("becomes-a-directory"), noise(4, 1_500));
    write(root.join("becomes-a-file/a/b"), noise(5, 1_500));
    write(root.join("mode"), "mode");
    std::fs::create_dir_all(root.join("hollow")).unwrap();
    symlink("same", root.join("link"));
}

fn new(root: &Path) {
    write(root.join("same"), "same");
    let mut edited = noise(1, 6_000);
    edited.splice(3_000..3_100, *b"edited");
    write(root.join("edited"), edited);
    write(root.join("replaced"), "new");
    write(root.join("dir/stays"), "stays");
    write(root.join("moved/far/away"), noise(3, 3_000));
    write(root.join("becomes-a-directory/x"), noise(6, 1_500));
    write(root.join("becomes-a-file"), noise(7, 1_500));
    write(root.join("brand/new/file"), noise(8, 1_500));
    write(root.join("brand/new/twin"), noise(8, 1_500));
    write(root.join("large"), noise(9, 1_200_000));
    write(root.join("mode"), "mode");
    chmod(root.join("mode"), 0o755);
    symlink("edited", root.join("link"));
}

struct Scene {
    scratch: Scratch,
    old: PathBuf,
    new: PathBuf,
    trees: [Tree; 2],
}

fn scene() -> Scene {
    assert_strace();
    let scratch = scratch();
    let directories = [scratch.directory("old"), scratch.directory("new")];
    old(&directories[0]);
    new(&directories[1]);
    // `.release` is part of what the sources' roots look like only until it is there.
    let trees = [0, 1].map(|n| {
        source(&directories[n]);
        tree(&directories[n])
    });
    let [old, new] = directories;
    Scene {
        scratch,
        old,
        new,
        trees,
    }
}

/// Contents of all files below a directory.
fn contents(root: &Path) -> BTreeSet<Vec<u8>> {
    if !root.exists() {
        return BTreeSet::new();
    }
    let files = tree(root)
        .into_values()
        .filter_map(|facts| match facts.kind {
            Kind::File(content) => Some(content),
            _ => None,
        });
    files.collect()
}

fn files(tree: &Tree) -> BTreeMap<&Path, &[u8]> {
    let files = tree.iter().filter_map(|(path, facts)| match &facts.kind {
        Kind::File(content) => Some((path.as_path(), &content[..])),
        _ => None,
    });
    files.collect()
}

/// At the moment of death each file is the old one or the new one.
#[track_caller]
fn assert_old_or_new(at: &Tree, [old, new]: [&Tree; 2], what: &str) {
    let (at, old, new) = (files(at), files(old), files(new));
    for (path, content) in &at {
        let known = [old.get(path), new.get(path)];
        assert!(
            known.contains(&Some(content)),
            "{what}: {path:?} is neither old nor new"
        );
    }
    for path in old.keys().filter(|path| new.contains_key(*path)) {
        assert!(at.contains_key(path), "{what}: {path:?} is missing");
    }
}

/// Whatever the host had of the new release when the agent died is not sent again.
#[track_caller]
fn assert_nothing_twice(report: &HostReport, before: &BTreeSet<Vec<u8>>, new: &Tree, what: &str) {
    let lacking: BTreeSet<&[u8]> = files(new)
        .into_values()
        .filter(|content| !content.is_empty() && !before.contains(*content))
        .collect();
    let bytes: usize = lacking.iter().map(|content| content.len()).sum();
    let counts = report.counts;
    assert_eq!(
        counts.files_sent,
        lacking.len() as u64,
        "{what}: {counts:?}"
    );
    assert_eq!(
        counts.literal_bytes + counts.matched_bytes,
        bytes as u64,
        "{what}: {counts:?}"
    );
}

/// Runs `attempt` with the agent killed at the first call of each kind, the second, and so on until it
/// survives, each time on a copy of `template`, and checks what is left with `check`.
fn at_every_call(
    scratch: &Scratch,
    template: &Path,
    attempt: impl Fn(&Host) -> HostReport,
    check: impl Fn(&Host, bool, &str),
) {
    let mut deaths = 0;
    for (doing, calls) in CALLS {
        let mut nth = 1;
        loop {
            let what = format!("{doing}, call {nth}");
            let at = scratch.at("host");
            let _ = std::fs::remove_dir_all(&at);
            copy(template, &at);
            let report = attempt(&killed_at(calls, nth, &at));
            let survived = report.error.is_none();
            check(&local(&at), survived, &what);
            if survived {
                break;
            }
            deaths += 1;
            nth += 1 + if nth > EACH { nth / 8 } else { 0 };
        }
        assert!(nth > 1, "{doing}: nothing was ever killed");
    }
    assert!(deaths > 60, "only {deaths} deaths");
}

#[test]
fn of_an_update() {
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
    let [old_tree, new_tree] = &trees;
    let pushed = source(&new);
    let check = |host: &Host, _: bool, what: &str| {
        let at = &host.destination;
        assert_old_or_new(&tree(at), [old_tree, new_tree], what);
        let mut before = contents(at);
        before.extend(contents(&at.join(".release/stage")));
        before.extend(contents(&at.join(".release/undo")));
        let report = push(&pushed, vec![host.clone()], options(), 3)
            .hosts
            .remove(0);
        assert!(
            report.error.is_none() && report.proof.is_some(),
            "{what}: {report:?}"
        );
        assert_nothing_twice(&report, &before, new_tree, what);
        assert_same(new_tree, &tree(at));
        assert_tidy(at);
        let undone = undo_one(host, 4);
        assert!(undone.error.is_none(), "{what}: {undone:?}");
        assert_same(old_tree, &tree(at));
        assert_tidy(at);
    };
    let attempt = |host: &Host| {
        push(&pushed, vec![host.clone()], options(), 2)
            .hosts
            .remove(0)
    };
    at_every_call(&scratch, &template, attempt, check);
}

#[test]
fn of_going_back() {
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
    assert_ended(
        &push_one(&new, &local(&template), options(), 2),
        Outcome::Committed,
    );
    let [old_tree, new_tree] = &trees;
    let check = |host: &Host, survived: bool, what: &str| {
        let at = &host.destination;
        assert_old_or_new(&tree(at), [new_tree, old_tree], what);
        if !survived {
            let undone = undo_one(host, 4);
            assert!(undone.error.is_none(), "{what}: {undone:?}");
            assert_eq!(undone.counts.files_sent, 0, "{what}");
        }
        assert_same(old_tree, &tree(at));
        assert_tidy(at);
        // And back again, which undoes the undo.
        let again = undo_one(host, 5);
        assert!(again.error.is_none(), "{what}: {again:?}");
        assert_same(new_tree, &tree(at));
    };
    at_every_call(&scratch, &template, |host| undo_one(host, 3), check);
}

/// Going back was cut off, and then the operator rather went forward again.
#[test]
fn of_going_back_before_going_forward() {
    let Scene {
        scratch,
        old,
        new,
        trees,
    } = scene();
    let template = scratch.at("template");
    push_one(&old, &local(&template), options(), 1);
    push_one(&new, &local(&template), options(), 2);
    let pushed = source(&new);
    let [old_tree, new_tree] = &trees;
    let (doing, calls) = CALLS[0];
    for nth in [3, 6, 9, 12, 15, 18] {
        let what = format!("{doing}, call {nth}");
        let host = local(&scratch.at("host"));
        let at = &host.destination;
        let _ = std::fs::remove_dir_all(at);
        copy(&template, at);
        undo_one(&killed_at(calls, nth, at), 3);
        let report = push(&pushed, vec![host.clone()], options(), 4)
            .hosts
            .remove(0);
        assert!(report.error.is_none(), "{what}: {report:?}");
        assert_eq!(report.counts.files_sent, 0, "{what}");
        assert_same(new_tree, &tree(at));
        assert_tidy(at);
        let undone = undo_one(&host, 5);
        assert!(undone.error.is_none(), "{what}: {undone:?}");
        assert_same(old_tree, &tree(at));
    }
}

/// Nothing is kept of what was displaced, and the tree is the better for it all the same.
#[test]
fn of_an_update_that_keeps_no_undo() {
    let Scene {
        scratch,
        old,
        new,
        trees,
    } = scene();
    let template = scratch.at("template");
    // An undo of an earlier step is there, which is no way back from this one.
    write(scratch.at("oldest/file"), "oldest");
    push_one(&scratch.at("oldest"), &local(&template), options(), 1);
    push_one(&old, &local(&template), options(), 1);
    let [old_tree, new_tree] = &trees;
    let pushed = source(&new);
    let plain = || release_sync::Options {
        keep_undo: false,
        ..options()
    };
    let (doing, calls) = CALLS[0];
    for nth in 1.. {
        let what = format!("{doing}, call {nth}");
        let host = local(&scratch.at("host"));
        let at = &host.destination;
        let _ = std::fs::remove_dir_all(at);
        copy(&template, at);
        let killed = vec![killed_at(calls, nth, at)];
        let survived = push(&pushed, killed, plain(), 2).hosts[0].error.is_none();
        assert_old_or_new(&tree(at), [old_tree, new_tree], &what);
        let report = push(&pushed, vec![host.clone()], plain(), 3)
            .hosts
            .remove(0);
        assert!(report.error.is_none(), "{what}: {report:?}");
        assert_same(new_tree, &tree(at));
        assert_tidy(at);
        let undone = undo_one(&host, 4);
        assert!(
            matches!(undone.error, Some(Error::NoUndo { .. })),
            "{what}: {undone:?}"
        );
        assert_same(new_tree, &tree(at));
        if survived {
            assert!(nth > 15, "only {nth} calls");
            return;
        }
    }
}

/// A commit was cut off, and another release came: the way back is to what was before both, though some of
/// it was only in the first one's stage by then.
#[test]
fn of_an_update_before_another_release() {
    assert_strace();
    let scratch = scratch();
    let [one, two, three] = ["one", "two", "three"].map(|name| scratch.directory(name));
    write(one.join("a"), noise(1, 3_000));
    write(one.join("b/deep"), noise(2, 3_000));
    write(two.join("a"), noise(3, 3_000));
    write(two.join("b"), noise(4, 3_000));
    write(two.join("y"), noise(2, 3_000));
    write(two.join("z"), noise(1, 3_000));
    write(three.join("c"), "three");
    let template = scratch.at("template");
    push_one(&one, &local(&template), options(), 1);
    let [pushed, other] = [source(&two), source(&three)];
    let before = tree(&one);
    let (doing, calls) = CALLS[0];
    for nth in 1.. {
        let what = format!("{doing}, call {nth}");
        let host = local(&scratch.at("host"));
        let at = &host.destination;
        let _ = std::fs::remove_dir_all(at);
        copy(&template, at);
        let killed = push(&pushed, vec![killed_at(calls, nth, at)], options(), 2);
        let report = push(&other, vec![host.clone()], options(), 3)
            .hosts
            .remove(0);
        assert_ended(&report, Outcome::Committed);
        assert_tidy(at);
        if killed.hosts[0].error.is_none() {
            assert!(nth > 10, "only {nth} calls");
            return;
        }
        let back = undo_one(&host, 4);
        assert!(back.error.is_none(), "{what}: {back:?}");
        // Once the marker is written, the commit that was cut off is a step of its own.
        if back.release == Some(source(&one).release()) {
            assert_same(&before, &tree(at));
        } else {
            assert_same(&tree(&two), &tree(at));
        }
        assert_tidy(at);
    }
}
