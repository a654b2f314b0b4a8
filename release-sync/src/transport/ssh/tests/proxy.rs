//! A command that leads to the host.

use std::error::Error as _;
use std::fs;
use std::io;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use super::super::rig::Sshd;
use super::*;
use crate::transport::testing::{collect, exchange};

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
    let session = attempt(&sshd.target(), &options).unwrap();
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
    let session = attempt(&sshd.target(), &options).unwrap();
    let mut transport = session.exec("exec cat").unwrap();
    exchange(&mut transport, 16 << 20);
    transport.close();
    drop((transport, session));
    // A socket pair is full more often than a TCP connection: also when the end is to be sent.
    let session = attempt(&sshd.target(), &options).unwrap();
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
    let error = attempt(&target, &options).unwrap_err();
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
    let session = attempt(&sshd.target(), &options).unwrap();
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
