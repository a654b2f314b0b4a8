//! A transport to an agent in this process: a thread that reads and writes blocking halves.
//!
//! It is a pair of connected sockets: the kernel bounds what is under way, and the driver's side can be
//! polled together with a waker.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::net::sockopt::set_socket_send_buffer_size;

use super::waker::sleep;
use super::{Inbox, Transport, Waker};

/// Connects a driver to an agent's thread. About `capacity` bytes are under way in each direction before
/// a writer has to wait; the kernel rounds it, and has limits of its own.
pub(crate) fn memory_pair(
    capacity: usize,
) -> io::Result<(MemoryTransport, MemoryReader, MemoryWriter)> {
    let (ours, theirs) = UnixStream::pair()?;
    set_socket_send_buffer_size(&ours, capacity)?;
    set_socket_send_buffer_size(&theirs, capacity)?;
    ours.set_nonblocking(true)?;
    let writer = MemoryWriter(theirs.try_clone()?);
    let transport = MemoryTransport {
        socket: ours,
        inbox: Inbox::default(),
        ended: false,
    };
    Ok((transport, MemoryReader(theirs), writer))
}

/// The driver's side.
#[derive(Debug)]
pub(crate) struct MemoryTransport {
    socket: UnixStream,
    inbox: Inbox,
    ended: bool,
}

/// What the agent reads. Dropping it makes the driver's writes fail.
#[derive(Debug)]
pub(crate) struct MemoryReader(UnixStream);

/// What the agent writes to. Dropping it ends the driver's stream.
#[derive(Debug)]
pub(crate) struct MemoryWriter(UnixStream);

impl Transport for MemoryTransport {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.inbox.is_empty() {
            return Ok(self.inbox.take(buffer));
        }
        if self.ended {
            return Ok(0);
        }
        let count = match self.socket.read(buffer) {
            // How a socket says that the agent ended before it had read everything.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => 0,
            other => other?,
        };
        self.ended = count == 0 && !buffer.is_empty();
        Ok(count)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.write(bytes)
    }

    fn wait(&mut self, want_write: bool, waker: &Waker, timeout: Duration) -> io::Result<()> {
        if !self.inbox.is_empty() {
            return Ok(());
        }
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, !self.ended);
        flags.set(PollFlags::OUT, want_write);
        if flags.is_empty() {
            // A socket that was hung up is always ready.
            return sleep(&[], waker, timeout);
        }
        sleep(&[(self.socket.as_fd(), flags)], waker, timeout)
    }

    fn unread(&mut self, bytes: &[u8]) {
        self.inbox.put_back(bytes);
    }

    fn stderr(&self) -> &[u8] {
        &[]
    }

    fn exit_status(&mut self) -> Option<i32> {
        None
    }

    fn close(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

impl Read for MemoryReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(0),
            other => other,
        }
    }
}

impl Drop for MemoryReader {
    fn drop(&mut self) {
        let _ = self.0.shutdown(Shutdown::Read);
    }
}

impl Write for MemoryWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for MemoryWriter {
    fn drop(&mut self) {
        let _ = self.0.shutdown(Shutdown::Write);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::transport::testing::{Pattern, exchange};

    const MUCH: u64 = 16 << 20;

    #[test]
    fn both_ways_at_once() {
        let (mut transport, mut reader, mut writer) = memory_pair(256 << 10).unwrap();
        let agent = std::thread::spawn(move || {
            let mut buffer = vec![0; 64 << 10];
            loop {
                match reader.read(&mut buffer).unwrap() {
                    0 => return,
                    count => writer.write_all(&buffer[..count]).unwrap(),
                }
            }
        });
        exchange(&mut transport, MUCH);
        transport.close();
        agent.join().unwrap();
    }

    #[test]
    fn what_is_under_way_is_bounded() {
        let (mut transport, reader, _writer) = memory_pair(64 << 10).unwrap();
        let mut sent = 0;
        let mut pattern = Pattern::default();
        loop {
            match transport.write(pattern.peek(8 << 10)) {
                Ok(count) => {
                    pattern.advance(count);
                    sent += count;
                }
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                    break;
                }
            }
        }
        assert!((16 << 10..512 << 10).contains(&sent), "{sent}");
        drop(reader);
        assert_eq!(
            transport.write(b"x").unwrap_err().kind(),
            io::ErrorKind::BrokenPipe
        );
    }

    #[test]
    fn an_agent_that_reads_nothing_ends_the_stream_like_any_other() {
        let (mut transport, reader, mut writer) = memory_pair(64 << 10).unwrap();
        transport.write(b"never read").unwrap();
        writer.write_all(b"bye").unwrap();
        drop((reader, writer));
        let mut buffer = [0; 10];
        assert_eq!(transport.read(&mut buffer).unwrap(), 3);
        assert_eq!(transport.read(&mut buffer).unwrap(), 0);
        assert_eq!(transport.read(&mut buffer).unwrap(), 0);
    }
}
