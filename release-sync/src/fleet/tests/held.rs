//! Hosts that stage, and commit when they are told to.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::*;
use crate::HostState;

/// Counts hosts that have staged, and releases or cancels when so many have.
struct Staged<'a> {
    count: AtomicUsize,
    wanted: usize,
    then: &'a (dyn Fn() + Sync),
}

impl Monitor for Staged<'_> {
    fn event(&self, event: Event<'_>) {
        let state = HostState::Staged;
        if matches!(event, Event::State { state: found, .. } if found == state)
            && self.count.fetch_add(1, Ordering::SeqCst) + 1 == self.wanted
        {
            (self.then)();
        }
    }
}

struct Scene {
    place: tempfile::TempDir,
    fleet: Fleet,
}

impl Scene {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let source = place.path().join("source");
        std::fs::create_dir(&source).unwrap();
        std::fs::write(source.join("file"), "content").unwrap();
        let hosts = ["a", "b"].map(|name| Host::local(name, place.path().join(name)));
        let fleet = Fleet::new(hosts.to_vec(), Options::default()).unwrap();
        Self { place, fleet }
    }

    fn has_file(&self, host: &str) -> bool {
        self.place.path().join(host).join("file").exists()
    }

    fn push(&self, hold: &Hold, then: &(dyn Fn() + Sync)) -> Report {
        let monitor = Staged {
            count: AtomicUsize::new(0),
            wanted: 2,
            then,
        };
        let source = self.place.path().join("source");
        let scan = || scan(&source, &self.fleet.options, &());
        let pushed = self
            .fleet
            .push_held(hold, Generation::new(1), &monitor, scan);
        pushed.unwrap().1
    }
}

#[test]
fn nobody_commits_before_the_release_and_everybody_after_it() {
    let scene = Scene::new();
    let hold = Hold::default();
    let begin = Instant::now();
    let report = scene.push(&hold, &|| {
        // Longer than a gate that nobody holds would stay shut.
        std::thread::sleep(Duration::from_millis(300));
        assert!(!scene.has_file("a") && !scene.has_file("b"));
        hold.release();
    });
    for host in &report.hosts {
        assert_eq!(host.outcome, Outcome::Committed, "{report:?}");
        assert!(scene.has_file(&host.host));
    }
    assert!(begin.elapsed() < Duration::from_secs(10));
}

#[test]
fn what_is_held_can_be_given_up() {
    let scene = Scene::new();
    let cancel = scene.fleet.cancel_handle();
    let report = scene.push(&Hold::default(), &|| cancel.cancel());
    for host in &report.hosts {
        assert!(matches!(host.error, Some(Error::Cancelled)), "{report:?}");
        assert!(!scene.has_file(&host.host));
    }
}
