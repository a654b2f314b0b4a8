//! Units: what is asked for and answered in one piece.
//!
//! Small files that stand together in the manifest make one unit; a large file is a unit of its own.
//! Borders depend on the manifest alone, so that all hosts ask in the same pieces and one encoding
//! serves them all.

use std::ops::Range;

use release_core::Manifest;

/// A file larger than this is a unit of its own, in bytes.
pub(crate) const LARGE_FILE: u64 = 256 << 10;

/// Small files are put together until a unit would have more bytes of content than this. Below the
/// payload frame's limit, so that a unit whose files are all wanted whole is one frame.
const UNIT_BYTES: u64 = 768 << 10;

/// Most entries in a unit: bounds a frame's headers.
pub(crate) const UNIT_ENTRIES: u32 = 8192;

/// The units of a manifest: ranges of entry indices that cover all files.
#[derive(Debug)]
pub(crate) struct Units {
    ranges: Vec<Range<u32>>,
}

impl Units {
    /// Cuts a manifest into units.
    pub(crate) fn of(manifest: &Manifest) -> Self {
        let mut ranges = Vec::new();
        let mut open: Option<(Range<u32>, u64)> = None;
        for (index, entry) in manifest.entries().iter().enumerate() {
            let Some((size, _)) = entry.file() else {
                continue;
            };
            let index = index as u32;
            if size > LARGE_FILE {
                ranges.extend(open.take().map(|(range, _)| range));
                ranges.push(index..index + 1);
                continue;
            }
            open = match open.take() {
                Some((range, bytes))
                    if bytes + size <= UNIT_BYTES && index - range.start < UNIT_ENTRIES =>
                {
                    Some((range.start..index + 1, bytes + size))
                }
                full => {
                    ranges.extend(full.map(|(range, _)| range));
                    Some((index..index + 1, size))
                }
            };
        }
        ranges.extend(open.map(|(range, _)| range));
        Self { ranges }
    }

    /// The entries of a unit; `None` if there is no such unit.
    pub(crate) fn range(&self, unit: u32) -> Option<Range<u32>> {
        self.ranges.get(unit as usize).cloned()
    }

    /// The unit of a file.
    pub(crate) fn of_entry(&self, entry: u32) -> Option<u32> {
        let after = self.ranges.partition_point(|range| range.start <= entry);
        let unit = after.checked_sub(1)?;
        self.ranges[unit].contains(&entry).then_some(unit as u32)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use release_core::{Digest, Entry, Kind, Meta, Principal, RelPath, Timestamp};

    fn manifest(sizes: &[u64]) -> Manifest {
        let meta = Meta {
            mode: 0o644,
            user: 0,
            group: 0,
            mtime: Timestamp::default(),
        };
        let root = Entry {
            path: RelPath::root(),
            meta,
            kind: Kind::Directory,
        };
        let files = sizes.iter().enumerate().map(|(n, &size)| Entry {
            path: RelPath::parse(format!("{n:05}").as_bytes()).unwrap(),
            meta,
            kind: Kind::File {
                size,
                digest: Digest::of(b""),
            },
        });
        let table = vec![Principal { id: 0, name: None }];
        Manifest::new(
            table.clone(),
            table,
            std::iter::once(root).chain(files).collect(),
        )
        .unwrap()
    }

    #[test]
    fn every_file_is_in_one_unit_and_no_unit_is_too_large() {
        let sizes: Vec<u64> = (0..20_000).map(|n| (n * 7919) % (2 * LARGE_FILE)).collect();
        let manifest = manifest(&sizes);
        let units = Units::of(&manifest);
        let mut seen = 0;
        for unit in 0.. {
            let Some(range) = units.range(unit) else {
                break;
            };
            let bytes: u64 = range.clone().map(|n| sizes[n as usize - 1]).sum();
            assert!(
                bytes <= UNIT_BYTES || range.len() == 1,
                "{bytes} bytes in {range:?}"
            );
            for entry in range {
                seen += 1;
                assert_eq!(units.of_entry(entry), Some(unit));
            }
        }
        assert_eq!(seen, sizes.len());
        assert_eq!(units.of_entry(0), None, "the root is no file");
    }
}
