//! A server that plays EC2 and Auto Scaling: moto, from the Python environment that `./dev` makes.
//!
//! One server serves all tests of a process: starting it and its first answer take a second or two. Tests
//! don't see each other, since each has an account of its own.

use std::fs::File;
use std::net::SocketAddr;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use crate::http::Answer;
use crate::{loopback, target};

/// An account of our own at the server.
#[derive(Debug)]
pub(crate) struct Account {
    server: SocketAddr,
    number: String,
    agent: ureq::Agent,
}

impl Account {
    /// One in which nothing is, and that no other test of this process has.
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        static SERVER: OnceLock<SocketAddr> = OnceLock::new();
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)));
        Self {
            server: *SERVER.get_or_init(start),
            number: format!("7{:011}", NEXT.fetch_add(1, Ordering::Relaxed)),
            agent: ureq::Agent::new_with_config(config.build()),
        }
    }

    /// Its number.
    pub(crate) fn number(&self) -> &str {
        &self.number
    }

    /// Asks the server. The service and the region are read from `authorization`, as its clients write it.
    pub(crate) fn send(&self, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut request = (self.agent.post(format!("http://{}/", self.server)))
            .header("x-moto-account-id", &self.number);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut answer = request.send(body).expect("moto answers");
        let kind = answer.headers().get("content-type");
        let kind = kind
            .and_then(|kind| kind.to_str().ok())
            .map(ToOwned::to_owned);
        Answer::new(
            answer.status().as_u16(),
            kind.as_deref().unwrap_or("text/xml"),
            answer.body_mut().read_to_vec().expect("moto answers"),
        )
    }
}

/// Starts the server. It lives as long as this process, whose death, however sudden, is its own.
fn start() -> SocketAddr {
    let address = loopback::free(13);
    // What it says when it stumbles.
    let log = File::create(target::directory().join("moto.log"));
    let log = log.expect("the target directory can be written");
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL"])
        .arg(target::python("moto_server"))
        .args(["-H", &address.ip().to_string()])
        .args(["-p", &address.port().to_string()])
        // Some hundred images, with a snapshot each, in each account.
        .env("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    keep(command);
    let deadline = Instant::now() + Duration::from_secs(60);
    while std::net::TcpStream::connect(address).is_err() {
        assert!(Instant::now() < deadline, "moto does not listen");
        thread::sleep(Duration::from_millis(10));
    }
    address
}

/// Spawns a process from a thread that lives as long as the process does. A child with a death signal
/// gets it when the *thread* ends that spawned it, and a test's thread ends with the test.
pub(crate) fn keep(mut command: Command) -> (Option<ChildStdin>, Option<ChildStdout>) {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut child = (command.spawn()).expect("setpriv is there: it comes with util-linux");
        let _ = sender.send((child.stdin.take(), child.stdout.take()));
        let _ = child.wait();
    });
    receiver.recv().expect("it was spawned")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(account: &Account, form: &str) -> String {
        let authorization = "AWS4-HMAC-SHA256 Credential=rig/20200101/us-east-1/ec2/aws4_request, SignedHeaders=host, Signature=0";
        let headers = [
            ("authorization", authorization),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        String::from_utf8(account.send(&headers, form.as_bytes()).body).unwrap()
    }

    #[test]
    fn accounts_do_not_see_each_other() {
        let [ours, other] = [Account::new(), Account::new()];
        assert_ne!(ours.number(), other.number());
        let made = ask(
            &ours,
            "Action=CreateVolume&Version=2016-11-15&AvailabilityZone=us-east-1a&Size=1",
        );
        assert!(made.contains("<volumeId>vol-"), "{made}");
        let list = "Action=DescribeVolumes&Version=2016-11-15";
        assert!(ask(&ours, list).contains("<volumeId>vol-"));
        assert!(!ask(&other, list).contains("<volumeId>vol-"));
    }
}
