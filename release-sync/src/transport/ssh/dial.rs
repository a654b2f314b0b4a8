//! A TCP connection to a host, in bounded time.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc;
use std::time::Duration;

use rustix::net::sockopt;

use super::Deadline;

/// Tries the host's addresses in the resolver's order; each gets an equal share of the time that is left
/// by then, so that one that drops packets does not use it up. The error is the last address's.
pub(super) fn dial(host: &str, port: u16, deadline: Deadline) -> io::Result<TcpStream> {
    let addresses = resolve(host, port, deadline)?;
    let mut refusal = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for (tried, address) in addresses.iter().enumerate() {
        let share = deadline.left()? / u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        match TcpStream::connect_timeout(address, share.max(Duration::from_millis(1))) {
            Ok(socket) => {
                prepare(&socket)?;
                return Ok(socket);
            }
            Err(error) => refusal = error,
        }
    }
    Err(refusal)
}

fn resolve(host: &str, port: u16, deadline: Deadline) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    // The resolver has no time limit of ours, so it runs aside; a late answer finds nobody waiting.
    let (answer, waiting) = mpsc::sync_channel(1);
    let host = String::from(host);
    std::thread::Builder::new()
        .name(String::from("resolver"))
        .spawn(move || {
            let addresses = (host.as_str(), port).to_socket_addrs();
            let _ = answer.send(addresses.map(Iterator::collect));
        })?;
    waiting.recv_timeout(deadline.left()?).map_err(|_| {
        io::Error::new(
            io::ErrorKind::TimedOut,
            "the name could not be resolved in time",
        )
    })?
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
        let socket = dial("localhost", port, deadline).unwrap();
        assert!(socket.nodelay().unwrap());
        drop(listener);
        let refused = dial("127.0.0.1", port, deadline).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn no_time_left() {
        let deadline = Deadline::after(Duration::ZERO);
        let late = dial("127.0.0.1", 9, deadline).unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
    }
}
