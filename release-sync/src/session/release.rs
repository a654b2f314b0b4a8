//! What a controller gives out, made ready once for all hosts.

use std::sync::Arc;

use release_core::{Manifest, Proof, ProofClass, ReleaseId};

use crate::unit::Units;
use crate::wire::{Frame, FrameKind, ToAgent, control};

/// A manifest with everything about it that sessions need.
#[derive(Debug)]
pub(crate) struct Release {
    /// The entries.
    pub(crate) manifest: Manifest,
    /// The id.
    pub(crate) id: ReleaseId,
    /// Bytes of the manifest.
    pub(crate) length: u64,
    /// What is asked for and answered in one piece.
    pub(crate) units: Units,
    /// The digest that hosts show where they can't set owners.
    without_owner: Proof,
    /// The manifest as frames.
    pub(crate) frames: Vec<Arc<[u8]>>,
}

/// Digests don't compress and the rest does at any level: fast is best.
const MANIFEST_LEVEL: i32 = 3;

impl Release {
    /// Encodes and compresses a manifest.
    pub(crate) fn new(manifest: Manifest) -> Self {
        let bytes = manifest.encode();
        // Compression of a slice into memory has no way to fail; an empty frame would be refused.
        let packed = zstd::bulk::compress(&bytes, MANIFEST_LEVEL).unwrap_or_default();
        let length = bytes.len() as u64;
        let head = ToAgent::Manifest {
            length,
            packed: packed.len() as u64,
        };
        let parts = packed
            .chunks(FrameKind::Manifest.limit())
            .map(|part| Frame::encode(FrameKind::Manifest, part));
        let frames = std::iter::once(control(&head))
            .chain(parts)
            .map(Into::into)
            .collect();
        Self {
            id: manifest.release_id(),
            length,
            units: Units::of(&manifest),
            without_owner: manifest.proof(ProofClass::WithoutOwner),
            frames,
            manifest,
        }
    }

    /// Does a proof show this release? Owners count wherever they can be set.
    pub(crate) fn is_proven_by(&self, proof: &Proof, superuser: bool) -> bool {
        match proof.class {
            ProofClass::Full => proof.digest == *self.id.digest(),
            ProofClass::WithoutOwner => !superuser && *proof == self.without_owner,
        }
    }
}
