//! The resolver that every VPC has, at its own address: 169.254.169.253. It knows one name.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub(super) const ADDRESS: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 253);

/// A resolver. It ends, and its address goes, when it is dropped: one at a time.
#[derive(Debug)]
pub struct Names {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Names {
    /// One that knows this name at this address, and no other.
    pub fn serve(name: &'static str, address: Ipv4Addr) -> Self {
        on_loopback("add");
        let socket = UdpSocket::bind((ADDRESS, 53)).expect("nobody else is EC2's resolver here");
        let wait = Some(Duration::from_millis(50));
        socket
            .set_read_timeout(wait)
            .expect("a socket takes options");
        let ended = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&ended);
        let thread = thread::spawn(move || {
            let mut query = [0; 512];
            while !stop.load(Ordering::Relaxed) {
                match socket.recv_from(&mut query) {
                    Ok((length, asker)) => {
                        if let Some(answer) = answer(&query[..length], name, address) {
                            let _ = socket.send_to(&answer, asker);
                        }
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => panic!("{error}"),
                }
            }
        });
        Self {
            ended,
            thread: Some(thread),
        }
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        on_loopback("del");
    }
}

/// A killed run may have left it there.
fn on_loopback(verb: &str) {
    let address = format!("{ADDRESS}/32");
    let _ = Command::new("ip")
        .args(["addr", verb, &address, "dev", "lo"])
        .output();
}

/// An answer to a query with one question, as RFC 1035 has it.
fn answer(query: &[u8], name: &str, address: Ipv4Addr) -> Option<Vec<u8>> {
    let mut wanted = Vec::new();
    for label in name.split('.') {
        wanted.push(label.len() as u8);
        wanted.extend(label.as_bytes());
    }
    wanted.push(0);
    let end = 12 + query.get(12..)?.iter().position(|byte| *byte == 0)? + 1;
    let question = query.get(12..end + 4)?;
    let is_known = query[12..end].eq_ignore_ascii_case(&wanted);
    let is_address = question[question.len() - 4..] == [0, 1, 0, 1];
    let found = is_known && is_address;
    let mut answer = query[..2].to_vec();
    // An answer, by one who knows; 3: there is no such name.
    answer.extend([0x85, if is_known { 0x80 } else { 0x83 }]);
    answer.extend([0, 1, 0, u8::from(found), 0, 0, 0, 0]);
    answer.extend(question);
    if found {
        // The name above, an address, for a minute.
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        answer.extend(address.octets());
    }
    Some(answer)
}
