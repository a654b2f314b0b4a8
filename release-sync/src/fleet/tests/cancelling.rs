//! That a cancellation is heard whatever a run is waiting for.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType};

use super::*;
use crate::transport::ssh_rig::Sshd;
use crate::{Identity, SshOptions, SshTarget};

/// What a run may take to end once it is told to: some 200 ms, and what a busy machine adds.
const SOON: Duration = Duration::from_millis(600);

/// What a run may take to come to where it waits.
const ARRIVAL: Duration = Duration::from_millis(1500);

fn host(name: &str, destination: &Path, reach: Reach) -> Host {
    Host {
        name: String::from(name),
        destination: destination.to_owned(),
        reach,
    }
}

/// One that takes everything and says nothing, until its input ends.
fn mute() -> Reach {
    Reach::Command(["sh", "-c", "cat >/dev/null"].map(Into::into).to_vec())
}

/// Pushes to hosts, has them wait, and stops. Gives back what came of it, all of it soon.
fn stop(hosts: Vec<Host>, options: Options) -> Report {
    let source = tempfile::tempdir().unwrap();
    fs::write(source.path().join("file"), "content").unwrap();
    let fleet = Fleet::new(hosts, options).unwrap();
    let source = scan(source.path(), &fleet.options, &()).unwrap();
    let cancel = fleet.cancel_handle();
    let (report, stopped) = std::thread::scope(|scope| {
        let run = scope.spawn(|| fleet.push(&source, Generation::new(1), &()));
        std::thread::sleep(ARRIVAL);
        assert!(
            !run.is_finished(),
            "nothing is waited for: {:?}",
            run.join()
        );
        let stopped = Instant::now();
        cancel.cancel();
        (run.join().unwrap(), stopped)
    });
    assert!(stopped.elapsed() < SOON, "{:?}", stopped.elapsed());
    for host in &report.hosts {
        let is_cancelled = matches!(host.error, Some(Error::Cancelled));
        assert!(is_cancelled, "{}: {:?}", host.host, host.error);
    }
    report
}

/// The same for a host that is reached over SSH.
fn stop_over_ssh(target: SshTarget, ssh: SshOptions) {
    let options = Options {
        ssh: Some(ssh),
        ..Options::default()
    };
    let reach = Reach::Ssh(target);
    stop(vec![host("host", Path::new("/nowhere"), reach)], options);
}

#[test]
fn while_connecting() {
    let sshd = Sshd::start();
    // Nobody accepts, and its queue is full: what comes is dropped.
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    rustix::net::bind(&socket, &any).unwrap();
    rustix::net::listen(&socket, 0).unwrap();
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().unwrap();
    let short = Duration::from_millis(100);
    let _queue: Vec<_> = (0..4)
        .map(|_| TcpStream::connect_timeout(&address, short))
        .collect();
    let target = SshTarget {
        port: address.port(),
        ..sshd.target()
    };
    stop_over_ssh(target, sshd.options());
}

#[test]
fn while_keys_are_exchanged() {
    let sshd = Sshd::start();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = SshTarget {
        port: listener.local_addr().unwrap().port(),
        ..sshd.target()
    };
    stop_over_ssh(target, sshd.options());
}

#[test]
fn while_the_host_thinks_about_our_key() {
    let sshd = Sshd::start_with(
        &[
            "AuthorizedKeysCommand=/bin/sleep 30",
            "AuthorizedKeysCommandUser=root",
        ],
        "",
    );
    fs::write(sshd.path("authorized_keys"), "").unwrap();
    stop_over_ssh(sshd.target(), sshd.options());
}

#[test]
fn while_an_ssh_agent_asks_its_user() {
    let sshd = Sshd::start();
    let socket = sshd.path("agent.sock");
    let _nobody = UnixListener::bind(&socket).unwrap();
    let ssh = SshOptions {
        identity: Identity::Agent(socket),
        ..sshd.options()
    };
    stop_over_ssh(sshd.target(), ssh);
}

#[test]
fn while_a_command_leads_nowhere() {
    let sshd = Sshd::start();
    let ssh = SshOptions {
        proxy_command: Some(String::from("exec sleep 1000")),
        ..sshd.options()
    };
    stop_over_ssh(sshd.target(), ssh);
}

#[test]
fn while_the_agent_is_sent() {
    let take = "ForceCommand=case $SSH_ORIGINAL_COMMAND in \
                *umask*) exec sleep 30;; *) eval \"$SSH_ORIGINAL_COMMAND\";; esac";
    let sshd = Sshd::start_with(&[take], "");
    let ssh = SshOptions {
        agent_directory: sshd.path("home").display().to_string(),
        ..sshd.options()
    };
    fs::create_dir(&ssh.agents).unwrap();
    fs::write(ssh.agents.join("release-agent"), vec![0; 8 << 20]).unwrap();
    stop_over_ssh(sshd.target(), ssh);
}

#[test]
fn while_the_agent_starts() {
    let sshd = Sshd::start_with(&["ForceCommand=exec sleep 30"], "");
    let ssh = sshd.options();
    fs::create_dir(&ssh.agents).unwrap();
    fs::write(ssh.agents.join("release-agent"), "").unwrap();
    stop_over_ssh(sshd.target(), ssh);
}

#[test]
fn while_a_host_is_left_alone_before_it_is_tried_again() {
    let nobody = Reach::Command(["false"].map(Into::into).to_vec());
    let options = Options {
        retries: 100,
        ..Options::default()
    };
    let hosts = ["a", "b", "c"].map(|name| host(name, Path::new("/nowhere"), nobody.clone()));
    let source = tempfile::tempdir().unwrap();
    fs::write(source.path().join("file"), "content").unwrap();
    let fleet = Fleet::new(hosts.to_vec(), options).unwrap();
    let source = scan(source.path(), &fleet.options, &()).unwrap();
    let cancel = fleet.cancel_handle();
    let report = std::thread::scope(|scope| {
        let run = scope.spawn(|| fleet.push(&source, Generation::new(1), &()));
        std::thread::sleep(ARRIVAL);
        let stopped = Instant::now();
        cancel.cancel();
        let report = run.join().unwrap();
        assert!(stopped.elapsed() < SOON, "{:?}", stopped.elapsed());
        report
    });
    // Those that waited have their last failure to tell.
    assert!(report.hosts.iter().all(|host| host.error.is_some()));
}

#[test]
fn while_others_have_the_places() {
    let hosts = ["a", "b", "c"].map(|name| host(name, Path::new("/nowhere"), mute()));
    let options = Options {
        parallel: 1,
        ..Options::default()
    };
    stop(hosts.to_vec(), options);
}

#[test]
fn while_waiting_for_the_others() {
    let destination = tempfile::tempdir().unwrap();
    let hosts = vec![
        host("staged", destination.path(), Reach::Local),
        host("mute", Path::new("/nowhere"), mute()),
    ];
    let options = Options {
        together: true,
        ..Options::default()
    };
    stop(hosts, options);
    assert!(!destination.path().join("file").exists());
}

#[test]
fn while_a_tree_is_pulled() {
    let (mute, into) = (mute(), tempfile::tempdir().unwrap());
    let remote = host("host", Path::new("/nowhere"), mute);
    let cancel = Cancel::default();
    let report = std::thread::scope(|scope| {
        let run = scope.spawn(|| pull(&remote, into.path(), &Options::default(), &cancel, &()));
        std::thread::sleep(ARRIVAL);
        assert!(!run.is_finished(), "nothing is waited for");
        let stopped = Instant::now();
        cancel.cancel();
        let report = run.join().unwrap();
        assert!(stopped.elapsed() < SOON, "{:?}", stopped.elapsed());
        report
    });
    assert_eq!(report.outcome, Outcome::Failed);
    assert!(matches!(report.error, Some(Error::Cancelled)), "{report:?}");
    let again = pull(&remote, into.path(), &Options::default(), &cancel, &());
    assert!(matches!(again.error, Some(Error::Cancelled)), "{again:?}");
}
