//! Who may be met on the way to a host.

use std::io::{self, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use super::super::rig::Sshd;
use super::*;

#[test]
fn nobody_listens() {
    let sshd = Sshd::start();
    let mut target = sshd.target();
    target.port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let error = attempt(&target, &sshd.options()).unwrap_err();
    assert!(matches!(&error, Error::Connect { address, .. } if address.starts_with("127.0.0.1:")));
    assert_eq!(kind_of(&error), io::ErrorKind::ConnectionRefused);
    assert!(error.is_retryable());
}

#[test]
fn a_listener_that_never_speaks() {
    let sshd = Sshd::start();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut target = sshd.target();
    target.port = listener.local_addr().unwrap().port();
    let mut options = sshd.options();
    options.connect_timeout = Duration::from_millis(300);
    let start = Instant::now();
    let error = attempt(&target, &options).unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(
        matches!(
            error,
            Error::Ssh {
                doing: "exchanging keys",
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(kind_of(&error), io::ErrorKind::TimedOut);
    assert!(error.is_retryable());
}

#[test]
fn a_listener_that_speaks_something_else() {
    let sshd = Sshd::start();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut target = sshd.target();
    target.port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        socket
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .unwrap();
    });
    let error = attempt(&target, &sshd.options()).unwrap_err();
    server.join().unwrap();
    assert!(matches!(error, Error::Ssh { .. }), "{error:?}");
}

/// Says what it is given over and over, as fast as it goes, once it was greeted.
fn flooder(greeting: &'static [u8], flood: Vec<u8>) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        socket.write_all(greeting).unwrap();
        while socket.write_all(&flood).is_ok() {}
    });
    address
}

/// libssh2 passes over empty lines before a greeting, and over packets before a key exchange that it can't
/// use yet, but keeps these.
#[test]
fn a_listener_that_floods() {
    let sshd = Sshd::start();
    let packet = |kind: u8| {
        let mut packet = vec![0; 32_000];
        packet[..4].copy_from_slice(&(32_000_u32 - 4).to_be_bytes());
        packet[4] = 4;
        packet[5] = kind;
        packet
    };
    let greeting = b"SSH-2.0-flood\r\n";
    for (greeting, flood) in [
        (&b""[..], vec![b'\n'; 32_000]),
        (greeting, packet(2)),
        (greeting, packet(66)),
    ] {
        let mut target = sshd.target();
        target.port = flooder(greeting, flood).port();
        let start = Instant::now();
        let error = attempt(&target, &sshd.options()).unwrap_err();
        assert!(matches!(error, Error::Ssh { .. }), "{error:?}");
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "{:?}",
            start.elapsed()
        );
    }
}
