//! Numbers as people read them, and texts that fit and do no harm.

use std::borrow::Cow;
use std::time::Duration;

use release_core::escape;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns that a text takes on a terminal.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// As much of a text as fits, with `…` for the rest.
pub(super) fn cut(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let mut kept = beginning(text, room.saturating_sub(1)).to_owned();
    if room > 0 {
        kept.push('…');
    }
    kept
}

/// As much of both ends of a text as fits, with `…` between them.
pub(super) fn shorten(text: &str, room: usize) -> String {
    if width(text) <= room || room < 3 {
        return cut(text, room);
    }
    let behind = (room - 1) / 2;
    let backwards: String = text.chars().rev().collect();
    let end: String = beginning(&backwards, behind).chars().rev().collect();
    format!("{}…{end}", beginning(text, room - 1 - width(&end)))
}

/// The longest beginning of a text that takes no more than `room` columns.
fn beginning(text: &str, room: usize) -> &str {
    let mut taken = 0;
    let end = text.char_indices().find(|(_, character)| {
        taken += character.width().unwrap_or(0);
        taken > room
    });
    &text[..end.map_or(text.len(), |(index, _)| index)]
}

/// A text in lines of at most `room` columns, but for words that are longer. The first has `taken` less.
pub(super) fn wrap(text: &str, room: usize, taken: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = taken;
    for word in text.split(' ') {
        let last = lines.len() - 1;
        let is_first = lines[last].is_empty();
        if !is_first && used + 1 + width(word) > room {
            lines.push(word.to_owned());
            used = width(word);
            continue;
        }
        if !is_first {
            lines[last].push(' ');
            used += 1;
        }
        lines[last].push_str(word);
        used += width(word);
    }
    lines
}

/// A text that can't move the cursor or turn a line around. Backslashes stay as they are, since most
/// texts that come here have been escaped before.
pub(super) fn harmless(text: &str) -> Cow<'_, str> {
    // Only what is not harmless becomes longer, apart from backslashes.
    let is_safe = |character: &str| character == "\\" || escape(character.as_bytes()) == character;
    let mut buffer = [0; 4];
    if text
        .chars()
        .all(|character| is_safe(character.encode_utf8(&mut buffer)))
    {
        return Cow::Borrowed(text);
    }
    let escaped = escape(text.as_bytes());
    Cow::Owned(escaped.replace("\\\\", "\\"))
}

/// `0 B`, `999 B`, `1.2 kB`, `34.5 MB`: powers of 1,000, at least two digits that count.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1_000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1_000.0;
    let mut unit = 0;
    // What would be rounded to 1,000 belongs to the next unit.
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1_000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// `3.2 of 8.1 GB`, `900.0 kB of 8.1 GB`.
pub(super) fn part(done: u64, all: u64) -> String {
    let (done, all) = (bytes(done), bytes(all));
    match (done.split_once(' '), all.split_once(' ')) {
        (Some((number, unit)), Some((_, same))) if unit == same => format!("{number} of {all}"),
        _ => format!("{done} of {all}"),
    }
}

/// `1 file`, `1,200 files`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", thousands(number))
}

/// `1 entry`, `1,200 entries`.
pub(crate) fn entries(number: u64) -> String {
    let noun = if number == 1 { "entry" } else { "entries" };
    format!("{} {noun}", thousands(number))
}

/// `a, b and 3 others`: the first five, and how many more.
pub(super) fn list(names: &[&str]) -> String {
    let (shown, rest) = names.split_at(names.len().min(5));
    match rest.len() {
        0 => shown.join(", "),
        more => format!("{} and {}", shown.join(", "), count(more as u64, "other")),
    }
}

/// `1,234,567`
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `140 ms`; from ten seconds on as [`seconds`].
pub(super) fn milliseconds(duration: Duration) -> String {
    match duration.as_millis() {
        millis @ 0..10_000 => format!("{millis} ms"),
        _ => seconds(duration.as_secs_f64()),
    }
}

/// `0.04 s`, `1.2 s`, `2 min 05 s`.
pub(super) fn seconds(seconds: f64) -> String {
    match seconds {
        ..0.995 => format!("{:.2} s", seconds.max(0.0)),
        ..99.95 => format!("{seconds:.1} s"),
        _ => {
            let whole = seconds.round() as u64;
            format!("{} min {:02} s", whole / 60, whole % 60)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_units() {
        for (number, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (34_120, "34.1 kB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(bytes(number), text);
        }
    }

    #[test]
    fn parts_share_a_unit() {
        assert_eq!(part(3_200_000, 8_100_000), "3.2 of 8.1 MB");
        assert_eq!(part(900_000, 8_100_000), "900.0 kB of 8.1 MB");
        assert_eq!(part(0, 0), "0 of 0 B");
    }

    #[test]
    fn counts_have_nouns() {
        assert_eq!(count(0, "file"), "0 files");
        assert_eq!(count(1, "file"), "1 file");
        assert_eq!(count(1_234_567, "file"), "1,234,567 files");
        assert_eq!(
            (entries(1), entries(2)),
            ("1 entry".into(), "2 entries".into())
        );
    }

    #[test]
    fn long_texts_are_broken_at_blanks() {
        for (text, room, taken, lines) in [
            ("a bc def", 4, 0, &["a bc", "def"][..]),
            ("a bc def", 4, 2, &["a", "bc", "def"]),
            ("/a/long/path is one", 6, 0, &["/a/long/path", "is one"]),
            ("", 6, 0, &[""]),
            ("a  b", 80, 0, &["a  b"]),
        ] {
            assert_eq!(wrap(text, room, taken), lines, "{text}");
        }
    }

    #[test]
    fn texts_are_cut_to_what_fits() {
        for (text, room, cut_to, shortened) in [
            ("worker", 6, "worker", "worker"),
            ("worker-10", 6, "worke…", "wor…10"),
            ("worker-10", 2, "w…", "w…"),
            ("worker-10", 0, "", ""),
            ("東京東京", 5, "東京…", "東…京"),
            ("東京東京", 4, "東…", "東…"),
        ] {
            assert_eq!(cut(text, room), cut_to);
            assert_eq!(shorten(text, room), shortened);
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_takes_more_room_than_there_is(text in "[a-z東é\u{301}]{0,20}", room in 0..20_usize) {
            for text in [cut(&text, room), shorten(&text, room)] {
                proptest::prop_assert!(width(&text) <= room, "{text:?}");
            }
        }

        #[test]
        fn what_is_harmless_stays_so(text in ".*") {
            let once = harmless(&text).into_owned();
            proptest::prop_assert!(!once.contains(char::is_control));
            proptest::prop_assert_eq!(&*harmless(&once), &*once);
        }
    }

    #[test]
    fn escapes_are_told_and_not_done() {
        assert_eq!(harmless("web-1"), "web-1");
        assert_eq!(harmless("a\\x1b"), "a\\x1b");
        assert_eq!(harmless("\x1b[2J\u{202e}"), "\\x1b[2J\\xe2\\x80\\xae");
    }

    #[test]
    fn seconds_become_minutes() {
        for (number, text) in [
            (0.0, "0.00 s"),
            (0.042, "0.04 s"),
            (0.996, "1.0 s"),
            (99.9, "99.9 s"),
            (125.2, "2 min 05 s"),
        ] {
            assert_eq!(seconds(number), text);
        }
    }
}
