//! What is going on, drawn on a terminal while it goes on.

mod echo;

use std::io::{self, Write, stderr};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use release_sync::Event;

use super::Started;
use super::board::Board;
use super::canvas::Extent;
use super::paint::Paint;
use echo::Unechoed;

/// How often the lines are drawn anew. Events only change what is known, so that hosts never wait for a
/// terminal.
const BEAT: Duration = Duration::from_millis(100);

/// Lines at the bottom of standard error.
#[derive(Debug)]
pub(super) struct Live {
    shared: Arc<Shared>,
    /// `None` before something happens, and after the end.
    painter: Mutex<Option<Painter>>,
}

#[derive(Debug)]
struct Shared {
    bar: ProgressBar,
    board: Mutex<Board>,
    begin: Instant,
}

/// The thread that draws; it ends when the sender is dropped.
#[derive(Debug)]
struct Painter {
    alive: Sender<()>,
    thread: JoinHandle<()>,
    _echo: Unechoed,
}

impl Live {
    pub(super) fn new(paint: Paint) -> Self {
        // Twice as often as is drawn, so that no beat is left out.
        let target = ProgressDrawTarget::stderr_with_hz(20);
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            bar.set_style(style);
        }
        let shared = Shared {
            bar,
            board: Mutex::new(Board::new(paint)),
            begin: Instant::now(),
        };
        Self {
            shared: Arc::new(shared),
            painter: Mutex::default(),
        }
    }

    pub(super) fn start(&self, run: &Started<'_>) {
        self.shared.board().start(run, self.shared.begin.elapsed());
        self.draw();
    }

    pub(super) fn event(&self, event: &Event<'_>) {
        self.shared
            .board()
            .event(event, self.shared.begin.elapsed());
        self.draw();
    }

    /// Takes the lines away, for good.
    pub(super) fn end(&self) {
        let painter = self.painter().take();
        if let Some(Painter {
            alive,
            thread,
            _echo,
        }) = painter
        {
            drop(alive);
            // It can only have panicked, which it has told already.
            let _ = thread.join();
            self.shared.bar.finish_and_clear();
        }
    }

    /// What is to be written above the lines, a whole line at a time.
    pub(super) fn above(&self) -> Above {
        Above(self.shared.bar.clone())
    }

    /// Does something to the terminal while the lines are away.
    pub(super) fn aside<T>(&self, show: impl FnOnce() -> T) -> T {
        self.shared.bar.suspend(show)
    }

    /// Sees to it that somebody draws.
    fn draw(&self) {
        let mut painter = self.painter();
        if painter.is_some() || self.shared.bar.is_finished() {
            return;
        }
        let (alive, end) = channel();
        let shared = Arc::clone(&self.shared);
        let thread = thread::spawn(move || {
            while end.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) {
                shared.draw();
            }
        });
        *painter = Some(Painter {
            alive,
            thread,
            _echo: Unechoed::start(),
        });
    }

    fn painter(&self) -> MutexGuard<'_, Option<Painter>> {
        self.painter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn draw(&self) {
        let Some(extent) = Extent::of(stderr()) else {
            return;
        };
        let lines = self.board().lines(extent, self.begin.elapsed());
        self.bar.set_message(lines.join("\n"));
    }
}

/// Standard error, above the lines.
#[derive(Debug)]
pub(super) struct Above(ProgressBar);

impl Write for Above {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.write_all(text)?;
        Ok(text.len())
    }

    fn write_all(&mut self, text: &[u8]) -> io::Result<()> {
        self.0.suspend(|| stderr().write_all(text))
    }

    fn flush(&mut self) -> io::Result<()> {
        stderr().flush()
    }
}
