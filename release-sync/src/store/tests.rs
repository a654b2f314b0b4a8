//! What a store does on a real disk.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod entries;
mod records;
mod write;

use release_core::{Digest, Entry, Kind, Manifest, Meta, Principal, Timestamp};

use crate::scan::testing::{Tree, path};

use super::*;

fn meta(mode: u16) -> Meta {
    Meta {
        mode,
        user: 0,
        group: 0,
        mtime: Timestamp {
            seconds: 1_000_000_000,
            nanos: 5,
        },
    }
}

fn file(name: &str, content: &[u8]) -> Entry {
    Entry {
        path: path(name),
        meta: meta(0o644),
        kind: Kind::File {
            size: content.len() as u64,
            digest: Digest::of(content),
        },
    }
}

fn directory(name: &str) -> Entry {
    Entry {
        path: path(name),
        meta: meta(0o755),
        kind: Kind::Directory,
    }
}

fn link(name: &str, target: &str) -> Entry {
    Entry {
        path: path(name),
        meta: meta(0),
        kind: Kind::Symlink {
            target: target.as_bytes().into(),
        },
    }
}

fn manifest(mut entries: Vec<Entry>) -> Manifest {
    entries.push(directory(""));
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    let root = vec![Principal { id: 0, name: None }];
    Manifest::new(root.clone(), root, entries).unwrap()
}

fn store(tree: &Tree) -> Store {
    Store::open(tree.root()).unwrap()
}

/// Runs something as a user who is not root and owns what is in `tree`.
fn as_nobody(tree: &Tree, run: impl FnOnce() + Send) {
    const NOBODY: u32 = 65_534;
    let thread = move || {
        if rustix::process::geteuid().is_root() {
            // These are the thread's own, not the process's.
            rustix::thread::set_thread_gid(rustix::fs::Gid::from_raw(NOBODY)).unwrap();
            rustix::thread::set_thread_uid(rustix::fs::Uid::from_raw(NOBODY)).unwrap();
        }
        run();
    };
    if rustix::process::geteuid().is_root() {
        let owner = format!("{NOBODY}:{NOBODY}");
        let status = std::process::Command::new("chown")
            .args(["-hR", &owner])
            .arg(tree.path())
            .status();
        assert!(status.unwrap().success());
    }
    std::thread::scope(|scope| scope.spawn(thread).join().unwrap());
}
