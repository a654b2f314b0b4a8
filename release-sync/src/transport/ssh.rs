//! SSH sessions over libssh2.
//!
//! A session logs in with blocking calls, each within what is left of one deadline; from then on its
//! channels are non-blocking, see [`channel`].

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ssh2::{MethodType, Session};

use super::Transport;
use crate::cancel::Listening;
use crate::{Cancel, Error, HostKeys, SshOptions, SshTarget};

mod channel;
mod dial;
mod known_hosts;
mod link;
mod login;
mod meter;
mod proxy;
#[cfg(test)]
pub(crate) mod rig;
mod run;
#[cfg(test)]
mod tests;

pub(crate) use channel::SshTransport;
pub(crate) use known_hosts::Newcomers;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) use known_hosts::fuzz;
pub(crate) use run::Output;

use known_hosts::{KnownHosts, Names, Verdict};
use link::Link;
use login::Credentials;

/// In order of preference. libssh2 hands AES to OpenSSL 16 bytes at a time but takes a packet of ChaCha20 as
/// a whole: measured on a machine with hardware AES, ChaCha20 costs two thirds of GCM's time. What a libssh2
/// does not know is left out by it.
const CIPHERS: &str = "chacha20-poly1305@openssh.com,aes128-gcm@openssh.com,\
                       aes256-gcm@openssh.com,aes128-ctr,aes256-ctr";

/// A time by which several steps must be done.
#[derive(Clone, Copy, Debug)]
struct Deadline(Instant);

impl Deadline {
    fn after(patience: Duration) -> Self {
        // A day is for ever here, and unlike more it can always be added.
        Self(Instant::now() + patience.min(Duration::from_secs(24 * 60 * 60)))
    }

    /// What is left; an error of the kind `TimedOut` where that is nothing.
    fn left(self) -> io::Result<Duration> {
        match self.0.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
            left => Ok(left),
        }
    }

    /// Lets the session's next call take no longer than is left.
    fn bound(self, session: &Session) -> io::Result<()> {
        let left = self.left()?.as_millis();
        // Zero would be for ever.
        session.set_timeout(u32::try_from(left).unwrap_or(u32::MAX).max(1));
        Ok(())
    }
}

/// A logged-in session with a host whose key was checked. One channel at a time.
pub(crate) struct SshSession {
    session: Session,
    link: Arc<Link>,
    address: String,
    patience: Duration,
    /// Hangs up when the run is cancelled: whatever is waited for on the host then fails at once.
    _listening: Listening,
}

impl fmt::Debug for SshSession {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("SshSession")
            .field(&self.address)
            .finish()
    }
}

impl SshSession {
    /// Connects to a host, checks its key and logs in, all of it within `options.connect_timeout`. A key that is
    /// accepted as a new one goes to `newcomers`. As
    /// long as the session lives (which its commands may outlive), a cancellation ends the connection.
    ///
    /// # Errors
    /// - [`Error::Identity`], [`Error::IdentityLocked`]: there is no private key to log in with.
    /// - [`Error::KnownHosts`]: the file of known keys can't be read or written.
    /// - [`Error::Connect`]: no TCP connection, also for want of an address; or a proxy command that ended,
    ///   or was silent, before the host was heard. [`Error::Spawn`]: one that can't be run.
    /// - [`Error::HostKeyUnknown`], [`Error::HostKeyChanged`], [`Error::HostKeyRevoked`]: refused.
    /// - [`Error::Authentication`]: the host or the ssh-agent said no.
    /// - [`Error::Ssh`]: anything else, time out included.
    pub(crate) fn connect(
        target: &SshTarget,
        options: &SshOptions,
        newcomers: &Newcomers,
        cancel: &Cancel,
    ) -> Result<Self, Error> {
        let deadline = Deadline::after(options.connect_timeout);
        let address = target.shown();
        let credentials = Credentials::load(&options.identity)?;
        let known = KnownHosts::load(&options.known_hosts)?;
        let link = Arc::new(Link::open(target, options, deadline, cancel)?);
        let line = Arc::clone(&link);
        let listening = cancel.listen(move || line.cut());

        let names = Names::of(target);
        let key_types = known.preference(&names);
        let met = shake_hands(&link, &key_types, deadline).and_then(|session| {
            let key = session.host_key().map(|(key, _)| key.to_vec());
            let key = key.ok_or_else(|| io::Error::other("the host has shown no key"))?;
            Ok((session, key))
        });
        let (session, key) = met.map_err(|source| not_met(&link, &address, source))?;
        check_host_key(&known, newcomers, &names, &key, &address, options)?;
        let logged_in = credentials.log_in(&session, &target.user, deadline);
        logged_in.map_err(|source| {
            credentials.refusal(link.explain(source), &target.user, address.clone())
        })?;
        Ok(Self {
            session,
            link,
            address,
            patience: options.connect_timeout,
            _listening: listening,
        })
    }

    /// Has the host's login shell run a command. The streams of the last command's transport must not be
    /// used any more.
    ///
    /// # Errors
    /// [`Error::Ssh`] where the host refuses a channel or a command, or does not answer within the
    /// session's `connect_timeout`.
    pub(crate) fn exec(&self, command: &str) -> Result<SshTransport, Error> {
        let deadline = Deadline::after(self.patience);
        channel::open(&self.session, &self.link, command, deadline)
            .map_err(|source| self.failed("starting a command", self.link.explain(source)))
    }

    /// Runs a command to its end: gives it `input` on its standard input, and hands back what it said.
    ///
    /// # Errors
    /// As [`exec`](Self::exec); also [`Error::Silence`] where the command neither reads nor writes nor
    /// ends for the session's `connect_timeout`, and [`Error::Ssh`] where the connection is lost.
    pub(crate) fn run(&self, command: &str, input: Option<&mut dyn Read>) -> Result<Output, Error> {
        run::run(self, command, input)
    }

    /// How long the host may take for one step.
    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    pub(crate) fn failed(&self, doing: &'static str, source: io::Error) -> Error {
        Error::Ssh {
            address: self.address.clone(),
            doing,
            source,
        }
    }
}

/// There is a way to somebody, but no host at its end.
fn not_met(link: &Link, address: &str, source: io::Error) -> Error {
    let address = String::from(address);
    let source = link.explain(source);
    if link.leads_nowhere() {
        return Error::Connect { address, source };
    }
    Error::Ssh {
        address,
        doing: "exchanging keys",
        source,
    }
}

/// Everything up to where the host has proved that it owns the key it shows.
fn shake_hands(link: &Arc<Link>, key_types: &str, deadline: Deadline) -> io::Result<Session> {
    let mut session = Session::new().map_err(io_error)?;
    session.set_compress(false);
    for (method, preference) in [
        (MethodType::CryptCs, CIPHERS),
        (MethodType::CryptSc, CIPHERS),
        (MethodType::HostKey, key_types),
    ] {
        session.method_pref(method, preference).map_err(io_error)?;
    }
    link.carry(&mut session);
    deadline.bound(&session)?;
    session.handshake().map_err(io_error)?;
    Ok(session)
}

fn check_host_key(
    known: &KnownHosts,
    newcomers: &Newcomers,
    names: &Names,
    key: &[u8],
    address: &str,
    options: &SshOptions,
) -> Result<(), Error> {
    let accepts = options.host_keys == HostKeys::AcceptNew;
    let verdict = match (known.check(names, key, accepts), options.host_keys) {
        (Verdict::Unknown, HostKeys::AcceptNew) => newcomers.accept(known, names.first(), key)?,
        (verdict, _) => verdict,
    };
    let (address, known_hosts) = (String::from(address), options.known_hosts.clone());
    let fingerprint = known_hosts::fingerprint(key);
    match verdict {
        Verdict::Known => Ok(()),
        Verdict::Unknown => Err(Error::HostKeyUnknown {
            address,
            fingerprint,
            known_hosts,
            is_missing: known.is_missing(),
        }),
        Verdict::Changed => Err(Error::HostKeyChanged {
            address,
            fingerprint,
            known_hosts,
        }),
        Verdict::Revoked => Err(Error::HostKeyRevoked {
            address,
            fingerprint,
            known_hosts,
        }),
    }
}

/// libssh2's error as one of ours: kept in words, and of a kind that can be told apart.
fn io_error(error: ssh2::Error) -> io::Error {
    use libssh2_sys as raw;
    let ssh2::ErrorCode::Session(code) = error.code() else {
        return error.into();
    };
    let kind = match code {
        raw::LIBSSH2_ERROR_EAGAIN => io::ErrorKind::WouldBlock,
        raw::LIBSSH2_ERROR_TIMEOUT | raw::LIBSSH2_ERROR_SOCKET_TIMEOUT => io::ErrorKind::TimedOut,
        raw::LIBSSH2_ERROR_SOCKET_DISCONNECT
        | raw::LIBSSH2_ERROR_SOCKET_RECV
        | raw::LIBSSH2_ERROR_SOCKET_SEND
        | raw::LIBSSH2_ERROR_BANNER_RECV => io::ErrorKind::ConnectionReset,
        raw::LIBSSH2_ERROR_AUTHENTICATION_FAILED | raw::LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED => {
            io::ErrorKind::PermissionDenied
        }
        _ => io::ErrorKind::Other,
    };
    // Words may be the host's own, as in its reason for a disconnection.
    io::Error::new(kind, super::harmless(error.message().as_bytes()))
}
