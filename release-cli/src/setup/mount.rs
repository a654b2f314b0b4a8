//! From an attached volume to a mounted source.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;
use std::time::{Duration, Instant};

use release_core::{BlockDevice, DeviceNumber, FileSystem, VolumeId};
use rustix::mount::{MountFlags, mount};

use super::disk::{self, Content};
use super::fstab::{self, Entry};
use super::{Setup, SetupError, Standing};
use crate::failure::Failure;
use crate::freeze::mount_of;

/// How long the kernel may take to show a device.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(200);

impl Setup<'_> {
    pub(super) fn mount_volume(&self, volume: &VolumeId) -> Result<(), Failure> {
        let device = self.device(volume)?;
        let node = self.wanted.dev.join(&device.name);
        let mounted = self.mounted()?;
        let Some(kind) = self.file_system(volume, &node)? else {
            for (step, text) in [("fstab", "a line"), ("mount", "the volume")] {
                self.tell(step, Standing::ToDo, text);
            }
            return Ok(());
        };
        self.table(volume, &device, kind)?;
        self.mount_it(&node, &device, kind, mounted)?;
        self.own()
    }

    /// The volume's device, found by its serial number: the disk, or its only partition.
    fn device(&self, volume: &VolumeId) -> Result<BlockDevice, Failure> {
        let begin = Instant::now();
        loop {
            let all = BlockDevice::all_of(&self.wanted.sys, volume.as_str());
            let (parts, disks): (Vec<_>, Vec<_>) = all
                .map_err(SetupError::from)?
                .into_iter()
                .partition(|device| device.partition.is_some());
            match (parts.len(), disks.into_iter().next()) {
                (0, Some(disk)) => return Ok(disk),
                (1, _) => return Ok(parts.into_iter().next().ok_or(late(volume))?),
                (2.., _) => return Err(SetupError::Partitions(volume.clone()).into()),
                (0, None) if begin.elapsed() > PATIENCE => return Err(late(volume).into()),
                (0, None) => self.interrupts.wait(LOOK)?,
            }
        }
    }

    /// What is on the device, or is put there; `None` where that is still to be done.
    fn file_system(&self, volume: &VolumeId, node: &Path) -> Result<Option<FileSystem>, Failure> {
        let uuid = disk::uuid(volume);
        let (kind, standing) = match disk::content(node)? {
            Content::Nothing if self.only_looks => {
                let kind = self.wanted.file_system;
                self.tell("file-system", Standing::ToDo, kind.as_str());
                return Ok(None);
            }
            Content::Nothing => {
                let (kind, label) = (self.wanted.file_system, &self.wanted.label);
                disk::make(node, kind, label, &uuid)?;
                (kind, Standing::Done)
            }
            Content::FileSystem { kind, uuid: own }
                if own.as_ref() == Some(&uuid) || self.wanted.keep =>
            {
                let known = kind.parse::<FileSystem>();
                let known = known.map_err(|_| not_empty(node, &kind))?;
                (known, Standing::Found)
            }
            Content::FileSystem { kind, .. } => return Err(not_empty(node, &kind).into()),
            Content::Other(what) => return Err(not_empty(node, &what).into()),
        };
        self.tell("file-system", standing, kind.as_str());
        Ok(Some(kind))
    }

    fn table(
        &self,
        volume: &VolumeId,
        device: &BlockDevice,
        kind: FileSystem,
    ) -> Result<(), Failure> {
        let path = &self.wanted.fstab;
        let change = |source| SetupError::Change {
            path: path.clone(),
            source,
        };
        let link = fstab::link(volume, device.partition);
        let point = &self.wanted.source;
        let text = link.display().to_string();
        let table = fstab::read(path).map_err(change)?;
        let standing = match fstab::find(&table, &link, point) {
            Entry::Ours => Standing::Found,
            Entry::Other(what) => {
                return Err(SetupError::Taken {
                    path: point.clone(),
                    what: format!("{what} in {}", path.display()),
                }
                .into());
            }
            Entry::Missing if self.only_looks => Standing::ToDo,
            Entry::Missing => {
                let line = fstab::line(&link, point, kind);
                fstab::add(path, &line).map_err(change)?;
                Standing::Done
            }
        };
        self.tell("fstab", standing, &text);
        Ok(())
    }

    /// The device that is mounted at the source, if one is; an unmounted directory with something in it would
    /// be hidden, and is refused.
    fn mounted(&self) -> Result<Option<DeviceNumber>, Failure> {
        let point = &self.wanted.source;
        let look = |source| SetupError::Change {
            path: point.clone(),
            source,
        };
        if !point.exists() {
            return Ok(None);
        }
        let top = fs::canonicalize(point).map_err(look)?;
        let mount = mount_of(&top).map_err(look)?;
        if let Some(mount) = mount.filter(|mount| mount.point == top) {
            return Ok(Some(mount.device));
        }
        let is_empty = fs::read_dir(&top).map_err(look)?.next().is_none();
        match is_empty {
            true => Ok(None),
            false => Err(SetupError::Taken {
                path: top,
                what: "files, which a mount would hide".into(),
            }
            .into()),
        }
    }

    fn mount_it(
        &self,
        node: &Path,
        device: &BlockDevice,
        kind: FileSystem,
        mounted: Option<DeviceNumber>,
    ) -> Result<(), Failure> {
        let point = &self.wanted.source;
        let standing = match mounted {
            Some(number) if number == device.number => Standing::Found,
            Some(number) => {
                return Err(SetupError::Taken {
                    path: point.clone(),
                    what: format!("the file system of device {number}"),
                }
                .into());
            }
            None if self.only_looks => Standing::ToDo,
            None => {
                fs::create_dir_all(point).map_err(|source| SetupError::Make {
                    path: point.clone(),
                    source,
                })?;
                let flags = MountFlags::empty();
                mount(node, point, kind.as_str(), flags, None).map_err(|error| {
                    SetupError::Mount {
                        path: point.clone(),
                        source: error.into(),
                    }
                })?;
                Standing::Done
            }
        };
        self.tell("mount", standing, &point.display().to_string());
        Ok(())
    }

    /// Who receives on hosts owns the source as well, where there is such a user here: a copy from a staging host
    /// then needs no root. A source with content keeps its owner, which belongs to the release.
    fn own(&self) -> Result<(), Failure> {
        let (point, user) = (&self.wanted.source, &self.wanted.user);
        let change = |source| SetupError::Change {
            path: point.clone(),
            source,
        };
        if self.only_looks && !point.exists() {
            self.tell("owner", Standing::ToDo, user);
            return Ok(());
        }
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let Some((uid, gid)) = ids_of(&passwd, user) else {
            let text = format!("there is no user {user} here: it stays root's");
            self.tell("owner", Standing::Skipped, &text);
            return Ok(());
        };
        let found = fs::metadata(point).map_err(change)?;
        let standing = if (found.uid(), found.gid()) == (uid, gid) {
            Standing::Found
        } else if crate::command::has_content(point) {
            Standing::Skipped
        } else if self.only_looks {
            Standing::ToDo
        } else {
            chown(point, Some(uid), Some(gid)).map_err(change)?;
            Standing::Done
        };
        self.tell("owner", standing, user);
        Ok(())
    }
}

fn late(volume: &VolumeId) -> SetupError {
    SetupError::Late {
        volume: volume.clone(),
        what: "a device",
    }
}

fn not_empty(node: &Path, what: &str) -> SetupError {
    SetupError::NotEmpty {
        device: node.to_owned(),
        what: what.to_owned(),
    }
}

/// A user's numbers, in the words of `passwd(5)`.
fn ids_of(passwd: &str, user: &str) -> Option<(u32, u32)> {
    passwd.lines().find_map(|line| {
        let fields: Vec<_> = line.split(':').collect();
        match fields.as_slice() {
            [name, _, uid, gid, ..] if *name == user => {
                Some((uid.parse().ok()?, gid.parse().ok()?))
            }
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_have_numbers() {
        let passwd = "root:x:0:0::/root:/bin/sh\nbroken\nwww:x:33:34::/:/bin/sh\n";
        assert_eq!(ids_of(passwd, "www"), Some((33, 34)));
        assert_eq!(ids_of(passwd, "nobody"), None);
    }
}
