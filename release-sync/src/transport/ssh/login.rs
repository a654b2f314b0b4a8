//! Proving to a host who we are.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use ssh2::Session;

use super::{Deadline, io_error};
use crate::{Error, Identity};

/// The most that is read as a private key; one of 16,384 bits has 13 KB.
const KEY_BYTES: u64 = 64 << 10;

/// What proves to a host who we are, ready to be shown.
pub(super) enum Credentials<'o> {
    /// A private key in PEM, and the file that it came from.
    Key { pem: String, path: &'o Path },
    /// The keys behind a socket.
    Agent { socket: &'o Path },
}

impl<'o> Credentials<'o> {
    /// Reads a private key. Nothing is asked of an ssh-agent yet.
    ///
    /// # Errors
    /// [`Error::Identity`], [`Error::IdentityLocked`].
    pub(super) fn load(identity: &'o Identity) -> Result<Self, Error> {
        match identity {
            Identity::File(path) => read_key(path).map(|pem| Self::Key { pem, path }),
            Identity::Agent(socket) => Ok(Self::Agent { socket }),
        }
    }

    pub(super) fn log_in(
        &self,
        session: &Session,
        user: &str,
        deadline: Deadline,
    ) -> io::Result<()> {
        match self {
            Self::Key { pem, .. } => with_key(session, user, pem, deadline),
            Self::Agent { socket } => with_agent(session, user, socket, deadline),
        }
    }

    /// What a failure to log in means.
    pub(super) fn refusal(&self, source: io::Error, user: &str, address: String) -> Error {
        match source.kind() {
            // Says nothing about the key: another try may well succeed.
            io::ErrorKind::TimedOut
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::QuotaExceeded => Error::Ssh {
                address,
                doing: "logging in",
                source,
            },
            _ => Error::Authentication {
                address,
                user: String::from(user),
                identity: match self {
                    Self::Key { path, .. } => path.display().to_string(),
                    Self::Agent { .. } => String::from("the keys of the ssh-agent"),
                },
                source,
            },
        }
    }
}

fn read_key(path: &Path) -> Result<String, Error> {
    let unusable = |source| Error::Identity {
        path: path.to_owned(),
        source,
    };
    let mut pem = String::new();
    File::open(path)
        .and_then(|file| file.take(KEY_BYTES).read_to_string(&mut pem))
        .map_err(unusable)?;
    let locked = match ssh_key::PrivateKey::from_openssh(&pem) {
        Ok(key) => key.is_encrypted(),
        // One of the older formats, which say it in their headers.
        Err(_) if pem.contains("PRIVATE KEY-----") => pem.contains("ENCRYPTED"),
        Err(_) => {
            let why = "it has no private key in it";
            return Err(unusable(io::Error::new(io::ErrorKind::InvalidData, why)));
        }
    };
    if locked {
        return Err(Error::IdentityLocked {
            path: path.to_owned(),
        });
    }
    Ok(pem)
}

fn with_key(session: &Session, user: &str, pem: &str, deadline: Deadline) -> io::Result<()> {
    deadline.bound(session)?;
    // An empty passphrase rather than none: libssh2 hands a null pointer to OpenSSL's callback, which
    // takes its length.
    session
        .userauth_pubkey_memory(user, None, pem, Some(""))
        .map_err(io_error)
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
