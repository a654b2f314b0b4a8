//! What was typed.

mod deploy;
mod mistake;
mod publication;
mod pull;
mod records;
mod rollback;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args as Arguments, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub(crate) use deploy::{DeployArgs, HostArgs, PlanArgs};
pub(crate) use mistake::mistake;
pub(crate) use publication::{Formatting, KeygenArgs, SetupArgs, SnapshotArgs};
pub(crate) use pull::{PullArgs, Remote};
pub(crate) use records::{HistoryArgs, PruneArgs, ServeArgs};
pub(crate) use rollback::RollbackArgs;

/// Pushes a release to many hosts, and says what happened on each.
#[derive(Debug, Parser)]
#[command(
    name = "release-cli",
    bin_name = "release-cli",
    version,
    after_help = "\
Try it, on this machine and without setting anything up:
  release-cli demo

Exit codes:
  0 all as asked               3 partial: something changed, not all is as asked
  1 failed, nothing changed    4 locked by another deploy
  2 usage or configuration     5 refused for safety          130 interrupted"
)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What holds for every verb.
#[derive(Debug, Arguments)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// Read this configuration instead of ./release.toml or /etc/release/release.toml
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Write events to standard output, one JSON object a line, and nothing else
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say more: every state of every host
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
    /// Say only what went wrong
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Use colours; `auto` means on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub(crate) color: Color,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Setup(SetupArgs),
    Deploy(Box<DeployArgs>),
    Plan(Box<PlanArgs>),
    Status(StatusArgs),
    Pull(PullArgs),
    Rollback(RollbackArgs),
    History(HistoryArgs),
    Snapshot(SnapshotArgs),
    Prune(PruneArgs),
    Serve(ServeArgs),
    Keygen(KeygenArgs),
    Doctor(DoctorArgs),
    Thaw(ThawArgs),
    /// Shows on this machine what a deploy does, and proves it
    ///
    /// Three folders in a temporary one play the hosts. They get a release, the same again, somebody
    /// tampers with one of them, a second release comes, and all go back to the first. Needs no
    /// configuration, no SSH and no root; leaves nothing behind. Ends with exit code 1 if anything does
    /// not go as told.
    Demo,
    /// Prints what makes a shell complete commands and options
    #[command(after_help = "\
Examples:
  release-cli completions bash > /etc/bash_completion.d/release-cli
  release-cli completions fish > ~/.config/fish/completions/release-cli.fish")]
    Completions {
        /// The shell that is to complete
        #[arg(value_name = "SHELL")]
        shell: Shell,
    },
    /// Prints the manual: a page for the program and one for each command
    #[command(after_help = "\
Examples:
  release-cli man | man -l -
  release-cli man --dir /usr/local/share/man/man1")]
    Man {
        /// Write each page into a file of its own in this directory, and print nothing
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    #[command(hide = true)]
    Freeze(FreezeArgs),
    /// Thaws a file system that its parent has frozen
    #[command(hide = true)]
    Watchdog {
        /// When to thaw it, if nothing is heard until then
        #[arg(value_name = "MILLISECONDS")]
        limit: u64,
    },
}

/// Shows which release each host has
///
/// For each host: its release and generation, since when, and whether the tree still is that release.
/// Changes nothing. Ends with exit code 1 when a host can't be asked, or when a tree has drifted from
/// its release.
#[derive(Debug, Default, Arguments)]
#[command(after_help = "\
Examples:
  release-cli status
  release-cli status --verify --host web-1 web-2")]
pub(crate) struct StatusArgs {
    /// Read every file anew instead of trusting size, times and inode
    #[arg(long)]
    pub(crate) verify: bool,
    #[command(flatten)]
    pub(crate) hosts: HostArgs,
}

/// Finds out what would keep a deploy from working, and says how to mend it
///
/// Looks at the configuration, the key, known_hosts, the agents, the state directory and the source; with a cloud
/// at its keys and what they may do, the volume, the right to freeze, the signing key and the pointer; then at each
/// host: SSH, the agent, its clock, free space. Changes nothing, except that an agent which is
/// missing on a host is put there. Ends with exit code 1 if there is a fault; a warning is none.
#[derive(Debug, Default, Arguments)]
#[command(after_help = "\
Examples:
  release-cli doctor
  release-cli doctor --host web-1
  release-cli --json doctor | jq 'select(.result == \"fault\")'")]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(crate) hosts: HostArgs,
    /// Where sysfs is
    #[arg(long, value_name = "DIR", hide = true, default_value = "/sys")]
    pub(crate) sys: PathBuf,
}

/// Thaws a file system that was left frozen
///
/// A deploy freezes the release's file system for a moment, and a watchdog thaws it if the deploy can't.
/// Every command thaws what both have left behind; this one does nothing else. With a path, the file system
/// there is thawed whoever has frozen it: a snapshot that is being taken meanwhile is thrown away. Needs
/// root. Ends with exit code 0 if nothing is frozen any more.
#[derive(Debug, Default, Arguments)]
#[command(after_help = "\
Examples:
  release-cli thaw
  release-cli thaw /release")]
pub(crate) struct ThawArgs {
    /// A directory in the file system; without it, what the state directory says was left frozen
    #[arg(value_name = "PATH")]
    pub(crate) path: Option<PathBuf>,
}

/// Runs a command while a file system is frozen: a drill for the freeze of a deploy, and what its tests use
///
/// The command must not write to the file system. Ends with exit code 1 if the file system was thawed before
/// the command had ended.
#[derive(Debug, Arguments)]
pub(crate) struct FreezeArgs {
    /// The top of the file system
    #[arg(value_name = "PATH")]
    pub(crate) path: PathBuf,
    /// When the watchdog thaws it
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 20_000)]
    pub(crate) limit: u64,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

#[cfg(test)]
mod tests;
