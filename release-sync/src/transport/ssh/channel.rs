//! A command on a host, as a transport.
//!
//! libssh2 has room for one outgoing packet, and a packet that the socket took only half of bars the way
//! for all others until the call that made it is repeated. That may be any call: a write, a read (which
//! tells the host that it may send more), or either when it finds itself in the middle of a key exchange.
//! Left alone, a reader and a writer block each other for ever. Three rules here keep them going:
//!
//! 1. A chunk that libssh2 would not take is kept by us, and counts as written: so we can always repeat
//!    the call ourselves, with the same bytes.
//! 2. While a packet is half sent, nothing new is begun; [`SshTransport::settle`] repeats every call that
//!    may have left it, since which one it was is not told.
//! 3. What such a repeated read brings is kept in the inbox.
//!
//! libssh2 also reads more from the socket than was asked for, during writes too. So a silent socket does
//! not mean that there is nothing to read, and no sleep begins before that was looked at.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use ssh2::{BlockDirections, Channel, ErrorCode, Session};

use super::link::Link;
use super::{Deadline, io_error};
use crate::transport::text::Tail;
use crate::transport::waker::{sleep, sleep_on};
use crate::transport::{Inbox, Transport, Waker};

/// How much a host may send before we have read it, and so the most that libssh2 holds for it: as large
/// as OpenSSH's. It bounds a host's speed to this much a round trip.
const WINDOW: u32 = 2 << 20;

/// The largest packet that we take, which is what every implementation must be able to.
const PACKET: u32 = 32 << 10;

/// The most that libssh2 puts into one packet.
const CHUNK: usize = 32_700;

/// The size of every read from libssh2. Always the same one: a read that finds the window too narrow asks
/// for this much more, and if it has to be repeated with another size, libssh2 books another amount than it
/// has told the host.
const READ: usize = 64 << 10;

/// How long a refused channel is asked for again, and how often.
const PATIENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(20);

/// How long a host may take to tell a command's exit status after its output has ended.
const EPILOGUE: Duration = Duration::from_secs(2);

/// How long closing may take to get the last bytes out.
const FAREWELL: Duration = Duration::from_millis(200);

/// A command's standard input and output on a host.
pub(crate) struct SshTransport {
    // Freed in this order: the channel before its session.
    channel: Channel,
    session: Session,
    link: Arc<Link>,
    /// A chunk that was taken from the driver and is not sent yet.
    outbox: Vec<u8>,
    sent: usize,
    /// The half-sent packet, if there is one, may be the outbox's.
    sending: bool,
    inbox: Inbox,
    scratch: Vec<u8>,
    said: Tail,
    /// The end of the command's standard input is yet to be sent.
    finishing: bool,
    ended: bool,
}

impl fmt::Debug for SshTransport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SshTransport")
            .field("outbox", &(self.outbox.len() - self.sent))
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

/// Starts a command; blocks for that.
pub(super) fn open(
    session: &Session,
    link: &Arc<Link>,
    command: &str,
    deadline: Deadline,
) -> io::Result<SshTransport> {
    session.set_blocking(true);
    let mut channel = open_channel(session, deadline)?;
    link.allow(WINDOW);
    deadline.bound(session)?;
    channel.exec(command).map_err(io_error)?;
    session.set_blocking(false);
    Ok(SshTransport {
        channel,
        session: session.clone(),
        link: Arc::clone(link),
        outbox: Vec::new(),
        sent: 0,
        sending: false,
        inbox: Inbox::default(),
        scratch: vec![0; READ],
        said: Tail::default(),
        finishing: false,
        ended: false,
    })
}

/// OpenSSH frees a session only some time after it was told of its end. One that allows a single session
/// (`MaxSessions 1`) may so refuse the next one at first.
fn open_channel(session: &Session, deadline: Deadline) -> io::Result<Channel> {
    let start = Instant::now();
    loop {
        deadline.bound(session)?;
        let opened = session.channel_open("session", WINDOW, PACKET, None);
        match opened.map_err(|error| (error.code(), io_error(error))) {
            Ok(channel) => return Ok(channel),
            Err((ErrorCode::Session(libssh2_sys::LIBSSH2_ERROR_CHANNEL_FAILURE), _))
                if start.elapsed() < PATIENCE =>
            {
                std::thread::sleep(PAUSE);
            }
            Err((_, error)) => return Err(error),
        }
    }
}

impl SshTransport {
    /// Ends the command's standard input; `WouldBlock` if it has to be tried again.
    ///
    /// libssh2 has this packet on its stack, and knows a half-sent one by its address: nobody could
    /// repeat the call. So it is made only where the socket has room for all of it.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.finishing = true;
        self.settle()?;
        let ready = sleep_on((self.link.as_fd(), PollFlags::OUT), Duration::ZERO)?;
        if !ready.contains(PollFlags::OUT) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let sent = self.channel.send_eof();
        sent.map_err(|error| self.told(io_error(error)))?;
        self.finishing = false;
        Ok(())
    }

    /// Did the socket take a packet only in part?
    fn is_half_sent(&self) -> bool {
        matches!(
            self.session.block_directions(),
            BlockDirections::Outbound | BlockDirections::Both
        )
    }

    /// Can the outbox be given to libssh2? Not a new packet beside a half-sent one; and not one for which
    /// the host has left no room, since libssh2 then forgets that another may be half sent.
    fn may_write(&self) -> bool {
        self.sending || (!self.is_half_sent() && self.channel.write_window().remaining > 0)
    }

    /// Gets out what is half sent or waiting in the outbox. `WouldBlock` if some of it remains.
    fn settle(&mut self) -> io::Result<()> {
        let blocked = || Err(io::ErrorKind::WouldBlock.into());
        if self.outbox.is_empty() && !self.is_half_sent() {
            return Ok(());
        }
        self.repeat_reading()?;
        while self.sent < self.outbox.len() {
            if !self.may_write() {
                return blocked();
            }
            match self.channel.write(&self.outbox[self.sent..]) {
                Ok(count) => {
                    self.link.earn(count);
                    self.sent += count;
                    self.sending = false;
                }
                Err(error) => {
                    self.sending = self.is_half_sent();
                    return Err(self.explain(error));
                }
            }
        }
        self.outbox.clear();
        self.sent = 0;
        if self.is_half_sent() {
            return blocked();
        }
        Ok(())
    }

    /// Repeats the calls other than writes that may have left a packet half sent.
    fn repeat_reading(&mut self) -> io::Result<()> {
        self.pump()?;
        if self.inbox.is_empty() && self.is_half_sent() {
            ignore_would_block(self.fill())?;
        }
        self.drain_stderr()?;
        Ok(())
    }

    /// Has libssh2 take in what the socket has, and go on with a key exchange: which a read does not get
    /// to while it wants to send something, nor a write while there is no room for it.
    fn pump(&mut self) -> io::Result<()> {
        let read = self.channel.wait_eof();
        ignore_would_block(read.map_err(|error| self.told(io_error(error))))
    }

    /// Reads into the inbox, which must be empty; leaves it empty at the end of the stream.
    fn fill(&mut self) -> io::Result<()> {
        let read = self.channel.read(&mut self.scratch);
        let count = read.map_err(|error| self.explain(error))?;
        self.link.earn(count);
        self.inbox.put_back(&self.scratch[..count]);
        Ok(())
    }

    /// Takes in what there is of standard error, and says how much that was.
    fn drain_stderr(&mut self) -> io::Result<usize> {
        let mut stderr = self.channel.stderr();
        let mut drained = 0;
        // As much as can be there when this begins: a flood does not keep us from the rest.
        for _ in 0..=WINDOW as usize / READ {
            match stderr.read(&mut self.scratch) {
                Ok(0) => break,
                Ok(count) => {
                    self.link.earn(count);
                    self.said.push(&self.scratch[..count]);
                    drained += count;
                }
                Err(error) => {
                    ignore_would_block(Err(self.explain(error)))?;
                    break;
                }
            }
        }
        Ok(drained)
    }

    /// Reads what libssh2 has, straight into the buffer if that is large enough.
    fn read_channel(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(buffer) = buffer.get_mut(..READ) {
            let read = self.channel.read(buffer);
            let count = read.map_err(|error| self.explain(error))?;
            self.link.earn(count);
            return Ok(count);
        }
        self.fill()?;
        Ok(self.inbox.take(buffer))
    }

    /// The `ssh2` crate's streams make an I/O error of libssh2's, and lose what kind of error it was.
    fn explain(&self, error: io::Error) -> io::Error {
        if error.kind() == io::ErrorKind::WouldBlock {
            return error;
        }
        self.told(ssh2::Error::last_session_error(&self.session).map_or(error, io_error))
    }

    fn told(&self, error: io::Error) -> io::Error {
        match error.kind() {
            io::ErrorKind::WouldBlock => error,
            _ => self.link.explain(error),
        }
    }

    /// Is there something to read that the socket will not announce any more?
    fn has_news(&mut self) -> io::Result<bool> {
        let waiting = self.channel.read_window().available;
        if waiting > 0 && self.inbox.is_empty() {
            // Seeing it does not mean that it can be read: that may need a packet to be sent first.
            ignore_would_block(self.fill())?;
            let moved = self.drain_stderr()? > 0 || self.channel.read_window().available != waiting;
            return Ok(moved || !self.inbox.is_empty());
        }
        Ok(!self.inbox.is_empty() || (!self.ended && self.channel.eof()))
    }
}

impl Transport for SshTransport {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.inbox.is_empty() && self.is_half_sent() {
            // If this fails for good so does the next write; there may still be something to read.
            let _ = self.settle();
        }
        if !self.inbox.is_empty() {
            return Ok(self.inbox.take(buffer));
        }
        if self.ended {
            return Ok(0);
        }
        let result = self.read_channel(buffer);
        match &result {
            Ok(0) => {
                let _ = self.drain_stderr();
                self.ended = true;
            }
            Ok(_) => {}
            // Only now: both streams share a window, so a host that has output for us is not stuck.
            Err(_) => {
                self.drain_stderr()?;
            }
        }
        result
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.settle()?;
        if self.ended || self.channel.eof() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if !self.may_write() {
            self.pump()?;
            if !self.may_write() {
                return Err(io::ErrorKind::WouldBlock.into());
            }
        }
        let chunk = &bytes[..bytes.len().min(CHUNK)];
        let written = self.channel.write(chunk);
        match written.map_err(|error| self.explain(error)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.outbox.extend_from_slice(chunk);
                self.sending = self.is_half_sent();
                Ok(chunk.len())
            }
            other => other.inspect(|&count| self.link.earn(count)),
        }
    }

    fn wait(&mut self, want_write: bool, waker: &Waker, timeout: Duration) -> io::Result<()> {
        ignore_would_block(self.settle())?;
        let has_room = self.outbox.is_empty() && self.may_write() && !self.finishing;
        if (want_write && has_room) || self.has_news()? {
            return Ok(());
        }
        let mut flags = PollFlags::empty();
        // Room in the channel is announced by a packet; and a socket that was hung up is always ready.
        flags.set(PollFlags::IN, !self.ended);
        flags.set(PollFlags::OUT, self.is_half_sent() || self.finishing);
        if flags.is_empty() {
            return sleep(&[], waker, timeout);
        }
        sleep(&[(self.link.as_fd(), flags)], waker, timeout)?;
        ignore_would_block(self.settle())?;
        self.drain_stderr()?;
        Ok(())
    }

    fn unread(&mut self, bytes: &[u8]) {
        self.inbox.put_back(bytes);
    }

    fn stderr(&self) -> &[u8] {
        self.said.bytes()
    }

    /// A shell may have left something in the background that holds its streams open. libssh2 has 0 for a
    /// status that it does not know, so only others can be told.
    fn early_status(&mut self) -> Option<i32> {
        match self.channel.exit_signal().ok()?.exit_signal {
            None => self
                .channel
                .exit_status()
                .ok()
                .filter(|&status| status != 0),
            Some(signal) => Some(128 + number_of(&signal)?),
        }
    }

    fn exit_status(&mut self) -> Option<i32> {
        if let Some(status) = self.early_status() {
            let _ = self.drain_stderr();
            return Some(status);
        }
        let start = Instant::now();
        loop {
            match self.channel.wait_close().map_err(io_error) {
                Ok(()) => break,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let left = EPILOGUE.checked_sub(start.elapsed())?;
                    sleep_on((self.link.as_fd(), PollFlags::IN), left).ok()?;
                }
                Err(_) => return None,
            }
        }
        let _ = self.drain_stderr();
        self.early_status()
            .or_else(|| self.channel.exit_status().ok())
    }

    /// A packet that can't be got out in time keeps libssh2 from freeing the session's memory (some
    /// 100 KiB); the connection is gone all the same.
    fn close(&mut self) {
        let start = Instant::now();
        while matches!(self.settle(), Err(error) if error.kind() == io::ErrorKind::WouldBlock) {
            let Some(left) = FAREWELL.checked_sub(start.elapsed()) else {
                break;
            };
            let mut flags = PollFlags::IN;
            flags.set(PollFlags::OUT, self.is_half_sent());
            if sleep_on((self.link.as_fd(), flags), left).is_err() {
                break;
            }
        }
        // None of these waits for an answer.
        let _ = self.channel.send_eof();
        let _ = self.channel.close();
        let _ = self.session.disconnect(None, "done", None);
        self.link.hang_up();
        self.ended = true;
    }
}

fn ignore_would_block(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        other => other,
    }
}

/// The signals that RFC 4254 (section 6.10) names, by their numbers on Linux.
fn number_of(signal: &str) -> Option<i32> {
    let number = match signal {
        "HUP" => 1,
        "INT" => 2,
        "QUIT" => 3,
        "ILL" => 4,
        "ABRT" => 6,
        "FPE" => 8,
        "KILL" => 9,
        "USR1" => 10,
        "SEGV" => 11,
        "USR2" => 12,
        "PIPE" => 13,
        "ALRM" => 14,
        "TERM" => 15,
        _ => return None,
    };
    Some(number)
}
