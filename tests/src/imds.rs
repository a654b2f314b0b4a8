//! The metadata service of an instance: version 2, whose tokens are enforced and expire.

mod answers;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use rustix::net::{AddressFamily, SocketType};

use crate::http::{Answer, Reply, Request, Server};

/// The instance that asks, and what is wrong with its service.
#[derive(Clone, Debug)]
pub struct ImdsOptions {
    /// The instance's id.
    pub instance: String,
    /// Its zone; its region is this without the last letter.
    pub zone: String,
    /// The account that it belongs to.
    pub account: String,
    /// Its role; without one it has no credentials.
    pub role: Option<String>,
    /// Its tags, where they are shown to it.
    pub tags: BTreeMap<String, String>,
    /// Nobody listens for so long at first.
    pub silent_for: Duration,
    /// How far the service's `Date` is ahead of this machine's clock.
    pub clock_ahead: SignedDuration,
}

/// A running service. It ends when it is dropped.
#[derive(Debug)]
pub struct Imds {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    starting: Option<thread::JoinHandle<()>>,
}

/// One request that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// `GET` or `PUT`.
    pub method: String,
    /// The path, with its leading slash.
    pub path: String,
    /// What it was answered with.
    pub status: u16,
}

#[derive(Debug)]
struct State {
    options: ImdsOptions,
    /// `target-lifecycle-state`: of instances of a group only.
    lifecycle: Option<String>,
    tokens: Vec<(String, Instant)>,
    given: u64,
    /// So many requests are still answered with 503.
    unavailable: u32,
    asked: Vec<Asked>,
    started: Timestamp,
    ended: bool,
    server: Option<Server>,
}

impl ImdsOptions {
    /// An instance with a role, and nothing wrong.
    pub fn new(instance: &str, zone: &str, account: &str) -> Self {
        Self {
            instance: instance.to_owned(),
            zone: zone.to_owned(),
            account: account.to_owned(),
            role: Some("release-instance".into()),
            tags: BTreeMap::new(),
            silent_for: Duration::ZERO,
            clock_ahead: SignedDuration::ZERO,
        }
    }
}

impl Imds {
    /// Starts a service. It is there at once, though perhaps silent.
    pub fn start(options: ImdsOptions) -> Self {
        let (listener, address) = unheard_listener();
        let silent_for = options.silent_for;
        let state = Arc::new(Mutex::new(State {
            options,
            lifecycle: None,
            tokens: Vec::new(),
            given: 0,
            unavailable: 0,
            asked: Vec::new(),
            started: Timestamp::now(),
            ended: false,
            server: None,
        }));
        let served = Arc::clone(&state);
        let listen = move || {
            let until = Instant::now() + silent_for;
            while Instant::now() < until && !lock(&served).ended {
                thread::sleep(Duration::from_millis(5));
            }
            rustix::net::listen(&listener, 64).expect("a bound socket can listen");
            let handled = Arc::clone(&served);
            let server = Server::start(listener, move |request| lock(&handled).handle(&request));
            lock(&served).server = Some(server);
        };
        let starting = if silent_for.is_zero() {
            listen();
            None
        } else {
            Some(thread::spawn(listen))
        };
        Self {
            address,
            state,
            starting,
        }
    }

    /// For `AWS_EC2_METADATA_SERVICE_ENDPOINT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What the group means the instance to become: `InService`, `Terminated`, …
    pub fn set_lifecycle(&self, state: Option<&str>) {
        lock(&self.state).lifecycle = state.map(ToOwned::to_owned);
    }

    /// Answers so many requests with 503.
    pub fn fail(&self, requests: u32) {
        lock(&self.state).unavailable = requests;
    }

    /// Ends all tokens that were given, as time does.
    pub fn expire_tokens(&self) {
        lock(&self.state).tokens.clear();
    }

    /// The instance's role from now on, if it has one.
    pub fn set_role(&self, role: Option<&str>) {
        lock(&self.state).options.role = role.map(str::to_owned);
    }

    /// All requests so far, in their order.
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.state).asked.clone()
    }
}

impl Drop for Imds {
    fn drop(&mut self) {
        lock(&self.state).ended = true;
        if let Some(starting) = self.starting.take() {
            let _ = starting.join();
        }
        // Not under the lock: its end waits for nobody, but its handlers may wait for the lock.
        let server = lock(&self.state).server.take();
        drop(server);
    }
}

impl State {
    fn handle(&mut self, request: &Request) -> Reply {
        let mut answer = if self.unavailable > 0 {
            self.unavailable -= 1;
            Answer::new(503, "text/plain", "")
        } else if request.method == "PUT" && request.path == "/latest/api/token" {
            self.give_token(request)
        } else if !self.knows(request) {
            // Without a token too: version 1 is refused.
            Answer::new(401, "text/plain", "")
        } else {
            self.answer(request)
        };
        self.asked.push(Asked {
            method: request.method.clone(),
            path: request.path.clone(),
            status: answer.status,
        });
        let date = self.now().as_duration();
        let date = Timestamp::from_second(date.as_secs()).expect("now is a time");
        let date = (jiff::fmt::rfc2822::DateTimePrinter::new())
            .timestamp_to_rfc9110_string(&date)
            .expect("now can be written");
        answer.headers.push(("date", date));
        Reply::Answer(answer)
    }

    fn give_token(&mut self, request: &Request) -> Answer {
        let seconds = request.header("x-aws-ec2-metadata-token-ttl-seconds");
        let seconds: Option<u64> = seconds.and_then(|text| text.parse().ok());
        // A request that came through a proxy is not the instance's own.
        if request.header("x-forwarded-for").is_some() {
            return Answer::new(403, "text/plain", "");
        }
        let Some(seconds @ 1..=21_600) = seconds else {
            return Answer::new(400, "text/plain", "");
        };
        self.given += 1;
        let token = format!("token-{}-{:016x}", self.given, std::process::id());
        let end = Instant::now() + Duration::from_secs(seconds);
        self.tokens.push((token.clone(), end));
        let mut answer = Answer::new(200, "text/plain", token);
        let name = "x-aws-ec2-metadata-token-ttl-seconds";
        answer.headers.push((name, seconds.to_string()));
        answer
    }

    fn knows(&self, request: &Request) -> bool {
        let token = request.header("x-aws-ec2-metadata-token");
        let mut valid = self.tokens.iter().filter(|(_, end)| *end > Instant::now());
        valid.any(|(known, _)| Some(known.as_str()) == token)
    }

    fn answer(&self, request: &Request) -> Answer {
        let found = (request.method == "GET")
            .then(|| answers::find(self, &request.path))
            .flatten();
        found.unwrap_or_else(|| Answer::new(404, "text/plain", ""))
    }

    /// The time as this service tells it.
    fn now(&self) -> Timestamp {
        Timestamp::now() + self.options.clock_ahead
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("nobody panics with the lock")
}

/// A socket with an address of its own that refuses connections until somebody listens.
fn unheard_listener() -> (TcpListener, SocketAddr) {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None);
    let socket = socket.expect("a socket can be made");
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    rustix::net::bind(&socket, &address).expect("loopback has free ports");
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().expect("it is bound");
    (listener, address)
}

#[cfg(test)]
mod tests;
