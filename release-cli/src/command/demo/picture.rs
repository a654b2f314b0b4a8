//! What a tree is, found out by plain reading, and owing nothing to the engine that is judged by it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Every entry of a tree, the root included, and without the engine's own `.release`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Picture(BTreeMap<PathBuf, Item>);

#[derive(Debug, PartialEq, Eq)]
struct Item {
    what: What,
    mode: u32,
    mtime: (i64, i64),
}

#[derive(Debug, PartialEq, Eq)]
enum What {
    Directory,
    File(Vec<u8>),
    Link(OsString),
    Other,
}

impl Picture {
    pub(super) fn take(root: &Path) -> io::Result<Self> {
        let mut items = BTreeMap::new();
        let mut directories = vec![PathBuf::new()];
        items.insert(PathBuf::new(), Item::of(root)?);
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(root.join(&directory))? {
                let name = directory.join(entry?.file_name());
                if name == Path::new(".release") {
                    continue;
                }
                let item = Item::of(&root.join(&name))?;
                if item.what == What::Directory {
                    directories.push(name.clone());
                }
                items.insert(name, item);
            }
        }
        Ok(Self(items))
    }

    /// Bytes of all files.
    pub(super) fn bytes(&self) -> u64 {
        let files = self.0.values().map(|item| match &item.what {
            What::File(content) => content.len() as u64,
            _ => 0,
        });
        files.sum()
    }

    /// In words, where `found` is not what this is.
    pub(super) fn first_difference(&self, found: &Self) -> Option<String> {
        for (path, item) in &self.0 {
            let path_text = path.display();
            match found.0.get(path) {
                None => return Some(format!("`{path_text}` is missing")),
                Some(found) if found.what != item.what => {
                    return Some(format!("`{path_text}` has another content"));
                }
                Some(found) if found != item => {
                    return Some(format!("`{path_text}` has another mode or time"));
                }
                Some(_) => {}
            }
        }
        let extra = found.0.keys().find(|path| !self.0.contains_key(*path))?;
        Some(format!("`{}` should not be there", extra.display()))
    }
}

impl Item {
    fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::symlink_metadata(path)?;
        Ok(Self {
            what: What::of(path, &metadata)?,
            mode: metadata.mode(),
            mtime: (metadata.mtime(), metadata.mtime_nsec()),
        })
    }
}

impl What {
    fn of(path: &Path, metadata: &Metadata) -> io::Result<Self> {
        let kind = metadata.file_type();
        Ok(if kind.is_dir() {
            Self::Directory
        } else if kind.is_file() {
            Self::File(fs::read(path)?)
        } else if kind.is_symlink() {
            Self::Link(fs::read_link(path)?.into_os_string())
        } else {
            Self::Other
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::process::Command;

    use super::*;

    fn pair() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        fs::create_dir_all(a.join("empty")).unwrap();
        fs::create_dir_all(a.join(".release")).unwrap();
        fs::write(a.join("file"), "content").unwrap();
        symlink("file", a.join("link")).unwrap();
        let copied = Command::new("cp").arg("-a").args([&a, &b]).status();
        assert!(copied.unwrap().success());
        (folder, a, b)
    }

    fn difference(a: &Path, b: &Path) -> Option<String> {
        let (a, b) = (Picture::take(a).unwrap(), Picture::take(b).unwrap());
        a.first_difference(&b)
    }

    #[test]
    fn a_copy_is_equal_whatever_the_engine_keeps_beside() {
        let (_folder, a, b) = pair();
        fs::write(b.join(".release/marker"), "x").unwrap();
        assert_eq!(difference(&a, &b), None);
        assert_eq!(Picture::take(&a).unwrap().bytes(), 7);
    }

    #[test]
    fn each_difference_is_seen() {
        type Change = (&'static str, fn(&Path));
        let changes: [Change; 6] = [
            ("`file` is missing", |b| {
                fs::remove_file(b.join("file")).unwrap()
            }),
            ("`file` has another content", |b| {
                let time = fs::metadata(b.join("file")).unwrap().modified().unwrap();
                fs::write(b.join("file"), "CONTENT").unwrap();
                let file = fs::File::options()
                    .write(true)
                    .open(b.join("file"))
                    .unwrap();
                file.set_modified(time).unwrap();
            }),
            ("`file` has another mode or time", |b| {
                let mode = fs::Permissions::from_mode(0o600);
                fs::set_permissions(b.join("file"), mode).unwrap();
            }),
            ("`link` has another content", |b| {
                fs::remove_file(b.join("link")).unwrap();
                symlink("elsewhere", b.join("link")).unwrap();
            }),
            ("`empty` has another content", |b| {
                fs::remove_dir(b.join("empty")).unwrap();
                fs::write(b.join("empty"), "").unwrap();
            }),
            ("`empty/new` should not be there", |b| {
                let time = fs::metadata(b.join("empty")).unwrap().modified().unwrap();
                fs::write(b.join("empty/new"), "").unwrap();
                fs::File::open(b.join("empty"))
                    .unwrap()
                    .set_modified(time)
                    .unwrap();
            }),
        ];
        for (expected, change) in changes {
            let (_folder, a, b) = pair();
            let root_time = fs::metadata(&b).unwrap().modified().unwrap();
            change(&b);
            fs::File::open(&b).unwrap().set_modified(root_time).unwrap();
            assert_eq!(difference(&a, &b).as_deref(), Some(expected));
        }
    }
}
