//! The conversation, byte by byte.
//!
//! The fixtures are never edited: an agent that was installed long ago speaks just these bytes. A message
//! that is new gets a fixture of its own; a change of an old one is a new version of the conversation.
//! Versions 2 and 3 have all that those before had, unchanged, and add to it. Version 4 cuts signatures, which
//! messages don't look into.

use std::collections::BTreeSet;

use release_core::{Digest, Generation, Marker, Proof, ProofClass, ReleaseId};
use serde::de::DeserializeOwned;

use super::frames;
use crate::wire::{
    self, Ask, Basis, Begin, Fault, FaultKind, Frame, FrameKind, Have, Item, PartFlags, Payload,
    PayloadBuilder, Planned, Purpose, Refusal, Settled, Staged, Supply, ToAgent, ToController,
    Want, Welcome, control,
};

const TO_AGENT: &[u8] = include_bytes!("../fixtures/to-agent-v1.bin");
const TO_CONTROLLER: &[u8] = include_bytes!("../fixtures/to-controller-v1.bin");
const WANTS: &[u8] = include_bytes!("../fixtures/wants-v1.bin");
const PAYLOADS: &[u8] = include_bytes!("../fixtures/payloads-v1.bin");
const TO_AGENT_2: &[u8] = include_bytes!("../fixtures/to-agent-v2.bin");
const TO_CONTROLLER_2: &[u8] = include_bytes!("../fixtures/to-controller-v2.bin");
const TO_AGENT_3: &[u8] = include_bytes!("../fixtures/to-agent-v3.bin");
const TO_CONTROLLER_4: &[u8] = include_bytes!("../fixtures/to-controller-v4.bin");
const TO_AGENT_4: &[u8] = include_bytes!("../fixtures/to-agent-v4.bin");
const TO_AGENT_5: &[u8] = include_bytes!("../fixtures/to-agent-v5.bin");
/// Compressed, so what later builds make of the same content may differ: only read.
const COMPRESSED: &[u8] = include_bytes!("../fixtures/compressed-payload-v1.bin");

fn release() -> ReleaseId {
    ReleaseId::new(Digest::of(b"release"))
}

fn proof(class: ProofClass) -> Proof {
    Proof {
        class,
        digest: *release().digest(),
    }
}

fn to_agent() -> Vec<ToAgent> {
    let push = Begin {
        purpose: Purpose::Push,
        destination: b"/srv/app".to_vec(),
        generation: Generation::new(300),
        delete: true,
        checksum: false,
        exclude: vec!["*.pyc".to_owned(), "/tmp/".to_owned()],
        protect: vec!["/shared/".to_owned()],
        max_delete: Some(1000),
        keep_undo: true,
        require_mount: false,
        numeric_owner: false,
        holder: "ada@build (process 7)".to_owned(),
        silence_seconds: 30,
    };
    let look = |purpose| Begin {
        purpose,
        destination: b"/odd\xff\n".to_vec(),
        generation: Generation::default(),
        delete: false,
        checksum: true,
        exclude: Vec::new(),
        protect: Vec::new(),
        max_delete: None,
        keep_undo: false,
        require_mount: true,
        numeric_owner: true,
        holder: String::new(),
        silence_seconds: 3600,
    };
    let supply = Supply {
        source: b"/srv/app".to_vec(),
        exclude: vec!["*.pyc".to_owned()],
        checksum: true,
        numeric_owner: false,
        allow_empty: true,
        silence_seconds: 30,
    };
    vec![
        ToAgent::Begin(push),
        ToAgent::Begin(look(Purpose::Inspect)),
        ToAgent::Begin(look(Purpose::Plan { itemize: true })),
        ToAgent::Begin(look(Purpose::Probe)),
        ToAgent::Same(release()),
        ToAgent::Manifest {
            length: 132,
            packed: 1 << 20,
        },
        ToAgent::Undo,
        ToAgent::Commit(release()),
        ToAgent::Abort,
        ToAgent::KeepAlive,
        ToAgent::Supply(supply),
        ToAgent::Refuse("no".to_owned()),
    ]
}

fn to_controller() -> Vec<ToController> {
    let marker = Marker {
        release: release(),
        generation: Generation::new(7),
    };
    let found = Have {
        marker: Some((marker, -1)),
        proofs: vec![proof(ProofClass::Full), proof(ProofClass::WithoutOwner)],
        intact: Some(ProofClass::WithoutOwner),
        files: 1,
        bytes: 128,
    };
    let nothing = Have {
        marker: None,
        proofs: Vec::new(),
        intact: None,
        files: 0,
        bytes: 0,
    };
    let mut messages = vec![
        ToController::Welcome(Welcome {
            build: "0123456789abcdef".to_owned(),
            superuser: true,
            free: 1 << 40,
            clock: 1_700_000_000_000_000_000,
        }),
        ToController::Have(found),
        ToController::Have(nothing),
        ToController::WantEnd {
            files: 3,
            bytes: 16_384,
        },
        ToController::Progress {
            files: 1,
            bytes: 127,
        },
        ToController::Refusal(Refusal {
            entry: 2,
            reason: "no".to_owned(),
        }),
        ToController::Staged(Staged {
            release: release(),
            unchanged: false,
            deletions: 1,
            refused: 2,
            literal_bytes: 3,
            matched_bytes: 4,
            local_bytes: 5,
            notes: vec!["a note".to_owned()],
        }),
        ToController::Done(Settled {
            proof: proof(ProofClass::Full),
            deleted: 6,
            notes: Vec::new(),
        }),
    ];
    messages.extend(faults().into_iter().map(|kind| {
        let reason = "why".to_owned();
        ToController::Fault(Fault { kind, reason })
    }));
    messages.push(ToController::KeepAlive);
    messages.push(ToController::Items(vec![Item {
        flags: ">f+++++++++".to_owned(),
        path: b"a/b\xff".to_vec(),
    }]));
    messages.push(ToController::Planned(Planned {
        created: 1,
        changed: 2,
        attributes: 3,
        deleted: 4,
        refused: 5,
        files_sent: 6,
        bytes_wanted: 7,
        local_bytes: 128,
    }));
    messages
}

/// What version 2 has added.
fn to_agent_2() -> Vec<ToAgent> {
    vec![ToAgent::Working { done: 300 }, ToAgent::UndoFrom(release())]
}

/// What version 3 has added.
fn to_agent_3() -> Vec<ToAgent> {
    vec![ToAgent::ManifestFrom {
        base: release(),
        length: 132,
        packed: 1 << 20,
    }]
}

fn to_controller_2() -> Vec<ToController> {
    let working = |done| ToController::Working { done };
    vec![working(0), working(u64::MAX)]
}

/// What version 4 has added.
fn to_controller_4() -> Vec<ToController> {
    vec![ToController::Fault(Fault {
        kind: FaultKind::Forbidden,
        reason: "why".to_owned(),
    })]
}

fn faults() -> Vec<FaultKind> {
    vec![
        FaultKind::Locked,
        FaultKind::Fenced(Generation::new(301)),
        FaultKind::NotMounted,
        FaultKind::ReadOnly,
        FaultKind::Destination,
        FaultKind::NoSpace,
        FaultKind::MaxDelete { would: 1001 },
        FaultKind::NoUndo,
        FaultKind::Commit,
        FaultKind::Protocol,
        FaultKind::Internal,
    ]
}

fn wants() -> Vec<(u32, Vec<Ask>)> {
    let whole = |entry| Ask { entry, basis: None };
    let delta = Ask {
        entry: 5,
        basis: Some(Basis {
            size: 1400,
            signature: (0..40).collect(),
        }),
    };
    vec![
        (0, vec![whole(1)]),
        (300, vec![whole(4), delta, whole(200)]),
    ]
}

/// A unit of one frame, and one of two.
fn payloads() -> Vec<Vec<u8>> {
    let mut frame = PayloadBuilder::default();
    // A literal of 3 bytes; a copy of 700 from the start of the basis.
    frame.push(4, PartFlags::End, b"\x06abc");
    frame.push(5, PartFlags::End, &[0xf9, 0x0a, 0x00]);
    frame.push(200, PartFlags::Failed, &[]);
    let one = frame.finish(300, true, 1);
    frame.push(1, PartFlags::More, b"\x02x");
    let first = frame.finish(0, false, 1);
    frame.push(1, PartFlags::End, b"\x02y");
    let frames = [one, first, frame.finish(0, true, 1)];
    frames.map(|frame| frame.to_vec()).to_vec()
}

fn compressed() -> Vec<u8> {
    let mut frame = PayloadBuilder::default();
    let ops = [&[0xd0, 0x0f][..], &[b'z'; 1000]].concat();
    frame.push(7, PartFlags::End, &ops);
    frame.finish(2, true, 3).to_vec()
}

fn stream(version: u16, frames: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut stream = [b"\0RELEASE", &version.to_le_bytes()[..]].concat();
    frames.into_iter().for_each(|frame| stream.extend(frame));
    stream
}

fn bodies(version: u16, golden: &[u8], kind: FrameKind) -> Vec<Vec<u8>> {
    let frames = frames(version, golden).into_iter();
    frames
        .map(|frame| {
            assert_eq!(frame.kind, kind);
            frame.body
        })
        .collect()
}

/// Are these the indices of all variants that there are? The one after the last is tried with bytes that
/// any fields can be made of.
fn are_all_variants<M: DeserializeOwned>(indices: &BTreeSet<u8>) -> bool {
    let next = indices.len() as u8;
    let unknown = [&[next][..], &[0; 500]].concat();
    indices.iter().copied().eq(0..next) && postcard::take_from_bytes::<M>(&unknown).is_err()
}

#[test]
fn the_greeting_stays_what_it_is() {
    assert_eq!(wire::greeting(), *b"\0RELEASE\x05\x00");
}

#[test]
fn messages_to_the_agent_stay_what_they_are() {
    let mut variants = BTreeSet::new();
    for (version, golden, messages) in [
        (1, TO_AGENT, to_agent()),
        (2, TO_AGENT_2, to_agent_2()),
        (3, TO_AGENT_3, to_agent_3()),
        (4, TO_AGENT_4, Vec::new()),
        (5, TO_AGENT_5, Vec::new()),
    ] {
        assert_eq!(stream(version, messages.iter().map(control)), golden);
        let bodies = bodies(version, golden, FrameKind::Control);
        let read: Result<Vec<_>, _> = bodies.iter().map(|body| ToAgent::decode(body)).collect();
        assert_eq!(read.unwrap(), messages);
        variants.extend(bodies.iter().map(|body| body[0]));
    }
    assert!(are_all_variants::<ToAgent>(&variants), "{variants:?}");
}

#[test]
fn messages_to_the_controller_stay_what_they_are() {
    let mut variants = BTreeSet::new();
    for (version, golden, messages) in [
        (1, TO_CONTROLLER, to_controller()),
        (2, TO_CONTROLLER_2, to_controller_2()),
        (4, TO_CONTROLLER_4, to_controller_4()),
    ] {
        assert_eq!(stream(version, messages.iter().map(control)), golden);
        let bodies = bodies(version, golden, FrameKind::Control);
        let read: Result<Vec<_>, _> = bodies.iter().map(|b| ToController::decode(b)).collect();
        assert_eq!(read.unwrap(), messages);
        variants.extend(bodies.iter().map(|body| body[0]));
    }
    assert!(are_all_variants::<ToController>(&variants), "{variants:?}");
}

#[test]
fn every_kind_of_fault_is_among_them() {
    let kinds = faults();
    let bytes = kinds
        .iter()
        .chain([&FaultKind::Forbidden])
        .map(|kind| postcard::to_allocvec(kind).unwrap());
    let variants = bytes.map(|bytes| bytes[0]).collect();
    assert!(are_all_variants::<FaultKind>(&variants), "{variants:?}");
}

#[test]
fn every_purpose_is_among_them() {
    let messages = to_agent().into_iter();
    let purposes = messages.filter_map(|message| match message {
        ToAgent::Begin(begin) => Some(begin.purpose),
        _ => None,
    });
    let bytes = purposes.map(|purpose| postcard::to_allocvec(&purpose).unwrap());
    let variants = bytes.map(|bytes| bytes[0]).collect();
    assert!(are_all_variants::<Purpose>(&variants), "{variants:?}");
    // What only a receiver on this side may be told, by this side.
    assert!(postcard::to_allocvec(&Purpose::Pull).is_err());
}

#[test]
fn wants_stay_what_they_are() {
    let encoded = wants()
        .into_iter()
        .map(|(unit, asks)| Want::encode(unit, &asks));
    assert_eq!(stream(1, encoded), WANTS);
    let read = bodies(1, WANTS, FrameKind::Want).into_iter().map(|body| {
        let want = Want::decode(body).unwrap();
        (want.unit, want.asks)
    });
    assert_eq!(read.collect::<Vec<_>>(), wants());
}

#[test]
fn payloads_stay_what_they_are() {
    assert_eq!(stream(1, payloads()), PAYLOADS);
    let bodies = bodies(1, PAYLOADS, FrameKind::Payload);
    let read: Vec<_> = bodies.iter().map(|b| Payload::decode(b).unwrap()).collect();
    let heads: Vec<_> = read.iter().map(|p| (p.unit, p.last)).collect();
    assert_eq!(heads, [(300, true), (0, false), (0, true)]);
    let parts: Vec<_> = read
        .iter()
        .flat_map(Payload::parts)
        .map(Result::unwrap)
        .collect();
    let expected: [(u32, PartFlags, &[u8]); 5] = [
        (4, PartFlags::End, b"\x06abc"),
        (5, PartFlags::End, &[0xf9, 0x0a, 0x00]),
        (200, PartFlags::Failed, &[]),
        (1, PartFlags::More, b"\x02x"),
        (1, PartFlags::End, b"\x02y"),
    ];
    assert_eq!(parts, expected);
}

#[test]
fn compressed_payloads_stay_readable() {
    let body = bodies(1, COMPRESSED, FrameKind::Payload).remove(0);
    assert!(body.len() < 100);
    let Frame { body: now, .. } = frames(1, &stream(1, [compressed()])).remove(0);
    assert_eq!(Payload::decode(&body), Payload::decode(&now));
    assert!(Payload::decode(&body).is_ok());
}

#[test]
fn the_document_shows_the_real_bytes() {
    let text = include_str!("../../../../docs/wire-format.md");
    let mut shown = 0;
    for (name, golden) in [
        ("to-agent-v1.bin", TO_AGENT),
        ("to-controller-v1.bin", TO_CONTROLLER),
        ("to-agent-v2.bin", TO_AGENT_2),
        ("to-controller-v2.bin", TO_CONTROLLER_2),
        ("to-agent-v3.bin", TO_AGENT_3),
        ("to-agent-v4.bin", TO_AGENT_4),
        ("to-agent-v5.bin", TO_AGENT_5),
        ("to-controller-v4.bin", TO_CONTROLLER_4),
        ("wants-v1.bin", WANTS),
        ("payloads-v1.bin", PAYLOADS),
    ] {
        for after in text.split(&format!("```hex {name}\n")).skip(1) {
            let (block, _) = after.split_once("```").unwrap();
            let byte = |word: &str| {
                u8::from_str_radix(word, 16)
                    .ok()
                    .filter(|_| word.len() == 2)
            };
            let lines = block.lines();
            let bytes: Vec<u8> = lines
                .flat_map(|line| line.split_whitespace().map_while(byte))
                .collect();
            assert!(
                golden.windows(bytes.len()).any(|part| part == bytes),
                "{block}"
            );
            shown += 1;
        }
    }
    assert!(shown >= 6, "{shown} examples");
}
