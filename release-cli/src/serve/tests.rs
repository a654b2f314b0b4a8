//! With clients that are not ours, down to those that misbehave.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream as Stream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use super::*;

struct Running {
    directory: tempfile::TempDir,
    address: SocketAddr,
    over: Arc<AtomicBool>,
    served: Arc<Mutex<Vec<Served>>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("snap.txt"), "snap-00000001\n").unwrap();
        let (over, served) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let (tell, bound) = std::sync::mpsc::channel();
        let (path, stop, log) = (
            directory.path().to_owned(),
            Arc::clone(&over),
            Arc::clone(&served),
        );
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let any = "127.0.0.1:0".parse().unwrap();
                let server = Server::bind(&path, any).await.unwrap();
                tell.send(server.address()).unwrap();
                let log: Arc<Mutex<Vec<Served>>> = log;
                let note = move |served: &Served| log.lock().unwrap().push(served.clone());
                server
                    .run(move || stop.load(Ordering::SeqCst), Arc::new(note))
                    .await;
            });
        });
        Self {
            address: bound.recv().unwrap(),
            directory,
            over,
            served,
            thread: Some(thread),
        }
    }

    fn connect(&self) -> Stream {
        let stream = Stream::connect(self.address).unwrap();
        let patience = Duration::from_secs(30);
        stream.set_read_timeout(Some(patience)).unwrap();
        stream
    }

    /// Sends this, and reads to the end.
    fn say(&self, text: &str) -> String {
        let mut stream = self.connect();
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = Vec::new();
        // Whoever is refused may find the connection reset.
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    }

    fn stop(&mut self) -> Duration {
        let begin = Instant::now();
        self.over.store(true, Ordering::SeqCst);
        self.thread.take().unwrap().join().unwrap();
        begin.elapsed()
    }
}

#[test]
fn requests_are_answered_and_told() {
    let mut running = Running::start();
    let get = "GET /snap.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answer = running.say(get).to_lowercase();
    assert!(answer.starts_with("http/1.1 200 ok\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nsnap-00000001\n"), "{answer}");
    assert!(answer.contains("content-length: 14\r\n"), "{answer}");
    let head = running.say(&get.replace("GET", "HEAD")).to_lowercase();
    assert!(head.contains("content-length: 14\r\n"), "{head}");
    assert!(head.ends_with("\r\n\r\n"), "{head}");
    let tag = answer
        .split("etag: ")
        .nth(1)
        .unwrap()
        .lines()
        .next()
        .unwrap();
    let again = get.replace("\r\n\r\n", &format!("\r\nIf-None-Match: {tag}\r\n\r\n"));
    let again = running.say(&again);
    assert!(again.starts_with("HTTP/1.1 304 "), "{again}");
    assert!(again.ends_with("\r\n\r\n"), "{again}");
    // What was replaced is another.
    fs::write(running.directory.path().join("snap.txt"), "snap-00000002\n").unwrap();
    assert!(running.say(get).ends_with("snap-00000002\n"));
    running.stop();
    let served = running.served.lock().unwrap();
    let statuses: Vec<_> = served.iter().map(|served| served.status).collect();
    assert_eq!(statuses, [200, 200, 304, 200]);
    assert_eq!(served[1].request, "HEAD /snap.txt");
}

#[test]
fn what_is_too_long_or_no_request_is_refused() {
    let running = Running::start();
    let long = format!(
        "GET /snap.txt HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
        "x".repeat(3 * HEADER_BYTES)
    );
    let many = format!(
        "GET /snap.txt HTTP/1.1\r\nHost: a\r\n{}\r\n",
        "X: y\r\n".repeat(2 * HEADER_LINES)
    );
    for odd in [&long[..], &many, "nonsense\r\n\r\n", "\0\0\0\0\r\n\r\n"] {
        let answer = running.say(odd);
        let is_refused = answer.is_empty() || answer.starts_with("HTTP/1.1 4");
        assert!(is_refused, "{answer}");
    }
    // And the next one is served.
    let get = "GET /snap.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    assert!(running.say(get).starts_with("HTTP/1.1 200 "));
}

#[test]
fn whoever_dawdles_is_hung_up_on() {
    let running = Running::start();
    let mut slow = running.connect();
    slow.write_all(b"GET /snap.txt HT").unwrap();
    let begin = Instant::now();
    let mut rest = Vec::new();
    let _ = slow.read_to_end(&mut rest);
    let waited = begin.elapsed();
    assert!(waited < HEADERS + Duration::from_secs(5), "{waited:?}");
}

/// More connections than there are places: those that say nothing keep nobody from being served for long.
#[test]
fn connections_are_bounded() {
    let running = Running::start();
    let idle: Vec<_> = (0..CONNECTIONS + 20).map(|_| running.connect()).collect();
    let begin = Instant::now();
    let get = "GET /snap.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    assert!(running.say(get).starts_with("HTTP/1.1 200 "));
    let waited = begin.elapsed();
    assert!(waited >= HEADERS / 2, "somebody had to wait: {waited:?}");
    drop(idle);
}

#[test]
fn it_stops_at_once_and_ends_what_is_under_way() {
    let mut running = Running::start();
    let mut kept = running.connect();
    let get = "GET /snap.txt HTTP/1.1\r\nHost: a\r\n\r\n";
    kept.write_all(get.as_bytes()).unwrap();
    let mut first = [0; 12];
    kept.read_exact(&mut first).unwrap();
    let idle = running.connect();
    let took = running.stop();
    assert!(took < FAREWELL, "{took:?}");
    let mut rest = Vec::new();
    kept.read_to_end(&mut rest).unwrap();
    assert!(rest.ends_with(b"snap-00000001\n"));
    assert!(Stream::connect(running.address).is_err());
    drop(idle);
}
