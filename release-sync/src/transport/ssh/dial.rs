//! A TCP connection to a host, in bounded time.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::AsFd;
use std::sync::mpsc::{self, TryRecvError};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use super::Deadline;
use crate::Cancel;
use crate::transport::Waker;
use crate::transport::waker::{sleep, sleep_on};

/// Tries the host's addresses in the resolver's order; each gets an equal share of the time that is left
/// by then, so that one that drops packets does not use it up. The error is the last address's.
pub(super) fn dial(
    host: &str,
    port: u16,
    deadline: Deadline,
    cancel: &Cancel,
) -> io::Result<TcpStream> {
    let waker = Waker::new()?;
    let sleeper = waker.clone();
    let _listening = cancel.listen(move || sleeper.wake());
    let waiting = Waiting {
        deadline,
        waker,
        cancel,
    };
    let addresses = waiting.resolve(host, port)?;
    let mut refusal = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for (tried, address) in addresses.iter().enumerate() {
        let share = deadline.left()? / u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        match waiting.connect(address, share.max(Duration::from_millis(1))) {
            Ok(socket) => {
                prepare(&socket)?;
                return Ok(socket);
            }
            Err(error) if cancel.is_cancelled() => return Err(error),
            Err(error) => refusal = error,
        }
    }
    Err(refusal)
}

/// How long it may take, and whether anybody still wants it.
struct Waiting<'a> {
    deadline: Deadline,
    /// Is woken by a cancellation, too.
    waker: Waker,
    cancel: &'a Cancel,
}

impl Waiting<'_> {
    fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let host = String::from(host);
        self.aside(move || {
            (host.as_str(), port)
                .to_socket_addrs()
                .map(Iterator::collect)
        })
    }

    /// The resolver has no time limit of ours, so it runs aside; a late answer finds nobody waiting.
    fn aside<R: Send + 'static>(
        &self,
        resolve: impl FnOnce() -> io::Result<R> + Send + 'static,
    ) -> io::Result<R> {
        let (answer, answers) = mpsc::sync_channel(1);
        let waker = self.waker.clone();
        std::thread::Builder::new()
            .name(String::from("resolver"))
            .spawn(move || {
                let _ = answer.send(resolve());
                waker.wake();
            })?;
        loop {
            match answers.try_recv() {
                Ok(resolved) => return resolved,
                Err(TryRecvError::Disconnected) => return Err(io::Error::other("it panicked")),
                Err(TryRecvError::Empty) => {}
            }
            let late = "the name could not be resolved in time";
            let left = self.deadline.left();
            let left = left.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, late))?;
            self.sleep(None, left)?;
        }
    }

    fn connect(&self, address: &SocketAddr, patience: Duration) -> io::Result<TcpStream> {
        let family = match address {
            SocketAddr::V4(_) => AddressFamily::INET,
            SocketAddr::V6(_) => AddressFamily::INET6,
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
        match rustix::net::connect(&socket, address) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        let end = Instant::now() + patience;
        while sleep_on((socket.as_fd(), PollFlags::OUT), Duration::ZERO)?.is_empty() {
            match end.saturating_duration_since(Instant::now()) {
                Duration::ZERO => return Err(io::ErrorKind::TimedOut.into()),
                left => self.sleep(Some(socket.as_fd()), left)?,
            }
        }
        sockopt::socket_error(&socket)??;
        let socket = TcpStream::from(socket);
        socket.set_nonblocking(false)?;
        Ok(socket)
    }

    /// Sleeps until the socket can be written to, somebody wakes us, or the time is over.
    fn sleep(&self, socket: Option<std::os::fd::BorrowedFd<'_>>, most: Duration) -> io::Result<()> {
        let interest: Vec<_> = socket.map(|fd| (fd, PollFlags::OUT)).into_iter().collect();
        sleep(&interest, &self.waker, most)?;
        match self.cancel.is_cancelled() {
            true => Err(io::Error::new(io::ErrorKind::Interrupted, "cancelled")),
            false => Ok(()),
        }
    }
}

/// No delay for small frames; and a dead host is noticed within a minute, even by a session that waits
/// with nothing to send. (libssh2's own keepalive is not used: where its packet does not fit into the
/// socket at once, nothing can ever send the rest of it.)
fn prepare(socket: &TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_tcp_keepidle(socket, Duration::from_secs(20))?;
    sockopt::set_tcp_keepintvl(socket, Duration::from_secs(10))?;
    sockopt::set_tcp_keepcnt(socket, 4)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_name_with_several_addresses() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let deadline = Deadline::after(Duration::from_secs(10));
        // "localhost" may be ::1 first, where nobody listens.
        let socket = dial("localhost", port, deadline, &Cancel::default()).unwrap();
        assert!(socket.nodelay().unwrap());
        drop(listener);
        let refused = dial("127.0.0.1", port, deadline, &Cancel::default()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn a_resolver_is_not_waited_for_in_vain() {
        let cancel = Cancel::default();
        let resolve = |waiting: &Waiting<'_>| {
            waiting.aside(|| {
                std::thread::sleep(Duration::from_secs(30));
                Ok(())
            })
        };
        let waker = Waker::new().unwrap();
        let sleeper = waker.clone();
        let _listening = cancel.listen(move || sleeper.wake());
        let waiting = Waiting {
            deadline: Deadline::after(Duration::from_secs(20)),
            waker,
            cancel: &cancel,
        };
        let stop = cancel.clone();
        let (started, thread) = (
            Instant::now(),
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(300));
                stop.cancel();
            }),
        );
        let stopped = resolve(&waiting).unwrap_err();
        assert_eq!(stopped.kind(), io::ErrorKind::Interrupted);
        assert!(started.elapsed() < Duration::from_secs(2));
        thread.join().unwrap();

        let waiting = Waiting {
            deadline: Deadline::after(Duration::from_millis(100)),
            cancel: &Cancel::default(),
            ..waiting
        };
        let late = resolve(&waiting).unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn no_time_left() {
        let deadline = Deadline::after(Duration::ZERO);
        let late = dial("127.0.0.1", 9, deadline, &Cancel::default()).unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
    }
}
