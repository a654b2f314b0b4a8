//! What a run does, apart from where.

use std::time::Duration;

use crate::{Error, Host, Reach, SshOptions};

/// Knobs of a run. [`Options::default`] is what a careful deploy wants.
#[derive(Clone, Debug)]
pub struct Options {
    /// Delete what the release does not have; `false` leaves it. Default: `true`.
    pub delete: bool,
    /// Hash every file on both sides instead of trusting the index. Default: `false`.
    pub checksum: bool,
    /// Patterns of entries that are neither sent nor deleted.
    pub exclude: Vec<String>,
    /// Patterns of entries on hosts that deletion spares.
    pub protect: Vec<String>,
    /// A host where more entries than this would be deleted is refused, untouched. Default: no limit.
    pub max_delete: Option<u64>,
    /// Hosts whose transfers run at one time. Default: 32.
    pub parallel: usize,
    /// Keep what a commit displaces, so that going back needs no transfer. Default: `true`.
    pub keep_undo: bool,
    /// Treat a destination that is no mount point as not ready. Default: `false`.
    pub require_mount: bool,
    /// Set owners by number even where the host knows the name. Default: `false`.
    pub numeric_owner: bool,
    /// A source without entries is a mistake unless this is set. Default: `false`.
    pub allow_empty: bool,
    /// Who deploys, as shown to whoever finds the destination locked.
    pub holder: String,
    /// Longest silence of a host before its session is given up; at least [`Self::LEAST_SILENCE`], since
    /// an agent speaks every 5 s. Default: 30 s.
    pub silence: Duration,
    /// Longest time in which a host that has something to do, and says that it is there, gets no further
    /// with it, before its session is given up: as long as its slowest single act may take, which is to
    /// write back all that was staged. Default: 10 min.
    pub stall: Duration,
    /// Most bytes a second that are sent to one host; 0: as many as go. Default: 0.
    pub bwlimit: u64,
    /// Most bytes a second that are sent to all hosts together; 0: as many as go. Default: 0.
    pub bwlimit_total: u64,
    /// Commit nowhere before every host has staged or failed, however long that takes. Otherwise a host
    /// that has staged waits for the others only a tenth of the time that it took itself, so that
    /// hosts which are alike flip together and a stuck one holds nobody up. Default: `false`.
    pub together: bool,
    /// How often a host is tried again after a failure that may pass. Default: 2.
    pub retries: u32,
    /// How SSH is spoken; needed where a host is reached over it that brings no such options of its own.
    pub ssh: Option<SshOptions>,
}

impl Options {
    /// How SSH is spoken to a host; `None` for one that is reached in another way.
    ///
    /// # Errors
    /// [`Error::NoSshOptions`] where SSH is needed, and nothing says how.
    pub(crate) fn ssh_of<'a>(&'a self, host: &'a Host) -> Result<Option<&'a SshOptions>, Error> {
        let Reach::Ssh(target) = &host.reach else {
            return Ok(None);
        };
        match target.ssh.as_deref().or(self.ssh.as_ref()) {
            None => Err(Error::NoSshOptions(host.name.clone())),
            options => Ok(options),
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            delete: true,
            checksum: false,
            exclude: Vec::new(),
            protect: Vec::new(),
            max_delete: None,
            parallel: 32,
            keep_undo: true,
            require_mount: false,
            numeric_owner: false,
            allow_empty: false,
            holder: String::from("release-sync"),
            silence: Duration::from_secs(30),
            stall: Duration::from_secs(600),
            bwlimit: 0,
            bwlimit_total: 0,
            together: false,
            retries: 2,
            ssh: None,
        }
    }
}

impl Options {
    /// The shortest [`silence`](Self::silence) that is of use: less would take a host that is well for a
    /// dead one.
    pub const LEAST_SILENCE: Duration = Duration::from_secs(6);
}
