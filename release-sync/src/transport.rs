//! A pair of byte streams to an agent.
//!
//! Each transport is driven by one thread, which does all of its reading, writing and sleeping: an SSH
//! session can be locked by only one side at a time, so a read that blocked would hold up the writer.
//! Hence nothing here blocks but [`Transport::wait`], which another thread can end by a [`Waker`].
//!
//! A driver's round is: read until `WouldBlock` or for long enough, write until `WouldBlock` or until
//! there is nothing to write, then wait. Reading comes first since what was read may have made room for
//! writing, and a transport may need to be read for it to go on writing.

use std::io;
use std::time::Duration;

mod child;
#[cfg(all(feature = "ssh", any(test, feature = "fuzz")))]
pub(crate) mod fuzz_words;
mod greeting;
mod memory;
mod pipe;
#[cfg(feature = "ssh")]
mod ssh;
mod streams;
#[cfg(test)]
mod testing;
mod text;
mod waker;

pub(crate) use greeting::{MagicError, await_magic};
pub(crate) use memory::memory_pair;
pub(crate) use pipe::PipeTransport;
#[cfg(all(feature = "ssh", any(test, feature = "fuzz")))]
pub(crate) use ssh::fuzz;
#[cfg(all(test, feature = "ssh"))]
pub(crate) use ssh::rig as ssh_rig;
#[cfg(feature = "ssh")]
pub(crate) use ssh::{Newcomers, SshSession, SshTransport};
pub(crate) use streams::over_streams;
pub(crate) use text::harmless;
pub(crate) use waker::Waker;
#[cfg(test)]
pub(crate) use waker::sleep;

/// A pair of byte streams to an agent, driven by one thread. Non-blocking.
///
/// An error other than `WouldBlock` is final: the transport is then good for [`stderr`](Self::stderr),
/// [`exit_status`](Self::exit_status) and [`close`](Self::close) only. A write may fail while there is
/// still something to read, so the reason that the far end gave is best looked for there first.
pub(crate) trait Transport: Send {
    /// Reads what is there, at least one byte into a buffer that is not empty. `Ok(0)` is the end of
    /// the stream, now and whenever it is asked for again; `WouldBlock` says that there is nothing yet.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Takes as many of the bytes as it can at once and says how many, at least one of them;
    /// `WouldBlock` says that there is no room. What was taken is sent without being given again,
    /// as long as the transport is read, written or waited for.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Sleeps until something can be read, or (if `want_write`) written, or the waker was woken, or the
    /// time is over. May return for no reason.
    fn wait(&mut self, want_write: bool, waker: &Waker, timeout: Duration) -> io::Result<()>;

    /// Puts bytes back, in front of everything that is yet to be read.
    fn unread(&mut self, bytes: &[u8]);

    /// The end of what the far end wrote to its standard error, at most 32 KiB, raw. It is taken in
    /// whenever the transport is read or waited for, so that the far end never blocks on it.
    fn stderr(&self) -> &[u8];

    /// The exit status of the far end, where it has ended and its stream has not; as far as that can be
    /// known.
    fn early_status(&mut self) -> Option<i32> {
        None
    }

    /// After the end of the stream: the exit status of the far end, as a shell would have it (128 and
    /// more for a signal), if it becomes known within a second or two.
    fn exit_status(&mut self) -> Option<i32>;

    /// Ends it, as well as can be done in about a second. Leaves no child process behind.
    fn close(&mut self);
}

/// Bytes that were read from a transport, but not yet by its driver.
#[derive(Debug, Default)]
struct Inbox {
    bytes: Vec<u8>,
    taken: usize,
}

impl Inbox {
    fn is_empty(&self) -> bool {
        self.taken == self.bytes.len()
    }

    /// Moves bytes into the buffer, as many as fit.
    fn take(&mut self, buffer: &mut [u8]) -> usize {
        let rest = &self.bytes[self.taken..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.taken += count;
        if self.is_empty() {
            self.bytes.clear();
            self.taken = 0;
        }
        count
    }

    fn put_back(&mut self, bytes: &[u8]) {
        self.bytes
            .splice(..self.taken, bytes.iter().copied())
            .for_each(drop);
        self.taken = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_back_comes_first() {
        let mut inbox = Inbox::default();
        inbox.put_back(b"world");
        let mut buffer = [0; 2];
        assert_eq!(inbox.take(&mut buffer), 2);
        inbox.put_back(b"hello w");
        let mut all = [0; 32];
        let count = inbox.take(&mut all);
        assert_eq!(&all[..count], b"hello wrld");
        assert!(inbox.is_empty());
        assert_eq!(inbox.take(&mut all), 0);
    }
}
