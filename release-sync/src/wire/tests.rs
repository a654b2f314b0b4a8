//! The bytes of the conversation: what they are, and what is refused.
#![allow(clippy::unwrap_used)]

mod goldens;
mod hostile;

use super::{Decoder, Frame};

/// Takes a stream apart that begins with a greeting of that version.
fn frames(version: u16, stream: &[u8]) -> Vec<Frame> {
    let mut decoder = Decoder::default();
    decoder.push(stream);
    assert_eq!(decoder.greeting().unwrap(), Some(version));
    let mut frames = Vec::new();
    while let Some(frame) = decoder.frame().unwrap() {
        frames.push(frame);
    }
    frames
}
