//! A directory whose files are replaced in one step. Everything goes by its descriptor, and no name in it is
//! followed: others may be allowed to write there, as a web server is.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, fstat, openat};
use rustix::io::Errno;

use super::PublishError;

/// An open directory.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    shelf: Shelf,
}

impl Folder {
    /// The path may lead through links: it is the operator's word.
    pub(super) fn open(path: &Path) -> Result<Self, PublishError> {
        match Shelf::open(path) {
            Ok(shelf) => Ok(Self {
                path: path.to_owned(),
                shelf,
            }),
            Err(source) => Err(PublishError::Directory {
                path: path.to_owned(),
                source,
            }),
        }
    }

    pub(super) fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// A file's content; `None` where there is none. One that is longer than `limit` is an error.
    pub(super) fn read(&self, name: &str, limit: usize) -> Result<Option<Vec<u8>>, PublishError> {
        let content = self.shelf.read(name, limit);
        content.map_err(|source| PublishError::Read {
            path: self.path_of(name),
            source,
        })
    }

    /// Writes what a file is to hold beside it, where everybody may read it. It is on the disk when this
    /// returns, and nobody sees it.
    pub(super) fn prepare(&self, name: &str, content: &[u8]) -> Result<(), PublishError> {
        let new = beside(name);
        let write = || {
            self.unlink(&new)?;
            let flags =
                OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = openat(&self.shelf.0, &*new, flags, Mode::RUSR | Mode::WUSR)?;
            // The umask of whoever deploys is not what a web server's user goes by.
            rustix::fs::fchmod(&file, Mode::from_raw_mode(0o644))?;
            let mut file = File::from(file);
            file.write_all(content)?;
            file.sync_all()
        };
        write().map_err(self.fault(&new))
    }

    /// Lets everybody see what was prepared.
    pub(super) fn place(&self, name: &str) -> Result<(), PublishError> {
        let new = beside(name);
        let place = || {
            rustix::fs::renameat(&self.shelf.0, &*new, &self.shelf.0, name)?;
            rustix::fs::fsync(&self.shelf.0)
        };
        place().map_err(|error| self.fault(name)(error.into()))
    }

    /// Removes what was prepared, if anything was.
    pub(super) fn discard(&self, name: &str) -> Result<(), PublishError> {
        self.remove(&beside(name))
    }

    /// Puts a file back to where it was kept from.
    pub(super) fn restore(&self, kept: &str, name: &str) -> Result<(), PublishError> {
        let restore = || {
            rustix::fs::renameat(&self.shelf.0, kept, &self.shelf.0, name)?;
            rustix::fs::fsync(&self.shelf.0)
        };
        restore().map_err(|error| self.fault(name)(error.into()))
    }

    /// Removes a file, if it is there.
    pub(super) fn remove(&self, name: &str) -> Result<(), PublishError> {
        self.unlink(name).map_err(self.fault(name))
    }

    fn unlink(&self, name: &str) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.shelf.0, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn fault(&self, name: &str) -> impl FnOnce(io::Error) -> PublishError + use<> {
        let path = self.path_of(name);
        |source| PublishError::Write { path, source }
    }
}

/// The directory of a publication, for who gives its files out.
#[derive(Debug)]
pub(crate) struct Shelf(OwnedFd);

impl Shelf {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(openat(CWD, path, flags, Mode::empty())?))
    }

    /// A regular file's content, no link followed; `None` where there is none.
    pub(crate) fn read(&self, name: &str, limit: usize) -> io::Result<Option<Vec<u8>>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match openat(&self.0, name, flags, Mode::empty()) {
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
            Ok(file) => read(file.into(), limit).map(Some),
        }
    }
}

/// Hidden, and always the same, so that what a crash leaves is written over.
fn beside(name: &str) -> String {
    format!(".{name}.new")
}

/// Reads a file of at most so many bytes, wherever its path leads.
pub(super) fn read_file(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    read(openat(CWD, path, flags, Mode::empty())?.into(), limit)
}

fn read(file: File, limit: usize) -> io::Result<Vec<u8>> {
    let kind = FileType::from_raw_mode(fstat(&file)?.st_mode);
    if kind != FileType::RegularFile {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut content = Vec::new();
    file.take(limit as u64 + 1).read_to_end(&mut content)?;
    if content.len() > limit {
        return Err(io::Error::other("it is longer than it can be"));
    }
    Ok(content)
}
