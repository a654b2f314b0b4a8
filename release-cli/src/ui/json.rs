//! For programs: one JSON object a line on standard output. Errors in words go to standard error too.

use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use release_sync::{
    Event, Generation, HostPlan, HostReport, HostStatus, Monitor, Outcome, ReleaseId, Report,
};
use serde::Serialize;
use serde_json::{Value, json};

use super::errors::{Errors, one_line};
use super::words::harmless;
use super::{Chapter, Check, Claim, Health, Plans, Screen, Started, summary};
use crate::exit::{Exit, Overall, Verdict, of_error, of_failure};
use crate::failure::Failure;

/// Events.
#[derive(Debug)]
pub(super) struct Json<O, E> {
    events: Mutex<Events<O>>,
    errors: Errors<E>,
}

/// Standard output, and what must be known to end it well.
#[derive(Debug)]
struct Events<O> {
    /// `None` once nobody reads any more.
    out: Option<O>,
    now: fn() -> Timestamp,
    run: Option<Run>,
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
        let Some(out) = &mut self.out else { return };
        let line = Line { event, at, body };
        let sent = serde_json::to_string(&line)
            .map_err(Into::into)
            .and_then(|line| writeln!(out, "{line}"))
            .and_then(|()| out.flush());
        if sent.is_err() {
            self.out = None;
        }
    }
}

impl<O: Write, E: Write> Json<O, E> {
    pub(super) fn new(out: O, errors: Errors<E>, now: fn() -> Timestamp) -> Self {
        let events = Mutex::new(Events {
            out: Some(out),
            now,
            run: None,
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
            Event::State { host, state } => {
                ("host", json!({"host": host, "state": state.as_str()}))
            }
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
        self.errors.line(text);
    }

    fn ask(&self, question: &str) {
        self.errors.line(&harmless(question));
    }

    fn started(&self, run: &Started<'_>) {
        let mut events = self.events();
        events.run = Some(Run {
            release: run.release.map(|release| release.id),
            generation: run.release.map(|release| release.generation),
            since: (events.now)(),
            hosts: Vec::new(),
            changed: false,
        });
        events.send(
            "started",
            json!({
                "release": run.release.map(|release| release.id.to_string()),
                "generation": run.release.map(|release| release.generation.get()),
                "source": run.source,
                "files": run.release.map(|release| release.files),
                "bytes": run.release.map(|release| release.bytes),
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
    }

    fn plans(&self, plans: &Plans<'_>) {
        for host in plans.hosts {
            self.events().send("host", plan(host, plans.itemize));
            if let Some(error) = &host.error {
                self.errors.host(&host.host, error);
            }
        }
        let hosts = plans.hosts.iter().map(|host| plan(host, false));
        self.events().send(
            "finished",
            json!({
                "outcome": if plans.exit == Exit::Done { "ok" } else { "failed" },
                "release": plans.release.to_string(),
                "generation": null,
                "hosts": hosts.collect::<Vec<_>>(),
                "seconds": plans.seconds,
            }),
        );
        let faults = plans.hosts.iter();
        let faults = faults.filter_map(|host| Some((host.host.as_str(), host.error.as_ref()?)));
        self.errors.hints(faults);
    }

    fn checked(&self, host: Option<&str>, checks: &[Check]) {
        for check in checks {
            self.events().send(
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
        self.events().send(
            "finished",
            json!({
                "outcome": if health.faults == 0 { "ok" } else { "failed" },
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

fn result(report: &Report, verdict: Verdict) -> Value {
    json!({
        "outcome": verdict.overall.as_str(),
        "release": report.release.map(|release| release.to_string()),
        "generation": allocated(report.generation),
        "hosts": report.hosts.iter().map(host).collect::<Vec<_>>(),
        "seconds": report.seconds,
    })
}

/// Generations are counted from 1: a pull has none.
fn allocated(generation: Generation) -> Option<u64> {
    Some(generation.get()).filter(|number| *number > 0)
}

fn host(report: &HostReport) -> Value {
    let counts = &report.counts;
    let (error, kind, hint) = explain(report.error.as_ref());
    json!({
        "host": report.host,
        "outcome": report.outcome.as_str(),
        "proof": summary::proof(report.proof),
        "release": report.release.map(|release| release.to_string()),
        "generation": report.generation.map(Generation::get),
        "files_sent": counts.files_sent,
        "files_deleted": counts.files_deleted,
        "bytes_sent": counts.bytes_sent,
        "bytes_received": counts.bytes_received,
        "literal_bytes": counts.literal_bytes,
        "matched_bytes": counts.matched_bytes,
        "local_bytes": counts.local_bytes,
        "agent_bytes": counts.agent_bytes,
        "seconds": report.seconds,
        "notes": report.notes,
        "error": error,
        "error_kind": kind,
        "hint": hint,
    })
}

fn status(status: &HostStatus) -> Value {
    let (error, kind, hint) = explain(status.error.as_ref());
    let (marker, since) = status.marker.unzip();
    let since = since.and_then(|since| Timestamp::from_second(since).ok());
    json!({
        "host": status.host,
        "release": marker.map(|marker| marker.release.to_string()),
        "generation": marker.map(|marker| marker.generation.get()),
        "since": since.map(|since| since.to_string()),
        "drift": status.intact.map(|intact| !intact),
        "proof": summary::proof(status.proof),
        "files": status.files,
        "bytes": status.bytes,
        "seconds": status.seconds,
        "error": error,
        "error_kind": kind,
        "hint": hint,
    })
}

fn plan(plan: &HostPlan, itemize: bool) -> Value {
    let (error, kind, hint) = explain(plan.error.as_ref());
    let mut value = json!({
        "host": plan.host,
        "release": plan.marker.map(|marker| marker.release.to_string()),
        "generation": plan.marker.map(|marker| marker.generation.get()),
        "unchanged": plan.unchanged,
        "created": plan.created,
        "changed": plan.changed,
        "attributes": plan.attributes,
        "deleted": plan.deleted,
        "files_sent": plan.files_sent,
        "bytes_wanted": plan.bytes_wanted,
        "local_bytes": plan.local_bytes,
        "seconds": plan.seconds,
        "error": error,
        "error_kind": kind,
        "hint": hint,
    });
    if itemize {
        let items = plan.items.iter();
        let items = items.map(|item| json!({"flags": item.flags, "path": item.path.to_string()}));
        value["items"] = items.collect();
    }
    value
}

fn explain(
    error: Option<&release_sync::Error>,
) -> (Option<String>, Option<&'static str>, Option<String>) {
    match error {
        None => (None, None, None),
        Some(error) => {
            let advice = of_error(error);
            (Some(one_line(error)), Some(advice.kind), advice.hint)
        }
    }
}

#[cfg(test)]
mod tests;
