//! Tables of what came of hosts.

use jiff::Timestamp;
use release_sync::{Counts, HostReport, HostStatus, Outcome, ProofClass, Report};

use super::paint::{Paint, Tone};
use super::table::{Cell, Side, Table};
use super::words::{bytes, count, seconds, thousands};

/// The word for a proof in tables and events.
pub(super) fn proof(class: Option<ProofClass>) -> &'static str {
    match class {
        Some(ProofClass::Full) => "full",
        Some(ProofClass::WithoutOwner) => "without-owner",
        None => "none",
    }
}

pub(super) fn tone(outcome: Outcome) -> Tone {
    match outcome {
        Outcome::Committed | Outcome::Unchanged | Outcome::Undone => Tone::Good,
        Outcome::Asleep | Outcome::Booting | Outcome::Gone => Tone::Plain,
        Outcome::Deferred | Outcome::ReadOnly => Tone::Warning,
        Outcome::Failed => Tone::Bad,
    }
}

/// A row for each host.
pub(super) fn report(report: &Report, paint: Paint) -> String {
    let mut table = Table::new([
        ("HOST", Side::Left),
        ("OUTCOME", Side::Left),
        ("PROOF", Side::Left),
        ("FILES", Side::Right),
        ("DELETED", Side::Right),
        ("SENT", Side::Right),
        ("FOUND THERE", Side::Right),
        ("TIME", Side::Right),
    ]);
    for host in &report.hosts {
        let counts = &host.counts;
        table.row([
            host.host.as_str().into(),
            Cell::new(host.outcome.as_str(), tone(host.outcome)),
            proof(host.proof).into(),
            thousands(counts.files_sent).into(),
            thousands(counts.files_deleted).into(),
            bytes(counts.bytes_sent).into(),
            bytes(counts.matched_bytes.saturating_add(counts.local_bytes)).into(),
            seconds(host.seconds).into(),
        ]);
    }
    table.render(paint)
}

/// The whole run in a line.
pub(super) fn totals(report: &Report) -> String {
    let mut outcomes: Vec<(Outcome, u64)> = Vec::new();
    for host in &report.hosts {
        match outcomes
            .iter_mut()
            .find(|(outcome, _)| *outcome == host.outcome)
        {
            Some((_, number)) => *number += 1,
            None => outcomes.push((host.outcome, 1)),
        }
    }
    let outcomes: Vec<_> = outcomes
        .iter()
        .map(|(outcome, number)| format!("{} {}", thousands(*number), outcome.as_str()))
        .collect();
    format!(
        "{}: {}; {} sent in {}",
        count(report.hosts.len() as u64, "host"),
        outcomes.join(", "),
        bytes(sum(&report.hosts, |counts| counts.bytes_sent)),
        seconds(report.seconds),
    )
}

pub(super) fn sum(hosts: &[HostReport], field: fn(&Counts) -> u64) -> u64 {
    hosts
        .iter()
        .map(|host| field(&host.counts))
        .fold(0, u64::saturating_add)
}

/// What one host's run was, in a few words.
pub(super) fn host(report: &HostReport) -> String {
    let counts = &report.counts;
    let time = seconds(report.seconds);
    if report.outcome == Outcome::Unchanged {
        return format!("in {time}");
    }
    format!(
        "{} sent, {} deleted, {} in {time}",
        count(counts.files_sent, "file"),
        thousands(counts.files_deleted),
        bytes(counts.bytes_sent),
    )
}

/// A row for each host that was asked what it has.
pub(super) fn statuses(hosts: &[HostStatus], paint: Paint) -> String {
    let mut table = Table::new([
        ("HOST", Side::Left),
        ("RELEASE", Side::Left),
        ("GENERATION", Side::Right),
        ("SINCE", Side::Left),
        ("TREE", Side::Left),
        ("PROOF", Side::Left),
        ("FILES", Side::Right),
        ("BYTES", Side::Right),
    ]);
    for host in hosts {
        let name = host.host.as_str().into();
        if host.error.is_some() {
            let mut row: [Cell; 8] = Default::default();
            row[0] = name;
            row[4] = Cell::new("not known", Tone::Bad);
            table.row(row);
            continue;
        }
        let (release, generation, since) = match &host.marker {
            Some((marker, since)) => (
                marker.release.short(),
                marker.generation.to_string(),
                day_and_time(*since),
            ),
            None => Default::default(),
        };
        table.row([
            name,
            release.into(),
            generation.into(),
            since.into(),
            condition(host),
            proof(host.proof).into(),
            thousands(host.files).into(),
            bytes(host.bytes).into(),
        ]);
    }
    table.render(paint)
}

fn condition(host: &HostStatus) -> Cell {
    match (&host.marker, host.intact) {
        (None, _) => Cell::new("no release", Tone::Dim),
        (Some(_), Some(true)) => Cell::new("intact", Tone::Good),
        (Some(_), Some(false)) => Cell::new("drifted", Tone::Bad),
        (Some(_), None) => Cell::new("not known", Tone::Warning),
    }
}

/// UTC; a time that no calendar has (a host may say anything) is left out.
fn day_and_time(seconds: i64) -> String {
    Timestamp::from_second(seconds)
        .map(|time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::samples;

    #[test]
    fn reports_read_well() {
        let sample = samples::report();
        let text = report(&sample, Paint(false));
        insta::assert_snapshot!(format!("{text}{}", totals(&sample)));
    }

    #[test]
    fn statuses_read_well() {
        insta::assert_snapshot!(statuses(&samples::statuses(), Paint(false)));
    }

    #[test]
    fn sums_do_not_overflow() {
        let mut report = samples::report();
        report.hosts[0].counts.bytes_sent = u64::MAX;
        report.hosts[1].counts.bytes_sent = u64::MAX;
        assert_eq!(sum(&report.hosts, |counts| counts.bytes_sent), u64::MAX);
    }
}
