//! Ending a thread's sleep from another thread, and the sleep itself.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;

/// Ends a [`Transport::wait`](super::Transport::wait) from another thread. Clones wake the same sleeper.
/// A waker that is woken while nobody sleeps ends the next sleep at once.
#[derive(Clone, Debug)]
pub(crate) struct Waker(Arc<OwnedFd>);

impl Waker {
    /// Fails when the process has no file descriptor left.
    pub(crate) fn new() -> io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self(Arc::new(event)))
    }

    /// Wakes the sleeper. Any number of calls before it wakes count as one.
    pub(crate) fn wake(&self) {
        // It can fail only where the counter is at its limit, and then the sleeper wakes anyway.
        let _ = rustix::io::write(&*self.0, &1_u64.to_ne_bytes());
    }

    fn reset(&self) {
        let mut count = [0; 8];
        let _ = rustix::io::read(&*self.0, &mut count);
    }
}

/// What to wait for on a file descriptor.
pub(super) type Interest<'fd> = (BorrowedFd<'fd>, PollFlags);

/// Sleeps until one of the descriptors is ready, the waker was woken, or the time is over; a signal ends
/// it too.
pub(crate) fn sleep(
    interests: &[Interest<'_>],
    waker: &Waker,
    timeout: Duration,
) -> io::Result<()> {
    let mut fds = Vec::with_capacity(1 + interests.len());
    fds.push(PollFd::from_borrowed_fd(waker.0.as_fd(), PollFlags::IN));
    fds.extend(
        interests
            .iter()
            .map(|&(fd, flags)| PollFd::from_borrowed_fd(fd, flags)),
    );
    poll_for(&mut fds, timeout)?;
    if !fds[0].revents().is_empty() {
        waker.reset();
    }
    Ok(())
}

/// Sleeps until the descriptor is ready or the time is over; says which of the flags came true.
pub(super) fn sleep_on(interest: Interest<'_>, timeout: Duration) -> io::Result<PollFlags> {
    let mut fds = [PollFd::from_borrowed_fd(interest.0, interest.1)];
    poll_for(&mut fds, timeout)?;
    Ok(fds[0].revents())
}

fn poll_for(fds: &mut [PollFd<'_>], timeout: Duration) -> io::Result<()> {
    // A time that no timespec holds is for ever.
    let timeout = Timespec::try_from(timeout).ok();
    match poll(fds, timeout.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Instant;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn another_thread_ends_the_sleep() {
        let waker = Waker::new().unwrap();
        let other = waker.clone();
        let start = Instant::now();
        let thread = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            other.wake();
        });
        sleep(&[], &waker, LONG).unwrap();
        thread.join().unwrap();
        assert!(start.elapsed() < LONG / 2);
    }

    #[test]
    fn waking_early_counts_once() {
        let waker = Waker::new().unwrap();
        waker.wake();
        waker.wake();
        let start = Instant::now();
        sleep(&[], &waker, LONG).unwrap();
        assert!(start.elapsed() < LONG / 2);
        let start = Instant::now();
        sleep(&[], &waker, Duration::from_millis(30)).unwrap();
        assert!(start.elapsed() >= Duration::from_millis(30));
    }
}
