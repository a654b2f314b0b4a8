//! Which device a volume is, and what is on it.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use release_core::{BlockDevice, DeviceError, DeviceName, DeviceNumber, FileSystem, VolumeId};

/// A device that can be mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) path: PathBuf,
    pub(crate) number: DeviceNumber,
    pub(crate) file_system: FileSystem,
    /// Whether the device said itself which volume it is.
    pub(crate) identified: bool,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NodeError {
    #[error("there is no device of {0} yet")]
    Missing(VolumeId),
    #[error("devices can't be looked up")]
    Sysfs(#[from] DeviceError),
    #[error("{} can't be read", .path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{} is not the device that sysfs says", .0.display())]
    OtherDevice(PathBuf),
    #[error("there is no file system that can be mounted on {0}")]
    NoFileSystem(VolumeId),
    #[error("more than one partition of {0} has a file system")]
    Ambiguous(VolumeId),
    #[error("{volume} holds {found}, and the pointer says {expected}")]
    OtherFileSystem {
        volume: VolumeId,
        found: FileSystem,
        expected: FileSystem,
    },
}

/// Where devices are looked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places<'a> {
    pub(crate) sys: &'a Path,
    pub(crate) dev: &'a Path,
}

impl Places<'_> {
    /// Whether a volume's device is there, with its node.
    pub(crate) fn has(
        self,
        volume: &VolumeId,
        name: Option<&DeviceName>,
    ) -> Result<bool, NodeError> {
        let (devices, _) = self.devices(volume, name)?;
        Ok(!devices.is_empty() && devices.iter().all(|one| self.path(one).exists()))
    }

    /// The device of a volume that has the file system: the whole disk, or its only partition with one.
    pub(crate) fn node(
        self,
        volume: &VolumeId,
        name: Option<&DeviceName>,
        expected: Option<FileSystem>,
    ) -> Result<Node, NodeError> {
        let (mut devices, identified) = self.devices(volume, name)?;
        if devices.is_empty() {
            return Err(NodeError::Missing(volume.clone()));
        }
        // A disk that has partitions is a table of them.
        if devices.iter().any(|device| device.partition.is_some()) {
            devices.retain(|device| device.partition.is_some());
        }
        let mut nodes = Vec::new();
        for device in devices {
            nodes.extend(self.look_into(volume, device, identified)?);
        }
        let node = match (nodes.pop(), nodes.pop()) {
            (Some(node), None) => node,
            (None, _) => return Err(NodeError::NoFileSystem(volume.clone())),
            (Some(_), Some(_)) => return Err(NodeError::Ambiguous(volume.clone())),
        };
        match expected {
            Some(expected) if expected != node.file_system => Err(NodeError::OtherFileSystem {
                volume: volume.clone(),
                found: node.file_system,
                expected,
            }),
            _ => Ok(node),
        }
    }

    /// The devices that say that they are the volume. Where none does, the one that has its name, as on Xen:
    /// what is on it has to say what it is.
    fn devices(
        self,
        volume: &VolumeId,
        name: Option<&DeviceName>,
    ) -> Result<(Vec<BlockDevice>, bool), NodeError> {
        let found = BlockDevice::all_of(self.sys, volume.as_str())?;
        if !found.is_empty() {
            return Ok((found, true));
        }
        for name in name.into_iter().flat_map(kernel_names) {
            let found = BlockDevice::named(self.sys, &name)?;
            if found.iter().any(|device| device.serial.is_none()) {
                return Ok((found, false));
            }
        }
        Ok((Vec::new(), false))
    }

    fn path(self, device: &BlockDevice) -> PathBuf {
        self.dev.join(&device.name)
    }

    /// What is on a device, if that can be mounted.
    fn look_into(
        self,
        volume: &VolumeId,
        device: BlockDevice,
        identified: bool,
    ) -> Result<Option<Node>, NodeError> {
        let path = self.path(&device);
        let unreadable = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => NodeError::Missing(volume.clone()),
            _ => NodeError::Unreadable {
                path: path.clone(),
                source,
            },
        };
        let file = File::open(&path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        let number = DeviceNumber {
            major: rustix::fs::major(metadata.rdev()),
            minor: rustix::fs::minor(metadata.rdev()),
        };
        if !metadata.file_type().is_block_device() || number != device.number {
            return Err(NodeError::OtherDevice(path));
        }
        let found = superblock(&file).map_err(unreadable)?;
        Ok(found.map(|file_system| Node {
            path,
            number,
            file_system,
            identified,
        }))
    }
}

/// What the kernel may call a device that EC2 calls `/dev/sdf`.
fn kernel_names(name: &DeviceName) -> Vec<String> {
    let plain = name.as_str().trim_start_matches("/dev/");
    match plain.strip_prefix("sd") {
        Some(rest) => vec![format!("xvd{rest}"), plain.to_owned()],
        None => vec![plain.to_owned()],
    }
}

/// Which file system's mark is on a device.
fn superblock(device: &File) -> io::Result<Option<FileSystem>> {
    const MARKS: [(FileSystem, u64, &[u8]); 3] = [
        (FileSystem::Xfs, 0, b"XFSB"),
        (FileSystem::Ext4, 1024 + 56, &[0x53, 0xef]),
        (FileSystem::Btrfs, (64 << 10) + 64, b"_BHRfS_M"),
    ];
    for (file_system, offset, mark) in MARKS {
        let mut found = [0; 8];
        let found = &mut found[..mark.len()];
        match device.read_exact_at(found, offset) {
            Ok(()) if found == mark => return Ok(Some(file_system)),
            Ok(()) => {}
            // A device that is too small for it.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_name_of_ec2_may_be_another_of_the_kernel() {
        let names = |name: &str| kernel_names(&name.parse().unwrap());
        assert_eq!(names("/dev/sdf"), ["xvdf", "sdf"]);
        assert_eq!(names("/dev/xvdba"), ["xvdba"]);
    }

    #[test]
    fn file_systems_are_told_by_their_marks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        for (offset, mark, expected) in [
            (0_u64, &b"XFSB"[..], Some(FileSystem::Xfs)),
            (1080, &[0x53, 0xef], Some(FileSystem::Ext4)),
            (65_600, b"_BHRfS_M", Some(FileSystem::Btrfs)),
            (512, b"XFSB", None),
        ] {
            std::fs::write(&path, vec![0; 128 << 10]).unwrap();
            let file = File::options().read(true).write(true).open(&path).unwrap();
            file.write_all_at(mark, offset).unwrap();
            assert_eq!(superblock(&file).unwrap(), expected);
        }
        std::fs::write(&path, "small").unwrap();
        assert_eq!(superblock(&File::open(&path).unwrap()).unwrap(), None);
    }
}
