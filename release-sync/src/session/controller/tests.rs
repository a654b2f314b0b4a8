//! What a host may say, and what is made of it.
#![allow(clippy::unwrap_used)]

use release_core::{
    Digest, Entry, Generation, Kind, Manifest, Meta, Principal, RelPath, Timestamp,
};

use super::*;
use crate::Options;
use crate::wire::{Ask, Purpose};

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
    let begin = Begin {
        purpose: Purpose::Push,
        destination: b"/destination".to_vec(),
        generation: Generation::new(1),
        delete: true,
        checksum: false,
        exclude: Vec::new(),
        protect: Vec::new(),
        max_delete: None,
        keep_undo: true,
        require_mount: false,
        numeric_owner: false,
        holder: String::new(),
        silence_seconds: 30,
    };
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
