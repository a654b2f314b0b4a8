//! Removing whole directories, without recursion on the stack and without a way out.

use std::io;
use std::os::fd::OwnedFd;

use release_core::RelPath;
use rustix::fs::{AtFlags, Dir, FileType, Mode};
use rustix::io::Errno;

use super::attributes;
use crate::confine::Root;

/// Removes a directory with everything in it. One that is not there is removed already.
pub(crate) fn remove_tree(root: &Root, path: &RelPath) -> io::Result<()> {
    let mut stack = vec![path.clone()];
    while let Some(directory) = stack.last() {
        let inside = match empty_files(root, directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                stack.pop();
                continue;
            }
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
    let directory = open_for_good(root, path)?;
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
        rustix::fs::unlinkat(&directory, name, AtFlags::empty())?;
        root.effort().add(1);
    }
    Ok(inside)
}

/// Opens a directory whose owner may then read it and remove what is in it, whatever its mode was.
fn open_for_good(root: &Root, path: &RelPath) -> io::Result<OwnedFd> {
    let directory = match root.directory(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let (parent, name) = root.parent(path)?;
            attributes::change_mode(&parent, name, 0o700)?;
            return root.directory(path);
        }
        other => other?,
    };
    if rustix::fs::fstat(&directory)?.st_mode & 0o700 != 0o700 {
        rustix::fs::fchmod(&directory, Mode::RWXU)?;
    }
    Ok(directory)
}
