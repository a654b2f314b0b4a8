//! Preparing a release server: a volume for the source, mounted; a place to publish; a key.
//!
//! Each step looks first whether it is done, and does what is missing; told only to look, it says what it would
//! do. So a run that was cut off is run again. What could destroy something is refused: a device that isn't
//! empty, a volume of others, a directory that would be hidden.

mod disk;
mod error;
mod fstab;
mod here;
mod mount;
mod places;
mod volume;

use std::path::PathBuf;

use release_core::cloud::Cloud;
use release_core::{FileSystem, InstanceId, Label, VolumeId, Zone};

use crate::cloud::OpenCloud;
use crate::context::Publication;
use crate::failure::Failure;
use crate::interrupt::Interrupts;
use crate::ui::Screen;
pub(crate) use error::SetupError;

/// How a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It was done before.
    Found,
    /// It is done now.
    Done,
    /// It would be done.
    ToDo,
    /// It doesn't apply here.
    Skipped,
}

impl Standing {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Done => "done",
            Self::ToDo => "to-do",
            Self::Skipped => "skipped",
        }
    }
}

/// What a release server is to have.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// The one that is configured.
    pub(crate) volume: Option<VolumeId>,
    pub(crate) fleet: String,
    pub(crate) size_gib: u32,
    pub(crate) file_system: FileSystem,
    pub(crate) label: Label,
    /// A file system that is on the volume already is taken as it is.
    pub(crate) keep: bool,
    /// Where the volume is mounted.
    pub(crate) source: PathBuf,
    /// Who owns it.
    pub(crate) user: String,
    pub(crate) publication: Publication,
    pub(crate) state: PathBuf,
    /// This machine, where it doesn't say so itself.
    pub(crate) instance: Option<InstanceId>,
    pub(crate) sys: PathBuf,
    pub(crate) dev: PathBuf,
    pub(crate) fstab: PathBuf,
}

/// Prepares, or only looks.
pub(crate) struct Setup<'a> {
    pub(crate) cloud: &'a OpenCloud,
    pub(crate) screen: &'a dyn Screen,
    pub(crate) interrupts: &'a Interrupts,
    pub(crate) wanted: &'a Wanted,
    pub(crate) only_looks: bool,
}

impl Setup<'_> {
    /// All steps. Returns the volume; `None` where it is still to be made.
    pub(crate) fn run(&self) -> Result<Option<VolumeId>, Failure> {
        let volume = match self.cloud.local() {
            Some(_) => self.on_a_folder()?,
            None => self.on_a_disk()?,
        };
        self.places()?;
        Ok(volume)
    }

    /// A local cloud's volume is a directory, and the source leads to it.
    fn on_a_folder(&self) -> Result<Option<VolumeId>, Failure> {
        let zone: Zone = "local-a".parse().map_err(|_| SetupError::NoInstance)?;
        let volume = self.volume(&zone)?;
        if let (Some(volume), Some(local)) = (&volume, self.cloud.local()) {
            self.link_source(&local.volume_directory(&volume.id))?;
        }
        Ok(volume.map(|volume| volume.id))
    }

    fn on_a_disk(&self) -> Result<Option<VolumeId>, Failure> {
        let us = self.wanted.instance.clone();
        let us = us.or_else(|| here::instance(&self.wanted.sys));
        let us = us.ok_or(SetupError::NoInstance)?;
        let zone = self.zone(&us)?;
        let Some(volume) = self.volume(&zone)? else {
            for (step, text) in [
                ("attach", "the volume to this instance"),
                ("file-system", "on the volume"),
                ("fstab", "a line for the volume"),
                ("mount", "the volume"),
                ("owner", "of the source"),
            ] {
                self.tell(step, Standing::ToDo, text);
            }
            return Ok(None);
        };
        if self.attach(&volume, &us)? {
            self.mount_volume(&volume.id)?;
        }
        Ok(Some(volume.id))
    }

    /// Where this machine is: only there a volume can be attached to it.
    fn zone(&self, us: &InstanceId) -> Result<Zone, Failure> {
        let port: &dyn Cloud = self.cloud.port();
        let ids = [us.clone()];
        let found = self.cloud.run(port.instances(&ids))?;
        let found = found.into_iter().find(|instance| instance.id == *us);
        let found = found.ok_or_else(|| SetupError::UnknownInstance(us.clone()))?;
        Ok(found.zone)
    }

    fn tell(&self, step: &'static str, standing: Standing, text: &str) {
        self.screen.prepared(step, standing, text);
    }
}
