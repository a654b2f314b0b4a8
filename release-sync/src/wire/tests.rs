//! The bytes of the conversation: what they are, and what is refused.
#![allow(clippy::unwrap_used)]

mod goldens;
mod hostile;

use super::{Decoder, Frame, VERSION};

/// Takes a stream apart that begins with a greeting.
fn frames(stream: &[u8]) -> Vec<Frame> {
    let mut decoder = Decoder::default();
    decoder.push(stream);
    assert_eq!(decoder.greeting().unwrap(), Some(VERSION));
    let mut frames = Vec::new();
    while let Some(frame) = decoder.frame().unwrap() {
        frames.push(frame);
    }
    frames
}
