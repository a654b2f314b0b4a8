//! What `history`, `prune`, `rollback` and `serve` are told.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args as Arguments;

use super::deploy::whole_number;
use super::publication::CloudArgs;

/// Shows what was deployed, by whom, and what came of it
///
/// The latest last. With --json a `deploy` event each, with all hosts.
#[derive(Debug, Default, Arguments)]
#[command(after_help = "\
Examples:
  release-cli history
  release-cli history --last 3
  release-cli --json history | jq 'select(.outcome != \"ok\")'")]
pub(crate) struct HistoryArgs {
    /// How many
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = at_least_one)]
    pub(crate) last: u64,
}

/// Deletes snapshots that are not needed any more
///
/// Kept are the latest generations (`snapshot.keep`), the current one, the one before and the latest of another
/// release whatever their number, and whatever was current less than a boot's longest time ago
/// (`rollout.boot_deadline`). Others than this fleet's, and those that were never published, are not touched. A
/// deploy does the same at its end.
#[derive(Debug, Default, Arguments)]
#[command(after_help = "\
Examples:
  release-cli prune --plan
  release-cli prune --keep 3")]
pub(crate) struct PruneArgs {
    /// Show what would be deleted, and delete nothing
    #[arg(long)]
    pub(crate) plan: bool,
    /// How many generations are kept [file: snapshot.keep]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = at_least_one)]
    pub(crate) keep: Option<u64>,
    #[command(flatten)]
    pub(crate) cloud: CloudArgs,
    /// Wait this long for another deploy to end [file: state.lock_wait]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = whole_number)]
    pub(crate) lock_wait: Option<u64>,
}

/// Serves the pointer's directory over HTTP
///
/// Only the three files of a publication, and nothing else: no listing, no path. Stops in good order on Ctrl-C
/// and SIGTERM. Any web server can do the same; what is served is signed, so that it need not be trusted.
#[derive(Debug, Default, Arguments)]
#[command(after_help = "\
Examples:
  release-cli serve
  release-cli serve --listen 0.0.0.0:8080
  curl http://release-server:8080/snap.txt")]
pub(crate) struct ServeArgs {
    /// Address and port, port 0 for a free one [file: publish.listen, else 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// The directory [file: publish.directory]
    #[arg(long, value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
}

fn at_least_one(text: &str) -> Result<u64, &'static str> {
    text.parse()
        .ok()
        .filter(|number| *number > 0)
        .ok_or("it is a whole number, and at least 1")
}
