//! What the tests of all transports share.
#![allow(clippy::unwrap_used)]

use std::io;
use std::time::{Duration, Instant};

use super::{Transport, Waker};

/// Longest time without any progress before a test gives up.
const STUCK: Duration = Duration::from_secs(20);

/// An endless stream of bytes in which every place looks different from its surroundings.
pub(crate) struct Pattern {
    block: Vec<u8>,
    at: u64,
}

impl Default for Pattern {
    fn default() -> Self {
        // A prime length: a block that is lost, doubled or out of place does not fit.
        let mut block = vec![0; 1_000_003];
        blake3::Hasher::new().finalize_xof().fill(&mut block);
        Self { block, at: 0 }
    }
}

impl Pattern {
    /// The next bytes, at most `most` and at least one.
    pub(crate) fn peek(&self, most: usize) -> &[u8] {
        let start = (self.at % self.block.len() as u64) as usize;
        let end = self.block.len().min(start + most);
        &self.block[start..end]
    }

    pub(crate) fn advance(&mut self, count: usize) {
        self.at += count as u64;
    }

    /// Compares the next bytes and goes on behind them.
    fn expect(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let next = self.peek(bytes.len());
            let count = next.len();
            assert!(next == &bytes[..count], "other bytes at {}", self.at);
            bytes = &bytes[count..];
            self.advance(count);
        }
    }
}

/// Waits, and fails where it was time that ended the wait: what was to be announced was not.
fn doze(transport: &mut dyn Transport, want_write: bool, waker: &Waker) {
    let start = Instant::now();
    transport.wait(want_write, waker, STUCK).unwrap();
    assert!(start.elapsed() < STUCK, "nothing ended the sleep");
}

/// Sends `total` bytes to a far end that sends everything back, and reads them at the same time.
pub(crate) fn exchange(transport: &mut dyn Transport, total: u64) {
    let waker = Waker::new().unwrap();
    let (mut out, mut back) = (Pattern::default(), Pattern::default());
    let mut buffer = vec![0; 64 << 10];
    let mut last = Instant::now();
    let mut fruitless = 0;
    while back.at < total {
        let before = (out.at, back.at);
        while back.at < total {
            match transport.read(&mut buffer) {
                Ok(0) => panic!("ended after {} of {total} bytes", back.at),
                Ok(count) => back.expect(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error} after {} of {total} bytes", back.at),
            }
        }
        while out.at < total {
            let most = usize::try_from(total - out.at).unwrap().min(256 << 10);
            match transport.write(out.peek(most)) {
                Ok(count) => out.advance(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error} having sent {} of {total} bytes", out.at),
            }
        }
        fruitless += 1;
        if before != (out.at, back.at) {
            last = Instant::now();
            fruitless = 0;
        }
        assert!(fruitless < 1000, "spins at {} / {}", out.at, back.at);
        assert!(last.elapsed() < STUCK, "stuck at {} / {}", out.at, back.at);
        if back.at < total {
            doze(transport, out.at < total, &waker);
        }
    }
}

/// Reads to the end.
pub(crate) fn collect(transport: &mut dyn Transport) -> Vec<u8> {
    let waker = Waker::new().unwrap();
    let mut all = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    let mut last = Instant::now();
    loop {
        match transport.read(&mut buffer) {
            Ok(0) => return all,
            Ok(count) => {
                all.extend_from_slice(&buffer[..count]);
                last = Instant::now();
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                assert!(last.elapsed() < STUCK, "stuck after {} bytes", all.len());
                doze(transport, false, &waker);
            }
            Err(error) => panic!("{error} after {} bytes", all.len()),
        }
    }
}
