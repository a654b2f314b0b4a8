//! A file system's label.

use std::fs::File;
use std::path::Path;

use release_core::Label;
use rustix::ioctl::{Getter, Opcode, ioctl, opcode};

/// Longest label, with the zero at its end: `FSLABEL_MAX` in `linux/fs.h`.
const MAX: usize = 256;
/// `FS_IOC_GETFSLABEL`.
const GET: Opcode = opcode::read::<[u8; MAX]>(0x94, 49);

/// The label of the file system that a directory is in; `None` where it has none, or doesn't say. For people
/// only: nothing is found by it.
pub(super) fn of(directory: &Path) -> Option<Label> {
    let directory = File::open(directory).ok()?;
    // SAFETY: the request is the virtual file system's own, and writes no more than so many bytes; any bytes
    // are a value of the type.
    let bytes = unsafe { ioctl(&directory, Getter::<GET, [u8; MAX]>::new()) }.ok()?;
    let text = bytes.split(|byte| *byte == 0).next()?;
    let text = String::from_utf8_lossy(text);
    (!text.is_empty()).then(|| Label::cut(&text))
}
