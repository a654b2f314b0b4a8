//! What a controller gives out, made ready once for all hosts.

use std::sync::{Arc, OnceLock};

use release_core::{Manifest, Proof, ProofClass, ReleaseId};

use crate::unit::Units;
use crate::wire::{Frame, FrameKind, ToAgent, control};

/// A manifest with everything about it that sessions need. What not every run needs is made by the first
/// session that does.
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
    without_owner: OnceLock<Proof>,
    frames: OnceLock<Vec<Arc<[u8]>>>,
}

/// Digests don't compress and the rest does at any level: fast is best.
const MANIFEST_LEVEL: i32 = 1;

impl Release {
    /// Finds out what a manifest describes.
    pub(crate) fn new(manifest: Manifest) -> Self {
        let (id, length) = manifest.measure();
        Self {
            id,
            length,
            units: Units::of(&manifest),
            without_owner: OnceLock::new(),
            frames: OnceLock::new(),
            manifest,
        }
    }

    /// The manifest as frames, for hosts that have another tree.
    pub(crate) fn frames(&self) -> &[Arc<[u8]>] {
        self.frames.get_or_init(|| self.encode())
    }

    fn encode(&self) -> Vec<Arc<[u8]>> {
        // Compression of a slice into memory has no way to fail; an empty frame would be refused.
        let packed =
            zstd::bulk::compress(&self.manifest.encode(), MANIFEST_LEVEL).unwrap_or_default();
        let head = ToAgent::Manifest {
            length: self.length,
            packed: packed.len() as u64,
        };
        let parts = packed
            .chunks(FrameKind::Manifest.limit())
            .map(|part| Frame::encode(FrameKind::Manifest, part));
        std::iter::once(control(&head))
            .chain(parts)
            .map(Into::into)
            .collect()
    }

    /// Does a proof show this release? Owners count wherever they can be set.
    pub(crate) fn is_proven_by(&self, proof: &Proof, superuser: bool) -> bool {
        match proof.class {
            ProofClass::Full => proof.digest == *self.id.digest(),
            ProofClass::WithoutOwner => !superuser && *proof == self.without_owner(),
        }
    }

    /// The digest that hosts show where they can't set owners.
    fn without_owner(&self) -> Proof {
        *self
            .without_owner
            .get_or_init(|| self.manifest.proof(ProofClass::WithoutOwner))
    }
}
