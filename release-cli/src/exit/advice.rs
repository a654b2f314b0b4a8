//! A short name for each error, and what to do about it.

mod cloud;

use std::io::ErrorKind;

use release_core::ConfigFault;
use release_sync::Error;

use crate::failure::Failure;
use crate::freeze::FreezeError;

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
        Failure::NoHosts => advice("no-hosts", "add a `[[host]]` with an `address`"),
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

/// What is to be said about an error of the engine.
pub(crate) fn of_error(error: &Error) -> Advice {
    of_source(error)
        .or_else(|| of_way(error))
        .or_else(|| of_host(error))
        .unwrap_or_else(|| no_advice("other"))
}

fn of_source(error: &Error) -> Option<Advice> {
    Some(match error {
        Error::Source { source, .. } => match source.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => {
                advice("source", "check `source` in the configuration, or --source")
            }
            _ => advice("source", "run as a user who may read it"),
        },
        Error::SourceUnwritable { .. } => advice(
            "source-unwritable",
            "run as a user who may write to `.release` in it: a snapshot has to say what it holds",
        ),
        Error::SourceEmpty { .. } => advice(
            "source-empty",
            "if every host is meant to be emptied, say --allow-empty",
        ),
        Error::SourceTooLarge { .. } => advice(
            "source-too-large",
            "leave entries out with --exclude, or deploy the source in parts",
        ),
        Error::SourceUnreadable { .. } => advice(
            "source-unreadable",
            "run as a user who may read all of it, or leave these entries out with --exclude",
        ),
        Error::SourceChanged { .. } => advice(
            "source-changed",
            "let whatever writes to the source end, then deploy again",
        ),
        Error::Pattern { .. } => advice(
            "pattern",
            "patterns are as in rsync: `*.pyc`, `/only/at/the/top`, `directory/`, `a/**/b`",
        ),
        Error::Impatience { .. } => advice("impatience", "allow a longer `sync.silence`"),
        Error::DoubledHost(_) => advice("doubled-host", "give one of them another `host.name`"),
        Error::NoSshOptions(_) => no_advice("no-ssh-options"),
        _ => return None,
    })
}

fn of_way(error: &Error) -> Option<Advice> {
    Some(match error {
        Error::Connect { .. } => advice(
            "unreachable",
            "check that the host is up, and that `address` and `port` are right",
        ),
        Error::Ssh { .. } => advice(
            "ssh",
            "if it stays so, compare with `ssh -v` to the same address and port",
        ),
        Error::HostKeyUnknown { known_hosts, .. } => advice(
            "host-key-unknown",
            format!(
                "compare the fingerprint with the host's own, then add the key to {} (ssh-keyscan prints \
                 it), or set `ssh.host_keys = \"accept-new\"`",
                known_hosts.display()
            ),
        ),
        Error::HostKeyChanged { known_hosts, .. } => advice(
            "host-key-changed",
            format!(
                "if the host was installed anew, remove its old line from {} (ssh-keygen -R); if not, \
                 somebody may be standing in between",
                known_hosts.display()
            ),
        ),
        Error::HostKeyRevoked { .. } => advice(
            "host-key-revoked",
            "whoever shows this key is not to be trusted; give the host a new one, and known_hosts too",
        ),
        Error::KnownHosts { .. } => advice("known-hosts", "check `ssh.known_hosts`"),
        Error::Identity { .. } => {
            advice("identity", "check `ssh.identity`: it names a private key")
        }
        Error::IdentityLocked { .. } => advice(
            "identity-locked",
            "add it to an ssh-agent and set `ssh.agent = true`, or name a key without a passphrase",
        ),
        Error::Authentication { .. } => advice(
            "authentication",
            "check `ssh.user` and `ssh.identity`, and that the public key is in authorized_keys there",
        ),
        Error::Spawn { .. } => no_advice("spawn"),
        Error::NoAgent { architecture, .. } if architecture == std::env::consts::ARCH => advice(
            "no-agent",
            "release-agent belongs beside release-cli; `./dev build` puts both into target/dist",
        ),
        Error::NoAgent { architecture, .. } => advice(
            "no-agent",
            format!(
                "`./dev build` on a machine with {architecture} makes one, in target/dist: put it there"
            ),
        ),
        Error::NoCommand { .. } => advice(
            "no-command",
            "`ssh.user` needs a login shell there that runs commands, such as /bin/sh; a forced command \
             must start `release-agent serve`",
        ),
        Error::Bootstrap { .. } => advice(
            "bootstrap",
            "if the home directory is full, missing or mounted noexec, name another place in \
             `ssh.agent_directory`",
        ),
        Error::Silence { .. } => advice(
            "silence",
            "check the host's load and disk, or allow a longer `sync.silence` (until the agent runs: \
             `ssh.connect_timeout`)",
        ),
        Error::Stalled { .. } => advice(
            "stalled",
            "look at the host's disk (`dmesg`, or processes in state D); if it is only slow, allow a longer \
             `sync.stall`",
        ),
        Error::Disconnected { .. } => advice(
            "disconnected",
            "run it again; what already arrived is not sent twice",
        ),
        Error::Transport { .. } => advice(
            "transport",
            "run it again; what already arrived is not sent twice",
        ),
        Error::Protocol { .. } => advice(
            "protocol",
            "is something other than release-agent answering there? A login script may print to standard \
             output",
        ),
        Error::NewerAgent { .. } => advice(
            "newer-agent",
            "deploy with a release-cli as new as the agent",
        ),
        Error::OlderAgent { .. } => advice(
            "older-agent",
            "a forced command starts an old agent there: put this program's release-agent in its place",
        ),
        Error::Cancelled => advice(
            "cancelled",
            "run it again; what already arrived is not sent twice",
        ),
        _ => return None,
    })
}

fn of_host(error: &Error) -> Option<Advice> {
    Some(match error {
        Error::Locked { .. } => advice(
            "locked",
            "let the other deploy end, or wait for it with --lock-wait SECONDS",
        ),
        Error::Fenced { seen, .. } => advice(
            "fenced",
            format!(
                "somebody else deployed generation {seen} there; if this release is to replace it, deploy \
                 again: the next generation is a higher one"
            ),
        ),
        Error::NotMounted { .. } => advice(
            "not-mounted",
            "mount it, or set `destination.require_mount = false`",
        ),
        Error::ReadOnly { .. } => advice("read-only", "mount it writable, or replace the host"),
        Error::Destination { .. } => advice(
            "destination",
            "check `destination.path`, and that `ssh.user` may write to it",
        ),
        Error::NoSpace { .. } => advice(
            "no-space",
            "make room there; staging needs as much as changes, and `destination.keep_undo` as much again",
        ),
        Error::MaxDelete { .. } => advice(
            "max-delete",
            "if all of that is meant to go, allow it with a higher --max-delete",
        ),
        Error::Supply { .. } => advice(
            "supply",
            "check the path after the colon, and that the user may read all that is there; if it is meant \
             to be empty, say --allow-empty",
        ),
        Error::NoUndo { .. } => advice("no-undo", "deploy the earlier release again"),
        Error::Files { .. } => no_advice("files"),
        Error::Commit { .. } => advice("commit", "deploy again, which completes it"),
        Error::NotProven { .. } => advice(
            "not-proven",
            "something else writes to the tree there; find out what, or exclude its files",
        ),
        _ => return None,
    })
}
