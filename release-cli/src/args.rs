//! What was typed.

use std::path::PathBuf;

use clap::{ArgAction, Args as Arguments, Parser, Subcommand, ValueEnum};

/// Pushes a release to many hosts, and says what happened on each.
#[derive(Debug, Parser)]
#[command(
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
    Deploy(DeployArgs),
    Status(StatusArgs),
    /// Shows on this machine what a deploy does, and proves it
    ///
    /// Three folders in a temporary one play the hosts. They get a release, the same again, somebody
    /// tampers with one of them, a second release comes, and all go back to the first. Needs no
    /// configuration, no SSH and no root; leaves nothing behind. Ends with exit code 1 if anything does
    /// not go as told.
    Demo,
}

/// Makes every host's destination equal to the source
///
/// The contents of the source become the contents of the destination on each host: what is new or
/// changed is sent, what is gone is deleted. Everything is first laid down beside the current tree and
/// verified, on all hosts, and only then made current. A deploy that is interrupted can simply be run
/// again; what already arrived is not sent twice.
#[derive(Debug, Default, Arguments)]
#[command(after_help = "\
Examples:
  release-cli deploy --no-snapshot
  release-cli deploy --no-snapshot --host web-1 --checksum
  release-cli deploy --no-snapshot --max-delete 100 --lock-wait 60
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
    #[command(flatten)]
    pub(crate) hosts: HostArgs,
    /// Hosts whose transfers run at one time [file: sync.parallel]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096))]
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
    #[arg(long, value_name = "N")]
    pub(crate) max_delete: Option<u64>,
    /// Let a source without entries empty the hosts [file: sync.allow_empty]
    #[arg(long)]
    pub(crate) allow_empty: bool,
    /// Wait this long for another deploy to end [file: state.lock_wait]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) lock_wait: Option<u64>,
    /// Answer every question with yes (this build asks none)
    #[arg(long)]
    pub(crate) yes: bool,
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

/// Which of the configured hosts.
#[derive(Debug, Default, Arguments)]
pub(crate) struct HostArgs {
    /// Only these hosts
    #[arg(long = "host", value_name = "NAME", num_args = 1.., action = ArgAction::Append)]
    pub(crate) only: Vec<String>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use clap::CommandFactory;

    use super::*;

    fn help(verb: &str) -> String {
        let mut command = Args::command().term_width(100);
        command.build();
        let command = match verb {
            "" => &mut command,
            verb => command.find_subcommand_mut(verb).unwrap(),
        };
        command.render_long_help().to_string()
    }

    #[test]
    fn help_reads_well() {
        for verb in ["", "deploy", "status", "demo"] {
            insta::assert_snapshot!(format!("help {verb}").trim(), help(verb));
        }
    }

    #[test]
    fn the_definition_is_consistent() {
        Args::command().debug_assert();
    }

    fn deploy(flags: &[&str]) -> DeployArgs {
        let argv = ["release-cli", "deploy"].iter().chain(flags);
        match Args::try_parse_from(argv).unwrap().verb {
            Verb::Deploy(args) => args,
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn the_last_word_about_deleting_counts() {
        assert_eq!(deploy(&[]).deletion(), None);
        assert_eq!(deploy(&["--delete", "--no-delete"]).deletion(), Some(false));
        assert_eq!(deploy(&["--no-delete", "--delete"]).deletion(), Some(true));
    }

    #[test]
    fn lists_can_be_given_in_one_go_or_in_parts() {
        let args = deploy(&["--host", "a", "b", "--exclude", "*.o", "--host", "c"]);
        assert_eq!(args.hosts.only, ["a", "b", "c"]);
        assert_eq!(args.exclude, ["*.o"]);
    }
}
