//! For programs: one JSON object a line on standard output. Errors in words go to standard error too.

mod body;

use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use release_core::Pointer;
use release_core::cloud::Snapshot;
use release_sync::{
    Event, Generation, HostReport, HostStatus, Monitor, Outcome, ReleaseId, Report,
};
use serde::Serialize;
use serde_json::{Value, json};

use super::errors::{Errors, one_line};
use super::sink::Sink;
use super::words::harmless;
use super::{
    Chapter, Check, Claim, Conclusion, Done, Finding, Health, Journey, Plans, Pruned, Screen,
    Started, snapshots,
};
use crate::exit::{Exit, Overall, Verdict, of_failure};
use crate::failure::Failure;
use crate::serve::Served;
use crate::setup::Standing;
use crate::state::Entry;
use body::{absent_plan, absent_status, deployed, host, plan, result, status};

/// Events.
#[derive(Debug)]
pub(super) struct Json<O, E> {
    events: Mutex<Events<O>>,
    errors: Errors<E>,
}

/// Standard output, and what must be known to end it well.
#[derive(Debug)]
struct Events<O> {
    out: Sink<O>,
    now: fn() -> Timestamp,
    run: Option<Run>,
    /// What an examination found at each host, as the last event will show it.
    examined: Vec<Value>,
    /// Instances of which nothing is to be had now, and what they are.
    absent: Vec<(String, &'static str)>,
}

/// A run under way.
#[derive(Debug)]
struct Run {
    release: Option<ReleaseId>,
    generation: Option<Generation>,
    since: Timestamp,
    /// The hosts that are done, as the last event will show them.
    hosts: Vec<Value>,
    changed: bool,
}

/// What every event has, before what only some have.
#[derive(Serialize)]
struct Line<'a> {
    event: &'a str,
    at: String,
    #[serde(flatten)]
    body: Value,
}

impl<O: Write> Events<O> {
    fn send(&mut self, event: &str, body: Value) {
        let at = (self.now)().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
        // Texts, numbers and lists of them can always be written as JSON.
        if let Ok(line) = serde_json::to_string(&Line { event, at, body }) {
            self.out.write(&format!("{line}\n"));
        }
    }

    fn take_absent(&mut self) -> Vec<(String, &'static str)> {
        std::mem::take(&mut self.absent)
    }
}

impl<O: Write, E: Write> Json<O, E> {
    pub(super) fn new(out: O, errors: Errors<E>, now: fn() -> Timestamp) -> Self {
        let events = Mutex::new(Events {
            out: Sink::new(out),
            now,
            run: None,
            examined: Vec::new(),
            absent: Vec::new(),
        });
        Self { events, errors }
    }

    fn events(&self) -> MutexGuard<'_, Events<O>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn host_finished(&self, report: &HostReport) {
        let mut events = self.events();
        let Some(run) = &mut events.run else { return };
        // A host that was locked may be tried again.
        run.hosts.retain(|known| known["host"] != *report.host);
        run.hosts.push(host(report));
        run.changed |= matches!(report.outcome, Outcome::Committed | Outcome::Undone);
        let state = report.outcome.as_str();
        let error = report.error.as_ref().map(|error| one_line(error));
        events.send(
            "host",
            json!({"host": report.host, "state": state, "error": error}),
        );
        drop(events);
        if let Some(error) = &report.error {
            self.errors.host(&report.host, error);
        }
    }
}

impl<O: Write + Send, E: Write + Send> Monitor for Json<O, E> {
    /// Events of hosts belong to a run: what comes before it is started, or after its end, is not told.
    fn event(&self, event: Event<'_>) {
        let (name, body) = match event {
            Event::State { host, state } => (
                "host",
                json!({"host": host, "state": state.as_str(), "error": null}),
            ),
            Event::Progress {
                host,
                files_done,
                files_wanted,
                bytes_done,
                bytes_wanted,
            } => (
                "progress",
                json!({
                    "host": host, "files_done": files_done, "files_wanted": files_wanted,
                    "bytes_done": bytes_done, "bytes_wanted": bytes_wanted,
                }),
            ),
            Event::Note { host, text } => ("note", json!({"host": host, "text": text})),
            Event::Finished { report } => return self.host_finished(report),
            _ => return,
        };
        let mut events = self.events();
        if events.run.is_some() {
            events.send(name, body);
        }
    }
}

impl<O: Write + Send, E: Write + Send> Screen for Json<O, E> {
    fn note(&self, text: &str) {
        self.errors.line(&harmless(text));
    }

    fn absent(&self, host: &str, standing: &'static str) {
        self.note(&format!("{host}: {standing}"));
        self.events().absent.push((host.to_owned(), standing));
    }

    fn remark(&self, text: &str) {
        self.events()
            .send("note", json!({"host": null, "text": text}));
    }

    fn ask(&self, question: &str) {
        self.errors.line(&harmless(question));
    }

    fn started(&self, run: &Started<'_>) {
        let (travelling, id) = match run.journey {
            Journey::Out(release) => (Some(release), Some(release.id)),
            Journey::Back(release) => (None, Some(release)),
            Journey::In => (None, None),
        };
        let mut events = self.events();
        events.run = Some(Run {
            release: id,
            generation: travelling.map(|release| release.generation),
            since: (events.now)(),
            hosts: Vec::new(),
            changed: false,
        });
        events.send(
            "started",
            json!({
                "release": id.map(|release| release.to_string()),
                "generation": travelling.map(|release| release.generation.get()),
                "source": run.source,
                "files": travelling.map(|release| release.files),
                "bytes": travelling.map(|release| release.bytes),
                "hosts": run.hosts.len(),
            }),
        );
    }

    fn finished(&self, report: &Report, verdict: Verdict) {
        let mut events = self.events();
        events.run = None;
        events.send("finished", result(report, verdict));
        drop(events);
        let faults = report.hosts.iter();
        let faults = faults.filter_map(|host| Some((host.host.as_str(), host.error.as_ref()?)));
        self.errors.hints(faults);
    }

    fn snapshot(&self, snapshot: &Snapshot, held: Option<Duration>) {
        let body = snapshots::snapshot_event(snapshot, held);
        self.events().send("snapshot", body);
    }

    fn published(&self, pointer: &Pointer) {
        let body = snapshots::published_event(pointer);
        self.events().send("published", body);
    }

    fn concluded(&self, conclusion: &Conclusion<'_>) {
        let mut events = self.events();
        events.run = None;
        events.send("finished", snapshots::concluded_event(conclusion));
    }

    fn prepared(&self, step: &'static str, standing: Standing, text: &str) {
        let body = json!({"step": step, "state": standing.as_str(), "text": text});
        self.events().send("setup", body);
    }

    fn setup_over(&self, _: bool, seconds: f64) {
        let body = snapshots::setup_event(seconds);
        self.events().send("finished", body);
    }

    fn done(&self, done: &Done<'_>, seconds: f64) {
        self.events().send("finished", body::done(done, seconds));
    }

    fn serving(&self, address: &str, directory: &str) {
        let body = json!({"address": address, "directory": directory});
        self.events().send("serving", body);
    }

    fn served(&self, served: &Served) {
        let body = json!({
            "peer": served.peer.to_string(),
            "request": served.request,
            "status": served.status,
        });
        self.events().send("request", body);
    }

    fn history(&self, entries: &[Entry]) {
        for entry in entries {
            self.events().send("deploy", deployed(entry));
        }
    }

    fn pruned(&self, pruned: &Pruned<'_>) {
        let mut events = self.events();
        for fate in pruned.fates {
            let body = snapshots::fate_event(fate, pruned.only_looked);
            events.send("snapshot", body);
        }
        events.send("finished", snapshots::pruned_event(pruned));
    }

    fn closed(&self, _: &str, report: &Report, verdict: Verdict) {
        self.finished(report, verdict);
    }

    fn abandon(&self) {
        let mut events = self.events();
        let Some(run) = events.run.take() else { return };
        let overall = if run.changed {
            Overall::Partial
        } else {
            Overall::Failed
        };
        let seconds = (events.now)().duration_since(run.since).as_secs_f64();
        events.send(
            "finished",
            json!({
                "outcome": overall.as_str(),
                "release": run.release.map(|release| release.to_string()),
                "generation": run.generation.map(Generation::get),
                "hosts": run.hosts,
                "seconds": seconds,
            }),
        );
    }

    fn lost(&self) -> Option<io::Error> {
        self.events().out.lost()
    }

    fn failed(&self, failure: &Failure) {
        let advice = of_failure(failure);
        let message = one_line(failure);
        self.events().send(
            "error",
            json!({"kind": advice.kind, "message": message, "hint": advice.hint}),
        );
        self.errors.failure(failure);
    }

    fn statuses(&self, hosts: &[HostStatus]) {
        for host in hosts {
            self.events().send("host", status(host));
            if let Some(error) = &host.error {
                self.errors.host(&host.host, error);
            }
        }
        let mut events = self.events();
        for (host, standing) in events.take_absent() {
            events.send("host", absent_status(&host, standing));
        }
        drop(events);
        let faults = hosts.iter();
        let faults = faults.filter_map(|host| Some((host.host.as_str(), host.error.as_ref()?)));
        self.errors.hints(faults);
    }

    fn plans(&self, plans: &Plans<'_>) {
        for host in plans.hosts {
            self.events().send("host", plan(host, plans.itemize));
            if let Some(error) = &host.error {
                self.errors.host(&host.host, error);
            }
        }
        let mut events = self.events();
        let hosts = plans.hosts.iter().map(|host| plan(host, false));
        let mut hosts: Vec<_> = hosts.collect();
        for (host, standing) in events.take_absent() {
            events.send("host", absent_plan(&host, standing, plans.itemize));
            hosts.push(absent_plan(&host, standing, false));
        }
        events.send(
            "finished",
            json!({
                "outcome": if plans.exit == Exit::Done { "ok" } else { "failed" },
                "release": plans.release.to_string(),
                "generation": null,
                "hosts": hosts,
                "seconds": plans.seconds,
            }),
        );
        drop(events);
        let faults = plans.hosts.iter();
        let faults = faults.filter_map(|host| Some((host.host.as_str(), host.error.as_ref()?)));
        self.errors.hints(faults);
    }

    fn checked(&self, host: Option<&str>, checks: &[Check]) {
        let mut events = self.events();
        if let Some(host) = host {
            let number = |finding| {
                checks
                    .iter()
                    .filter(|check| check.finding == finding)
                    .count()
            };
            let faults = number(Finding::Fault);
            events.examined.push(json!({
                "host": host,
                "outcome": if faults == 0 { "ok" } else { "failed" },
                "faults": faults,
                "warnings": number(Finding::Warning),
            }));
        }
        for check in checks {
            events.send(
                "check",
                json!({
                    "host": host,
                    "check": check.name,
                    "result": check.finding.as_str(),
                    "text": check.text,
                    "mend": check.mend,
                }),
            );
        }
    }

    fn examined(&self, health: &Health) {
        let mut events = self.events();
        let hosts = std::mem::take(&mut events.examined);
        events.send(
            "finished",
            json!({
                "outcome": if health.faults == 0 { "ok" } else { "failed" },
                "release": null,
                "generation": null,
                "hosts": hosts,
                "faults": health.faults,
                "warnings": health.warnings,
                "seconds": health.seconds,
            }),
        );
    }

    fn chapter(&self, _: &Chapter<'_>) {}

    fn told(&self, chapter: &Chapter<'_>, report: &Report, verdict: Verdict, claims: &[Claim]) {
        let claims: Vec<_> = claims
            .iter()
            .map(|claim| json!({"claim": claim.text, "holds": claim.fault.is_none(), "fault": claim.fault}))
            .collect();
        let mut body = result(report, verdict);
        if let Value::Object(fields) = &mut body {
            fields.insert("step".into(), chapter.number.into());
            fields.insert("title".into(), chapter.title.into());
            fields.insert("claims".into(), claims.into());
        }
        let mut events = self.events();
        if let Some(run) = &mut events.run {
            run.hosts.clear();
        }
        events.send("step", body);
    }
}

#[cfg(test)]
mod tests;
