//! What ends an agent's session, as the controller is told.

use std::error::Error;
use std::io;

use rustix::io::Errno;

use crate::session::Violation;
use crate::store::LockError;
use crate::wire::{Fault, FaultKind};

/// Why a session can't go on.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) kind: FaultKind,
    pub(super) reason: String,
}

impl Failure {
    pub(super) fn new(kind: FaultKind, reason: impl Into<String>) -> Self {
        Self {
            kind,
            reason: reason.into(),
        }
    }

    /// A fault of this program.
    pub(super) fn panicked() -> Self {
        let reason = "the agent failed by a fault of its own, which is worth a report";
        Self::new(FaultKind::Internal, reason)
    }

    /// A failure of I/O: a full disk and a read-only one are kinds of their own.
    pub(super) fn io(kind: FaultKind, doing: &str, error: &io::Error) -> Self {
        let kind = match Errno::from_io_error(error) {
            Some(Errno::NOSPC | Errno::DQUOT) => FaultKind::NoSpace,
            Some(Errno::ROFS) => FaultKind::ReadOnly,
            _ => kind,
        };
        Self::new(kind, format!("{doing}: {}", chain(error)))
    }

    pub(super) fn into_fault(self) -> Fault {
        // A control frame holds 64 KiB; a reason need not be longer than a few lines.
        Fault {
            kind: self.kind,
            reason: self.reason.chars().take(2000).collect(),
        }
    }
}

impl From<Violation> for Failure {
    fn from(violation: Violation) -> Self {
        Self::new(FaultKind::Protocol, violation.to_string())
    }
}

/// What a controller's patterns are refused with.
impl From<crate::Error> for Failure {
    fn from(error: crate::Error) -> Self {
        Self::new(FaultKind::Protocol, chain(&error))
    }
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Held(holder) => Self::new(FaultKind::Locked, holder),
            LockError::Io(error) => Self::io(FaultKind::Destination, "taking the lock", &error),
        }
    }
}

/// An error with its causes, in one line.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Trouble that the next file would have as well.
pub(super) fn is_disk_trouble(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::NOSPC | Errno::DQUOT | Errno::ROFS | Errno::IO)
    )
}
