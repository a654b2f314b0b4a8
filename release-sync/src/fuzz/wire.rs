//! Frames and messages, in both directions.

use crate::wire::{
    self, Decoder, Frame, FrameKind, MAX_PAYLOAD_RAW, PartFlags, Payload, PayloadBuilder, ToAgent,
    ToController, Want, WireError, control, greeting,
};

use super::take;

const TO_AGENT: [&[u8]; 5] = [
    include_bytes!("../wire/fixtures/to-agent-v1.bin"),
    include_bytes!("../wire/fixtures/to-agent-v2.bin"),
    include_bytes!("../wire/fixtures/to-agent-v3.bin"),
    include_bytes!("../wire/fixtures/to-agent-v4.bin"),
    include_bytes!("../wire/fixtures/to-agent-v5.bin"),
];
const TO_CONTROLLER: [&[u8]; 3] = [
    include_bytes!("../wire/fixtures/to-controller-v1.bin"),
    include_bytes!("../wire/fixtures/to-controller-v2.bin"),
    include_bytes!("../wire/fixtures/to-controller-v4.bin"),
];
const WANTS: &[u8] = include_bytes!("../wire/fixtures/wants-v1.bin");
const PAYLOADS: [&[u8]; 2] = [
    include_bytes!("../wire/fixtures/payloads-v1.bin"),
    include_bytes!("../wire/fixtures/compressed-payload-v1.bin"),
];

/// What came of a stream.
type Heard = (
    Result<Option<u16>, WireError>,
    Vec<Frame>,
    Result<(), WireError>,
);

/// All that a peer sends, from its greeting on. The first byte says how it is cut into pieces, which makes no
/// difference to what is heard.
pub fn stream(mut bytes: &[u8]) {
    let piece = usize::from(take(&mut bytes)) + 1;
    let whole = hear(bytes, bytes.len().max(1));
    assert_eq!(hear(bytes, piece), whole);
    for frame in &whole.1 {
        let body = &frame.body;
        assert!(body.len() <= frame.kind.limit());
        assert_eq!(&body_of(&Frame::encode(frame.kind, body)), body);
        match frame.kind {
            FrameKind::Control => message(body),
            FrameKind::Manifest => {}
            FrameKind::Want => want(body),
            FrameKind::Payload => payload(body),
        }
    }
}

fn hear(bytes: &[u8], piece: usize) -> Heard {
    let mut decoder = Decoder::default();
    let mut version = Ok(None);
    let mut frames = Vec::new();
    for piece in bytes.chunks(piece) {
        decoder.push(piece);
        if version == Ok(None) {
            version = decoder.greeting();
        }
        if !matches!(version, Ok(Some(_))) {
            continue;
        }
        loop {
            match decoder.frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (version, frames, Err(error)),
            }
        }
    }
    assert!(decoder.unread() <= bytes.len());
    (version, frames, Ok(()))
}

pub(super) fn streams() -> Vec<Vec<u8>> {
    let mut streams = vec![[&[6], &b"Welcome!\n"[..], WANTS].concat()];
    let files = TO_AGENT.iter().chain(&TO_CONTROLLER).chain(&PAYLOADS);
    streams.extend(files.map(|stream| [&[6], *stream].concat()));
    streams
}

/// The body of a frame that was just made.
fn body_of(frame: &[u8]) -> Vec<u8> {
    bodies(&[&greeting(), frame].concat()).remove(0)
}

/// The bodies of a stream's frames.
fn bodies(stream: &[u8]) -> Vec<Vec<u8>> {
    let (_, frames, _) = hear(stream, stream.len());
    frames.into_iter().map(|frame| frame.body).collect()
}

/// A control frame's body, for either side: what is taken survives being written again.
pub fn message(body: &[u8]) {
    if let Ok(message) = ToAgent::decode(body) {
        let again = body_of(&control(&message));
        assert_eq!(ToAgent::decode(&again), Ok(message));
    }
    if let Ok(message) = ToController::decode(body) {
        let again = body_of(&control(&message));
        assert_eq!(ToController::decode(&again), Ok(message));
    }
}

pub(super) fn messages() -> Vec<Vec<u8>> {
    let files = TO_AGENT.iter().chain(&TO_CONTROLLER);
    files.flat_map(|frames| bodies(frames)).collect()
}

/// A want frame's body: hosts that ask the same have one key.
pub fn want(body: &[u8]) {
    let Ok(want) = Want::decode(body.to_vec()) else {
        return;
    };
    assert!(want.asks.len() <= body.len() / 2);
    assert_eq!(want.length(), body.len());
    assert_eq!(body_of(&Want::encode(want.unit, &want.asks)), body);
    let ours = Want::new(want.unit, want.asks.clone());
    assert_eq!(ours.key(), want.key());
}

pub(super) fn wants() -> Vec<Vec<u8>> {
    bodies(WANTS)
}

/// A payload frame's body: its parts survive being put into another frame, compressed or not.
pub fn payload(body: &[u8]) {
    let Ok(payload) = Payload::decode(body) else {
        return;
    };
    assert_eq!(Payload::unit(body), Ok(payload.unit));
    let mut builder = PayloadBuilder::default();
    let mut parts = Vec::new();
    for part in payload.parts() {
        let Ok((entry, flags, ops)) = part else {
            return;
        };
        builder.push(entry, flags, ops);
        parts.push((entry, flags, ops));
    }
    assert!(builder.length() <= MAX_PAYLOAD_RAW);
    for level in [None, Some(1)] {
        let mut builder = PayloadBuilder::default();
        parts
            .iter()
            .for_each(|(entry, flags, ops)| builder.push(*entry, *flags, ops));
        let frame = builder.finish(payload.unit, payload.last, level);
        let body = body_of(&frame);
        let again = Payload::decode(&body).expect("we made it");
        assert_eq!(again, payload);
        assert!(again.parts().map(Result::unwrap).eq(parts.iter().copied()));
    }
}

pub(super) fn payloads() -> Vec<Vec<u8>> {
    let mut builder = PayloadBuilder::default();
    builder.push_whole(1, &[7; 300]);
    builder.push(2, PartFlags::More, &[4, 1, 2]);
    builder.push(2, PartFlags::Failed, &[]);
    let frame = builder.finish(3, true, 1);
    let mut payloads = vec![body_of(&frame)];
    payloads.extend(PAYLOADS.into_iter().flat_map(bodies));
    payloads
}

/// A packed manifest: the length that was told, and a zstd frame, against nothing and against another manifest.
pub fn packed(mut bytes: &[u8]) {
    let length = u64::from(u32::from_le_bytes([(); 4].map(|()| take(&mut bytes)))) % (1 << 20);
    let base = super::session::manifest().encode();
    let unpacked = [
        wire::unpack(bytes, length),
        wire::unpack_from(&base, bytes, length),
    ];
    for manifest in unpacked.into_iter().flatten() {
        assert_eq!(manifest.len() as u64, length);
        let again = wire::pack_from(&base, &manifest).expect("there is memory");
        assert_eq!(
            wire::unpack_from(&base, &again, length).as_ref(),
            Some(&manifest)
        );
    }
}

pub(super) fn manifests() -> Vec<Vec<u8>> {
    let manifest = super::session::manifest().encode();
    let packed = [
        wire::pack(&manifest).expect("there is memory"),
        wire::pack_from(&manifest, &manifest).expect("there is memory"),
    ];
    let length = (manifest.len() as u32).to_le_bytes();
    packed
        .map(|packed| [&length[..], &packed].concat())
        .to_vec()
}
