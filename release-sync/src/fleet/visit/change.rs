//! Visits that change a host's tree: a push, an undo.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::{Duration, Instant};

use release_core::Backoff;

use super::{Findings, Visit};
use crate::drive::Verdict;
use crate::fleet::gate::Gate;
use crate::fleet::slots::{Slot, Slots};
use crate::session::Goal;
use crate::supply::PayloadCache;
use crate::transport::Waker;
use crate::wire::Purpose;
use crate::{Error, HostReport, Outcome};

/// How often a host that waits to be tried again looks whether the run was cancelled.
const NAP: Duration = Duration::from_millis(50);

impl Visit<'_> {
    /// Stages, waits for the others as far as that is wanted, commits. What may pass is tried again, in
    /// another place: `place` is that of the first try, or none where the run was cancelled before.
    pub(crate) fn change<'s>(
        &self,
        goal: &Goal,
        gate: &Gate,
        slots: &'s Slots,
        mut place: Option<Slot<'s>>,
    ) -> HostReport {
        let mut findings = Findings::default();
        let mut arrival = Arrival {
            visit: self,
            gate,
            staged: None,
        };
        let mut schedule = waits().schedule();
        let mut left = self.run.options.retries;
        let result = loop {
            let result = self.attempt(goal, place.take(), &mut findings, &mut arrival);
            let Err(error) = &result else { break result };
            let cancelled = self.run.cancel.is_cancelled();
            if left == 0 || !error.is_retryable() || cancelled {
                break result;
            }
            left -= 1;
            let Some(delay) = schedule.next(self.started.elapsed(), random()) else {
                break result;
            };
            self.pause(delay);
            place = slots.take();
        };
        arrival.arrive(None);
        let result = self.explain(result);
        self.report(matches!(goal, Goal::Undo { .. }), findings, result)
    }

    fn attempt(
        &self,
        goal: &Goal,
        place: Option<Slot<'_>>,
        findings: &mut Findings,
        arrival: &mut Arrival<'_>,
    ) -> Result<(), Error> {
        let waker = Waker::new().map_err(|source| Error::Transport {
            doing: "starting",
            source,
        })?;
        let mut place = Some(place.ok_or(Error::Cancelled)?);
        let began_to_commit = findings.committing;
        let goal = &again(goal, findings);
        let begin = self.begin(Purpose::Push, self.run.options.checksum);
        let _listening = arrival.gate.listen(&waker);
        let result = self.converse(goal, begin, &waker, findings, &mut || {
            // The transfer is over: the next host may have the place.
            drop(place.take());
            arrival.arrive(Some(&waker));
            arrival.verdict()
        });
        // A commit whose session was lost is found done by the next session.
        findings.unchanged &= !began_to_commit;
        result
    }

    fn pause(&self, delay: Duration) {
        let until = Instant::now() + delay;
        while Instant::now() < until && !self.run.cancel.is_cancelled() {
            std::thread::sleep(NAP.min(until.saturating_duration_since(Instant::now())));
        }
    }

    /// What the host can only call a failed file is a changed one, as seen from here.
    fn explain(&self, result: Result<(), Error>) -> Result<(), Error> {
        match (
            result,
            self.run.awaited.cache().and_then(PayloadCache::changed),
        ) {
            (Err(Error::Files { .. }), Some(path)) => Err(Error::SourceChanged { path }),
            (result, _) => result,
        }
    }

    fn report(&self, undone: bool, findings: Findings, result: Result<(), Error>) -> HostReport {
        let (outcome, error) = match result {
            Ok(()) if findings.settled.is_some() => match (findings.unchanged, undone) {
                (true, _) => (Outcome::Unchanged, None),
                (false, true) => (Outcome::Undone, None),
                (false, false) => (Outcome::Committed, None),
            },
            Ok(()) => (Outcome::Failed, Some(Error::Cancelled)),
            Err(error @ Error::ReadOnly { .. }) => (Outcome::ReadOnly, Some(error)),
            Err(error @ (Error::NotMounted { .. } | Error::Connect { .. })) => {
                (Outcome::Deferred, Some(error))
            }
            Err(error) => (Outcome::Failed, Some(error)),
        };
        let before = findings
            .have
            .as_ref()
            .and_then(|have| have.marker)
            .map(|(marker, _)| marker);
        HostReport {
            host: self.host.name.clone(),
            outcome,
            proof: findings.settled.as_ref().map(|settled| settled.proof.class),
            release: match findings.settled {
                Some(_) => findings.release,
                None => before.map(|marker| marker.release),
            },
            generation: findings.generation(self.run.generation),
            counts: findings.counts,
            seconds: self.seconds(),
            notes: findings.notes,
            error,
        }
    }
}

/// What a further session with a host is to bring about. A host that went back and was not heard of any
/// more must not be turned round: it goes back from the release that it had at first.
fn again(goal: &Goal, findings: &Findings) -> Goal {
    match goal {
        Goal::Undo { from, to } => Goal::Undo {
            from: from.or(findings.had),
            to: *to,
        },
        other => other.clone(),
    }
}

/// A host's way to the gate, which it reaches once, whatever becomes of it.
struct Arrival<'a> {
    visit: &'a Visit<'a>,
    gate: &'a Gate,
    /// When it had staged, or was given up.
    staged: Option<Instant>,
}

impl Arrival<'_> {
    fn arrive(&mut self, waker: Option<&Waker>) {
        if self.staged.is_none() {
            self.staged = Some(Instant::now());
            self.gate.arrive(waker);
            self.visit.run.awaited.leave(self.visit.number);
        }
    }

    fn verdict(&self) -> Verdict {
        let Some(staged) = self.staged else {
            return Verdict::Wait;
        };
        self.gate
            .verdict(staged.duration_since(self.visit.started), staged.elapsed())
    }
}

/// Retries are bounded by their number, and by no deadline: a host whose turn comes late, or that is lost
/// after hours of transfer, has as many as the others.
fn waits() -> Backoff {
    Backoff {
        deadline: Duration::MAX,
        ..Backoff::default()
    }
}

/// A number from 0 to 1, good enough to keep hosts from coming back at one moment.
fn random() -> f64 {
    let bits = RandomState::new().build_hasher().finish();
    bits as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_is_lost_late_is_tried_again_as_well() {
        let mut schedule = waits().schedule();
        for hours in 0..100 {
            let elapsed = Duration::from_secs(hours * 60 * 60);
            let wait = schedule.next(elapsed, 1.0);
            assert!(wait.is_some_and(|wait| wait <= Duration::from_secs(15)));
        }
    }
}
