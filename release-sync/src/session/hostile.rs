//! A controller against an agent that says anything at all.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;
use std::time::Instant;

use proptest::prelude::*;
use release_core::{
    Digest, Entry, Generation, Kind, Manifest, Marker, Meta, Principal, ProofClass, RelPath,
    ReleaseId, Timestamp,
};

use super::{Controller, Goal, MOST_REFUSALS, Patience, Release};
use crate::unit::LARGE_FILE;
use crate::wire::{
    Ask, Basis, Begin, Fault, FaultKind, Frame, FrameKind, Have, Purpose, Refusal, Settled, Staged,
    ToController, WANT_WINDOW, Want, Welcome, control, greeting,
};
use crate::{Error, Options};

/// The root, 40 small files in one unit, and three large ones.
fn release() -> Arc<Release> {
    let meta = Meta {
        mode: 0o644,
        user: 0,
        group: 0,
        mtime: Timestamp::default(),
    };
    let mut entries = vec![Entry {
        path: RelPath::root(),
        meta: Meta {
            mode: 0o755,
            ..meta
        },
        kind: Kind::Directory,
    }];
    entries.extend((0..43u32).map(|number| Entry {
        path: RelPath::parse(format!("f{number:02}").as_bytes()).unwrap(),
        meta,
        kind: Kind::File {
            size: if number < 40 { 100 } else { LARGE_FILE + 1 },
            digest: Digest::of(&number.to_le_bytes()),
        },
    }));
    let root = vec![Principal { id: 0, name: None }];
    Arc::new(Release::new(
        Manifest::new(root.clone(), root, entries).unwrap(),
    ))
}

fn controller(goal: Goal) -> Controller {
    let begin = Begin {
        max_delete: Some(5),
        ..Begin::plain(Purpose::Push, b"/release", Generation::new(1))
    };
    Controller::new(
        goal,
        begin,
        Patience::of(&Options::default()),
        Instant::now(),
    )
}

fn welcome() -> Vec<u8> {
    control(&ToController::Welcome(Welcome {
        build: String::from("\u{1b}[31mred"),
        superuser: true,
        free: u64::MAX,
        clock: i64::MIN,
    }))
}

fn have(proofs: usize) -> Vec<u8> {
    control(&ToController::Have(Have {
        marker: Some((
            Marker {
                release: other(),
                generation: Generation::new(u64::MAX),
            },
            i64::MIN,
        )),
        proofs: (0..proofs)
            .map(|_| release().manifest.proof(ProofClass::WithoutOwner))
            .collect(),
        intact: Some(ProofClass::Full),
        files: u64::MAX,
        bytes: u64::MAX,
    }))
}

fn other() -> ReleaseId {
    ReleaseId::new(Digest::of(b"another release"))
}

fn staged(release: ReleaseId, refused: u64) -> Vec<u8> {
    control(&ToController::Staged(Staged {
        release,
        unchanged: false,
        deletions: u64::MAX,
        refused,
        literal_bytes: u64::MAX,
        matched_bytes: u64::MAX,
        local_bytes: u64::MAX,
        notes: vec![String::from("\u{1b}]0;title\u{7}"); 3],
    }))
}

fn asking(unit: u32, entries: &[u32], signature: usize) -> Vec<u8> {
    let asks: Vec<Ask> = entries
        .iter()
        .map(|&entry| Ask {
            entry,
            basis: (signature > 0).then(|| Basis {
                size: u64::MAX,
                signature: vec![entry as u8; signature],
            }),
        })
        .collect();
    Want::encode(unit, &asks)
}

/// A session that has come to staging.
fn in_staging() -> Controller {
    let mut controller = controller(Goal::Push(release()));
    let now = Instant::now();
    controller
        .handle_bytes(&[greeting(), welcome(), have(0)].concat(), now)
        .unwrap();
    controller
}

#[track_caller]
fn assert_refused(controller: &mut Controller, bytes: &[u8]) {
    match controller.handle_bytes(bytes, Instant::now()) {
        Err(Error::Protocol { .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn wants_are_of_files_that_there_are() {
    for (unit, entries) in [
        (0, &[0][..]),    // the root
        (0, &[41]),       // another unit's
        (0, &[44]),       // beyond the manifest
        (0, &[u32::MAX]), //
        (9, &[1]),        // no unit
        (u32::MAX, &[1]), //
        (0, &[2, 1]),     // out of order
        (0, &[1, 1]),     // twice at once
    ] {
        assert_refused(&mut in_staging(), &asking(unit, entries, 0));
    }
    in_staging()
        .handle_bytes(&asking(0, &[1, 2], 30), Instant::now())
        .unwrap();
}

/// Files of several units are asked for together only while they are few: what one answer takes in memory.
#[test]
fn what_is_asked_for_together_is_bounded() {
    let file = |number: u32, size| Entry {
        path: RelPath::parse(format!("f{number:02}").as_bytes()).unwrap(),
        meta: Meta {
            mode: 0o644,
            user: 0,
            group: 0,
            mtime: Timestamp::default(),
        },
        kind: Kind::File {
            size,
            digest: Digest::of(&number.to_le_bytes()),
        },
    };
    let root = Entry {
        path: RelPath::root(),
        kind: Kind::Directory,
        ..file(0, 0)
    };
    // Three to a unit; the fiftieth is one by itself, and the unit after it begins with the next.
    let size = |number| {
        if number == 50 {
            LARGE_FILE + 1
        } else {
            200 << 10
        }
    };
    let files = (1..=60).map(|number| file(number, size(number)));
    let table = vec![Principal { id: 0, name: None }];
    let entries = std::iter::once(root).chain(files).collect();
    let release = Arc::new(Release::new(
        Manifest::new(table.clone(), table, entries).unwrap(),
    ));
    let asked = |unit: u32, entries: std::ops::RangeInclusive<u32>| {
        let mut controller = controller(Goal::Push(Arc::clone(&release)));
        let now = Instant::now();
        controller
            .handle_bytes(&[greeting(), welcome(), have(0)].concat(), now)
            .unwrap();
        let entries: Vec<u32> = entries.collect();
        controller.handle_bytes(&asking(unit, &entries, 0), now)
    };
    assert_eq!(release.units.of_entry(10), Some(3));
    asked(0, 1..=40).unwrap();
    asked(0, 4..=40).unwrap();
    asked(4, 13..=15).unwrap();
    asked(4, 13..=24).unwrap();
    asked(17, 50..=50).unwrap();
    for (unit, entries) in [
        (0, 1..=41),   // more than 8 MiB
        (1, 4..=7),    // a block of one unit
        (2, 7..=13),   // a block of two
        (4, 10..=13),  // before the block
        (16, 50..=50), // a large one by another name
        (16, 49..=50), // a large one beside others
        (0, 45..=49),  // beyond the longest block
    ] {
        let refused = asked(unit, entries.clone());
        assert!(
            matches!(refused, Err(Error::Protocol { .. })),
            "{unit}: {entries:?}"
        );
    }
}

#[test]
fn a_file_is_asked_for_twice_at_most() {
    let mut controller = in_staging();
    for _ in 0..2 {
        controller
            .handle_bytes(&asking(1, &[41], 50), Instant::now())
            .unwrap();
    }
    assert_refused(&mut controller, &asking(1, &[41], 0));
}

/// Signatures wait in memory for their answers: no more of them than one window.
#[test]
fn wants_beyond_the_window_are_refused() {
    let mut controller = in_staging();
    let large = (FrameKind::Want.limit() - 100).min(WANT_WINDOW);
    let mut waiting = 0;
    for (unit, entry) in [(1, 41), (2, 42), (3, 43), (1, 41), (2, 42), (3, 43)] {
        let bytes = asking(unit, &[entry], large);
        if waiting > 0 && waiting + bytes.len() > WANT_WINDOW {
            return assert_refused(&mut controller, &bytes);
        }
        controller.handle_bytes(&bytes, Instant::now()).unwrap();
        waiting += bytes.len();
    }
    assert!(
        waiting <= WANT_WINDOW + large,
        "{waiting} bytes of wants are waiting"
    );
}

#[test]
fn messages_out_of_their_turn_are_refused() {
    let done = control(&ToController::Done(Settled {
        proof: release().manifest.proof(ProofClass::Full),
        deleted: 0,
        notes: Vec::new(),
    }));
    let refuse = |bytes: &[u8]| assert_refused(&mut in_staging(), bytes);
    refuse(&welcome());
    refuse(&have(1));
    refuse(&done);
    refuse(&staged(other(), 0));
    refuse(&Frame::encode(FrameKind::Payload, b"x"));
    refuse(&Frame::encode(FrameKind::Manifest, b"x"));
    // Staged before it has what it asked for.
    refuse(&[asking(0, &[1], 0), staged(release().id, 0)].concat());
    let mut early = controller(Goal::Push(release()));
    assert_refused(&mut early, &[greeting(), have(0)].concat());
    let mut proofs = controller(Goal::Push(release()));
    assert_refused(&mut proofs, &[greeting(), welcome(), have(3)].concat());
    let mut undo = controller(Goal::Undo {
        from: None,
        to: None,
    });
    undo.handle_bytes(&[greeting(), welcome(), have(0)].concat(), Instant::now())
        .unwrap();
    assert_refused(&mut undo, &asking(0, &[1], 0));
    // A plan that ends without its numbers would look like one by which nothing changes.
    for release_of in [release().id, other()] {
        let mut plan = controller(Goal::Plan(release()));
        plan.handle_bytes(&[greeting(), welcome(), have(0)].concat(), Instant::now())
            .unwrap();
        assert_refused(&mut plan, &staged(release_of, 0));
    }
}

/// Root can set owners, so a tree in which they differ is not the release; nor is one that says so.
#[test]
fn a_proof_of_less_than_could_be_shown_is_none() {
    let mut controller = in_staging();
    let now = Instant::now();
    controller
        .handle_bytes(&staged(release().id, 0), now)
        .unwrap();
    controller.commit();
    let proof = release().manifest.proof(ProofClass::WithoutOwner);
    let done = Settled {
        proof,
        deleted: 0,
        notes: Vec::new(),
    };
    let ended = controller.handle_bytes(&control(&ToController::Done(done)), now);
    assert!(matches!(ended, Err(Error::NotProven { .. })), "{ended:?}");
}

#[test]
fn refusals_are_counted_and_what_they_say_is_harmless() {
    let refusal = |entry| {
        let reason = String::from("\u{1b}[2J and \u{202e}");
        control(&ToController::Refusal(Refusal { entry, reason }))
    };
    let mut controller = in_staging();
    let now = Instant::now();
    controller
        .handle_bytes(&[refusal(u32::MAX), staged(release().id, 7)].concat(), now)
        .map_err(|error| error.to_string())
        .map_or_else(
            |text| {
                assert!(text.contains('7'), "{text}");
                assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text:?}");
            },
            |()| panic!("seven files were refused"),
        );
    let mut flooded = in_staging();
    let many: Vec<u8> = (0..=MOST_REFUSALS as u32).flat_map(refusal).collect();
    assert_refused(&mut flooded, &many);
}

fn said() -> impl Strategy<Value = Vec<u8>> {
    let entries = || prop::collection::btree_set(0..46u32, 0..4);
    let want = (
        0..5u32,
        entries(),
        prop_oneof![Just(0), 1..200usize, Just(300_000usize)],
    );
    let fault = (0..12u8, any::<u64>()).prop_map(|(which, number)| match which {
        0 => FaultKind::Locked,
        1 => FaultKind::Fenced(Generation::new(number)),
        2 => FaultKind::NotMounted,
        3 => FaultKind::ReadOnly,
        4 => FaultKind::Destination,
        5 => FaultKind::NoSpace,
        6 => FaultKind::MaxDelete { would: number },
        7 => FaultKind::NoUndo,
        8 => FaultKind::Commit,
        9 => FaultKind::Protocol,
        10 => FaultKind::Forbidden,
        _ => FaultKind::Internal,
    });
    let done = any::<bool>().prop_map(|right| {
        let mut proof = release().manifest.proof(ProofClass::Full);
        if !right {
            proof.digest = Digest::of(b"");
        }
        control(&ToController::Done(Settled {
            proof,
            deleted: u64::MAX,
            notes: Vec::new(),
        }))
    });
    prop_oneof![
        4 => Just(welcome()),
        4 => (0..3usize).prop_map(have),
        8 => want.prop_map(|(unit, entries, signature)| {
            asking(unit, &entries.into_iter().collect::<Vec<_>>(), signature)
        }),
        3 => (any::<bool>(), 0..2u64).prop_map(|(right, refused)| {
            staged(if right { release().id } else { other() }, refused)
        }),
        2 => done,
        1 => (any::<u64>(), any::<u64>())
            .prop_map(|(files, bytes)| control(&ToController::Progress { files, bytes })),
        1 => (any::<u64>(), any::<u64>())
            .prop_map(|(files, bytes)| control(&ToController::WantEnd { files, bytes })),
        1 => fault.prop_map(|kind| {
            control(&ToController::Fault(Fault { kind, reason: String::from("\u{7}") }))
        }),
        1 => prop::collection::vec(any::<u8>(), 0..30),
    ]
}

proptest! {
    /// In turn or out of it, whole or garbled, cut anywhere: an error or an end, and bounded memory.
    #[test]
    fn anything_may_be_said(
        said in prop::collection::vec(said(), 0..16),
        orderly in any::<bool>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..2),
        piece in 1..5_000usize,
    ) {
        let release = release();
        let mut controller = controller(Goal::Push(Arc::clone(&release)));
        let mut bytes = greeting();
        if orderly {
            bytes.extend([welcome(), have(0)].concat());
        }
        bytes.extend(said.concat());
        for (at, flip) in &flips {
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
        }
        let now = Instant::now();
        let mut waiting = 0;
        for piece in bytes.chunks(piece) {
            if let Err(error) = controller.handle_bytes(piece, now) {
                let text = error.to_string();
                prop_assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{text:?}");
                return Ok(());
            }
            while let Some(want) = controller.poll_encode() {
                waiting += want.length();
                for ask in &want.asks {
                    let entry = &release.manifest.entries()[ask.entry as usize];
                    prop_assert!(entry.file().is_some());
                }
            }
            while let Some(step) = controller.poll_step() {
                if let super::Step::Staged(staged) = step {
                    prop_assert_eq!(staged.release, release.id);
                    controller.commit();
                }
            }
            prop_assert!(waiting <= WANT_WINDOW + FrameKind::Want.limit());
        }
        let _ = controller.handle_end(b"\x1b[31m");
    }
}
