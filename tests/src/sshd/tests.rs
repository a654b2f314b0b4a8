//! What a host has to be before anything is tested on it.

use super::*;
use crate::{judge, tree};

fn ssh(rack: &Rack, host: &Sshd, command: &[&str]) -> std::process::Output {
    Command::new("ssh")
        .args(ssh_options(rack, host.address()))
        .arg(format!("root@{}", host.address().ip()))
        .args(command)
        .output()
        .unwrap()
}

fn eventually(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "it does not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn ssh_options(rack: &Rack, address: SocketAddr) -> Vec<String> {
    vec![
        "-F/dev/null".into(),
        "-oBatchMode=yes".into(),
        format!("-oUserKnownHostsFile={}", rack.known_hosts().display()),
        format!("-i{}", rack.identity().display()),
        format!("-p{}", address.port()),
    ]
}

#[test]
fn hosts_share_a_path_and_nothing_else() {
    let rack = Rack::new();
    let source = tempfile::tempdir().unwrap();
    tree::oddities(source.path());
    let hosts = [rack.host(), rack.host()];
    for host in &hosts {
        let shell = format!("ssh {}", ssh_options(&rack, host.address()).join(" "));
        let target = format!(
            "root@{}:{}/",
            host.address().ip(),
            rack.destination().display()
        );
        let pushed = Command::new("rsync")
            .args(["-aS", "--numeric-ids", "--modify-window=-1", "-e", &shell])
            .arg(source.path().join(""))
            .arg(target)
            .status()
            .unwrap();
        assert!(pushed.success());
        judge::assert_equal(source.path(), &host.tree());
    }
    fs::write(hosts[0].tree().join("only-here"), "").unwrap();
    fs::write(hosts[0].home().join("only-at-home"), "").unwrap();
    assert!(!hosts[1].tree().join("only-here").exists());
    assert!(!hosts[1].home().join("only-at-home").exists());
    assert!(!Path::new("/root/only-at-home").exists());
    assert!(!rack.destination().exists());
}

#[test]
fn a_host_takes_all_its_processes_with_it() {
    let rack = Rack::new();
    let host = rack.host();
    assert!(
        ssh(
            &rack,
            &host,
            &["setsid sleep 1000 </dev/null >/dev/null 2>&1 &"]
        )
        .status
        .success()
    );
    let sleeps = |pid: &u32| processes::program(*pid).is_some_and(|path| path.ends_with("sleep"));
    eventually(|| processes::beside(host.init).iter().any(sleeps));
    let running = processes::beside(host.init);
    let mount_point = rack.shared().to_owned();
    drop(host);
    assert!(
        running
            .iter()
            .all(|pid| !Path::new(&format!("/proc/{pid}")).exists())
    );
    drop(rack);
    assert!(!mount_point.exists());
}

#[test]
fn agents_are_found_and_killed() {
    let rack = Rack::new();
    let host = rack.host();
    fs::copy("/bin/sleep", host.home().join("agent-0123")).unwrap();
    assert!(
        ssh(
            &rack,
            &host,
            &["./agent-0123 1000 </dev/null >/dev/null 2>&1 &"]
        )
        .status
        .success()
    );
    eventually(|| host.agents().len() == 1);
    assert_eq!(host.kill_agents(), 1);
    eventually(|| host.agents().is_empty());
}

#[test]
fn www_logs_in_and_is_not_root() {
    let rack = Rack::new();
    let host = rack.host();
    let user = Command::new("ssh")
        .args(ssh_options(&rack, host.address()))
        .args([
            &format!("www@{}", host.address().ip()),
            "id -un; touch ~/file",
        ])
        .output()
        .unwrap();
    assert_eq!(user.stdout, b"www\n");
}

#[test]
fn a_small_disk_gets_full() {
    let rack = Rack::new();
    let host = rack.start(SshdOptions {
        disk: Some(1 << 20),
        ..SshdOptions::default()
    });
    let error = fs::write(host.shared().join("big"), vec![1; 2 << 20]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
}

#[test]
fn a_login_shell_of_our_own_is_used() {
    let rack = Rack::new();
    let host = rack.start(SshdOptions {
        login_shell: Some("/bin/echo".into()),
        config: vec!["RekeyLimit 1M".into()],
        ..SshdOptions::default()
    });
    let output = ssh(&rack, &host, &["whatever"]);
    assert_eq!(output.stdout, b"-c whatever\n");
}

#[test]
fn a_host_can_be_made_read_only() {
    let rack = Rack::new();
    let host = rack.host();
    let path = rack.shared().display();
    host.run(&format!(
        "touch {path}/before; mount -o remount,bind,ro {path}"
    ));
    assert!(host.shared().join("before").exists());
    host.run(&format!("! touch {path}/after"));
    assert!(!host.shared().join("after").exists());
}

#[test]
fn a_host_can_be_told_to_take_other_ciphers() {
    let rack = Rack::new();
    let host = rack.host();
    let takes = |cipher: &str| {
        let mut command = Command::new("ssh");
        command
            .args(ssh_options(&rack, host.address()))
            .arg(format!("-oCiphers={cipher}"))
            .arg(format!("root@{}", host.address().ip()))
            .arg("true");
        command.output().unwrap().status.success()
    };
    assert!(takes("aes256-ctr"));
    host.reconfigure(&[String::from("Ciphers aes128-gcm@openssh.com")]);
    assert!(!takes("aes256-ctr"));
    assert!(takes("aes128-gcm@openssh.com"));
    host.reconfigure(&[]);
    assert!(takes("aes256-ctr"));
    host.wait_until_idle();
}
