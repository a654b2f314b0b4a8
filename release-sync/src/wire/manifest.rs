//! How a manifest is packed: a zstd frame of its canonical bytes.
//!
//! Most of a manifest are digests, which don't compress. Where the host's tree is a release that both
//! sides know, the bytes of that one's manifest are the dictionary, and what is left of the new one are the
//! entries that differ.

use std::io;

use zstd::zstd_safe::{CCtx, CParameter, DCtx, compress_bound, get_error_name};

/// Digests don't compress and the rest does at any level: fast is best.
const LEVEL: i32 = 1;

/// Against a dictionary, what is found in it is worth more.
const LEVEL_FROM: i32 = 3;

/// The window must reach back over all of the dictionary. Every decoder takes this much.
const MAX_WINDOW_LOG: u32 = 27;

/// Largest table of places in the dictionary, as a power of two of entries of 4 bytes.
const MAX_TABLE_LOG: u32 = 22;

/// Packs canonical bytes.
pub(crate) fn pack(manifest: &[u8]) -> io::Result<Vec<u8>> {
    zstd::bulk::compress(manifest, LEVEL)
}

/// Packs them against those of another manifest.
pub(crate) fn pack_from(base: &[u8], manifest: &[u8]) -> io::Result<Vec<u8>> {
    let all = base.len() + manifest.len();
    let window = all.next_power_of_two().ilog2().clamp(17, MAX_WINDOW_LOG);
    let table = (window - 1).min(MAX_TABLE_LOG);
    let mut packer = CCtx::create();
    for parameter in [
        CParameter::CompressionLevel(LEVEL_FROM),
        CParameter::WindowLog(window),
        // Else what stands early in a long list is forgotten before it is looked for.
        CParameter::HashLog(table),
        CParameter::ChainLog(table),
    ] {
        packer.set_parameter(parameter).map_err(failed)?;
    }
    packer.ref_prefix(base).map_err(failed)?;
    let mut packed = Vec::with_capacity(compress_bound(manifest.len()));
    packer.compress2(&mut packed, manifest).map_err(failed)?;
    Ok(packed)
}

/// What was packed, if it has the length that was told.
pub(crate) fn unpack(packed: &[u8], length: u64) -> Option<Vec<u8>> {
    whole(
        zstd::bulk::decompress(packed, length as usize).ok()?,
        length,
    )
}

/// What was packed against another manifest.
pub(crate) fn unpack_from(base: &[u8], packed: &[u8], length: u64) -> Option<Vec<u8>> {
    let mut unpacker = DCtx::create();
    unpacker.ref_prefix(base).ok()?;
    let mut manifest = Vec::with_capacity(length as usize);
    unpacker.decompress(&mut manifest, packed).ok()?;
    whole(manifest, length)
}

fn failed(code: usize) -> io::Error {
    io::Error::other(get_error_name(code))
}

fn whole(manifest: Vec<u8>, length: u64) -> Option<Vec<u8>> {
    (manifest.len() as u64 == length).then_some(manifest)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use release_core::{Digest, Entry, Kind, Manifest, Meta, Principal, RelPath, Timestamp};

    use super::*;

    /// A manifest of so many files, in which every `step`th is changed.
    fn manifest(files: u32, step: u32) -> Vec<u8> {
        let entry = |path: &str, seconds, kind| Entry {
            path: RelPath::parse(path.as_bytes()).unwrap(),
            meta: Meta {
                mode: 0o644,
                user: 0,
                group: 0,
                mtime: Timestamp { seconds, nanos: 0 },
            },
            kind,
        };
        let file = |n: u32| {
            let is_changed = n.is_multiple_of(step);
            let content = format!("{n}{is_changed}");
            let kind = Kind::File {
                size: content.len() as u64,
                digest: Digest::of(content.as_bytes()),
            };
            entry(&format!("file-{n:07}"), 1_700_000_000 + i64::from(n), kind)
        };
        let root = entry("", 1_700_000_000, Kind::Directory);
        let table = vec![Principal { id: 0, name: None }];
        let entries = std::iter::once(root).chain((0..files).map(file)).collect();
        Manifest::new(table.clone(), table, entries)
            .unwrap()
            .encode()
    }

    #[test]
    fn what_is_packed_is_unpacked() {
        let (old, new) = (manifest(500, u32::MAX), manifest(510, 7));
        let packed = pack(&new).unwrap();
        assert_eq!(unpack(&packed, new.len() as u64).unwrap(), new);
        assert_eq!(unpack(&packed, new.len() as u64 + 1), None);
        let from = pack_from(&old, &new).unwrap();
        assert_eq!(unpack_from(&old, &from, new.len() as u64).unwrap(), new);
        assert_eq!(unpack_from(&old, &from, new.len() as u64 - 1), None);
        assert_ne!(unpack_from(&new, &from, new.len() as u64), Some(new));
    }

    #[test]
    fn only_what_differs_is_packed_however_long_the_list() {
        // The digests that are new take 32 bytes; a list of this length is larger than any level's own window.
        for (files, changed) in [(2_000, 100), (60_000, 3_000)] {
            let (old, new) = (manifest(files, u32::MAX), manifest(files, 20));
            let whole = pack(&new).unwrap().len();
            let from = pack_from(&old, &new).unwrap().len();
            assert!(whole > files as usize * 32, "{whole}");
            assert!(from < changed * 45 + 1000, "{from} of {whole}");
        }
    }

    #[test]
    fn noise_is_no_manifest() {
        let base = manifest(10, u32::MAX);
        let packed = pack_from(&base, &manifest(12, 5)).unwrap();
        let length = manifest(12, 5).len() as u64;
        for cut in 0..packed.len() {
            assert_eq!(unpack_from(&base, &packed[..cut], length), None);
        }
    }
}
