//! What a controller gives out, made ready once for all hosts.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use release_core::{Manifest, Proof, ProofClass, ReleaseId};

use crate::unit::Units;
use crate::wire::{self, Frame, FrameBytes, FrameKind, ToAgent, control};

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
    frames: OnceLock<Frames>,
    earlier: Option<Arc<dyn Earlier>>,
    /// Frames for hosts that have one of the earlier releases.
    from: Mutex<HashMap<ReleaseId, Frames>>,
}

/// Frames that hosts share.
type Frames = Arc<[Arc<FrameBytes>]>;

/// What was given out before.
pub(crate) trait Earlier: fmt::Debug + Send + Sync {
    /// The canonical bytes of a release's manifest, if they are still known.
    fn manifest(&self, release: ReleaseId) -> Option<Vec<u8>>;
}

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
            earlier: None,
            from: Mutex::default(),
            manifest,
        }
    }

    /// Lets hosts that have an earlier release be told only what differs from it.
    pub(crate) fn after(self, earlier: Arc<dyn Earlier>) -> Self {
        let earlier = Some(earlier);
        Self { earlier, ..self }
    }

    /// The manifest as frames, for hosts that have another tree.
    pub(crate) fn frames(&self) -> Frames {
        let frames = self.frames.get_or_init(|| {
            // Compression of a slice into memory has no way to fail; an empty frame would be refused.
            let packed = wire::pack(&self.manifest.encode()).unwrap_or_default();
            let head = ToAgent::Manifest {
                length: self.length,
                packed: packed.len() as u64,
            };
            framed(&head, &packed)
        });
        Arc::clone(frames)
    }

    /// The same for a host that shows these proofs: shorter if one of them is of an earlier release.
    pub(crate) fn frames_for(&self, proofs: &[Proof]) -> Frames {
        let full = proofs
            .iter()
            .filter(|proof| proof.class == ProofClass::Full);
        full.map(|proof| ReleaseId::new(proof.digest))
            .find_map(|base| self.frames_from(base))
            .unwrap_or_else(|| self.frames())
    }

    fn frames_from(&self, base: ReleaseId) -> Option<Frames> {
        let earlier = self.earlier.as_ref()?;
        // Held while they are made: hosts that have the same release wait for each other.
        let mut from = self.from.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(frames) = from.get(&base) {
            return Some(Arc::clone(frames));
        }
        let packed = wire::pack_from(&earlier.manifest(base)?, &self.manifest.encode()).ok()?;
        let head = ToAgent::ManifestFrom {
            base,
            length: self.length,
            packed: packed.len() as u64,
        };
        let frames = framed(&head, &packed);
        from.insert(base, Arc::clone(&frames));
        Some(frames)
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

/// A packed manifest in frames, after the message that tells of it.
fn framed(head: &ToAgent, packed: &[u8]) -> Frames {
    let parts = packed
        .chunks(FrameKind::Manifest.limit())
        .map(|part| Frame::encode(FrameKind::Manifest, part));
    std::iter::once(control(head))
        .chain(parts)
        .map(|frame| Arc::new(frame.into()))
        .collect()
}
