//! The commit of a staged release, and its proof.

use std::io;
use std::sync::Arc;

use release_core::{RelPath, ReleaseId};

use super::destination::{Destination, observe_after};
use super::fault::{Failure, chain};
use super::seen::Seen;
use super::stage::Staging;
use super::worker::Shared;
use crate::scan::{Scan, Written, settle_now};
use crate::store::{Commit, Undo};
use crate::wire::{FaultKind, Settled};

impl Staging {
    /// Makes it current, and proves it.
    pub(super) fn commit(mut self, release: ReleaseId) -> Result<Settled, Failure> {
        if release != self.release || !self.complete || self.refused > 0 {
            return Err(Failure::new(
                FaultKind::Protocol,
                "a commit of what is not staged",
            ));
        }
        self.pool.join();
        let failed = |doing: &'static str| {
            move |error: io::Error| Failure::io(FaultKind::Commit, doing, &error)
        };
        let store = &self.destination.store;
        store
            .sync()
            .map_err(failed("writing back what is staged"))?;
        let undo = self.begin_undo().map_err(failed("beginning the undo"))?;
        let manifest = Arc::clone(&self.shared.manifest);
        let mut written = std::mem::replace(&mut self.written, Written::new(Arc::clone(&manifest)));
        let Shared {
            stage,
            tree,
            owners,
            ..
        } = &*self.shared;
        let commit = Commit {
            store,
            stage,
            manifest: &manifest,
            tree,
            plan: &self.plan,
            owners: owners.as_ref(),
            undo,
        };
        let committed = commit
            .run()
            .map_err(|error| Failure::new(FaultKind::Commit, chain(&error)))?;
        for &(inode, entry) in &committed.untouched {
            written.insert(inode, entry);
        }
        settle_now();
        let scan =
            observe_after(&self.destination, &written).map_err(failed("scanning the new tree"))?;
        drop(written);
        let settled = Settled {
            proof: self.prove(&scan, release)?,
            deleted: committed.deleted,
            notes: Vec::new(),
        };
        if settled.proof == manifest.proof(settled.proof.class) {
            self.destination
                .record(release, Some(&manifest), &scan)
                .and_then(|()| self.conclude(commit))
                .map_err(failed("writing the marker"))?;
        }
        Ok(settled)
    }

    /// What the tree shows now.
    fn prove(&self, scan: &Scan, release: ReleaseId) -> Result<release_core::Proof, Failure> {
        let manifest = &self.shared.manifest;
        let counts = |path: &RelPath| self.beside.counts(path, manifest);
        let observed = scan
            .manifest_as(manifest, &self.destination.names, counts)
            .map_err(|error| Failure::new(FaultKind::Commit, chain(&error)))?;
        Ok(Seen::new(observed).proof_of(release, self.destination.superuser))
    }

    fn begin_undo(&self) -> io::Result<Option<Undo>> {
        if self.plan.is_empty() {
            return Ok(None);
        }
        let Destination {
            store,
            marker,
            begin,
            ..
        } = &self.destination;
        // Only going back asks for nothing.
        let restored = (!self.may_ask).then_some(self.release);
        if !begin.keep_undo {
            return Undo::renounce(store, restored).map(|()| None);
        }
        let old = self.destination.standing();
        Undo::begin(store, old.as_deref(), marker.as_ref(), restored)
    }

    /// Clears away what a proven tree needs no more. One that needed no change keeps its undo.
    fn conclude(&self, commit: Commit<'_>) -> io::Result<()> {
        match self.plan.is_empty() {
            true => self.destination.conclude(self.release),
            false => commit.clean_up(self.release),
        }
    }
}
