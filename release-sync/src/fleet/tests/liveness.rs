//! That nobody is waited for who gets no further.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::Counts;
use crate::fleet::visit::Findings;
use crate::wire::{ToAgent, ToController, control};

/// An agent whose disk hangs: it greets, and says every second that it is there and has done nothing.
fn stuck(word: &[u8]) -> Reach {
    let word: String = word.iter().map(|byte| format!("\\{byte:03o}")).collect();
    let script = format!(
        r"printf '\000RELEASE\005\000'; cat >/dev/null &
        while sleep 1; do printf '{word}' || exit; done"
    );
    Reach::Command(["sh", "-c", &script].map(Into::into).to_vec())
}

fn host(name: &str, destination: PathBuf, reach: Reach) -> Host {
    Host {
        name: String::from(name),
        destination,
        reach,
    }
}

fn impatient() -> Options {
    Options {
        stall: Duration::from_secs(4),
        ..Options::default()
    }
}

#[test]
fn a_stuck_host_does_not_hold_the_gate() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("source")).unwrap();
    fs::write(folder.path().join("source/file"), "content").unwrap();
    let word = control(&ToController::Working { done: 0 });
    let hosts = vec![
        host("well", folder.path().join("well"), Reach::Local),
        host("stuck", folder.path().join("stuck"), stuck(&word)),
    ];
    let options = Options {
        together: true,
        ..impatient()
    };
    let fleet = Fleet::new(hosts, options).unwrap();
    let source = scan(&folder.path().join("source"), &fleet.options, &()).unwrap();
    let started = Instant::now();
    let report = fleet.push(&source, Generation::new(1), &());
    assert_eq!(report.hosts[0].outcome, Outcome::Committed, "{report:?}");
    let error = report.hosts[1].error.as_ref().unwrap();
    assert!(matches!(error, Error::Stalled { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        "the host got no further for 4 s while opening the destination"
    );
    let took = started.elapsed();
    assert!(
        took < Duration::from_secs(15),
        "and it is not tried again: {took:?}"
    );
}

#[test]
fn a_stuck_host_gives_nothing_out() {
    let into = tempfile::tempdir().unwrap();
    let word = control(&ToAgent::Working { done: 0 });
    let host = host("stuck", PathBuf::from("/nowhere"), stuck(&word));
    let report = pull(&host, into.path(), &impatient(), &Cancel::default(), &());
    let is_stalled = matches!(report.error, Some(Error::Stalled { .. }));
    assert!(is_stalled, "{report:?}");
}

#[test]
fn a_panic_here_is_the_error_of_its_host() {
    for name in [
        "panics in a writer",
        "panics in the session",
        "panics in the asker",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("source")).unwrap();
        fs::write(at("source").join(name), "content").unwrap();
        let fleet = Fleet::new(vec![host("host", at("host"), Reach::Local)], impatient()).unwrap();
        let source = scan(&at("source"), &fleet.options, &()).unwrap();
        let started = Instant::now();
        let report = fleet.push(&source, Generation::new(1), &());
        let error = report.hosts[0].error.as_ref().unwrap();
        assert!(error.to_string().contains("a fault of its own"), "{error}");
        assert!(
            started.elapsed() < Duration::from_secs(3),
            "{name}: it was noticed"
        );

        let from = host("host", at("source"), Reach::Local);
        let report = pull(&from, &at("into"), &impatient(), &Cancel::default(), &());
        let error = report.error.unwrap();
        assert!(error.to_string().contains("a fault of its own"), "{error}");
    }
}

#[test]
fn an_impatience_that_no_host_can_serve_is_refused() {
    let with = |silence| Options {
        silence,
        ..Options::default()
    };
    let refused = Fleet::new(Vec::new(), with(Duration::from_millis(5999))).unwrap_err();
    assert!(matches!(refused, Error::Impatience { .. }), "{refused:?}");
    Fleet::new(Vec::new(), with(Options::LEAST_SILENCE)).unwrap();
    let nobody = host("host", PathBuf::from("/nowhere"), Reach::Local);
    let options = with(Duration::from_secs(1));
    let report = pull(
        &nobody,
        "/nowhere".as_ref(),
        &options,
        &Cancel::default(),
        &(),
    );
    assert!(
        matches!(report.error, Some(Error::Impatience { .. })),
        "{report:?}"
    );
}

#[test]
fn what_moved_is_summed_up_and_what_was_done_is_not() {
    let counts = |files_sent, bytes_sent| Counts {
        files_sent,
        bytes_sent,
        ..Counts::default()
    };
    let mut findings = Findings::default();
    findings.add(counts(90, 900), 7, false);
    findings.add(counts(10, 150), 0, false);
    let seen = findings.counts;
    assert_eq!(
        (seen.files_sent, seen.bytes_sent, seen.agent_bytes),
        (10, 1050, 7)
    );
    // It was lost while it committed; the next session finds everything done.
    findings.unchanged = true;
    findings.add(counts(0, 20), 0, true);
    assert_eq!(
        (findings.counts.files_sent, findings.counts.bytes_sent),
        (10, 1070)
    );
}
