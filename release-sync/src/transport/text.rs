//! What a far end says in words: kept short, and shown without its tricks.

/// The most that is kept of a far end's standard error.
const KEPT: usize = 32 << 10;

/// The end of a text of any length.
#[derive(Debug, Default)]
pub(super) struct Tail(Vec<u8>);

impl Tail {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
        // Cutting at twice the size moves each byte once, not once a call.
        if self.0.len() > 2 * KEPT {
            self.0.drain(..self.0.len() - KEPT);
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0[self.0.len().saturating_sub(KEPT)..]
    }
}

/// The most characters of a far end's words that go into a message.
const SHOWN: usize = 1000;

/// The end of a far end's words, fit for a message: trimmed, lines kept apart by " / ", and everything
/// escaped that would move a cursor, set a colour or turn the direction of writing.
pub(crate) fn harmless(words: &[u8]) -> String {
    let words = String::from_utf8_lossy(words);
    let lines: Vec<String> = words
        .lines()
        .map(|line| line.trim().chars().map(visible).collect::<String>())
        .filter(|line| !line.is_empty())
        .collect();
    let text = lines.join(" / ");
    match text.char_indices().rev().nth(SHOWN - 1) {
        Some((start, _)) if start > 0 => format!("…{}", &text[start..]),
        _ => text,
    }
}

fn visible(character: char) -> String {
    let turns_direction = matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if character == '\t' {
        String::from(" ")
    } else if character.is_control() || turns_direction {
        character.escape_default().to_string()
    } else {
        String::from(character)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_keeps_the_end() {
        let mut tail = Tail::default();
        for number in 0..40_000_u32 {
            tail.push(format!("{number:05}\n").as_bytes());
            assert!(tail.0.len() <= 2 * KEPT);
        }
        assert_eq!(tail.bytes().len(), KEPT);
        assert!(tail.bytes().ends_with(b"39998\n39999\n"));
    }

    #[test]
    fn words_lose_their_tricks() {
        assert_eq!(
            harmless(b"  sh: 1:\tx\r\n\n \x1b[2Jgone \xff\n"),
            "sh: 1: x / \\u{1b}[2Jgone \u{fffd}"
        );
        assert_eq!(harmless("a\u{202e}b".as_bytes()), "a\\u{202e}b");
        assert_eq!(harmless(b" \n"), "");
    }

    #[test]
    fn long_words_are_cut_at_the_front() {
        let text = harmless("ä".repeat(5000).as_bytes());
        assert_eq!(text.chars().count(), SHOWN + 1);
        assert!(text.starts_with('…'));
        assert_eq!(harmless(&[b'x'; SHOWN]), "x".repeat(SHOWN));
    }
}
