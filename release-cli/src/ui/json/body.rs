//! What events say of hosts and runs. A key that is there for one host is there for all; `null` where it
//! has no value.

use jiff::Timestamp;
use release_sync::{Generation, HostPlan, HostReport, HostStatus, Report};
use serde_json::{Value, json};

use crate::exit::{Verdict, of_error};
use crate::state::Entry;
use crate::ui::{Done, one_line, summary};

pub(super) fn result(report: &Report, verdict: Verdict) -> Value {
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

pub(super) fn host(report: &HostReport) -> Value {
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

pub(super) fn status(status: &HostStatus) -> Value {
    let (error, kind, hint) = explain(status.error.as_ref());
    let (marker, since) = status.marker.unzip();
    let since = since.and_then(|since| Timestamp::from_second(since).ok());
    json!({
        "host": status.host,
        "state": found(kind),
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

pub(super) fn plan(plan: &HostPlan, itemize: bool) -> Value {
    let (error, kind, hint) = explain(plan.error.as_ref());
    let mut value = json!({
        "host": plan.host,
        "state": found(kind),
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

/// What is said in place of a [`status`] of an instance that could not be asked.
pub(super) fn absent_status(host: &str, standing: &str) -> Value {
    json!({
        "host": host,
        "state": standing,
        "release": null,
        "generation": null,
        "since": null,
        "drift": null,
        "proof": summary::proof(None),
        "files": 0,
        "bytes": 0,
        "seconds": 0.0,
        "error": null,
        "error_kind": null,
        "hint": null,
    })
}

/// What is said in place of a [`plan`] for an instance that could not be asked.
pub(super) fn absent_plan(host: &str, standing: &str, itemize: bool) -> Value {
    let mut value = json!({
        "host": host,
        "state": standing,
        "release": null,
        "generation": null,
        "unchanged": false,
        "created": 0,
        "changed": 0,
        "attributes": 0,
        "deleted": 0,
        "files_sent": 0,
        "bytes_wanted": 0,
        "local_bytes": 0,
        "seconds": 0.0,
        "error": null,
        "error_kind": null,
        "hint": null,
    });
    if itemize {
        value["items"] = json!([]);
    }
    value
}

/// The event `finished` of a command that has neither hosts nor a release.
pub(super) fn done(done: &Done<'_>, seconds: f64) -> Value {
    let mut value = json!({
        "outcome": "ok",
        "release": null,
        "generation": null,
        "hosts": [],
        "seconds": seconds,
    });
    match done {
        Done::Keys {
            secret,
            public,
            key,
        } => {
            value["secret"] = json!(secret);
            value["public"] = json!(public);
            value["key"] = json!(key);
        }
        Done::Thaw { thawed } => value["thawed"] = json!(thawed),
    }
    value
}

/// What was deployed. `at` is taken: it is when the event was written.
pub(super) fn deployed(entry: &Entry) -> Value {
    let hosts = entry
        .hosts
        .iter()
        .map(|host| json!({"host": host.host, "outcome": host.outcome, "error_kind": host.error}));
    json!({
        "ended": entry.at,
        "deed": entry.deed.as_str(),
        "by": entry.by,
        "source": entry.source,
        "release": entry.release,
        "generation": entry.generation,
        "snapshot": entry.snapshot.as_ref().map(ToString::to_string),
        "outcome": entry.outcome,
        "exit": entry.exit,
        "hosts": hosts.collect::<Vec<_>>(),
        "seconds": entry.seconds,
    })
}

/// What became of asking a host.
fn found(error: Option<&str>) -> &'static str {
    match error {
        None => "found",
        Some(_) => "failed",
    }
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
