//! Whether the host is who it should be.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::super::rig::{Sshd, keygen};
use super::*;

#[test]
fn an_unknown_host_is_refused_or_accepted_for_good() {
    let sshd = Sshd::start();
    let mut options = sshd.options();
    options.known_hosts = sshd.path("new/known_hosts");
    let error = refusal(&sshd, &options);
    let Error::HostKeyUnknown { fingerprint, .. } = &error else {
        panic!("{error:?}");
    };
    assert!(error.to_string().ends_with(", which does not exist"));
    let listed = Command::new("ssh-keygen")
        .arg("-lf")
        .arg(sshd.path("host_key.pub"))
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let digest = listed.split_whitespace().nth(1).unwrap();
    assert_eq!(*fingerprint, format!("ssh-ed25519 {digest}"));

    options.host_keys = HostKeys::AcceptNew;
    attempt(&sshd.target(), &options).unwrap();
    options.host_keys = HostKeys::Strict;
    attempt(&sshd.target(), &options).unwrap();
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
fn who_only_looks_remembers_a_new_host_and_writes_nothing() {
    let [first, second] = [Sshd::start(), Sshd::start()];
    let known_hosts = first.path("new/known_hosts");
    let newcomers = Newcomers::remembered();
    let look = |sshd: &Sshd| {
        let mut target = sshd.target();
        target.key_name = Some(String::from("i-0abc"));
        let options = SshOptions {
            known_hosts: known_hosts.clone(),
            host_keys: HostKeys::AcceptNew,
            ..sshd.options()
        };
        SshSession::connect(&target, &options, &newcomers, &Cancel::default())
    };
    look(&first).unwrap();
    look(&first).unwrap();
    // Who is met under a name that another key was shown by.
    let error = look(&second).unwrap_err();
    assert!(matches!(error, Error::HostKeyChanged { .. }), "{error:?}");
    assert!(!first.path("new").exists());
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
    attempt(&target, &sshd.options()).unwrap();
}

#[test]
fn an_address_that_changed_hands_does_not_keep_newcomers_out() {
    let sshd = Sshd::start();
    let mut target = sshd.target();
    target.key_name = Some(String::from("i-0abc"));
    // By its address it is known.
    attempt(&target, &sshd.options()).unwrap();
    let other = sshd.path("other");
    keygen(&other, &["-t", "ed25519"]);
    let key = fs::read_to_string(other.with_extension("pub")).unwrap();
    let line = format!("[127.0.0.1]:{} {key}", target.port);
    fs::write(sshd.known_hosts(), &line).unwrap();
    let error = attempt(&target, &sshd.options()).unwrap_err();
    assert!(matches!(error, Error::HostKeyChanged { .. }), "{error:?}");

    let accepting = SshOptions {
        host_keys: HostKeys::AcceptNew,
        ..sshd.options()
    };
    let nameless = sshd.target();
    let error = attempt(&nameless, &accepting).unwrap_err();
    assert!(matches!(error, Error::HostKeyChanged { .. }), "{error:?}");
    attempt(&target, &accepting).unwrap();
    attempt(&target, &sshd.options()).unwrap();
    fs::write(sshd.known_hosts(), format!("i-0abc {key}")).unwrap();
    let error = attempt(&target, &accepting).unwrap_err();
    assert!(matches!(error, Error::HostKeyChanged { .. }), "{error:?}");
}
