//! What `deploy` and `plan` are told.

use std::path::PathBuf;

use clap::{ArgAction, Args as Arguments};
use release_core::{Rate, Share};

/// Makes every host's destination equal to the source
///
/// The contents of the source become the contents of the destination on each host: what is new or
/// changed is sent, what is gone is deleted. Everything is first laid down beside the current tree and
/// verified, and only then made current; hosts that are alike do that at one time. A deploy that is
/// interrupted can simply be run again; what already arrived is not sent twice.
#[derive(Debug, Default, Arguments)]
#[command(after_help = "\
Examples:
  release-cli deploy --no-snapshot
  release-cli deploy --no-snapshot --host web-1 --checksum
  release-cli deploy --no-snapshot --max-delete 100 --lock-wait 60
  release-cli deploy --no-snapshot --retry-failed
  release-cli --json deploy --no-snapshot | jq 'select(.event == \"finished\")'

Flags override the file; patterns of --exclude are added to those in the file.")]
pub(crate) struct DeployArgs {
    /// Only push: make no snapshot and publish nothing
    #[arg(long)]
    pub(crate) no_snapshot: bool,
    /// The tree to give out [file: source]
    #[arg(long, value_name = "DIR")]
    pub(crate) source: Option<PathBuf>,
    /// The directory that receives it, on every host [file: destination.path]
    #[arg(long, value_name = "DIR")]
    pub(crate) dest: Option<PathBuf>,
    /// Only instances of these Auto Scaling groups [file: cloud.groups]; needs a cloud
    #[arg(long = "group", value_name = "NAME", num_args = 1.., action = ArgAction::Append)]
    pub(crate) groups: Vec<String>,
    /// The region of the groups [file: cloud.region]; needs a cloud
    #[arg(long, value_name = "R")]
    pub(crate) region: Option<String>,
    #[command(flatten)]
    pub(crate) hosts: HostArgs,
    /// Hosts whose transfers run at one time [file: sync.parallel]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(crate) parallel: Option<u16>,
    /// Read every file anew instead of trusting size, times and inode [file: sync.checksum]
    #[arg(long)]
    pub(crate) checksum: bool,
    /// Delete what the source does not have; the default [file: sync.delete]
    #[arg(long, overrides_with = "no_delete")]
    pub(crate) delete: bool,
    /// Leave on hosts what the source does not have
    #[arg(long, overrides_with = "delete")]
    pub(crate) no_delete: bool,
    /// Neither send nor delete what matches [file: sync.exclude]
    #[arg(long, value_name = "PATTERN", num_args = 1.., action = ArgAction::Append)]
    pub(crate) exclude: Vec<String>,
    /// Refuse a host, untouched, where more entries would be deleted [file: sync.max_delete]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole_number)]
    pub(crate) max_delete: Option<u64>,
    /// Let a source without entries empty the hosts [file: sync.allow_empty]
    #[arg(long)]
    pub(crate) allow_empty: bool,
    /// Wait this long for another deploy to end [file: state.lock_wait]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = whole_number)]
    pub(crate) lock_wait: Option<u64>,
    /// Send at most this many bytes a second to one host, as in 500k or 10M [file: sync.bwlimit]
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    pub(crate) bwlimit: Option<Rate>,
    /// How many hosts have the release after each wave, as in 1,25%,100% [file: rollout.waves]; this
    /// version makes one wave of all
    #[arg(
        long = "wave",
        value_name = "LIST",
        value_delimiter = ',',
        allow_negative_numbers = true
    )]
    pub(crate) waves: Vec<Share>,
    /// How many hosts may fail before the rest is left alone, as in 3 or 10% [file: rollout.max_failures];
    /// this version leaves none alone
    #[arg(long, value_name = "N|N%", allow_negative_numbers = true)]
    pub(crate) max_failures: Option<Share>,
    /// Commit nowhere before every host has staged or failed [file: sync.together]
    #[arg(long)]
    pub(crate) together: bool,
    /// Only the hosts whose last deploy did not end well
    #[arg(long)]
    pub(crate) retry_failed: bool,
    /// Answer every question with yes (a deploy asks none)
    #[arg(long)]
    pub(crate) yes: bool,
    /// Where sysfs is
    #[arg(long, value_name = "DIR", hide = true, default_value = "/sys")]
    pub(crate) sys: PathBuf,
}

/// Numbers below nothing have a meaning to nobody.
pub(super) fn whole_number(text: &str) -> Result<u64, &'static str> {
    text.parse()
        .map_err(|_| "it is a whole number, and not below 0")
}

impl DeployArgs {
    /// What was said about deleting, if anything.
    pub(crate) fn deletion(&self) -> Option<bool> {
        match (self.delete, self.no_delete) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        }
    }
}

/// Shows what `deploy` would do to each host
///
/// For each host: how many entries would be made, changed and deleted, and how much content it lacks.
/// Changes nothing, and needs no lock. Takes all options of `deploy`, so that one can be turned into the
/// other; those about transfers, locks and snapshots have nothing to do here. Ends with exit code 1 when a host
/// can't be asked, and with 5 when a deploy would be refused.
#[derive(Debug, Default, Arguments)]
#[command(after_help = "\
Examples:
  release-cli plan
  release-cli plan --itemize --host web-1
  release-cli --json plan | jq 'select(.event == \"host\") | {host, deleted}'

--itemize shows each path after the letters of rsync's %i: what happens
(< sent, c made there, . attributes only, *deleting), the kind (f, d, L), and
what differs (c content, s size, t time, p permissions, o owner, g group; all
+: it is new). It says what `rsync -aic --delete` would, but for this: a file
whose content the host has elsewhere is `c`, since it isn't sent; what gives
way to an entry of another kind is listed as deleted, too; and odd bytes in
names are \\xNN.")]
pub(crate) struct PlanArgs {
    /// Show each path that would change, too
    #[arg(short, long)]
    pub(crate) itemize: bool,
    #[command(flatten)]
    pub(crate) deploy: DeployArgs,
}

/// Which of the configured hosts.
#[derive(Debug, Default, Arguments)]
pub(crate) struct HostArgs {
    /// Only these hosts
    #[arg(long = "host", value_name = "NAME", num_args = 1.., action = ArgAction::Append)]
    pub(crate) only: Vec<String>,
}
