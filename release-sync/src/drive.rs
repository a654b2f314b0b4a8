//! One session, driven over a transport: the only place where the state machine meets I/O.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::Error;
use crate::cancel::Cancel;
use crate::pace::Pace;
use crate::session::{Controller, Step};
use crate::supply::{Answer, Awaited};
use crate::transport::{Transport, Waker};

/// Bytes that are read at once.
const READ: usize = 256 << 10;

/// Bytes that are read before everything else has its turn: a host may send faster than they are read.
const ROUND: usize = 4 << 20;

/// Longest sleep: a cancellation that nobody was woken for is noticed after it.
const NAP: Duration = Duration::from_millis(500);

/// How often a verdict is asked for again.
const LINGER: Duration = Duration::from_millis(20);

/// Answers of one want that are encoded ahead.
const PREPARED: usize = 8;

/// What a want is still to be answered with, and the next frame of the first of it.
struct Due {
    answers: VecDeque<Arc<Answer>>,
    frame: usize,
}

/// Why nothing more is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blocked {
    /// There is nothing to send.
    No,
    /// The transport has no room.
    Full,
    /// It would be faster than allowed; for so long.
    Paced(Duration),
}

/// What becomes of a host that has everything staged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Wait: others are not there yet. Asked again soon, since it is also time that decides.
    Wait,
    /// Wait until woken.
    Hold,
    /// Make it current.
    Commit,
    /// Leave the tree as it is.
    Abort,
}

/// Drives a session to its end.
pub(crate) struct Drive<'a> {
    pub(crate) transport: &'a mut dyn Transport,
    pub(crate) session: &'a mut Controller,
    /// What is given out, and where answers come from; nothing for sessions that give nothing.
    pub(crate) awaited: &'a Awaited,
    /// The host's number in the cache.
    pub(crate) reader: usize,
    pub(crate) waker: &'a Waker,
    pub(crate) cancel: &'a Cancel,
    /// Limits that hold at the same time: this host's, and that of all together.
    pub(crate) paces: &'a [Pace],
}

impl Drive<'_> {
    /// Runs until the session is over. `tell` hears every step; `decide` is asked, again and again,
    /// once all is staged. A cancelled session is aborted, unless its commit has begun.
    pub(crate) fn run(
        &mut self,
        tell: &mut dyn FnMut(Step, &Controller),
        decide: &mut dyn FnMut() -> Verdict,
    ) -> Result<(), Error> {
        self.awaited.wake_then(self.waker);
        let mut buffer = vec![0; READ];
        let mut due = VecDeque::new();
        let (mut staged, mut committing) = (false, false);
        let mut lingers = false;
        // Had the transport no room when something was last written to it?
        let mut full = false;
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
                let verdict = decide();
                lingers = verdict == Verdict::Wait;
                match verdict {
                    Verdict::Wait | Verdict::Hold => {}
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
            let waiting = self.await_release() || self.supply(&mut due)?;
            let sent = self.session.counts().bytes_sent;
            let blocked = self.write()?;
            full = match blocked {
                Blocked::Full => true,
                _ => full && self.session.counts().bytes_sent == sent,
            };
            if waiting || (matches!(blocked, Blocked::Paced(_)) && !full) {
                self.session.handle_delay(Instant::now());
            }
            if self.session.is_over() {
                return Ok(());
            }
            if ended {
                self.session.handle_end(self.transport.stderr())?;
                return Ok(());
            }
            match blocked {
                Blocked::No if !waiting && self.has_more(&due) => {}
                Blocked::No if lingers => self.sleep(false, LINGER)?,
                Blocked::No => self.sleep(false, NAP)?,
                Blocked::Full => self.sleep(true, NAP)?,
                Blocked::Paced(delay) => self.sleep(false, delay)?,
            }
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

    /// Passes on what is given out, if the session waits for that. Does it still?
    fn await_release(&mut self) -> bool {
        if !self.session.awaits_release() {
            return false;
        }
        match self.awaited.get() {
            Some(supplied) => self.session.handle_release(&supplied.release),
            None => return true,
        }
        false
    }

    /// Hands answers to the session while it takes them. Is one awaited that is still being encoded?
    fn supply(&mut self, due: &mut VecDeque<Due>) -> Result<bool, Error> {
        let Some(cache) = self.awaited.cache() else {
            return Ok(false);
        };
        loop {
            while let Some(want) = self.session.poll_encode() {
                let answers = cache.answers(&want);
                answers.iter().take(PREPARED).for_each(Answer::prepare);
                due.push_back(Due {
                    answers: answers.into(),
                    frame: 0,
                });
            }
            if !self.session.wants_answer() {
                return Ok(false);
            }
            let Some(Due { answers, frame }) = due.front_mut() else {
                return Ok(false);
            };
            let Some(answer) = answers.front() else {
                due.pop_front();
                continue;
            };
            let (payload, last) = match answer.poll(*frame, self.reader, self.waker) {
                Poll::Pending => return Ok(true),
                Poll::Ready(payload) => payload.map_err(|error| self.broken(error))?,
            };
            *frame += 1;
            if last {
                answers.pop_front();
                answers.iter().take(PREPARED).for_each(Answer::prepare);
                *frame = 0;
            }
            self.session
                .handle_answer(payload, last && answers.is_empty());
        }
    }

    /// Is there something to send that nobody will wake us for? What was written has made room for answers.
    fn has_more(&self, due: &VecDeque<Due>) -> bool {
        let is_due = self.session.wants_answer() && !due.is_empty();
        is_due || self.session.poll_transmit().is_some()
    }

    /// Writes until there is no room or nothing left.
    fn write(&mut self) -> Result<Blocked, Error> {
        let piece = self
            .paces
            .iter()
            .map(Pace::piece)
            .min()
            .unwrap_or(usize::MAX);
        while let Some(bytes) = self.session.poll_transmit() {
            let now = Instant::now();
            if let Some(delay) = self.paces.iter().filter_map(|pace| pace.delay(now)).max() {
                return Ok(Blocked::Paced(delay));
            }
            match self.transport.write(&bytes[..bytes.len().min(piece)]) {
                Ok(count) => {
                    self.paces.iter().for_each(|pace| pace.spend(count));
                    self.session.handle_transmitted(count, now);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Blocked::Full);
                }
                // A host that hangs up has often said why: that is read first.
                Err(error) => return Err(self.last_words(error)),
            }
        }
        Ok(Blocked::No)
    }

    fn last_words(&mut self, error: io::Error) -> Error {
        let mut buffer = vec![0; READ];
        let deadline = Instant::now() + NAP;
        while Instant::now() < deadline {
            match self.read(&mut buffer) {
                Ok(true) => match self.session.handle_end(self.transport.stderr()) {
                    Ok(()) => break,
                    Err(reason) => return reason,
                },
                Ok(false) => {}
                // The host's reason, where it gave one, is better than ours.
                Err(Error::Transport { .. }) => break,
                Err(reason) => return reason,
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if self.transport.wait(false, self.waker, left).is_err() {
                break;
            }
        }
        self.broken(error)
    }

    /// Sends a goodbye, if it can be sent at once.
    fn flush(&mut self) {
        let _ = self.write();
    }

    fn sleep(&mut self, blocked: bool, longest: Duration) -> Result<(), Error> {
        let now = Instant::now();
        let due = self.session.poll_timeout().saturating_duration_since(now);
        self.transport
            .wait(blocked, self.waker, due.min(longest))
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

#[cfg(test)]
mod tests;
