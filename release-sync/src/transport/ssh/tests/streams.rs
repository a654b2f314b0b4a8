//! A command and what goes in and out of it.

use std::fs;
use std::io;
use std::time::{Duration, Instant};

use super::super::rig::Sshd;
use super::*;
use crate::transport::Waker;
use crate::transport::testing::{Pattern, collect, exchange};

#[test]
fn much_both_ways_at_once() {
    let sshd = Sshd::start();
    let mut transport = connect(&sshd).exec("exec cat").unwrap();
    exchange(&mut transport, 64 << 20);
    transport.finish().unwrap();
    assert_eq!(collect(&mut transport), b"");
    assert_eq!(transport.exit_status(), Some(0));
    transport.close();
}

#[test]
fn keys_are_exchanged_anew_amid_a_transfer() {
    let sshd = Sshd::start_with(&["RekeyLimit=1M"], "");
    let mut transport = connect(&sshd).exec("exec cat").unwrap();
    exchange(&mut transport, 64 << 20);
    transport.close();
}

/// With next to no room in the socket every packet is sent in parts: chunks, window adjustments and those
/// of key exchanges. Nothing may wait for another for ever.
#[test]
fn packets_are_sent_in_parts_amid_key_exchanges() {
    for cipher in CIPHERS.split(',') {
        let sshd = Sshd::start_with(&["RekeyLimit=1M", &format!("Ciphers={cipher}")], "");
        let session = connect(&sshd);
        let chosen = session.session.methods(MethodType::CryptCs);
        assert_eq!(chosen, Some(cipher));
        rustix::net::sockopt::set_socket_send_buffer_size(&*session.link, 1).unwrap();
        let mut transport = session.exec("exec cat").unwrap();
        exchange(&mut transport, 8 << 20);
        transport.finish().unwrap();
        assert_eq!(collect(&mut transport), b"");
        transport.close();
    }
}

#[test]
fn a_flood_on_stderr_blocks_nothing() {
    let sshd = Sshd::start();
    let mut transport = connect(&sshd)
        .exec("head -c 30000000 /dev/zero >&2; echo end >&2; echo done; exit 7")
        .unwrap();
    assert_eq!(collect(&mut transport), b"done\n");
    assert_eq!(transport.exit_status(), Some(7));
    assert!(transport.stderr().ends_with(b"end\n"));
    assert_eq!(transport.stderr().len(), 32 << 10);
}

/// A host may fill its window before we have read the first byte of it, as one does that is faster than
/// we: that is no more than it was allowed to.
#[test]
fn a_host_may_be_ahead_of_us_by_a_window() {
    // With this cipher libssh2 goes on to read as long as there is something; with the others, only while
    // whole packets come as fast as it takes them.
    let sshd = Sshd::start_with(&["Ciphers=aes128-ctr"], "");
    let session = connect(&sshd);
    // All of a window lies in the socket before it is read.
    rustix::net::sockopt::set_socket_recv_buffer_size_force(&*session.link, 8 << 20).unwrap();
    let mut transport = session
        .exec("head -c 4000000 /dev/zero >&2; echo end")
        .unwrap();
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(collect(&mut transport), b"end\n");
}

#[test]
fn stderr_is_taken_in_while_nobody_reads() {
    let sshd = Sshd::start();
    let mut transport = connect(&sshd)
        .exec("head -c 30000000 /dev/zero >&2; echo end >&2; exec sleep 1000")
        .unwrap();
    let waker = Waker::new().unwrap();
    let start = Instant::now();
    while !transport.stderr().ends_with(b"end\n") {
        transport
            .wait(false, &waker, Duration::from_secs(1))
            .unwrap();
        assert!(start.elapsed() < Duration::from_secs(20));
    }
    transport.close();
}

#[test]
fn a_small_last_chunk_gets_out_by_waiting_alone() {
    let sshd = Sshd::start();
    let count = sshd.path("count");
    let command = format!("sleep 1; wc -c >{}", count.display());
    let mut transport = connect(&sshd).exec(&command).unwrap();
    let waker = Waker::new().unwrap();
    // Fills window and socket, until the transport has a chunk of its own.
    let pattern = Pattern::default();
    let mut sent = 0;
    let start = Instant::now();
    loop {
        match transport.write(pattern.peek(usize::MAX)) {
            Ok(written) => sent += written,
            Err(_) if sent > 2 << 20 => break,
            // On a busy machine the socket is full before the server has read a window's worth.
            Err(_) => transport
                .wait(true, &waker, Duration::from_millis(10))
                .unwrap(),
        }
        assert!(start.elapsed() < Duration::from_secs(20));
    }
    let start = Instant::now();
    while let Err(error) = transport.finish() {
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        transport
            .wait(false, &waker, Duration::from_secs(1))
            .unwrap();
        assert!(start.elapsed() < Duration::from_secs(20));
    }
    assert_eq!(collect(&mut transport), b"");
    assert_eq!(fs::read_to_string(count).unwrap().trim(), sent.to_string());
}

#[test]
fn a_sleeper_is_woken() {
    let sshd = Sshd::start();
    let mut transport = connect(&sshd).exec("exec sleep 1000").unwrap();
    let waker = Waker::new().unwrap();
    let other = waker.clone();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(100));
        other.wake();
    });
    let start = Instant::now();
    transport
        .wait(false, &waker, Duration::from_secs(60))
        .unwrap();
    assert!(start.elapsed() < Duration::from_secs(10));
    thread.join().unwrap();
    let start = Instant::now();
    transport.close();
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[test]
fn a_host_that_is_lost() {
    let sshd = Sshd::start();
    let mut transport = connect(&sshd).exec("exec cat").unwrap();
    exchange(&mut transport, 4 << 20);
    sshd.kill_sessions();
    let waker = Waker::new().unwrap();
    let pattern = Pattern::default();
    let mut buffer = [0; 1024];
    let start = Instant::now();
    let lost = loop {
        match transport.read(&mut buffer) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => break error,
        }
        match transport.write(pattern.peek(1 << 20)) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => break error,
        }
        assert!(start.elapsed() < Duration::from_secs(20));
        let _ = transport.wait(false, &waker, Duration::from_millis(100));
    };
    assert_eq!(lost.kind(), io::ErrorKind::ConnectionReset, "{lost}");
    assert_eq!(transport.exit_status(), None);
    transport.close();
}

#[test]
fn commands_run_one_after_the_other() {
    let sshd = Sshd::start();
    let session = connect(&sshd);
    let input = vec![7; 3_000_000];
    let output = session
        .run("wc -c; echo oops >&2; exit 3", Some(&mut input.as_slice()))
        .unwrap();
    assert_eq!(output.status, Some(3));
    assert_eq!(output.stdout, b"3000000\n");
    assert_eq!(output.stderr, b"oops\n");
    let output = session.run("kill -TERM $$", None).unwrap();
    assert_eq!(output.status, Some(143));
    // It ends before it has read everything.
    let output = session
        .run(
            "head -c 3; exec cat /dev/zero | head -c 200000",
            Some(&mut input.as_slice()),
        )
        .unwrap();
    assert_eq!(output.status, Some(0));
    assert_eq!(output.stdout.len(), 64 << 10);
    assert_eq!(session.run("echo $0", None).unwrap().status, Some(0));
}

#[test]
fn a_command_that_hangs() {
    let sshd = Sshd::start();
    let mut options = sshd.options();
    options.connect_timeout = Duration::from_millis(1500);
    let session = attempt(&sshd.target(), &options).unwrap();
    let start = Instant::now();
    let hung = session.run("exec sleep 1000", None).unwrap_err();
    assert!(matches!(hung, Error::Silence { .. }), "{hung:?}");
    assert!(start.elapsed() < Duration::from_secs(10));
}
