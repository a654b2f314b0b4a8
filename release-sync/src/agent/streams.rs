//! The agent's input and output, each with a thread of its own.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;

use super::Event;
use super::limits::{Budget, KEEP_ALIVE};
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
                Ok(count) => {
                    budget.take(count);
                    Event::Bytes(buffer[..count].to_vec())
                }
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
    thread: Arc<std::sync::Mutex<Option<JoinHandle<()>>>>,
}

impl Sender {
    pub(super) fn start(mut output: impl Write + Send + 'static) -> Self {
        let (frames, queue) = mpsc::channel::<Vec<u8>>();
        let exchanged = Arc::new(AtomicBool::new(false));
        let is_exchanged = Arc::clone(&exchanged);
        let keep_alive = move || match is_exchanged.load(Ordering::Relaxed) {
            true => wire::control(&ToAgent::KeepAlive),
            false => wire::control(&ToController::KeepAlive),
        };
        let thread = std::thread::spawn(move || {
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
            thread: Arc::new(std::sync::Mutex::new(Some(thread))),
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

    /// Waits until everything was sent.
    pub(super) fn finish(&self) {
        self.send_frame(Vec::new());
        let thread = self.thread.lock().ok().and_then(|mut thread| thread.take());
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}
