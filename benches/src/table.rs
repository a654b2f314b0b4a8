//! What was measured, in Markdown.

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

/// Puts a table between the markers of a document. Fails where there are none. Lines of workloads that the
/// table is not about stay as they are.
pub fn put(document: &Path, table: &str) -> Result<(), String> {
    let said = |error| format!("{}: {error}", document.display());
    let text = fs::read_to_string(document).map_err(said)?;
    let text = replaced(&text, table)
        .ok_or_else(|| format!("{} has no markers for a table", document.display()))?;
    fs::write(document, text).map_err(said)
}

fn replaced(text: &str, table: &str) -> Option<String> {
    let [begin, end] = MARKERS;
    let (before, rest) = text.split_once(begin)?;
    let (old, after) = rest.split_once(end)?;
    let table = with_rows_of(table, old);
    Some(format!("{before}{begin}\n{table}\n{end}{after}"))
}

/// A table with those of another one's rows of whose workloads it has none, in the order of their numbers.
fn with_rows_of(table: &str, other: &str) -> String {
    let own: Vec<u32> = table.lines().filter_map(workload_of).collect();
    let is_kept = |line: &&str| workload_of(line).is_some_and(|number| !own.contains(&number));
    let mut kept = other.lines().filter(is_kept).peekable();
    if kept.peek().is_none() {
        return table.to_owned();
    }
    let mut rows: Vec<&str> = kept.collect();
    rows.extend(table.lines().filter(|line| workload_of(line).is_some()));
    rows.sort_by_key(|line| workload_of(line));
    let mut rows = Some(rows);
    let mut lines = Vec::new();
    for line in table.lines() {
        match workload_of(line) {
            None => lines.push(line),
            // All of them in the place of the first.
            Some(_) => lines.extend(rows.take().unwrap_or_default()),
        }
    }
    lines.join("\n") + "\n"
}

/// The number of the workload that a row is about.
fn workload_of(line: &str) -> Option<u32> {
    line.strip_prefix("| W")?.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_replaces_the_one_before() {
        let [begin, end] = MARKERS;
        let text = format!("a\n{begin}old\n{end}b\n");
        let new = replaced(&text, "new\n").unwrap();
        assert_eq!(new, format!("a\n{begin}\nnew\n\n{end}b\n"));
        assert_eq!(replaced(&new, "new\n").unwrap(), new);
        assert_eq!(replaced("no markers", "new"), None);
    }

    #[test]
    fn rows_of_what_was_not_measured_stay() {
        let [begin, end] = MARKERS;
        let head = "| | what |\n|---|---|\n";
        let text =
            format!("{begin}\n{head}| W1 | a |\n| W2 | b |\n| W11 | c |\n\nold words\n\n{end}");
        let table = format!("{head}| W2 | new |\n| W2 | more |\n| W9 | d |\n\nnew words\n");
        let all = format!(
            "{begin}\n{head}| W1 | a |\n| W2 | new |\n| W2 | more |\n| W9 | d |\n| W11 | c |\n\nnew words\n\n{end}"
        );
        assert_eq!(replaced(&text, &table).unwrap(), all);
        assert_eq!(replaced(&all, &table).unwrap(), all);
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
