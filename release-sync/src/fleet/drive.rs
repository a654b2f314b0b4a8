//! One session, driven over a transport: the only place where the state machine meets I/O.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use super::cancel::Cancel;
use super::payload_cache::{Answer, PayloadCache};
use crate::Error;
use crate::session::{Controller, Step};
use crate::transport::{Transport, Waker};

/// Bytes that are read at once.
const READ: usize = 256 << 10;

/// Bytes that are read before everything else has its turn: a host may send faster than they are read.
const ROUND: usize = 4 << 20;

/// Longest sleep: a cancellation that nobody was woken for is noticed after it.
const NAP: Duration = Duration::from_millis(500);

/// What becomes of a host that has everything staged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Wait: others are not there yet.
    Wait,
    /// Make it current.
    Commit,
    /// Leave the tree as it is.
    Abort,
}

/// Drives a session to its end.
pub(super) struct Drive<'a> {
    pub(super) transport: &'a mut dyn Transport,
    pub(super) session: &'a mut Controller,
    /// Where answers come from; `None` for sessions in which nothing may be asked for.
    pub(super) cache: Option<&'a PayloadCache>,
    pub(super) waker: &'a Waker,
    pub(super) cancel: &'a Cancel,
}

impl Drive<'_> {
    /// Runs until the session is over. `tell` hears every step; `decide` is asked, again and again,
    /// once all is staged. A cancelled session is aborted, unless its commit has begun.
    pub(super) fn run(
        &mut self,
        tell: &mut dyn FnMut(Step, &Controller),
        decide: &mut dyn FnMut() -> Verdict,
    ) -> Result<(), Error> {
        let mut buffer = vec![0; READ];
        let mut answers: VecDeque<(Arc<Answer>, usize)> = VecDeque::new();
        let (mut staged, mut committing) = (false, false);
        loop {
            let ended = self.read(&mut buffer)?;
            while let Some(step) = self.session.poll_step() {
                staged |= matches!(step, Step::Staged(_));
                tell(step, self.session);
            }
            if !committing && self.cancel.is_cancelled() {
                self.session.abort();
                self.flush();
                return Err(Error::Cancelled);
            }
            if staged && !committing {
                match decide() {
                    Verdict::Wait => {}
                    Verdict::Commit => {
                        committing = true;
                        self.session.commit();
                        while let Some(step) = self.session.poll_step() {
                            tell(step, self.session);
                        }
                    }
                    Verdict::Abort => self.session.abort(),
                }
            }
            let waiting = self.supply(&mut answers)?;
            let blocked = self.write()?;
            if self.session.is_over() {
                return Ok(());
            }
            if ended {
                self.session.handle_end(self.transport.stderr())?;
                return Ok(());
            }
            if !blocked && !waiting && self.session.poll_transmit().is_some() {
                continue;
            }
            self.sleep(blocked)?;
        }
    }

    /// Reads what is there, at most a round of it. Has the stream ended?
    fn read(&mut self, buffer: &mut [u8]) -> Result<bool, Error> {
        let mut taken = 0;
        while taken < ROUND {
            match self.transport.read(buffer) {
                Ok(0) => return Ok(true),
                Ok(count) => {
                    taken += count;
                    self.session
                        .handle_bytes(&buffer[..count], Instant::now())?;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(self.broken(error)),
            }
        }
        Ok(false)
    }

    /// Hands answers to the session while it takes them. Is one awaited that is still being encoded?
    fn supply(&mut self, answers: &mut VecDeque<(Arc<Answer>, usize)>) -> Result<bool, Error> {
        let Some(cache) = self.cache else {
            return Ok(false);
        };
        while let Some(want) = self.session.poll_encode() {
            let answer = cache.answer(&want);
            answer.prepare();
            answers.push_back((answer, 0));
        }
        while self.session.wants_answer() {
            let Some((answer, next)) = answers.front_mut() else {
                return Ok(false);
            };
            let (frame, last) = match answer.poll(*next, self.waker) {
                Poll::Pending => return Ok(true),
                Poll::Ready(frame) => frame.map_err(|error| self.broken(error))?,
            };
            *next += 1;
            if last {
                answers.pop_front();
            }
            self.session.handle_answer(frame, last);
            while let Some(want) = self.session.poll_encode() {
                let answer = cache.answer(&want);
                answer.prepare();
                answers.push_back((answer, 0));
            }
        }
        Ok(false)
    }

    /// Writes until there is no room or nothing left. Is there no room?
    fn write(&mut self) -> Result<bool, Error> {
        while let Some(bytes) = self.session.poll_transmit() {
            match self.transport.write(bytes) {
                Ok(count) => self.session.handle_transmitted(count, Instant::now()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                // A host that hangs up has often said why: that is read first.
                Err(error) => return self.last_words(error),
            }
        }
        Ok(false)
    }

    fn last_words(&mut self, error: io::Error) -> Result<bool, Error> {
        let mut buffer = vec![0; READ];
        let deadline = Instant::now() + NAP;
        while Instant::now() < deadline {
            match self.read(&mut buffer) {
                Ok(true) => self.session.handle_end(self.transport.stderr())?,
                Ok(false) => {}
                // The host's reason, where it gave one, is better than ours.
                Err(Error::Transport { .. }) => break,
                Err(reason) => return Err(reason),
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if self.transport.wait(false, self.waker, left).is_err() {
                break;
            }
        }
        Err(self.broken(error))
    }

    /// Sends a goodbye, if it can be sent at once.
    fn flush(&mut self) {
        let _ = self.write();
    }

    fn sleep(&mut self, blocked: bool) -> Result<(), Error> {
        let now = Instant::now();
        let due = self.session.poll_timeout().saturating_duration_since(now);
        self.transport
            .wait(blocked, self.waker, due.min(NAP))
            .map_err(|error| self.broken(error))?;
        self.session.handle_timeout(Instant::now())
    }

    fn broken(&self, source: io::Error) -> Error {
        Error::Transport {
            doing: self.session.doing(),
            source,
        }
    }
}
