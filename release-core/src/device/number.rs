//! Device numbers as sysfs and mountinfo write them.

use std::fmt;
use std::str::FromStr;

/// The number of a device, or of a file system that has none: `259:1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceNumber {
    /// Says which driver's. 0 is that of file systems without a device.
    pub major: u32,
    /// Says which of its devices.
    pub minor: u32,
}

/// A text that is no device number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a device number is two decimal numbers with a colon in between")]
pub struct ParseDeviceNumberError;

impl fmt::Display for DeviceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

impl FromStr for DeviceNumber {
    type Err = ParseDeviceNumberError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (major, minor) = text.split_once(':').ok_or(ParseDeviceNumberError)?;
        // `parse` alone would let a sign through.
        let number = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
            true => text.parse().map_err(|_| ParseDeviceNumberError),
            false => Err(ParseDeviceNumberError),
        };
        Ok(Self {
            major: number(major)?,
            minor: number(minor)?,
        })
    }
}
