//! How it ends, as a number.

use std::process::ExitCode;

use release_core::OnFailure;
use release_core::boot::{Ended, Kind};

/// How it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Mounted and proved; or not, where that was to be put up with.
    Ready,
    /// Failed, and cleared away.
    Failed,
    /// What was asked for makes no sense.
    Usage,
    /// Refused for safety.
    Refused,
    /// The deadline passed, or what is mounted is stale and busy: the next try may go better.
    Late,
}

impl Exit {
    /// Of an end, by what was ordered for a failure.
    pub(crate) const fn of(ended: &Ended, on_failure: OnFailure) -> Self {
        match ended {
            Ended::Ready(_) => Self::Ready,
            Ended::Failed { reason, .. } => match (on_failure, reason.kind()) {
                (OnFailure::Continue, _) => Self::Ready,
                (_, Kind::Failed) => Self::Failed,
                (_, Kind::Refused) => Self::Refused,
                (_, Kind::Late) => Self::Late,
            },
        }
    }

    /// The number.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Ready => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Refused => 5,
            // EX_TEMPFAIL of sysexits(3).
            Self::Late => 75,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
