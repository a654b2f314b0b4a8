//! Agents that are put onto a real sshd's host. They are shell scripts here: to bootstrap, an agent is any
//! file that runs and says the magic.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use super::*;
use crate::transport::Newcomers;
use crate::transport::ssh_rig::Sshd;
use crate::{Cancel, SshOptions};

const MAGIC: [u8; 8] = *b"\0magic\r\n";

const OPENING: &[u8] = b"hello\n";

/// Says the magic, its arguments, and then what it is told.
const AGENT: &str = "#!/bin/sh\nprintf '\\0magic\\r\\n'; echo \"$@\"; exec cat\n";

/// A host, and a directory on it for agents that does not exist yet.
struct Host {
    sshd: Sshd,
    directory: String,
}

impl Host {
    fn new(options: &[&str], before: &str) -> Self {
        let sshd = Sshd::start_with(options, before);
        fs::write(sshd.path("release-agent"), AGENT).unwrap();
        let directory = sshd.path("home/agents").display().to_string();
        Self { sshd, directory }
    }

    fn start(&self) -> Result<Started, Error> {
        let options = SshOptions {
            connect_timeout: Duration::from_secs(10),
            ..self.sshd.options()
        };
        let session = SshSession::connect(
            &self.sshd.target(),
            &options,
            &Newcomers::Written,
            &Cancel::default(),
        )?;
        Bootstrap {
            agents: &AgentFiles::new(self.sshd.folder()),
            directory: &self.directory,
            arguments: &["serve", "it's $HOME"],
            magic: &MAGIC,
            opening: OPENING,
        }
        .start(&session)
    }

    fn reason(&self) -> String {
        match self.start() {
            Err(Error::Bootstrap { reason } | Error::NoCommand { reason }) => reason,
            other => panic!("{other:?}"),
        }
    }

    /// Where the agent is once it was sent.
    fn installed(&self) -> PathBuf {
        let name = format!("agent-{}", blake3::hash(AGENT.as_bytes()).to_hex());
        PathBuf::from(&self.directory).join(name)
    }
}

/// Reads what the agent says, as far as it is known.
fn assert_speaks(started: &mut Started) {
    let mut expected = MAGIC.to_vec();
    expected.extend_from_slice(b"serve it's $HOME\n");
    expected.extend_from_slice(OPENING);
    let waker = Waker::new().unwrap();
    let mut heard = Vec::new();
    let mut buffer = [0; 64];
    while heard.len() < expected.len() {
        match started.transport.read(&mut buffer) {
            Ok(count) => heard.extend_from_slice(&buffer[..count]),
            Err(_) => started
                .transport
                .wait(false, &waker, Duration::from_secs(10))
                .unwrap(),
        }
    }
    assert_eq!(heard, expected);
    started.transport.close();
}

#[test]
fn an_agent_is_sent_once() {
    let host = Host::new(&[], "");
    let mut first = host.start().unwrap();
    assert_eq!(first.agent_bytes, AGENT.len() as u64);
    assert_speaks(&mut first);
    let mut second = host.start().unwrap();
    assert_eq!((second.agent_bytes, &second.noise[..]), (0, &[][..]));
    assert_speaks(&mut second);
    let names: Vec<_> = fs::read_dir(&host.directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(names, [host.installed()]);
}

#[test]
fn a_directory_with_a_difficult_name() {
    let mut host = Host::new(&[], "");
    host.directory = host
        .sshd
        .path("a home's \"$(x)\" !1/ä")
        .display()
        .to_string();
    assert_speaks(&mut host.start().unwrap());
    assert!(host.installed().exists());
    assert_eq!(host.start().unwrap().agent_bytes, 0);
}

#[test]
fn the_noise_of_a_login_shell_is_skipped() {
    let command = "ForceCommand=echo Welcome; echo tty: none >&2; eval \"$SSH_ORIGINAL_COMMAND\"";
    let host = Host::new(&[command], "");
    let mut started = host.start().unwrap();
    assert_eq!(started.noise, b"Welcome\n");
    assert_speaks(&mut started);
}

/// What it leaves behind holds the streams of its commands, so these don't end with it.
#[test]
fn a_login_shell_that_leaves_something_in_the_background() {
    let host = Host::new(
        &["ForceCommand=sleep 30 & eval \"$SSH_ORIGINAL_COMMAND\""],
        "",
    );
    let start = Instant::now();
    let mut started = host.start().unwrap();
    assert_eq!(started.agent_bytes, AGENT.len() as u64);
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    assert_speaks(&mut started);
}

#[test]
fn a_login_shell_that_runs_nothing() {
    let command = "ForceCommand=echo This account is currently not available.; exit 1";
    let reason = Host::new(&[command], "").reason();
    assert_eq!(
        reason,
        "it ended with status 1; the host said: This account is currently not available."
    );
}

#[test]
fn a_host_that_never_stops_talking() {
    let reason = Host::new(&["ForceCommand=exec yes"], "").reason();
    assert!(
        reason.starts_with("instead of an answer, the host says: "),
        "{reason}"
    );
}

#[test]
fn a_damaged_agent_is_replaced() {
    let host = Host::new(&[], "");
    host.start().unwrap();
    fs::write(host.installed(), "").unwrap();
    let mut started = host.start().unwrap();
    assert_eq!(started.agent_bytes, AGENT.len() as u64);
    assert_speaks(&mut started);
}

#[test]
fn old_agents_go_and_nothing_else() {
    let host = Host::new(&[], "");
    fs::create_dir_all(format!("{}/below", host.directory)).unwrap();
    let digest = "0".repeat(64);
    let days = |days: u64| SystemTime::now() - Duration::from_secs(days * 24 * 60 * 60);
    for (name, age, stays) in [
        (format!("agent-{digest}"), 40, false),
        (format!("agent-{}1", &digest[1..]), 5, true),
        (format!(".agent-{digest}.77"), 3, false),
        (String::from("agent-smith"), 400, true),
        (format!("below/agent-{digest}"), 400, true),
    ] {
        let path = PathBuf::from(&host.directory).join(&name);
        let file = fs::File::create(&path).unwrap();
        file.set_modified(days(age)).unwrap();
        fs::remove_file(host.installed()).ok();
        host.start().unwrap();
        assert_eq!(path.exists(), stays, "{name}");
    }
}

#[test]
fn a_file_system_that_runs_no_programs() {
    let mount = "mkdir \"$FOLDER/home\"; mount -t tmpfs -o noexec none \"$FOLDER/home\"";
    let reason = Host::new(&[], mount).reason();
    assert!(
        reason.contains("/home/agents is on a file system"),
        "{reason}"
    );
    assert!(reason.contains("noexec"), "{reason}");
}

#[test]
fn a_full_disk() {
    let mount = "mkdir \"$FOLDER/home\"; mount -t tmpfs -o size=64k none \"$FOLDER/home\"; \
                 head -c 100000 /dev/zero >\"$FOLDER/home/all\" || :";
    let host = Host::new(&[], mount);
    let reason = host.reason();
    assert!(reason.starts_with("the disk with "), "{reason}");
    assert!(reason.contains("No space left on device"), "{reason}");
}

#[test]
fn a_directory_that_can_not_be_made() {
    let host = Host::new(&[], "");
    fs::write(host.sshd.path("home"), "").unwrap();
    let reason = host.reason();
    assert!(
        reason.contains("/home/agents can't be made; the host said: mkdir: "),
        "{reason}"
    );
}

#[test]
fn an_agent_that_does_not_run() {
    let host = Host::new(&[], "");
    fs::write(host.sshd.path("release-agent"), "#!/nonexistent/sh\n").unwrap();
    let reason = host.reason();
    assert!(reason.contains("not found"), "{reason}");
}

#[test]
fn no_agent_for_the_host() {
    let host = Host::new(&[], "");
    fs::remove_file(host.sshd.path("release-agent")).unwrap();
    let error = host.start().unwrap_err();
    let Error::NoAgent { architecture, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(architecture, std::env::consts::ARCH);
}
