//! Why a command ended before, or apart from, what happened on hosts.

use std::io;
use std::path::PathBuf;

use release_core::cloud::CloudError;
use release_core::cloud::local::FleetError;
use release_core::{ConfigError, Generation, ParseNameError, SigningError, SnapshotId};

use crate::freeze::FreezeError;
use crate::publish::PublishError;
use crate::serve::ServeError;
use crate::setup::SetupError;
use crate::snapshot::SnapshotError;

/// The cause is in [`source`](std::error::Error::source), not in the text; exit codes, kinds and hints
/// are given by [`crate::exit`].
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// What was typed makes no sense; the text is clap's.
    #[error("{message}")]
    Typed { message: String, hint: String },
    #[error("what it prints are no events, so that --json can't be had with it")]
    NoEvents,
    #[error("there is no configuration at {}", either(.looked_for))]
    NoConfig { looked_for: Vec<PathBuf> },
    #[error("the configuration {} can't be read", .path.display())]
    ConfigUnreadable { path: PathBuf, source: io::Error },
    #[error("the configuration {} is wrong", .path.display())]
    Config { path: PathBuf, source: ConfigError },
    #[error("nothing says {what}")]
    Unsaid {
        what: &'static str,
        flag: &'static str,
        key: &'static str,
    },
    /// The same, of what has no flag.
    #[error("nothing says {what}")]
    Unset {
        what: &'static str,
        key: &'static str,
    },
    #[error("`{flag}` makes no sense")]
    Flag {
        flag: &'static str,
        source: ParseNameError,
    },
    #[error("the destination {} is not an absolute path", .0.display())]
    RelativeDestination(PathBuf),
    #[error("the configuration has no hosts")]
    NoHosts,
    #[error("`{one}` and `{other}` are one directory of one host")]
    OneDirectory { one: String, other: String },
    #[error("no host is called `{name}`")]
    UnknownHost { name: String, nearest: String },
    #[error(
        "a deploy ends with a snapshot, and with `cloud.kind = \"none\"` there is nothing to take one of"
    )]
    NothingToSnapshot,
    #[error("with `cloud.kind = \"none\"` there are no groups, so `{flag}` has no meaning")]
    NoCloud { flag: &'static str },
    #[error("a local cloud has no regions, so `--region` has no meaning")]
    NoRegions,
    #[error("with `cloud.kind = \"none\"` there is no volume, and nothing to boot from")]
    CloudNeeded,
    #[cfg_attr(feature = "aws", expect(dead_code, reason = "this build can"))]
    #[error("this build can't talk to AWS")]
    NoAws,
    #[cfg_attr(
        not(feature = "aws"),
        expect(dead_code, reason = "this build connects to nobody")
    )]
    #[error("the certificate authorities in {} can't be used", .path.display())]
    Authorities { path: PathBuf, source: io::Error },
    #[error("nothing can be called: there is no room for a runtime")]
    Runtime(#[source] io::Error),
    #[error(transparent)]
    LocalCloud(#[from] FleetError),
    #[error(transparent)]
    Cloud(#[from] CloudError),
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error("there is no earlier release to go back to")]
    NothingToGoBackTo,
    #[error("nothing is known of a generation {0}, or its snapshot was deleted")]
    UnknownGeneration(Generation),
    #[error("hosts keep only what their last deploy displaced, which generation {0} is not")]
    NotKept(Generation),
    #[error(
        "the snapshot {0} can't be booted from: it is not completed, not ours, or says no release"
    )]
    UnusableSnapshot(SnapshotId),
    #[error(transparent)]
    Setup(#[from] SetupError),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error("nothing is published in {}", .0.display())]
    NothingPublished(PathBuf),
    #[error("{} is there already", .0.display())]
    KeyExists(PathBuf),
    #[error("the key can't be made")]
    KeyMaking(#[source] SigningError),
    #[error("the key can't be written to {}", .path.display())]
    KeyUnwritable { path: PathBuf, source: io::Error },
    #[error("a password has to be typed, and nobody is there to type it")]
    NobodyToAsk,
    #[error("the two passwords are not the same")]
    PasswordsDiffer,
    #[error("{} is not what a deploy leaves there", .path.display())]
    UnfinishedDamaged {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("{} is not what a snapshot leaves there", .path.display())]
    LedgerDamaged {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("this version can't do `{what}` yet")]
    NotBuilt { what: String, instead: &'static str },
    #[error("not all of what was to be written to standard output could be")]
    Output { source: io::Error },
    #[error("`ssh.agent` is set, but no ssh-agent is running")]
    NoSshAgent,
    #[error("there is no place for the state: neither XDG_STATE_HOME nor HOME is set")]
    NoStateHome,
    #[error("no deploy to these hosts is remembered in {}", .0.display())]
    NoLastDeploy(PathBuf),
    #[error("{} is not what a deploy leaves there", .path.display())]
    LastDeployDamaged {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("nothing was changed, since the answer was not yes")]
    Declined,
    #[error("the manual can't be written to {}", .path.display())]
    Manual { path: PathBuf, source: io::Error },
    #[error("the state directory {} can't be used", .path.display())]
    State { path: PathBuf, source: io::Error },
    #[error("{} holds `{content}`, which is no generation", .path.display())]
    StateDamaged { path: PathBuf, content: String },
    #[error("no generation comes after {0}")]
    Exhausted(release_core::Generation),
    #[error("another deploy is running: {} is held by {holder}", .path.display())]
    Locked { path: PathBuf, holder: String },
    #[error(transparent)]
    Engine(#[from] release_sync::Error),
    #[error(transparent)]
    Freeze(#[from] FreezeError),
    #[error("{} can't be run", .command.display())]
    Drill { command: PathBuf, source: io::Error },
    #[error("the file system was thawed before the command had ended")]
    ThawedEarly,
    #[error("signals can't be listened to")]
    Signals(#[source] io::Error),
    #[error("interrupted")]
    Interrupted,
    #[error("{} is not there", .0.display())]
    NoAgent(PathBuf),
    #[error("the demo can't work with {}", .path.display())]
    Demo { path: PathBuf, source: io::Error },
    #[error("{count} of the demo's claims did not hold")]
    ClaimsBroken { count: usize },
}

fn either(paths: &[PathBuf]) -> String {
    let paths: Vec<_> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    paths.join(" or ")
}
