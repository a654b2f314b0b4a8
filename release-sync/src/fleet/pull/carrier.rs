//! The receiver's thread, and the bytes between it and a transport.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::DOING;
use crate::agent::{Latch, Received, Receiver, receive};
use crate::transport::{Transport, Waker};
use crate::{Cancel, Error};

/// Bytes from the host that the receiver has not taken yet, at most.
const BACKLOG: usize = 8 << 20;

/// How long a receiver that is given up is waited for, so that its lock is gone as a rule.
const FAREWELL: Duration = Duration::from_millis(100);

/// How far it is is told at most this often.
const PROGRESS: Duration = Duration::from_millis(100);

/// Longest sleep.
const NAP: Duration = Duration::from_millis(500);

/// Carries bytes between the receiver's thread and a transport.
pub(super) struct Carrier {
    waker: Waker,
    to_receiver: Option<mpsc::Sender<Vec<u8>>>,
    backlog: Arc<AtomicUsize>,
    from_receiver: Arc<Mutex<Outgoing>>,
    latch: Latch,
    thread: Option<std::thread::JoinHandle<Received>>,
    /// Bytes to the host.
    pub(super) sent: u64,
    /// Bytes from the host.
    pub(super) received: u64,
}

#[derive(Default)]
struct Outgoing {
    bytes: VecDeque<u8>,
    ended: bool,
}

impl Carrier {
    pub(super) fn start(receiver: Receiver, opening: Vec<u8>) -> Result<Self, Error> {
        let waker = Waker::new().map_err(|source| Error::Transport {
            doing: "starting",
            source,
        })?;
        let (to_receiver, pieces) = mpsc::channel();
        let backlog = Arc::new(AtomicUsize::new(0));
        let outgoing = Outgoing {
            bytes: opening.into(),
            ended: false,
        };
        let from_receiver = Arc::new(Mutex::new(outgoing));
        let input = Input {
            pieces,
            piece: VecDeque::new(),
            backlog: Arc::clone(&backlog),
            waker: waker.clone(),
        };
        let output = Output {
            outgoing: Arc::clone(&from_receiver),
            waker: waker.clone(),
        };
        let latch = receiver.latch.clone();
        let thread = Some(std::thread::spawn(move || receive(input, output, receiver)));
        let to_receiver = Some(to_receiver);
        Ok(Self {
            waker,
            to_receiver,
            backlog,
            from_receiver,
            latch,
            thread,
            sent: 0,
            received: 0,
        })
    }

    /// Until the host's stream ends, or the receiver is done. `tell` hears how many bytes have come.
    pub(super) fn carry(
        &mut self,
        transport: &mut dyn Transport,
        silence: Duration,
        cancel: &Cancel,
        tell: &dyn Fn(u64),
    ) -> Result<(), Error> {
        let broken = |source| Error::Transport {
            doing: DOING,
            source,
        };
        let waker = self.waker.clone();
        let _listening = cancel.listen(move || waker.wake());
        let mut buffer = vec![0; 256 << 10];
        let mut heard = Instant::now();
        let mut told = heard;
        loop {
            let mut ended = false;
            while self.backlog.load(Ordering::Relaxed) < BACKLOG {
                match transport.read(&mut buffer) {
                    Ok(0) => {
                        ended = true;
                        break;
                    }
                    Ok(count) => {
                        heard = Instant::now();
                        self.received += count as u64;
                        self.hand_over(&buffer[..count]);
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(broken(error)),
                }
            }
            if heard.duration_since(told) >= PROGRESS {
                told = heard;
                tell(self.received);
            }
            let blocked = self.send(transport).map_err(broken)?;
            if ended || self.is_done() {
                return Ok(());
            }
            if cancel.is_cancelled() && self.latch.cancel() {
                return Err(Error::Cancelled);
            }
            if heard.elapsed() > silence {
                return Err(Error::Silence {
                    doing: DOING,
                    silence,
                });
            }
            transport.wait(blocked, &self.waker, NAP).map_err(broken)?;
        }
    }

    fn hand_over(&self, bytes: &[u8]) {
        if let Some(to_receiver) = &self.to_receiver {
            self.backlog.fetch_add(bytes.len(), Ordering::Relaxed);
            // An error means that the receiver is done; that is seen in a moment.
            let _ = to_receiver.send(bytes.to_vec());
        }
    }

    fn send(&mut self, transport: &mut dyn Transport) -> io::Result<bool> {
        let mut outgoing = lock(&self.from_receiver);
        while !outgoing.bytes.is_empty() {
            match transport.write(outgoing.bytes.as_slices().0) {
                Ok(count) => {
                    self.sent += count as u64;
                    outgoing.bytes.drain(..count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    fn is_done(&self) -> bool {
        let outgoing = lock(&self.from_receiver);
        outgoing.ended && outgoing.bytes.is_empty()
    }

    /// Gives it up: it ends by itself, soon, and commits nothing.
    pub(super) fn leave(mut self) {
        self.to_receiver = None;
        let end = Instant::now() + FAREWELL;
        while self
            .thread
            .as_ref()
            .is_some_and(|thread| !thread.is_finished())
            && Instant::now() < end
        {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for what came of it.
    pub(super) fn finish(mut self) -> Received {
        self.to_receiver = None;
        self.thread
            .take()
            .and_then(|thread| thread.join().ok())
            .unwrap_or_default()
    }
}

/// What the receiver reads.
struct Input {
    pieces: mpsc::Receiver<Vec<u8>>,
    piece: VecDeque<u8>,
    backlog: Arc<AtomicUsize>,
    waker: Waker,
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.piece.is_empty() {
            match self.pieces.recv() {
                Ok(piece) => self.piece = piece.into(),
                Err(_) => return Ok(0),
            }
        }
        let count = self.piece.read(buffer)?;
        if self.backlog.fetch_sub(count, Ordering::Relaxed) >= BACKLOG {
            self.waker.wake();
        }
        Ok(count)
    }
}

/// What the receiver writes to.
struct Output {
    outgoing: Arc<Mutex<Outgoing>>,
    waker: Waker,
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(&self.outgoing).bytes.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.waker.wake();
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        lock(&self.outgoing).ended = true;
        self.waker.wake();
    }
}

fn lock(outgoing: &Mutex<Outgoing>) -> std::sync::MutexGuard<'_, Outgoing> {
    outgoing.lock().unwrap_or_else(PoisonError::into_inner)
}
