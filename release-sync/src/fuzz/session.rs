//! Both sides of the conversation, each with a peer that says anything at all.

use std::sync::Arc;
use std::time::{Duration, Instant};

use release_core::{
    Digest, Entry, Generation, Kind, Manifest, Meta, Principal, ProofClass, RelPath, Timestamp,
};

use crate::Options;
use crate::session::{Agent, Controller, Goal, Order, Patience, Release, Step};
use crate::wire::{
    Ask, Begin, Decoder, FrameKind, Have, PartFlags, PayloadBuilder, Purpose, Settled, Staged,
    Supply, ToAgent, ToController, WANT_WINDOW, Want, Welcome, control, greeting,
};

use super::take;

/// The root, some small files in one unit, and a large one.
pub(super) fn manifest() -> Manifest {
    let meta = Meta {
        mode: 0o644,
        user: 0,
        group: 0,
        mtime: Timestamp::default(),
    };
    let file = |number: u32| Entry {
        path: RelPath::parse(format!("f{number}").as_bytes()).expect("it is one"),
        meta,
        kind: Kind::File {
            size: if number < 9 { 100 } else { 1 << 20 },
            digest: Digest::of(&number.to_le_bytes()),
        },
    };
    let root = Entry {
        path: RelPath::root(),
        kind: Kind::Directory,
        ..file(0)
    };
    let table = vec![Principal { id: 0, name: None }];
    let entries = std::iter::once(root).chain((1..10).map(file)).collect();
    Manifest::new(table.clone(), table, entries).expect("it is a tree")
}

/// A controller, and a host that says anything. The first byte says how that is cut, the second what the session is for.
///
/// Nothing is asked for that is not in the release, memory is bounded, and no word of the host's moves a cursor.
pub fn controller(mut bytes: &[u8]) {
    let (piece, goal) = (usize::from(take(&mut bytes)) + 1, take(&mut bytes));
    let release = Arc::new(Release::new(manifest()));
    let (purpose, goal) = match goal % 5 {
        0 | 1 => (Purpose::Push, Goal::Push(Arc::clone(&release))),
        2 => (
            Purpose::Plan { itemize: true },
            Goal::Plan(Arc::clone(&release)),
        ),
        3 => (Purpose::Inspect, Goal::Inspect),
        _ => (
            Purpose::Push,
            Goal::Undo {
                from: None,
                to: Some(release.id),
            },
        ),
    };
    let now = start();
    let begin = Begin::plain(purpose, b"/release", Generation::new(1));
    let patience = Patience::of(&Options::default());
    let mut controller = Controller::new(goal, begin, patience, now);
    let mut waiting = 0;
    for piece in bytes.chunks(piece) {
        let heard = controller.handle_bytes(piece, now);
        while let Some(want) = controller.poll_encode() {
            waiting += want.length();
            for ask in &want.asks {
                let entry = &release.manifest.entries()[ask.entry as usize];
                assert!(entry.file().is_some(), "{ask:?}");
            }
        }
        assert!(waiting <= WANT_WINDOW + FrameKind::Want.limit());
        while let Some(step) = controller.poll_step() {
            if let Step::Staged(staged) = step {
                assert_eq!(staged.release, release.id);
                controller.commit();
            }
        }
        if let Err(error) = heard {
            assert_harmless(&error.to_string());
            return;
        }
    }
    if let Err(error) = controller.handle_end(bytes) {
        assert_harmless(&error.to_string());
    }
    let late = controller.handle_timeout(now + Duration::from_secs(1 << 20));
    assert!(late.is_err() || controller.is_over());
}

fn assert_harmless(text: &str) {
    let moves =
        |character: char| character.is_control() || ('\u{202a}'..='\u{202e}').contains(&character);
    assert!(!text.contains(moves), "{text:?}");
}

/// The clock's beginning; what it shows makes no difference.
#[allow(clippy::disallowed_methods)]
fn start() -> Instant {
    Instant::now()
}

pub(super) fn hosts() -> Vec<Vec<u8>> {
    let release = Release::new(manifest());
    let proof = release.manifest.proof(ProofClass::Full);
    let welcome = control(&ToController::Welcome(Welcome {
        build: String::from("\u{1b}[31mred"),
        superuser: true,
        free: 1 << 30,
        clock: 0,
    }));
    let have = control(&ToController::Have(Have {
        marker: None,
        proofs: Vec::new(),
        intact: None,
        files: 1,
        bytes: 1,
    }));
    let asks = [1, 2].map(|entry| Ask { entry, basis: None });
    let want = Want::encode(0, &asks);
    let end = control(&ToController::WantEnd {
        files: 2,
        bytes: 200,
    });
    let staged = control(&ToController::Staged(Staged {
        release: release.id,
        unchanged: true,
        deletions: 0,
        refused: 0,
        literal_bytes: 0,
        matched_bytes: 0,
        local_bytes: 0,
        notes: vec![String::from("\u{202e}")],
    }));
    let done = control(&ToController::Done(Settled {
        proof,
        deleted: 0,
        notes: Vec::new(),
    }));
    let begin = [greeting(), welcome, have].concat();
    let said = [
        [&begin[..], &want, &end].concat(),
        [&begin[..], &staged, &done].concat(),
    ];
    let goals = (0..5).flat_map(|goal| said.iter().map(move |said| (goal, said)));
    goals
        .map(|(goal, said)| [&[200, goal][..], said].concat())
        .collect()
}

/// An agent, and a controller that says anything. The first byte says how that is cut.
///
/// Orders come in their turn: nothing before the tree was looked at, no commit of what is not staged, nothing after
/// the end; and a manifest is as long as it was said to be.
pub fn agent(mut bytes: &[u8]) {
    let piece = usize::from(take(&mut bytes)) + 1;
    let mut agent = Agent::new();
    let (mut has_begun, mut is_staging, mut is_staged, mut is_over) = (false, false, false, false);
    let mut steps = 0;
    for piece in bytes.chunks(piece) {
        agent.handle_bytes(piece);
        loop {
            let order = match agent.poll_order() {
                Err(_) => return,
                Ok(None) => break,
                Ok(Some(order)) => order,
            };
            assert!(!is_over, "{order:?} after the end");
            assert!(agent.steps() >= steps);
            steps = agent.steps();
            match order {
                Order::Begin(_) => {
                    assert!(!has_begun);
                    has_begun = true;
                    agent.handle_scanned();
                }
                Order::Supply(_) => {
                    assert!(!has_begun);
                    is_over = true;
                }
                Order::Same(_) | Order::Stage(_) | Order::StageFrom { .. } | Order::Undo(_) => {
                    assert!(has_begun && !is_staging);
                    is_staging = true;
                    if let Order::Stage(manifest) = order {
                        let _ = Manifest::decode(&manifest);
                    } else {
                        agent.handle_staged();
                        is_staged = true;
                    }
                }
                Order::Payload(body) => {
                    assert!(is_staging && !is_staged);
                    assert!(body.len() <= FrameKind::Payload.limit());
                    // What decides that all is there is not the session's; here it is a frame's first byte.
                    if body.first() == Some(&0) {
                        agent.handle_staged();
                        is_staged = true;
                    }
                }
                Order::Commit(_) => {
                    assert!(is_staged);
                    is_over = true;
                }
                Order::Abort | Order::Refused(_) => is_over = true,
            }
        }
        assert!(is_over || agent.unread() <= FrameKind::Want.limit().max(bytes.len()));
    }
    let rest = agent.into_rest();
    assert!(bytes.ends_with(&rest));
}

pub(super) fn controllers() -> Vec<Vec<u8>> {
    let release = Release::new(manifest());
    let begin = control(&ToAgent::Begin(Begin::plain(
        Purpose::Push,
        b"/release",
        Generation::new(1),
    )));
    let frames = release.frames();
    let manifest: Vec<u8> = frames
        .iter()
        .flat_map(|frame| frame.iter().copied())
        .collect();
    let mut payload = PayloadBuilder::default();
    payload.push(1, PartFlags::End, &[4, 1, 2]);
    let payload = payload.finish(0, true, None);
    let commit = control(&ToAgent::Commit(release.id));
    let supply = control(&ToAgent::Supply(Supply {
        source: b"/release".to_vec(),
        exclude: vec![String::from("*.pyc")],
        checksum: false,
        numeric_owner: false,
        allow_empty: false,
        silence_seconds: 30,
    }));
    let before = [greeting(), begin].concat();
    let last = [
        [&manifest[..], &payload, &commit].concat(),
        [control(&ToAgent::Same(release.id)), commit].concat(),
        control(&ToAgent::Undo),
        control(&ToAgent::ManifestFrom {
            base: release.id,
            length: 100,
            packed: 10,
        }),
    ];
    let mut seeds: Vec<Vec<u8>> = last
        .iter()
        .map(|last| [&[200][..], &before, last].concat())
        .collect();
    seeds.push([&[3][..], &greeting(), &supply, b"rest"].concat());
    let mut decoder = Decoder::default();
    decoder.push(&before);
    debug_assert!(matches!(decoder.greeting(), Ok(Some(_))));
    seeds
}
