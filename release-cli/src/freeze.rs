//! Freezing a file system for a moment, watched over so that it can never stay frozen.
//!
//! While a file system is frozen, whoever writes there sleeps, and not even SIGKILL moves it. So nothing
//! that may be needed for a thaw can be on it ([`premises`]), and whoever freezes has somebody else at hand
//! who can thaw ([`watchdog`], whose own part is [`vigil`]). Should both be killed, a [`record`] tells the
//! next command what to thaw ([`left_behind`]).
//!
//! Mechanism without policy: what is done meanwhile is the caller's, and nothing here knows of a cloud.

mod error;
mod ioctl;
mod left_behind;
mod mounts;
mod premises;
mod record;
mod vigil;
mod watchdog;

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use rustix::io::Errno;

pub(crate) use error::FreezeError;
pub(crate) use ioctl::Thaw;
pub(crate) use left_behind::{LeftBehind, thaw, thaw_left_behind};
pub(crate) use mounts::mount_of;
pub(crate) use premises::Tenant;
use record::{Record, Standing, Taken};
pub(crate) use vigil::keep as keep_vigil;
use watchdog::Watchdog;

/// What is to be frozen, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    /// The top of the file system.
    pub(crate) path: &'a Path,
    /// Where it is written down that something is frozen: an existing directory, on another file system.
    pub(crate) state: &'a Path,
    /// What else must be on another file system, besides what must be so on any machine.
    pub(crate) elsewhere: &'a [Tenant],
    /// What for, in a few words.
    pub(crate) purpose: &'a str,
    /// When the watchdog thaws. See [`Request::limit_of_action`].
    pub(crate) limit: Duration,
}

impl Request<'_> {
    /// How long the action may take: what is left of the limit is for the thaw.
    pub(crate) fn limit_of_action(&self) -> Duration {
        self.limit * 4 / 5
    }
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome<T> {
    /// What the action gave.
    pub(crate) value: T,
    /// Whether the file system was frozen until the action had ended. If not, somebody thawed it before:
    /// what the action saw may be half of this and half of that.
    pub(crate) is_sound: bool,
    /// How long nobody could write, by a clock that only goes forward.
    pub(crate) held: Duration,
    /// It was frozen from this moment on …
    pub(crate) since: SystemTime,
    /// … at least until this one, if it is sound.
    pub(crate) until: SystemTime,
}

/// Freezes, acts, thaws. Does the action once, and thaws whatever comes of it, also when it panics. The
/// action must not write to the file system, nor wait for somebody who does.
///
/// # Errors
/// Whatever keeps it from being frozen, before the action; and [`FreezeError::Thaw`] after it, when the
/// record stays, and the watchdog goes on trying.
pub(crate) fn freeze<T>(
    request: &Request<'_>,
    action: impl FnOnce() -> T,
) -> Result<Outcome<T>, FreezeError> {
    let (mut taken, mount) = prepare(request)?;
    let frozen = Frozen::new(request, mount).inspect_err(|_| {
        // The error that is told is the first one; the next command clears what this can't.
        let _ = taken.clear();
    })?;
    let value = action();
    let until = SystemTime::now();
    let (since, began) = (frozen.since, frozen.began);
    let thaw = frozen.thaw(request.path)?;
    let held = began.elapsed();
    taken.clear()?;
    Ok(Outcome {
        value,
        is_sound: thaw == Thaw::Thawed,
        held,
        since,
        until,
    })
}

/// Writes what is in memory to the disk, for a file system that can't be frozen, or shall not be.
///
/// # Errors
/// When it can't be opened or written to.
pub(crate) fn sync(path: &Path) -> Result<(), FreezeError> {
    let fault = |source| FreezeError::Sync {
        path: path.to_owned(),
        source,
    };
    let directory = File::open(path).map_err(fault)?;
    rustix::fs::syncfs(directory).map_err(|error| fault(error.into()))
}

/// All that comes before a freeze: the judgement, the record.
fn prepare(request: &Request<'_>) -> Result<(Taken, OwnedFd), FreezeError> {
    let path = request.path;
    let state = Tenant::new("the state directory", request.state);
    let tenants = [request.elsewhere, &[state]].concat();
    let facts = premises::collect(path, &tenants)?;
    let device = facts.place.superblock.unwrap_or(facts.place.device);
    facts.judge()?;
    let mut taken = match Taken::make(request.state)? {
        Standing::Free(taken) => taken,
        Standing::Held(record) => return Err(at_work(path, record)),
    };
    left_behind::put_right(&mut taken)?;
    let look = |source| FreezeError::Look {
        path: path.to_owned(),
        source,
    };
    let record = Record::new(path, device, request.purpose).map_err(look)?;
    let mount = OwnedFd::from(File::open(path).map_err(look)?);
    taken.write(&record)?;
    Ok((taken, mount))
}

fn at_work(path: &Path, record: Option<Record>) -> FreezeError {
    let path = path.to_owned();
    match record {
        Some(by) => FreezeError::AtWork {
            path,
            by: Box::new(by),
        },
        None => FreezeError::Busy(path),
    }
}

/// A file system that is frozen, and thawed again if this is dropped.
#[derive(Debug)]
struct Frozen {
    mount: OwnedFd,
    watchdog: Option<Watchdog>,
    began: Instant,
    since: SystemTime,
}

impl Frozen {
    fn new(request: &Request<'_>, mount: OwnedFd) -> Result<Self, FreezeError> {
        // What is written now needn't be while nobody else can write.
        sync(request.path)?;
        let watchdog = Watchdog::start(&mount, request.limit).map_err(FreezeError::Watchdog)?;
        let began = Instant::now();
        match ioctl::freeze(&mount) {
            Ok(()) => Ok(Self {
                mount,
                watchdog: Some(watchdog),
                began,
                since: SystemTime::now(),
            }),
            Err(error) => {
                // It would thaw what somebody else has frozen.
                watchdog.dismiss();
                Err(not_frozen(request.path, error))
            }
        }
    }

    /// On failure the watchdog finds itself alone, and goes on trying.
    fn thaw(mut self, path: &Path) -> Result<Thaw, FreezeError> {
        let thaw = ioctl::thaw(&self.mount).map_err(|error| FreezeError::Thaw {
            path: path.to_owned(),
            source: error.into(),
        })?;
        if let Some(watchdog) = self.watchdog.take() {
            watchdog.dismiss();
        }
        Ok(thaw)
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        if self.watchdog.is_some() {
            // Where this fails, the watchdog, which is left alone next, does the same.
            let _ = ioctl::thaw(&self.mount);
        }
    }
}

fn not_frozen(path: &Path, error: Errno) -> FreezeError {
    let path = path.to_owned();
    match error {
        Errno::BUSY => FreezeError::Busy(path),
        Errno::OPNOTSUPP => FreezeError::Unsupported(path),
        error => FreezeError::Freeze {
            path,
            source: error.into(),
        },
    }
}
