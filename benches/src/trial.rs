//! The sides of one workload, run in turns.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use release_tests::judge;
use release_tests::proxy::{Direction, Proxy};
use serde::Serialize;

use crate::field::Field;
use crate::meter::{self, Memory, Taken};
use crate::side::{OURS, Side, rsync};

/// What was measured of one side.
#[derive(Debug, Serialize)]
pub struct Samples {
    /// Which one.
    pub side: String,
    #[serde(skip)]
    pub(crate) who: Side,
    /// Seconds by the clock, one of each timed run.
    pub wall: Vec<f64>,
    /// Seconds of processor time on the controller's side.
    pub controller_cpu: Vec<f64>,
    /// Seconds of processor time on all hosts.
    pub hosts_cpu: Vec<f64>,
    /// What was counted in the run before those.
    pub counted: Counted,
}

/// What a run was counted to need; its times are not used.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Counted {
    /// Peaks of anonymous memory.
    pub memory: Memory,
    /// Bytes to the hosts and back, as the program says: before encryption, without an agent's upload.
    pub said: [u64; 2],
    /// Bytes of the TCP connection to the host and back, for one host.
    pub tcp: Option<[u64; 2]>,
    /// Round trips after the command was started on the host, at most; where there is latency, for ours.
    pub round_trips: Option<u64>,
}

/// How a workload is run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plan {
    /// Timed runs of each side.
    pub runs: usize,
    /// One way.
    pub latency: Duration,
}

/// Runs every side once to count and to warm up, then all of them in turns, and judges what they left.
pub fn run(field: &Field, sides: &[Side], plan: &Plan, tell: &dyn Fn(&str)) -> Vec<Samples> {
    let warm_up = |side: &Side| {
        tell(&format!("warm-up: {}", side.label()));
        let counted = count(field, side, plan);
        let overlooked = field.judge(side);
        if overlooked > 0 {
            tell(&format!(
                "{} has left {overlooked} entries as they were: their sizes and times are equal",
                side.label()
            ));
        }
        Samples {
            side: side.label(),
            who: side.clone(),
            wall: Vec::new(),
            controller_cpu: Vec::new(),
            hosts_cpu: Vec::new(),
            counted,
        }
    };
    let mut all: Vec<Samples> = sides.iter().map(warm_up).collect();
    for round in 1..=plan.runs {
        tell(&format!("round {round} of {}", plan.runs));
        // Whoever comes first finds a machine that has just done something else: that goes around.
        all.rotate_left(1);
        for samples in &mut all {
            field.reset(&samples.who);
            let (proxies, addresses) = way(field, plan.latency);
            let taken = one(field, &samples.who, &addresses, false);
            drop(proxies);
            samples.wall.push(taken.wall);
            samples.controller_cpu.push(taken.controller_cpu);
            samples.hosts_cpu.push(taken.hosts_cpu);
        }
    }
    for side in sides {
        field.judge(side);
    }
    all.rotate_right(plan.runs % sides.len());
    all
}

/// To the hosts directly, or through a network where there is to be latency.
fn way(field: &Field, latency: Duration) -> (Vec<Proxy>, Vec<SocketAddr>) {
    if latency.is_zero() {
        return (Vec::new(), field.addresses());
    }
    let proxies = field.proxies(latency);
    let addresses = proxies.iter().map(Proxy::address).collect();
    (proxies, addresses)
}

/// One run in which everything but time is counted.
pub fn count(field: &Field, side: &Side, plan: &Plan) -> Counted {
    field.reset(side);
    let alone = field.hosts().len() == 1;
    let proxies = if alone {
        field.proxies(plan.latency)
    } else {
        Vec::new()
    };
    let addresses = match &proxies[..] {
        [] => field.addresses(),
        proxies => proxies.iter().map(Proxy::address).collect(),
    };
    let taken = one(field, side, &addresses, true);
    let tcp = |proxy: &Proxy| [Direction::Up, Direction::Down].map(|way| proxy.bytes(way));
    let counts_trips = alone && side.is_ours() && !plan.latency.is_zero();
    Counted {
        memory: taken.memory.unwrap_or_default(),
        said: said(side, &String::from_utf8_lossy(&taken.output.stdout)),
        tcp: proxies.first().map(tcp),
        round_trips: counts_trips.then(|| {
            proxies[0]
                .round_trips()
                .saturating_sub(log_in_trips(field, plan.latency))
        }),
    }
}

/// One run. Fails unless it did what was asked.
fn one(field: &Field, side: &Side, addresses: &[SocketAddr], watch: bool) -> Taken {
    let mut command = field.command(side, addresses);
    let taken = meter::measure(&mut command, field.hosts(), watch);
    assert!(
        taken.output.status.success(),
        "{}: {:#?}",
        side.label(),
        taken.output
    );
    if side.is_ours() {
        let finished = finished(&String::from_utf8_lossy(&taken.output.stdout));
        let wanted = if field.is_settled() {
            "unchanged"
        } else {
            "committed"
        };
        let hosts = finished["hosts"].as_array().expect("a run has hosts");
        assert_eq!(hosts.len(), addresses.len(), "{finished:#}");
        assert!(
            hosts.iter().all(|host| host["outcome"] == wanted),
            "{finished:#}"
        );
    }
    taken
}

fn finished(stdout: &str) -> serde_json::Value {
    let last = stdout.lines().last().expect("a run says something");
    let event: serde_json::Value = serde_json::from_str(last).expect("events are JSON");
    assert_eq!(event["event"], "finished", "{event:#}");
    event
}

/// Bytes to the hosts and back.
fn said(side: &Side, stdout: &str) -> [u64; 2] {
    if side.is_ours() {
        let finished = finished(stdout);
        let hosts = finished["hosts"].as_array().expect("a run has hosts");
        return ["bytes_sent", "bytes_received"].map(|key| {
            let of = |host: &serde_json::Value| host[key].as_u64().expect("it is a number");
            hosts.iter().map(of).sum()
        });
    }
    ["Total bytes sent: ", "Total bytes received: "].map(|words| {
        let numbers = stdout.lines().filter_map(|line| line.strip_prefix(words));
        let number = |text: &str| text.trim().replace(',', "").parse::<u64>();
        numbers
            .map(|text| number(text).expect("it is a number"))
            .sum()
    })
}

/// Round trips of a log-in by libssh2 up to where a command can be started.
fn log_in_trips(field: &Field, latency: Duration) -> u64 {
    let proxies = field.proxies(latency);
    let stream = TcpStream::connect(proxies[0].address()).expect("the proxy listens");
    let mut session = ssh2::Session::new().expect("libssh2 can be initialized");
    session.set_tcp_stream(stream);
    session.handshake().expect("the host exchanges keys");
    session
        .userauth_pubkey_file("root", None, &field.identity(), None)
        .expect("the host lets us in");
    let channel = session.channel_session();
    let trips = proxies[0].round_trips();
    drop(channel.expect("the host opens a channel"));
    trips
}

/// What came of an edit behind our back.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Tampered {
    /// Was it mended by the next deploy? Anything else fails.
    pub ours: bool,
    /// Was it mended by the next `rsync -a`?
    pub rsync: bool,
}

/// Changes a file on the host so that its size and time stay as they are, and lets each side have a look.
pub fn tamper(field: &Field) -> Tampered {
    let mended = |side: &Side| {
        let tree = field.tree(&field.hosts()[0], side);
        change(&some_file(&tree));
        let mut command = field.command(side, &field.addresses());
        let output = command.output().expect("the program can be started");
        assert!(output.status.success(), "{output:#?}");
        judge::rsync_lines(field.source(), &tree).is_empty()
    };
    let tampered = Tampered {
        ours: mended(&OURS),
        rsync: mended(&rsync("-a")),
    };
    assert!(tampered.ours, "an edit behind our back was overlooked");
    tampered
}

fn change(path: &Path) {
    let file = File::options()
        .read(true)
        .write(true)
        .open(path)
        .expect("it is there");
    let time = file
        .metadata()
        .and_then(|meta| meta.modified())
        .expect("files have times");
    let mut byte = [0];
    file.read_exact_at(&mut byte, 0).expect("it has a byte");
    file.write_all_at(&[byte[0] ^ 1], 0).expect("it is ours");
    file.set_modified(time).expect("it is ours");
}

/// The first in the order of names that is not empty.
fn some_file(tree: &Path) -> PathBuf {
    let mut directory = tree.to_owned();
    loop {
        let entries = fs::read_dir(&directory).expect("a tree can be read");
        let mut paths: Vec<PathBuf> = entries
            .map(|entry| entry.expect("it can be read").path())
            .collect();
        paths.retain(|path| !path.ends_with(".release"));
        paths.sort();
        let file = paths
            .iter()
            .find(|path| fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() > 0));
        match file {
            Some(file) => return file.clone(),
            None => {
                directory = paths
                    .into_iter()
                    .find(|path| path.is_dir())
                    .expect("there is a file")
            }
        }
    }
}
