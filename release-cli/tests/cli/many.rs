//! More hosts than a process may have files open by default.

use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::thread;

use super::place::{NOBODY, Place, events, said};

const HOSTS: usize = 100;

/// Files that may be open when the program starts: fewer than there are hosts.
const LIMIT: &str = "50";

/// Whoever listens says nothing, so that all are waited for at one time.
#[test]
fn hosts_are_reached_though_few_files_may_be_open() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let met = thread::spawn(move || {
        let met = listener.incoming().take(HOSTS);
        met.collect::<Result<Vec<_>, _>>().unwrap()
    });
    let hosts = (0..HOSTS).map(|number| {
        format!(
            "[[host]]\nname = \"mute-{number}\"\naddress = \"127.0.0.1\"\nport = {port}\n\
             destination = \"/release/{number}\"\n"
        )
    });
    let (head, _) = NOBODY.split_once("[[host]]").unwrap();
    let head = head.replace("ssh = {", "ssh = { connect_timeout = \"3s\",");
    let head = format!("{head}sync.parallel = {HOSTS}\n");
    let place = Place::with_source(&hosts.fold(head, |config, host| config + &host));
    place.make_key();
    let program = place.command(&["--json", "plan"]);
    let mut shell = Command::new("/bin/sh");
    let limited = format!("ulimit -Sn {LIMIT} && exec \"$@\"");
    shell
        .args(["-c", &limited, "sh"])
        .arg(program.get_program());
    shell.args(program.get_args()).current_dir(place.path());
    let output = shell.env_clear().stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let (last, hosts) = events(&output)
        .split_last()
        .map(|(a, b)| (a.clone(), b.to_vec()))
        .unwrap();
    assert_eq!(last["event"], "finished");
    assert_eq!(hosts.len(), HOSTS);
    for host in &hosts {
        let error = host["error"].as_str().unwrap();
        assert!(error.contains("while exchanging keys"), "{error}");
    }
    assert_eq!(met.join().unwrap().len(), HOSTS);
}
