//! Scans of real trees.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod digest;
mod owners;
mod tree;

use std::fs::File;
use std::time::{Duration, SystemTime};

use super::testing::{Tree, path};
use super::*;

/// What scan options borrow.
struct Rig {
    filter: Filter,
    progress: Progress,
    cancel: AtomicBool,
}

impl Rig {
    fn new(patterns: &[&str]) -> Self {
        let patterns: Vec<String> = patterns.iter().map(|&text| text.to_owned()).collect();
        Self {
            filter: Filter::new(&patterns).unwrap(),
            progress: Progress::default(),
            cancel: AtomicBool::new(false),
        }
    }

    fn options(&self) -> ScanOptions<'_> {
        ScanOptions {
            filter: &self.filter,
            checksum: false,
            index: None,
            written: None,
            progress: &self.progress,
            cancel: &self.cancel,
        }
    }

    fn bytes_hashed(&self) -> u64 {
        self.progress.bytes_hashed.load(Ordering::Relaxed)
    }
}

/// A scan, and how many bytes it read.
fn scan_with(tree: &Tree, patterns: &[&str], index: Option<&Index>) -> (Scan, u64) {
    let rig = Rig::new(patterns);
    let options = ScanOptions {
        index,
        ..rig.options()
    };
    let scan = scan_tree(&tree.root(), &options).unwrap();
    (scan, rig.bytes_hashed())
}

fn scan(tree: &Tree) -> Scan {
    scan_with(tree, &[], None).0
}

/// The index of a scan that begins when everything done so far is past.
fn settled_index(tree: &Tree) -> Index {
    settle_now();
    scan(tree).index()
}

fn at<'s>(scan: &'s Scan, name: &[u8]) -> &'s Found {
    let path = RelPath::parse(name).unwrap();
    scan.found.iter().find(|found| found.path == path).unwrap()
}

fn set_mtime(tree: &Tree, name: &str, since_1970: Duration) {
    let file = File::options()
        .write(true)
        .open(tree.at(name.as_bytes()))
        .unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + since_1970)
        .unwrap();
}

/// Calls `during` again and again while `meanwhile` is, too; gives what `during` gave.
fn while_running<T>(times: usize, meanwhile: impl Fn() + Sync, during: impl Fn() -> T) -> Vec<T> {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                meanwhile();
            }
        });
        let given = (0..times).map(|_| during()).collect();
        done.store(true, Ordering::Relaxed);
        given
    })
}
