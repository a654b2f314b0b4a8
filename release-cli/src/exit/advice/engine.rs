//! What is to be said about errors of the engine.

use std::io::ErrorKind;

use release_core::cloud::Action;
use release_sync::Error;

use super::{Advice, advice, no_advice};
use crate::exit::policy;
use crate::pins::Pins;

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
        Error::HostKeyUnknown { known_hosts, .. } if Pins::is_at(known_hosts) => advice(
            "host-key-unknown",
            format!(
                "a console shows an instance's key some minutes after the launch; to read it {} has to be \
                 allowed: {}",
                Action::GetConsoleOutput,
                policy::place(Action::GetConsoleOutput).unwrap_or_default()
            ),
        ),
        Error::HostKeyUnknown {
            address,
            known_hosts,
            ..
        } => advice(
            "host-key-unknown",
            format!(
                "compare the fingerprint with the host's own, then add the key to {} (`{}` prints it), or set \
                 `ssh.host_keys = \"accept-new\"`",
                known_hosts.display(),
                keyscan(address),
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
        Error::Forbidden { .. } => advice(
            "forbidden-destination",
            "a deploy makes it equal to the source and deletes the rest: give the release a directory of its own \
             with `destination.path`",
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
        Error::OtherUndo { .. } => advice(
            "other-undo",
            "`release-cli status` shows what it has; put the release that it should have into the source, and \
             deploy it",
        ),
        Error::Files { .. } => no_advice("files"),
        Error::Commit { .. } => advice("commit", "deploy again, which completes it"),
        Error::NotProven { .. } => advice(
            "not-proven",
            "something else writes to the tree there; find out what, or exclude its files",
        ),
        _ => return None,
    })
}

/// What prints a host's key, for an `address:port`.
fn keyscan(address: &str) -> String {
    match address.rsplit_once(':') {
        Some((host, "22")) => format!("ssh-keyscan {}", unbracketed(host)),
        Some((host, port)) => format!("ssh-keyscan -p {port} {}", unbracketed(host)),
        None => format!("ssh-keyscan {address}"),
    }
}

fn unbracketed(host: &str) -> &str {
    let inner = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    inner.unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::keyscan;

    #[test]
    fn a_key_is_looked_for_at_its_port() {
        assert_eq!(keyscan("10.0.0.5:22"), "ssh-keyscan 10.0.0.5");
        assert_eq!(keyscan("10.0.0.5:2222"), "ssh-keyscan -p 2222 10.0.0.5");
        assert_eq!(keyscan("[fd00::5]:2222"), "ssh-keyscan -p 2222 fd00::5");
    }
}
