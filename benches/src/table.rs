//! What was measured, in Markdown.

use std::collections::HashSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::trial::Samples;
use crate::verdict::{Stat, Unit, Verdict};
use crate::workload;

/// Between these lines of a document, a table is put in place of the last.
const MARKERS: [&str; 2] = ["<!-- versus: begin -->\n", "<!-- versus: end -->\n"];

/// The table of targets.
pub fn of_verdicts(verdicts: &[Verdict]) -> String {
    let mut text = String::from(
        "| | workload: what is measured | ours | rsync's best | ratio | target | |\n\
         |---|---|---:|---:|---:|---:|---|\n",
    );
    for verdict in verdicts {
        let peer = verdict
            .peer
            .as_ref()
            .map_or_else(String::new, |(name, stat)| {
                format!("{} `{name}`", shown(*stat, verdict.unit))
            });
        let ratio = verdict
            .peer
            .as_ref()
            .map_or_else(String::new, |_| format!("{:.2}", verdict.value));
        let target = verdict.target.map_or_else(String::new, |target| {
            let bound = if verdict.peer.is_some() {
                format!("{target:.2}")
            } else {
                figure(target, verdict.unit)
            };
            format!("≤ {bound}")
        });
        let met = match verdict.met {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "",
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {peer} | {ratio} | {target} | {met} |",
            verdict.name,
            verdict.what,
            shown(verdict.ours, verdict.unit)
        );
    }
    text
}

/// The table of everything that was measured of a workload's sides.
pub fn of_samples(result: &workload::Result) -> String {
    if result.sides.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "{} {}, {} timed runs of each:\n\n\
         | side | time | controller's cpu | hosts' cpu | controller's memory | a host's memory | bytes said, to and fro | bytes of TCP, to and fro |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|\n",
        result.name, result.title, result.runs
    );
    for samples in &result.sides {
        text += &line(samples);
    }
    text
}

fn line(samples: &Samples) -> String {
    let seconds = |samples: &[f64]| shown(Stat::of(samples), Unit::Seconds);
    let bytes = |bytes: u64| figure(bytes as f64, Unit::Bytes);
    let both = |[to, fro]: [u64; 2]| format!("{}, {}", bytes(to), bytes(fro));
    let counted = &samples.counted;
    format!(
        "| {} | {} | {} | {} | {} | {} | {} | {} |\n",
        samples.side,
        seconds(&samples.wall),
        seconds(&samples.controller_cpu),
        seconds(&samples.hosts_cpu),
        bytes(counted.memory.controller),
        bytes(counted.memory.host),
        both(counted.said),
        counted.tcp.map_or_else(String::new, both),
    )
}

/// A median, and its spread where there is one.
fn shown(stat: Stat, unit: Unit) -> String {
    let median = figure(stat.median, unit);
    if stat.least == stat.most {
        return median;
    }
    let bare = |number| figure(number, unit).replace(" s", "");
    format!("{median} ({}–{})", bare(stat.least), bare(stat.most))
}

fn figure(number: f64, unit: Unit) -> String {
    match unit {
        Unit::Seconds => format!("{number:.2} s"),
        Unit::Count => format!("{number:.0}"),
        Unit::Bytes if number >= 1e6 => format!("{:.1} MB", number / 1e6),
        Unit::Bytes => format!("{:.1} kB", number / 1e3),
    }
}

/// What else has to be said of a workload, below the tables.
pub fn note(result: &workload::Result, text: &str) -> String {
    format!("- {}, {}: {text}\n", result.name, result.title)
}

/// How much of all that can be measured a table is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of it: nothing else is left between the markers.
    Whole,
    /// Some workloads: lines that are about others stay as they are.
    Part,
}

/// Puts a table between the markers of a document. Fails where there are none.
pub fn put(document: &Path, table: &str, extent: Extent) -> Result<(), String> {
    let said = |error| format!("{}: {error}", document.display());
    let text = fs::read_to_string(document).map_err(said)?;
    let text = replaced(&text, table, extent)
        .ok_or_else(|| format!("{} has no markers for a table", document.display()))?;
    fs::write(document, text).map_err(said)
}

fn replaced(text: &str, table: &str, extent: Extent) -> Option<String> {
    let [begin, end] = MARKERS;
    let (before, rest) = text.split_once(begin)?;
    let (old, after) = rest.split_once(end)?;
    let table = match extent {
        Extent::Whole => table.to_owned(),
        Extent::Part => with_lines_of(table, old),
    };
    Some(format!("{before}{begin}\n{table}\n{end}{after}"))
}

/// A table, with those lines of another one that are about workloads of which it has none; rows and notes in
/// the order of their numbers, and then as they were.
fn with_lines_of(table: &str, other: &str) -> String {
    let own: HashSet<&str> = titles_of(table).collect();
    let before: Vec<&str> = titles_of(other).collect();
    let order = |line: &&str| {
        let line = Line::parse(line)?;
        let place = before.iter().position(|title| *title == line.title);
        Some((line.number, place.unwrap_or(usize::MAX)))
    };
    let mut lines: Vec<&str> = table.lines().collect();
    for kind in [Kind::Row, Kind::Note] {
        let is_one = |line: &&str| Line::parse(line).is_some_and(|line| line.kind == kind);
        let is_kept = |line: &&str| {
            is_one(line) && Line::parse(line).is_some_and(|line| !own.contains(line.title))
        };
        let mut all: Vec<&str> = other.lines().filter(is_kept).collect();
        if all.is_empty() {
            continue;
        }
        // All of them in the place of the first, or else at the end.
        let place = lines.iter().position(is_one);
        if place.is_none() {
            lines.push("");
        }
        let place = place.unwrap_or(lines.len());
        all.extend(lines.iter().filter(|line| is_one(line)));
        all.sort_by_key(order);
        lines.retain(|line| !is_one(line));
        lines.splice(place..place, all);
    }
    lines.join("\n") + "\n"
}

fn titles_of(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter_map(|line| Some(Line::parse(line)?.title))
}

/// A line that is about one workload.
#[derive(Debug, PartialEq, Eq)]
struct Line<'a> {
    kind: Kind,
    /// Of the target. Several workloads may have one of a number, and one may have several.
    number: u32,
    /// Of the workload.
    title: &'a str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Row,
    Note,
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (kind, rest, after) = match (line.strip_prefix("| W"), line.strip_prefix("- W")) {
            (Some(rest), _) => (Kind::Row, rest, " | "),
            (None, rest) => (Kind::Note, rest?, ", "),
        };
        let (number, rest) = rest.split_once(after)?;
        Some(Self {
            kind,
            number: number.parse().ok()?,
            title: rest.split_once(": ")?.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "| | what |\n|---|---|\n";

    fn between_markers(table: &str) -> String {
        let [begin, end] = MARKERS;
        format!("a\n{begin}\n{table}\n{end}b\n")
    }

    #[test]
    fn a_table_replaces_the_one_before() {
        let old = format!("{HEAD}| W1 | old: a |\n\nold\n\n- W1, old: b\n");
        let text = between_markers(&old);
        let new = replaced(&text, "new\n", Extent::Whole).unwrap();
        assert_eq!(new, between_markers("new\n"));
        assert_eq!(replaced(&new, "new\n", Extent::Whole).unwrap(), new);
        assert_eq!(replaced("no markers", "new", Extent::Whole), None);
    }

    #[track_caller]
    fn assert_merged(old: &str, new: &str, all: &str) {
        let [old, new, all] = [old, new, all].map(|rest| format!("{HEAD}{rest}"));
        let merged = replaced(&between_markers(&old), &new, Extent::Part).unwrap();
        assert_eq!(merged, between_markers(&all));
        assert_eq!(replaced(&merged, &new, Extent::Part).unwrap(), merged);
    }

    #[test]
    fn rows_of_what_was_not_measured_stay() {
        assert_merged(
            "| W1 | one: a |\n| W2 | two: b |\n| W11 | c: c |\n\nold words\n",
            "| W2 | two: new |\n| W2 | two: more |\n| W9 | d: d |\n\nnew words\n",
            "| W1 | one: a |\n| W2 | two: new |\n| W2 | two: more |\n| W9 | d: d |\n| W11 | c: c |\n\nnew words\n",
        );
    }

    #[test]
    fn notes_of_what_was_not_measured_stay() {
        let one = "| W1 | one: a |\n| W5 | five: b |\n\nwords\n\n- W1, one: c\n- W5, five: d\n";
        // A workload of which there is nothing to note any more has no note any more.
        assert_merged(
            one,
            "| W5 | five: new |\n\nwords\n",
            "| W1 | one: a |\n| W5 | five: new |\n\nwords\n\n- W1, one: c\n",
        );
        assert_merged(
            one,
            "| W3 | three: new |\n\nwords\n\n- W3, three: e\n",
            "| W1 | one: a |\n| W3 | three: new |\n| W5 | five: b |\n\nwords\n\n\
             - W1, one: c\n- W3, three: e\n- W5, five: d\n",
        );
    }

    #[test]
    fn workloads_that_share_a_number_keep_their_own_lines() {
        assert_merged(
            "| W6 | large: a |\n| W10 | large: b |\n| W10 | small: c |\n\n- W10, small: d\n",
            "| W6 | large: new |\n| W10 | large: new |\n",
            "| W6 | large: new |\n| W10 | large: new |\n| W10 | small: c |\n\n- W10, small: d\n",
        );
        assert_merged(
            "| W10 | large: b |\n| W10 | small: c |\n\n- W10, small: d\n",
            "| W10 | small: new |\n\n- W10, small: new\n",
            "| W10 | large: b |\n| W10 | small: new |\n\n- W10, small: new\n",
        );
    }

    #[test]
    fn a_note_is_a_line_of_its_workload() {
        let result = workload::Result::of_verdicts("W10", "some, or more", 1, 3, Vec::new());
        let note = note(&result, "medians of 3 runs.");
        let line = Line {
            kind: Kind::Note,
            number: 10,
            title: "some, or more",
        };
        assert_eq!(Line::parse(&note), Some(line));
    }

    #[test]
    fn figures_have_their_unit() {
        let stat = Stat {
            median: 0.5,
            least: 0.4,
            most: 0.75,
        };
        assert_eq!(shown(stat, Unit::Seconds), "0.50 s (0.40–0.75)");
        assert_eq!(shown(Stat::of(&[2e6]), Unit::Bytes), "2.0 MB");
    }
}
