//! Sessions with a real sshd.
#![allow(clippy::unwrap_used)]

use std::error::Error as _;
use std::fs;
use std::io::{self, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use super::rig::{Sshd, keygen};
use super::*;
use crate::Identity;
use crate::transport::Waker;
use crate::transport::testing::{Pattern, collect, exchange};

fn connect(sshd: &Sshd) -> SshSession {
    SshSession::connect(&sshd.target(), &sshd.options()).unwrap()
}

fn refusal(sshd: &Sshd, options: &SshOptions) -> Error {
    SshSession::connect(&sshd.target(), options).unwrap_err()
}

fn kind_of(error: &Error) -> io::ErrorKind {
    let source = error.source().unwrap();
    source.downcast_ref::<io::Error>().unwrap().kind()
}

// -- streams --

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
    while let Ok(written) = transport.write(pattern.peek(usize::MAX)) {
        sent += written;
    }
    assert!(sent > 2 << 20);
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
    let session = SshSession::connect(&sshd.target(), &options).unwrap();
    let start = Instant::now();
    let hung = session.run("exec sleep 1000", None).unwrap_err();
    assert!(matches!(hung, Error::Silence { .. }), "{hung:?}");
    assert!(start.elapsed() < Duration::from_secs(10));
}

// -- getting there --

#[test]
fn nobody_listens() {
    let sshd = Sshd::start();
    let mut target = sshd.target();
    target.port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let error = SshSession::connect(&target, &sshd.options()).unwrap_err();
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
    let error = SshSession::connect(&target, &options).unwrap_err();
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
    let error = SshSession::connect(&target, &sshd.options()).unwrap_err();
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
        let error = SshSession::connect(&target, &sshd.options()).unwrap_err();
        assert!(matches!(error, Error::Ssh { .. }), "{error:?}");
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "{:?}",
            start.elapsed()
        );
    }
}

// -- by way of a command --

/// A command that runs a bash script, which is told where the host is and has `$1` and `$2` for it.
fn by_script(sshd: &Sshd, script: &str) -> SshOptions {
    let path = sshd.path("proxy");
    fs::write(&path, script).unwrap();
    SshOptions {
        proxy_command: Some(format!("bash {} %h %p", path.display())),
        ..sshd.options()
    }
}

const RELAY: &str = "exec 3<>/dev/tcp/$1/$2; cat <&3 & cat >&3; kill %1\n";

#[test]
fn a_command_leads_to_the_host() {
    let sshd = Sshd::start_with(&["RekeyLimit=1M"], "");
    let script = format!("head -c 1000000 /dev/zero >&2; {RELAY}");
    let options = by_script(&sshd, &script);
    let session = SshSession::connect(&sshd.target(), &options).unwrap();
    let mut transport = session.exec("exec cat").unwrap();
    exchange(&mut transport, 16 << 20);
    transport.finish().unwrap();
    assert_eq!(collect(&mut transport), b"");
    assert_eq!(transport.exit_status(), Some(0));
    transport.close();
}

#[test]
fn another_host_leads_to_the_host() {
    let (jump, sshd) = (Sshd::start(), Sshd::start());
    let ssh = format!(
        "ssh -F /dev/null -o BatchMode=yes -o UserKnownHostsFile={} -i {} -p {} -W %h:%p {}@127.0.0.1",
        jump.known_hosts().display(),
        jump.identity().display(),
        jump.target().port,
        jump.target().user,
    );
    let options = SshOptions {
        proxy_command: Some(ssh),
        ..sshd.options()
    };
    let session = SshSession::connect(&sshd.target(), &options).unwrap();
    let mut transport = session.exec("exec cat").unwrap();
    exchange(&mut transport, 16 << 20);
    transport.close();
    drop((transport, session));
    // A socket pair is full more often than a TCP connection: also when the end is to be sent.
    let session = SshSession::connect(&sshd.target(), &options).unwrap();
    for size in 3_000_000..3_000_004 {
        let input = vec![7; size];
        let output = session.run("wc -c", Some(&mut input.as_slice())).unwrap();
        assert_eq!(output.stdout, format!("{size}\n").as_bytes());
    }

    // Nobody listens behind it.
    let mut target = sshd.target();
    target.port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let error = SshSession::connect(&target, &options).unwrap_err();
    assert!(matches!(error, Error::Connect { .. }), "{error:?}");
    let why = error.source().unwrap().to_string();
    assert!(why.contains("ended with status 255"), "{why}");
    assert!(
        why.contains("onnection refused") || why.contains("open failed"),
        "{why}"
    );
}

#[test]
fn a_command_that_leads_nowhere() {
    let sshd = Sshd::start();
    let mut options = by_script(&sshd, "echo no such road >&2; exit 7\n");
    let error = refusal(&sshd, &options);
    assert!(matches!(error, Error::Connect { .. }), "{error:?}");
    assert!(error.is_retryable());
    let why = error.source().unwrap().to_string();
    let expected = "the proxy command ended with status 7 and said: no such road";
    assert!(why.ends_with(expected), "{why}");

    options = by_script(&sshd, "echo wait >&2; exec sleep 1000\n");
    options.connect_timeout = Duration::from_millis(500);
    let error = refusal(&sshd, &options);
    assert!(matches!(error, Error::Connect { .. }), "{error:?}");
    assert_eq!(kind_of(&error), io::ErrorKind::TimedOut);
    let why = error.source().unwrap().to_string();
    assert!(why.ends_with("the proxy command said: wait"), "{why}");

    options.proxy_command = Some(String::from("nc %h %q"));
    let error = refusal(&sshd, &options);
    assert!(matches!(error, Error::Spawn { .. }), "{error:?}");
}

#[test]
fn a_command_ends_with_its_session() {
    let sshd = Sshd::start();
    let pids = sshd.path("pids");
    let script = format!(
        "sleep 1000 & echo $$ $! >{}; trap : TERM HUP PIPE; {RELAY} while :; do sleep 1; done",
        pids.display()
    );
    let options = by_script(&sshd, &script);
    let session = SshSession::connect(&sshd.target(), &options).unwrap();
    let mut transport = session.exec("exec cat").unwrap();
    exchange(&mut transport, 1 << 20);
    transport.close();
    let started = fs::read_to_string(&pids).unwrap();
    let alive = || {
        let is_alive = |pid: &&str| {
            fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
        };
        started.split_whitespace().filter(is_alive).count()
    };
    assert!(started.split_whitespace().count() == 2 && alive() > 0);
    drop((transport, session));
    let start = Instant::now();
    while alive() > 0 {
        assert!(start.elapsed() < Duration::from_secs(5), "{started}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

// -- the host's key --

#[test]
fn an_unknown_host_is_refused_or_accepted_for_good() {
    let sshd = Sshd::start();
    let mut options = sshd.options();
    options.known_hosts = sshd.path("new/known_hosts");
    let error = refusal(&sshd, &options);
    let Error::HostKeyUnknown { fingerprint, .. } = &error else {
        panic!("{error:?}");
    };
    let listed = Command::new("ssh-keygen")
        .arg("-lf")
        .arg(sshd.path("host_key.pub"))
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let digest = listed.split_whitespace().nth(1).unwrap();
    assert_eq!(*fingerprint, format!("ssh-ed25519 {digest}"));

    options.host_keys = HostKeys::AcceptNew;
    SshSession::connect(&sshd.target(), &options).unwrap();
    options.host_keys = HostKeys::Strict;
    SshSession::connect(&sshd.target(), &options).unwrap();
    let mode = fs::metadata(&options.known_hosts)
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    // OpenSSH reads it the same way.
    let found = Command::new("ssh-keygen")
        .args(["-F", &format!("[127.0.0.1]:{}", sshd.target().port), "-f"])
        .arg(&options.known_hosts)
        .output()
        .unwrap();
    assert!(found.status.success());
}

#[test]
fn a_revoked_key_is_refused_by_name() {
    let sshd = Sshd::start();
    let right = sshd.known_hosts_line("host_key");
    let lines = format!("{right}@revoked {right}");
    fs::write(sshd.known_hosts(), &lines).unwrap();
    for host_keys in [HostKeys::Strict, HostKeys::AcceptNew] {
        let options = SshOptions {
            host_keys,
            ..sshd.options()
        };
        let error = refusal(&sshd, &options);
        assert!(matches!(error, Error::HostKeyRevoked { .. }), "{error:?}");
        assert!(error.is_refusal() && !error.is_retryable());
    }
    assert_eq!(fs::read_to_string(sshd.known_hosts()).unwrap(), lines);
}

#[test]
fn a_changed_key_is_refused_always() {
    let sshd = Sshd::start();
    keygen(&sshd.path("other"), &["-t", "ed25519"]);
    keygen(&sshd.path("other_type"), &["-t", "ecdsa"]);
    for line in [
        sshd.known_hosts_line("other"),
        sshd.known_hosts_line("other_type"),
    ] {
        fs::write(sshd.known_hosts(), &line).unwrap();
        for host_keys in [HostKeys::Strict, HostKeys::AcceptNew] {
            let options = SshOptions {
                host_keys,
                ..sshd.options()
            };
            let error = refusal(&sshd, &options);
            assert!(matches!(error, Error::HostKeyChanged { .. }), "{error:?}");
        }
        assert_eq!(fs::read_to_string(sshd.known_hosts()).unwrap(), line);
    }
}

#[test]
fn a_host_with_two_keys_shows_the_known_one() {
    let folder = tempfile::tempdir().unwrap();
    let ecdsa = folder.path().join("ecdsa");
    keygen(&ecdsa, &["-t", "ecdsa"]);
    let sshd = Sshd::start_with(&[&format!("HostKey={}", ecdsa.display())], "");
    connect(&sshd);
    let key = fs::read_to_string(ecdsa.with_extension("pub")).unwrap();
    let line = format!("[127.0.0.1]:{} {key}", sshd.target().port);
    fs::write(sshd.known_hosts(), line).unwrap();
    connect(&sshd);
}

#[test]
fn a_hashed_name_and_a_name_of_our_own() {
    let sshd = Sshd::start();
    let hashed = Command::new("ssh-keygen")
        .args(["-q", "-H", "-f"])
        .arg(sshd.known_hosts())
        .output()
        .unwrap();
    assert!(hashed.status.success());
    assert!(
        fs::read_to_string(sshd.known_hosts())
            .unwrap()
            .starts_with("|1|")
    );
    connect(&sshd);

    let key = fs::read_to_string(sshd.path("host_key.pub")).unwrap();
    fs::write(sshd.known_hosts(), format!("i-0abc {key}")).unwrap();
    let mut target = sshd.target();
    target.key_name = Some(String::from("i-0abc"));
    SshSession::connect(&target, &sshd.options()).unwrap();
}

// -- who we are --

#[test]
fn a_wrong_key_is_refused() {
    let sshd = Sshd::start();
    keygen(&sshd.path("stranger"), &["-t", "ed25519"]);
    let options = SshOptions {
        identity: Identity::File(sshd.path("stranger")),
        ..sshd.options()
    };
    let error = refusal(&sshd, &options);
    let Error::Authentication { user, identity, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(*user, sshd.target().user);
    assert!(identity.ends_with("/stranger"));
    assert!(!error.is_retryable());
}

#[test]
fn keys_of_every_kind_let_us_in() {
    let sshd = Sshd::start();
    for (name, arguments) in [
        ("ecdsa", &["-t", "ecdsa"][..]),
        ("ecdsa521", &["-t", "ecdsa", "-b", "521"]),
        ("rsa", &["-t", "rsa", "-b", "2048"]),
        ("rsa_pem", &["-t", "rsa", "-b", "2048", "-m", "PEM"]),
        ("ecdsa_pkcs8", &["-t", "ecdsa", "-m", "PKCS8"]),
    ] {
        keygen(&sshd.path(name), arguments);
        fs::copy(
            sshd.path(name).with_extension("pub"),
            sshd.path("authorized_keys"),
        )
        .unwrap();
        let options = SshOptions {
            identity: Identity::File(sshd.path(name)),
            ..sshd.options()
        };
        let session = SshSession::connect(&sshd.target(), &options);
        assert!(session.is_ok(), "{name}: {session:?}");
    }
}

#[test]
fn a_key_file_that_is_of_no_use() {
    let sshd = Sshd::start();
    keygen(&sshd.path("locked"), &["-t", "ed25519", "-N", "secret"]);
    keygen(
        &sshd.path("locked_pem"),
        &["-t", "rsa", "-m", "PEM", "-N", "secret"],
    );
    for (name, content) in [("garbage", &b"garbage"[..]), ("binary", b"\xff\xfe")] {
        fs::write(sshd.path(name), content).unwrap();
    }
    let refusal = |name: &str| {
        let options = SshOptions {
            identity: Identity::File(sshd.path(name)),
            ..sshd.options()
        };
        let error = refusal(&sshd, &options);
        assert!(!error.is_retryable());
        error
    };
    for name in ["locked", "locked_pem"] {
        let error = refusal(name);
        assert!(matches!(&error, Error::IdentityLocked { path } if *path == sshd.path(name)));
    }
    for (name, kind) in [
        ("missing", io::ErrorKind::NotFound),
        ("garbage", io::ErrorKind::InvalidData),
        ("binary", io::ErrorKind::InvalidData),
        ("identity.pub", io::ErrorKind::InvalidData),
    ] {
        let error = refusal(name);
        assert!(matches!(&error, Error::Identity { path, .. } if *path == sshd.path(name)));
        assert_eq!(kind_of(&error), kind, "{name}");
    }
}

/// An ssh-agent of a test's own.
struct KeyAgent(Child, std::path::PathBuf);

impl KeyAgent {
    fn start(socket: std::path::PathBuf) -> Self {
        let child = Command::new("ssh-agent")
            .args(["-D", "-a"])
            .arg(&socket)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let start = Instant::now();
        while !socket.exists() {
            assert!(start.elapsed() < Duration::from_secs(10));
            std::thread::sleep(Duration::from_millis(5));
        }
        Self(child, socket)
    }

    fn add(&self, key: &std::path::Path) {
        let added = Command::new("ssh-add")
            .arg(key)
            .env("SSH_AUTH_SOCK", &self.1)
            .output()
            .unwrap();
        assert!(added.status.success());
    }
}

impl Drop for KeyAgent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn an_ssh_agent_offers_its_keys() {
    let sshd = Sshd::start();
    let agent = KeyAgent::start(sshd.path("agent.sock"));
    let options = SshOptions {
        identity: Identity::Agent(agent.1.clone()),
        ..sshd.options()
    };
    let error = refusal(&sshd, &options);
    assert!(matches!(error, Error::Authentication { .. }), "{error:?}");
    keygen(&sshd.path("stranger"), &["-t", "rsa"]);
    agent.add(&sshd.path("stranger"));
    let error = refusal(&sshd, &options);
    assert!(matches!(error, Error::Authentication { .. }), "{error:?}");
    agent.add(&sshd.identity());
    SshSession::connect(&sshd.target(), &options).unwrap();
}

#[test]
fn an_ssh_agent_that_is_not_there() {
    let sshd = Sshd::start();
    let options = SshOptions {
        identity: Identity::Agent(sshd.path("nobody.sock")),
        ..sshd.options()
    };
    let error = refusal(&sshd, &options);
    assert!(matches!(error, Error::Authentication { .. }), "{error:?}");
}
