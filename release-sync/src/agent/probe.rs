//! Whether a destination can be worked on, found out without working on it.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{Access, AtFlags, accessat};

use super::destination::open_tree;
use super::fault::Failure;
use super::premises;
use crate::confine::Root;
use crate::store::{self, Store};
use crate::wire::{Begin, FaultKind};

/// Says what would stop a push to this destination. `tree` is the destination, where it exists: else what
/// counts is the directory that it would be made in. Gives back where a push would write first, as far as that
/// can be told.
pub(super) fn examine(
    begin: &Begin,
    limit: Option<&Path>,
    tree: Option<&Root>,
) -> Result<Option<Root>, Failure> {
    if begin.require_mount && !is_mount(tree).map_err(unusable("looking at it"))? {
        return Err(Failure::new(FaultKind::NotMounted, ""));
    }
    let (doing, place) = match tree {
        Some(tree) => {
            premises::check(tree)?;
            let inside = private_of(tree).map_err(unusable("looking at it"))?;
            ("writing to it", Some(inside))
        }
        None => ("making it", place_of(&begin.destination, limit)),
    };
    if let Some(place) = &place {
        let wanted = Access::WRITE_OK | Access::EXEC_OK;
        let allowed = accessat(place, c".", wanted, AtFlags::empty());
        allowed.map_err(|error| unusable(doing)(error.into()))?;
    }
    Ok(place)
}

/// Where it is kept what we know of a tree, or else the tree, in which that would be made.
fn private_of(tree: &Root) -> io::Result<Root> {
    match Store::open_existing(tree.try_clone()?)? {
        Ok(store) => Ok(store.private),
        Err(_) => tree.try_clone(),
    }
}

fn is_mount(tree: Option<&Root>) -> io::Result<bool> {
    tree.map_or(Ok(false), store::is_mount)
}

/// The nearest directory above a missing one; `None` where that is none of our business, or can't be told.
fn place_of(destination: &[u8], limit: Option<&Path>) -> Option<Root> {
    let above = Path::new(OsStr::from_bytes(destination))
        .ancestors()
        .skip(1);
    let found = above
        .map(|path| open_tree(path.as_os_str().as_bytes(), limit, false))
        .find(|opened| !is_missing(opened));
    found?.ok()
}

fn is_missing(opened: &io::Result<Root>) -> bool {
    matches!(opened, Err(error) if error.kind() == io::ErrorKind::NotFound)
}

fn unusable(doing: &'static str) -> impl Fn(io::Error) -> Failure {
    move |error| Failure::io(FaultKind::Destination, doing, &error)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_missing_destination_is_judged_by_what_it_would_be_made_in() {
        let folder = tempfile::tempdir().unwrap();
        let within = |name: &str| folder.path().join(name).into_os_string();
        std::fs::create_dir(within("a")).unwrap();
        std::fs::write(within("file"), "").unwrap();
        let found = |name: &str, limit: Option<&str>| {
            let limit = limit.map(within);
            let place = place_of(within(name).as_bytes(), limit.as_deref().map(Path::new));
            let link = |place: Root| {
                use std::os::fd::{AsFd, AsRawFd};
                let fd = place.as_fd().as_raw_fd();
                std::fs::read_link(format!("/proc/self/fd/{fd}")).unwrap()
            };
            place.map(link)
        };
        let a = Some(folder.path().join("a"));
        assert_eq!(found("a/b", None), a);
        assert_eq!(found("a/b/c/d", None), a);
        assert_eq!(found("a/b/c", Some("a")), a);
        assert_eq!(found("a/b/c", Some("a/b")), None, "not below the root");
        assert_eq!(found("file/a", None), None, "not in a directory");
    }
}
