//! A tree to be scanned in a test.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use release_core::RelPath;
use rustix::fs::{CWD, FileType, Mode, OFlags};

use crate::confine::Root;

/// A directory that goes when it is dropped, whatever is in it.
pub(crate) struct Tree {
    path: PathBuf,
}

impl Tree {
    pub(crate) fn new() -> Self {
        Self {
            path: tempfile::tempdir().unwrap().keep(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn at(&self, path: &[u8]) -> PathBuf {
        self.path.join(OsStr::from_bytes(path))
    }

    pub(crate) fn root(&self) -> Root {
        Root::open(&self.path).unwrap()
    }

    /// Makes a file, with the directories that it needs.
    pub(crate) fn write(&self, path: &[u8], content: impl AsRef<[u8]>) {
        let file = self.at(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, content).unwrap();
    }

    pub(crate) fn fifo(&self, path: &[u8]) {
        let mode = Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(CWD, self.at(path), FileType::Fifo, mode, 0).unwrap();
    }

    /// Makes directories of one name, each in the one before, and gives the path of the last.
    pub(crate) fn deep(&self, name: &[u8], depth: usize) -> Vec<u8> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let mut holder = rustix::fs::open(&self.path, flags, Mode::empty()).unwrap();
        for _ in 0..depth {
            rustix::fs::mkdirat(&holder, name, Mode::from_raw_mode(0o755)).unwrap();
            holder = rustix::fs::openat(&holder, name, flags, Mode::empty()).unwrap();
        }
        vec![name; depth].join(&b'/')
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // The standard library's way holds a descriptor for each level.
        let removed = Command::new("rm").arg("-rf").arg(&self.path).status();
        assert!(removed.is_ok_and(|status| status.success()));
    }
}

pub(crate) fn path(text: &str) -> RelPath {
    RelPath::parse(text.as_bytes()).unwrap()
}
