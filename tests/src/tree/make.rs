//! The small steps that generators share.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_OMIT, utimensat};

pub(super) fn name(bytes: &[u8]) -> &OsStr {
    OsStr::from_bytes(bytes)
}

/// Writes a file, with the directories above it.
pub(super) fn file(path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> PathBuf {
    let path = path.as_ref();
    directory(path.parent().expect("a file is in a directory"));
    fs::write(path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    path.to_owned()
}

pub(super) fn directory(path: impl AsRef<Path>) -> PathBuf {
    let path = path.as_ref();
    fs::create_dir_all(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    path.to_owned()
}

pub(super) fn link(target: impl AsRef<OsStr>, path: impl AsRef<Path>) -> PathBuf {
    let path = path.as_ref();
    directory(path.parent().expect("a link is in a directory"));
    symlink(target.as_ref(), path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    path.to_owned()
}

pub(super) fn mode(path: impl AsRef<Path>, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("a mode can be set");
}

/// Owners before modes: changing an owner clears setuid and setgid.
pub(super) fn owner(path: impl AsRef<Path>, uid: u32, gid: u32) {
    let path = path.as_ref();
    if path.is_symlink() {
        lchown(path, Some(uid), Some(gid)).expect("the owner of a link can be set by root");
    } else {
        chown(path, Some(uid), Some(gid)).expect("an owner can be set by root");
    }
}

/// Sets a modification time, of a symlink itself if it is one: seconds since 1970, nanoseconds on top.
pub fn set_mtime(path: impl AsRef<Path>, seconds: i64, nanos: u32) {
    let times = Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: seconds,
            tv_nsec: nanos.into(),
        },
    };
    utimensat(CWD, path.as_ref(), &times, AtFlags::SYMLINK_NOFOLLOW).expect("a time can be set");
}

/// Deletes whatever is there, if anything is.
pub fn delete(path: impl AsRef<Path>) {
    let path = path.as_ref();
    let deleted = match fs::symlink_metadata(path) {
        Err(_) => return,
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
    };
    deleted.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// Makes the tree at `path` an exact copy of the one at `original`.
pub fn replace(path: &Path, original: &Path) {
    delete(path);
    let copied = std::process::Command::new("cp")
        .args(["-a", "--reflink=auto"])
        .args([original, path])
        .status()
        .expect("cp is there");
    assert!(copied.success(), "cp: {copied}");
}
