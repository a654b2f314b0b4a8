//! What must not be on a file system that is frozen.
//!
//! While it is frozen, whoever writes there sleeps and can't be killed. If that is us, or what the machine
//! lives on, nobody is left to thaw it. So it may hold the release and nothing else: [`facts`] are collected
//! first, and judged as a whole.

mod facts;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};

use release_core::{DeviceNumber, escape};

pub(super) use facts::collect;

/// Something that must be elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tenant {
    /// In words: "the state directory".
    pub(crate) what: &'static str,
    pub(crate) path: PathBuf,
}

impl Tenant {
    pub(crate) fn new(what: &'static str, path: impl Into<PathBuf>) -> Self {
        Self {
            what,
            path: path.into(),
        }
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.what, harmless(&self.path))
    }
}

/// Where something is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// What `stat` says.
    pub(super) device: DeviceNumber,
    /// The mount's number; known from Linux 5.8 on.
    pub(super) mount: Option<u64>,
    /// The file system's own number, where its mount is known.
    pub(super) superblock: Option<DeviceNumber>,
}

impl Place {
    /// On one file system? Each of the three shows it alone: subvolumes have numbers of their own, and a
    /// file system can be mounted twice.
    fn shares_with(&self, other: &Self) -> bool {
        let same_mount = self.mount.is_some() && self.mount == other.mount;
        let same_superblock = self.superblock.is_some() && self.superblock == other.superblock;
        self.device == other.device || same_mount || same_superblock
    }
}

/// What is known before a decision.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// The directory that is to be frozen.
    pub(super) path: PathBuf,
    pub(super) place: Place,
    /// Where its mount is, and which directory of the file system is mounted there; `None` where its mount
    /// is not known.
    pub(super) mount: Option<(PathBuf, PathBuf)>,
    /// What must be elsewhere, and where it is.
    pub(super) tenants: Vec<(Tenant, Place)>,
}

/// Why a file system is not frozen, for safety's sake.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A snapshot of it would hold more than the release, and boot would look for that at its top.
    #[error("{} is not the top of its file system{}", harmless(.path), of_mount(.mount))]
    NotTheTop {
        path: PathBuf,
        mount: Option<(PathBuf, PathBuf)>,
    },
    #[error("the file system at {} holds more than the release: {}", harmless(.path), list(.tenants))]
    Shared { path: PathBuf, tenants: Vec<Tenant> },
}

impl Facts {
    /// May it be frozen?
    pub(super) fn judge(self) -> Result<(), Refusal> {
        let (path, place) = (self.path, self.place);
        let shared = self.tenants.into_iter();
        let shared = shared.filter(|(_, other)| place.shares_with(other));
        let tenants: Vec<_> = shared.map(|(tenant, _)| tenant).collect();
        if !tenants.is_empty() {
            return Err(Refusal::Shared { path, tenants });
        }
        let is_top = |(point, root): &(PathBuf, PathBuf)| *point == path && root == Path::new("/");
        match self.mount {
            Some(mount) if is_top(&mount) => Ok(()),
            mount => Err(Refusal::NotTheTop { path, mount }),
        }
    }
}

fn list(tenants: &[Tenant]) -> String {
    let words: Vec<_> = tenants.iter().map(Tenant::to_string).collect();
    words.join(", ")
}

fn of_mount(mount: &Option<(PathBuf, PathBuf)>) -> String {
    match mount {
        None => String::new(),
        Some((point, root)) if root == Path::new("/") => {
            format!(", which is mounted at {}", harmless(point))
        }
        Some((point, root)) => {
            format!(
                ": what is mounted at {} is its {}",
                harmless(point),
                harmless(root)
            )
        }
    }
}

fn harmless(path: &Path) -> String {
    escape(path.as_os_str().as_encoded_bytes())
}
