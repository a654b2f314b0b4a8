//! Proving to a host who we are.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use ssh2::Session;

use super::{Deadline, io_error};
use crate::{Error, Identity, SshOptions, SshTarget};

/// The most that is read as a private key; one of 16,384 bits has 13 KB.
const KEY_BYTES: u64 = 64 << 10;

/// Logs in, or says who was refused what.
pub(super) fn log_in(
    session: &Session,
    target: &SshTarget,
    options: &SshOptions,
    address: &str,
    deadline: Deadline,
) -> Result<(), Error> {
    let tried = match &options.identity {
        Identity::File(path) => with_file(session, &target.user, path, deadline),
        Identity::Agent(socket) => with_agent(session, &target.user, socket, deadline),
    };
    tried.map_err(|source| match source.kind() {
        // Says nothing about the key: another try may well succeed.
        io::ErrorKind::TimedOut | io::ErrorKind::ConnectionReset => Error::Ssh {
            address: String::from(address),
            doing: "logging in",
            source,
        },
        _ => Error::Authentication {
            address: String::from(address),
            user: target.user.clone(),
            identity: match &options.identity {
                Identity::File(path) => path.display().to_string(),
                Identity::Agent(_) => String::from("the keys of the ssh-agent"),
            },
            source,
        },
    })
}

fn with_file(session: &Session, user: &str, path: &Path, deadline: Deadline) -> io::Result<()> {
    let key = read_key(path)?;
    deadline.bound(session)?;
    // An empty passphrase rather than none: libssh2 hands a null pointer to OpenSSL's callback, which
    // takes its length.
    session
        .userauth_pubkey_memory(user, None, &key, Some(""))
        .map_err(io_error)
}

fn read_key(path: &Path) -> io::Result<String> {
    let mut key = String::new();
    File::open(path)?.take(KEY_BYTES).read_to_string(&mut key)?;
    let locked = match ssh_key::PrivateKey::from_openssh(&key) {
        Ok(key) => key.is_encrypted(),
        // One of the older formats, which say it in their headers.
        Err(_) => key.contains("ENCRYPTED"),
    };
    if locked {
        let why = "the key has a passphrase; add it to an ssh-agent and use that";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    Ok(key)
}

/// Offers the ssh-agent's keys one after the other. (The ssh-agent itself is local and is trusted to
/// answer; one that asks its user for consent may take longer than the deadline.)
fn with_agent(session: &Session, user: &str, socket: &Path, deadline: Deadline) -> io::Result<()> {
    let mut agent = session.agent().map_err(io_error)?;
    // Given always: without it libssh2 would ask the environment.
    agent.set_identity_path(socket).map_err(io_error)?;
    let unusable = |error: ssh2::Error| io::Error::other(error.message().to_owned());
    agent.connect().map_err(unusable)?;
    agent.list_identities().map_err(unusable)?;
    let keys = agent.identities().map_err(unusable)?;
    let mut refusal = io::Error::new(io::ErrorKind::PermissionDenied, "the ssh-agent has no keys");
    for (tried, key) in keys.iter().enumerate() {
        deadline.bound(session)?;
        match agent.userauth(user, key).map_err(io_error) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => return Err(error),
            // A host hangs up after a few refusals.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset && tried > 0 => {
                let why = format!("the host hung up after {tried} of {} keys", keys.len());
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Err(error),
            Err(error) => refusal = error,
        }
    }
    Err(refusal)
}
