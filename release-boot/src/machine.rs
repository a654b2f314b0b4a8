//! This machine: devices, mounts, and what it remembers.
//!
//! [`Kernel`] is a Linux machine with block devices. [`Folder`] is an instance of a local fleet, whose volumes are
//! directories.

mod device;
mod folder;
mod fstab;
mod kernel;
mod memory;
mod options;
mod tree;

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use release_core::boot::{Fault, Looked, Opened};
use release_core::{BootConfig, DeviceName, FileSystem, Generation, VolumeId};

use rustix::fs::{Mode, OFlags, open, openat};

pub(crate) use folder::Folder;
pub(crate) use kernel::Kernel;
pub(crate) use tree::Proved;

use crate::trouble::Trouble;
use tree::TreeError;

/// What a machine can do. Everything returns at once, but for what a disk takes; everything can be done twice.
pub(crate) trait Machine {
    /// What is mounted where the release belongs, and what the machine remembers.
    fn look(&mut self) -> Result<Looked, Trouble>;

    /// Whether nobody is at work in what is mounted. Changes nothing.
    fn probe(&mut self) -> Result<(), Trouble>;

    /// Whether a volume's device is there now.
    fn has_device(&mut self, volume: &VolumeId, name: Option<&DeviceName>)
    -> Result<bool, Trouble>;

    /// Mounts a volume where nobody sees it, and reads its marker.
    fn open(
        &mut self,
        volume: &VolumeId,
        name: Option<&DeviceName>,
        file_system: Option<FileSystem>,
    ) -> Result<Opened, Trouble>;

    /// Compares every file of the open volume with its manifest.
    fn verify(&mut self, volume: &VolumeId) -> Result<(), Trouble>;

    /// Lets go of an open volume.
    fn close(&mut self, volume: &VolumeId);

    /// Shows an open volume where the release belongs.
    fn show(&mut self, volume: &VolumeId) -> Result<(), Trouble>;

    /// Unmounts what is shown, if anything is.
    fn hide(&mut self) -> Result<(), Trouble>;

    /// Writes the mount down in fstab.
    fn write_fstab(
        &mut self,
        volume: &VolumeId,
        file_system: Option<FileSystem>,
    ) -> Result<(), Trouble>;

    /// Remembers a generation, if it is higher than what is remembered.
    fn record(&mut self, generation: Generation) -> Result<(), Trouble>;

    /// Hashes every file of what is shown; `None`: nothing is.
    fn prove(&mut self) -> Result<Option<Proved>, Trouble>;
}

/// Where things are on the machine.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// Where the release belongs.
    pub(crate) target: PathBuf,
    /// The same, as it will be called.
    pub(crate) mount: PathBuf,
    /// What will be `/`.
    pub(crate) root: PathBuf,
    pub(crate) state: PathBuf,
    pub(crate) sys: PathBuf,
    pub(crate) dev: PathBuf,
    pub(crate) options: String,
}

impl Layout {
    pub(crate) fn of(config: &BootConfig) -> Self {
        Self {
            target: below(config, &config.mount),
            mount: config.mount.clone(),
            root: config.root.clone(),
            state: below(config, &config.state),
            sys: config.sys.clone(),
            dev: config.dev.clone(),
            options: config.options.clone(),
        }
    }
}

/// An absolute path, below the root.
fn below(config: &BootConfig, path: &Path) -> PathBuf {
    let relative = path.strip_prefix("/").unwrap_or(path);
    config.root.join(relative)
}

/// A directory to be read, whatever the links on the way.
fn open_directory(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(open(path, flags, Mode::empty())?)
}

/// A directory that was opened as a name, to be read.
fn reopen(directory: &OwnedFd) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(openat(directory, c".", flags, Mode::empty())?)
}

/// A tree that differs is refused; one that can't be read is a failure.
fn tree_trouble(error: TreeError) -> Trouble {
    let fault = match error.is_difference() {
        true => Fault::Refused,
        false => Fault::Broken,
    };
    Trouble::new(fault, error)
}
