//! What a tree is, entry by entry, read without any of the engine's code.

use std::collections::BTreeMap;
use std::ffi::{CStr, OsString};
use std::fs::File;
use std::hash::{DefaultHasher, Hasher};
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, openat, readlinkat, statat};

/// Entries at a tree's root that belong to no release.
const NOT_OURS: [&[u8]; 2] = [b".release", b"lost+found"];

/// All entries of a tree by path; the root is the empty path.
///
/// The walk goes down by directory descriptors, so paths may be longer than the kernel takes at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot(BTreeMap<Vec<u8>, Facts>);

/// What a release promises about one entry, and the room that it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Facts {
    kind: Kind,
    mode: u32,
    owner: (u32, u32),
    mtime: (i64, u64),
    /// Allocated units of 512 bytes; not part of what makes entries equal.
    blocks: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    File { size: u64, content: u64 },
    Directory,
    Symlink(OsString),
    Other(u32),
}

impl Snapshot {
    /// Reads the tree at `root`, or nothing if there is no such thing. A root that is no directory is
    /// one entry. A symlink at the root is followed; no other is.
    pub fn of(root: &Path) -> Self {
        let mut entries = BTreeMap::new();
        let Ok(stat) = statat(CWD, root, AtFlags::empty()) else {
            return Self(entries);
        };
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            entries.insert(Vec::new(), Facts::new(Kind::Directory, &stat));
            let directory = open(CWD, root, OFlags::DIRECTORY)
                .unwrap_or_else(fail(root.as_os_str().as_bytes()));
            walk(&directory, &[], &mut entries);
        } else {
            entries.insert(Vec::new(), Facts::read(CWD, root, &stat));
        }
        Self(entries)
    }

    /// How many entries there are, the root counted.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Is there nothing at all, not even a root?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many files there are.
    pub fn files(&self) -> usize {
        self.sizes().count()
    }

    /// The files' sizes, summed up.
    pub fn bytes(&self) -> u64 {
        self.sizes().sum()
    }

    fn sizes(&self) -> impl Iterator<Item = u64> {
        self.0.values().filter_map(|facts| match facts.kind {
            Kind::File { size, .. } => Some(size),
            _ => None,
        })
    }

    /// One line for each thing about `other` that is not as it is here.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        for (path, ours) in &self.0 {
            match other.0.get(path) {
                None => lines.push(format!("`{}` is missing", path.escape_ascii())),
                Some(theirs) => ours.compare(theirs, path, &mut lines),
            }
        }
        for path in other.0.keys().filter(|path| !self.0.contains_key(*path)) {
            lines.push(format!("`{}` should not be there", path.escape_ascii()));
        }
        lines
    }

    /// How many entries are not of the same kind, or not of the same content, times and modes aside.
    pub fn content_differences(&self, other: &Self) -> usize {
        let kind = |of: &Self, path: &Vec<u8>| of.0.get(path).map(|facts| facts.kind.clone());
        let paths = self
            .0
            .keys()
            .chain(other.0.keys().filter(|path| !self.0.contains_key(*path)));
        paths
            .filter(|path| kind(self, path) != kind(other, path))
            .count()
    }

    /// One line for each file of `other` that takes clearly more room than it does here: holes that
    /// were filled.
    pub fn filled_holes(&self, other: &Self) -> Vec<String> {
        // File systems differ in how they round, and preallocate, by less than this.
        const SLACK: u64 = 128 << 10;
        let room = |facts: &Facts| facts.blocks * 512;
        (self.0.iter())
            .filter_map(|(path, ours)| Some((path, room(ours), room(other.0.get(path)?))))
            .filter(|(_, ours, theirs)| *theirs > ours + SLACK)
            .map(|(path, ours, theirs)| {
                format!(
                    "`{}` takes {theirs} bytes on disk instead of {ours}",
                    path.escape_ascii()
                )
            })
            .collect()
    }
}

impl Facts {
    fn new(kind: Kind, stat: &Stat) -> Self {
        Self {
            kind,
            mode: stat.st_mode & 0o7777,
            owner: (stat.st_uid, stat.st_gid),
            mtime: (stat.st_mtime, stat.st_mtime_nsec),
            blocks: stat.st_blocks.unsigned_abs(),
        }
    }

    /// The facts of something that is not a directory.
    fn read(at: impl AsFd, name: &Path, stat: &Stat) -> Self {
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Kind::File {
                size: stat.st_size.unsigned_abs(),
                content: open(at, name, OFlags::NOFOLLOW)
                    .map(|fd| digest(File::from(fd)))
                    .unwrap_or_else(fail(name.as_os_str().as_bytes())),
            },
            FileType::Symlink => {
                let target = readlinkat(at, name, Vec::new())
                    .unwrap_or_else(fail(name.as_os_str().as_bytes()));
                Kind::Symlink(OsString::from_vec(target.into_bytes()))
            }
            other => Kind::Other(other.as_raw_mode()),
        };
        Self::new(kind, stat)
    }

    fn compare(&self, other: &Self, path: &[u8], lines: &mut Vec<String>) {
        let mut differ = |what: &str, ours: String, theirs: String| {
            if ours != theirs {
                let path = path.escape_ascii();
                lines.push(format!("`{path}`: {what} is {theirs} instead of {ours}"));
            }
        };
        let octal = |mode| format!("{mode:04o}");
        let debug = |value: &dyn std::fmt::Debug| format!("{value:?}");
        differ("it", debug(&self.kind), debug(&other.kind));
        // Linux gives every symlink the mode 0777.
        differ("mode", octal(self.mode), octal(other.mode));
        differ("owner", debug(&self.owner), debug(&other.owner));
        differ("mtime", debug(&self.mtime), debug(&other.mtime));
    }
}

fn walk(directory: &OwnedFd, prefix: &[u8], entries: &mut BTreeMap<Vec<u8>, Facts>) {
    for entry in Dir::read_from(directory).unwrap_or_else(fail(prefix)) {
        let entry = entry.unwrap_or_else(fail(prefix));
        let name = entry.file_name();
        let bytes = name.to_bytes();
        if matches!(bytes, b"." | b"..") || prefix.is_empty() && NOT_OURS.contains(&bytes) {
            continue;
        }
        let path = if prefix.is_empty() {
            bytes.to_vec()
        } else {
            [prefix, b"/", bytes].concat()
        };
        let facts = visit(directory, name, &path, entries);
        entries.insert(path, facts);
    }
}

fn visit(
    directory: &OwnedFd,
    name: &CStr,
    path: &[u8],
    entries: &mut BTreeMap<Vec<u8>, Facts>,
) -> Facts {
    let stat = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).unwrap_or_else(fail(path));
    if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let below = open(directory, name, flags).unwrap_or_else(fail(path));
        walk(&below, path, entries);
        Facts::new(Kind::Directory, &stat)
    } else {
        let name = PathBuf::from(OsString::from_vec(name.to_bytes().to_vec()));
        Facts::read(directory, &name, &stat)
    }
}

fn open(at: impl AsFd, name: impl rustix::path::Arg, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    openat(
        at,
        name,
        OFlags::RDONLY | OFlags::CLOEXEC | flags,
        Mode::empty(),
    )
}

/// 64 bits are enough between parties that don't cheat, and it is not the engine's digest.
fn digest(mut file: File) -> u64 {
    let mut hasher = DefaultHasher::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read(&mut buffer).expect("a file of a tree is read") {
            0 => return hasher.finish(),
            length => hasher.write(&buffer[..length]),
        }
    }
}

fn fail<T, E: std::fmt::Display>(path: impl AsRef<[u8]>) -> impl FnOnce(E) -> T {
    move |error| panic!("`{}` can't be read: {error}", path.as_ref().escape_ascii())
}
