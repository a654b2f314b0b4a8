//! A directory that nothing below it leads out of.
//!
//! A tree belongs to people who may change it while we work in it. So nothing below its root is ever
//! opened by a path that the kernel would resolve freely: every path starts at the root's descriptor,
//! and a component that is a symbolic link, or became one a moment ago, is an error. `openat2(2)` does
//! this in one call; on kernels before 5.6, and in sandboxes that forbid it, each component is opened
//! by itself, without following links.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use release_core::RelPath;
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, retry_on_intr};

use crate::effort::Effort;

/// Longest path that the kernel takes in one call, without the NUL at its end.
const LONGEST_PATH: usize = 4095;

/// The root of a tree, and the only way to what is below it.
#[derive(Debug)]
pub(crate) struct Root {
    fd: OwnedFd,
    path: PathBuf,
    /// Whether this kernel has `openat2`.
    has_openat2: bool,
    /// Whether we may read without touching access times: not until told otherwise.
    may_hide_reads: AtomicBool,
    /// What is done below it.
    effort: Effort,
}

impl Root {
    /// Opens a directory. The path itself may be, or lead through, a symbolic link: it is resolved
    /// here, once.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = retry_on_intr(|| rustix::fs::openat(CWD, path, flags, Mode::empty()))?;
        Ok(Self::from_fd(fd, path.to_owned()))
    }

    /// Takes a directory that is open for reading. `path` is for messages only.
    pub(crate) fn from_fd(fd: OwnedFd, path: PathBuf) -> Self {
        let has_openat2 = openat2(fd.as_fd(), b".", OFlags::PATH).is_ok();
        Self {
            fd,
            path,
            has_openat2,
            may_hide_reads: AtomicBool::new(true),
            effort: Effort::default(),
        }
    }

    /// Takes a directory that is somewhere below this one, as a root of its own.
    pub(crate) fn below(&self, fd: OwnedFd, path: PathBuf) -> Self {
        Self::from_fd(fd, path).counted_by(&self.effort)
    }

    /// Counts what is done below it together with what is counted there already.
    pub(crate) fn counted_by(self, effort: &Effort) -> Self {
        let effort = effort.clone();
        Self { effort, ..self }
    }

    /// What is done below it: each thing that is opened counts, and whatever is added here.
    pub(crate) fn effort(&self) -> &Effort {
        &self.effort
    }

    /// Another handle on the same directory.
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            fd: self.fd.try_clone()?,
            path: self.path.clone(),
            has_openat2: self.has_openat2,
            may_hide_reads: AtomicBool::new(self.may_hide_reads.load(Ordering::Relaxed)),
            effort: self.effort.clone(),
        })
    }

    /// Where the root was found, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a directory for reading.
    ///
    /// # Errors
    /// Those of `openat2(2)`; `ELOOP` or `ENOTDIR` where a component is a symbolic link.
    pub(crate) fn directory(&self, path: &RelPath) -> io::Result<OwnedFd> {
        self.directory_at(path.as_bytes())
    }

    /// Opens a regular file for reading.
    ///
    /// # Errors
    /// As [`Root::directory`]; [`io::ErrorKind::InvalidInput`] for whatever is not a regular file. It
    /// does not wait for a fifo's other end.
    pub(crate) fn file(&self, path: &RelPath) -> io::Result<File> {
        self.regular(|flags| self.walk(path.as_bytes(), flags))
    }

    /// Opens the directory that holds an entry, and tells the entry's name in it.
    ///
    /// # Errors
    /// As [`Root::directory`]; [`io::ErrorKind::InvalidInput`] for the root, which has no name.
    pub(crate) fn parent<'p>(&self, path: &'p RelPath) -> io::Result<(OwnedFd, &'p [u8])> {
        if path.is_root() {
            return Err(Errno::INVAL.into());
        }
        Ok((self.directory_at(path.parent_bytes())?, path.name()))
    }

    fn directory_at(&self, path: &[u8]) -> io::Result<OwnedFd> {
        Ok(self.walk(path, OFlags::RDONLY | OFlags::DIRECTORY)?)
    }

    /// Opens what is at `path`: in one step where that can be, else by as many components at a time
    /// as can be.
    fn walk(&self, path: &[u8], flags: OFlags) -> rustix::io::Result<OwnedFd> {
        self.effort.add(1);
        let mut holder: Option<OwnedFd> = None;
        let mut rest = path;
        loop {
            let base = holder.as_ref().unwrap_or(&self.fd).as_fd();
            let (head, tail) = self.first_step(rest);
            let Some(tail) = tail else {
                return self.step(base, head, flags);
            };
            let next = self.step(base, head, OFlags::PATH | OFlags::DIRECTORY)?;
            holder = Some(next);
            rest = tail;
        }
    }

    /// What of a path is opened at once, and what is left then.
    fn first_step<'p>(&self, path: &'p [u8]) -> (&'p [u8], Option<&'p [u8]>) {
        let border = if !self.has_openat2 {
            path.iter().position(|&byte| byte == b'/')
        } else if path.len() > LONGEST_PATH {
            path[..=LONGEST_PATH].iter().rposition(|&byte| byte == b'/')
        } else {
            None
        };
        match border {
            Some(at) => (&path[..at], Some(&path[at + 1..])),
            None if path.is_empty() => (b".", None),
            None => (path, None),
        }
    }

    fn step(
        &self,
        base: BorrowedFd<'_>,
        path: &[u8],
        flags: OFlags,
    ) -> rustix::io::Result<OwnedFd> {
        if self.has_openat2 {
            openat2(base, path, flags)
        } else {
            open_name(base, path, flags)
        }
    }

    /// Opens something with flags that are safe for whatever it may be, and sees to it that it is a
    /// regular file.
    fn regular(&self, open: impl Fn(OFlags) -> rustix::io::Result<OwnedFd>) -> io::Result<File> {
        // A fifo without a writer would block, a terminal could become ours.
        let plain = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let fd = if self.may_hide_reads.load(Ordering::Relaxed) {
            match open(plain | OFlags::NOATIME) {
                // Only a file's owner may read it without a trace.
                Err(Errno::PERM) => {
                    self.may_hide_reads.store(false, Ordering::Relaxed);
                    open(plain)?
                }
                opened => opened?,
            }
        } else {
            open(plain)?
        };
        let mode = rustix::fs::fstat(&fd)?.st_mode;
        if FileType::from_raw_mode(mode) != FileType::RegularFile {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a regular file",
            ));
        }
        Ok(File::from(fd))
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn openat2(base: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    retry_on_intr(|| rustix::fs::openat2(base, path, flags, Mode::empty(), resolve))
}

/// Opens one name in a directory.
fn open_name(base: BorrowedFd<'_>, name: &[u8], flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    retry_on_intr(|| rustix::fs::openat(base, name, flags, Mode::empty()))
}

/// Keeps the directory of the last entry open: paths in the order of a manifest mostly share it.
///
/// The directory stays the one that was opened. Whoever replaces directories of the tree forgets it
/// first.
#[derive(Debug, Default)]
pub(crate) struct ParentCache {
    open: Option<(Box<[u8]>, OwnedFd)>,
}

impl ParentCache {
    /// As [`Root::parent`].
    pub(crate) fn parent<'p>(
        &mut self,
        root: &Root,
        path: &'p RelPath,
    ) -> io::Result<(BorrowedFd<'_>, &'p [u8])> {
        if path.is_root() {
            return Err(Errno::INVAL.into());
        }
        root.effort.add(1);
        let wanted = path.parent_bytes();
        let open = match self.open.take() {
            Some(open) if *open.0 == *wanted => open,
            _ => (wanted.into(), root.directory_at(wanted)?),
        };
        let open = self.open.insert(open);
        Ok((open.1.as_fd(), path.name()))
    }

    /// As [`Root::file`].
    pub(crate) fn file(&mut self, root: &Root, path: &RelPath) -> io::Result<File> {
        let (directory, name) = self.parent(root, path)?;
        root.regular(|flags| open_name(directory, name, flags))
    }

    /// Closes the directory.
    pub(crate) fn forget(&mut self) {
        self.open = None;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use std::io::Read;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::scan::testing::{Tree, path};

    /// The root with `openat2`, and as on a kernel without it.
    fn both_ways(tree: &Tree) -> [Root; 2] {
        let mut old = tree.root();
        assert!(old.has_openat2, "the kernel that tests run on has openat2");
        old.has_openat2 = false;
        [tree.root(), old]
    }

    fn content(file: io::Result<File>) -> io::Result<String> {
        let mut text = String::new();
        file?.read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn what_is_inside_opens() {
        let tree = Tree::new();
        tree.write(b"a/b/file", "inside");
        symlink(tree.path(), tree.path().with_extension("link")).unwrap();
        let through_a_link = Root::open(&tree.path().with_extension("link")).unwrap();
        for root in both_ways(&tree).iter().chain([&through_a_link]) {
            assert_eq!(content(root.file(&path("a/b/file"))).unwrap(), "inside");
            root.directory(&path("a/b")).unwrap();
            root.directory(&RelPath::root()).unwrap();
            let file = path("a/b/file");
            let (parent, name) = root.parent(&file).unwrap();
            assert_eq!(name, b"file");
            rustix::fs::statat(&parent, name, rustix::fs::AtFlags::empty()).unwrap();
            let mut cache = ParentCache::default();
            for _ in 0..2 {
                assert_eq!(content(cache.file(root, &file)).unwrap(), "inside");
            }
            assert!(root.parent(&RelPath::root()).is_err());
        }
        std::fs::remove_file(tree.path().with_extension("link")).unwrap();
    }

    #[test]
    fn a_link_at_any_level_is_an_error() {
        let outside = Tree::new();
        outside.write(b"b/c/secret", "outside");
        for level in ["a", "a/b", "a/b/c", "a/b/c/secret"] {
            let tree = Tree::new();
            tree.write(b"a/b/c/secret", "inside");
            let swapped = tree.path().join(level);
            let target = outside.path().join(level.strip_prefix("a/").unwrap_or(""));
            std::fs::rename(&swapped, tree.path().join("away")).unwrap();
            symlink(target, &swapped).unwrap();
            for root in both_ways(&tree) {
                assert!(root.file(&path("a/b/c/secret")).is_err(), "{level}");
                let mut cache = ParentCache::default();
                assert!(cache.file(&root, &path("a/b/c/secret")).is_err(), "{level}");
                if level != "a/b/c/secret" {
                    assert!(root.directory(&path("a/b/c")).is_err(), "{level}");
                    assert!(root.parent(&path("a/b/c/secret")).is_err(), "{level}");
                }
            }
        }
    }

    #[test]
    fn only_regular_files_are_read() {
        let tree = Tree::new();
        tree.write(b"directory/x", "");
        symlink("directory/x", tree.path().join("link")).unwrap();
        tree.fifo(b"fifo");
        let _socket = std::os::unix::net::UnixListener::bind(tree.path().join("socket")).unwrap();
        for root in both_ways(&tree) {
            for name in ["directory", "link", "fifo", "socket", "missing"] {
                assert!(root.file(&path(name)).is_err(), "{name}");
            }
        }
    }

    #[test]
    fn a_link_that_comes_and_goes_never_leads_out() {
        let outside = Tree::new();
        outside.write(b"secret", "outside");
        let tree = Tree::new();
        tree.write(b"d/secret", "inside");
        symlink(outside.path(), tree.path().join("link")).unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let exchange = rustix::fs::RenameFlags::EXCHANGE;
                while !done.load(Ordering::Relaxed) {
                    let root = tree.root();
                    rustix::fs::renameat_with(&root, "d", &root, "link", exchange).unwrap();
                }
            });
            let mut ways = Vec::new();
            for root in both_ways(&tree) {
                let (mut inside, mut refused, mut outside) = (0, 0, 0);
                // Whoever swaps them may be kept from a processor for a while: until both states are met.
                for times in 0..5_000_000 {
                    if times >= 5_000 && inside > 0 && refused > 0 {
                        break;
                    }
                    match content(root.file(&path("d/secret"))).as_deref() {
                        Ok("inside") => inside += 1,
                        Ok(_) => outside += 1,
                        Err(_) => refused += 1,
                    }
                }
                ways.push((inside, refused, outside));
            }
            // A failure before this would leave the other thread at it for ever.
            done.store(true, Ordering::Relaxed);
            for (inside, refused, outside) in ways {
                assert!(
                    inside > 0 && refused > 0,
                    "{inside} inside, {refused} refused"
                );
                assert_eq!(outside, 0);
            }
        });
    }

    #[test]
    fn paths_longer_than_the_kernel_takes_open() {
        let tree = Tree::new();
        for width in [20, 255] {
            let deep = tree.deep(&vec![b'd'; width], 9_000 / (width + 1));
            let deep = RelPath::parse(&deep).unwrap();
            assert!(deep.as_bytes().len() > 2 * LONGEST_PATH);
            for root in both_ways(&tree) {
                root.directory(&deep).unwrap();
                let (parent, name) = root.parent(&deep).unwrap();
                rustix::fs::statat(&parent, name, rustix::fs::AtFlags::empty()).unwrap();
            }
        }
    }
}
