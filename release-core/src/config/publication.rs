//! `[snapshot]` and `[publish]`: what new instances start from, and how they learn of it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::reader::Reader;
use super::{ConfigError, period};
use crate::VolumeId;

/// `[snapshot]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotConfig {
    /// The volume behind the source.
    pub volume: Option<VolumeId>,
    /// How many generations are kept. Default: 10.
    pub keep: u64,
    /// Freeze the file system while the snapshot is begun. Default: `true`.
    pub freeze: bool,
    /// Longest time that it may stay frozen. Default: 20 s.
    pub freeze_timeout: Duration,
    /// The source's device must have the volume's identity. Default: `true`.
    pub verify_volume: bool,
}

/// `[publish]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublishConfig {
    /// Where the pointer is written.
    pub directory: Option<PathBuf>,
    /// The key that signs it.
    pub key: Option<PathBuf>,
    /// Where it is served.
    pub listen: Option<SocketAddr>,
}

impl SnapshotConfig {
    pub(super) fn read(table: &Reader<'_>) -> Result<Self, ConfigError> {
        let freeze = [("on", Some(true)), ("off", Some(false))];
        Ok(Self {
            volume: table.parse("volume")?,
            keep: table.number("keep", 1..=10_000)?.unwrap_or(10),
            freeze: table.choice("freeze", &freeze)?.unwrap_or(true),
            freeze_timeout: period(table, "freeze_timeout", Duration::from_secs(20))?,
            verify_volume: table.flag("verify_volume")?.unwrap_or(true),
        })
    }
}

impl PublishConfig {
    pub(super) fn read(table: &Reader<'_>) -> Result<Self, ConfigError> {
        let listen = table.text("listen")?.map(|text| text.parse()).transpose();
        let listen = listen.map_err(|_| {
            table.refuse(
                "listen",
                "it is an address and a port, as in \"127.0.0.1:8080\"",
            )
        })?;
        Ok(Self {
            directory: table.text("directory")?.map(PathBuf::from),
            key: table.text("key")?.map(PathBuf::from),
            listen,
        })
    }
}
