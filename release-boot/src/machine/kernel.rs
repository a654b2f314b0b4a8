//! A Linux machine.
//!
//! A volume is mounted in two steps, with the system calls that Linux has for that since 5.2. `fsopen` and
//! `fsmount` mount it nowhere: only the descriptor leads into it. When its tree was found right, `move_mount`
//! gives it its place.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use release_core::boot::{Fault, Looked, Mounted, Opened};
use release_core::{BlockDevice, DeviceName, DeviceNumber, FileSystem, Generation, VolumeId};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, StatxAttributes, StatxFlags, open, statx};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MoveMountFlags, UnmountFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen, move_mount, unmount,
};

use super::device::{Node, NodeError, Places};
use super::options::Options;
use super::{Layout, Machine, fstab, memory, tree};
use crate::trouble::Trouble;

/// A Linux machine.
#[derive(Debug)]
pub(crate) struct Kernel {
    layout: Layout,
    open: Option<Open>,
}

/// A volume that is mounted nowhere.
#[derive(Debug)]
struct Open {
    volume: VolumeId,
    root: OwnedFd,
    identified: bool,
}

/// What the kernel refuses.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KernelError {
    #[error("{} can't be looked at", .path.display())]
    Look { path: PathBuf, source: io::Error },
    #[error("{} can't be made", .path.display())]
    MakePoint { path: PathBuf, source: io::Error },
    #[error("this kernel can't mount anything out of sight: that takes Linux 5.2")]
    OldKernel,
    #[error("{} can't be mounted: {said}", .path.display())]
    Mount {
        path: PathBuf,
        /// What the file system said, if anything.
        said: String,
        source: io::Error,
    },
    #[error("what was mounted is not {0}")]
    OtherDevice(PathBuf),
    #[error("{0} is not open")]
    NotOpen(VolumeId),
    #[error("{} can't be unmounted", .path.display())]
    Unmount { path: PathBuf, source: io::Error },
    #[error(
        "{} is a btrfs, and this kernel can't mount a second volume of one origin beside it: that takes Linux 6.7, or \
         a restart", .0.display()
    )]
    Twin(PathBuf),
}

/// Where a btrfs says that it can be mounted beside another one with its UUID.
const TWINS: &str = "/sys/fs/btrfs/features/temp_fsid";
/// The number of btrfs, as statfs(2) has it.
const BTRFS: u64 = 0x9123_683e;

impl Kernel {
    pub(crate) const fn new(layout: Layout) -> Self {
        Self { layout, open: None }
    }

    fn places(&self) -> Places<'_> {
        Places {
            sys: &self.layout.sys,
            dev: &self.layout.dev,
        }
    }

    /// What is mounted at the place, with its root.
    fn mounted(&self) -> Result<Option<(Mounted, OwnedFd)>, KernelError> {
        let path = &self.layout.target;
        let look = |source: io::Error| KernelError::Look {
            path: path.clone(),
            source,
        };
        let root = match open(
            path,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        ) {
            Ok(root) => root,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(look(error.into())),
        };
        let facts = statx(&root, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS);
        let facts = facts.map_err(|error| look(error.into()))?;
        if !facts.stx_attributes.contains(StatxAttributes::MOUNT_ROOT) {
            return Ok(None);
        }
        let number = DeviceNumber {
            major: facts.stx_dev_major,
            minor: facts.stx_dev_minor,
        };
        // One without a serial number, or none at all, has no name here.
        let device = BlockDevice::of(&self.layout.sys, number).ok();
        let serial = device.and_then(|device| device.serial);
        let volume = serial.and_then(|serial| VolumeId::from_serial(&serial).ok());
        let marker = tree::marker(&root).map_err(look)?;
        Ok(Some((Mounted { volume, marker }, root)))
    }

    /// Mounts a device where nobody sees it.
    fn mount(&self, node: &Node) -> Result<OwnedFd, KernelError> {
        let options = Options::parse(&self.layout.options, node.file_system);
        let context = fsopen(node.file_system.as_str(), FsOpenFlags::FSOPEN_CLOEXEC);
        let context = context.map_err(|error| match error {
            Errno::NOSYS => KernelError::OldKernel,
            error => self.refused(node, None, error),
        })?;
        let mount = || {
            fsconfig_set_string(context.as_fd(), "source", &*node.path)?;
            for (name, value) in &options.of_file_system {
                match value {
                    Some(value) => fsconfig_set_string(context.as_fd(), name, value)?,
                    None => fsconfig_set_flag(context.as_fd(), name)?,
                }
            }
            fsconfig_create(context.as_fd())?;
            fsmount(
                context.as_fd(),
                FsMountFlags::FSMOUNT_CLOEXEC,
                options.attributes,
            )
        };
        let root = mount().map_err(|error| self.refused(node, Some(&context), error))?;
        self.confirm(node, &root)?;
        Ok(root)
    }

    /// With what the file system has to say about it, which the kernel hands out by the descriptor.
    fn refused(&self, node: &Node, context: Option<&OwnedFd>, error: Errno) -> KernelError {
        let mut said = [0; 512];
        let length = context.and_then(|context| rustix::io::read(context, &mut said).ok());
        let said = &said[..length.unwrap_or(0)];
        KernelError::Mount {
            path: node.path.clone(),
            said: release_core::escape(said.trim_ascii()),
            source: error.into(),
        }
    }

    /// Holds what was mounted against what was to be: the node may have become another device meanwhile. btrfs
    /// has numbers of its own, by which nothing can be told.
    fn confirm(&self, node: &Node, root: &OwnedFd) -> Result<(), KernelError> {
        if node.file_system == FileSystem::Btrfs {
            return Ok(());
        }
        let facts = statx(root, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS);
        let facts = facts.map_err(|error| self.refused(node, None, error))?;
        let number = DeviceNumber {
            major: facts.stx_dev_major,
            minor: facts.stx_dev_minor,
        };
        if number == node.number {
            Ok(())
        } else {
            Err(KernelError::OtherDevice(node.path.clone()))
        }
    }

    /// Whether what is mounted can stay while the volume is opened that replaces it: snapshots of one origin share
    /// the UUID by which btrfs tells file systems apart.
    fn can_have_twin(&self) -> Result<(), KernelError> {
        let Some((_, root)) = self.mounted()? else {
            return Ok(());
        };
        let facts = rustix::fs::fstatfs(&root).map_err(|error| KernelError::Look {
            path: self.layout.target.clone(),
            source: error.into(),
        })?;
        let is_btrfs = u64::try_from(facts.f_type).is_ok_and(|kind| kind == BTRFS);
        if is_btrfs && !Path::new(TWINS).exists() {
            return Err(KernelError::Twin(self.layout.target.clone()));
        }
        Ok(())
    }

    fn open_volume(&self, volume: &VolumeId) -> Result<&Open, KernelError> {
        let open = self.open.as_ref().filter(|open| open.volume == *volume);
        open.ok_or_else(|| KernelError::NotOpen(volume.clone()))
    }

    /// Gives an open mount its place.
    fn place(&self, open: &Open) -> Result<(), KernelError> {
        let path = &self.layout.target;
        fs::create_dir_all(path).map_err(|source| KernelError::MakePoint {
            path: path.clone(),
            source,
        })?;
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
        let moved = move_mount(open.root.as_fd(), c"", CWD, &**path, flags);
        moved.map_err(|error| KernelError::Mount {
            path: path.clone(),
            said: String::new(),
            source: error.into(),
        })
    }

    fn unmount(&self, flags: UnmountFlags) -> Result<(), Errno> {
        unmount(&*self.layout.target, flags)
    }

    fn unmount_error(&self, error: Errno) -> Trouble {
        let fault = match error {
            Errno::BUSY => Fault::Busy,
            _ => Fault::Broken,
        };
        let cause = KernelError::Unmount {
            path: self.layout.target.clone(),
            source: error.into(),
        };
        Trouble::new(fault, cause)
    }
}

impl Machine for Kernel {
    fn look(&mut self) -> Result<Looked, Trouble> {
        let mounted = self.mounted().map_err(Trouble::broken)?;
        Ok(Looked {
            mounted: mounted.map(|(mounted, _)| mounted),
            seen: memory::read(&self.layout.state).map_err(Trouble::broken)?,
        })
    }

    /// Asks the kernel to unmount what was not used since it was last asked to, which is what nobody uses: the
    /// first time it only says whether it could.
    fn probe(&mut self) -> Result<(), Trouble> {
        self.can_have_twin().map_err(Trouble::broken)?;
        match self.unmount(UnmountFlags::EXPIRE) {
            Ok(()) => Ok(()),
            Err(Errno::AGAIN) => {
                // That is a use, so that the next question is the first again.
                let _ = self.mounted();
                Ok(())
            }
            Err(error) => Err(self.unmount_error(error)),
        }
    }

    fn has_device(
        &mut self,
        volume: &VolumeId,
        name: Option<&DeviceName>,
    ) -> Result<bool, Trouble> {
        match self.places().has(volume, name) {
            // Devices come and go while they are looked at.
            Err(NodeError::Sysfs(error)) if error.is_retryable() => Ok(false),
            outcome => outcome.map_err(node_trouble),
        }
    }

    fn open(
        &mut self,
        volume: &VolumeId,
        name: Option<&DeviceName>,
        file_system: Option<FileSystem>,
    ) -> Result<Opened, Trouble> {
        if self.open_volume(volume).is_err() {
            self.open = None;
            let node = self
                .places()
                .node(volume, name, file_system)
                .map_err(node_trouble)?;
            let root = self.mount(&node).map_err(|error| match error {
                KernelError::OtherDevice(_) => Trouble::new(Fault::Unidentified, error),
                error => Trouble::broken(error),
            })?;
            self.open = Some(Open {
                volume: volume.clone(),
                root,
                identified: node.identified,
            });
        }
        let open = self.open_volume(volume).map_err(Trouble::broken)?;
        Ok(Opened {
            marker: tree::marker(&open.root).map_err(Trouble::broken)?,
            identified: open.identified,
        })
    }

    fn verify(&mut self, volume: &VolumeId) -> Result<(), Trouble> {
        let open = self.open_volume(volume).map_err(Trouble::broken)?;
        tree::prove(&open.root)
            .map(drop)
            .map_err(super::tree_trouble)
    }

    fn close(&mut self, _volume: &VolumeId) {
        // The mount goes with its last descriptor.
        self.open = None;
    }

    fn show(&mut self, volume: &VolumeId) -> Result<(), Trouble> {
        let mounted = self.mounted().map_err(Trouble::broken)?;
        let is_shown = mounted.is_some_and(|(mounted, _)| mounted.volume.as_ref() == Some(volume));
        if !is_shown {
            let open = self.open_volume(volume).map_err(Trouble::broken)?;
            self.place(open).map_err(Trouble::broken)?;
        }
        self.open = None;
        Ok(())
    }

    fn hide(&mut self) -> Result<(), Trouble> {
        match self.unmount(UnmountFlags::NOFOLLOW) {
            // Nothing is mounted there, or nothing is there.
            Ok(()) | Err(Errno::INVAL | Errno::NOENT) => Ok(()),
            Err(error) => Err(self.unmount_error(error)),
        }
    }

    fn write_fstab(
        &mut self,
        volume: &VolumeId,
        file_system: Option<FileSystem>,
    ) -> Result<(), Trouble> {
        let node = self
            .places()
            .node(volume, None, file_system)
            .map_err(node_trouble)?;
        let line = fstab::Line {
            volume,
            mount: &self.layout.mount,
            file_system: node.file_system,
            options: &self.layout.options,
        };
        fstab::write(&self.layout.root, &line).map_err(Trouble::broken)
    }

    fn record(&mut self, generation: Generation) -> Result<(), Trouble> {
        memory::write(&self.layout.state, generation).map_err(Trouble::broken)
    }

    fn prove(&mut self) -> Result<Option<tree::Proved>, Trouble> {
        match self.mounted().map_err(Trouble::broken)? {
            Some((_, root)) => {
                // What was opened as a name can't be read from.
                let root = super::reopen(&root).map_err(Trouble::broken)?;
                tree::prove(&root).map(Some).map_err(super::tree_trouble)
            }
            None => Ok(None),
        }
    }
}

fn node_trouble(error: NodeError) -> Trouble {
    let fault = match &error {
        NodeError::Missing(_) => Fault::Missing,
        NodeError::OtherDevice(_) => Fault::Unidentified,
        _ => Fault::Broken,
    };
    Trouble::new(fault, error)
}
