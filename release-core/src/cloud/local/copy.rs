//! A directory and all that is in it, copied.

use std::collections::HashMap;
use std::ffi::CString;
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{
    DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, lchown, symlink,
};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Timespec, Timestamps, ioctl_ficlone, mknodat, utimensat};

/// Copies what is at `from` to `to`, which doesn't exist yet: content, modes, owners, times, symlinks, and
/// which names are of one file. Content is shared where the file system can.
///
/// Both are ours, so that nobody changes names below them meanwhile.
pub(super) fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    let mut links = HashMap::new();
    copy_entry(from, to, &mut links)
}

/// Removes a directory and all that is in it, also where its modes forbid that to whoever isn't root.
pub(super) fn remove_tree(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(path)?;
            fs::remove_dir_all(path)
        }
        outcome => outcome,
    }
}

fn open_up(directory: &Path) -> io::Result<()> {
    fs::set_permissions(directory, Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}

/// The first copy of each file that has several names, by device and inode.
type Links = HashMap<(u64, u64), PathBuf>;

fn copy_entry(from: &Path, to: &Path, links: &mut Links) -> io::Result<()> {
    let meta = fs::symlink_metadata(from)?;
    let kind = meta.file_type();
    if !kind.is_dir() && meta.nlink() > 1 {
        if let Some(first) = links.get(&(meta.dev(), meta.ino())) {
            return fs::hard_link(first, to);
        }
        links.insert((meta.dev(), meta.ino()), to.to_owned());
    }
    if kind.is_dir() {
        copy_directory(from, to, links)?;
    } else if kind.is_symlink() {
        symlink(fs::read_link(from)?, to)?;
    } else if kind.is_file() {
        copy_file(from, to)?;
    } else {
        make_node(to, &meta)?;
    }
    dress(to, &meta)
}

/// It is made so that nobody else gets in before its mode and owner are right.
fn copy_directory(from: &Path, to: &Path, links: &mut Links) -> io::Result<()> {
    fs::DirBuilder::new().mode(0o700).create(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy_entry(&entry.path(), &to.join(entry.file_name()), links)?;
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = File::open(from)?;
    let mut options = OpenOptions::new();
    let mut target = options.write(true).create_new(true).mode(0o600).open(to)?;
    if ioctl_ficlone(&target, &source).is_err() {
        io::copy(&mut source, &mut target)?;
    }
    Ok(())
}

/// A FIFO, socket or device. Only root can make the latter, and only root's trees have them.
fn make_node(to: &Path, meta: &Metadata) -> io::Result<()> {
    let path = CString::new(to.as_os_str().as_bytes())?;
    let kind = FileType::from_raw_mode(meta.mode());
    mknodat(CWD, path, kind, rustix::fs::Mode::RUSR, meta.rdev())?;
    Ok(())
}

/// Owner, mode and times, in the order in which one doesn't undo the other.
fn dress(to: &Path, meta: &Metadata) -> io::Result<()> {
    let now = fs::symlink_metadata(to)?;
    if (now.uid(), now.gid()) != (meta.uid(), meta.gid()) {
        lchown(to, Some(meta.uid()), Some(meta.gid()))?;
    }
    if !meta.file_type().is_symlink() {
        fs::set_permissions(to, Permissions::from_mode(meta.mode() & 0o7777))?;
    }
    let time = |seconds, nanos| Timespec {
        tv_sec: seconds,
        tv_nsec: nanos,
    };
    let times = Timestamps {
        last_access: time(meta.atime(), meta.atime_nsec()),
        last_modification: time(meta.mtime(), meta.mtime_nsec()),
    };
    utimensat(CWD, to, &times, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Path, mode, mtime, inode's place among the names, and content or target, of all below.
    fn list(root: &Path) -> Vec<(PathBuf, u32, i64, i64, u64, Vec<u8>)> {
        let mut found = Vec::new();
        let mut inodes = Vec::new();
        let mut queue = vec![root.to_owned()];
        while let Some(path) = queue.pop() {
            let meta = fs::symlink_metadata(&path).unwrap();
            let content = if meta.is_dir() {
                let mut below: Vec<_> = fs::read_dir(&path)
                    .unwrap()
                    .map(|e| e.unwrap().path())
                    .collect();
                below.sort();
                queue.extend(below);
                Vec::new()
            } else if meta.is_symlink() {
                fs::read_link(&path)
                    .unwrap()
                    .as_os_str()
                    .as_bytes()
                    .to_vec()
            } else if meta.is_file() {
                fs::read(&path).unwrap()
            } else {
                b"node".to_vec()
            };
            if !inodes.contains(&meta.ino()) {
                inodes.push(meta.ino());
            }
            let place = inodes
                .iter()
                .position(|inode| *inode == meta.ino())
                .unwrap() as u64;
            let relative = path.strip_prefix(root).unwrap().to_owned();
            found.push((
                relative,
                meta.mode(),
                meta.mtime(),
                meta.mtime_nsec(),
                place,
                content,
            ));
        }
        found
    }

    #[test]
    fn a_copy_is_like_its_original_and_apart_from_it() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::create_dir_all(from.join("a/b")).unwrap();
        fs::write(from.join("a/file"), b"content").unwrap();
        fs::hard_link(from.join("a/file"), from.join("link")).unwrap();
        fs::write(from.join("a/b/read-only"), vec![7; 100_000]).unwrap();
        fs::set_permissions(from.join("a/b/read-only"), Permissions::from_mode(0o4555)).unwrap();
        symlink("../nowhere", from.join("a/symlink")).unwrap();
        let fifo = from.join("fifo");
        mknodat(CWD, &fifo, FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
        fs::set_permissions(from.join("a/b"), Permissions::from_mode(0o555)).unwrap();

        copy_tree(&from, &to).unwrap();
        assert_eq!(list(&from), list(&to));
        assert_eq!(list(&to).len(), 8);
        fs::write(from.join("a/file"), b"changed").unwrap();
        assert_eq!(fs::read(to.join("a/file")).unwrap(), b"content");
        assert!(copy_tree(&from, &to).is_err(), "nothing is copied over");
    }
}
