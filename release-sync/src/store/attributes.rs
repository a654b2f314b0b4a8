//! Mode, owner and mtime of entries, set without following a link.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use release_core::{Entry, Kind, MODE_MASK, Timestamp};
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, Uid};
use rustix::io::Errno;

use crate::plan::Owners;
use crate::tree::{Found, Stamp};

/// What an entry is to have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attributes {
    /// Permissions with special bits; `None` for a symlink, which has none.
    mode: Option<u16>,
    /// Owner and group, where they can be set.
    owner: Option<(u32, u32)>,
    mtime: Timestamp,
}

/// What a file had when it was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Birth {
    pub(crate) inode: u64,
    mode: u16,
    owner: (u32, u32),
}

impl Birth {
    pub(super) fn of(file: impl AsFd) -> io::Result<Self> {
        let found = rustix::fs::fstat(file)?;
        Ok(Self {
            inode: found.st_ino,
            mode: found.st_mode as u16 & MODE_MASK,
            owner: (found.st_uid, found.st_gid),
        })
    }
}

impl Attributes {
    /// What the manifest says of an entry.
    pub(crate) fn of(entry: &Entry, owners: Option<&Owners>) -> Self {
        Self {
            mode: (!matches!(entry.kind, Kind::Symlink { .. })).then_some(entry.meta.mode),
            owner: owners.map(|owners| owners.of(&entry.meta)),
            mtime: entry.meta.mtime,
        }
    }

    /// The mode that a file may be made with. Whoever opens it before it has its owner must not be able to
    /// do more than later: so it is the file's own only if nobody's rights depend on who owns it.
    pub(super) fn at_birth(&self) -> Mode {
        let mode = self.mode.unwrap_or(0) & 0o777;
        let [owner, group, other] = [mode >> 6, mode >> 3 & 7, mode & 7];
        match group == other && owner & other == other {
            true => Mode::from_raw_mode(mode.into()),
            false => Mode::RUSR | Mode::WUSR,
        }
    }

    /// Sets, on a file that was made a moment ago and has its content, what it was not made with.
    pub(crate) fn set_on_new(&self, file: impl AsFd, birth: &Birth) -> io::Result<()> {
        self.beyond(birth.mode, birth.owner).set(file)
    }

    /// What is yet to be set where mode and owner are these.
    fn beyond(&self, mode: u16, owner: (u32, u32)) -> Self {
        Self {
            mode: self.mode.filter(|&wanted| wanted != mode),
            owner: self.owner.filter(|&wanted| wanted != owner),
            mtime: self.mtime,
        }
    }

    /// Sets them on an entry of a directory that is still what was found: mostly only its time is another one,
    /// and that takes a single call.
    pub(super) fn set_on_found(
        &self,
        directory: impl AsFd,
        name: &[u8],
        found: &Found,
    ) -> io::Result<()> {
        let remaining = self.beyond(found.mode, (found.uid, found.gid));
        match (remaining.mode, remaining.owner) {
            (None, None) => remaining.set_on_link(directory, name),
            _ => self.set_at(directory, name),
        }
    }

    /// Sets them on an open file or directory. The owner comes first, since setting it clears setuid.
    pub(crate) fn set(&self, file: impl AsFd) -> io::Result<()> {
        if let Some((uid, gid)) = self.owner {
            rustix::fs::fchown(&file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
        }
        if let Some(mode) = self.mode {
            rustix::fs::fchmod(&file, Mode::from_raw_mode(mode.into()))?;
        }
        set_mtime(file.as_fd(), self.mtime)
    }

    /// Sets them on an entry of a directory: a file, directory or symlink, never what a symlink points
    /// to.
    pub(crate) fn set_at(&self, directory: impl AsFd, name: &[u8]) -> io::Result<()> {
        let Some(mode) = self.mode else {
            return self.set_on_link(directory, name);
        };
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match rustix::fs::openat(&directory, name, flags, Mode::empty()) {
            Ok(file) => self.set(file),
            // Its owner may not read it (mode 000), but may change it.
            Err(Errno::ACCESS) => {
                change_mode(&directory, name, mode | 0o400)?;
                let file = rustix::fs::openat(&directory, name, flags, Mode::empty())?;
                self.set(file)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn set_on_link(&self, directory: impl AsFd, name: &[u8]) -> io::Result<()> {
        if let Some((uid, gid)) = self.owner {
            let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
            rustix::fs::chownat(
                &directory,
                name,
                Some(uid),
                Some(gid),
                AtFlags::SYMLINK_NOFOLLOW,
            )?;
        }
        let times = timestamps(self.mtime);
        Ok(rustix::fs::utimensat(
            &directory,
            name,
            &times,
            AtFlags::SYMLINK_NOFOLLOW,
        )?)
    }
}

/// Is this still the inode that was scanned, and nothing about it was changed since?
pub(super) fn has(directory: impl AsFd, name: &[u8], stamp: Stamp) -> bool {
    rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|found| {
        let ctime = Timestamp {
            seconds: found.st_ctime,
            nanos: found.st_ctime_nsec as u32,
        };
        Stamp {
            inode: found.st_ino,
            ctime,
        } == stamp
    })
}

/// Changes a mode through a descriptor that needs no permission to read; never that of what a symlink
/// points to.
pub(super) fn change_mode(directory: impl AsFd, name: &[u8], mode: u16) -> io::Result<()> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let entry = rustix::fs::openat(directory, name, flags, Mode::empty())?;
    let found = rustix::fs::fstat(&entry)?;
    if FileType::from_raw_mode(found.st_mode) == FileType::Symlink {
        return Err(Errno::LOOP.into());
    }
    // The only way from an O_PATH descriptor to chmod; the kernel resolves it to this very inode.
    let path = format!("/proc/self/fd/{}", entry.as_raw_fd());
    Ok(rustix::fs::chmod(path, Mode::from_raw_mode(mode.into()))?)
}

/// Sets the time of the last modification, and leaves that of the last access.
pub(super) fn set_mtime(file: BorrowedFd<'_>, mtime: Timestamp) -> io::Result<()> {
    Ok(rustix::fs::futimens(file, &timestamps(mtime))?)
}

fn timestamps(mtime: Timestamp) -> Timestamps {
    Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: mtime.seconds,
            tv_nsec: mtime.nanos.into(),
        },
    }
}
