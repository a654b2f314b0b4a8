//! A command from its start to its end.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use super::{SshSession, SshTransport, Transport};
use crate::Error;
use crate::transport::Waker;

/// The most that is kept of a command's output; the rest is read and thrown away.
const OUTPUT: usize = 64 << 10;

/// How long is waited for more from a command that has ended and whose streams have not: something in the
/// background may hold them.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Output {
    /// Its exit status, if the host has told it.
    pub(crate) status: Option<i32>,
    /// The beginning of its standard output, at most 64 KiB.
    pub(crate) stdout: Vec<u8>,
    /// The end of its standard error, at most 32 KiB.
    pub(crate) stderr: Vec<u8>,
}

const DOING: &str = "running a command";

pub(super) fn run(
    session: &SshSession,
    command: &str,
    mut input: Option<&mut dyn Read>,
) -> Result<Output, Error> {
    let failed = |source| session.failed(DOING, source);
    let mut transport = session.exec(command)?;
    let waker = Waker::new().map_err(failed)?;
    let mut feed = Feed::default();
    let mut stdout = Vec::new();
    let mut last_progress = Instant::now();
    loop {
        let mut progress = false;
        match drain(&mut transport, &mut stdout).map_err(failed)? {
            Drained::End => break,
            // What is thrown away is no progress, lest an endless flood pass for some.
            Drained::Some => progress = stdout.len() < OUTPUT,
            Drained::Nothing => {}
        }
        progress |= feed.advance(&mut transport, &mut input).map_err(failed)?;
        if progress {
            last_progress = Instant::now();
        }
        let silence = last_progress.elapsed();
        let has_ended = transport.early_status().is_some();
        if has_ended && silence >= LAST_WORDS {
            break;
        }
        if silence >= session.patience() {
            return Err(Error::Silence {
                doing: DOING,
                silence,
            });
        }
        let left = session.patience() - silence;
        let most = if has_ended {
            LAST_WORDS
        } else {
            Duration::from_secs(1)
        };
        transport
            .wait(feed.is_stuck, &waker, left.min(most))
            .map_err(failed)?;
    }
    Ok(Output {
        status: transport.exit_status(),
        stdout,
        stderr: transport.stderr().to_vec(),
    })
}

enum Drained {
    End,
    Some,
    Nothing,
}

fn drain(transport: &mut SshTransport, stdout: &mut Vec<u8>) -> io::Result<Drained> {
    let mut buffer = [0; 16 << 10];
    let mut drained = Drained::Nothing;
    loop {
        match transport.read(&mut buffer) {
            Ok(0) => return Ok(Drained::End),
            Ok(count) => {
                let room = OUTPUT - stdout.len();
                stdout.extend_from_slice(&buffer[..count.min(room)]);
                drained = Drained::Some;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(drained),
            Err(error) => return Err(error),
        }
    }
}

/// A command's input on its way there.
#[derive(Default)]
struct Feed {
    buffer: Vec<u8>,
    sent: usize,
    is_done: bool,
    is_stuck: bool,
}

impl Feed {
    /// Writes as much as there is room for, and the end of the stream after the last byte. Says whether
    /// anything moved.
    fn advance(
        &mut self,
        transport: &mut SshTransport,
        input: &mut Option<&mut dyn Read>,
    ) -> io::Result<bool> {
        let mut moved = false;
        self.is_stuck = false;
        while !self.is_done {
            if self.sent == self.buffer.len() {
                self.refill(input)?;
            }
            let step = if self.buffer.is_empty() {
                transport.finish().map(|()| self.is_done = true)
            } else {
                let rest = &self.buffer[self.sent..];
                transport.write(rest).map(|count| self.sent += count)
            };
            match step {
                Ok(()) => moved = true,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.is_stuck = true;
                    return Ok(moved);
                }
                // It wants no more; why, it says on its other streams, and with its exit status.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.is_done = true,
                Err(error) => return Err(error),
            }
        }
        Ok(moved)
    }

    fn refill(&mut self, input: &mut Option<&mut dyn Read>) -> io::Result<()> {
        self.sent = 0;
        self.buffer.resize(256 << 10, 0);
        let count = match input {
            Some(input) => input.read(&mut self.buffer)?,
            None => 0,
        };
        self.buffer.truncate(count);
        Ok(())
    }
}
