//! A TCP proxy on loopback that makes a network: latency, a rate, silence, a cut.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::loopback;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the one who connected to the server behind the proxy.
    Up,
    /// Back.
    Down,
}

/// What the network does to a connection. The default is a perfect one.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProxyOptions {
    /// How long each byte is under way, one way.
    pub latency: Duration,
    /// Bytes a second, each way; `None`: as fast as it goes.
    pub rate: Option<u64>,
    /// Close every connection after this many bytes in a direction, counted over all connections.
    pub cut: Option<(Direction, u64)>,
    /// Let nothing more through, either way, after this many bytes in a direction; connections stay open.
    pub stall: Option<(Direction, u64)>,
}

/// A running proxy. It ends, and cuts what is open, when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    target: SocketAddr,
    options: ProxyOptions,
    bytes: [AtomicU64; 2],
    ended: AtomicBool,
    stalled: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
    /// The deepest of any connection.
    depth: AtomicU64,
}

/// Bytes under way.
struct Parcel {
    arrival: Instant,
    /// How many bytes, each sent after the one before had arrived, led to these, themselves included.
    depth: u64,
    bytes: Vec<u8>,
}

/// The depth of what has arrived at either end of a connection, by the direction that it came.
type Arrived = [AtomicU64; 2];

impl Proxy {
    /// Starts a proxy before `target`.
    pub fn start(target: SocketAddr, options: ProxyOptions) -> Self {
        let listener = loopback::listener(11);
        let address = listener.local_addr().expect("a listener has an address");
        let state = Arc::new(State {
            target,
            options,
            bytes: Default::default(),
            ended: AtomicBool::new(false),
            stalled: AtomicBool::new(false),
            open: Mutex::default(),
            depth: AtomicU64::new(0),
        });
        let accepting = Arc::clone(&state);
        thread::spawn(move || accepting.accept(&listener));
        Self { address, state }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many bytes came in to go this way, over all connections.
    pub fn bytes(&self, direction: Direction) -> u64 {
        self.state.bytes[direction as usize].load(Ordering::Relaxed)
    }

    /// How many times one side can have waited for the other, in the connection where that was most often:
    /// whatever is sent counts as an answer to all that had arrived before. That is never too few, as long
    /// as latency is long against the time that the ends take.
    pub fn round_trips(&self) -> u64 {
        self.state.depth.load(Ordering::Relaxed).div_ceil(2)
    }

    /// Waits until so many bytes went this way; `false` if that doesn't happen in time.
    pub fn wait_for(&self, direction: Direction, bytes: u64, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while self.bytes(direction) < bytes {
            if Instant::now() > deadline {
                return false;
            }
            thread::sleep(Duration::from_micros(200));
        }
        true
    }

    /// Closes every connection, now. New ones are let through.
    pub fn cut(&self) {
        self.state.cut();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::Relaxed);
        self.state.cut();
        // Wakes the acceptor, which then sees that it has ended.
        let _ = TcpStream::connect(self.address);
    }
}

impl State {
    fn accept(self: Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming().flatten() {
            if self.ended.load(Ordering::Relaxed) {
                return;
            }
            // A server that isn't there looks the same through a proxy: closed at once.
            if let Ok(server) = TcpStream::connect(self.target) {
                self.open(&client, &server);
            }
        }
    }

    fn open(self: &Arc<Self>, client: &TcpStream, server: &TcpStream) {
        let clone = |stream: &TcpStream| {
            stream.set_nodelay(true).expect("a socket takes options");
            stream.try_clone().expect("a socket can be cloned")
        };
        let mut open = self.open.lock().expect("nobody panics with the lock");
        open.extend([clone(client), clone(server)]);
        drop(open);
        let arrived = Arc::<Arrived>::default();
        for (direction, from, to) in [
            (Direction::Up, clone(client), clone(server)),
            (Direction::Down, clone(server), clone(client)),
        ] {
            let (sender, receiver) = sync_channel(self.parcels());
            let (state, there) = (Arc::clone(self), Arc::clone(&arrived));
            thread::spawn(move || state.take_in(from, direction, &there, &sender));
            let (rate, there) = (self.options.rate, Arc::clone(&arrived));
            thread::spawn(move || hand_out(to, rate, &there[direction as usize], &receiver));
        }
    }

    /// How much may be under way: with latency, as much as the link's delay holds.
    fn parcels(&self) -> usize {
        if self.options.latency.is_zero() {
            4
        } else {
            4096
        }
    }

    fn take_in(
        &self,
        mut from: TcpStream,
        direction: Direction,
        arrived: &Arrived,
        to: &SyncSender<Parcel>,
    ) {
        let mut buffer = [0; 16 << 10];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            let arrival = Instant::now() + self.options.latency;
            let depth = arrived[1 - direction as usize].load(Ordering::Relaxed) + 1;
            self.depth.fetch_max(depth, Ordering::Relaxed);
            let before = self.bytes[direction as usize].fetch_add(length as u64, Ordering::Relaxed);
            let passing = self.admit(direction, before, length);
            let parcel = Parcel {
                arrival,
                depth,
                bytes: buffer[..passing].to_vec(),
            };
            if to.send(parcel).is_err() {
                break;
            }
            if exceeded(self.options.cut, direction, before + length as u64) {
                // What was let through before the cut arrives.
                thread::sleep(self.options.latency + Duration::from_millis(2));
                self.cut();
                break;
            }
        }
        // Nor is an end heard of through a network that is silent.
        while self.stalled.load(Ordering::Relaxed) && !self.ended.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// How many of `length` bytes may pass, `before` of them having come in this direction.
    fn admit(&self, direction: Direction, before: u64, length: usize) -> usize {
        if self.stalled.load(Ordering::Relaxed) {
            return 0;
        }
        if exceeded(self.options.stall, direction, before + length as u64) {
            self.stalled.store(true, Ordering::Relaxed);
        }
        let limits = [self.options.cut, self.options.stall];
        let rooms = (limits.into_iter().flatten())
            .filter(|(of, _)| *of == direction)
            .map(|(_, limit)| limit.saturating_sub(before) as usize);
        rooms.min().unwrap_or(length).min(length)
    }

    fn cut(&self) {
        let mut open = self.open.lock().expect("nobody panics with the lock");
        for stream in open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn exceeded(limit: Option<(Direction, u64)>, direction: Direction, bytes: u64) -> bool {
    limit.is_some_and(|(of, limit)| of == direction && bytes > limit)
}

fn hand_out(mut to: TcpStream, rate: Option<u64>, arrived: &AtomicU64, parcels: &Receiver<Parcel>) {
    let mut free = Instant::now();
    for parcel in parcels {
        let due = parcel.arrival.max(free);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if let Some(rate) = rate {
            let takes = Duration::from_secs_f64(parcel.bytes.len() as f64 / rate as f64);
            free = free.max(Instant::now()) + takes;
        }
        // Before it is written: the answer may be faster than this thread.
        arrived.fetch_max(parcel.depth, Ordering::Relaxed);
        if to.write_all(&parcel.bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that sends back what it gets.
    fn echo() -> SocketAddr {
        let listener = loopback::listener(12);
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut reader = stream.try_clone().unwrap();
                let mut writer = stream;
                thread::spawn(move || {
                    let _ = std::io::copy(&mut reader, &mut writer);
                    let _ = writer.shutdown(Shutdown::Write);
                });
            }
        });
        address
    }

    fn send(proxy: &Proxy, bytes: &[u8]) -> (Vec<u8>, Duration) {
        let mut stream = TcpStream::connect(proxy.address()).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(1)))
            .unwrap();
        let started = Instant::now();
        let mut writer = stream.try_clone().unwrap();
        let bytes = bytes.to_vec();
        let sender = thread::spawn(move || {
            let _ = writer.write_all(&bytes);
            let _ = writer.shutdown(Shutdown::Write);
        });
        let mut back = Vec::new();
        let _ = stream.read_to_end(&mut back);
        sender.join().unwrap();
        (back, started.elapsed())
    }

    #[test]
    fn bytes_go_through_and_are_counted() {
        let proxy = Proxy::start(echo(), ProxyOptions::default());
        let sent = vec![7; 1 << 20];
        assert!(send(&proxy, &sent).0 == sent);
        assert_eq!(proxy.bytes(Direction::Up), 1 << 20);
        assert_eq!(proxy.bytes(Direction::Down), 1 << 20);
    }

    #[test]
    fn latency_delays_and_does_not_throttle() {
        let latency = Duration::from_millis(50);
        let proxy = Proxy::start(
            echo(),
            ProxyOptions {
                latency,
                ..Default::default()
            },
        );
        let (back, took) = send(&proxy, &vec![7; 4 << 20]);
        assert_eq!(back.len(), 4 << 20);
        assert!(took >= 2 * latency, "{took:?}");
        assert!(took < 10 * latency, "{took:?}");
    }

    #[test]
    fn round_trips_are_counted() {
        let options = ProxyOptions {
            latency: Duration::from_millis(100),
            ..Default::default()
        };
        let proxy = Proxy::start(echo(), options);
        let mut stream = TcpStream::connect(proxy.address()).unwrap();
        for trips in 1..=3 {
            // What is sent before anything has come back is one trip, in however many pieces.
            stream.write_all(b"ping").unwrap();
            thread::sleep(Duration::from_millis(1));
            stream.write_all(b"pong").unwrap();
            stream.read_exact(&mut [0; 8]).unwrap();
            assert_eq!(proxy.round_trips(), trips);
        }
    }

    #[test]
    fn a_rate_throttles() {
        let rate = Some(1 << 20);
        let proxy = Proxy::start(
            echo(),
            ProxyOptions {
                rate,
                ..Default::default()
            },
        );
        let (back, took) = send(&proxy, &[7; 512 << 10]);
        assert_eq!(back.len(), 512 << 10);
        assert!((0.4..1.2).contains(&took.as_secs_f64()), "{took:?}");
    }

    #[test]
    fn a_cut_comes_at_its_byte_and_closes() {
        for direction in [Direction::Up, Direction::Down] {
            let cut = Some((direction, 100_000));
            let proxy = Proxy::start(
                echo(),
                ProxyOptions {
                    cut,
                    ..Default::default()
                },
            );
            let (back, took) = send(&proxy, &[7; 1 << 20]);
            assert!(back.len() <= 100_000, "{}", back.len());
            assert!(
                took < Duration::from_millis(900),
                "closed, not silent: {took:?}"
            );
            let (back, _) = send(&proxy, b"again");
            assert!(back.is_empty());
        }
    }

    #[test]
    fn a_stall_is_silent() {
        let stall = Some((Direction::Up, 100_000));
        let proxy = Proxy::start(
            echo(),
            ProxyOptions {
                stall,
                ..Default::default()
            },
        );
        let (back, took) = send(&proxy, &[7; 200_000]);
        assert!(back.len() <= 100_000, "{}", back.len());
        assert!(
            took >= Duration::from_secs(1),
            "silent, not closed: {took:?}"
        );
    }
}
