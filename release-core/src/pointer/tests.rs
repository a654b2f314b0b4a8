#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::Digest;

/// Format 1 as it is published. Never edited: old instances read what new servers write, and the other
/// way round.
const GOLDEN: &[u8] = include_bytes!("fixtures/pointer-v1.json");
/// What Debian's minisign 0.11 made: a key pair, and a signature of [`GOLDEN`] with it.
const MINISIGN_PUB: &str = include_str!("fixtures/minisign-0.11.pub");
const MINISIGN_SIGNATURE: &[u8] = include_bytes!("fixtures/pointer-v1.json.minisig");
/// Of the same program and key, with `-l`: not prehashed.
const LEGACY_SIGNATURE: &[u8] = include_bytes!("fixtures/pointer-v1.json.legacy.minisig");

pub(super) fn golden() -> Pointer {
    Pointer {
        generation: Generation::new(42),
        release: ReleaseId::new(Digest::of(b"release")),
        snapshot: "snap-0123456789abcdef0".parse().unwrap(),
        region: "us-east-1".parse().unwrap(),
        account: "123456789012".parse().unwrap(),
        volume_gib: 8,
        file_system: FileSystem::Ext4,
        label: Some("release".parse().unwrap()),
        created: "2026-01-31T12:00:00Z".parse().unwrap(),
        previous: Some(Previous {
            generation: Generation::new(40),
            release: ReleaseId::new(Digest::of(b"previous")),
            snapshot: "snap-0fedcba9876543210".parse().unwrap(),
        }),
        who: "root@release-server".parse().unwrap(),
    }
}

fn expectation() -> Expectation {
    Expectation {
        account: golden().account,
        region: golden().region,
        seen: None,
        tagged: None,
    }
}

fn key() -> PublicKey {
    MINISIGN_PUB.parse().unwrap()
}

#[test]
fn the_format_stays_what_it_is() {
    let encoded = String::from_utf8(golden().encode()).unwrap();
    assert_eq!(encoded.as_bytes(), GOLDEN, "{encoded}");
    assert_eq!(Pointer::decode(GOLDEN).unwrap(), golden());
}

#[test]
fn what_is_not_said_is_null() {
    let pointer = Pointer {
        label: None,
        previous: None,
        ..golden()
    };
    let text = String::from_utf8(pointer.encode()).unwrap();
    assert!(text.contains("\"label\": null") && text.contains("\"previous\": null"));
    assert_eq!(Pointer::decode(text.as_bytes()).unwrap(), pointer);
}

#[test]
fn a_fraction_of_a_second_is_not_kept() {
    let pointer = Pointer {
        created: "2026-01-31T12:00:00.9Z".parse().unwrap(),
        ..golden()
    };
    assert_eq!(pointer.encode(), GOLDEN);
}

#[test]
fn damage_is_told_from_a_later_format_and_from_too_much() {
    let golden = String::from_utf8(GOLDEN.to_vec()).unwrap();
    let changed = |from: &str, to: &str| {
        assert!(golden.contains(from), "{from}");
        Pointer::decode(golden.replace(from, to).as_bytes())
    };
    let later = changed("\"format\": 1", "\"format\": 2").unwrap_err();
    assert!(matches!(later, PointerFormatError::Format(2)), "{later}");
    for (from, to) in [
        ("snap-0123456789abcdef0", "snap-../../x"),
        ("us-east-1", "us east"),
        ("123456789012", "12"),
        ("ext4", "vfat"),
        ("\"generation\": 42", "\"generation\": -1"),
        ("\"volume_gib\": 8", "\"volume_gib\": 4294967296"),
        ("2026-01-31", "2026-02-31"),
        ("root@release-server", "root\\n"),
        ("\"who\"", "\"whose\""),
    ] {
        let error = changed(from, to).unwrap_err();
        assert!(
            matches!(error, PointerFormatError::Syntax(_)),
            "{to}: {error}"
        );
    }
    let id = golden_id();
    let no_release = changed(&id, "abc").unwrap_err();
    assert!(matches!(no_release, PointerFormatError::Release(_)));
    let padded = format!("{golden}{}", " ".repeat(Pointer::MAX_LEN));
    let long = Pointer::decode(padded.as_bytes()).unwrap_err();
    assert!(matches!(long, PointerFormatError::TooLong), "{long}");
}

fn golden_id() -> String {
    golden().release.to_string()
}

#[test]
fn a_later_build_may_say_more() {
    let text = String::from_utf8(GOLDEN.to_vec()).unwrap();
    let more = text.replace("\"format\"", "\"note\": [1], \"format\"");
    assert_eq!(Pointer::decode(more.as_bytes()).unwrap(), golden());
}

#[test]
fn a_bare_id_is_read_as_old_scripts_write_it() {
    assert_eq!(golden().snapshot_file(), b"snap-0123456789abcdef0\n");
    for bytes in [
        &b"snap-0123456789abcdef0"[..],
        b" snap-0123456789abcdef0\r\n",
    ] {
        assert_eq!(
            Pointer::read_snapshot_file(bytes).unwrap(),
            golden().snapshot
        );
    }
    for bytes in [&b""[..], b"\xff", b"<html>", b"snap-0123456789abcdef0 x"] {
        assert!(Pointer::read_snapshot_file(bytes).is_err(), "{bytes:?}");
    }
    let flood = [b"snap-0123456789abcdef0".to_vec(), vec![b'0'; 1 << 20]].concat();
    assert!(Pointer::read_snapshot_file(&flood).is_err());
}

#[test]
fn what_minisign_signed_is_accepted() {
    let pointer = Pointer::verify(GOLDEN, MINISIGN_SIGNATURE, &key(), &expectation());
    assert_eq!(pointer.unwrap(), golden());
    let bare: PublicKey = MINISIGN_PUB.lines().nth(1).unwrap().parse().unwrap();
    assert_eq!(bare, key());
}

#[test]
fn texts_that_are_no_public_key_are_refused() {
    let line = MINISIGN_PUB.lines().nth(1).unwrap();
    for text in [
        "",
        "x",
        &line[1..],
        &format!("{line}\n{line}"),
        &format!("{MINISIGN_PUB}{line}"),
        "é\né",
    ] {
        assert_eq!(text.parse::<PublicKey>(), Err(KeyError), "{text}");
    }
}

#[test]
fn no_bit_of_a_signed_pointer_can_be_changed() {
    for at in 0..GOLDEN.len() {
        let mut forged = GOLDEN.to_vec();
        forged[at] ^= 1;
        let error = Pointer::open(&forged, MINISIGN_SIGNATURE, &key()).unwrap_err();
        assert!(
            matches!(error, PointerError::Signature) && error.is_retryable(),
            "{at}: {error}"
        );
    }
}

#[test]
fn no_line_of_a_signature_but_the_untrusted_comment_can_be_changed() {
    let text = String::from_utf8(MINISIGN_SIGNATURE.to_vec()).unwrap();
    let second = text.find('\n').unwrap() + 1;
    for at in (second..text.len() - 1).filter(|at| text.as_bytes()[*at] != b'\n') {
        let mut forged = MINISIGN_SIGNATURE.to_vec();
        forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
        assert!(Pointer::open(GOLDEN, &forged, &key()).is_err(), "{at}");
    }
}

#[test]
fn what_is_no_prehashed_signature_is_refused() {
    for signature in [
        &b""[..],
        b"\xff",
        b"untrusted comment: x\n",
        LEGACY_SIGNATURE,
        &vec![b'A'; Pointer::MAX_SIGNATURE_LEN + 1],
    ] {
        let error = Pointer::open(GOLDEN, signature, &key()).unwrap_err();
        assert!(matches!(error, PointerError::NoSignature), "{error}");
    }
}

#[test]
fn an_expectation_that_is_not_met_is_named() {
    type Change = dyn Fn(&mut Expectation);
    let refusal = |change: &Change| {
        let mut expectation = expectation();
        change(&mut expectation);
        Pointer::verify(GOLDEN, MINISIGN_SIGNATURE, &key(), &expectation)
            .map_err(|error| (error.is_retryable(), error.to_string()))
    };
    fn number(number: u64) -> Option<Generation> {
        Some(Generation::new(number))
    }
    let cases: [(&Change, &str); 4] = [
        (
            &|e| e.account = "000000000000".parse().unwrap(),
            "the pointer is of account 123456789012, and this machine is of 000000000000",
        ),
        (
            &|e| e.region = "eu-west-1".parse().unwrap(),
            "the pointer is of region us-east-1, and this machine is in eu-west-1",
        ),
        (
            &|e| e.seen = number(43),
            "the pointer is of generation 42, and this machine has seen 43",
        ),
        (
            &|e| e.tagged = number(50),
            "the pointer is of generation 42, and a snapshot is tagged with 50",
        ),
    ];
    for (change, message) in cases {
        let expected = format!("refused for safety: {message}");
        assert_eq!(refusal(change), Err((false, expected)));
    }
    assert!(refusal(&|e| (e.seen, e.tagged) = (number(42), number(42))).is_ok());
    assert!(refusal(&|e| (e.seen, e.tagged) = (number(1), number(41))).is_ok());
}

proptest! {
    #[test]
    fn any_bytes_are_taken_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Pointer::decode(&bytes);
        let _ = Pointer::read_snapshot_file(&bytes);
        prop_assert!(Pointer::open(&bytes, &bytes, &key()).is_err());
    }

    #[test]
    fn any_text_is_taken_without_panic(lines in proptest::collection::vec("[A-Za-z0-9+/=é: ]{0,80}", 0..6)) {
        let text = lines.join("\n");
        let _ = text.parse::<PublicKey>();
        prop_assert!(Pointer::open(GOLDEN, text.as_bytes(), &key()).is_err());
    }

    #[test]
    fn a_pointer_survives_its_file(generation: u64, digest: [u8; 32], gib: u32, seconds in -1_000_000_000_000_i64..200_000_000_000, label in "[^\\p{Cc}]{1,60}") {
        let pointer = Pointer {
            generation: Generation::new(generation),
            release: ReleaseId::new(Digest::from_bytes(digest)),
            volume_gib: gib,
            created: Moment::from_unix_millis(seconds.saturating_mul(1000)).whole_second(),
            label: Some(Label::cut(&label)),
            who: Label::cut(&label),
            ..golden()
        };
        let bytes = pointer.encode();
        prop_assert!(bytes.len() <= Pointer::MAX_LEN);
        prop_assert_eq!(Pointer::decode(&bytes).unwrap(), pointer);
    }
}

#[cfg(feature = "sign")]
mod signing {
    use super::*;

    const UNPROTECTED: &str = include_str!("fixtures/minisign-0.11.key");

    #[test]
    fn what_is_signed_is_accepted_and_only_with_its_key() {
        let (key, file) = SecretKey::generate(None).unwrap();
        let (document, signature) = key.sign(&golden()).unwrap();
        assert_eq!(document, GOLDEN);
        let public = key.public_key().unwrap();
        let read = Pointer::verify(&document, &signature, &public, &expectation()).unwrap();
        assert_eq!(read, golden());
        let again = SecretKey::read(&file, None).unwrap();
        assert_eq!(again.public_key().unwrap(), public);
        let other = SecretKey::generate(None).unwrap().0.public_key().unwrap();
        let error = Pointer::open(&document, &signature, &other).unwrap_err();
        assert!(matches!(error, PointerError::OtherKey), "{error}");
    }

    #[test]
    fn the_generation_is_in_the_trusted_comment() {
        let (key, _) = SecretKey::generate(None).unwrap();
        let (_, signature) = key.sign(&golden()).unwrap();
        let text = String::from_utf8(signature).unwrap();
        let comment = "trusted comment: timestamp:1769860800\tfile:release.json\tgeneration:42";
        assert!(text.lines().any(|line| line == comment), "{text}");
    }

    #[test]
    fn a_password_is_needed_and_has_to_be_right() {
        let (key, file) = SecretKey::generate(Some("secret")).unwrap();
        let read = |password| SecretKey::read(&file, password);
        assert!(matches!(read(None), Err(SigningError::PasswordNeeded)));
        assert!(matches!(
            read(Some("other")),
            Err(SigningError::Password(_))
        ));
        assert!(matches!(read(Some("")), Err(SigningError::Password(_))));
        let again = read(Some("secret")).unwrap();
        assert_eq!(again.public_key().unwrap(), key.public_key().unwrap());
        for length in [0, 1025] {
            let refused = SecretKey::generate(Some(&"x".repeat(length)));
            assert!(matches!(refused, Err(SigningError::PasswordLength)));
        }
    }

    #[test]
    fn a_key_that_minisign_made_signs() {
        let key = SecretKey::read(UNPROTECTED, None).unwrap();
        assert_eq!(
            key.public_file().unwrap().lines().nth(1),
            MINISIGN_PUB.lines().nth(1)
        );
        let (document, signature) = key.sign(&golden()).unwrap();
        assert!(Pointer::open(&document, &signature, &super::key()).is_ok());
    }

    #[test]
    fn no_digit_of_a_key_can_be_wrong() {
        // Two keys: one with a checksum, and one of minisign's without.
        let own = SecretKey::generate(None).unwrap().1;
        for file in [own.as_str(), UNPROTECTED] {
            let start = file.find('\n').unwrap() + 1;
            // Before these, of a key without a password, is nothing that anything depends on.
            for at in (start + 84..start + 160).step_by(7) {
                let mut damaged = file.as_bytes().to_vec();
                damaged[at] = if damaged[at] == b'A' { b'B' } else { b'A' };
                let text = String::from_utf8(damaged).unwrap();
                assert!(
                    matches!(SecretKey::read(&text, None), Err(SigningError::NoKey)),
                    "{at}"
                );
            }
        }
        for text in [
            "",
            "x",
            "x\ny",
            "x\nUldR",
            &"A".repeat(SecretKey::MAX_LEN + 1),
        ] {
            assert!(
                matches!(SecretKey::read(text, None), Err(SigningError::NoKey)),
                "{text}"
            );
        }
    }

    #[test]
    fn nothing_secret_is_shown() {
        let (key, _) = SecretKey::generate(None).unwrap();
        assert_eq!(format!("{key:?}"), "SecretKey(…)");
    }
}
