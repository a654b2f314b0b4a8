//! Deltas: ops that a controller sends, signatures that a host sends, and the whole way there and back.

use crate::delta::{Blocks, Index, Op, OpReader, OpWriter, Signature};

use super::{take, take_two};

/// Most bytes that are put together of ops, in which copies may be named at little cost.
const MOST: usize = 1 << 20;

/// Ops against a basis of as many bytes as the first two say.
pub fn ops(mut bytes: &[u8]) {
    let basis = noise(take_two(&mut bytes), 1);
    let Some(made) = apply(bytes, &basis) else {
        return;
    };
    let mut again = Vec::new();
    let mut writer = OpWriter::new(&mut again);
    for op in OpReader::new(bytes, basis.len() as u64) {
        match op.expect("they were applied") {
            Op::Literal(bytes) => writer.literal(bytes),
            Op::Copy { offset, length } => writer.copy(offset, length),
        }
    }
    writer.finish();
    assert!(again.len() <= bytes.len(), "joined copies take more room");
    assert!(apply(&again, &basis).expect("we wrote them") == made);
}

pub(super) fn some_ops() -> Vec<Vec<u8>> {
    let mut ops = 1000u16.to_le_bytes().to_vec();
    let mut writer = OpWriter::new(&mut ops);
    writer.copy(10, 500);
    writer.literal(b"between");
    writer.copy(0, 10);
    writer.copy(10, 990);
    writer.finish();
    vec![ops, vec![0, 0, 6, 1, 2, 3]]
}

/// What ops make; nothing if they are none, or make too much.
fn apply(ops: &[u8], basis: &[u8]) -> Option<Vec<u8>> {
    let mut made = Vec::new();
    for op in OpReader::new(ops, basis.len() as u64) {
        match op.ok()? {
            Op::Literal(bytes) => made.extend_from_slice(bytes),
            Op::Copy { offset, length } => {
                made.extend_from_slice(&basis[offset as usize..][..length as usize]);
            }
        }
        if made.len() > MOST {
            return None;
        }
    }
    Some(made)
}

/// A signature that a host forged, and a file that is searched by it. First what it says the basis's size is, then how
/// much of the rest are sums; the sums are repeated as often as there are blocks, so that few bytes can be many lies.
pub fn signature(mut bytes: &[u8]) {
    let size = u64::from_le_bytes([(); 8].map(|()| take(&mut bytes)));
    let (sums, seed) = bytes.split_at(bytes.len() / 2);
    let parsed = Signature::parse(sums, size);
    let expected = Blocks::of(size).map(Signature::size_for);
    assert_eq!(parsed.is_ok(), expected == Some(sums.len()));

    let size = size % 400_000 + 1;
    let blocks = Blocks::of(size).expect("it is not empty");
    let length = Signature::size_for(blocks);
    let new = repeated(seed, 20_000);
    // What a liar would do best: sums of what is in the file, of which a few bytes are wrong.
    let mut forged = Signature::of_piece(&new[..new.len().min(size as usize)], blocks);
    forged.resize(length, 0);
    for (place, byte) in forged.iter_mut().zip(repeated(sums, length)) {
        *place ^= byte;
    }
    let index = Index::new(Signature::parse(&forged, size).expect("it has the right length"));
    let mut ops = Vec::new();
    let stats = index.diff(&new, 0..new.len(), &mut ops);
    assert_eq!(stats.literal + stats.matched, new.len() as u64);
    let made = OpReader::new(&ops, size).map(|op| match op.expect("within the basis") {
        Op::Literal(bytes) => bytes.len() as u64,
        Op::Copy { length, .. } => length,
    });
    assert_eq!(made.sum::<u64>(), new.len() as u64);
    let (spent, most) = index.cost(&new);
    assert!(spent <= most, "{spent} of {most}: the search has no end");
}

pub(super) fn signatures() -> Vec<Vec<u8>> {
    let seed = |size: u64, rest: &[u8]| [&size.to_le_bytes()[..], rest].concat();
    vec![
        seed(1000, &noise(36, 1)),
        seed(432 * 448, &[0; 40]),
        seed(399_999, b"\0\0\0\0\0\x01abcdef"),
        seed(u64::MAX, b"xy"),
    ]
}

/// These bytes over and over; zeros if there are none.
fn repeated(bytes: &[u8], length: usize) -> Vec<u8> {
    if bytes.is_empty() {
        return vec![0; length];
    }
    bytes.iter().copied().cycle().take(length).collect()
}

/// A recipe for an old and a new file: the delta makes the new one of the old one, and so does fast_rsync's, whose sums
/// ours are.
pub fn delta(mut bytes: &[u8]) {
    let (part, margin) = (take_two(&mut bytes), take_two(&mut bytes));
    let mut basis = noise(take_two(&mut bytes), take(&mut bytes));
    let mut new = Vec::new();
    while !bytes.is_empty() && basis.len().max(new.len()) < 1 << 17 {
        edit(&mut bytes, &mut basis, &mut new);
    }
    let Some(blocks) = Blocks::of(basis.len() as u64) else {
        return;
    };
    let signature = Signature::of(&basis, blocks);
    let parsed = Signature::parse(&signature, basis.len() as u64);
    let index = Index::new(parsed.expect("we signed it"));
    // Thousands of parts only take time.
    let part = part.max(new.len() / 50).max(1);
    let mut made = Vec::new();
    for start in (0..new.len()).step_by(part) {
        let end = new.len().min(start + part);
        let window = start.saturating_sub(margin)..new.len().min(end + margin);
        let mut ops = Vec::new();
        let within = start - window.start..end - window.start;
        let stats = index.diff(&new[window], within, &mut ops);
        assert_eq!(stats.literal + stats.matched, (end - start) as u64);
        made.extend(apply(&ops, &basis).expect("we wrote them"));
    }
    assert_eq!(made.len(), new.len());
    // Our strong sums are short: a window may be taken for a block, and the digest of the file says so then. But to
    // find one takes more luck than a fuzzer has.
    assert!(made == new, "another file");
    theirs(&basis, &new, blocks, &signature);
}

/// The same by fast_rsync alone.
fn theirs(basis: &[u8], new: &[u8], blocks: Blocks, ours: &[u8]) {
    let options = fast_rsync::SignatureOptions {
        block_size: blocks.length(),
        crypto_hash_size: 16,
    };
    let signature = fast_rsync::Signature::calculate(basis, options);
    // A header of 12 bytes, and 20 bytes of sums for each block.
    let sums = signature.serialized()[12..].chunks_exact(20);
    let size = ours.len() / blocks.count() as usize;
    let cut: Vec<u8> = sums.flat_map(|sum| &sum[..size]).copied().collect();
    assert!(cut == ours, "other sums than fast_rsync's");
    let (mut delta, mut made) = (Vec::new(), Vec::new());
    fast_rsync::diff(&signature.index(), new, &mut delta).expect("it was indexed");
    fast_rsync::apply(basis, &delta, &mut made).expect("it is its own");
    assert!(made == new, "fast_rsync makes another file");
}

/// One step of a recipe.
fn edit(recipe: &mut &[u8], basis: &mut Vec<u8>, new: &mut Vec<u8>) {
    let step = take(recipe);
    let (at, length) = (take_two(recipe), take_two(recipe) % 8192);
    let place = at % (basis.len() + 1);
    let piece = place..basis.len().min(place + length);
    match step % 6 {
        // The new file goes on with what the old one has somewhere.
        0 | 1 => new.extend_from_slice(&basis[piece]),
        2 => new.extend_from_slice(&noise(length, step)),
        3 => new.extend(std::iter::repeat_n(step, length)),
        // The old one repeats itself, or has a run of one byte.
        4 => basis.extend_from_within(piece),
        _ => drop(basis.splice(place..place, std::iter::repeat_n(step, length))),
    }
}

pub(super) fn recipes() -> Vec<Vec<u8>> {
    let head = |part: u16, margin: u16, basis: u16| {
        let numbers = [part, margin, basis].map(u16::to_le_bytes);
        [&numbers.concat()[..], &[9]].concat()
    };
    let step = |step: u8, at: u16, length: u16| {
        let numbers = [at, length].map(u16::to_le_bytes);
        [&[step][..], &numbers.concat()].concat()
    };
    let same = [head(60_000, 0, 5000), step(0, 0, 5000)].concat();
    let moved = [
        head(700, 432, 20_000),
        step(0, 9000, 8000),
        step(2, 0, 77),
        step(0, 1000, 8000),
        step(3, 0, 2000),
    ];
    let repetitive = [
        head(3000, 100, 900),
        step(4, 0, 900),
        step(5, 800, 6000),
        step(0, 0, 8000),
        step(1, 433, 5000),
    ];
    vec![same, moved.concat(), repetitive.concat()]
}

/// Repeatable noise.
fn noise(length: usize, seed: u8) -> Vec<u8> {
    let mut state = u64::from(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| next()).collect()
}
