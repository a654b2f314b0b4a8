//! What can go wrong, and whether trying again makes sense.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use release_core::{Generation, RelPath, ReleaseId};

/// Why a run, or one host's part in it, failed.
///
/// Paths from a host are escaped when they are printed. The cause is in
/// [`source`](std::error::Error::source), not in the text.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    // -- the source --
    /// The source directory can't be read.
    #[error("the source {} can't be read", .path.display())]
    Source {
        /// The source directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// What the source is can't be written down in it.
    #[error("the source {} can't be written to", .path.display())]
    SourceUnwritable {
        /// The source directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The source has no entries, and that was not asked for.
    #[error("the source {} is empty", .path.display())]
    SourceEmpty {
        /// The source directory.
        path: PathBuf,
    },
    /// The source has so many entries, or such long names, that no host takes their list.
    #[error("the source {} has too many entries: their list is {bytes} bytes long, and a host takes {limit}", .path.display())]
    SourceTooLarge {
        /// The source directory.
        path: PathBuf,
        /// Bytes of its manifest.
        bytes: u64,
        /// The most that a host takes.
        limit: u64,
    },
    /// Entries of the source can't be read.
    #[error("{} of the source can't be read, the first of them `{first}`", plural(*.count as u64, "entry", "entries"))]
    SourceUnreadable {
        /// How many.
        count: usize,
        /// The first, in manifest order.
        first: RelPath,
        /// Why that one can't be read.
        source: io::Error,
    },
    /// A file of the source no longer has the content that was scanned.
    #[error("`{path}` was changed in the source while it was being read")]
    SourceChanged {
        /// The file.
        path: RelPath,
    },
    /// An exclude or protect pattern can't be understood.
    #[error("the pattern `{pattern}` can't be understood: {reason}")]
    Pattern {
        /// As it was given.
        pattern: String,
        /// Why.
        reason: String,
    },
    /// A silence is to be taken for death that every host keeps now and then.
    #[error(
        "a host may be silent for 5 s while all is well, so to give it up after {silence:?} is too soon: at least {least:?}"
    )]
    Impatience {
        /// The longest silence that was asked for.
        silence: Duration,
        /// The shortest that can be.
        least: Duration,
    },
    /// Two hosts have one name.
    #[error("two hosts are called `{0}`")]
    DoubledHost(String),
    /// A host is reached over SSH, and nothing says how.
    #[error("`{0}` is reached over SSH, but no SSH options were given")]
    NoSshOptions(String),

    // -- the way to a host --
    /// No TCP connection.
    #[error("can't connect to {address}")]
    Connect {
        /// Address and port.
        address: String,
        /// Why not.
        source: io::Error,
    },
    /// SSH's own layer failed.
    #[error("SSH to {address} failed while {doing}")]
    Ssh {
        /// Address and port.
        address: String,
        /// What was being done.
        doing: &'static str,
        /// What libssh2 said.
        source: io::Error,
    },
    /// The host's key is not in the known_hosts file.
    #[error("the host key of {address} ({fingerprint}) is not in {}{}", .known_hosts.display(), no_file(*.is_missing))]
    HostKeyUnknown {
        /// Address and port.
        address: String,
        /// The key's type and SHA-256 fingerprint.
        fingerprint: String,
        /// The file that was looked into.
        known_hosts: PathBuf,
        /// Is there no such file?
        is_missing: bool,
    },
    /// The host's key is not the one that is in the known_hosts file.
    #[error("the host key of {address} has changed: it is now {fingerprint}, which is not what {} has", .known_hosts.display())]
    HostKeyChanged {
        /// Address and port.
        address: String,
        /// The new key's type and SHA-256 fingerprint.
        fingerprint: String,
        /// The file that disagrees.
        known_hosts: PathBuf,
    },
    /// The known_hosts file says that this key of the host must not be trusted any more.
    #[error("the host key of {address} ({fingerprint}) is marked as revoked in {}", .known_hosts.display())]
    HostKeyRevoked {
        /// Address and port.
        address: String,
        /// The key's type and SHA-256 fingerprint.
        fingerprint: String,
        /// The file that says so.
        known_hosts: PathBuf,
    },
    /// The known_hosts file can't be read or written.
    #[error("the file of known host keys {} can't be used", .path.display())]
    KnownHosts {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Our private key can't be read.
    #[error("the private key {} can't be read", .path.display())]
    Identity {
        /// Its file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Our private key is encrypted, and there is nobody to ask for its passphrase.
    #[error("the private key {} has a passphrase", .path.display())]
    IdentityLocked {
        /// Its file.
        path: PathBuf,
    },
    /// The host turned our key down.
    #[error("{address} refuses to let {user} in with {identity}")]
    Authentication {
        /// Address and port.
        address: String,
        /// Who tried to log in.
        user: String,
        /// The key's file, or "the keys of the ssh-agent".
        identity: String,
        /// What libssh2 said.
        source: io::Error,
    },
    /// A child process could not be started.
    #[error("`{program}` can't be started")]
    Spawn {
        /// The program.
        program: String,
        /// Why not.
        source: io::Error,
    },
    /// There is no agent for the host's architecture.
    #[error("there is no agent for `{architecture}`: {} does not exist", .looked_for.display())]
    NoAgent {
        /// What the host's `uname -m` says.
        architecture: String,
        /// The file that would have been sent.
        looked_for: PathBuf,
    },
    /// Not even a plain command can be run on the host: its login shell or a forced command is in the way.
    #[error("no command can be run on the host: {reason}")]
    NoCommand {
        /// In words, with what the host said, made harmless.
        reason: String,
    },
    /// The agent can't be put on the host, or doesn't start there.
    #[error("the agent can't be started on the host: {reason}")]
    Bootstrap {
        /// In words, with what the host said, made harmless.
        reason: String,
    },

    // -- the conversation --
    /// The host was silent for too long.
    #[error("the host was silent for {} s while {doing}", .silence.as_secs())]
    Silence {
        /// What was being done.
        doing: &'static str,
        /// For how long.
        silence: Duration,
    },
    /// The host says that it is there, but gets no further with what it has to do: its disk may hang.
    #[error("the host got no further for {} s while {doing}", .patience.as_secs())]
    Stalled {
        /// What was being done.
        doing: &'static str,
        /// For how long.
        patience: Duration,
    },
    /// The stream ended before the conversation did.
    #[error("the connection was lost while {doing}{}", said(.stderr))]
    Disconnected {
        /// What was being done.
        doing: &'static str,
        /// The end of what the host wrote to its standard error, made harmless.
        stderr: String,
    },
    /// I/O on the connection failed.
    #[error("the connection failed while {doing}")]
    Transport {
        /// What was being done.
        doing: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The host said something that an agent would not.
    #[error("the host broke the protocol: {what}")]
    Protocol {
        /// What it did.
        what: String,
    },
    /// The agent there is newer than this controller.
    #[error(
        "the agent on the host speaks version {theirs} of the protocol, this program only {ours}"
    )]
    NewerAgent {
        /// The agent's version.
        theirs: u16,
        /// Ours.
        ours: u16,
    },
    /// The agent there is older than what this controller can speak to, and it was not ours to replace.
    #[error(
        "the agent on the host speaks only version {theirs} of the protocol, this program {ours}"
    )]
    OlderAgent {
        /// The agent's version.
        theirs: u16,
        /// Ours.
        ours: u16,
    },
    /// The run was cancelled.
    #[error("cancelled")]
    Cancelled,

    // -- what the host refuses --
    /// Another deploy holds the destination.
    #[error("{destination} is locked by {holder}")]
    Locked {
        /// The directory on the host.
        destination: String,
        /// Who holds it.
        holder: String,
    },
    /// The host has seen a later generation, or this one with another release: this deploy is out of date.
    #[error("the host has generation {seen}, {}", against(*.seen, *.ours))]
    Fenced {
        /// In the host's marker.
        seen: Generation,
        /// Of this run.
        ours: Generation,
    },
    /// The destination is no mount point yet.
    #[error("{destination} is not mounted")]
    NotMounted {
        /// The directory on the host.
        destination: String,
    },
    /// The destination's file system is mounted read-only.
    #[error("{destination} is on a read-only file system")]
    ReadOnly {
        /// The directory on the host.
        destination: String,
    },
    /// The destination can't be used.
    #[error("{destination} can't be used: {reason}")]
    Destination {
        /// The directory on the host.
        destination: String,
        /// Why not, in the host's words, made harmless.
        reason: String,
    },
    /// The destination is one that no release may take: what is there is more than a release.
    #[error("{destination} can't be deployed to: {reason}")]
    Forbidden {
        /// The directory on the host.
        destination: String,
        /// Why not, in the host's words, made harmless.
        reason: String,
    },
    /// No room on the host.
    #[error("no space left below {destination}")]
    NoSpace {
        /// The directory on the host.
        destination: String,
    },
    /// More would be deleted than is allowed.
    #[error("{} would be deleted, but at most {limit} may be", plural(*.would, "entry", "entries"))]
    MaxDelete {
        /// How many.
        would: u64,
        /// The limit.
        limit: u64,
    },
    /// The host can't give its tree out.
    #[error("the host can't give its tree out: {reason}")]
    Supply {
        /// Why not, in the host's words, made harmless.
        reason: String,
    },
    /// The host has no undo to go back to.
    #[error("{destination} has nothing to go back to")]
    NoUndo {
        /// The directory on the host.
        destination: String,
    },
    /// Going back would bring the host to another release than the one that was asked for. Nothing was
    /// changed there.
    #[error("it would come to release {}, and not to {}, so nothing was changed there", .kept.short(), .wanted.short())]
    OtherUndo {
        /// What the host could be brought to.
        kept: ReleaseId,
        /// What it was to come to.
        wanted: ReleaseId,
    },
    /// Some files could not be put in place; the host's tree was not changed.
    #[error("{} failed on the host, the first of them `{first}`: {reason}", plural(*.count, "file", "files"))]
    Files {
        /// How many.
        count: u64,
        /// The first one.
        first: RelPath,
        /// What the host says about it, made harmless.
        reason: String,
    },
    /// The commit was begun, and could not be completed; the next run does.
    #[error("the commit could not be completed: {reason}")]
    Commit {
        /// In the host's words, made harmless.
        reason: String,
    },
    /// After the commit, the host's tree is not the release.
    #[error("the host's tree is not release {release} after the commit")]
    NotProven {
        /// What it should be.
        release: ReleaseId,
    },
}

fn no_file(is_missing: bool) -> &'static str {
    if is_missing {
        ", which does not exist"
    } else {
        ""
    }
}

fn said(stderr: &str) -> String {
    if stderr.is_empty() {
        String::new()
    } else {
        format!("; the host said: {stderr}")
    }
}

impl Error {
    /// Might the same thing work in a moment, with nobody doing anything about it?
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Connect { .. }
                | Self::Ssh { .. }
                | Self::Silence { .. }
                | Self::Disconnected { .. }
                | Self::Transport { .. }
                | Self::NotMounted { .. }
        )
    }

    /// Was something refused for safety's sake, rather than failed?
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::SourceEmpty { .. }
                | Self::HostKeyUnknown { .. }
                | Self::HostKeyChanged { .. }
                | Self::HostKeyRevoked { .. }
                | Self::MaxDelete { .. }
                | Self::Forbidden { .. }
                | Self::Fenced { .. }
        )
    }

    /// Is somebody else at work on the same thing?
    pub fn is_locked(&self) -> bool {
        matches!(self, Self::Locked { .. })
    }
}

/// How a generation that a host has stands to this deploy's, which it fences off.
fn against(seen: Generation, ours: Generation) -> String {
    match seen == ours {
        true => String::from("which is this deploy's, with another release"),
        false => format!("which is newer than this deploy's {ours}"),
    }
}

/// `1 file`, `2 files`.
fn plural(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
