//! What a tree was found to be, and what that shows.

use release_core::{Manifest, Proof, ProofClass, ReleaseId};

/// A manifest that was made from what is on the disk, with its digest, which is wanted again and again.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) manifest: Manifest,
    /// The release that it would be.
    pub(super) id: ReleaseId,
}

impl Seen {
    pub(super) fn new(manifest: Manifest) -> Self {
        Self {
            id: manifest.release_id(),
            manifest,
        }
    }

    /// What it shows in a class.
    pub(super) fn proof(&self, class: ProofClass) -> Proof {
        match class {
            ProofClass::Full => Proof {
                class,
                digest: *self.id.digest(),
            },
            ProofClass::WithoutOwner => self.manifest.proof(class),
        }
    }

    /// The class in which a tree that is `release`, but perhaps for owners, shows it.
    pub(super) fn proof_of(&self, release: ReleaseId, superuser: bool) -> Proof {
        if superuser || self.id == release {
            self.proof(ProofClass::Full)
        } else {
            self.proof(ProofClass::WithoutOwner)
        }
    }
}
