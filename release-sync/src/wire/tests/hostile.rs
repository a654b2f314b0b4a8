//! A peer that means no good.

use proptest::prelude::*;

use crate::delta::{Blocks, Signature};
use crate::unit::UNIT_ENTRIES;
use crate::wire::{
    Ask, Basis, Begin, Decoder, Frame, FrameKind, MAX_PATTERNS, MAX_PAYLOAD_RAW, PATTERN_COST,
    PartFlags, Payload, PayloadBuilder, Purpose, ToAgent, ToController, Want, WireError, control,
    number,
};

const KINDS: [FrameKind; 4] = [
    FrameKind::Control,
    FrameKind::Manifest,
    FrameKind::Want,
    FrameKind::Payload,
];

fn body(frame: Vec<u8>) -> Vec<u8> {
    let mut decoder = Decoder::default();
    decoder.push(&frame);
    decoder.frame().unwrap().unwrap().body
}

fn numbers(numbers: &[u64]) -> Vec<u8> {
    let mut out = Vec::new();
    numbers.iter().for_each(|&n| number::put(&mut out, n));
    out
}

#[test]
fn a_frame_above_its_kinds_limit_is_refused_before_it_is_there() {
    for kind in KINDS {
        let header = |body: usize| [&(body as u32 + 1).to_le_bytes()[..], &[kind as u8]].concat();
        let mut decoder = Decoder::default();
        decoder.push(&header(kind.limit()));
        assert_eq!(decoder.frame(), Ok(None), "{kind:?}");
        let mut decoder = Decoder::default();
        decoder.push(&header(kind.limit() + 1));
        assert!(
            matches!(decoder.frame(), Err(WireError::TooLong { .. })),
            "{kind:?}"
        );
    }
    let mut decoder = Decoder::default();
    decoder.push(&[1, 0, 0, 0, 4]);
    assert_eq!(decoder.frame(), Err(WireError::Kind(4)));
}

#[test]
fn the_largest_of_each_kind_fits_its_frame() {
    let most = Blocks::of(Blocks::MAX_BASIS).unwrap();
    let signature = vec![0; Signature::size_for(most)];
    let basis = Some(Basis {
        size: u64::MAX,
        signature,
    });
    let asks = [Ask {
        entry: u32::MAX,
        basis,
    }];
    assert!(body(Want::encode(u32::MAX, &asks)).len() <= FrameKind::Want.limit());

    // What looks random to zstd grows by nothing but the header.
    let mut random = vec![0; MAX_PAYLOAD_RAW - PayloadBuilder::PART_HEADER];
    blake3::Hasher::new().finalize_xof().fill(&mut random);
    let mut frame = PayloadBuilder::default();
    frame.push(u32::MAX, PartFlags::End, &random);
    assert!(body(frame.finish(u32::MAX, true, 1).to_vec()).len() <= FrameKind::Payload.limit());
}

#[test]
fn the_most_patterns_fit_their_frame() {
    for length in [1, 100, 20_000] {
        let count = MAX_PATTERNS / (length + PATTERN_COST);
        let begin = Begin {
            purpose: Purpose::Push,
            destination: vec![b'd'; 4096],
            generation: Default::default(),
            delete: true,
            checksum: true,
            exclude: vec!["x".repeat(length); count],
            protect: Vec::new(),
            max_delete: Some(u64::MAX),
            keep_undo: true,
            require_mount: true,
            numeric_owner: true,
            holder: "h".repeat(1000),
            silence_seconds: u32::MAX,
        };
        let frame = control(&ToAgent::Begin(begin));
        assert!(frame.len() <= FrameKind::Control.limit(), "{}", frame.len());
        assert!(ToAgent::decode(&body(frame)).is_ok());
    }
}

#[test]
fn a_message_is_all_of_its_frame() {
    let abort = body(control(&ToAgent::Abort));
    assert_eq!(ToAgent::decode(&abort), Ok(ToAgent::Abort));
    assert!(ToAgent::decode(&[&abort[..], &[0]].concat()).is_err());
    assert!(ToAgent::decode(&[]).is_err());
    let alive = body(control(&ToController::KeepAlive));
    assert!(ToController::decode(&[&alive[..], &[0]].concat()).is_err());
}

#[test]
fn wants_are_checked() {
    let refused = |what: &str, body: Vec<u8>| {
        assert_eq!(
            Want::decode(body).unwrap_err(),
            WireError::Body("a want"),
            "{what}"
        );
    };
    let ask = |entry| Ask { entry, basis: None };
    assert!(Want::decode(numbers(&[7, 2, 3, 0, 4, 0])).is_ok());
    refused("unsorted", body(Want::encode(7, &[ask(4), ask(3)])));
    refused("doubled", body(Want::encode(7, &[ask(3), ask(3)])));
    refused("a count beyond the bytes", numbers(&[7, 3, 3, 0, 4, 0]));
    refused("a count below the bytes", numbers(&[7, 1, 3, 0, 4, 0]));
    refused(
        "a count of nearly all numbers",
        numbers(&[7, u64::MAX, 3, 0]),
    );
    refused("an entry of 33 bits", numbers(&[7, 1, 1 << 32, 0]));
    refused("a unit of 33 bits", numbers(&[1 << 32, 1, 3, 0]));
    refused("a mark that is none", numbers(&[7, 1, 3, 2]));
    refused(
        "a signature longer than the frame",
        numbers(&[7, 1, 3, 1, 700, 21, 0]),
    );
    refused(
        "a signature of endless length",
        numbers(&[7, 1, 3, 1, 700, u64::MAX]),
    );
    refused("a number in two bytes", vec![7, 1, 0x83, 0x00, 0]);
}

#[test]
fn more_asks_than_a_unit_has_entries_are_refused() {
    let asks = |count| -> Vec<_> { (0..count).map(|entry| Ask { entry, basis: None }).collect() };
    let most = body(Want::encode(0, &asks(UNIT_ENTRIES)));
    assert_eq!(
        Want::decode(most).unwrap().asks.len(),
        UNIT_ENTRIES as usize
    );
    let too_many = body(Want::encode(0, &asks(UNIT_ENTRIES + 1)));
    assert!(Want::decode(too_many).is_err());
}

/// A payload's body: unit 0, these flags, this announced length.
fn payload(flags: u8, length: u64, bytes: &[u8]) -> Vec<u8> {
    [&[0, flags][..], &numbers(&[length]), bytes].concat()
}

#[test]
fn a_payload_that_lies_about_its_length_is_refused() {
    let raw = [3, 1, 2, 2, b'x'];
    let packed = zstd::bulk::compress(&raw, 1).unwrap();
    let (honest, smaller) = (payload(1, 5, &raw), payload(3, 5, &packed));
    assert_eq!(
        Payload::decode(&honest).unwrap(),
        Payload::decode(&smaller).unwrap()
    );
    for length in [
        0,
        4,
        6,
        MAX_PAYLOAD_RAW as u64,
        MAX_PAYLOAD_RAW as u64 + 1,
        u64::MAX,
    ] {
        assert!(
            Payload::decode(&payload(1, length, &raw)).is_err(),
            "{length}"
        );
        assert!(
            Payload::decode(&payload(3, length, &packed)).is_err(),
            "{length}"
        );
    }
    for flags in [4, 8, 0x80, 0xff] {
        assert!(
            Payload::decode(&payload(flags, 5, &raw)).is_err(),
            "{flags}"
        );
    }
    let trailing = [&packed[..], b"more"].concat();
    assert!(Payload::decode(&payload(3, 5, &trailing)).is_err());
}

#[test]
fn a_bomb_does_not_go_off() {
    let bomb = zstd::bulk::compress(&vec![0; 256 << 20], 19).unwrap();
    assert!(bomb.len() < 64 << 10);
    for length in [0, 1, MAX_PAYLOAD_RAW as u64, 256 << 20] {
        assert!(
            Payload::decode(&payload(3, length, &bomb)).is_err(),
            "{length}"
        );
    }
    // The same with frames that each keep to the limit, one after the other.
    let small = zstd::bulk::compress(&vec![0; MAX_PAYLOAD_RAW], 19).unwrap();
    let chain = small.repeat(100);
    assert!(Payload::decode(&payload(3, MAX_PAYLOAD_RAW as u64, &chain)).is_err());
}

#[test]
fn parts_that_are_cut_off_end_in_an_error() {
    let mut frame = PayloadBuilder::default();
    frame.push(300, PartFlags::More, b"\x06abc");
    frame.push(301, PartFlags::End, b"\x02x");
    let whole = body(frame.finish(0, true, 1).to_vec());
    let raw = &whole[3..];
    let borders = [0, 8, raw.len()];
    for length in 0..=raw.len() {
        let body = payload(0, length as u64, &raw[..length]);
        let cut = Payload::decode(&body).unwrap();
        let parts: Vec<_> = cut.parts().collect();
        let is_whole = parts.iter().all(Result::is_ok);
        assert_eq!(is_whole, borders.contains(&length), "{length}: {parts:?}");
        let errors = parts.iter().filter(|part| part.is_err()).count();
        assert!(errors <= 1 && parts.len() <= 2);
    }
    let body = payload(0, 3, &[1, 3, 0]);
    let bad_flags = Payload::decode(&body).unwrap();
    assert!(bad_flags.parts().next().unwrap().is_err());
}

fn any_asks() -> impl Strategy<Value = Vec<Ask>> {
    let signature = proptest::collection::vec(any::<u8>(), 0..60);
    let basis = (any::<u64>(), signature).prop_map(|(size, signature)| Basis { size, signature });
    let asks = proptest::collection::btree_map(any::<u32>(), proptest::option::of(basis), 0..20);
    asks.prop_map(|asks| {
        let asks = asks.into_iter().map(|(entry, basis)| Ask { entry, basis });
        asks.collect()
    })
}

proptest! {
    #[test]
    fn a_want_survives_its_frame(unit: u32, asks in any_asks()) {
        let want = Want::decode(body(Want::encode(unit, &asks))).unwrap();
        prop_assert_eq!((want.unit, want.asks), (unit, asks));
    }

    #[test]
    fn a_payload_survives_its_frame(
        unit: u32,
        last: bool,
        parts in proptest::collection::vec((any::<u32>(), 0..3_usize, "[a-c]{0,200}"), 0..20),
    ) {
        let flags = [PartFlags::More, PartFlags::End, PartFlags::Failed];
        let mut frame = PayloadBuilder::default();
        for (entry, flag, ops) in &parts {
            frame.push(*entry, flags[*flag], ops.as_bytes());
        }
        let body = body(frame.finish(unit, last, 1).to_vec());
        prop_assert_eq!(Payload::unit(&body), Ok(unit));
        let payload = Payload::decode(&body).unwrap();
        prop_assert_eq!((payload.unit, payload.last), (unit, last));
        let read: Vec<_> = payload.parts().map(Result::unwrap).collect();
        let expected: Vec<_> =
            parts.iter().map(|(entry, flag, ops)| (*entry, flags[*flag], ops.as_bytes())).collect();
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn any_bytes_make_a_message_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = ToAgent::decode(&bytes);
        let _ = ToController::decode(&bytes);
        if let Ok(want) = Want::decode(bytes.clone()) {
            prop_assert!(want.asks.len() <= bytes.len() / 2);
            // Numbers have one form, so hosts that ask the same have the same key.
            prop_assert_eq!(body(Want::encode(want.unit, &want.asks)), bytes.clone());
        }
        if let Ok(payload) = Payload::decode(&bytes) {
            prop_assert!(payload.parts().count() <= MAX_PAYLOAD_RAW);
        }
    }

    #[test]
    fn any_content_of_a_payload_is_parts_or_an_error(
        raw in proptest::collection::vec(any::<u8>(), 0..200),
        mut few in proptest::collection::vec(0..4_u8, 0..60),
    ) {
        few.extend(raw);
        let body = payload(1, few.len() as u64, &few);
        let payload = Payload::decode(&body).unwrap();
        let bytes: usize = payload.parts().filter_map(Result::ok).map(|(_, _, ops)| ops.len()).sum();
        prop_assert!(bytes <= few.len());
        prop_assert!(payload.parts().filter(Result::is_err).count() <= 1);
    }

    #[test]
    fn damage_to_a_frame_is_found_or_harmless(
        asks in any_asks(),
        at: proptest::sample::Index,
        byte: u8,
    ) {
        let mut frame = Want::encode(3, &asks);
        let at = at.index(frame.len());
        frame[at] = byte;
        let mut decoder = Decoder::default();
        decoder.push(&frame);
        if let Ok(Some(Frame { kind: FrameKind::Want, body })) = decoder.frame() {
            let _ = Want::decode(body);
        }
    }
}
