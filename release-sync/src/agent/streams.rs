//! The agent's input and output, each with a thread of its own.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::Event;
use super::alarm::Alarm;
use super::limits::{Budget, FAREWELL, KEEP_ALIVE};
use crate::effort::Effort;
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
        let _alarm = Alarm::new(&events);
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

/// Sends frames, and every few seconds how much was done.
///
/// Frames queue up without a bound here; their number is bounded by who makes them: wants by their
/// window, progress by the clock, everything else comes once.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    frames: mpsc::Sender<Vec<u8>>,
    /// What the session does.
    effort: Effort,
    /// Are the messages those of a controller?
    exchanged: Arc<AtomicBool>,
    /// Is disconnected when the thread ends.
    ended: Arc<Mutex<mpsc::Receiver<()>>>,
}

impl Sender {
    pub(super) fn start(output: impl Write + Send + 'static) -> Self {
        let (frames, queue) = mpsc::channel::<Vec<u8>>();
        let (running, ended) = mpsc::channel::<()>();
        let (effort, exchanged) = (Effort::default(), Arc::new(AtomicBool::new(false)));
        let voice = Voice {
            output,
            effort: effort.clone(),
            exchanged: Arc::clone(&exchanged),
        };
        std::thread::spawn(move || {
            let _running = running;
            // That it has ended tells all there is to tell: the controller takes nothing any more.
            let _ = voice.speak(&queue);
        });
        Self {
            frames,
            effort,
            exchanged,
            ended: Arc::new(Mutex::new(ended)),
        }
    }

    /// What the session does counts here.
    pub(super) fn effort(&self) -> &Effort {
        &self.effort
    }

    /// From now on, what is said for want of anything else is what a controller says.
    pub(super) fn exchange_roles(&self) {
        self.exchanged.store(true, Ordering::Relaxed);
    }

    pub(super) fn send(&self, message: &ToController) {
        self.send_frame(wire::control(message));
    }

    pub(super) fn send_frame(&self, frame: Vec<u8>) {
        // An error means that the output is gone; whoever waits for an answer to this ends the session.
        let _ = self.frames.send(frame);
    }

    /// Is the output gone? Before [`finish`](Self::finish) nothing else ends the thread.
    pub(super) fn has_ended(&self) -> bool {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.try_recv() == Err(TryRecvError::Disconnected)
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

/// What the sender's thread says.
struct Voice<W> {
    output: W,
    effort: Effort,
    exchanged: Arc<AtomicBool>,
}

impl<W: Write> Voice<W> {
    fn speak(mut self, queue: &mpsc::Receiver<Vec<u8>>) -> std::io::Result<()> {
        self.say(&wire::greeting())?;
        let mut due = Instant::now() + KEEP_ALIVE;
        loop {
            let left = due.saturating_duration_since(Instant::now());
            match queue.recv_timeout(left) {
                Ok(frame) if frame.is_empty() => return Ok(()),
                Ok(frame) => self.say(&frame)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            // Also when there is much else to say: that may be the same over and over.
            if Instant::now() >= due {
                self.say(&self.working())?;
                due = Instant::now() + KEEP_ALIVE;
            }
        }
    }

    fn working(&self) -> Vec<u8> {
        let done = self.effort.total();
        match self.exchanged.load(Ordering::Relaxed) {
            true => wire::control(&ToAgent::Working { done }),
            false => wire::control(&ToController::Working { done }),
        }
    }

    fn say(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.output.write_all(bytes)?;
        self.output.flush()
    }
}
