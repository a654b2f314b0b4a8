//! What `rollback` is told.

use clap::Args as Arguments;

use super::deploy::{HostArgs, whole_number};

/// Goes back to the previous release, or to a named one
///
/// With a cloud, a new pointer is published first: it has a new, higher generation, and names the older
/// snapshot, so that instances which are launched from now on boot it. Then hosts go back to what their last
/// deploy displaced, which needs no transfer. A host that has nothing to go back to, or would come to another
/// release, is named. Can be run again with the same generation.
#[derive(Debug, Default, Arguments)]
#[command(after_help = "\
Examples:
  release-cli history
  release-cli rollback
  release-cli rollback 41 --yes")]
pub(crate) struct RollbackArgs {
    /// The generation whose release is to be current again; without it, the one before
    #[arg(value_name = "GENERATION", value_parser = whole_number)]
    pub(crate) generation: Option<u64>,
    #[command(flatten)]
    pub(crate) hosts: HostArgs,
    /// The region [file: cloud.region]
    #[arg(long, value_name = "R")]
    pub(crate) region: Option<String>,
    /// Wait this long for another deploy to end [file: state.lock_wait]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = whole_number)]
    pub(crate) lock_wait: Option<u64>,
    /// Answer every question with yes
    #[arg(long)]
    pub(crate) yes: bool,
}
