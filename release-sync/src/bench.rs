//! Inner parts, for the benchmarks of this workspace. Not a part of the library: it changes without notice.

use std::collections::HashSet;

use release_core::{Kind, Manifest, RelPath, Timestamp};

use crate::delta::{Blocks, Index, Op, OpReader, Signature};
use crate::plan::{Situation, plan};
use crate::tree::{Found, FoundKind, Stamp};
use crate::wire::{Ask, Basis, Decoder, PartFlags, Payload, PayloadBuilder, Want, greeting};

/// Most bytes that a payload frame has before compression.
pub const PAYLOAD: usize = crate::wire::MAX_PAYLOAD_RAW;

/// The signature of an old file, as an agent makes it.
///
/// # Panics
/// If it is longer than a basis may be.
#[allow(clippy::expect_used)]
pub fn sign(basis: &[u8]) -> Vec<u8> {
    let blocks = Blocks::of(basis.len() as u64).expect("a basis is not that long");
    Signature::of(basis, blocks)
}

/// A signature, ready to be searched with.
#[derive(Debug)]
pub struct Searcher(Index);

impl Searcher {
    /// Of the signature of a file of `size` bytes.
    ///
    /// # Panics
    /// If it is none.
    #[allow(clippy::expect_used)]
    pub fn new(signature: Vec<u8>, size: u64) -> Self {
        Self(Index::new(
            Signature::parse(&signature, size).expect("it was made by `sign`"),
        ))
    }

    /// The ops that make the new file, searched by one thread.
    pub fn diff(&self, new: &[u8]) -> Vec<u8> {
        let mut ops = Vec::new();
        self.0.diff(new, 0..new.len(), &mut ops);
        ops
    }
}

/// Puts a new file together.
///
/// # Panics
/// If the ops are not such that were made against this basis.
#[allow(clippy::expect_used)]
pub fn apply(ops: &[u8], basis: &[u8], out: &mut Vec<u8>) {
    for op in OpReader::new(ops, basis.len() as u64) {
        match op.expect("it was made by `diff`") {
            Op::Literal(bytes) => out.extend_from_slice(bytes),
            Op::Copy { offset, length } => {
                out.extend_from_slice(&basis[offset as usize..][..length as usize]);
            }
        }
    }
}

/// One payload frame with a file of this content, which is shorter than [`PAYLOAD`] by a few bytes.
pub fn encode(ops: &[u8], level: i32) -> Vec<u8> {
    let mut builder = PayloadBuilder::default();
    builder.push(1, PartFlags::End, ops);
    builder.finish(0, true, level).to_vec()
}

/// Takes a stream of payload frames apart; how many bytes of ops there are in it.
///
/// # Panics
/// If it is none.
#[allow(clippy::expect_used)]
pub fn decode(frames: &[u8], reads: usize) -> u64 {
    let mut decoder = Decoder::default();
    decoder.push(&greeting());
    decoder.greeting().expect("it is ours");
    let mut bytes = 0;
    for read in frames.chunks(reads) {
        decoder.push(read);
        while let Some(frame) = decoder.frame().expect("it is ours") {
            let payload = Payload::decode(&frame.body).expect("it was made by `encode`");
            for part in payload.parts() {
                let (_, _, ops) = part.expect("it was made by `encode`");
                bytes += ops.len() as u64;
            }
        }
    }
    bytes
}

/// Writes and reads a want of so many files, each with a signature.
///
/// # Panics
/// If they are too many for one frame.
#[allow(clippy::expect_used)]
pub fn want(files: u32, signature: &[u8], size: u64) -> usize {
    let ask = |entry| Ask {
        entry,
        basis: Some(Basis {
            size,
            signature: signature.to_vec(),
        }),
    };
    let frame = Want::encode(0, &(0..files).map(ask).collect::<Vec<_>>());
    // A frame's body is behind its length and its kind.
    let want = Want::decode(frame[5..].to_vec()).expect("it was just written");
    want.asks.len()
}

/// How many entries change when a tree that is as `old` says becomes `new`.
pub fn plan_between(old: &Manifest, new: &Manifest) -> usize {
    let tree: Vec<Found> = found(old);
    let situation = Situation {
        manifest: new,
        tree: &tree,
        holding: &[] as &[RelPath],
        mounts: &[],
        kept: &[],
        staged: &HashSet::new(),
        owners: None,
        delete: true,
    };
    plan(&situation).steps.len()
}

fn found(manifest: &Manifest) -> Vec<Found> {
    let entries = manifest.entries().iter();
    let found = entries.map(|entry| Found {
        path: entry.path.clone(),
        mode: entry.meta.mode,
        uid: 0,
        gid: 0,
        mtime: entry.meta.mtime,
        stamp: Stamp {
            inode: 0,
            ctime: Timestamp::default(),
        },
        kind: match &entry.kind {
            Kind::File { size, digest } => FoundKind::File {
                size: *size,
                digest: Some(*digest),
            },
            Kind::Symlink { target } => FoundKind::Symlink {
                target: target.clone(),
            },
            Kind::Directory => FoundKind::Directory,
        },
    });
    found.collect()
}
