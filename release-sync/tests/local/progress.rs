//! How far a run is, as the monitor hears of it.

use std::sync::Mutex;

use release_sync::{Event, Fleet, Generation, Monitor, Options, Outcome};

use crate::common::*;

/// Bytes that are done, of those that are wanted, each time that it was told.
#[derive(Default)]
struct Heard(Mutex<Vec<(u64, u64)>>);

impl Monitor for Heard {
    fn event(&self, event: Event<'_>) {
        if let Event::Progress {
            bytes_done,
            bytes_wanted,
            ..
        } = event
        {
            self.0.lock().unwrap().push((bytes_done, bytes_wanted));
        }
    }
}

#[test]
fn what_has_come_of_a_large_file_counts_before_all_of_it_has() {
    const SIZE: usize = 12 << 20;
    let scratch = Scratch::new();
    write(scratch.at("source/large"), noise(1, SIZE));
    let options = Options {
        bwlimit: 12_000_000,
        ..options()
    };
    let heard = Heard::default();
    let fleet = Fleet::new(vec![local(&scratch.at("tree"))], options).unwrap();
    let report = fleet.push(&source(&scratch.at("source")), Generation::new(1), &heard);
    assert_ended(&report.hosts[0], Outcome::Committed);
    let heard = heard.0.into_inner().unwrap();
    assert!(heard.is_sorted(), "{heard:?}");
    let size = SIZE as u64;
    assert!(
        heard
            .iter()
            .all(|(done, all)| *all == size && *done <= size)
    );
    let between = heard.iter().filter(|(done, _)| (1..size).contains(done));
    assert!(between.count() >= 4, "{heard:?}");
}
