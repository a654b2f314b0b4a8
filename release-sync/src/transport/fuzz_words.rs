//! What a far end says in words, for fuzzers (see [`crate::fuzz`]).

use super::harmless;

/// Any bytes make a text that moves no cursor, is short, and is what it is when it is shown again.
pub fn words(bytes: &[u8]) {
    let text = harmless(bytes);
    assert!(!text.contains(char::is_control), "{text:?}");
    assert!(!text.contains(['\u{200e}', '\u{200f}', '\u{202e}', '\u{2066}']));
    assert!(text.chars().count() <= 1001);
    if !text.starts_with('…') {
        assert_eq!(harmless(text.as_bytes()), text.trim());
    }
}

pub(crate) fn said() -> Vec<Vec<u8>> {
    let said = ["  sh: 1:\tx\r\n\n \x1b[2Jgone\n", "a\u{202e}b\u{85}c"];
    let mut said: Vec<Vec<u8>> = said.map(|text| text.as_bytes().to_vec()).to_vec();
    said.push(vec![0xff, b'\n', 0, b'\r']);
    said
}
