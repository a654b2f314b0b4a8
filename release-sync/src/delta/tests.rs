//! The whole way: sign, search, apply; and fast_rsync's own search as the measure.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::search::DiffStats;
use super::signature::*;
use super::*;

/// Repeatable noise.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| next()).collect()
}

fn sign(basis: &[u8]) -> Vec<u8> {
    Signature::of_piece(basis, Blocks::of(basis.len() as u64).unwrap())
}

fn index(basis: &[u8]) -> Index {
    Index::new(Signature::parse(&sign(basis), basis.len() as u64).unwrap())
}

fn apply(basis: &[u8], ops: &[u8]) -> Vec<u8> {
    let mut new = Vec::new();
    for op in OpReader::new(ops, basis.len() as u64) {
        match op.unwrap() {
            Op::Literal(bytes) => new.extend_from_slice(bytes),
            Op::Copy { offset, length } => {
                new.extend_from_slice(&basis[offset as usize..][..length as usize]);
            }
        }
    }
    new
}

/// Searches `new` in parts of `part_length`, checks that the ops make it, and gives the sums.
fn diff_and_apply(basis: &[u8], new: &[u8], part_length: usize, margin: usize) -> DiffStats {
    let index = index(basis);
    let mut total = DiffStats::default();
    let mut applied = Vec::new();
    for start in (0..new.len()).step_by(part_length) {
        let end = new.len().min(start + part_length);
        let window = start.saturating_sub(margin)..new.len().min(end + margin);
        let part = start - window.start..end - window.start;
        let mut ops = Vec::new();
        let stats = index.diff(&new[window], part, &mut ops);
        applied.extend(apply(basis, &ops));
        total.literal += stats.literal;
        total.matched += stats.matched;
    }
    assert!(applied == new, "the ops make another file");
    assert_eq!(total.literal + total.matched, new.len() as u64);
    total
}

/// How many bytes fast_rsync's delta copies.
fn matched_by_fast_rsync(basis: &[u8], new: &[u8]) -> u64 {
    let options = fast_rsync::SignatureOptions {
        block_size: Blocks::of(basis.len() as u64).unwrap().length(),
        crypto_hash_size: 16,
    };
    let signature = fast_rsync::Signature::calculate(basis, options);
    let mut delta = Vec::new();
    fast_rsync::diff(&signature.index(), new, &mut delta).unwrap();
    let mut matched = 0;
    // librsync's delta: a magic number, then commands, each followed by its numbers, big-endian.
    let mut rest = &delta[4..];
    let number = |rest: &mut &[u8], bytes: usize| {
        let (digits, later) = rest.split_at(bytes);
        *rest = later;
        digits
            .iter()
            .fold(0, |number, &digit| number << 8 | u64::from(digit))
    };
    while let Some((&command, later)) = rest.split_first() {
        rest = later;
        match command {
            0 => break,
            1..=0x40 => rest = &rest[usize::from(command)..],
            0x41..=0x44 => {
                let length = number(&mut rest, 1 << (command - 0x41));
                rest = &rest[length as usize..];
            }
            0x45..=0x54 => {
                let mode = command - 0x45;
                number(&mut rest, 1 << (mode / 4));
                matched += number(&mut rest, 1 << (mode % 4));
            }
            _ => unreachable!("not a command of librsync's: {command:#x}"),
        }
    }
    matched
}

/// One change to a file; places and lengths are cut to what the file has.
#[derive(Clone, Debug)]
enum Edit {
    Insert {
        at: usize,
        length: usize,
        seed: u64,
    },
    Delete {
        at: usize,
        length: usize,
    },
    Move {
        from: usize,
        length: usize,
        to: usize,
    },
    Duplicate {
        from: usize,
        length: usize,
        to: usize,
    },
    Overwrite {
        at: usize,
        byte: u8,
    },
    Truncate {
        at: usize,
    },
    Zeros {
        at: usize,
        length: usize,
    },
}

fn range(file: &[u8], at: usize, length: usize) -> std::ops::Range<usize> {
    let at = at % (file.len() + 1);
    at..file.len().min(at + length)
}

fn insert(file: &mut Vec<u8>, at: usize, bytes: Vec<u8>) {
    let at = at % (file.len() + 1);
    file.splice(at..at, bytes);
}

impl Edit {
    fn make(&self, file: &mut Vec<u8>) {
        match *self {
            Self::Insert { at, length, seed } => insert(file, at, noise(length, seed)),
            Self::Zeros { at, length } => insert(file, at, vec![0; length]),
            Self::Delete { at, length } => drop(file.drain(range(file, at, length))),
            Self::Move { from, length, to } => {
                let moved = file.drain(range(file, from, length)).collect();
                insert(file, to, moved);
            }
            Self::Duplicate { from, length, to } => {
                let copy = file[range(file, from, length)].to_vec();
                insert(file, to, copy);
            }
            Self::Overwrite { at, byte } => {
                if let Some(place) = file.get_mut(at) {
                    *place = byte;
                }
            }
            Self::Truncate { at } => file.truncate(at),
        }
    }
}

fn an_edit() -> impl Strategy<Value = Edit> {
    let at = || 0usize..60_000;
    let length = || prop_oneof![1usize..20, 1usize..6000];
    prop_oneof![
        3 => (at(), length(), any::<u64>())
            .prop_map(|(at, length, seed)| Edit::Insert { at, length, seed }),
        3 => (at(), length()).prop_map(|(at, length)| Edit::Delete { at, length }),
        3 => (at(), length(), at()).prop_map(|(from, length, to)| Edit::Move { from, length, to }),
        3 => (at(), length(), at())
            .prop_map(|(from, length, to)| Edit::Duplicate { from, length, to }),
        3 => (at(), any::<u8>()).prop_map(|(at, byte)| Edit::Overwrite { at, byte }),
        1 => (30_000usize..60_000).prop_map(|at| Edit::Truncate { at }),
        2 => (at(), length()).prop_map(|(at, length)| Edit::Zeros { at, length }),
    ]
}

/// A basis, and a new file made from it: noise with some runs of zeros in both.
fn files() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let edits = |most| proptest::collection::vec(an_edit(), 0..most);
    (1usize..60_000, any::<u64>(), edits(4), edits(8)).prop_map(|(length, seed, before, after)| {
        let mut basis = noise(length, seed);
        before.iter().for_each(|edit| edit.make(&mut basis));
        basis.push(1); // edits may leave nothing, and nothing is no basis
        let mut new = basis.clone();
        after.iter().for_each(|edit| edit.make(&mut new));
        (basis, new)
    })
}

proptest! {
    #[test]
    fn ops_make_the_new_file(
        (basis, new) in files(),
        part_length in prop_oneof![1usize..3000, 3000usize..70_000],
        margin in prop_oneof![Just(0usize), Just(700), 0usize..2000],
    ) {
        // A part of a few bytes is a case, but thousands of them only take time.
        let part_length = part_length.max(new.len() / 50).max(1);
        diff_and_apply(&basis, &new, part_length, margin);
    }

    #[test]
    fn no_less_is_found_than_fast_rsync_finds((basis, new) in files()) {
        let ours = diff_and_apply(&basis, &new, new.len().max(1), 0).matched;
        let theirs = matched_by_fast_rsync(&basis, &new);
        prop_assert!(ours * 100 >= theirs * 95, "{ours} of {theirs}");
    }

    #[test]
    fn any_sums_at_all_are_searched(
        basis_size in 1u64..40_000,
        sums in proptest::collection::vec(any::<u8>(), 700),
        new in proptest::collection::vec(0u8..2, 0..5000),
    ) {
        let length = Signature::size_for(Blocks::of(basis_size).unwrap());
        let signature = Signature::parse(&sums[..length], basis_size);
        let mut ops = Vec::new();
        Index::new(signature.unwrap()).diff(&new, 0..new.len(), &mut ops);
        for op in OpReader::new(&ops, basis_size) {
            prop_assert!(op.is_ok());
        }
    }
}

#[test]
fn an_unchanged_file_is_all_copies_however_it_is_cut() {
    for size in [1, 431, 432, 433, 3456, 50_001, 600_000] {
        let file = noise(size, 3);
        let blocks = Blocks::of(size as u64).unwrap();
        let margin = blocks.length() as usize;
        for part in [432, 4096, 100_000, usize::MAX].map(|part| part.max(size / 50)) {
            let stats = diff_and_apply(&file, &file, part.min(size), margin);
            let (literal, short) = (stats.literal, blocks.short_length().unwrap_or(0) as u64);
            // Where a part's border cuts a short last block, one side of it does not see it all.
            assert!(
                literal == 0 || literal < short && part < size,
                "{size} in {part}: {stats:?}"
            );
        }
    }
}

#[test]
fn a_margin_saves_what_borders_cut() {
    let basis = noise(490_000, 5);
    let new = [noise(333, 6), basis.clone()].concat();
    let cut = diff_and_apply(&basis, &new, 20_000, 0);
    assert!(cut.literal > 24 * 300, "{cut:?}");
    let whole = diff_and_apply(&basis, &new, 20_000, 700);
    assert_eq!(whole.literal, 333);
}

#[test]
fn what_was_inserted_is_all_that_is_sent() {
    let basis = noise(1 << 20, 7);
    let length = Blocks::of(1 << 20).unwrap().length() as usize;
    let mut new = basis.clone();
    for (number, place) in [900_000, 500_000, 100_000].into_iter().enumerate() {
        new.splice(place..place, noise(5000, number as u64));
    }
    let stats = diff_and_apply(&basis, &new, 64 * length, length);
    assert!(stats.literal <= 3 * (5000 + length as u64), "{stats:?}");
}

#[test]
fn a_run_of_zeros_is_few_copies() {
    let basis = [noise(7000, 1), vec![0; 70_000], noise(7000, 2)].concat();
    let new = [noise(70, 3), basis.clone()].concat();
    let mut ops = Vec::new();
    let stats = index(&basis).diff(&new, 0..new.len(), &mut ops);
    assert_eq!(apply(&basis, &ops), new);
    assert_eq!(stats.literal, 70);
    assert_eq!(OpReader::new(&ops, basis.len() as u64).count(), 2);
}

#[test]
fn samples_tell_an_unrelated_file() {
    let basis = noise(500_000, 1);
    let index = index(&basis);
    assert!(index.matches_anything(&[&noise(3000, 2), &basis[123..2000]].concat()));
    assert!(!index.matches_anything(&noise(200_000, 4)));
    assert!(!index.matches_anything(&basis[1..index.margin()]));
    assert!(!index.matches_anything(b""));
}
