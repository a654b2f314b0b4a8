//! Who we are.

use std::fs;
use std::io;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use super::super::rig::{Sshd, keygen};
use super::*;
use crate::Identity;

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
        let session = attempt(&sshd.target(), &options);
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
    attempt(&sshd.target(), &options).unwrap();
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
