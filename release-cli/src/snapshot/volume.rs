//! The volume behind the source: that it is the configured one, and what is to be known of it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use release_core::cloud::{TAG_FLEET, Volume, VolumeQuery};
use release_core::{BlockDevice, FileSystem, Identity, Label, VolumeId, escape};

use super::{SnapshotError, label};
use crate::cloud::OpenCloud;
use crate::freeze::mount_of;

/// What the configuration says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VolumeSettings {
    pub(crate) volume: VolumeId,
    /// The source's device must say that it is this volume.
    pub(crate) verify: bool,
    /// Where sysfs is: `/sys`, but in tests.
    pub(crate) sys: PathBuf,
}

/// The volume that the source is the top of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceVolume {
    pub(crate) id: VolumeId,
    /// Whose it is: the value of its tag `release-fleet`, which its snapshots get too.
    pub(crate) fleet: String,
    /// Its size, as EC2 counts.
    pub(crate) size_gib: u32,
    pub(crate) file_system: FileSystem,
    pub(crate) label: Option<Label>,
    /// The source: where the volume is mounted, or the directory that it is.
    pub(crate) top: PathBuf,
}

/// Whose a volume is: the value of its tag `release-fleet`.
///
/// # Errors
/// When there is no such volume, or it is nobody's.
pub(crate) fn fleet_of(cloud: &OpenCloud, id: &VolumeId) -> Result<String, SnapshotError> {
    Ok(look_up(cloud, id)?.1)
}

fn look_up(cloud: &OpenCloud, id: &VolumeId) -> Result<(Volume, String), SnapshotError> {
    let query = VolumeQuery::Ids(vec![id.clone()]);
    let found = cloud.run(cloud.port().volumes(&query))?;
    let Some(volume) = found.into_iter().find(|volume| volume.id == *id) else {
        return Err(SnapshotError::NoVolume(id.clone()));
    };
    match volume.tags.get(TAG_FLEET).cloned() {
        Some(fleet) => Ok((volume, fleet)),
        None => Err(SnapshotError::NobodysVolume(id.clone())),
    }
}

impl SourceVolume {
    /// Looks it up, and makes sure that the source is on it.
    ///
    /// # Errors
    /// When there is no such volume, it is nobody's, or the source is not on it.
    pub(crate) fn find(
        cloud: &OpenCloud,
        source: &Path,
        settings: &VolumeSettings,
    ) -> Result<Self, SnapshotError> {
        let id = settings.volume.clone();
        let (volume, fleet) = look_up(cloud, &id)?;
        let top = fs::canonicalize(source).map_err(|error| SnapshotError::look(source, error))?;
        let (file_system, label) = match cloud.local() {
            Some(local) => {
                check_folder(&top, &local.volume_directory(&id), settings)?;
                (FileSystem::Folder, None)
            }
            None => check_device(&top, settings)?,
        };
        Ok(Self {
            id,
            fleet,
            size_gib: volume.size_gib,
            file_system,
            label,
            top,
        })
    }
}

/// A local cloud's volume is a directory, and the source has to be it.
fn check_folder(
    top: &Path,
    directory: &Path,
    settings: &VolumeSettings,
) -> Result<(), SnapshotError> {
    let directory =
        fs::canonicalize(directory).map_err(|error| SnapshotError::look(directory, error))?;
    if settings.verify && directory != top {
        return Err(SnapshotError::ElsewhereFolder {
            source_directory: top.to_owned(),
            volume: settings.volume.clone(),
            directory,
        });
    }
    Ok(())
}

fn check_device(
    top: &Path,
    settings: &VolumeSettings,
) -> Result<(FileSystem, Option<Label>), SnapshotError> {
    let look = |error| SnapshotError::look(top, error);
    let mount = mount_of(top).map_err(look)?;
    let mount = mount.ok_or_else(|| look(io::Error::other("its mount is not known")))?;
    if settings.verify {
        let device = BlockDevice::of(&settings.sys, mount.device)?;
        match device.identity(settings.volume.as_str()) {
            Identity::Same => {}
            Identity::Other(serial) => {
                return Err(SnapshotError::OtherVolume {
                    path: top.to_owned(),
                    device: device.name,
                    serial: escape(serial.as_bytes()),
                    volume: settings.volume.clone(),
                });
            }
            Identity::Unknown => {
                return Err(SnapshotError::UnknownVolume {
                    path: top.to_owned(),
                    device: device.name,
                    volume: settings.volume.clone(),
                });
            }
        }
    }
    let file_system = mount.kind.parse()?;
    Ok((file_system, label::of(top)))
}
