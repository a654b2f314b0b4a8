//! One session at a time for a destination.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::confine::Root;

/// A destination that is held. The kernel lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// Why a destination is not held.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LockError {
    /// Somebody else holds it; the text is who.
    #[error("held by {0}")]
    Held(String),
    /// The lock's file can't be used.
    #[error("the lock can't be used")]
    Io(#[from] io::Error),
}

/// How long a lock is waited for that somebody is letting go of: a process that was killed a moment ago, or a
/// child that has not yet closed what it got from its parent.
const PATIENCE: Duration = Duration::from_millis(500);

/// Longest text that a holder is described with.
const MAX_HOLDER: u64 = 400;

impl Lock {
    /// Takes the lock, and writes down who has it.
    pub(crate) fn take(private: &Root, holder: &str) -> Result<Self, LockError> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let file = rustix::fs::openat(private, c"lock", flags, mode).map_err(io::Error::from)?;
        let mut file = File::from(file);
        match seize(&file) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut text = Vec::new();
                file.take(MAX_HOLDER).read_to_end(&mut text)?;
                let text = String::from_utf8_lossy(&text).trim().to_owned();
                return Err(LockError::Held(text));
            }
            Err(error) => return Err(io::Error::from(error).into()),
        }
        let holder: String = holder.chars().take(MAX_HOLDER as usize / 4).collect();
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{holder}")?;
        Ok(Self { _file: file })
    }
}

fn seize(file: &File) -> Result<(), Errno> {
    let begin = Instant::now();
    loop {
        match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) if begin.elapsed() < PATIENCE => sleep(PATIENCE / 50),
            result => return result,
        }
    }
}
