//! Tables of what was deployed, and of snapshots.

use release_core::{Fate, Kept};

use crate::state::Entry;
use crate::ui::Pruned;
use crate::ui::canvas::Canvas;
use crate::ui::paint::Tone;
use crate::ui::table::{Cell, Column, Table};
use crate::ui::words::{count, seconds, thousands};

/// A row for each deploy.
pub(in crate::ui) fn history(entries: &[Entry], canvas: Canvas) -> String {
    if entries.is_empty() {
        return String::new();
    }
    let mut table = Table::new([
        Column::left("WHEN"),
        Column::right("GENERATION"),
        Column::left("WHAT").dispensable(3),
        Column::left("RELEASE").dispensable(4),
        Column::left("OUTCOME"),
        Column::right("HOSTS"),
        Column::right("TIME").dispensable(5),
        Column::left("SNAPSHOT").dispensable(2),
        Column::name("WHO").dispensable(1),
    ]);
    for entry in entries {
        let tone = match entry.outcome.as_str() {
            "ok" => Tone::Good,
            "partial" => Tone::Warning,
            _ => Tone::Bad,
        };
        let release: String = entry.release.chars().take(12).collect();
        let snapshot = entry.snapshot.as_ref();
        table.row([
            entry.at.replace('T', " ").replace('Z', " UTC").into(),
            entry.generation.to_string().into(),
            entry.deed.as_str().into(),
            release.into(),
            Cell::new(&entry.outcome, tone),
            hosts(entry).into(),
            seconds(entry.seconds).into(),
            snapshot.map(ToString::to_string).unwrap_or_default().into(),
            entry.by.as_str().into(),
        ]);
    }
    table.render(canvas)
}

/// How many are as was asked, of how many.
fn hosts(entry: &Entry) -> String {
    let all = entry.hosts.len();
    let bad = entry.hosts.iter();
    let bad = bad
        .filter(|host| matches!(host.outcome.as_str(), "failed" | "deferred" | "read-only"))
        .count();
    match bad {
        0 => thousands(all as u64),
        _ => format!(
            "{} of {}",
            thousands((all - bad) as u64),
            thousands(all as u64)
        ),
    }
}

/// A row for each snapshot.
pub(in crate::ui) fn pruned(pruned: &Pruned<'_>, canvas: Canvas) -> String {
    let gone = pruned.fates.iter().filter(|fate| fate.kept.is_none());
    let gone = gone.count() as u64;
    let kept = pruned.fates.len() as u64 - gone;
    let verb = match pruned.only_looked {
        true => "would be deleted",
        false => "deleted",
    };
    let totals = format!(
        "{} {verb}, {} kept\n",
        count(gone, "snapshot"),
        thousands(kept)
    );
    if pruned.fates.is_empty() {
        return totals;
    }
    let mut table = Table::new([
        Column::right("GENERATION"),
        Column::left("SNAPSHOT"),
        Column::left("BEGUN").dispensable(1),
        Column::right("GIB").dispensable(2),
        Column::left("FATE"),
    ]);
    for fate in pruned.fates {
        let (word, tone) = fate_word(fate, verb);
        table.row([
            fate.generation.to_string().into(),
            fate.snapshot.id.as_str().into(),
            fate.snapshot.started.whole_second().to_string().into(),
            fate.snapshot.size_gib.to_string().into(),
            Cell::new(word, tone),
        ]);
    }
    format!("{}{totals}", table.render(canvas))
}

fn fate_word(fate: &Fate, verb: &'static str) -> (&'static str, Tone) {
    match fate.kept {
        None => (verb, Tone::Warning),
        Some(Kept::Current) => ("current", Tone::Good),
        Some(kept) => (kept.as_str(), Tone::Plain),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::paint::Paint;
    use crate::ui::samples;

    #[test]
    fn history_reads_well() {
        let canvas = Canvas::paper(Paint(false));
        let narrow = Canvas {
            columns: Some(80),
            ..canvas
        };
        let entries = samples::history();
        insta::assert_snapshot!(format!(
            "{}\n{}",
            history(&entries, canvas),
            history(&entries, narrow)
        ));
    }

    #[test]
    fn fates_of_snapshots_read_well() {
        let canvas = Canvas::paper(Paint(false));
        let fates = samples::fates();
        let shown = |only_looked| {
            let told = Pruned {
                fates: &fates,
                only_looked,
                seconds: 0.1,
            };
            pruned(&told, canvas)
        };
        insta::assert_snapshot!(format!("{}\n{}", shown(true), shown(false)));
    }
}
