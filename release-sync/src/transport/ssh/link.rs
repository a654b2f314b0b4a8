//! The bytes between us and a host's SSH server.

use std::ffi::{c_int, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use libssh2_sys::LIBSSH2_SESSION;
use rustix::event::PollFlags;
use rustix::net::{RecvFlags, sockopt};
use ssh2::Session;

use super::meter::Meter;
use super::proxy::ProxyCommand;
use super::{Deadline, dial};
use crate::transport::waker::sleep_on;
use crate::{Cancel, Error, SshOptions, SshTarget};

/// A connection to a host's SSH server.
#[derive(Debug)]
pub(super) struct Link {
    way: Way,
    meter: Meter,
    /// Is the log-in over? For a command, the host's server sends without delay.
    is_prompt: AtomicBool,
    /// Was it ended by a cancellation?
    is_cut: AtomicBool,
}

#[derive(Debug)]
enum Way {
    Tcp(TcpStream),
    Proxy(ProxyCommand),
}

impl Link {
    /// # Errors
    /// [`Error::Connect`] where there is no TCP connection; [`Error::Spawn`] where the proxy command
    /// can't be run. Whether that command gets anywhere is known only when the host says something.
    pub(super) fn open(
        target: &SshTarget,
        options: &SshOptions,
        deadline: Deadline,
        cancel: &Cancel,
    ) -> Result<Self, Error> {
        let way = match &options.proxy_command {
            Some(command) => Way::Proxy(ProxyCommand::start(command, target)?),
            None => {
                let dialled = dial::dial(&target.address, target.port, deadline, cancel);
                Way::Tcp(dialled.map_err(|source| Error::Connect {
                    address: target.shown(),
                    source,
                })?)
            }
        };
        Ok(Self {
            way,
            meter: Meter::default(),
            is_prompt: AtomicBool::new(false),
            is_cut: AtomicBool::new(false),
        })
    }

    /// Lets a session send and receive here, metered. Before its handshake.
    pub(super) fn carry(self: &Arc<Self>, session: &mut Session) {
        session.set_tcp_stream(Arc::clone(self));
        let mut raw = session.raw();
        // SAFETY: the session is locked and valid; its abstract pointer is at nobody else's disposal
        // (the ssh2 crate borrows it during keyboard-interactive log-ins only, which we don't do).
        // It points to what the session itself keeps alive, by the clone above, until it has been freed.
        unsafe {
            let place = libssh2_sys::libssh2_session_abstract(&mut *raw);
            *place = Arc::as_ptr(self).cast_mut().cast();
            libssh2_session_callback_set(&mut *raw, CALLBACK_RECV, receive as *mut c_void);
        }
    }

    /// A command's streams are open, for so many bytes before any are read.
    pub(super) fn allow(&self, window: u32) {
        self.is_prompt.store(true, Ordering::Relaxed);
        self.meter.allow(window);
    }

    /// So many bytes of a command's streams were read or written.
    pub(super) fn earn(&self, count: usize) {
        self.meter.earn(count);
    }

    /// Is there a command between us and the host that has led to nobody?
    pub(super) fn leads_nowhere(&self) -> bool {
        matches!(self.way, Way::Proxy(_)) && self.meter.is_silent()
    }

    /// Adds to an error of libssh2's what is known only here.
    pub(super) fn explain(&self, error: io::Error) -> io::Error {
        if self.is_cut() {
            return error;
        }
        if self.meter.is_exceeded() {
            let why = "the host sends much that nobody has asked for";
            return io::Error::new(io::ErrorKind::QuotaExceeded, why);
        }
        match &self.way {
            Way::Tcp(_) => error,
            Way::Proxy(command) => command.explain(error),
        }
    }

    /// Ends it since nobody wants it any more: calls of libssh2's that wait for the host return.
    pub(super) fn cut(&self) {
        self.is_cut.store(true, Ordering::SeqCst);
        self.hang_up();
    }

    fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::SeqCst)
    }

    /// Ends it in both directions.
    pub(super) fn hang_up(&self) {
        match &self.way {
            Way::Tcp(socket) => drop(socket.shutdown(Shutdown::Both)),
            Way::Proxy(command) => command.hang_up(),
        }
    }

    /// Receives from the host, metered; or from a local socket that is none of ours.
    fn receive(&self, from: BorrowedFd<'_>, buffer: &mut [MaybeUninit<u8>]) -> io::Result<usize> {
        let receive = || {
            let received = rustix::net::recv(from, buffer, RecvFlags::empty());
            Ok(received.map(|(received, _)| received.0.len())?)
        };
        if from.as_raw_fd() == self.as_raw_fd() {
            self.meter.pass(receive).inspect_err(|_| self.acknowledge())
        } else {
            self.await_agent(from)?;
            receive()
        }
    }

    /// Acknowledges at once what has come so far. Until a command runs, sshd leaves Nagle's algorithm on: what
    /// it sends after an answer (its list of keys, then a channel) waits in its kernel until ours has
    /// acknowledged that, which takes 40 ms where we have nothing to say ourselves.
    fn acknowledge(&self) {
        if let (Way::Tcp(socket), false) = (&self.way, self.is_prompt.load(Ordering::Relaxed)) {
            // The kernel forgets it each time; without it, all that is lost is time.
            let _ = sockopt::set_tcp_quickack(socket, true);
        }
    }

    /// An ssh-agent may ask its user, who is in no hurry.
    fn await_agent(&self, from: BorrowedFd<'_>) -> io::Result<()> {
        while !self.is_cut() {
            let ready = sleep_on((from, PollFlags::IN), NOTICE)?;
            if !ready.is_empty() {
                return Ok(());
            }
        }
        Err(io::ErrorKind::ConnectionAborted.into())
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.way {
            Way::Tcp(socket) => socket.as_fd(),
            Way::Proxy(command) => command.as_fd(),
        }
    }
}

impl AsRawFd for Link {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

/// How soon a cancellation is noticed while an ssh-agent is waited for.
const NOTICE: Duration = Duration::from_millis(50);

/// `LIBSSH2_CALLBACK_RECV` of libssh2.h.
const CALLBACK_RECV: c_int = 6;

unsafe extern "C" {
    /// <https://libssh2.org/libssh2_session_callback_set.html>; libssh2-sys does not declare it.
    fn libssh2_session_callback_set(
        session: *mut LIBSSH2_SESSION,
        kind: c_int,
        callback: *mut c_void,
    ) -> *mut c_void;
}

/// What libssh2 calls in place of recv(2), for the host's socket and for that of an ssh-agent: hands back a
/// count, or a negative errno. `context` is where the session's abstract pointer is kept.
unsafe extern "C" fn receive(
    socket: c_int,
    buffer: *mut c_void,
    length: usize,
    _flags: c_int,
    context: *mut *mut c_void,
) -> isize {
    // SAFETY: `carry` has put a link there that lives as long as the session.
    let link = unsafe { &*(*context).cast::<Link>() };
    // SAFETY: libssh2 gives an open socket and a buffer of that length, for the time of this call.
    let (socket, buffer) = unsafe {
        (
            BorrowedFd::borrow_raw(socket),
            std::slice::from_raw_parts_mut(buffer.cast(), length),
        )
    };
    match link.receive(socket, buffer) {
        // A buffer is not larger than isize::MAX.
        Ok(count) => count as isize,
        Err(error) => -errno_of(&error),
    }
}

fn errno_of(error: &io::Error) -> isize {
    use rustix::io::Errno;
    let errno = match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Errno::AGAIN,
        _ => Errno::from_io_error(error).unwrap_or(Errno::CONNABORTED),
    };
    errno.raw_os_error() as isize
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::time::Instant;

    use super::*;

    /// What a host sends in two pieces, with Nagle's algorithm on, is here when it is sent.
    #[test]
    fn a_second_piece_does_not_wait_for_a_late_acknowledgement() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut theirs, _) = listener.accept().unwrap();
        std::thread::spawn(move || {
            while theirs.read_exact(&mut [0]).is_ok() {
                theirs.write_all(b"keys").unwrap();
                theirs.write_all(b"open").unwrap();
            }
        });
        let link = Link {
            way: Way::Tcp(ours.try_clone().unwrap()),
            meter: Meter::default(),
            is_prompt: AtomicBool::new(false),
            is_cut: AtomicBool::new(false),
        };
        ours.set_nonblocking(true).unwrap();
        let mut exchange = || {
            let start = Instant::now();
            ours.write_all(b"?").unwrap();
            let mut left = 8;
            while left > 0 {
                match link.receive(link.as_fd(), &mut [MaybeUninit::uninit(); 64]) {
                    Ok(0) => panic!("the other thread has ended"),
                    Ok(count) => left -= count,
                    Err(_) => drop(sleep_on((link.as_fd(), PollFlags::IN), NOTICE).unwrap()),
                }
            }
            start.elapsed()
        };
        // Once it takes a connection for a conversation, Linux waits for 40 ms, each time. The quickest counts: so
        // it does not matter what else the machine does.
        let times: Vec<Duration> = (0..15).map(|_| exchange()).collect();
        let quickest = times[5..].iter().min().unwrap();
        assert!(*quickest < Duration::from_millis(30), "{times:?}");
    }
}
