//! What `snapshot`, `setup` and `keygen` are told.

use std::path::PathBuf;

use clap::{Args as Arguments, ValueEnum};
use release_core::InstanceId;

use super::deploy::whole_number;

/// Which cloud, where the file's word is not the last.
#[derive(Debug, Default, Arguments)]
pub(crate) struct CloudArgs {
    /// The region [file: cloud.region]
    #[arg(long, value_name = "R")]
    pub(crate) region: Option<String>,
    /// Where sysfs is
    #[arg(long, value_name = "DIR", hide = true, default_value = "/sys")]
    pub(crate) sys: PathBuf,
}

/// Makes a snapshot of the source and publishes it, without pushing
///
/// New instances boot from it from then on; those that run keep what they have. The source's file system is
/// frozen for a moment, and a watchdog sees to it that it can't stay so. If anything in the source changes
/// meanwhile, the snapshot is deleted and nothing published. Afterwards snapshots go that are not needed any
/// more, as by `prune`. Needs root, to freeze.
#[derive(Debug, Default, Arguments)]
#[command(after_help = "\
Examples:
  release-cli snapshot
  release-cli --json snapshot | jq 'select(.event == \"published\")'")]
pub(crate) struct SnapshotArgs {
    /// The tree that the snapshot is of [file: source]
    #[arg(long, value_name = "DIR")]
    pub(crate) source: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) cloud: CloudArgs,
    /// Wait this long for another deploy to end [file: state.lock_wait]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = whole_number)]
    pub(crate) lock_wait: Option<u64>,
}

/// Makes a key that signs what is published
///
/// The secret key goes to the file that `publish.key` names, in minisign's format, for its owner alone; the
/// public one beside it, with the ending `.pub`: that is what instances check with. Nothing is overwritten.
#[derive(Debug, Default, Arguments)]
#[command(after_help = "\
Examples:
  release-cli keygen
  release-cli keygen --key /etc/release/release.key
  minisign -V -m release.json -p /etc/release/release.pub")]
pub(crate) struct KeygenArgs {
    /// Where the secret key goes [file: publish.key]
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// Put it behind a password, which is asked for, and then again by every command that publishes
    #[arg(long)]
    pub(crate) password: bool,
}

/// Prepares the release server: volume, file system, mount, key
///
/// Makes a volume for the source or takes the one that is there, attaches it to this instance, makes a file
/// system on it if it is empty, mounts it at the source and adds it to fstab; makes the publish directory, the
/// state directory and the signing key. What is done already is left as it is, so that it can be run again. A
/// device that isn't empty is refused. Needs root.
#[derive(Debug, Default, Arguments)]
#[command(after_help = "\
Examples:
  release-cli setup --plan
  release-cli setup --fleet web --size 20")]
pub(crate) struct SetupArgs {
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub(crate) plan: bool,
    /// Whose the volume is: the value of the tag `release-fleet` [default: the first group, else `release`]
    #[arg(long, value_name = "NAME")]
    pub(crate) fleet: Option<String>,
    /// Size of a new volume, in GiB
    #[arg(long, value_name = "GIB", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=16384))]
    pub(crate) size: u32,
    /// What is made on an empty volume
    #[arg(long, value_name = "KIND", value_enum, default_value_t)]
    pub(crate) file_system: Formatting,
    /// Its label, for people
    #[arg(long, value_name = "TEXT", default_value = "release", value_parser = label)]
    pub(crate) label: String,
    /// Take a file system that is on the volume as it is
    #[arg(long)]
    pub(crate) keep_file_system: bool,
    /// Which instance this machine is; it mostly says so itself
    #[arg(long, value_name = "ID")]
    pub(crate) instance: Option<InstanceId>,
    #[command(flatten)]
    pub(crate) cloud: CloudArgs,
    /// Where devices are
    #[arg(long, value_name = "DIR", hide = true, default_value = "/dev")]
    pub(crate) dev: PathBuf,
    /// The table of file systems
    #[arg(long, value_name = "FILE", hide = true, default_value = "/etc/fstab")]
    pub(crate) fstab: PathBuf,
}

/// A file system that can be made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Formatting {
    #[default]
    Ext4,
    Xfs,
}

/// XFS has room for twelve bytes.
fn label(text: &str) -> Result<String, &'static str> {
    let is_plain = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    match is_plain && (1..=12).contains(&text.len()) && !text.starts_with('-') {
        true => Ok(text.to_owned()),
        false => Err("it is 1 to 12 of letters, digits, `.`, `_` and `-`"),
    }
}
