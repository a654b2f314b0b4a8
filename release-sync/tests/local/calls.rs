//! How many system calls an agent makes: what a run costs, told without a clock.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use release_sync::{Host, Outcome};

use crate::common::*;

const FILES: u64 = 600;
const DIRECTORIES: u64 = 20;
/// Calls that a run makes once, whatever the tree is like.
const ONCE: u64 = 60;

fn release(root: &Path, seed: u64) {
    for number in 0..FILES {
        let directory = root.join(format!("{}", number % DIRECTORIES));
        write(
            directory.join(format!("{number}")),
            noise(seed + number, 500),
        );
    }
}

/// An agent whose calls are counted in a file.
fn counted(at: &Path, counts: &Path) -> Host {
    // What a file is made with depends on the umask; and cargo's library path makes the loader search.
    let script = format!(
        "umask 022; unset LD_LIBRARY_PATH; exec strace -f -qq -c -o '{}' '{AGENT}' serve",
        counts.display()
    );
    command(at, ["sh".to_owned(), "-c".to_owned(), script])
}

/// Calls by name, from the table that `strace -c` writes.
fn calls(counts: &Path) -> BTreeMap<String, u64> {
    let table = std::fs::read_to_string(counts).unwrap();
    let lines = table.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let calls = words.get(3)?.parse().ok()?;
        Some(((*words.last()?).to_owned(), calls))
    });
    lines.filter(|(name, _)| name != "total").collect()
}

/// No call is made more often than it says.
#[track_caller]
fn assert_at_most(counts: &Path, limits: &[(&[&str], u64)]) {
    let calls = calls(counts);
    assert!(calls.len() > 5, "{calls:?}");
    for (names, limit) in limits {
        let made: u64 = names.iter().filter_map(|name| calls.get(*name)).sum();
        assert!(
            made <= *limit + ONCE,
            "{names:?}: {made} > {limit}: {calls:?}"
        );
    }
}

#[test]
fn a_new_file_costs_a_handful_and_an_old_one_a_look() {
    let scratch = Scratch::new();
    let [from, at] = ["source", "host"].map(|name| scratch.directory(name));
    let counts = scratch.at("counts");
    let host = counted(&at, &counts);
    release(&from, 1);
    let entries = FILES + DIRECTORIES;
    assert_ended(&push_one(&from, &host, options(), 1), Outcome::Committed);
    assert_at_most(
        &counts,
        &[
            // Made, looked at, written, dated; and looked at once more where it is to stay.
            (&["openat", "openat2"], FILES + 8 * DIRECTORIES),
            (&["fstat", "newfstatat"], FILES + 2 * DIRECTORIES),
            (&["pwrite64"], FILES),
            (&["utimensat"], entries),
            (&["statx"], entries),
            (&["fchmod", "fchown"], 2 * DIRECTORIES),
            (&["ftruncate", "renameat", "linkat"], DIRECTORIES),
            (&["mkdirat", "getdents64"], 4 * DIRECTORIES),
        ],
    );
    assert_ended(&push_one(&from, &host, options(), 2), Outcome::Unchanged);
    assert_at_most(
        &counts,
        &[
            (&["statx"], entries),
            (&["openat", "openat2"], DIRECTORIES),
            (&["getdents64"], 2 * DIRECTORIES),
            (&["read", "pread64", "fstat", "newfstatat"], 0),
            (&["pwrite64", "utimensat", "fchmod", "renameat"], 0),
        ],
    );
    // Each file gives way to another: kept by a second name, and replaced.
    release(&from, 10_000);
    assert_ended(&push_one(&from, &host, options(), 3), Outcome::Committed);
    assert_at_most(
        &counts,
        &[
            (&["renameat"], FILES),
            (&["linkat"], FILES),
            (&["statx"], 2 * entries),
            (&["openat", "openat2"], FILES + 14 * DIRECTORIES),
            (&["fchmod", "fchown"], 2 * DIRECTORIES),
            (&["unlinkat"], 2 * DIRECTORIES),
        ],
    );
}

/// What sshd can't put into the pipe it keeps in a buffer that grows by copying.
#[test]
fn an_agent_makes_room_for_much_at_a_time() {
    let mut agent = Command::new(AGENT)
        .arg("serve")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let input = agent.stdin.take().unwrap();
    // The greeting: it has begun.
    let greeted = agent.stdout.take().unwrap().read(&mut [0; 64]).unwrap();
    let room = rustix::pipe::fcntl_getpipe_size(&input).unwrap();
    drop(input);
    assert!(agent.wait().unwrap().success());
    assert!(greeted > 0);
    // An administrator may have set a limit.
    let ours = rustix::pipe::pipe().unwrap().0;
    let most = rustix::pipe::fcntl_setpipe_size(&ours, 1 << 20);
    assert_eq!(
        room,
        most.unwrap_or_else(|_| rustix::pipe::fcntl_getpipe_size(&ours).unwrap())
    );
}
