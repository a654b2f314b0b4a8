//! Which volume a block device is, as `sysfs(5)` tells it.
//!
//! An EBS volume on NVMe gives its id, without the dash, as the drive's serial number. That is looked up in
//! sysfs itself: links by id are udev's, who may not be there, or be late. Nothing here looks at the content
//! of a device: labels and UUIDs are copied with a snapshot, and a decoy can have them too.
//!
//! The only module of this crate that reads files, and only below the root that it is given.

mod number;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use number::{DeviceNumber, ParseDeviceNumberError};

/// Longest attribute that is read, in bytes.
const MAX_ATTRIBUTE: usize = 256;

/// Why a device could not be looked up.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// A file system's number that belongs to no block device: tmpfs, NFS, btrfs.
    #[error("{number} is no block device ({} is not there)", .path.display())]
    NoBlockDevice {
        /// What was looked for.
        number: DeviceNumber,
        /// Where.
        path: PathBuf,
    },
    /// Something below the root can't be read.
    #[error("{} can't be read", .path.display())]
    Unreadable {
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something below the root is not as sysfs has it.
    #[error("{} is not what sysfs has there", .path.display())]
    Malformed {
        /// What.
        path: PathBuf,
    },
}

impl DeviceError {
    /// Devices come and go while they are looked at.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unreadable { .. })
    }
}

/// A whole disk, or a partition of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockDevice {
    /// The kernel's name, which is that of the node in `/dev`: `nvme1n1p1`, `xvdf`.
    pub name: String,
    /// Its number.
    pub number: DeviceNumber,
    /// The name of the whole disk; the same as `name` if this is one.
    pub disk: String,
    /// The partition's number; `None` for a whole disk.
    pub partition: Option<u32>,
    /// What the drive says its serial number is, without blanks around it; `None` where it says nothing, as
    /// Xen's and loop devices.
    pub serial: Option<String>,
}

/// Whether a device is a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// It is.
    Same,
    /// It is another one, whose serial number this is.
    Other(String),
    /// It doesn't say. That is no yes.
    Unknown,
}

impl BlockDevice {
    /// The device of this number; `sys` is where sysfs is mounted, usually `/sys`.
    ///
    /// # Errors
    /// [`DeviceError::NoBlockDevice`] when no block device has the number; else when sysfs can't be read.
    pub fn of(sys: &Path, number: DeviceNumber) -> Result<Self, DeviceError> {
        let path = sys.join(format!("dev/block/{number}"));
        let place = match fs::canonicalize(&path) {
            Ok(place) => place,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(DeviceError::NoBlockDevice { number, path });
            }
            Err(source) => return Err(DeviceError::Unreadable { path, source }),
        };
        Self::at(&place, number)
    }

    /// All devices that are this volume, whole disks and their partitions, by name. Usually one, or none
    /// while it is not attached.
    ///
    /// # Errors
    /// When sysfs can't be read. A device that goes away meanwhile is none.
    pub fn all_of(sys: &Path, volume: &str) -> Result<Vec<Self>, DeviceError> {
        let mut devices = Vec::new();
        for disk in directories(&sys.join("block"))? {
            match Self::listed(&disk)? {
                Some(whole) if whole.identity(volume) == Identity::Same => {
                    devices.extend(Self::with_partitions(&disk, whole)?);
                }
                _ => {}
            }
        }
        devices.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(devices)
    }

    /// The whole disk that the kernel calls so, and its partitions, by name; none, if it knows of no such disk.
    ///
    /// # Errors
    /// As for [`all_of`](Self::all_of).
    pub fn named(sys: &Path, disk: &str) -> Result<Vec<Self>, DeviceError> {
        let mut devices = Vec::new();
        // A slash in a name is the kernel's `!`, so that no name leads elsewhere.
        let place = sys.join("block").join(disk.replace('/', "!"));
        if !matches!(disk, "" | "." | "..")
            && let Some(whole) = Self::listed(&place)?
        {
            devices = Self::with_partitions(&place, whole)?;
        }
        devices.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(devices)
    }

    fn with_partitions(disk: &Path, whole: Self) -> Result<Vec<Self>, DeviceError> {
        let mut devices = vec![whole];
        for part in directories(disk)? {
            if attribute(&part, "partition")?.is_some() {
                devices.extend(Self::listed(&part)?);
            }
        }
        Ok(devices)
    }

    /// Is it the volume of this id (`vol-0123456789abcdef0`)?
    pub fn identity(&self, volume: &str) -> Identity {
        match &self.serial {
            None => Identity::Unknown,
            Some(serial) if same(serial, volume) => Identity::Same,
            Some(serial) => Identity::Other(serial.clone()),
        }
    }

    /// The device whose directory this is; `None` where it has no node in `/dev`, as one of several paths to
    /// a drive (`nvme0c0n1`), and where it is gone.
    fn listed(place: &Path) -> Result<Option<Self>, DeviceError> {
        let Ok(place) = fs::canonicalize(place) else {
            return Ok(None);
        };
        let is_hidden = attribute(&place, "hidden")?.is_some_and(|hidden| hidden == "1");
        let number = attribute(&place, "dev")?.and_then(|text| text.parse().ok());
        match number {
            Some(number) if !is_hidden => Self::at(&place, number).map(Some),
            _ => Ok(None),
        }
    }

    fn at(place: &Path, number: DeviceNumber) -> Result<Self, DeviceError> {
        let malformed = || DeviceError::Malformed {
            path: place.to_owned(),
        };
        let partition = match attribute(place, "partition")? {
            None => None,
            Some(text) => Some(text.parse().map_err(|_| malformed())?),
        };
        let disk = match partition {
            None => place,
            // A partition's directory lies in its disk's.
            Some(_) => place.parent().ok_or_else(malformed)?,
        };
        Ok(Self {
            name: name(place).ok_or_else(malformed)?,
            number,
            disk: name(disk).ok_or_else(malformed)?,
            partition,
            serial: serial(disk)?,
        })
    }
}

/// The drive's own word, or that of the controllers through which it is reached, where these agree.
fn serial(disk: &Path) -> Result<Option<String>, DeviceError> {
    let drive = disk.join("device");
    if let Some(serial) = attribute(&drive, "serial")? {
        return Ok(Some(serial));
    }
    // With several paths to a drive, `device` is a subsystem, and its controllers lie in it.
    let mut agreed = None;
    let controllers = match directories(&drive) {
        Err(DeviceError::Unreadable { source, .. }) if is_missing(&source) => return Ok(None),
        controllers => controllers?,
    };
    for controller in controllers {
        let is_nvme = name(&controller).is_some_and(|name| is_controller(&name));
        if is_nvme && let Some(serial) = attribute(&controller, "serial")? {
            if agreed.as_ref().is_some_and(|other| *other != serial) {
                return Ok(None);
            }
            agreed = Some(serial);
        }
    }
    Ok(agreed)
}

/// `nvme0`, but not `nvme0n1`.
fn is_controller(name: &str) -> bool {
    let number = name.strip_prefix("nvme");
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

/// The volume's id without its dash is the serial number. Nothing but a whole id is one.
fn same(serial: &str, volume: &str) -> bool {
    let hex = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match (serial.strip_prefix("vol"), volume.strip_prefix("vol-")) {
        (Some(serial), Some(volume)) => hex(volume) && serial == volume,
        _ => false,
    }
}

/// A file's text without blanks around it; `None` where it is missing, empty, or no text.
fn attribute(place: &Path, attribute: &str) -> Result<Option<String>, DeviceError> {
    let path = place.join(attribute);
    let content = match fs::read(&path) {
        Ok(content) => content,
        Err(error) if is_missing(&error) => return Ok(None),
        Err(source) => return Err(DeviceError::Unreadable { path, source }),
    };
    let text = std::str::from_utf8(&content[..content.len().min(MAX_ATTRIBUTE)]).ok();
    let text = text.map(|text| text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\0'));
    Ok(text.filter(|text| !text.is_empty()).map(str::to_owned))
}

/// What lies in a directory and is one, or leads to one; in order.
fn directories(place: &Path) -> Result<Vec<PathBuf>, DeviceError> {
    let unreadable = |source| DeviceError::Unreadable {
        path: place.to_owned(),
        source,
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(place).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_dir() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Also what a device that just went away gives.
fn is_missing(error: &io::Error) -> bool {
    const NO_SUCH_DEVICE: i32 = 19;
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    ) || error.raw_os_error() == Some(NO_SUCH_DEVICE)
}

fn name(place: &Path) -> Option<String> {
    // The kernel writes `!` where a name would have a slash, and `/dev` has the slash.
    Some(place.file_name()?.to_str()?.replace('!', "/"))
}
