//! Removing whole directories, without recursion on the stack and without a way out.

use std::io;

use release_core::RelPath;
use rustix::fs::{AtFlags, Dir, FileType};
use rustix::io::Errno;

use super::attributes;
use crate::confine::Root;

/// Removes a directory with everything in it. One that is not there is removed already.
pub(crate) fn remove_tree(root: &Root, path: &RelPath) -> io::Result<()> {
    let mut stack = vec![path.clone()];
    while let Some(directory) = stack.last() {
        let inside = match empty_files(root, directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            other => other?,
        };
        if !inside.is_empty() {
            stack.extend(inside);
            continue;
        }
        let (parent, name) = root.parent(directory)?;
        match rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        stack.pop();
    }
    Ok(())
}

/// Unlinks everything in a directory that is none itself, and gives back what is.
fn empty_files(root: &Root, path: &RelPath) -> io::Result<Vec<RelPath>> {
    let directory = match root.directory(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let (parent, name) = root.parent(path)?;
            attributes::open_up(&parent, name)?;
            root.directory(path)?
        }
        other => other?,
    };
    let mut inside = Vec::new();
    for entry in Dir::read_from(&directory)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if matches!(name, b"." | b"..") {
            continue;
        }
        let is_directory = match entry.file_type() {
            FileType::Directory => true,
            FileType::Unknown => {
                let found = rustix::fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
                FileType::from_raw_mode(found.st_mode) == FileType::Directory
            }
            _ => false,
        };
        if is_directory {
            inside.push(path.join(name).map_err(io::Error::other)?);
            continue;
        }
        match rustix::fs::unlinkat(&directory, name, AtFlags::empty()) {
            Err(Errno::ACCESS) => {
                let (parent, own) = root.parent(path)?;
                attributes::open_up(&parent, own)?;
                rustix::fs::unlinkat(&directory, name, AtFlags::empty())?;
            }
            other => other?,
        }
    }
    Ok(inside)
}
