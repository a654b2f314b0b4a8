//! A short name for each error, and what to do about it.

mod cloud;
mod engine;

use std::io::ErrorKind;

use release_core::ConfigFault;

use crate::failure::Failure;
use crate::freeze::FreezeError;

pub(crate) use engine::of_error;

/// What a program needs to tell an error from others, and a person to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Advice {
    /// Lower case, with dashes; does not change from build to build.
    pub(crate) kind: &'static str,
    /// One sentence, or nothing where nothing helpful can be said.
    pub(crate) hint: Option<String>,
}

fn advice(kind: &'static str, hint: impl Into<String>) -> Advice {
    Advice {
        kind,
        hint: Some(hint.into()),
    }
}

fn no_advice(kind: &'static str) -> Advice {
    Advice { kind, hint: None }
}

/// What is to be said about a failure of a command.
pub(crate) fn of_failure(failure: &Failure) -> Advice {
    match failure {
        Failure::Typed { hint, .. } => advice("usage", hint),
        Failure::NoEvents => advice("usage", "leave --json out"),
        Failure::NoCloud { .. } => advice("usage", "name hosts of the file with --host"),
        Failure::NotBuilt { instead, .. } => advice("not-built", *instead),
        Failure::Output { .. } => advice(
            "output",
            "make room where it goes; `release-cli status` shows what the hosts have",
        ),
        Failure::NoConfig { .. } => advice(
            "no-config",
            "write a release.toml with `source`, `destination.path` and a `[[host]]`, or name one with \
             --config FILE",
        ),
        Failure::ConfigUnreadable { .. } => no_advice("config-unreadable"),
        Failure::Config { source, .. } => match source.fault {
            ConfigFault::NotHere { .. } => {
                advice("config", "take another value, or leave the key out")
            }
            _ => no_advice("config"),
        },
        Failure::Unsaid { flag, key, .. } => advice(
            "usage",
            format!("give {flag}, or `{key}` in the configuration"),
        ),
        Failure::Unset { key, .. } => advice("usage", format!("set `{key}` in the configuration")),
        Failure::Flag { .. } => no_advice("usage"),
        Failure::NoRegions => advice("usage", "leave it out"),
        Failure::CloudNeeded => advice(
            "usage",
            "set `cloud.kind` to \"aws\", or to \"local\" to try things out in a folder",
        ),
        Failure::NoAws => advice(
            "no-aws",
            "it was built with --no-default-features; `./dev build` makes one that can",
        ),
        Failure::Authorities { .. } => advice(
            "authorities",
            "AWS_CA_BUNDLE names a file with certificates in PEM form; without it Mozilla's are trusted",
        ),
        Failure::Runtime(_) => no_advice("runtime"),
        Failure::LocalCloud(_) => advice(
            "local-cloud",
            "`cloud.root` names the folder of a fleet; `release-cli setup` makes one",
        ),
        Failure::NothingPublished(_) => advice(
            "nothing-published",
            "check `publish.directory`; a deploy or `release-cli snapshot` publishes",
        ),
        Failure::NothingToGoBackTo => advice(
            "nothing-to-go-back-to",
            "`release-cli history` shows what was deployed",
        ),
        Failure::UnknownGeneration(_) => advice(
            "unknown-generation",
            "`release-cli history` shows them, `release-cli prune --plan` the snapshots that are there",
        ),
        Failure::NotKept(_) => advice(
            "not-kept",
            "put that release into the source, and deploy it",
        ),
        Failure::UnusableSnapshot(_) => advice(
            "unusable-snapshot",
            "name another generation; `release-cli prune --plan` shows the snapshots",
        ),
        Failure::Setup(error) => cloud::of_setup(error),
        Failure::Serve(error) => cloud::of_serving(error),
        Failure::KeyExists(_) => advice(
            "key-exists",
            "instances that check with it would believe no other; move it away if that is meant",
        ),
        Failure::KeyMaking(_) => no_advice("key"),
        Failure::KeyUnwritable { .. } => {
            advice("key", "name a directory that you may write to with --key")
        }
        Failure::NobodyToAsk => advice("usage", "run it on a terminal"),
        Failure::PasswordsDiffer => no_advice("passwords-differ"),
        Failure::UnfinishedDamaged { .. } => advice(
            "unfinished-damaged",
            "compare `release-cli status` with what should be there, remove the file, and deploy",
        ),
        Failure::LedgerDamaged { .. } => advice(
            "ledger-damaged",
            "look for snapshots with the tag `release-deploy` and without `release-generation`, delete them, \
             and remove the file",
        ),
        Failure::RelativeDestination(_) => advice(
            "usage",
            "a path on a host begins with `/`, since nobody could tell what else it is relative to",
        ),
        Failure::NoHosts => advice(
            "no-hosts",
            "add a `[[host]]` with an `address`, or with a cloud name groups in `cloud.groups`",
        ),
        Failure::OneDirectory { .. } => advice(
            "one-directory",
            "leave one of them out, or give it another `destination`",
        ),
        Failure::UnknownHost { nearest, .. } if nearest.is_empty() => advice(
            "unknown-host",
            "there is no host at all just now, since the groups have no instances",
        ),
        Failure::UnknownHost { nearest, .. } => {
            advice("unknown-host", format!("the nearest is `{nearest}`"))
        }
        Failure::NothingToSnapshot => advice(
            "usage",
            "say `deploy --no-snapshot` to push and do nothing else",
        ),
        Failure::NoSshAgent => advice(
            "no-ssh-agent",
            "start one and add a key to it (SSH_AUTH_SOCK is not set), or name a key file in \
             `ssh.identity`",
        ),
        Failure::NoStateHome => advice("no-state-home", "name a directory in `state.directory`"),
        Failure::NoLastDeploy(_) => advice(
            "no-last-deploy",
            "deploy to all hosts, or name some with --host",
        ),
        Failure::LastDeployDamaged { .. } => {
            advice("last-deploy-damaged", "remove it, and deploy to all hosts")
        }
        Failure::Declined => no_advice("declined"),
        Failure::Manual { .. } => advice("manual", "name a directory that you may write to"),
        Failure::State { .. } => advice(
            "state",
            "name a directory that you may write to in `state.directory`",
        ),
        Failure::StateDamaged { .. } => advice(
            "state-damaged",
            "write into it the highest generation that `release-cli status` shows",
        ),
        Failure::Exhausted(_) => no_advice("generations-exhausted"),
        Failure::Locked { .. } => advice(
            "locked",
            "let it end, or wait for it with --lock-wait SECONDS; the lock ends with its holder",
        ),
        Failure::Engine(error) => of_error(error),
        Failure::Cloud(error) => cloud::of_cloud(error),
        Failure::Snapshot(error) => cloud::of_snapshot(error),
        Failure::Publish(error) => cloud::of_publication(error),
        Failure::Freeze(error) => of_freeze(error),
        Failure::Drill { .. } => no_advice("drill"),
        Failure::ThawedEarly => advice(
            "thawed-early",
            "its watchdog was first, or somebody else; what was done meanwhile can't be relied on",
        ),
        Failure::Signals(_) => no_advice("signals"),
        Failure::Interrupted => no_advice("interrupted"),
        Failure::NoAgent(_) => advice(
            "no-agent",
            "release-agent belongs beside release-cli; `./dev build` puts both into target/dist",
        ),
        Failure::Demo { .. } => {
            advice("demo", "the demo needs a few MB in the temporary directory")
        }
        Failure::ClaimsBroken { .. } => no_advice("claims-broken"),
    }
}

fn of_freeze(error: &FreezeError) -> Advice {
    match error {
        FreezeError::Refused(_) => advice(
            "freeze-refused",
            "while it is frozen nothing there can be written: move what is named elsewhere, or set \
             `snapshot.freeze = \"off\"`",
        ),
        FreezeError::Unsupported(_) => advice(
            "freeze-unsupported",
            "set `snapshot.freeze = \"off\"`, which only writes to the disk what is in memory",
        ),
        FreezeError::Busy(_) => advice(
            "freeze-busy",
            "let whoever froze it end; if nobody did who lives, say `release-cli thaw PATH`",
        ),
        FreezeError::AtWork { .. } => advice(
            "locked",
            "let it end: its watchdog sees to that; if need be, `release-cli thaw PATH` thaws it at once",
        ),
        FreezeError::Freeze { source, .. } | FreezeError::Thaw { source, .. }
            if source.kind() == ErrorKind::PermissionDenied =>
        {
            advice("freeze-permission", "only root can: run it as root")
        }
        FreezeError::Thaw { .. } => advice(
            "still-frozen",
            "its watchdog goes on trying; look at the disk (`dmesg`), and say `release-cli thaw`",
        ),
        FreezeError::Unmounted(_) => {
            advice("still-frozen", "mount it, then say `release-cli thaw`")
        }
        FreezeError::Freeze { .. } | FreezeError::Sync { .. } => {
            advice("freeze", "look at the disk (`dmesg`)")
        }
        FreezeError::Watchdog(_) | FreezeError::Look { .. } => no_advice("freeze"),
        FreezeError::Record { .. } => advice(
            "state",
            "name a directory that you may write to in `state.directory`",
        ),
    }
}
