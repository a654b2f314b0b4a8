//! Addresses that no other test uses.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU8, Ordering};

/// A listener on a free port of one of the addresses 127.0.`block`.0/24, another address each time, so
/// that hosts differ in more than a port.
pub(crate) fn listener(block: u8) -> TcpListener {
    static NEXT: AtomicU8 = AtomicU8::new(0);
    let last = NEXT.fetch_add(1, Ordering::Relaxed) % 250 + 4;
    TcpListener::bind((Ipv4Addr::new(127, 0, block, last), 0)).expect("loopback has free ports")
}

/// An address on which nobody listens.
pub(crate) fn free(block: u8) -> SocketAddr {
    listener(block)
        .local_addr()
        .expect("a listener has an address")
}
