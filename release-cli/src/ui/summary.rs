//! Tables of what came of hosts.

mod plan;
mod records;
mod status;

use std::collections::HashSet;

use release_sync::{Counts, Generation, HostReport, Outcome, ProofClass, Report};

use super::canvas::Canvas;
use super::one_line;
use super::paint::Tone;
use super::table::{Cell, Column, Table};
use super::words::{bytes, count, seconds, thousands};
pub(super) use plan::plans;
pub(super) use records::{history, pruned};
pub(super) use status::statuses;

/// The word for a proof in tables and events.
pub(super) fn proof(class: Option<ProofClass>) -> &'static str {
    class.map_or("none", ProofClass::as_str)
}

pub(super) fn tone(outcome: Outcome) -> Tone {
    match outcome {
        Outcome::Committed | Outcome::Unchanged | Outcome::Undone => Tone::Good,
        Outcome::Asleep | Outcome::Booting | Outcome::Gone => Tone::Plain,
        Outcome::Deferred | Outcome::ReadOnly => Tone::Warning,
        Outcome::Failed => Tone::Bad,
    }
}

/// Which way a run brings content. A pull gives out no release, and so has no generation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Way {
    #[default]
    Out,
    In,
}

impl Way {
    pub(super) fn of(generation: Generation) -> Self {
        if generation == Generation::default() {
            Self::In
        } else {
            Self::Out
        }
    }

    const fn verb(self) -> &'static str {
        match self {
            Self::Out => "sent",
            Self::In => "received",
        }
    }

    const fn bytes(self, counts: &Counts) -> u64 {
        match self {
            Self::Out => counts.bytes_sent,
            Self::In => counts.bytes_received,
        }
    }
}

/// A row for each host; where there are more hosts than rows, for those that matter most.
pub(super) fn report(report: &Report, canvas: Canvas) -> String {
    if report.hosts.is_empty() {
        return String::new();
    }
    let mut table = Table::new([
        Column::name("HOST"),
        Column::left("OUTCOME"),
        Column::left("PROOF").dispensable(2),
        Column::right("FILES").dispensable(3),
        Column::right("DELETED").dispensable(4),
        Column::right("SENT"),
        Column::right("REUSED").dispensable(1),
        Column::right("TIME"),
        Column::right("GENERATION").extra(4),
        Column::right("RECEIVED").extra(3),
        Column::right("AGENT").extra(2),
        Column::sentence("ERROR").extra(1),
    ]);
    let chosen = chosen(&report.hosts, canvas.rows);
    for host in &report.hosts {
        if chosen
            .as_ref()
            .is_none_or(|chosen| chosen.contains(host.host.as_str()))
        {
            table.row(row(host));
        }
    }
    let mut text = table.render(canvas);
    if let Some(chosen) = chosen {
        let left_out = report.hosts.len() - chosen.len();
        text.push_str(&format!(
            "… and {} more, all as asked (--verbose shows them)\n",
            thousands(left_out as u64)
        ));
    }
    text
}

fn row(host: &HostReport) -> [Cell; 12] {
    let counts = &host.counts;
    let generation = host.generation.map(|generation| generation.to_string());
    [
        host.host.as_str().into(),
        Cell::new(host.outcome.as_str(), tone(host.outcome)),
        proof(host.proof).into(),
        thousands(counts.files_sent).into(),
        thousands(counts.files_deleted).into(),
        bytes(counts.bytes_sent).into(),
        bytes(counts.matched_bytes.saturating_add(counts.local_bytes)).into(),
        seconds(host.seconds).into(),
        generation.unwrap_or_default().into(),
        bytes(counts.bytes_received).into(),
        sent_agent(counts).into(),
        Cell::new(
            host.error
                .as_ref()
                .map(|error| one_line(error))
                .unwrap_or_default(),
            Tone::Bad,
        ),
    ]
}

fn sent_agent(counts: &Counts) -> String {
    match counts.agent_bytes {
        0 => String::new(),
        sent => bytes(sent),
    }
}

/// All that is not as asked, and of the rest those that took longest; `None` where all have room.
fn chosen(hosts: &[HostReport], rows: Option<usize>) -> Option<HashSet<&str>> {
    let rows = rows.filter(|rows| *rows < hosts.len())?;
    let is_well = |host: &&HostReport| matches!(tone(host.outcome), Tone::Good | Tone::Plain);
    let (mut well, faulty): (Vec<_>, Vec<_>) = hosts.iter().partition(is_well);
    well.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    well.truncate(rows.saturating_sub(faulty.len()));
    let chosen = faulty.into_iter().chain(well);
    let chosen: HashSet<_> = chosen.map(|host| host.host.as_str()).collect();
    (chosen.len() < hosts.len()).then_some(chosen)
}

/// The whole run in a line.
pub(super) fn totals(report: &Report) -> String {
    if report.hosts.is_empty() {
        return "no host was asked for".to_owned();
    }
    let way = Way::of(report.generation);
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
        "{}: {}; {} {} in {}",
        count(report.hosts.len() as u64, "host"),
        outcomes.join(", "),
        bytes(sum(&report.hosts, |counts| way.bytes(counts))),
        way.verb(),
        seconds(report.seconds),
    )
}

fn sum(hosts: &[HostReport], field: impl Fn(&Counts) -> u64) -> u64 {
    hosts
        .iter()
        .map(|host| field(&host.counts))
        .fold(0, u64::saturating_add)
}

/// What one host's run was, in a few words.
pub(super) fn host(report: &HostReport, way: Way) -> String {
    let counts = &report.counts;
    let time = seconds(report.seconds);
    if report.outcome == Outcome::Unchanged {
        return format!("in {time}");
    }
    if way == Way::In {
        return format!(
            "{} deleted, {} received in {time}",
            thousands(counts.files_deleted),
            bytes(counts.bytes_received)
        );
    }
    format!(
        "{} sent, {} deleted, {} in {time}",
        count(counts.files_sent, "file"),
        thousands(counts.files_deleted),
        bytes(counts.bytes_sent),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::paint::Paint;
    use crate::ui::samples;

    #[test]
    fn reports_read_well() {
        let sample = samples::report();
        let canvas = Canvas::paper(Paint(false));
        let text = report(&sample, canvas);
        insta::assert_snapshot!(format!("{text}{}", totals(&sample)));
        for columns in [80, 200] {
            let columns = Some(columns);
            let text = report(&samples::many(), Canvas { columns, ..canvas });
            insta::assert_snapshot!(format!("report at {columns:?}"), text);
        }
    }

    #[test]
    fn a_run_without_hosts_has_no_table() {
        let mut sample = samples::report();
        sample.hosts.clear();
        let canvas = Canvas::paper(Paint(false));
        assert_eq!(report(&sample, canvas), "");
        assert_eq!(totals(&sample), "no host was asked for");
    }

    #[test]
    fn a_small_screen_shows_what_matters() {
        let report = samples::many();
        let shown = |rows| {
            let canvas = Canvas {
                rows: Some(rows),
                ..Canvas::paper(Paint(false))
            };
            super::report(&report, canvas)
        };
        let all = report.hosts.len();
        assert_eq!(shown(all).lines().count(), all + 1);
        let few = shown(3);
        assert_eq!(few.lines().count(), 5);
        let failed = |line: &str| line.contains("failed") || line.contains("deferred");
        assert_eq!(few.lines().filter(|line| failed(line)).count(), 2);
        assert!(few.contains(&format!("… and {} more", all - 3)));
        assert_eq!(shown(0).lines().count(), 4, "what failed is always shown");
    }

    #[test]
    fn sums_do_not_overflow() {
        let mut report = samples::report();
        report.hosts[0].counts.bytes_sent = u64::MAX;
        report.hosts[1].counts.bytes_sent = u64::MAX;
        assert_eq!(sum(&report.hosts, |counts| counts.bytes_sent), u64::MAX);
    }
}
