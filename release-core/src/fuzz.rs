//! What reads bytes that somebody may have forged, as functions that panic where a promise is broken: for the fuzzers
//! in `tests/fuzz`. Not a part of the library: it changes without notice.
//!
//! The tests here try every one of them on its seeds and on what chance makes of those, so that none can rot.

use crate::cloud::console_host_keys;
use crate::{Digest, Manifest, Marker, Pointer, ProofClass, PublicKey};

/// A name, what takes the bytes, and bytes to begin with: small ones, of every kind that there is.
pub type Target = (&'static str, fn(&[u8]), fn() -> Vec<Vec<u8>>);

/// All that there are.
pub const TARGETS: &[Target] = &[
    ("manifest", manifest, manifests),
    ("marker", marker, markers),
    ("pointer", pointer, pointers),
    ("signed", signed, signatures),
    ("console", console, consoles),
];

const POINTER: &[u8] = include_bytes!("pointer/fixtures/pointer-v1.json");
const SIGNED: &[u8] = include_bytes!("pointer/fixtures/pointer-v1.json.minisig");
const SIGNED_OTHERWISE: &[u8] = include_bytes!("pointer/fixtures/pointer-v1.json.legacy.minisig");
const KEY: &str = include_str!("pointer/fixtures/minisign-0.11.pub");

/// What is taken has one encoding, and the digest of that is its proof.
pub fn manifest(bytes: &[u8]) {
    let principals = Manifest::decode_principals(bytes);
    let Ok(manifest) = Manifest::decode(bytes) else {
        return;
    };
    assert_eq!(manifest.encode(), bytes, "a second encoding");
    let proof = manifest.proof(ProofClass::Full);
    assert_eq!(proof.digest, Digest::of(bytes));
    let (id, length) = manifest.measure();
    assert_eq!((*id.digest(), length), (proof.digest, bytes.len() as u64));
    let owners = (manifest.users().to_vec(), manifest.groups().to_vec());
    assert_eq!(principals.ok(), Some(owners));
    for (index, entry) in manifest.entries().iter().enumerate() {
        let found = manifest.find(&entry.path).map(|(index, _)| index);
        assert_eq!(found, Some(index));
    }
    let again = Manifest::new(
        manifest.users().to_vec(),
        manifest.groups().to_vec(),
        manifest.entries().to_vec(),
    );
    assert_eq!(again.ok(), Some(manifest));
}

fn manifests() -> Vec<Vec<u8>> {
    vec![
        include_bytes!("manifest/fixtures/small-v1.bin").to_vec(),
        include_bytes!("manifest/fixtures/oddities-v1.bin").to_vec(),
        include_bytes!("manifest/fixtures/small-without-owner-v1.bin").to_vec(),
    ]
}

/// What is taken survives being written again.
pub fn marker(bytes: &[u8]) {
    let Ok(marker) = Marker::decode(bytes) else {
        return;
    };
    let written = marker.encode();
    assert!(written.len() <= Marker::MAX_LEN);
    assert_eq!(Marker::decode(&written).ok(), Some(marker));
}

fn markers() -> Vec<Vec<u8>> {
    vec![include_bytes!("fixtures/marker-v1.json").to_vec()]
}

/// What is taken survives being written again.
pub fn pointer(bytes: &[u8]) {
    if let Ok(snapshot) = Pointer::read_snapshot_file(bytes) {
        assert!(snapshot.as_str().starts_with("snap-"));
    }
    let Ok(pointer) = Pointer::decode(bytes) else {
        return;
    };
    let written = pointer.encode();
    assert!(written.len() <= Pointer::MAX_LEN);
    let snapshot = Pointer::read_snapshot_file(&pointer.snapshot_file());
    assert_eq!(snapshot.ok().as_ref(), Some(&pointer.snapshot));
    assert_eq!(Pointer::decode(&written).ok(), Some(pointer));
}

fn pointers() -> Vec<Vec<u8>> {
    vec![POINTER.to_vec(), b"snap-0123456789abcdef0\n".to_vec()]
}

/// A document and a signature, with a NUL between them; and, as a text, a key. Nobody can sign anything but what was
/// signed.
pub fn signed(bytes: &[u8]) {
    let mut halves = bytes.splitn(2, |&byte| byte == 0);
    let (Some(document), Some(signature)) = (halves.next(), halves.next()) else {
        let text = String::from_utf8_lossy(bytes);
        let _ = text.parse::<PublicKey>();
        return;
    };
    let Ok(key) = KEY.parse::<PublicKey>() else {
        unreachable!("it is minisign's own");
    };
    if let Ok(pointer) = Pointer::open(document, signature, &key) {
        assert_eq!(document, POINTER, "a forgery");
        assert_eq!(Pointer::decode(POINTER).ok(), Some(pointer));
    }
}

fn signatures() -> Vec<Vec<u8>> {
    let one = |document: &[u8], signature: &[u8]| [document, b"\0", signature].concat();
    vec![
        one(POINTER, SIGNED),
        one(POINTER, SIGNED_OTHERWISE),
        one(b"{}", SIGNED),
        KEY.as_bytes().to_vec(),
    ]
}

/// What an instance prints gives keys that can be written into a line, or none.
pub fn console(bytes: &[u8]) {
    for key in console_host_keys(&String::from_utf8_lossy(bytes)) {
        assert!(key.is_ascii() && !key.chars().any(char::is_control));
        assert_eq!(key.split(' ').count(), 2, "{key}");
    }
}

fn consoles() -> Vec<Vec<u8>> {
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINiFBBYctJCdAzPdI+2B/dhctBiuz4DxK/9p/xi2tsZ6";
    let logged = "<14>Jan  1 00:00:00 cloud-init: ";
    let (begin, end) = (
        "-----BEGIN SSH HOST KEY KEYS-----",
        "-----END SSH HOST KEY KEYS-----",
    );
    vec![
        format!("noise\n{begin}\n{key} root@host\n{end}\n").into_bytes(),
        format!("{logged}{begin}\r\n{logged}{key}\r\n{logged}{end}\r\n").into_bytes(),
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;

    #[test]
    fn seeds_are_taken() {
        for (_, run, seeds) in TARGETS {
            seeds().iter().for_each(|seed| run(seed));
        }
        assert!(Manifest::decode(&manifests()[0]).is_ok());
        let key = KEY.parse().unwrap();
        assert!(Pointer::open(POINTER, SIGNED, &key).is_ok());
        assert!(consoles().iter().all(|text| {
            let keys = console_host_keys(std::str::from_utf8(text).unwrap());
            keys.len() == 1
        }));
    }

    proptest! {
        #[test]
        fn what_chance_makes_of_a_seed_is_taken(
            (_, run, seeds) in prop::sample::select(TARGETS),
            seed: Index,
            bytes in prop::collection::vec((any::<Index>(), any::<u8>()), 0..4),
            end in prop::option::of(any::<Index>()),
        ) {
            let mut input = seed.get(&seeds()).clone();
            for (at, byte) in bytes {
                *at.get_mut(&mut input) = byte;
            }
            input.truncate(end.map_or(usize::MAX, |end| end.index(input.len())));
            run(&input);
        }
    }
}
