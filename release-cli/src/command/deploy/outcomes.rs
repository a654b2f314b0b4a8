//! What is said of each host in the end, of all that was tried with it.

use std::collections::BTreeMap;

use release_core::deploy::{Attempt, Fate};
use release_sync::{Counts, Error, HostReport, Outcome};

use crate::pins::Pins;

/// What an attempt means for what is to be done next.
pub(super) fn attempt(report: &HostReport) -> Attempt {
    match (report.outcome, &report.error) {
        (Outcome::Committed | Outcome::Unchanged, _) => Attempt::Proven,
        (Outcome::Deferred, _) => Attempt::Later,
        (_, Some(error)) if may_pass(error) => Attempt::Later,
        _ => Attempt::Failed,
    }
}

/// May it be otherwise in a while, with nobody doing anything about it? A commit that was cut off is completed by
/// the next one, and a console shows an instance's key when it has been running for some minutes.
fn may_pass(error: &Error) -> bool {
    match error {
        Error::HostKeyUnknown { known_hosts, .. } => Pins::is_at(known_hosts),
        Error::Commit { .. } => true,
        _ => error.is_retryable() || error.is_locked(),
    }
}

/// One report a host, from what was tried in the order in which it was, and what that comes to.
/// `is_interrupted`: hosts whose part was cancelled were so by a human, and not because the deploy failed.
pub(super) fn of<'m>(
    fates: impl Iterator<Item = (&'m String, Fate)>,
    reports: Vec<HostReport>,
    is_interrupted: bool,
) -> Vec<HostReport> {
    let mut known: BTreeMap<String, HostReport> = BTreeMap::new();
    for report in reports {
        let earlier = known.remove(&report.host);
        let report = match earlier {
            Some(earlier) => together(earlier, report),
            None => report,
        };
        known.insert(report.host.clone(), report);
    }
    fates
        .map(|(host, fate)| {
            let report = known
                .remove(host)
                .unwrap_or_else(|| blank(host, Outcome::Deferred));
            settled(fate, report, is_interrupted)
        })
        .collect()
}

/// What is true now, and all that was done for it.
fn together(earlier: HostReport, later: HostReport) -> HostReport {
    let is_same = later.outcome == Outcome::Unchanged && earlier.release == later.release;
    let mut notes = earlier.notes;
    notes.extend(later.notes);
    HostReport {
        outcome: match earlier.outcome {
            Outcome::Committed if is_same => Outcome::Committed,
            _ => later.outcome,
        },
        counts: sum(&earlier.counts, &later.counts),
        seconds: earlier.seconds + later.seconds,
        notes,
        ..later
    }
}

fn sum(one: &Counts, other: &Counts) -> Counts {
    Counts {
        files_sent: one.files_sent + other.files_sent,
        files_deleted: one.files_deleted + other.files_deleted,
        bytes_sent: one.bytes_sent + other.bytes_sent,
        bytes_received: one.bytes_received + other.bytes_received,
        literal_bytes: one.literal_bytes + other.literal_bytes,
        matched_bytes: one.matched_bytes + other.matched_bytes,
        local_bytes: one.local_bytes + other.local_bytes,
        agent_bytes: one.agent_bytes + other.agent_bytes,
    }
}

fn settled(fate: Fate, report: HostReport, is_interrupted: bool) -> HostReport {
    let is_cancelled = matches!(report.error, Some(Error::Cancelled));
    let outcome = match fate {
        Fate::Proven | Fate::Failed => report.outcome,
        Fate::Asleep => Outcome::Asleep,
        Fate::Booting => Outcome::Booting,
        Fate::Gone => Outcome::Gone,
        Fate::Unproven if is_cancelled && is_interrupted => report.outcome,
        Fate::Unproven => Outcome::Deferred,
    };
    let is_of_host = matches!(fate, Fate::Proven | Fate::Failed | Fate::Unproven);
    // Why the deploy was given up is said once, and not of each host.
    let is_told = is_of_host && (is_interrupted || !is_cancelled);
    HostReport {
        outcome,
        error: report.error.filter(|_| is_told),
        ..report
    }
}

/// A host with which nothing was tried.
pub(super) fn blank(host: &str, outcome: Outcome) -> HostReport {
    HostReport {
        host: host.to_owned(),
        outcome,
        proof: None,
        release: None,
        generation: None,
        counts: Counts::default(),
        seconds: 0.0,
        notes: Vec::new(),
        error: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(outcome: Outcome, error: Option<Error>) -> HostReport {
        HostReport {
            outcome,
            error,
            counts: Counts {
                bytes_sent: 10,
                ..Counts::default()
            },
            ..blank("a", outcome)
        }
    }

    fn said(fate: Fate, reports: Vec<HostReport>) -> (Outcome, bool, u64) {
        let host = String::from("a");
        let all = of([(&host, fate)].into_iter(), reports, true);
        assert_eq!(all.len(), 1);
        let one = &all[0];
        (one.outcome, one.error.is_some(), one.counts.bytes_sent)
    }

    #[test]
    fn a_host_that_is_proven_again_was_still_committed() {
        let tried = vec![
            report(Outcome::Failed, Some(Error::Cancelled)),
            report(Outcome::Committed, None),
            report(Outcome::Unchanged, None),
        ];
        assert_eq!(said(Fate::Proven, tried), (Outcome::Committed, false, 30));
    }

    #[test]
    fn what_an_instance_is_goes_before_what_was_tried_with_it() {
        for (fate, outcome) in [
            (Fate::Gone, Outcome::Gone),
            (Fate::Asleep, Outcome::Asleep),
            (Fate::Booting, Outcome::Booting),
        ] {
            let tried = vec![report(Outcome::Failed, Some(Error::Cancelled))];
            assert_eq!(said(fate, tried), (outcome, false, 10));
            assert_eq!(said(fate, Vec::new()), (outcome, false, 0));
        }
    }

    #[test]
    fn an_early_proof_alone_leaves_a_host_deferred() {
        let tried = vec![report(Outcome::Committed, None)];
        assert_eq!(said(Fate::Unproven, tried), (Outcome::Deferred, false, 10));
        let tried = vec![report(Outcome::Failed, Some(Error::Cancelled))];
        assert_eq!(said(Fate::Unproven, tried), (Outcome::Failed, true, 10));
        let nothing = said(Fate::Unproven, Vec::new());
        assert_eq!(nothing, (Outcome::Deferred, false, 0));
    }

    #[test]
    fn a_host_that_was_let_go_when_the_deploy_failed_has_not_failed_itself() {
        let host = String::from("a");
        let tried = vec![report(Outcome::Failed, Some(Error::Cancelled))];
        let all = of([(&host, Fate::Unproven)].into_iter(), tried, false);
        assert_eq!(all[0].outcome, Outcome::Deferred);
        assert!(all[0].error.is_none());
    }
}
