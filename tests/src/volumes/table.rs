//! A disk's table of partitions, in the oldest form: the first sector. One partition is all that this knows.

use std::fs::File;
use std::io::Result;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Where the partition begins, in bytes, as every tool has it.
pub(super) const START: u64 = 1 << 20;

const SECTOR: u64 = 512;
/// Where the first entry is, and what a table ends with.
const ENTRY: usize = 446;
const MARK: [u8; 2] = [0x55, 0xaa];
/// What Linux has its file systems in.
const LINUX: u8 = 0x83;

/// Writes a table with a partition that goes to the end.
pub(super) fn write(image: &File) -> Result<()> {
    let sectors = |bytes: u64| u32::try_from(bytes / SECTOR).expect("disks of tests are small");
    let length = image.metadata()?.len();
    let mut sector = [0; SECTOR as usize];
    sector[ENTRY + 4] = LINUX;
    sector[ENTRY + 8..][..4].copy_from_slice(&sectors(START).to_le_bytes());
    sector[ENTRY + 12..][..4].copy_from_slice(&sectors(length - START).to_le_bytes());
    sector[510..].copy_from_slice(&MARK);
    image.write_all_at(&sector, 0)
}

/// Whether an image has such a table.
pub(super) fn is_in(image: &Path) -> bool {
    let mut sector = [0; SECTOR as usize];
    let read = File::open(image).and_then(|file| file.read_exact_at(&mut sector, 0));
    read.is_ok() && sector[510..] == MARK && sector[ENTRY + 4] == LINUX
}
