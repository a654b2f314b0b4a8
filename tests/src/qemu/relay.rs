//! Brings to 127.0.0.1, which a guest sees, what listens on another address of loopback.

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

/// A relay. It lasts as long as the process.
#[derive(Clone, Copy, Debug)]
pub struct Relay(u16);

impl Relay {
    /// A relay to what is at `http://ADDRESS:PORT`.
    pub fn to(endpoint: &str) -> Self {
        let target = endpoint.trim_start_matches("http://");
        let target: SocketAddr = target.parse().expect("a rig is at an address and a port");
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has free ports");
        let port = listener.local_addr().expect("it is bound").port();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if let Ok(server) = TcpStream::connect(target) {
                    let _ = join(stream, server);
                }
            }
        });
        Self(port)
    }

    /// The port on the guest's 10.0.2.2.
    pub fn port(self) -> u16 {
        self.0
    }
}

fn join(client: TcpStream, server: TcpStream) -> io::Result<()> {
    let pairs = [(client.try_clone()?, server.try_clone()?), (server, client)];
    for (mut from, mut to) in pairs {
        thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
    }
    Ok(())
}
