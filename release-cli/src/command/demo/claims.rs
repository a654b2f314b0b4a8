//! What the demo says about reports, and whether it is so.

use release_sync::{HostReport, Outcome, ReleaseId, Report};

use crate::ui::{Claim, bytes, one_line};

/// What a host may be sent when there is nothing to send, in bytes.
const SMALL_TALK: u64 = 20_000;

pub(super) fn all_are(report: &Report, outcome: Outcome) -> Claim {
    let all = report.hosts.iter().all(|host| host.outcome == outcome);
    Claim::new(format!("each host is {}", outcome.as_str()), all, || {
        outcomes_of(report)
    })
}

pub(super) fn all_proven(report: &Report, release: ReleaseId) -> Claim {
    let proven = |host: &HostReport| host.proof.is_some() && host.release == Some(release);
    Claim::new(
        format!("each host proves that it has release {}", release.short()),
        report.hosts.iter().all(proven),
        || "one does not".to_owned(),
    )
}

pub(super) fn small_talk(report: &Report) -> Claim {
    let most = most_sent(report);
    let literal = report.hosts.iter().map(|host| host.counts.literal_bytes);
    Claim::new(
        format!(
            "no content was sent, and no host heard more than {}",
            bytes(most)
        ),
        most < SMALL_TALK && literal.sum::<u64>() == 0,
        || {
            format!(
                "it should be no content, and less than {}",
                bytes(SMALL_TALK)
            )
        },
    )
}

pub(super) fn most_sent(report: &Report) -> u64 {
    let sent = report.hosts.iter().map(|host| host.counts.bytes_sent);
    sent.max().unwrap_or(0)
}

pub(super) fn outcomes_of(report: &Report) -> String {
    let outcomes: Vec<_> = report
        .hosts
        .iter()
        .map(|host| match &host.error {
            Some(error) => format!("{}: {}", host.host, one_line(error)),
            None => format!("{} is {}", host.host, host.outcome.as_str()),
        })
        .collect();
    outcomes.join("; ")
}
