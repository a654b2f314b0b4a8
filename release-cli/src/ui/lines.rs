//! For people: progress and errors on standard error, results on standard output.

mod pace;

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use release_core::Pointer;
use release_core::cloud::{Snapshot, SnapshotState};
use release_sync::{Event, HostReport, HostStatus, Monitor, Report};

use super::canvas::{Canvas, Extent};
use super::errors::{Errors, one_line};
use super::live::Live;
use super::paint::{Paint, Tone};
use super::sink::Sink;
use super::summary::Way;
use super::words::{bytes, count, harmless, thousands, width};
use super::{
    Chapter, Check, Claim, Conclusion, Done, Health, Journey, Plans, Pruned, Screen, Started,
    examination, snapshots, summary, words,
};
use crate::exit::Verdict;
use crate::failure::Failure;
use crate::serve::Served;
use crate::setup::Standing;
use crate::state::Entry;
use pace::Pace;

/// A table of so few rows is shown whole on any screen.
const LEAST_ROWS: usize = 16;

/// How much is said. Each says what those before it say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Volume {
    /// Errors.
    Quiet,
    /// Results.
    Terse,
    /// Progress, now and then.
    Normal,
    /// Every state of every host.
    Verbose,
}

/// Plain lines.
#[derive(Debug)]
pub(super) struct Lines<O, E> {
    out: Mutex<Sink<O>>,
    paint: Paint,
    /// How large the terminal is that results are shown on, if it is one.
    extent: fn() -> Option<Extent>,
    errors: Errors<E>,
    volume: Volume,
    /// What takes the place of lines about progress, on a terminal.
    live: Option<Live>,
    pace: Mutex<Pace>,
}

impl<O: Write, E: Write> Lines<O, E> {
    pub(super) fn new(
        out: O,
        paint: Paint,
        extent: fn() -> Option<Extent>,
        errors: Errors<E>,
        volume: Volume,
    ) -> Self {
        Self {
            out: Mutex::new(Sink::new(out)),
            paint,
            extent,
            errors,
            volume,
            live: None,
            pace: Mutex::default(),
        }
    }

    /// From now on progress is drawn, and not told.
    pub(super) fn drawing(self, live: Live) -> Self {
        Self {
            live: Some(live),
            ..self
        }
    }

    fn end_drawing(&self) {
        if let Some(live) = &self.live {
            live.end();
        }
    }

    /// What results are shown on. A table that leaves its heading out of sight is too long, unless all of
    /// it was asked for.
    fn canvas(&self) -> Canvas {
        let extent = (self.extent)();
        let rows = extent.map(|extent| extent.rows.saturating_sub(8).max(LEAST_ROWS));
        Canvas {
            paint: self.paint,
            columns: extent.map(|extent| extent.columns),
            rows: rows.filter(|_| self.volume < Volume::Verbose),
        }
    }

    fn result(&self, text: &str) {
        if self.volume > Volume::Quiet {
            let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
            let mut show = || out.write(text);
            match &self.live {
                Some(live) => live.aside(show),
                None => show(),
            }
        }
    }

    fn progress(&self, volume: Volume, text: &str) {
        if self.volume >= volume {
            self.errors.line(text);
        }
    }

    fn host_progress(&self, volume: Volume, host: &str, text: &str) {
        if self.volume >= volume {
            let host = harmless(host);
            let padding = self.pace().width.saturating_sub(width(&host));
            self.errors.line(&format!("{host}{:padding$}  {text}", ""));
        }
    }

    fn is_due(&self, name: &str) -> bool {
        self.pace().is_due(name, Instant::now())
    }

    fn pace(&self) -> std::sync::MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is told although progress is drawn: what stays worth knowing.
    fn event_above(&self, event: &Event<'_>) {
        match event {
            Event::Note { host, text } => {
                let text = harmless(&format!("{host}: note: {text}")).into_owned();
                self.errors.line(&text);
            }
            Event::Finished {
                report:
                    HostReport {
                        host,
                        error: Some(error),
                        ..
                    },
            } => self.errors.host(host, error),
            _ => {}
        }
    }

    fn host_finished(&self, report: &HostReport) {
        let outcome = report.outcome.as_str();
        let outcome = self
            .errors
            .paint
            .apply(summary::tone(report.outcome), &format!("{outcome:<9}"));
        match &report.error {
            // Errors are told whatever the volume; as a line of its own where progress is not.
            Some(error) if self.volume < Volume::Normal => self.errors.host(&report.host, error),
            Some(error) => {
                let text = format!("{outcome}  {}", harmless(&one_line(error)));
                self.host_progress(Volume::Normal, &report.host, &text);
            }
            None => {
                let text = format!("{outcome}  {}", summary::host(report, self.pace().way));
                self.host_progress(Volume::Normal, &report.host, &text);
            }
        }
    }
}

impl<O: Write + Send, E: Write + Send> Monitor for Lines<O, E> {
    fn event(&self, event: Event<'_>) {
        if let Some(live) = &self.live {
            live.event(&event);
            return self.event_above(&event);
        }
        match event {
            Event::Scanning {
                entries,
                bytes_hashed,
            } if self.is_due("") => {
                let read = bytes(bytes_hashed);
                let text = format!("scanning: {}, {read} read", words::entries(entries));
                self.progress(Volume::Normal, &text);
            }
            Event::State { host, state } => {
                self.host_progress(Volume::Verbose, host, state.as_str());
            }
            Event::Progress {
                host,
                files_done,
                files_wanted,
                bytes_done,
                bytes_wanted,
            } if self.is_due(host) => {
                let text = match bytes_wanted {
                    0 => format!("receiving  {} so far", bytes(bytes_done)),
                    _ => format!(
                        "staging    {} of {}, {} of {}",
                        thousands(files_done),
                        count(files_wanted, "file"),
                        bytes(bytes_done),
                        bytes(bytes_wanted),
                    ),
                };
                self.host_progress(Volume::Normal, host, &text);
            }
            Event::Note { host, text } => {
                self.host_progress(Volume::Normal, host, &format!("note: {}", harmless(text)));
            }
            Event::Finished { report } => self.host_finished(report),
            _ => {}
        }
    }
}

impl<O: Write + Send, E: Write + Send> Screen for Lines<O, E> {
    fn note(&self, text: &str) {
        self.progress(Volume::Terse, &harmless(text));
    }

    fn absent(&self, host: &str, standing: &'static str) {
        self.note(&format!("{host}: {standing}"));
    }

    fn remark(&self, text: &str) {
        self.progress(Volume::Normal, &harmless(&format!("note: {text}")));
    }

    fn ask(&self, question: &str) {
        self.errors.question(question);
    }

    fn started(&self, run: &Started<'_>) {
        let widest = run.hosts.iter().map(|host| width(&harmless(host))).max();
        let mut pace = self.pace();
        pace.width = widest.unwrap_or(0);
        pace.way = match run.journey {
            Journey::Out(_) | Journey::Back(_) => Way::Out,
            Journey::In => Way::In,
        };
        drop(pace);
        let mut text = match &run.journey {
            Journey::Out(release) => format!(
                "release {} of {}, generation {}: {}, {}",
                release.id.short(),
                run.source,
                release.generation,
                count(release.files, "file"),
                bytes(release.bytes),
            ),
            Journey::Back(release) => {
                format!("going back to {}, release {}", run.source, release.short())
            }
            Journey::In => format!("pulling {}", run.source),
        };
        if matches!(run.journey, Journey::Out(_)) && !run.hosts.is_empty() && self.live.is_none() {
            text.push_str(&format!(", to {}", count(run.hosts.len() as u64, "host")));
        }
        if let Some(live) = &self.live {
            live.start(run);
        }
        self.progress(Volume::Normal, &text);
    }

    fn finished(&self, report: &Report, _: Verdict) {
        self.end_drawing();
        let totals = summary::totals(report);
        let table = summary::report(report, self.canvas());
        self.result(&format!("{table}{totals}\n"));
        let faults = report.hosts.iter();
        let faults = faults.filter_map(|host| Some((host.host.as_str(), host.error.as_ref()?)));
        self.errors.hints(faults);
    }

    fn snapshot(&self, snapshot: &Snapshot, held: Option<Duration>) {
        // Percents only now and then; where something ends, at once.
        let is_pending = snapshot.state == SnapshotState::Pending && held.is_none();
        if !is_pending || self.is_due(snapshot.id.as_str()) {
            self.progress(Volume::Normal, &snapshots::progress(snapshot, held));
        }
    }

    fn published(&self, pointer: &Pointer) {
        self.progress(Volume::Normal, &snapshots::published(pointer));
    }

    fn concluded(&self, conclusion: &Conclusion<'_>) {
        self.end_drawing();
        self.result(&snapshots::concluded(conclusion));
    }

    fn prepared(&self, step: &'static str, standing: Standing, text: &str) {
        let text = harmless(text);
        let word = standing.as_str();
        self.result(&format!("{word:<7}  {step:<17}  {text}\n"));
    }

    fn setup_over(&self, only_looked: bool, _: f64) {
        if only_looked {
            self.note("nothing was changed");
        }
    }

    fn done(&self, _: &Done<'_>, _: f64) {}

    fn serving(&self, address: &str, directory: &str) {
        self.note(&format!("serving {directory} at http://{address}/"));
    }

    fn served(&self, served: &Served) {
        let Served {
            peer,
            request,
            status,
        } = served;
        self.progress(Volume::Verbose, &format!("{peer}  {status}  {request}"));
    }

    fn history(&self, entries: &[Entry]) {
        self.result(&summary::history(entries, self.canvas()));
    }

    fn pruned(&self, pruned: &Pruned<'_>) {
        self.result(&summary::pruned(pruned, self.canvas()));
    }

    fn abandon(&self) {
        self.end_drawing();
    }

    fn lost(&self) -> Option<io::Error> {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        out.lost()
    }

    fn failed(&self, failure: &Failure) {
        self.errors.failure(failure);
    }

    fn statuses(&self, hosts: &[HostStatus]) {
        self.end_drawing();
        self.result(&summary::statuses(hosts, self.canvas()));
        let faults = || {
            let faults = hosts.iter();
            faults.filter_map(|host| Some((host.host.as_str(), host.error.as_ref()?)))
        };
        faults().for_each(|(host, error)| self.errors.host(host, error));
        self.errors.hints(faults());
    }

    fn plans(&self, plans: &Plans<'_>) {
        self.end_drawing();
        self.result(&summary::plans(plans, self.canvas()));
        let faults = || {
            let faults = plans.hosts.iter();
            faults.filter_map(|host| Some((host.host.as_str(), host.error.as_ref()?)))
        };
        faults().for_each(|(host, error)| self.errors.host(host, error));
        self.errors.hints(faults());
    }

    fn checked(&self, host: Option<&str>, checks: &[Check]) {
        let in_full = self.volume == Volume::Verbose;
        self.result(&examination::place(host, checks, in_full, self.canvas()));
    }

    fn examined(&self, health: &Health) {
        self.end_drawing();
        self.result(&examination::totals(health));
    }

    fn chapter(&self, chapter: &Chapter<'_>) {
        let title = format!("{}. {}", chapter.number, chapter.title);
        let title = self.paint.apply(Tone::Bold, &title);
        self.result(&format!("\n{title}\n{}\n", indent(chapter.story)));
    }

    fn told(&self, _: &Chapter<'_>, report: &Report, _: Verdict, claims: &[Claim]) {
        let mut text = indent(&summary::report(report, self.canvas().indented(3)));
        text.push('\n');
        for claim in claims {
            let line = match &claim.fault {
                None => self.paint.apply(Tone::Good, "✓"),
                Some(_) => self.paint.apply(Tone::Bad, "✗ not so:"),
            };
            text.push_str(&format!("   {line} {}\n", claim.text));
            if let Some(fault) = &claim.fault {
                text.push_str(&format!("     {fault}\n"));
            }
        }
        self.result(&text);
    }

    fn closed(&self, closing: &str, _: &Report, _: Verdict) {
        self.result(&format!("\n{closing}\n"));
    }
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("   {line}\n")).collect()
}

#[cfg(test)]
mod tests;
