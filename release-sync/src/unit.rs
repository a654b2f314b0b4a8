//! Units: what is asked for and answered in one piece.
//!
//! Small files that stand together in the manifest make one unit; a large file is a unit of its own.
//! Borders depend on the manifest alone, so that all hosts ask in the same pieces and one encoding
//! serves them all.

use std::ops::Range;

use release_core::Manifest;

/// A file larger than this is a unit of its own, in bytes.
pub(crate) const LARGE_FILE: u64 = 1 << 20;

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

/// Units that may be asked for together: those of one block of so many, which begins at a multiple of it.
const BLOCK: u32 = 16;

/// Most bytes that the files which are asked for together count for, where they are of more than one unit.
pub(crate) const LOT_BYTES: u64 = 2 << 20;

/// A file with an old one counts for a part of its size in a lot: most of it need not be sent.
const OLD_FILES: u64 = 4;

/// Most bytes of the files that are asked for together, all counted in full.
pub(crate) const MOST_TOGETHER: u64 = LOT_BYTES * OLD_FILES;

/// A file that is lacking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lack {
    pub(crate) entry: u32,
    /// Bytes of the new file.
    pub(crate) size: u64,
    /// Is there an old one that a delta may refer to?
    pub(crate) has_old: bool,
}

impl Lack {
    /// What it counts for in a lot, in bytes.
    fn weight(self) -> u64 {
        match self.has_old {
            true => self.size.div_ceil(OLD_FILES),
            false => self.size,
        }
    }
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

    /// The entries that can be in a lot of this name: those of the largest block that begins with the unit.
    pub(crate) fn reach(&self, unit: u32) -> Option<Range<u32>> {
        let count = (1 << unit.trailing_zeros().min(BLOCK.ilog2())) as usize;
        let units = self.ranges.get(unit as usize..)?;
        let units = &units[..count.min(units.len())];
        Some(units.first()?.start..units.last()?.end)
    }

    /// Puts files that are lacking, given in the order of the manifest, into *lots*: what is asked for in one piece.
    /// Gives each lot's name, which is the first unit of its block, and its part of `files`.
    ///
    /// An update lacks little of each unit, and content compresses the better the more of it stands together. So
    /// the files of a block of units are one lot if they are few enough, else those of its halves, and so
    /// on down to single units. A host that lacks something else than others so has other lots for a
    /// block at the most, and shares the rest. A large file is a lot of its own.
    pub(crate) fn lots(&self, files: &[Lack]) -> Vec<(u32, Range<usize>)> {
        let mut lots = Vec::new();
        let unit_of = |at: usize| self.of_entry(files[at].entry);
        let mut at = 0;
        while at < files.len() {
            let Some(unit) = unit_of(at) else {
                at += 1;
                continue;
            };
            let start = unit / BLOCK * BLOCK;
            let end = at + self.before(&files[at..], start.saturating_add(BLOCK));
            self.split(files, at..end, start, BLOCK, &mut lots);
            at = end.max(at + 1);
        }
        lots
    }

    /// How many files belong to units before this one.
    fn before(&self, files: &[Lack], unit: u32) -> usize {
        match self.ranges.get(unit as usize) {
            Some(range) => files.partition_point(|file| file.entry < range.start),
            None => files.len(),
        }
    }

    /// Puts the files of `count` units from `start` on into lots.
    fn split(
        &self,
        files: &[Lack],
        part: Range<usize>,
        start: u32,
        count: u32,
        lots: &mut Vec<(u32, Range<usize>)>,
    ) {
        let here = &files[part.clone()];
        if here.is_empty() {
            return;
        }
        let bytes = here
            .iter()
            .fold(0u64, |sum, file| sum.saturating_add(file.weight()));
        let has_large = here.iter().any(|file| file.size > LARGE_FILE);
        if count == 1 || (bytes <= LOT_BYTES && here.len() <= UNIT_ENTRIES as usize && !has_large) {
            lots.push((start, part));
            return;
        }
        let middle = start + count / 2;
        let border = part.start + self.before(here, middle);
        self.split(files, part.start..border, start, count / 2, lots);
        self.split(files, border..part.end, middle, count / 2, lots);
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

    /// Each file that is lacking, as the agent has it.
    fn files(sizes: &[u64], lacking: impl Fn(usize) -> bool) -> Vec<Lack> {
        let all = (1u32..).zip(sizes.iter().copied());
        let chosen = all.enumerate().filter(|&(at, _)| lacking(at));
        chosen
            .map(|(at, (entry, size))| Lack {
                entry,
                size,
                has_old: at.is_multiple_of(3),
            })
            .collect()
    }

    #[test]
    fn every_lacking_file_is_in_one_lot_that_may_be_asked_for() {
        let sizes: Vec<u64> = (0..20_000)
            .map(|n: u64| {
                1 + n * 7919
                    % if n.is_multiple_of(100) {
                        2 * LARGE_FILE
                    } else {
                        30_000
                    }
            })
            .collect();
        let units = Units::of(&manifest(&sizes));
        for step in [1, 2, 7, 50, 999] {
            let lacking = files(&sizes, |at| at % step == 0);
            let lots = units.lots(&lacking);
            let mut next = 0;
            let mut names = std::collections::BTreeSet::new();
            for (name, part) in lots {
                assert_eq!(part.start, next);
                next = part.end;
                assert!(names.insert(name), "{name} is there twice");
                let lot = &lacking[part];
                let reach = units.reach(name).unwrap();
                assert!(lot.iter().all(|file| reach.contains(&file.entry)));
                let unit = |at: Option<&Lack>| units.of_entry(at.unwrap().entry).unwrap();
                if unit(lot.first()) != unit(lot.last()) {
                    assert!(lot.iter().all(|file| file.size <= LARGE_FILE));
                    assert!(lot.iter().map(|file| file.weight()).sum::<u64>() <= LOT_BYTES);
                    assert!(lot.iter().map(|file| file.size).sum::<u64>() <= MOST_TOGETHER);
                }
            }
            assert_eq!(next, lacking.len());
        }
    }

    #[test]
    fn few_files_are_asked_for_together_and_all_files_by_unit() {
        let sizes = [10_000; 10_000];
        let units = Units::of(&manifest(&sizes));
        let number = units.of_entry(10_000).unwrap() as usize + 1;
        let some = units.lots(&files(&sizes, |at| at % 10 == 0));
        assert_eq!(some.len(), number.div_ceil(16));
        let all = units.lots(&files(&sizes, |_| true));
        assert!((number / 2..=number).contains(&all.len()), "{}", all.len());
    }

    #[test]
    fn hosts_that_differ_in_one_place_ask_alike_elsewhere() {
        let sizes = [10_000; 10_000];
        let units = Units::of(&manifest(&sizes));
        let asked = |lacking: Vec<Lack>| {
            let lots = units.lots(&lacking).into_iter();
            lots.map(|(name, part)| (name, lacking[part].to_vec()))
                .collect::<Vec<_>>()
        };
        let some = asked(files(&sizes, |at| at % 10 == 0));
        let other = asked(files(&sizes, |at| at % 10 == 0 || at == 4321));
        let shared = some.iter().filter(|lot| other.contains(lot)).count();
        assert_eq!((shared, other.len()), (some.len() - 1, some.len()));
    }
}
