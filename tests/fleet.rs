//! Many hosts at once, and among them every kind that could spoil it for the others.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use release_tests::cli::{Cli, Run};
use release_tests::judge;
use release_tests::proxy::{Direction, Proxy, ProxyOptions};
use release_tests::scene::write;
use release_tests::snapshot::Snapshot;
use release_tests::sshd::{Rack, Sshd, SshdOptions};
use release_tests::tree;
use tempfile::TempDir;

/// Hosts with nothing wrong about them.
const GOOD: usize = 17;

/// How long a connection may take in this fleet, and how long a host may be silent: longer than the five
/// seconds after which a good one says that it is alive.
const CONNECTION: &str = "5s";
const SILENCE: &str = "8s";

/// How long a host may get no further: longer than a good one needs to write back what it has staged.
const STALL: &str = "25s";

/// What the controller may hold for itself.
const MEMORY: u64 = 300 << 20;

/// What is new in a release and fits into no delta: a large file, and one that the slow host lacks too.
const LARGE: usize = 16 << 20;
const SMALL: usize = 1 << 20;

/// What has to come of a host with something wrong about it.
struct Bad {
    name: &'static str,
    outcome: &'static str,
    /// What its error says.
    error: &'static str,
    /// What the hint says that goes with it.
    hint: &'static str,
}

const fn bad(
    name: &'static str,
    outcome: &'static str,
    error: &'static str,
    hint: &'static str,
) -> Bad {
    Bad {
        name,
        outcome,
        error,
        hint,
    }
}

const BAD: [Bad; 14] = [
    bad("dead", "deferred", "can't connect", "is up"),
    bad(
        "refusing",
        "failed",
        "refuses to let root in",
        "authorized_keys",
    ),
    bad("mute", "failed", "while exchanging keys", "ssh -v"),
    bad(
        "mute-command",
        "failed",
        "while starting the agent",
        "ssh.connect_timeout",
    ),
    bad(
        "stalled-upload",
        "failed",
        "silent for 5 s while running a command",
        "ssh.connect_timeout",
    ),
    bad(
        "mute-agent",
        "failed",
        "while opening the destination",
        "sync.silence",
    ),
    bad(
        "stuck",
        "failed",
        "got no further for 25 s while opening the destination",
        "sync.stall",
    ),
    bad(
        "stalled-early",
        "failed",
        "the host was silent for",
        "sync.silence",
    ),
    bad(
        "stalled-midway",
        "failed",
        "silent for 8 s while staging",
        "sync.silence",
    ),
    bad(
        "stalled-answers",
        "failed",
        "the host was silent for",
        "sync.silence",
    ),
    bad(
        "stuck-late",
        "failed",
        "got no further for 25 s while committing",
        "sync.stall",
    ),
    bad("babbling", "failed", "the host says: … / y / y", "ssh.user"),
    bad("flooding", "failed", "broke the protocol", "release-agent"),
    bad("full", "failed", "no space", "make room"),
];

/// Slow, and otherwise good.
const SLOW: &str = "slow";

/// Everything that the fleet is made of. Hosts that are alike are one server's addresses.
struct Field {
    cli: Cli,
    members: Vec<Member>,
    source: TempDir,
    folder: TempDir,
    servers: Vec<Sshd>,
    rack: Rack,
}

/// A host that can be logged in to.
struct Member {
    name: String,
    /// Its place among the servers.
    server: usize,
    address: SocketAddr,
}

impl Field {
    /// Hosts that are all good so far: those that stay so, and those that get a bad line, or a full disk.
    fn new() -> Self {
        let source = tempfile::tempdir().unwrap();
        tree::release(source.path(), 1, 200, 3 << 20);
        let rack = Rack::new();
        let mut cli = Cli::new(&rack, source.path());
        cli.replace("[ssh]", &format!("[ssh]\nconnect_timeout = {CONNECTION:?}"));
        cli.add(&format!(
            "[sync]\nsilence = {SILENCE:?}\nstall = {STALL:?}\nretries = 0"
        ));
        let mut field = Self {
            cli,
            members: Vec::new(),
            source,
            folder: tempfile::tempdir().unwrap(),
            servers: Vec::new(),
            rack,
        };
        let names: Vec<_> = good().chain(behind_proxies()).collect();
        for names in names.chunks(12) {
            field.serve(names, SshdOptions::default());
        }
        let disk = Some(12 << 20);
        field.serve(
            &[String::from("full")],
            SshdOptions {
                disk,
                ..SshdOptions::default()
            },
        );
        field
    }

    /// Starts a server that is all of these hosts, each with a directory of its own.
    fn serve(&mut self, names: &[String], options: SshdOptions) {
        let server = self.rack.start(SshdOptions {
            more_addresses: names.len() - 1,
            ..options
        });
        let addresses = [&[server.address()], server.more_addresses()].concat();
        for (name, address) in names.iter().zip(addresses) {
            self.reach(name, address);
            self.members.push(Member {
                name: name.clone(),
                server: self.servers.len(),
                address,
            });
        }
        self.servers.push(server);
    }

    fn reach(&mut self, name: &str, address: SocketAddr) {
        let destination = self.rack.shared().join(name);
        let line = format!("destination = {destination:?}");
        self.cli.reach_with(name, address, &line);
    }

    /// Puts a network between the operator and a host of this name.
    fn through(&mut self, name: &str, options: ProxyOptions) -> Proxy {
        let member = self.member(name);
        let proxy = Proxy::start(member.address, options);
        self.servers[member.server].trust_as(proxy.address());
        self.reach(name, proxy.address());
        proxy
    }

    fn member(&self, name: &str) -> &Member {
        let mut members = self.members.iter();
        members.find(|member| member.name == name).unwrap()
    }

    /// Where a host's tree is, as a path for this process.
    fn tree(&self, name: &str) -> PathBuf {
        self.servers[self.member(name).server].shared().join(name)
    }

    /// Adds a host whose server starts one command, whatever is asked for.
    fn force(&mut self, name: &str, command: &str) {
        self.serve(
            &[name.to_owned()],
            SshdOptions {
                config: vec![format!("ForceCommand {command}")],
                ..SshdOptions::default()
            },
        );
    }

    fn change(&self, name: &str, seed: u64, size: usize) {
        write(
            self.source.path(),
            name,
            tree::Random::new(seed).bytes(size),
        );
    }

    /// Deploys to all hosts, or only to some.
    fn deploy(&self, only: &[String]) -> (Run, u64) {
        let options = only.iter().flat_map(|name| ["--host", name]);
        let running = self.cli.start(&options.collect::<Vec<_>>());
        let memory = running.watch_memory();
        (running.finish(), memory.join().unwrap())
    }
}

fn good() -> impl Iterator<Item = String> {
    (1..=GOOD).map(|number| format!("good-{number}"))
}

/// Hosts whose line is bad, and who had the release before when it was not.
fn behind_proxies() -> impl Iterator<Item = String> {
    let stalled = ["stalled-early", "stalled-midway", "stalled-answers"];
    stalled.into_iter().chain([SLOW]).map(String::from)
}

/// When the last of the good hosts was done.
fn time(run: &Run) -> Duration {
    let times = good().map(|name| {
        let time = run.reached(&name, "committed");
        time.unwrap_or_else(|| panic!("{name} was not committed in {run:#?}"))
    });
    times.max().unwrap()
}

/// Lines that stall and one that is slow. The first stalls before the agent has the manifest, the second
/// amid the content, the third while the agent asks for it, the fourth amid the agent itself.
fn spoil_lines(field: &mut Field) -> Vec<Proxy> {
    field.serve(&[String::from("stalled-upload")], SshdOptions::default());
    let stall = |direction, bytes| ProxyOptions {
        stall: Some((direction, bytes)),
        ..ProxyOptions::default()
    };
    let rate = ProxyOptions {
        rate: Some(100_000),
        ..ProxyOptions::default()
    };
    [
        ("stalled-early", stall(Direction::Up, 8_000)),
        ("stalled-midway", stall(Direction::Up, 4 << 20)),
        ("stalled-answers", stall(Direction::Down, 5_000)),
        ("stalled-upload", stall(Direction::Up, 300_000)),
        (SLOW, rate),
    ]
    .map(|(name, options)| field.through(name, options))
    .into()
}

/// Hosts that never were any good. The listener is one of them.
fn add_hopeless(field: &mut Field) -> TcpListener {
    field.reach("dead", "127.0.10.3:1".parse().unwrap());
    field.serve(
        &[String::from("refusing")],
        SshdOptions {
            config: vec!["AuthorizedKeysFile none".into()],
            ..SshdOptions::default()
        },
    );
    let listener = TcpListener::bind("127.0.12.2:0").unwrap();
    field.reach("mute", listener.local_addr().unwrap());
    field.force("mute-command", "exec sleep 1000");
    let greeting = r"printf '\0RELEASE\5\0'";
    field.force("mute-agent", &format!("{greeting}; exec sleep 1000"));
    // It says that it is there, and has done nothing, for ever.
    let working = r"printf '\3\0\0\0\0\13\0'";
    field.force(
        "stuck",
        &format!("{greeting}; while {working}; do sleep 1; done"),
    );
    // Its disk hangs once all is staged.
    let agent = release_tests::cli::agent();
    let hang = "strace -f -qqq -o /dev/null -e trace=syncfs -e inject=syncfs:delay_enter=100000000";
    field.force(
        "stuck-late",
        &format!("exec {hang} {} serve", agent.display()),
    );
    field.force("babbling", "exec yes");
    // Frames that are as they should be, and mean that it is alive.
    let alive = field.folder.path().join("alive");
    fs::write(&alive, [2, 0, 0, 0, 0, 8].repeat(10_000)).unwrap();
    let flood = format!("while cat {}; do :; done", alive.display());
    field.force("flooding", &format!("{greeting}; {flood}"));
    listener
}

fn assert_all_are_told_apart(run: &Run) {
    for bad in &BAD {
        let host = run.host(bad.name);
        assert_eq!(host.outcome, bad.outcome, "{}: {run:#?}", bad.name);
        let error = host.error.as_deref().unwrap_or_default();
        assert!(error.contains(bad.error), "{}: {error}", bad.name);
        let hint = |line: &&str| line.starts_with("hint: ") && line.contains(bad.hint);
        assert!(
            run.stderr.lines().any(|line| hint(&line)),
            "`{}` should be hinted at in {}",
            bad.hint,
            run.stderr
        );
    }
    for name in good().chain([SLOW.into()]) {
        let host = run.host(&name);
        assert_eq!(
            (&*host.outcome, &*host.proof),
            ("committed", "full"),
            "{host:#?}"
        );
    }
}

#[test]
fn hosts_of_every_bad_kind_cost_the_good_ones_nothing() {
    let mut field = Field::new();
    field.deploy(&[]).0.assert_proven();

    // What the good ones need alone.
    let some: Vec<_> = good().collect();
    field.change("large", 1, LARGE);
    field.change("small", 1, SMALL);
    let (run, _) = field.deploy(&some);
    run.assert_proven();
    let alone = time(&run);

    // The same again, among all others. The slow one has the large file by then: it would take minutes.
    field.change("large", 2, LARGE);
    field.deploy(&[SLOW.into()]).0.assert_proven();
    field.change("small", 2, SMALL);
    let _proxies = spoil_lines(&mut field);
    let _listener = add_hopeless(&mut field);
    let untouched = ["stalled-early", "stalled-midway", "stalled-answers", "full"];
    let before = untouched.map(|name| Snapshot::of(&field.tree(name)));
    let (run, memory) = field.deploy(&[]);

    run.assert_failed(3, &[]);
    assert_eq!(run.finished().outcome, "partial");
    assert_eq!(run.finished().hosts.len(), 32);
    assert_all_are_told_apart(&run);
    for name in good().chain([SLOW.into()]) {
        judge::assert_equal(field.source.path(), &field.tree(&name));
    }
    for (name, before) in untouched.into_iter().zip(&before) {
        judge::assert_unchanged(before, &field.tree(name));
    }
    let among_others = time(&run);
    let limit = alone.mul_f64(1.2) + Duration::from_secs(2);
    assert!(
        among_others <= limit,
        "{among_others:?}, but alone {alone:?}"
    );
    assert!(run.reached(SLOW, "committed").unwrap() > among_others);
    assert!(memory > 1 << 20, "it was seen: {memory}");
    assert!(memory < MEMORY, "{} MB", memory >> 20);
}
