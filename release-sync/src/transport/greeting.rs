//! The magic bytes that an agent speaks first, and the noise that may come before them.

use std::io;
use std::time::{Duration, Instant};

use super::{Transport, Waker};

/// The most bytes that a login shell may print before the agent's magic.
const NOISE: usize = 8 << 10;

/// How long is waited for the last words of a far end that has ended, once it says nothing more.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// Why the magic was not found. All but `Failed` hold what was read instead.
#[derive(Debug)]
pub(crate) enum MagicError {
    /// More than 8 KiB came, without it.
    Noise(Vec<u8>),
    /// The stream ended before it, or the far end did.
    Ended(Vec<u8>),
    /// It did not come in time.
    Silent(Vec<u8>),
    /// The transport failed.
    Failed(io::Error),
}

/// Reads until the far end has said the magic, which proves that it is an agent; hands back the noise
/// that came before. The magic itself and what follows are yet to be read from the transport.
///
/// `timeout` bounds the whole of it.
pub(crate) fn await_magic(
    transport: &mut dyn Transport,
    magic: &[u8; 8],
    waker: &Waker,
    timeout: Duration,
) -> Result<Vec<u8>, MagicError> {
    let start = Instant::now();
    let mut heard_at = start;
    let mut heard = Vec::new();
    let mut buffer = [0; NOISE];
    loop {
        match transport.read(&mut buffer) {
            Ok(0) => return Err(MagicError::Ended(heard)),
            Ok(count) => {
                heard.extend_from_slice(&buffer[..count]);
                heard_at = Instant::now();
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let Some(left) = timeout.checked_sub(start.elapsed()) else {
                    return Err(MagicError::Silent(heard));
                };
                let has_ended = transport.early_status().is_some();
                if has_ended && heard_at.elapsed() >= LAST_WORDS {
                    return Err(MagicError::Ended(heard));
                }
                let left = if has_ended {
                    LAST_WORDS.min(left)
                } else {
                    left
                };
                transport
                    .wait(false, waker, left)
                    .map_err(MagicError::Failed)?;
                if !has_ended && transport.early_status().is_some() {
                    heard_at = Instant::now();
                }
                continue;
            }
            Err(error) => return Err(MagicError::Failed(error)),
        }
        // At most two buffers' worth is searched, and seldom more than once.
        if let Some(at) = heard.windows(magic.len()).position(|bytes| bytes == magic) {
            transport.unread(&heard[at..]);
            heard.truncate(at);
            return Ok(heard);
        }
        if heard.len() >= NOISE + magic.len() {
            heard.truncate(NOISE);
            return Err(MagicError::Noise(heard));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Write;

    use super::*;
    use crate::transport::memory_pair;

    const MAGIC: [u8; 8] = *b"\0magic\r\n";

    fn listen(said: &[u8], timeout: Duration) -> (Result<Vec<u8>, MagicError>, Vec<u8>) {
        let (mut transport, reader, mut writer) = memory_pair(64 << 10).unwrap();
        writer.write_all(said).unwrap();
        let heard = await_magic(&mut transport, &MAGIC, &Waker::new().unwrap(), timeout);
        drop((reader, writer));
        let mut rest = Vec::new();
        let mut buffer = [0; 100];
        while let Ok(count @ 1..) = transport.read(&mut buffer) {
            rest.extend_from_slice(&buffer[..count]);
        }
        (heard, rest)
    }

    #[test]
    fn noise_is_skipped_and_the_magic_left() {
        let (noise, rest) = listen(b"Welcome!\n\0magi\0magic\r\nrest", Duration::from_secs(9));
        assert_eq!(noise.unwrap(), b"Welcome!\n\0magi");
        assert_eq!(rest, b"\0magic\r\nrest");
    }

    #[test]
    fn the_longest_noise_is_skipped() {
        let mut said = vec![b'x'; NOISE];
        said.extend_from_slice(&MAGIC);
        let (noise, rest) = listen(&said, Duration::from_secs(9));
        assert_eq!(noise.unwrap().len(), NOISE);
        assert_eq!(rest, MAGIC);
    }

    #[test]
    fn too_much_noise_is_an_error() {
        let (noise, _) = listen(&[b'x'; NOISE + 100], Duration::from_secs(9));
        assert!(matches!(noise, Err(MagicError::Noise(noise)) if noise.len() == NOISE));
    }

    #[test]
    fn silence_is_an_error() {
        let (noise, _) = listen(b"hm", Duration::from_millis(20));
        assert!(matches!(noise, Err(MagicError::Silent(noise)) if noise == b"hm"));
    }

    #[test]
    fn the_end_is_an_error() {
        let (mut transport, reader, mut writer) = memory_pair(64 << 10).unwrap();
        writer.write_all(&MAGIC[..7]).unwrap();
        drop((reader, writer));
        let waker = Waker::new().unwrap();
        let heard = await_magic(&mut transport, &MAGIC, &waker, Duration::from_secs(9));
        assert!(matches!(heard, Err(MagicError::Ended(noise)) if noise == MAGIC[..7]));
    }
}
