//! What `doctor` found, for people.

use super::paint::{Paint, Tone};
use super::words::{count, harmless, seconds};
use super::{Check, Finding, Health};

/// What was found at a place. A host that is well in all respects takes one line, unless all is wanted.
pub(super) fn place(host: Option<&str>, checks: &[Check], in_full: bool, paint: Paint) -> String {
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
        let found = harmless(&check.text);
        text.push_str(&format!("  {word}  {:<13}  {found}\n", check.name));
        if let Some(mend) = &check.mend {
            text.push_str(&format!("{:26}to mend: {}\n", "", harmless(mend)));
        }
    }
    text
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
    use crate::ui::samples;

    #[test]
    fn an_examination_reads_well() {
        let (local, host) = samples::checks();
        let well = &host[..1];
        let mut text = place(None, &local, false, Paint(false));
        text += &place(Some("web-1"), well, false, Paint(false));
        text += &place(Some("web-1"), well, true, Paint(false));
        text += &place(Some("web-2\x1b[2J"), &host, false, Paint(false));
        text += &totals(&Health {
            faults: 1,
            warnings: 2,
            seconds: 0.42,
        });
        insta::assert_snapshot!(text);
    }
}
