//! The two requests that freeze and thaw a file system (`ioctl_ficlone(2)`'s neighbours, `fsfreeze(8)`).

use std::os::fd::AsFd;

use rustix::io::{Errno, Result};
use rustix::ioctl::{NoArg, Opcode, ioctl};

/// `_IOWR('X', 119, int)` in `linux/fs.h`. The argument is not looked at.
const FIFREEZE: Opcode = 0xC004_5877;
/// `_IOWR('X', 120, int)`.
const FITHAW: Opcode = 0xC004_5878;

/// Stops all writing to the file system that `fd` is in. Returns when everything before is on the disk.
///
/// # Errors
/// `EBUSY` when it is frozen, `EOPNOTSUPP` when its kind can't be, `EPERM` without `CAP_SYS_ADMIN`.
pub(super) fn freeze(fd: impl AsFd) -> Result<()> {
    request::<FIFREEZE>(fd)
}

/// What a thaw came upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Thaw {
    /// It was frozen, and is no more.
    Thawed,
    /// It was not frozen.
    WasNot,
}

/// Lets writing to the file system that `fd` is in go on.
///
/// # Errors
/// `EPERM` without `CAP_SYS_ADMIN`; whatever the file system says when its disk is gone.
pub(super) fn thaw(fd: impl AsFd) -> Result<Thaw> {
    match request::<FITHAW>(fd) {
        Ok(()) => Ok(Thaw::Thawed),
        Err(Errno::INVAL) => Ok(Thaw::WasNot),
        Err(error) => Err(error),
    }
}

fn request<const OPCODE: Opcode>(fd: impl AsFd) -> Result<()> {
    loop {
        // SAFETY: both requests are the virtual file system's own, so no driver takes them for something
        // else; they neither read nor write through their argument, and give nothing back.
        match unsafe { ioctl(fd.as_fd(), NoArg::<OPCODE>::new()) } {
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}
