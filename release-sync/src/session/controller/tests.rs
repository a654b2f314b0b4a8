//! What a host may say, and what is made of it.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use release_core::{
    Digest, Entry, Generation, Kind, Manifest, Meta, Principal, RelPath, Timestamp,
};

use super::*;
use crate::Options;
use crate::wire::{Ask, Purpose, ToController};

/// A session that waits for wants, for a release of files of such sizes.
fn staging(sizes: &[u64]) -> Controller {
    let entry = |path: &str, kind| Entry {
        path: RelPath::parse(path.as_bytes()).unwrap(),
        meta: Meta {
            mode: 0o644,
            user: 0,
            group: 0,
            mtime: Timestamp::default(),
        },
        kind,
    };
    let mut entries = vec![entry("", Kind::Directory)];
    entries.extend(sizes.iter().enumerate().map(|(n, &size)| {
        let digest = Digest::of(&[n as u8]);
        entry(&format!("file-{n}"), Kind::File { size, digest })
    }));
    let root = vec![Principal { id: 0, name: None }];
    let manifest = Manifest::new(root.clone(), root, entries).unwrap();
    let goal = Goal::Push(Arc::new(Release::new(manifest)));
    let begin = Begin::plain(Purpose::Push, b"/destination", Generation::new(1));
    let mut session = Controller::new(
        goal,
        begin,
        Patience::of(&Options::default()),
        Instant::now(),
    );
    session.phase = Phase::Staging;
    session
}

#[test]
fn files_that_are_more_than_can_be_counted_are_asked_for() {
    let mut session = staging(&[i64::MAX as u64; 3]);
    let Goal::Push(release) = session.goal.clone() else {
        unreachable!("it is a push");
    };
    for entry in 1..=3 {
        let unit = release.units.of_entry(entry).unwrap();
        let ask = Ask { entry, basis: None };
        let want = Want::encode(unit, &[ask]);
        session.handle_bytes(&want, Instant::now()).unwrap();
    }
    assert_eq!(session.wanted(), (3, u64::MAX));
}

#[test]
fn a_list_of_long_paths_is_bounded_by_its_bytes() {
    let mut session = staging(&[1]);
    session.begin.purpose = Purpose::Plan { itemize: true };
    let item = |length| Item {
        flags: String::from(">f+++++++++"),
        path: vec![b'p'; length],
    };
    let mut listed = 0;
    let refused = loop {
        match session.handle_items(vec![item(1 << 20)]) {
            Ok(()) => listed += 1,
            Err(error) => break error,
        }
        // As if somebody had taken it.
        session.steps.clear();
        assert!(listed < 1 << 10, "a gigabyte is taken");
    };
    assert!(refused.to_string().contains("more changes"), "{refused}");
    assert!(listed > 1 << 8);
}

const SECOND: Duration = Duration::from_secs(1);

/// A session with a host that has all the time that it takes to be found stuck.
struct Watched {
    session: Controller,
    now: Instant,
}

impl Watched {
    fn in_phase(phase: Phase) -> Self {
        let mut session = staging(&[1 << 20]);
        let now = Instant::now();
        session.liveness = Liveness::new(Patience::of(&Options::default()), now);
        while let Some(bytes) = session.poll_transmit() {
            session.handle_transmitted(bytes.len(), now);
        }
        session.phase = phase;
        Self { session, now }
    }

    /// The host says something every five seconds, and takes what it is sent.
    fn pass(&mut self, seconds: u32, mut says: impl FnMut(u32) -> Vec<u8>) -> Result<(), Error> {
        for second in (0..seconds).step_by(5) {
            self.now += 5 * SECOND;
            self.session.handle_bytes(&says(second), self.now)?;
            while let Some(bytes) = self.session.poll_transmit() {
                self.session.handle_transmitted(bytes.len(), self.now);
            }
            self.session.handle_timeout(self.now)?;
            assert!(self.session.poll_timeout() > self.now);
        }
        Ok(())
    }
}

fn working(done: u64) -> Vec<u8> {
    control(&ToController::Working { done })
}

#[test]
fn a_host_that_is_alive_and_gets_no_further_is_given_up() {
    for (phase, doing) in [
        (Phase::Opening, "opening the destination"),
        (Phase::Scanning, "scanning the destination"),
        (Phase::Staging, "staging"),
        (Phase::Committing, "committing"),
        (Phase::Over, "ending the session"),
    ] {
        let mut watched = Watched::in_phase(phase);
        let alive = |_| [working(7), control(&ToController::KeepAlive)].concat();
        // The first word of having done anything counts.
        watched.pass(600, alive).unwrap();
        match watched.pass(10, alive) {
            Err(error @ Error::Stalled { doing: seen, .. }) => {
                assert_eq!(seen, doing);
                assert!(!error.is_retryable());
            }
            other => panic!("{phase:?}: {other:?}"),
        }
    }
    // What is staged may come to nothing, too.
    let mut watched = Watched::in_phase(Phase::Staging);
    let same = |_| control(&ToController::Progress { files: 3, bytes: 9 });
    assert!(matches!(
        watched.pass(700, same),
        Err(Error::Stalled { .. })
    ));
}

#[test]
fn a_host_that_gets_on_may_take_as_long_as_it_takes() {
    for phase in [Phase::Scanning, Phase::Staging, Phase::Committing] {
        let mut watched = Watched::in_phase(phase);
        // Once in nine minutes.
        let slow = |second: u32| working(u64::from(second / 540));
        watched.pass(24 * 60 * 60, slow).unwrap();
    }
    let mut watched = Watched::in_phase(Phase::Staging);
    let slow = |second: u32| {
        let bytes = u64::from(second / 540);
        control(&ToController::Progress { files: 0, bytes })
    };
    watched.pass(24 * 60 * 60, slow).unwrap();
}

#[test]
fn a_host_that_waits_for_us_is_not_stuck() {
    let alive = |_| working(7);
    let mut watched = Watched::in_phase(Phase::Staged);
    watched.pass(24 * 60 * 60, alive).unwrap();
    // The time begins with the commit.
    watched.session.target = Some(ReleaseId::new(Digest::of(b"release")));
    watched.session.commit();
    watched.pass(595, alive).unwrap();
    assert!(watched.pass(10, alive).is_err());

    let mut watched = Watched::in_phase(Phase::Staging);
    for _ in 0..1000 {
        watched.session.handle_delay(watched.now);
        watched.pass(500, alive).unwrap();
    }
}

#[test]
fn nothing_that_counts_can_be_said_for_ever() {
    let end = control(&ToController::WantEnd { files: 0, bytes: 0 });
    let empty = control(&ToController::Items(Vec::new()));
    let nothing = Want::encode(0, &[]);
    for (words, why) in [
        (end, "twice"),
        (empty, "no changes"),
        (nothing, "for nothing"),
    ] {
        let mut session = staging(&[1]);
        session.begin.purpose = match why {
            "no changes" => Purpose::Plan { itemize: true },
            _ => Purpose::Push,
        };
        let twice = [words.clone(), words].concat();
        let refused = session.handle_bytes(&twice, Instant::now()).unwrap_err();
        assert!(refused.to_string().contains(why), "{refused}");
    }
}

#[test]
fn files_count_when_their_answer_is_gone() {
    let now = Instant::now();
    let mut session = staging(&[10, 10, 1 << 20]);
    while let Some(bytes) = session.poll_transmit() {
        session.handle_transmitted(bytes.len(), now);
    }
    let ask = |entry| Ask { entry, basis: None };
    for (unit, asks) in [
        (0, vec![ask(1), ask(2)]),
        (1, vec![ask(3)]),
        (0, vec![ask(1)]),
    ] {
        session
            .handle_bytes(&Want::encode(unit, &asks), now)
            .unwrap();
        session.poll_encode().unwrap();
    }
    assert_eq!((session.wanted().0, session.counts().files_sent), (3, 0));
    let frame = |length| Arc::new(vec![0; length].into());
    session.handle_answer(frame(10), true);
    session.handle_answer(frame(10), false);
    session.handle_transmitted(9, now);
    assert_eq!(session.counts().files_sent, 0);
    session.handle_transmitted(1, now);
    assert_eq!(session.counts().files_sent, 2);
    session.handle_transmitted(10, now);
    session.handle_answer(frame(5), true);
    session.handle_answer(frame(5), true);
    session.handle_transmitted(5, now);
    session.handle_transmitted(5, now);
    assert_eq!(
        session.counts().files_sent,
        3,
        "one of them twice, at its own asking"
    );
}
