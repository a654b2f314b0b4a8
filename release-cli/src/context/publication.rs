//! What is snapshotted and published, and with what.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use release_core::{CloudKind, FileSystem, Label, Retention, VolumeId};
use release_sync::{Host, Options};

use super::present::Present;
use super::{Absent, CloudFlags, Environment, File};
use crate::args::{Formatting, HostArgs, ServeArgs, SetupArgs};
use crate::failure::Failure;
use crate::freeze::Tenant;
use crate::setup::Wanted;
use crate::snapshot::{SnapshotSettings, Stillness, VolumeSettings};

/// How long an answer is waited for where nothing is frozen meanwhile.
const UNFROZEN: Duration = Duration::from_secs(25);

/// Where the pointer is served, if nothing says where.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// Where the pointer goes.
#[derive(Clone, Debug)]
pub(crate) struct Publication {
    pub(crate) directory: PathBuf,
    pub(crate) key: PathBuf,
}

/// What a snapshot is taken of, and what becomes of it.
#[derive(Debug)]
pub(crate) struct Snapshotting {
    pub(crate) source: PathBuf,
    pub(crate) options: Options,
    pub(crate) snapshots: SnapshotSettings,
    pub(crate) publication: Publication,
    pub(crate) state: PathBuf,
    pub(crate) lock_wait: Duration,
}

/// What goes back.
#[derive(Debug)]
pub(crate) struct Reversal {
    pub(crate) hosts: Vec<Host>,
    pub(crate) absent: Vec<Absent>,
    pub(crate) options: Options,
}

impl File {
    /// The hosts that are to go back, as they are now. With a cloud there may be none.
    pub(crate) fn reversal(
        &self,
        flags: CloudFlags<'_>,
        args: &HostArgs,
        environment: &Environment,
    ) -> Result<Reversal, Failure> {
        let has_cloud = self.config.cloud.kind != CloudKind::None;
        let present = match self.present(flags, args, None, environment) {
            Err(Failure::NoHosts) if has_cloud => Present::default(),
            present => present?,
        };
        Ok(Reversal {
            hosts: present.hosts,
            absent: present.absent,
            options: self.options(environment)?,
        })
    }

    /// The volume that the source is on.
    pub(crate) fn volume(&self) -> Result<VolumeId, Failure> {
        let volume = self.config.snapshot.volume.clone();
        volume.ok_or(Failure::Unset {
            what: "which volume the source is on",
            key: "snapshot.volume",
        })
    }

    /// All that a snapshot takes. `sys` is where sysfs is.
    pub(crate) fn snapshotting(
        &self,
        source: Option<&Path>,
        lock_wait: Option<u64>,
        sys: &Path,
        environment: &Environment,
    ) -> Result<Snapshotting, Failure> {
        let source = self.source(source, environment);
        let source = source.ok_or(Failure::Unsaid {
            what: "which tree the snapshot is of",
            flag: "--source DIR",
            key: "source",
        })?;
        let publication = self.publication()?;
        let lock_wait = lock_wait.map(Duration::from_secs);
        Ok(Snapshotting {
            snapshots: self.snapshots(&publication, sys)?,
            source,
            options: self.options(environment)?,
            publication,
            state: self.state(environment).ok_or(Failure::NoStateHome)?,
            lock_wait: lock_wait.unwrap_or(self.config.state.lock_wait),
        })
    }

    /// Where the pointer goes, and what signs it.
    pub(crate) fn publication(&self) -> Result<Publication, Failure> {
        let publish = &self.config.publish;
        let unsaid = |what, key| Failure::Unset { what, key };
        let directory = publish.directory.as_ref();
        let directory = directory.ok_or_else(|| unsaid("where to publish", "publish.directory"))?;
        let key = self.signing_key();
        Ok(Publication {
            directory: self.directory.join(directory),
            key: key.ok_or_else(|| unsaid("which key signs the pointer", "publish.key"))?,
        })
    }

    /// The folder of a local cloud, if it is one.
    pub(crate) fn local_root(&self) -> Option<PathBuf> {
        let cloud = &self.config.cloud;
        let root = cloud.root.as_ref()?;
        (cloud.kind == CloudKind::Local).then(|| self.directory.join(root))
    }

    /// What a release server is to have.
    pub(crate) fn setup(
        &self,
        args: &SetupArgs,
        environment: &Environment,
    ) -> Result<Wanted, Failure> {
        let source = self.source(None, environment).ok_or(Failure::Unset {
            what: "where the source is",
            key: "source",
        })?;
        let first = self.config.cloud.groups.first();
        let fleet = args.fleet.clone().or_else(|| Some(first?.to_string()));
        Ok(Wanted {
            volume: self.config.snapshot.volume.clone(),
            fleet: fleet.unwrap_or_else(|| "release".to_owned()),
            size_gib: args.size,
            file_system: match args.file_system {
                Formatting::Ext4 => FileSystem::Ext4,
                Formatting::Xfs => FileSystem::Xfs,
            },
            label: Label::cut(&args.label),
            keep: args.keep_file_system,
            source,
            user: self.config.ssh.user.clone(),
            publication: self.publication()?,
            state: self.state(environment).ok_or(Failure::NoStateHome)?,
            instance: args.instance.clone(),
            sys: args.cloud.sys.clone(),
            dev: args.dev.clone(),
            fstab: args.fstab.clone(),
        })
    }

    /// What is served, and where.
    pub(crate) fn serving(
        &self,
        args: &ServeArgs,
        environment: &Environment,
    ) -> Result<(PathBuf, SocketAddr), Failure> {
        let publish = &self.config.publish;
        let directory = match (&args.directory, &publish.directory) {
            (Some(directory), _) => environment.directory.join(directory),
            (None, Some(directory)) => self.directory.join(directory),
            (None, None) => {
                return Err(Failure::Unsaid {
                    what: "what to serve",
                    flag: "--directory DIR",
                    key: "publish.directory",
                });
            }
        };
        let address = args.listen.or(publish.listen);
        Ok((directory, address.unwrap_or(LISTEN)))
    }

    /// The file of the secret key.
    pub(crate) fn signing_key(&self) -> Option<PathBuf> {
        Some(self.directory.join(self.config.publish.key.as_ref()?))
    }

    /// What snapshots are made with.
    pub(crate) fn snapshots(
        &self,
        publication: &Publication,
        sys: &Path,
    ) -> Result<SnapshotSettings, Failure> {
        let snapshot = &self.config.snapshot;
        let volume = self.volume()?;
        // On a local cloud a volume is a folder, and its file system everybody's.
        let can_freeze = self.config.cloud.kind != CloudKind::Local;
        Ok(SnapshotSettings {
            volume: VolumeSettings {
                volume,
                verify: snapshot.verify_volume,
                sys: sys.to_owned(),
            },
            stillness: match snapshot.freeze && can_freeze {
                true => Stillness::Frozen(snapshot.freeze_timeout),
                false => Stillness::Synced(UNFROZEN),
            },
            elsewhere: vec![
                Tenant::new("the publish directory", &publication.directory),
                Tenant::new("the signing key", &publication.key),
                Tenant::new("the configuration", &self.path),
            ],
            retention: self.retention(),
        })
    }

    /// How long to wait for another deploy.
    pub(crate) fn lock_wait(&self) -> Duration {
        self.config.state.lock_wait
    }

    /// Which generations are kept.
    fn retention(&self) -> Retention {
        Retention {
            keep: self.config.snapshot.keep,
            boot_deadline: self.config.rollout.boot_deadline,
        }
    }
}
