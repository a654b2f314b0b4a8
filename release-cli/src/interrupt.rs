//! Ctrl-C and SIGTERM: the first asks everything to stop in good order, the second ends the process.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use release_sync::Cancel;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::ui::Screen;

/// How soon an interrupt is noticed where nothing wakes us.
const NOTICE: Duration = Duration::from_millis(50);

/// How long the last words may take before the process ends without them.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// Whether the run was interrupted, and what to stop then.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupts {
    interrupted: Arc<AtomicBool>,
    cancel: Arc<Mutex<Option<Cancel>>>,
}

impl Interrupts {
    /// Starts to listen for signals, for as long as the process lives.
    pub(crate) fn listen(screen: &Arc<dyn Screen>) -> Result<Self, Failure> {
        let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(Failure::Signals)?;
        let interrupts = Self::default();
        let (listener, screen) = (interrupts.clone(), Arc::clone(screen));
        thread::spawn(move || {
            for _ in signals.forever() {
                if listener.interrupt() {
                    screen.note("interrupted: stopping in good order; once more ends it now");
                } else {
                    end_now(&screen);
                }
            }
        });
        Ok(interrupts)
    }

    /// Takes note of an interrupt; `false` if it is not the first.
    fn interrupt(&self) -> bool {
        let is_first = !self.interrupted.swap(true, Ordering::SeqCst);
        if let Some(cancel) = &*self.cancel.lock().unwrap_or_else(PoisonError::into_inner) {
            cancel.cancel();
        }
        is_first
    }

    #[cfg(test)]
    pub(crate) fn interrupt_now(&self) {
        self.interrupt();
    }

    pub(crate) fn interrupted(&self) -> bool {
        self.interrupted.load(Ordering::SeqCst)
    }

    /// From now on an interrupt cancels this; at once if there was one already.
    pub(crate) fn cancels(&self, cancel: Cancel) {
        let mut slot = self.cancel.lock().unwrap_or_else(PoisonError::into_inner);
        if self.interrupted() {
            cancel.cancel();
        }
        *slot = Some(cancel);
    }

    /// Sleeps, unless interrupted.
    pub(crate) fn wait(&self, duration: Duration) -> Result<(), Failure> {
        let begin = Instant::now();
        loop {
            if self.interrupted() {
                return Err(Failure::Interrupted);
            }
            match duration.checked_sub(begin.elapsed()) {
                None | Some(Duration::ZERO) => return Ok(()),
                Some(left) => thread::sleep(left.min(NOTICE)),
            }
        }
    }

    /// Does something that can't be cancelled. When interrupted it is left to itself, to end with the
    /// process, so it must change nothing that may not stay half done.
    pub(crate) fn abandonable<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let (sender, result) = channel();
        let worker = thread::spawn(move || {
            // Nobody listens any more after an interrupt.
            let _ = sender.send(work());
        });
        loop {
            match result.recv_timeout(NOTICE) {
                Ok(result) => return Ok(result),
                Err(RecvTimeoutError::Timeout) if self.interrupted() => {
                    return Err(Failure::Interrupted);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => match worker.join() {
                    Err(panic) => resume_unwind(panic),
                    Ok(()) => unreachable!("a worker that ends well has sent its result"),
                },
            }
        }
    }
}

/// Ends the process. A reader of events still gets the last one, unless it doesn't read.
fn end_now(screen: &Arc<dyn Screen>) -> ! {
    let (said, wait) = channel();
    let screen = Arc::clone(screen);
    thread::spawn(move || {
        screen.abandon();
        let _ = said.send(());
    });
    let _ = wait.recv_timeout(LAST_WORDS);
    std::process::exit(i32::from(Exit::Interrupted.code()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_first_interrupt_is_told_from_the_second() {
        let interrupts = Interrupts::default();
        assert!(!interrupts.interrupted());
        assert!(interrupts.interrupt());
        assert!(!interrupts.interrupt());
        assert!(interrupts.interrupted());
    }

    #[test]
    fn waiting_and_working_end_with_an_interrupt() {
        let interrupts = Interrupts::default();
        assert_eq!(interrupts.abandonable(|| 7).unwrap(), 7);
        interrupts.wait(Duration::from_millis(1)).unwrap();

        interrupts.interrupt();
        assert!(matches!(
            interrupts.wait(Duration::MAX),
            Err(Failure::Interrupted)
        ));
        let (_hold, forever) = channel::<()>();
        let stuck = interrupts.abandonable(move || forever.recv());
        assert!(matches!(stuck, Err(Failure::Interrupted)));
    }

    #[test]
    fn a_panic_is_passed_on() {
        let interrupts = Interrupts::default();
        let caught = std::panic::catch_unwind(|| interrupts.abandonable(|| panic!("on purpose")));
        assert!(caught.is_err());
    }
}
