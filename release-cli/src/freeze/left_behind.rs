//! Thawing what nobody watches over any more.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;

use release_core::DeviceNumber;

use super::FreezeError;
use super::ioctl::{self, Thaw};
use super::mounts;
use super::record::{Record, Standing, Taken};

/// What a look at the state directory came upon.
#[derive(Debug)]
pub(crate) enum LeftBehind {
    /// Nothing is frozen, as far as is known.
    Nothing,
    /// Somebody who is at work has frozen it, and will thaw it.
    AtWork(Record),
    /// A dead deploy left this, and it is thawed now: by us, or by its watchdog before us.
    Thawed(Record, Thaw),
}

/// Thaws what a dead deploy has left frozen, by the record in the state directory. One that lives is not
/// disturbed. Every command begins with this.
///
/// # Errors
/// When it can't be thawed: most often since only root can. The record stays.
pub(crate) fn thaw_left_behind(state: &Path) -> Result<LeftBehind, FreezeError> {
    match Taken::find(state)? {
        None => Ok(LeftBehind::Nothing),
        Some(Standing::Held(Some(record))) => Ok(LeftBehind::AtWork(record)),
        // Whoever holds it is just about to begin, or to end.
        Some(Standing::Held(None)) => Ok(LeftBehind::Nothing),
        Some(Standing::Free(mut taken)) => put_right(&mut taken),
    }
}

/// The same, of a file that is taken already.
pub(super) fn put_right(taken: &mut Taken) -> Result<LeftBehind, FreezeError> {
    let left = taken.left.take();
    let left = left.filter(Record::is_of_this_boot);
    let Some((record, device)) = left.and_then(|it| it.device().map(|device| (it, device))) else {
        taken.clear()?;
        return Ok(LeftBehind::Nothing);
    };
    let thawed = thaw_device(&record, device)?;
    taken.clear()?;
    Ok(LeftBehind::Thawed(record, thawed))
}

/// Thaws a file system wherever it is mounted by now. Where it isn't, the kernel keeps it frozen all the
/// same, and the next mount finds it so.
fn thaw_device(record: &Record, device: DeviceNumber) -> Result<Thaw, FreezeError> {
    let mounts = mounts::read().map_err(|source| FreezeError::Look {
        path: mounts::place().to_owned(),
        source,
    })?;
    let mut failed = None;
    for mount in mounts.iter().filter(|mount| mount.device == device) {
        match thaw(&mount.point) {
            Ok(thaw) => return Ok(thaw),
            Err(error) => failed = Some(error),
        }
    }
    Err(failed.unwrap_or_else(|| FreezeError::Unmounted(Box::new(record.clone()))))
}

/// Thaws the file system that `path` is in, whoever has frozen it.
///
/// # Errors
/// When the path can't be opened, and when the kernel refuses.
pub(crate) fn thaw(path: &Path) -> Result<Thaw, FreezeError> {
    let fault = |source| FreezeError::Thaw {
        path: path.to_owned(),
        source,
    };
    let directory = OwnedFd::from(File::open(path).map_err(fault)?);
    ioctl::thaw(&directory).map_err(|error| fault(error.into()))
}
