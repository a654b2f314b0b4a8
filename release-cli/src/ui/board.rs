//! What is going on, as lines for a terminal. Pure: time and the terminal's size are arguments.

mod speed;

use std::collections::HashMap;
use std::time::Duration;

use release_sync::{Event, HostState, Outcome};

use super::canvas::Extent;
use super::paint::{Paint, Tone};
use super::words::{bytes, count, cut, harmless, part, shorten, thousands, width};
use super::{Journey, Started, words};
use speed::Speed;

/// A host that stays in a state for longer is said to.
const LONG: Duration = Duration::from_secs(5);

/// Hosts that have lines of their own, on the largest screen.
const MOST_LINES: usize = 24;

/// What of a host's bar is filled when all has arrived, and it is yet to be made current.
const STAGED_SHARE: f64 = 0.9;

/// Everything that is known of a run under way.
#[derive(Debug)]
pub(super) struct Board {
    paint: Paint,
    /// Of the run; `None` until it begins.
    title: Option<String>,
    scan: Option<(u64, u64)>,
    hosts: Vec<Row>,
    places: HashMap<String, usize>,
    speed: Speed,
}

/// A host.
#[derive(Debug)]
struct Row {
    name: String,
    stage: Stage,
    /// When the stage began.
    since: Duration,
    files: (u64, u64),
    bytes: (u64, u64),
}

/// Where a host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Waiting,
    In(HostState),
    Done(Outcome),
}

impl Stage {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::In(state) => state.as_str(),
            Self::Done(outcome) => outcome.as_str(),
        }
    }

    /// The busiest first; `None` for those with nothing to show.
    const fn rank(self) -> Option<u8> {
        match self {
            Self::In(HostState::Staging) => Some(0),
            Self::In(HostState::Committing) => Some(1),
            Self::In(HostState::Scanning) => Some(2),
            Self::In(HostState::Connecting) => Some(3),
            Self::In(HostState::Staged) => Some(4),
            Self::Waiting | Self::Done(_) => None,
        }
    }
}

impl Board {
    pub(super) fn new(paint: Paint) -> Self {
        Self {
            paint,
            title: None,
            scan: None,
            hosts: Vec::new(),
            places: HashMap::new(),
            speed: Speed::default(),
        }
    }

    /// A run begins.
    pub(super) fn start(&mut self, run: &Started<'_>, now: Duration) {
        self.title = Some(match &run.journey {
            Journey::Out(release) => format!("pushing {}", release.id.short()),
            Journey::Back(release) => format!("going back to {}", release.short()),
            Journey::In => format!("pulling {}", shorten(&harmless(&run.source), 30)),
        });
        self.hosts.clear();
        self.places.clear();
        for host in &run.hosts {
            self.row(host, now);
        }
    }

    /// Takes note of something that happened `now`.
    pub(super) fn event(&mut self, event: &Event<'_>, now: Duration) {
        match *event {
            Event::Scanning {
                entries,
                bytes_hashed,
            } => self.scan = Some((entries, bytes_hashed)),
            Event::State { host, state } => self.enter(host, Stage::In(state), now),
            Event::Progress {
                host,
                files_done,
                files_wanted,
                bytes_done,
                bytes_wanted,
            } => {
                let row = self.row(host, now);
                row.files = (files_done, files_wanted);
                row.bytes = (bytes_done, bytes_wanted);
            }
            Event::Finished { report } => {
                self.enter(&report.host, Stage::Done(report.outcome), now);
            }
            _ => {}
        }
    }

    /// The lines, none wider than the terminal, and few enough to leave half of it to what was said
    /// before.
    pub(super) fn lines(&mut self, extent: Extent, now: Duration) -> Vec<String> {
        // The last column is left free: a cursor that stands behind it wraps on some terminals.
        let columns = extent.columns.saturating_sub(1);
        let Some(title) = self.title.clone() else {
            return self.before_the_run(columns);
        };
        let moved = self.hosts.iter().map(|row| row.bytes.0);
        let moved = moved.fold(0, u64::saturating_add);
        let rate = self.speed.of(moved, now);
        let mut lines = vec![self.whole(&title, rate, columns)];
        let most = (extent.rows / 2).saturating_sub(2).min(MOST_LINES);
        let shown = self.busiest(most);
        let longest = shown.iter().map(|row| width(&harmless(&row.name))).max();
        let room = longest.unwrap_or(0).min(columns / 3);
        lines.extend(shown.iter().map(|row| self.host(row, room, columns, now)));
        let shown = shown.len();
        lines.extend(self.others(shown, columns));
        lines
    }

    fn before_the_run(&self, columns: usize) -> Vec<String> {
        let text = if !self.hosts.is_empty() {
            let hosts = count(self.hosts.len() as u64, "host");
            format!("asking {hosts}: {}", stages(self.hosts.iter()))
        } else if let Some((entries, read)) = self.scan {
            format!(
                "scanning: {}, {} read",
                words::entries(entries),
                bytes(read)
            )
        } else {
            return Vec::new();
        };
        vec![cut(&text, columns)]
    }

    /// A bar for all hosts. Where room is short, the rate goes first, then the bytes.
    fn whole(&self, title: &str, rate: u64, columns: usize) -> String {
        const LEAST_BAR: usize = 10;
        let done = |row: &&Row| matches!(row.stage, Stage::Done(_));
        let hosts = self.hosts.len() as u64;
        let done = self.hosts.iter().filter(done).count() as u64;
        let mut hosts = format!("{} of {}", thousands(done), count(hosts, "host"));
        let failed = self.failed();
        if failed > 0 {
            hosts.push_str(&format!(", {} not well", thousands(failed)));
        }
        let sum =
            |field: fn(&Row) -> u64| self.hosts.iter().map(field).fold(0, u64::saturating_add);
        let mut parts = vec![
            hosts,
            amount(sum(|row| row.bytes.0), sum(|row| row.bytes.1)),
            format!("{}/s", bytes(rate)),
        ];
        let taken = |parts: &[String]| {
            let parts = parts.iter().map(|text| width(text) + 2);
            width(title) + 2 + parts.sum::<usize>()
        };
        while parts.len() > 1 && taken(&parts) + LEAST_BAR > columns {
            parts.pop();
        }
        let room = columns.saturating_sub(taken(&parts)).min(40);
        let bar = self.paint.apply(Tone::Good, &bar(self.fraction(), room));
        let title = self.paint.apply(Tone::Bold, &cut(title, columns));
        if room < LEAST_BAR {
            return cut(&parts.swap_remove(0), columns);
        }
        format!("{title}  {bar}  {}", parts.join("  "))
    }

    fn failed(&self) -> u64 {
        let is_bad = |row: &&Row| match row.stage {
            Stage::Done(outcome) => {
                matches!(
                    outcome,
                    Outcome::Failed | Outcome::Deferred | Outcome::ReadOnly
                )
            }
            _ => false,
        };
        self.hosts.iter().filter(is_bad).count() as u64
    }

    /// How much is done: the mean of all hosts, since nobody knows what those want that have not been
    /// asked yet.
    fn fraction(&self) -> f64 {
        let fractions = self.hosts.iter().map(Row::fraction);
        fractions.sum::<f64>() / self.hosts.len().max(1) as f64
    }

    /// Of equals those that come first, so that lines don't jump about.
    fn busiest(&self, most: usize) -> Vec<&Row> {
        let mut active: Vec<_> = self
            .hosts
            .iter()
            .filter_map(|row| Some((row.stage.rank()?, row)))
            .collect();
        active.sort_by_key(|(rank, _)| *rank);
        active.truncate(most);
        active.into_iter().map(|(_, row)| row).collect()
    }

    fn host(&self, row: &Row, room: usize, columns: usize, now: Duration) -> String {
        let name = shorten(&harmless(&row.name), room);
        let padding = room.saturating_sub(width(&name));
        let head = format!("  {name}{:padding$}  {:<10}", "", row.stage.as_str());
        let for_long = now.saturating_sub(row.since);
        let tail = match row.stage {
            Stage::In(HostState::Staging) if row.bytes.1 > 0 => {
                row.transfer(columns.saturating_sub(width(&head)))
            }
            Stage::In(HostState::Staging) if row.bytes.0 > 0 => vec![bytes(row.bytes.0)],
            _ if for_long >= LONG => vec![format!("for {} s", thousands(for_long.as_secs()))],
            _ => Vec::new(),
        };
        cut(
            &tail.iter().fold(head, |line, text| line + "  " + text),
            columns,
        )
    }

    /// Whom there was no room for.
    fn others(&self, shown: usize, columns: usize) -> Option<String> {
        let unfinished = |row: &&Row| !matches!(row.stage, Stage::Done(_));
        let all = self.hosts.iter().filter(unfinished).count();
        let hidden = all.checked_sub(shown).filter(|hidden| *hidden > 0)?;
        let shown: Vec<_> = self
            .busiest(shown)
            .iter()
            .map(|row| row.name.as_str())
            .collect();
        let rest = self.hosts.iter().filter(unfinished);
        let rest = rest.filter(|row| !shown.contains(&row.name.as_str()));
        let more = if shown.is_empty() { "" } else { " more" };
        let text = format!(
            "  … and {}{more}: {}",
            thousands(hidden as u64),
            stages(rest)
        );
        Some(self.paint.apply(Tone::Dim, &cut(&text, columns)))
    }

    fn enter(&mut self, host: &str, stage: Stage, now: Duration) {
        let row = self.row(host, now);
        if row.stage != stage {
            row.stage = stage;
            row.since = now;
        }
    }

    fn row(&mut self, host: &str, now: Duration) -> &mut Row {
        let next = self.hosts.len();
        let place = *self.places.entry(host.to_owned()).or_insert(next);
        if place == next {
            self.hosts.push(Row {
                name: host.to_owned(),
                stage: Stage::Waiting,
                since: now,
                files: (0, 0),
                bytes: (0, 0),
            });
        }
        &mut self.hosts[place]
    }
}

impl Row {
    /// How far a transfer is: as much of it as fits, what matters most first.
    fn transfer(&self, room: usize) -> Vec<String> {
        const BAR: usize = 24;
        let percent = format!("{:>3} %", (self.share() * 100.0) as u64);
        let bytes = format!("{:<20}", part(self.bytes.0, self.bytes.1));
        let files = count(self.files.1, "file");
        let files = format!("{} of {files}", thousands(self.files.0));
        let taken = |parts: &[String]| parts.iter().map(|text| width(text) + 2).sum::<usize>();
        let mut parts = vec![percent, bytes, files];
        while parts.len() > 1 && taken(&parts) > room {
            parts.pop();
        }
        if taken(&parts) + BAR + 2 <= room {
            parts.insert(0, bar(self.share(), BAR));
        }
        parts
    }

    /// Of what was asked for.
    fn share(&self) -> f64 {
        match self.bytes {
            (_, 0) => 0.0,
            (done, wanted) => done as f64 / wanted as f64,
        }
    }

    fn fraction(&self) -> f64 {
        match self.stage {
            Stage::Waiting => 0.0,
            Stage::Done(_) => 1.0,
            Stage::In(HostState::Staged | HostState::Committing) => STAGED_SHARE,
            Stage::In(_) => self.share().min(1.0) * STAGED_SHARE,
        }
    }
}

/// How much has moved, of how much if that is known.
fn amount(done: u64, wanted: u64) -> String {
    match wanted {
        0 if done > 0 => bytes(done),
        _ => part(done, wanted),
    }
}

/// `12 staged, 3 connecting`, the most first.
fn stages<'r>(rows: impl Iterator<Item = &'r Row>) -> String {
    let mut numbers: Vec<(&str, usize)> = Vec::new();
    for row in rows {
        let word = row.stage.as_str();
        match numbers.iter_mut().find(|(known, _)| *known == word) {
            Some((_, number)) => *number += 1,
            None => numbers.push((word, 1)),
        }
    }
    numbers.sort_by_key(|(_, number)| std::cmp::Reverse(*number));
    let numbers = numbers
        .iter()
        .map(|(word, number)| format!("{number} {word}"));
    numbers.collect::<Vec<_>>().join(", ")
}

/// `fraction` is from 0 to 1. Only what is complete looks complete.
fn bar(fraction: f64, room: usize) -> String {
    let filled = (fraction * room as f64) as usize;
    let filled = filled.min(room);
    "█".repeat(filled) + &"░".repeat(room - filled)
}

#[cfg(test)]
mod tests;
