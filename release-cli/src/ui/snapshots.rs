//! Words about snapshots and what is published.

use std::time::Duration;

use release_core::cloud::{Snapshot, SnapshotState};
use release_core::{Fate, Generation, Kept, Pointer, SnapshotId};
use release_sync::ReleaseId;
use serde_json::{Value, json};

use super::words;

/// A command that pushes to no hosts is over, and what came of it.
#[derive(Debug)]
pub(crate) struct Conclusion<'a> {
    pub(crate) release: ReleaseId,
    pub(crate) generation: Generation,
    pub(crate) snapshot: &'a SnapshotId,
    /// How long nobody could write to the source's file system, if it was frozen.
    pub(crate) held: Option<Duration>,
    pub(crate) seconds: f64,
}

/// What became of snapshots.
#[derive(Debug)]
pub(crate) struct Pruned<'a> {
    pub(crate) fates: &'a [Fate],
    /// Nothing was deleted.
    pub(crate) only_looked: bool,
    pub(crate) seconds: f64,
}

/// How far a snapshot is.
pub(super) fn progress(snapshot: &Snapshot, held: Option<Duration>) -> String {
    let id = &snapshot.id;
    match (&snapshot.state, held) {
        (_, Some(held)) => format!(
            "snapshot {id} begun; the file system was frozen for {}",
            words::milliseconds(held)
        ),
        (SnapshotState::Pending, None) => format!("snapshot {id}: {} %", snapshot.progress),
        (state, None) => format!("snapshot {id}: {state}"),
    }
}

pub(super) fn published(pointer: &Pointer) -> String {
    format!(
        "published generation {}: release {}, snapshot {}",
        pointer.generation,
        pointer.release.short(),
        pointer.snapshot
    )
}

pub(super) fn concluded(conclusion: &Conclusion<'_>) -> String {
    let held = conclusion.held.map_or(String::new(), |held| {
        format!(", frozen for {}", words::milliseconds(held))
    });
    format!(
        "new instances boot release {}, generation {}, from {}{held}\n",
        conclusion.release.short(),
        conclusion.generation,
        conclusion.snapshot,
    )
}

/// The event `snapshot`.
pub(super) fn snapshot_event(snapshot: &Snapshot, held: Option<Duration>) -> Value {
    json!({
        "id": snapshot.id.as_str(),
        "percent": snapshot.progress,
        "state": snapshot.state.as_str(),
        "frozen_seconds": held.map(|held| held.as_secs_f64()),
    })
}

/// The event `published`.
pub(super) fn published_event(pointer: &Pointer) -> Value {
    json!({
        "generation": pointer.generation.get(),
        "snapshot": pointer.snapshot.as_str(),
        "release": pointer.release.to_string(),
    })
}

/// The event `finished`.
pub(super) fn concluded_event(conclusion: &Conclusion<'_>) -> Value {
    json!({
        "outcome": "ok",
        "release": conclusion.release.to_string(),
        "generation": conclusion.generation.get(),
        "hosts": [],
        "snapshot": conclusion.snapshot.as_str(),
        "frozen_seconds": conclusion.held.map(|held| held.as_secs_f64()),
        "seconds": conclusion.seconds,
    })
}

/// The event `snapshot` of one whose fate was decided.
pub(super) fn fate_event(fate: &Fate, only_looked: bool) -> Value {
    json!({
        "id": fate.snapshot.id.as_str(),
        "percent": fate.snapshot.progress,
        "state": match (fate.kept, only_looked) {
            (Some(_), _) => fate.snapshot.state.as_str(),
            (None, true) => "dispensable",
            (None, false) => "deleted",
        },
        "generation": fate.generation.get(),
        "kept": fate.kept.map(Kept::as_str),
    })
}

/// The event `finished`.
pub(super) fn pruned_event(pruned: &Pruned<'_>) -> Value {
    let gone = pruned.fates.iter().filter(|fate| fate.kept.is_none());
    json!({
        "outcome": "ok",
        "release": null,
        "generation": null,
        "hosts": [],
        "deleted": if pruned.only_looked { 0 } else { gone.count() },
        "seconds": pruned.seconds,
    })
}
