//! Two releases, an agent that is tampered with, and what must be true whatever happens to it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use release_sync::{Host, HostReport, Source};

use crate::common::*;

/// System calls by which the agent changes a disk, or makes a change last. Each row is killed in turn at
/// its first call, its second, and so on.
pub(crate) const CALLS: &[(&str, &str)] = &[
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

/// After so many calls one by one, only some are tried; in a soak (`RELEASE_SOAK`) every one.
fn each() -> u32 {
    match std::env::var_os("RELEASE_SOAK") {
        Some(_) => u32::MAX,
        None => 40,
    }
}

/// `strace` counts for each thread, so the first thread that comes to its `nth` call ends all.
pub(crate) fn killed_at(calls: &str, nth: u32, destination: &Path) -> Host {
    tampered(&[&format!("{calls}:signal=KILL:when={nth}")], destination)
}

/// An agent whose system calls are tampered with, as `strace --inject` says it.
pub(crate) fn tampered(injections: &[&str], destination: &Path) -> Host {
    let calls: Vec<&str> = injections
        .iter()
        .map(|injection| injection.split(':').next().unwrap())
        .collect();
    let mut words: Vec<String> = ["strace", "-f", "-qqq", "-o", "/dev/null", "-e"]
        .map(str::to_owned)
        .to_vec();
    words.push(format!("trace={}", calls.join(",")));
    for injection in injections {
        words.extend(["-e".to_owned(), format!("inject={injection}")]);
    }
    words.extend([AGENT.to_owned(), "serve".to_owned()]);
    command(destination, words)
}

pub(crate) fn assert_strace() {
    let strace = Command::new("strace").arg("-V").output();
    assert!(
        strace.is_ok(),
        "strace is missing: ./dev test installs it, or apt-get install strace"
    );
}

/// Where trees are made that need not last: in memory, if there is such a place.
pub(crate) fn scratch() -> Scratch {
    let shm = Path::new("/dev/shm");
    if shm.is_dir() {
        Scratch::inside(shm)
    } else {
        Scratch::new()
    }
}

pub(crate) fn old(root: &Path) {
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

pub(crate) fn new(root: &Path) {
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

pub(crate) struct Scene {
    pub(crate) scratch: Scratch,
    pub(crate) old: PathBuf,
    pub(crate) new: PathBuf,
    pub(crate) trees: [Tree; 2],
}

pub(crate) fn scene() -> Scene {
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

/// A host that is a copy of `template`, in place of the one before.
pub(crate) fn fresh_host(scratch: &Scratch, template: &Path) -> Host {
    let at = scratch.at("host");
    let _ = std::fs::remove_dir_all(&at);
    copy(template, &at);
    local(&at)
}

/// Pushes a source that was scanned to one host.
pub(crate) fn bring(
    pushed: &Source,
    host: &Host,
    options: release_sync::Options,
    generation: u64,
) -> HostReport {
    push(pushed, vec![host.clone()], options, generation)
        .hosts
        .remove(0)
}

/// Contents of all files below a directory.
pub(crate) fn contents(root: &Path) -> BTreeSet<Vec<u8>> {
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

pub(crate) fn files(tree: &Tree) -> BTreeMap<&Path, &[u8]> {
    let files = tree.iter().filter_map(|(path, facts)| match &facts.kind {
        Kind::File(content) => Some((path.as_path(), &content[..])),
        _ => None,
    });
    files.collect()
}

/// At the moment of death each file is the old one or the new one.
#[track_caller]
pub(crate) fn assert_old_or_new(at: &Tree, [old, new]: [&Tree; 2], what: &str) {
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
pub(crate) fn assert_nothing_twice(
    report: &HostReport,
    before: &BTreeSet<Vec<u8>>,
    new: &Tree,
    what: &str,
) {
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

/// The next run makes the host what the one that was cut off was to make it, asks for nothing that is
/// there, leaves nothing behind, and there is a way back. What that run had to say is given back.
#[track_caller]
pub(crate) fn assert_completes(
    host: &Host,
    pushed: &Source,
    [old, new]: &[Tree; 2],
    what: &str,
) -> HostReport {
    let at = &host.destination;
    let mut before = contents(at);
    before.extend(contents(&at.join(".release/stage")));
    before.extend(contents(&at.join(".release/undo")));
    let report = until_unlocked(|| bring(pushed, host, options(), 3));
    assert!(
        report.error.is_none() && report.proof.is_some(),
        "{what}: {report:?}"
    );
    assert_nothing_twice(&report, &before, new, what);
    assert_same(new, &tree(at));
    assert_tidy(at);
    let undone = undo_one(host, 4);
    assert!(undone.error.is_none(), "{what}: {undone:?}");
    assert_same(old, &tree(at));
    assert_tidy(at);
    report
}

/// Runs `attempt` with the agent killed at the first call of each kind, the second, and so on until it
/// survives, each time on a copy of `template`, and checks what is left with `check`. `always` is tampered
/// with besides.
pub(crate) fn at_every_call(
    scratch: &Scratch,
    template: &Path,
    always: &[&str],
    attempt: impl Fn(&Host) -> HostReport,
    check: impl Fn(&Host, bool, &str),
) {
    let mut deaths = 0;
    for (doing, calls) in CALLS {
        let calls: Vec<&str> = calls
            .split(',')
            .filter(|call| !always.iter().any(|other| other.starts_with(call)))
            .collect();
        let (mut nth, each) = (1, each());
        loop {
            let what = format!("{doing}, call {nth}");
            let host = fresh_host(scratch, template);
            let killed = format!("{}:signal=KILL:when={nth}", calls.join(","));
            let injections = [&[&killed[..]], always].concat();
            let report = attempt(&tampered(&injections, &host.destination));
            let survived = report.error.is_none();
            check(&host, survived, &what);
            if survived {
                break;
            }
            deaths += 1;
            nth += 1 + if nth > each { nth / 8 } else { 0 };
        }
        assert!(nth > 1, "{doing}: nothing was ever killed");
    }
    assert!(deaths > 60, "only {deaths} deaths");
}
