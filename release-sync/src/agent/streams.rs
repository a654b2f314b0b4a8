//! The agent's input and output, each with a thread of its own.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};

use super::Event;
use super::limits::{Budget, FAREWELL, KEEP_ALIVE};
use crate::wire::{self, ToAgent, ToController};

/// Bytes that are read at once.
const READ: usize = 256 << 10;

/// Reads until the controller's stream ends.
pub(super) fn start_reader(
    mut input: impl Read + Send + 'static,
    events: mpsc::Sender<Event>,
    budget: Arc<Budget>,
) {
    std::thread::spawn(move || {
        let mut buffer = vec![0; READ];
        loop {
            let event = match input.read(&mut buffer) {
                Ok(0) => Event::End,
                Ok(count) if budget.take(count) => Event::Bytes(buffer[..count].to_vec()),
                Ok(_) => return,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(_) => Event::End,
            };
            let ends = matches!(event, Event::End);
            if events.send(event).is_err() || ends {
                return;
            }
        }
    });
}

/// Sends frames, and something every few seconds while there are none.
///
/// Frames queue up without a bound here; their number is bounded by who makes them: wants by their
/// window, progress by the clock, everything else comes once.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    frames: mpsc::Sender<Vec<u8>>,
    /// Are the messages those of a controller?
    exchanged: Arc<AtomicBool>,
    /// Is disconnected when the thread ends.
    ended: Arc<Mutex<mpsc::Receiver<()>>>,
}

impl Sender {
    pub(super) fn start(mut output: impl Write + Send + 'static) -> Self {
        let (frames, queue) = mpsc::channel::<Vec<u8>>();
        let (running, ended) = mpsc::channel::<()>();
        let exchanged = Arc::new(AtomicBool::new(false));
        let is_exchanged = Arc::clone(&exchanged);
        let keep_alive = move || match is_exchanged.load(Ordering::Relaxed) {
            true => wire::control(&ToAgent::KeepAlive),
            false => wire::control(&ToController::KeepAlive),
        };
        std::thread::spawn(move || {
            let _running = running;
            // A controller that is gone is noticed by the reader, too.
            let mut say = |bytes: &[u8]| output.write_all(bytes).and_then(|()| output.flush());
            if say(&wire::greeting()).is_err() {
                return;
            }
            loop {
                let said = match queue.recv_timeout(KEEP_ALIVE) {
                    Ok(frame) if frame.is_empty() => return,
                    Ok(frame) => say(&frame),
                    Err(RecvTimeoutError::Timeout) => say(&keep_alive()),
                    Err(RecvTimeoutError::Disconnected) => return,
                };
                if said.is_err() {
                    return;
                }
            }
        });
        Self {
            frames,
            exchanged,
            ended: Arc::new(Mutex::new(ended)),
        }
    }

    /// From now on, what is said for want of anything else is what a controller says.
    pub(super) fn exchange_roles(&self) {
        self.exchanged.store(true, Ordering::Relaxed);
    }

    pub(super) fn send(&self, message: &ToController) {
        self.send_frame(wire::control(message));
    }

    pub(super) fn send_frame(&self, frame: Vec<u8>) {
        // An error means that the output is gone; the reader finds out and ends the session.
        let _ = self.frames.send(frame);
    }

    /// Waits until everything was sent, but not for long if the controller takes nothing.
    pub(super) fn finish(self) {
        let Self { frames, ended, .. } = self;
        // An empty frame is the last; other senders of this queue may outlive us.
        let _ = frames.send(Vec::new());
        if let Ok(ended) = ended.lock() {
            let _ = ended.recv_timeout(FAREWELL);
        }
    }
}
