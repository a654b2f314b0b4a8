//! An instance of a local fleet: its volumes are directories, and a mount is a symlink to one.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use release_core::boot::{Fault, Looked, Mounted, Opened};
use release_core::cloud::local::{FleetError, LocalCloud};
use release_core::{DeviceName, FileSystem, Generation, InstanceId, VolumeId};

use super::{Layout, Machine, memory, tree};
use crate::trouble::Trouble;

/// An instance of a local fleet.
#[derive(Debug)]
pub(crate) struct Folder {
    cloud: LocalCloud,
    instance: InstanceId,
    layout: Layout,
    open: Option<(VolumeId, OwnedFd)>,
}

/// What a directory can't be used for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    #[error(transparent)]
    Fleet(#[from] FleetError),
    #[error("{} can't be used", .path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("there is no device of {0} yet")]
    Missing(VolumeId),
    #[error("{0} is not open")]
    NotOpen(VolumeId),
    #[error("a volume of a local fleet is no line in fstab")]
    NoFstab,
}

impl Folder {
    pub(crate) const fn new(cloud: LocalCloud, instance: InstanceId, layout: Layout) -> Self {
        Self {
            cloud,
            instance,
            layout,
            open: None,
        }
    }

    fn error(&self, path: &Path) -> impl Fn(io::Error) -> FolderError + use<> {
        let path = path.to_owned();
        move |source| FolderError::Io {
            path: path.clone(),
            source,
        }
    }

    /// The volume that is shown, and the root of its tree. A link to a volume that is gone shows nothing.
    fn shown(&self) -> Result<Option<(VolumeId, OwnedFd)>, FolderError> {
        let path = &self.layout.target;
        let link = match fs::read_link(path) {
            Ok(link) => link,
            // Nothing is there, or no link.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::InvalidInput
                ) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(self.error(path)(error)),
        };
        let name = link.file_name().and_then(|name| name.to_str());
        let Some(volume) = name.and_then(|name| name.parse::<VolumeId>().ok()) else {
            return Ok(None);
        };
        match super::open_directory(path) {
            Ok(root) => Ok(Some((volume, root))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.error(path)(error)),
        }
    }

    fn device(&self, volume: &VolumeId) -> Result<Option<PathBuf>, FolderError> {
        let mut devices = self.cloud.devices(&self.instance)?.into_iter();
        let found = devices.find(|(_, known, _)| known == volume);
        Ok(found.map(|(.., path)| path))
    }

    fn open_volume(&self, volume: &VolumeId) -> Result<&OwnedFd, FolderError> {
        let open = self.open.as_ref().filter(|(known, _)| known == volume);
        let open = open.map(|(_, root)| root);
        open.ok_or_else(|| FolderError::NotOpen(volume.clone()))
    }

    fn link(&self, volume: &VolumeId) -> Result<(), FolderError> {
        let path = &self.layout.target;
        let link = || {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            let place = fs::canonicalize(self.cloud.volume_directory(volume))?;
            // A mount point may be there as an empty directory.
            if fs::symlink_metadata(path).is_ok_and(|found| found.is_dir()) {
                fs::remove_dir(path)?;
            }
            let new = path.with_extension("release-new");
            let _ = fs::remove_file(&new);
            symlink(place, &new)?;
            fs::rename(&new, path)
        };
        link().map_err(self.error(path))
    }
}

impl Machine for Folder {
    fn look(&mut self) -> Result<Looked, Trouble> {
        let mounted = match self.shown().map_err(Trouble::broken)? {
            None => None,
            Some((volume, root)) => Some(Mounted {
                volume: Some(volume),
                marker: tree::marker(&root).map_err(Trouble::broken)?,
            }),
        };
        Ok(Looked {
            mounted,
            seen: memory::read(&self.layout.state).map_err(Trouble::broken)?,
        })
    }

    /// Whoever is at work in a directory stays in it when a link to it goes.
    fn probe(&mut self) -> Result<(), Trouble> {
        Ok(())
    }

    fn has_device(
        &mut self,
        volume: &VolumeId,
        _name: Option<&DeviceName>,
    ) -> Result<bool, Trouble> {
        let found = self.device(volume).map_err(Trouble::broken)?;
        Ok(found.is_some())
    }

    fn open(
        &mut self,
        volume: &VolumeId,
        _name: Option<&DeviceName>,
        _file_system: Option<FileSystem>,
    ) -> Result<Opened, Trouble> {
        let device = self.device(volume).map_err(Trouble::broken)?;
        let missing = || Trouble::new(Fault::Missing, FolderError::Missing(volume.clone()));
        let path = device.ok_or_else(missing)?;
        let root = super::open_directory(&path).map_err(self.error(&path));
        let root = root.map_err(Trouble::broken)?;
        let marker = tree::marker(&root).map_err(Trouble::broken)?;
        self.open = Some((volume.clone(), root));
        Ok(Opened {
            marker,
            identified: true,
        })
    }

    fn verify(&mut self, volume: &VolumeId) -> Result<(), Trouble> {
        let root = self.open_volume(volume).map_err(Trouble::broken)?;
        tree::prove(root).map(drop).map_err(super::tree_trouble)
    }

    fn close(&mut self, _volume: &VolumeId) {
        self.open = None;
    }

    fn show(&mut self, volume: &VolumeId) -> Result<(), Trouble> {
        let shown = self.shown().map_err(Trouble::broken)?;
        if shown.is_none_or(|(shown, _)| shown != *volume) {
            self.open_volume(volume).map_err(Trouble::broken)?;
            self.link(volume).map_err(Trouble::broken)?;
        }
        self.open = None;
        Ok(())
    }

    fn hide(&mut self) -> Result<(), Trouble> {
        let path = &self.layout.target;
        if fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink()) {
            fs::remove_file(path)
                .map_err(self.error(path))
                .map_err(Trouble::broken)?;
        }
        Ok(())
    }

    fn write_fstab(
        &mut self,
        _volume: &VolumeId,
        _file_system: Option<FileSystem>,
    ) -> Result<(), Trouble> {
        Err(Trouble::broken(FolderError::NoFstab))
    }

    fn record(&mut self, generation: Generation) -> Result<(), Trouble> {
        memory::write(&self.layout.state, generation).map_err(Trouble::broken)
    }

    fn prove(&mut self) -> Result<Option<tree::Proved>, Trouble> {
        match self.shown().map_err(Trouble::broken)? {
            Some((_, root)) => tree::prove(&root).map(Some).map_err(super::tree_trouble),
            None => Ok(None),
        }
    }
}
