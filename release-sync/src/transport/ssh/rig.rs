//! A real sshd of a test's own, on loopback.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::{HostKeys, Identity, SshOptions, SshTarget};

/// Runs until it is dropped. Lets one key in, [`identity`](Self::identity).
pub(crate) struct Sshd {
    folder: TempDir,
    daemon: Child,
    port: u16,
}

impl Sshd {
    pub(crate) fn start() -> Self {
        Self::start_with(&[], "")
    }

    /// With further options (`Name=value`), and in a mount namespace of its own where a shell script
    /// comes first, in which `$FOLDER` is [`folder`](Self::folder).
    pub(crate) fn start_with(options: &[&str], before: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        keygen(&folder.path().join("host_key"), &["-t", "ed25519"]);
        keygen(&folder.path().join("identity"), &["-t", "ed25519"]);
        fs::copy(
            folder.path().join("identity.pub"),
            folder.path().join("authorized_keys"),
        )
        .unwrap();
        fs::create_dir_all("/run/sshd").unwrap();
        let port = free_port();
        let daemon = launch(folder.path(), port, options, before);
        let mut sshd = Self {
            folder,
            daemon,
            port,
        };
        sshd.await_port();
        fs::write(sshd.known_hosts(), sshd.known_hosts_line("host_key")).unwrap();
        sshd
    }

    fn await_port(&mut self) {
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let ended = self.daemon.try_wait().unwrap();
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap();
            assert!(ended.is_none(), "sshd ended: {log}");
            assert!(start.elapsed() < Duration::from_secs(20), "no sshd: {log}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn target(&self) -> SshTarget {
        let name = Command::new("id").arg("-un").output().unwrap().stdout;
        SshTarget {
            address: String::from("127.0.0.1"),
            port: self.port,
            user: String::from_utf8(name).unwrap().trim().to_owned(),
            key_name: None,
            ssh: None,
        }
    }

    /// The right identity, and a file of known hosts that has this one.
    pub(crate) fn options(&self) -> SshOptions {
        SshOptions {
            identity: Identity::File(self.identity()),
            known_hosts: self.known_hosts(),
            host_keys: HostKeys::Strict,
            connect_timeout: Duration::from_secs(20),
            agents: self.path("agents"),
            agent_directory: String::from(".cache/release-sync"),
            proxy_command: None,
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn identity(&self) -> PathBuf {
        self.path("identity")
    }

    pub(crate) fn known_hosts(&self) -> PathBuf {
        self.path("known_hosts")
    }

    /// A line that says that this host has the key in that file.
    pub(crate) fn known_hosts_line(&self, key: &str) -> String {
        let key = fs::read_to_string(self.path(key).with_extension("pub")).unwrap();
        format!("[127.0.0.1]:{} {key}", self.port)
    }

    /// Kills the processes that serve connections, as if the host had crashed.
    pub(crate) fn kill_sessions(&self) {
        let sessions = children_of(self.daemon.id());
        assert!(!sessions.is_empty(), "nobody is connected");
        for session in sessions {
            // Where there is an unprivileged half it is a child of the session, and has the socket too.
            let children = children_of(session);
            for process in [session].into_iter().chain(children) {
                let pid = rustix::process::Pid::from_raw(process.cast_signed()).unwrap();
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

fn launch(folder: &Path, port: u16, options: &[&str], before: &str) -> Child {
    let at = |name: &str| folder.join(name).display().to_string();
    let log = fs::File::create(folder.join("log")).unwrap();
    let mut command = if before.is_empty() {
        Command::new("/usr/sbin/sshd")
    } else {
        let mut command = Command::new("unshare");
        let script = format!("{before}\nexec /usr/sbin/sshd \"$@\"");
        command.args(["-m", "/bin/sh", "-ec", &script, "sh"]);
        command.env("FOLDER", folder);
        command
    };
    command.args(["-D", "-e", "-f", "/dev/null"]);
    for option in [
        format!("HostKey={}", at("host_key")),
        format!("AuthorizedKeysFile={}", at("authorized_keys")),
        format!("Port={port}"),
        String::from("ListenAddress=127.0.0.1"),
        String::from("PidFile=none"),
        String::from("StrictModes=no"),
        String::from("UsePAM=no"),
        String::from("MaxStartups=200"),
    ] {
        command.args(["-o", &option]);
    }
    for option in options {
        command.args(["-o", option]);
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("sshd is needed: apt-get install openssh-server")
}

/// Makes a key without a passphrase, unless the arguments say otherwise.
pub(crate) fn keygen(path: &Path, arguments: &[&str]) {
    let status = Command::new("ssh-keygen")
        .args(["-q", "-C", "test"])
        .args(if arguments.contains(&"-N") {
            &[][..]
        } else {
            &["-N", ""]
        })
        .args(arguments)
        .arg("-f")
        .arg(path)
        .status()
        .expect("ssh-keygen is needed: apt-get install openssh-client");
    assert!(status.success());
}

/// A port that nobody listened on a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn children_of(parent: u32) -> Vec<u32> {
    let is_child = |pid: &u32| {
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
            return false;
        };
        // "pid (name) state parent …"
        stat.rsplit_once(')')
            .and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok())
            == Some(parent)
    };
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(is_child)
        .collect()
}
