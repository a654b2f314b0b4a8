//! Loop devices, and the mounts of them.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::succeed;

/// A loop device. It ends when it is dropped, or as soon as nothing is mounted from it any more.
#[derive(Debug)]
pub(super) struct Loop(PathBuf);

impl Loop {
    /// A new one, of an image from so many bytes on.
    pub(super) fn of(image: &Path, offset: u64) -> Self {
        let made = succeed(
            Command::new("losetup")
                .args(["--find", "--show"])
                .arg(format!("--offset={offset}"))
                .arg(image),
        );
        Self(made.trim_end().into())
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// The device's number.
    pub(super) fn number(&self) -> u64 {
        let metadata = fs::metadata(&self.0).expect("a loop device is there");
        metadata.rdev()
    }

    /// Ends every mount of it in this mount namespace.
    pub(super) fn unmount(&self) {
        let device = self.number();
        let number = format!(
            "{}:{}",
            rustix::fs::major(device),
            rustix::fs::minor(device)
        );
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        for point in mount_points(&mounts, &number, device) {
            // Frozen, it could not be unmounted; mostly it isn't.
            let _ = (Command::new("fsfreeze").arg("-u").arg(&point)).output();
            // Lazily: somebody may stand in there.
            let _ = Command::new("umount").arg("-l").arg(&point).output();
        }
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup").arg("-d").arg(&self.0).output();
    }
}

/// Ends all loop devices whose images are in a folder, and their mounts.
pub(super) fn release_all_below(folder: &Path) {
    for (device, image) in all() {
        if image.starts_with(folder) {
            Loop(device).unmount();
        }
    }
}

/// All loop devices that are in use, and their images.
pub(super) fn all() -> Vec<(PathBuf, PathBuf)> {
    let blocks = fs::read_dir("/sys/block").into_iter().flatten().flatten();
    blocks
        .filter_map(|block| {
            let image = fs::read_to_string(block.path().join("loop/backing_file")).ok()?;
            let device = Path::new("/dev").join(block.file_name());
            Some((device, image.trim_end().into()))
        })
        .collect()
}

/// Where a device is mounted, the last mount first. The fields of a line: id, parent, device, root, point … `-`,
/// file system, source. btrfs has numbers of its own, so that its source has to tell.
fn mount_points(mountinfo: &str, number: &str, device: u64) -> Vec<String> {
    let mut points: Vec<_> = (mountinfo.lines())
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .filter(|fields| fields.get(2) == Some(&number) || is_of(fields, device))
        .filter_map(|fields| Some((*fields.get(4)?).to_owned()))
        .collect();
    points.reverse();
    points
}

/// Whether a mount's source is a device of this number.
fn is_of(fields: &[&str], device: u64) -> bool {
    let dash = fields.iter().position(|field| *field == "-");
    let source = dash.and_then(|dash| fields.get(dash + 2));
    let metadata = source.and_then(|source| fs::metadata(source).ok());
    metadata.is_some_and(|found| found.file_type().is_block_device() && found.rdev() == device)
}
