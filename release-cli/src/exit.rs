//! How a command ends: the only place where errors become exit codes, kinds and hints.

mod advice;
mod policy;

use std::collections::HashSet;
use std::io::ErrorKind;
use std::process::ExitCode;

use release_sync::{Error, HostPlan, HostReport, HostStatus, Outcome, Report};

use crate::failure::Failure;
use crate::freeze::FreezeError;
use crate::ui::Health;
pub(crate) use advice::{of_error, of_failure};
pub(crate) use policy::place as policy_place;

/// What the exit code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All as asked.
    Done,
    /// Failed; nothing was changed.
    Failed,
    /// What was typed or configured makes no sense.
    Usage,
    /// Something was changed, and not all is as asked.
    Partial,
    /// Somebody else is at work.
    Locked,
    /// Refused for safety's sake.
    Refused,
    /// By Ctrl-C or SIGTERM.
    Interrupted,
}

impl Exit {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Partial => 3,
            Self::Locked => 4,
            Self::Refused => 5,
            Self::Interrupted => 130,
        }
    }

    /// How a command ends whose words were lost: nobody can know what it did.
    pub(crate) fn without_output(self, changed: bool) -> Self {
        match self {
            Self::Done if changed => Self::Partial,
            Self::Done => Self::Failed,
            other => other,
        }
    }

    pub(crate) fn of_failure(failure: &Failure) -> Self {
        match failure {
            Failure::Typed { .. }
            | Failure::NoEvents
            | Failure::NoCloud { .. }
            | Failure::NotBuilt { .. }
            | Failure::NoConfig { .. }
            | Failure::ConfigUnreadable { .. }
            | Failure::Config { .. }
            | Failure::Unsaid { .. }
            | Failure::RelativeDestination(_)
            | Failure::NoHosts
            | Failure::UnknownHost { .. }
            | Failure::OneDirectory { .. }
            | Failure::NothingToSnapshot
            | Failure::Unset { .. }
            | Failure::Flag { .. }
            | Failure::NoRegions
            | Failure::CloudNeeded
            | Failure::NoAws
            | Failure::Authorities { .. }
            | Failure::NobodyToAsk
            | Failure::UnknownGeneration(_)
            | Failure::NotKept(_)
            | Failure::NoSshAgent
            | Failure::NoLastDeploy(_)
            | Failure::NoStateHome => Self::Usage,
            Failure::Locked { .. } => Self::Locked,
            Failure::Interrupted => Self::Interrupted,
            Failure::Engine(error) => Self::of_errors(false, false, [Some(error)].into_iter()),
            Failure::Freeze(FreezeError::AtWork { .. }) => Self::Locked,
            Failure::Freeze(error) if error.is_refusal() => Self::Refused,
            Failure::Snapshot(error) if error.is_refusal() => Self::Refused,
            Failure::Publish(error) if error.is_refusal() => Self::Refused,
            Failure::Setup(error) if error.is_refusal() => Self::Refused,
            Failure::KeyExists(_) | Failure::UnusableSnapshot(_) => Self::Refused,
            Failure::Freeze(_)
            | Failure::Snapshot(_)
            | Failure::Publish(_)
            | Failure::Cloud(_)
            | Failure::LocalCloud(_)
            | Failure::Serve(_)
            | Failure::NothingToGoBackTo
            | Failure::Setup(_)
            | Failure::NothingPublished(_)
            | Failure::Runtime(_)
            | Failure::KeyMaking(_)
            | Failure::KeyUnwritable { .. }
            | Failure::PasswordsDiffer
            | Failure::UnfinishedDamaged { .. }
            | Failure::LedgerDamaged { .. }
            | Failure::Drill { .. }
            | Failure::ThawedEarly
            | Failure::State { .. }
            | Failure::StateDamaged { .. }
            | Failure::LastDeployDamaged { .. }
            | Failure::Declined
            | Failure::Manual { .. }
            | Failure::Exhausted(_)
            | Failure::Output { .. }
            | Failure::Signals(_)
            | Failure::NoAgent(_)
            | Failure::Demo { .. }
            | Failure::ClaimsBroken { .. } => Self::Failed,
        }
    }

    /// Several may apply; the order here is the order of precedence. Each error is what went wrong with
    /// one host; `None` is a fault that has no error.
    fn of_errors<'e>(
        interrupted: bool,
        changed: bool,
        errors: impl Iterator<Item = Option<&'e Error>> + Clone,
    ) -> Self {
        let any = |is: fn(&Error) -> bool| errors.clone().flatten().any(is);
        if interrupted || any(is_interrupt) {
            Self::Interrupted
        } else if any(is_usage) {
            Self::Usage
        } else if any(Error::is_locked) {
            Self::Locked
        } else if errors.clone().next().is_none() {
            Self::Done
        } else if changed {
            Self::Partial
        } else if errors
            .clone()
            .all(|error| error.is_some_and(Error::is_refusal))
        {
            Self::Refused
        } else {
            Self::Failed
        }
    }

    /// How an inquiry ends that changes nothing: well, if every host could be asked and is what it
    /// claims to be.
    pub(crate) fn of_statuses(interrupted: bool, hosts: &[HostStatus]) -> Self {
        let faults = hosts
            .iter()
            .filter(|host| host.error.is_some() || host.intact == Some(false));
        Self::of_errors(interrupted, false, faults.map(|host| host.error.as_ref()))
    }

    /// How a plan ends, which changes nothing: well, if every host could be asked and a deploy would not
    /// be refused there.
    pub(crate) fn of_plans(interrupted: bool, hosts: &[HostPlan]) -> Self {
        let faults = hosts.iter().filter_map(|host| host.error.as_ref());
        Self::of_errors(interrupted, false, faults.map(Some))
    }

    /// How an examination ends: a warning is no fault.
    pub(crate) fn of_health(interrupted: bool, health: &Health) -> Self {
        match health.faults {
            _ if interrupted => Self::Interrupted,
            0 => Self::Done,
            _ => Self::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

fn is_usage(error: &Error) -> bool {
    matches!(
        error,
        Error::Pattern { .. }
            | Error::Impatience { .. }
            | Error::DoubledHost(_)
            | Error::NoSshOptions(_)
    ) || matches!(error, Error::Source { source, .. } if matches!(source.kind(),
        ErrorKind::NotFound | ErrorKind::NotADirectory))
}

fn is_interrupt(error: &Error) -> bool {
    matches!(error, Error::Cancelled)
}

/// What a run was to do with each host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aim {
    /// Give it the release.
    Push,
    /// Send it back to the release before.
    Undo,
}

impl Aim {
    /// Is this host as was asked, or no longer our concern?
    pub(crate) fn is_met(self, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Committed => self == Self::Push,
            // It has the release already, whichever way that is to be had.
            Outcome::Unchanged => true,
            Outcome::Undone => self == Self::Undo,
            // They come up with the right release by themselves, or not at all.
            Outcome::Asleep | Outcome::Booting | Outcome::Gone => true,
            Outcome::Deferred | Outcome::ReadOnly | Outcome::Failed => false,
        }
    }

    fn is_change(self, outcome: Outcome) -> bool {
        match self {
            Self::Push => outcome == Outcome::Committed,
            Self::Undo => outcome == Outcome::Undone,
        }
    }
}

/// What came of a run, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overall {
    Ok,
    Partial,
    Failed,
}

impl Overall {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Partial => "partial",
            Self::Failed => "failed",
        }
    }
}

/// What is to be said about a run as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) exit: Exit,
    pub(crate) overall: Overall,
}

impl Verdict {
    /// `begun` are the hosts whose commit was begun: one that failed afterwards may have been changed,
    /// and "nothing was changed" must not be said unless it is known.
    pub(crate) fn of(
        aim: Aim,
        interrupted: bool,
        report: &Report,
        begun: &HashSet<String>,
    ) -> Self {
        let faults = report.hosts.iter().filter(|host| !aim.is_met(host.outcome));
        let changed = report
            .hosts
            .iter()
            .any(|host| aim.is_change(host.outcome) || is_half_done(aim, host, begun));
        let overall = match (faults.clone().next(), changed) {
            (None, _) => Overall::Ok,
            (Some(_), true) => Overall::Partial,
            (Some(_), false) => Overall::Failed,
        };
        let errors = faults.map(|host| host.error.as_ref());
        Self {
            exit: Exit::of_errors(interrupted, changed, errors),
            overall,
        }
    }

    /// With what happened apart from hosts. `is_changed`: something was changed, by what happened there or on
    /// hosts; `is_whole`: all was done that was to be.
    pub(crate) fn with(self, failure: Option<&Failure>, is_changed: bool, is_whole: bool) -> Self {
        if is_whole && failure.is_none() && self.overall == Overall::Ok {
            return self;
        }
        let is_changed = is_changed || self.overall == Overall::Partial;
        let overall = match is_changed {
            true => Overall::Partial,
            false => Overall::Failed,
        };
        let exit = match self.exit {
            exit @ (Exit::Interrupted | Exit::Usage | Exit::Locked) => exit,
            _ if is_changed => Exit::Partial,
            exit => match failure {
                Some(failure) => Exit::of_failure(failure),
                None if exit == Exit::Done => Exit::Failed,
                None => exit,
            },
        };
        Self { exit, overall }
    }
}

fn is_half_done(aim: Aim, host: &HostReport, begun: &HashSet<String>) -> bool {
    let says_so = matches!(
        host.error,
        Some(Error::Commit { .. } | Error::NotProven { .. })
    );
    !aim.is_met(host.outcome) && (says_so || begun.contains(&host.host))
}

#[cfg(test)]
mod tests;
