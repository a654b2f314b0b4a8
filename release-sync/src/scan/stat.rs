//! What the kernel tells about an entry.

use std::ffi::CStr;
use std::io;
use std::os::fd::AsFd;

use release_core::{MODE_MASK, Timestamp};
use rustix::fs::{AtFlags, FileType, Statx, StatxFlags, StatxTimestamp};

use crate::tree::Stamp;

/// What one `statx(2)` tells, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) file_type: FileType,
    /// Within [`MODE_MASK`]; 0 for a symlink, whose mode means nothing.
    pub(super) mode: u16,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) size: u64,
    /// How many names it has.
    pub(super) links: u32,
    pub(super) mtime: Timestamp,
    pub(super) stamp: Stamp,
}

/// Where an entry is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    device: (u32, u32),
    /// Known from Linux 5.8 on.
    mount: Option<u64>,
}

impl Place {
    /// Is an entry that is kept at `self` on another mount than its tree, which is at `tree`?
    ///
    /// A directory with a device of its own is one, even where it is no mount: a btrfs subvolume, into
    /// which nothing can be renamed. For files the device says nothing: overlayfs tells that of the
    /// layer.
    pub(super) fn is_beyond(&self, tree: &Self, file_type: FileType) -> bool {
        let other_mount = self.mount.is_some() && self.mount != tree.mount;
        other_mount || (file_type == FileType::Directory && self.device != tree.device)
    }
}

/// Looks at an entry of a directory; at a symbolic link, not at what it points to.
pub(super) fn stat_at(directory: impl AsFd, name: &CStr) -> io::Result<(Stat, Place)> {
    look(
        directory,
        name,
        AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT,
    )
}

/// Looks at what is open.
pub(super) fn stat_fd(fd: impl AsFd) -> io::Result<(Stat, Place)> {
    look(fd, c"", AtFlags::EMPTY_PATH)
}

fn look(fd: impl AsFd, name: &CStr, flags: AtFlags) -> io::Result<(Stat, Place)> {
    let wanted = StatxFlags::BASIC_STATS | StatxFlags::MNT_ID;
    let found = rustix::fs::statx(fd, name, flags, wanted)?;
    Ok((stat(&found), place(&found)))
}

fn stat(found: &Statx) -> Stat {
    let file_type = FileType::from_raw_mode(found.stx_mode.into());
    let mode = match file_type {
        FileType::Symlink => 0,
        _ => found.stx_mode & MODE_MASK,
    };
    Stat {
        file_type,
        mode,
        uid: found.stx_uid,
        gid: found.stx_gid,
        size: found.stx_size,
        links: found.stx_nlink,
        mtime: timestamp(found.stx_mtime),
        stamp: Stamp {
            inode: found.stx_ino,
            ctime: timestamp(found.stx_ctime),
        },
    }
}

fn place(found: &Statx) -> Place {
    let has_mount = StatxFlags::from_bits_retain(found.stx_mask).contains(StatxFlags::MNT_ID);
    Place {
        device: (found.stx_dev_major, found.stx_dev_minor),
        mount: has_mount.then_some(found.stx_mnt_id),
    }
}

fn timestamp(time: StatxTimestamp) -> Timestamp {
    Timestamp {
        seconds: time.tv_sec,
        nanos: time.tv_nsec,
    }
}
