//! What `snapshot` and `keygen` are told.

use std::path::PathBuf;

use clap::Args as Arguments;

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
