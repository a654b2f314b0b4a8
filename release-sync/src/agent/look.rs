//! Looking at a destination without leaving a trace: no lock, no file, no directory.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use release_core::{Manifest, ProofClass, ReleaseId};

use super::claim::{self, Claim};
use super::destination::{have, observe, open_tree, owners_of, welcome};
use super::fault::Failure;
use super::probe;
use super::seen::Seen;
use super::stage::describe;
use super::streams::Sender;
use crate::confine::Root;
use crate::filter::Filter;
use crate::plan::{self, Owners, Plan, Situation};
use crate::scan::{Names, Scan};
use crate::session::MOST_REFUSALS;
use crate::store::{Keepsakes, Store};
use crate::wire::{Begin, FaultKind, Have, Item, Purpose, Refusal, ToController};

/// Bytes of items in one message: below the bound of its frame.
const ITEMS: usize = 32 << 10;

/// A destination that was looked at.
pub(super) struct Sight {
    begin: Begin,
    /// `None` where the destination does not exist yet.
    tree: Option<Root>,
    /// `None` where `.release` does not exist yet.
    store: Option<Store>,
    claim: Claim,
    /// What the scan left alone.
    filter: Filter,
    scan: Option<Scan>,
    names: Names,
    superuser: bool,
}

impl Sight {
    /// Looks, and says what is there. Gives back what a plan is made from, if that is the purpose.
    pub(super) fn look(
        begin: Begin,
        limit: Option<&Path>,
        sender: &Sender,
    ) -> Result<Option<Self>, Failure> {
        // Refused before anything is looked at, like everything that makes no sense.
        claim::filter(&begin, None)?;
        let tree = match open_tree(&begin.destination, limit, false) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            other => Some(other.map_err(unusable)?.counted_by(sender.effort())),
        };
        // What is only looked at needs not be usable.
        let place = match begin.purpose {
            Purpose::Plan { .. } | Purpose::Probe => probe::examine(&begin, limit, tree.as_ref())?,
            _ => None,
        };
        if begin.purpose == Purpose::Probe {
            sender.send(&ToController::Welcome(welcome(place.as_ref())));
            return Ok(None);
        }
        let welcome = welcome(tree.as_ref());
        let superuser = welcome.superuser;
        sender.send(&ToController::Welcome(welcome));
        let again = tree
            .as_ref()
            .map(Root::try_clone)
            .transpose()
            .map_err(unusable)?;
        let store = again
            .map(Store::open_existing)
            .transpose()
            .map_err(unusable)?;
        let store = store.and_then(Result::ok);
        let claim = store
            .as_ref()
            .map(Claim::read)
            .transpose()
            .map_err(unusable)?;
        let claim = claim.unwrap_or_default();
        let mut sight = Self {
            names: claim.names(&begin),
            filter: claim.filter(&begin, store.as_ref())?,
            scan: None,
            begin,
            tree,
            store,
            claim,
            superuser,
        };
        sight.observe()?;
        sender.send(&ToController::Have(sight.have()));
        Ok(matches!(sight.begin.purpose, Purpose::Plan { .. }).then_some(sight))
    }

    fn observe(&mut self) -> Result<(), Failure> {
        if let Some(tree) = &self.tree {
            let scan = observe(&self.begin, self.store.as_ref(), tree, &self.filter);
            self.scan = Some(scan.map_err(unusable)?);
        }
        Ok(())
    }

    fn have(&self) -> Have {
        let Some(scan) = &self.scan else {
            return Have {
                marker: None,
                proofs: Vec::new(),
                intact: None,
                files: 0,
                bytes: 0,
            };
        };
        let observed = scan.manifest(&self.names).ok().map(Seen::new);
        let mut have = have(scan, observed.as_ref(), self.superuser, &self.claim);
        if let (Purpose::Inspect, Some((marker, _))) = (self.begin.purpose, have.marker) {
            have.intact = self.class_of(marker.release, observed.as_ref());
        }
        have
    }

    /// In which class the tree is the release that it claims to be: by its digest, or else because
    /// there would be nothing to do to make it so.
    fn class_of(&self, release: ReleaseId, observed: Option<&Seen>) -> Option<ProofClass> {
        if observed?.id == release {
            return Some(ProofClass::Full);
        }
        let claimed = self.claim.manifest(self.store.as_ref()?)?;
        let class = if self.superuser {
            ProofClass::Full
        } else {
            ProofClass::WithoutOwner
        };
        let is_so = self
            .compare(&claimed, self.owners(&claimed).as_ref(), &[])
            .is_empty();
        is_so.then_some(class)
    }

    /// Says what a push of this release would do.
    pub(super) fn plan(mut self, manifest: &Manifest, sender: &Sender) -> Result<(), Failure> {
        let filter = claim::filter(&self.begin, Some(manifest))?;
        if !filter.spares_as(&self.filter) {
            self.filter = filter;
            self.observe()?;
        }
        let keepsakes = match &self.store {
            Some(store) => Keepsakes::gather(store, manifest.release_id()).map_err(|error| {
                Failure::io(FaultKind::Destination, "looking at what is kept", &error)
            })?,
            None => Keepsakes::default(),
        };
        let owners = self.owners(manifest);
        let plan = self.compare(manifest, owners.as_ref(), &keepsakes.digests);
        if let Purpose::Plan { itemize: true } = self.begin.purpose {
            let tree = self.scan.as_ref().map_or(&[][..], |scan| &scan.found);
            send_items(
                plan::itemize(&plan, manifest, tree, owners.as_ref()),
                sender,
            );
        }
        for (entry, obstacle) in plan.obstacles.iter().take(MOST_REFUSALS) {
            let (entry, reason) = (*entry, describe(obstacle));
            sender.send(&ToController::Refusal(Refusal { entry, reason }));
        }
        sender.send(&ToController::Planned(plan::summarize(&plan, manifest)));
        Ok(())
    }

    fn owners(&self, manifest: &Manifest) -> Option<Owners> {
        self.superuser.then(|| owners_of(manifest, &self.names))
    }

    fn compare(
        &self,
        manifest: &Manifest,
        owners: Option<&Owners>,
        kept: &[release_core::Digest],
    ) -> Plan {
        let scan = self.scan.as_ref();
        plan::plan(&Situation {
            manifest,
            tree: scan.map_or(&[], |scan| &scan.found),
            holding: scan.map_or(&[], |scan| &scan.excluded_in),
            mounts: scan.map_or(&[], |scan| &scan.mounts),
            kept,
            staged: &HashSet::new(),
            owners,
            delete: self.begin.delete,
        })
    }
}

fn unusable(error: io::Error) -> Failure {
    Failure::io(FaultKind::Destination, "looking at it", &error)
}

fn send_items(items: impl Iterator<Item = Item>, sender: &Sender) {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    for item in items {
        bytes += item.path.len() + item.flags.len() + 8;
        batch.push(item);
        if bytes > ITEMS {
            sender.send(&ToController::Items(std::mem::take(&mut batch)));
            bytes = 0;
        }
    }
    if !batch.is_empty() {
        sender.send(&ToController::Items(batch));
    }
}
