//! What an embedder can do with what release-sync shows.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Mutex;
use std::thread;

use outside::{Mirror, all_well};
use release_sync::{
    Cancel, Connect, Connector, Error, Event, Fleet, Generation, Host, HostState, Monitor, Options,
    Outcome, Reach, Streams, pull, scan, serve,
};

#[derive(Default)]
struct States(Mutex<BTreeSet<&'static str>>);

impl Monitor for States {
    fn event(&self, event: Event<'_>) {
        if let Event::State { state, .. } = event {
            self.0.lock().unwrap().insert(state.as_str());
        }
    }
}

fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

#[test]
fn two_directories_follow_a_source_and_go_back() {
    let place = tempfile::tempdir().unwrap();
    let source = place.path().join("source");
    let mirrors = ["a", "b"].map(|name| place.path().join(name));
    write(&source.join("app/main"), "one");
    write(&source.join("scratch.tmp"), "not to be sent");
    let states = States::default();

    let mirror = Mirror::new(&source, &mirrors, &states).unwrap();
    assert_eq!(mirror.pending().unwrap(), 2);
    let report = mirror.run(1, &states);
    assert!(all_well(&report), "{report:?}");
    assert!(
        states
            .0
            .into_inner()
            .unwrap()
            .contains(HostState::Staged.as_str())
    );
    assert!(mirror.verify());
    assert_eq!(
        fs::read_to_string(mirrors[1].join("app/main")).unwrap(),
        "one"
    );
    assert!(!mirrors[1].join("scratch.tmp").exists());

    write(&source.join("app/main"), "two");
    let second = Mirror::new(&source, &mirrors, &()).unwrap();
    assert!(all_well(&second.run(2, &())));
    assert!(second.verify() && !mirror.verify());

    let back = second.undo(3);
    assert!(
        back.hosts
            .iter()
            .all(|host| host.outcome == Outcome::Undone),
        "{back:?}"
    );
    assert!(mirror.verify());
    assert_eq!(
        fs::read_to_string(mirrors[0].join("app/main")).unwrap(),
        "one"
    );
}

#[test]
fn errors_say_what_a_caller_needs_to_decide() {
    let place = tempfile::tempdir().unwrap();
    match Mirror::new(&place.path().join("missing"), &[], &()) {
        Err(error @ Error::Source { .. }) => assert!(!error.is_retryable()),
        other => panic!("{:?}", other.err()),
    }
    match Mirror::new(place.path(), &[], &()) {
        Err(Error::SourceEmpty { path }) => assert_eq!(path, place.path()),
        other => panic!("{:?}", other.err()),
    }
}

#[test]
fn a_run_that_was_stopped_says_so() {
    let place = tempfile::tempdir().unwrap();
    let (source, mirror) = (place.path().join("source"), place.path().join("mirror"));
    write(&source.join("file"), "content");
    let stopped = Mirror::new(&source, std::slice::from_ref(&mirror), &()).unwrap();
    stopped.cancel_handle().cancel();
    let report = stopped.run(1, &());
    assert!(
        matches!(report.hosts[0].error, Some(Error::Cancelled)),
        "{report:?}"
    );
    assert!(!mirror.join("file").exists());
}

/// Agents in threads of this process, behind sockets.
struct Threads;

impl Connect for Threads {
    fn connect(&self, host: &Host) -> io::Result<Streams> {
        if host.name == "away" {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        let (ours, theirs) = UnixStream::pair()?;
        thread::spawn(move || serve(theirs.try_clone().unwrap(), theirs, None));
        Ok(Streams {
            to_agent: Box::new(Closing(ours.try_clone()?)),
            from_agent: Box::new(ours),
        })
    }
}

struct Closing(UnixStream);

impl Write for Closing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        let _ = self.0.shutdown(Shutdown::Write);
    }
}

#[test]
fn hosts_are_reached_by_a_way_of_the_callers_own() {
    let place = tempfile::tempdir().unwrap();
    let source = place.path().join("source");
    write(&source.join("file"), &"content ".repeat(1 << 17));
    let connector = Connector::new(Threads);
    let host = |name: &str| Host {
        reach: Reach::Custom(connector.clone()),
        ..Host::local(name, place.path().join(name))
    };
    let options = Options {
        retries: 0,
        ..Options::default()
    };
    let scanned = scan(&source, &options, &()).unwrap();
    let fleet = Fleet::new(vec![host("here"), host("away")], options).unwrap();
    let report = fleet.push(&scanned, Generation::new(1), &());
    assert_eq!(report.hosts[0].outcome, Outcome::Committed, "{report:?}");
    let error = report.hosts[1].error.as_ref().unwrap();
    assert!(error.is_retryable(), "{error:?}");

    let copy = place.path().join("copy");
    let cancel = Cancel::default();
    let pulled = pull(&host("here"), &copy, &Options::default(), &cancel, &());
    assert_eq!(pulled.outcome, Outcome::Committed, "{pulled:?}");
    assert_eq!(
        fs::read(copy.join("file")).unwrap(),
        fs::read(source.join("file")).unwrap()
    );
}
