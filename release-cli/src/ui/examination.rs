//! What `doctor` found, for people.

use super::canvas::Canvas;
use super::paint::Tone;
use super::words::{count, harmless, seconds, width, wrap};
use super::{Check, Finding, Health};

/// Columns before what was found.
const MARGIN: usize = 26;

/// With less room than this for them, texts are left to the terminal.
const LEAST_ROOM: usize = 30;

/// What was found at a place. A host that is well in all respects takes one line, unless all is wanted.
pub(super) fn place(host: Option<&str>, checks: &[Check], in_full: bool, canvas: Canvas) -> String {
    let paint = canvas.paint;
    let name = host.unwrap_or("this machine");
    let name = paint.apply(Tone::Bold, &harmless(name));
    let is_well = checks.iter().all(|check| check.finding == Finding::Ok);
    if host.is_some() && is_well && !in_full {
        let names: Vec<_> = checks.iter().map(|check| check.name).collect();
        let word = paint.apply(Tone::Good, "ok");
        return format!("{name}\n  {word}       {}\n", names.join(", "));
    }
    let mut text = format!("{name}\n");
    for check in checks {
        let word = format!("{:<7}", check.finding.as_str());
        let word = paint.apply(tone(check.finding), &word);
        let found = hang("", &check.text, canvas);
        text.push_str(&format!("  {word}  {:<13}  {found}\n", check.name));
        if let Some(mend) = &check.mend {
            let mend = hang("to mend: ", mend, canvas);
            text.push_str(&format!("{:MARGIN$}{mend}\n", ""));
        }
    }
    text
}

/// A text behind the margin, broken where the terminal ends.
fn hang(word: &str, text: &str, canvas: Canvas) -> String {
    let text = harmless(text);
    let room = canvas.indented(MARGIN).columns;
    let lines = match room.filter(|room| *room >= LEAST_ROOM) {
        None => vec![text.into_owned()],
        Some(room) => wrap(&text, room, width(word)),
    };
    format!("{word}{}", lines.join(&format!("\n{:MARGIN$}", "")))
}

pub(super) fn totals(health: &Health) -> String {
    format!(
        "{}, {}; looked at in {}\n",
        count(health.faults as u64, "fault"),
        count(health.warnings as u64, "warning"),
        seconds(health.seconds),
    )
}

fn tone(finding: Finding) -> Tone {
    match finding {
        Finding::Ok => Tone::Good,
        Finding::Warning => Tone::Warning,
        Finding::Fault => Tone::Bad,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::paint::Paint;
    use crate::ui::samples;

    #[test]
    fn a_terminal_is_not_written_beyond() {
        let (local, host) = samples::checks();
        for columns in [60, 80] {
            let canvas = Canvas {
                columns: Some(columns),
                ..Canvas::paper(Paint(false))
            };
            let text = place(None, &local, false, canvas) + &place(None, &host, false, canvas);
            assert!(text.contains("to mend: "));
            for line in text.lines() {
                let is_one_word = line.trim().split(' ').count() <= 2;
                assert!(width(line) <= columns || is_one_word, "{line}");
            }
            insta::assert_snapshot!(format!("examination at {columns}"), text);
        }
    }

    #[test]
    fn an_examination_reads_well() {
        let (local, host) = samples::checks();
        let well = &host[..1];
        let canvas = Canvas::paper(Paint(false));
        let mut text = place(None, &local, false, canvas);
        text += &place(Some("web-1"), well, false, canvas);
        text += &place(Some("web-1"), well, true, canvas);
        text += &place(Some("web-2\x1b[2J"), &host, false, canvas);
        text += &totals(&Health {
            faults: 1,
            warnings: 2,
            seconds: 0.42,
        });
        insta::assert_snapshot!(text);
    }
}
