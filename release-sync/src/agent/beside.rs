//! What may stand in a tree beside its release: everything where nothing is deleted, else directories
//! with something in them that is to stay, and other mounts.

use std::collections::HashSet;

use release_core::{Manifest, RelPath};

use super::claim::Claim;
use super::destination::owners_of;
use super::seen::Seen;
use crate::plan::{self, Plan, Situation};
use crate::scan::{Names, Scan};
use crate::store::Store;
use crate::tree::Found;
use crate::wire::Begin;

/// Longest path in a note, in characters.
const MAX_SHOWN: usize = 300;

/// Entries that are told of one by one.
const MOST_TOLD: usize = 10;

/// The entries of a tree that are no part of its release.
#[derive(Debug)]
pub(super) struct Beside {
    everything: bool,
    spared: HashSet<RelPath>,
    /// What people are told of it.
    pub(super) notes: Vec<String>,
}

impl Beside {
    /// What a plan leaves. `mounts` are those in the tree, in order.
    pub(super) fn of(plan: &Plan, tree: &[Found], mounts: &[RelPath], delete: bool) -> Self {
        let spared = || plan.kept.iter().map(|&old| &tree[old as usize].path);
        let note = |path: &RelPath| {
            let reason = match mounts.binary_search(path) {
                Ok(_) => "it is another mount",
                Err(_) if mounts.iter().any(|mount| mount.is_within(path)) => {
                    "there is another mount in it"
                }
                Err(_) => "something in it is excluded or protected",
            };
            // A path can be as long as a frame; all that it is for here is to be read by people.
            let path: String = path.to_string().chars().take(MAX_SHOWN).collect();
            format!("`{path}` stays: {reason}")
        };
        let mut notes: Vec<String> = spared().take(MOST_TOLD).map(note).collect();
        if plan.kept.len() > MOST_TOLD {
            let others = plan.kept.len() - MOST_TOLD;
            notes.push(format!("{others} other entries stay for such reasons"));
        }
        Self {
            everything: !delete,
            spared: spared().cloned().collect(),
            notes,
        }
    }

    /// Does an entry of the tree count when that is held against the release?
    pub(super) fn counts(&self, path: &RelPath, release: &Manifest) -> bool {
        !(self.everything || self.spared.contains(path)) || release.find(path).is_some()
    }
}

/// A tree that is what it claims to be, but for what stands beside it.
#[derive(Debug)]
pub(super) struct Listed {
    /// What of the disk counts.
    pub(super) seen: Seen,
    pub(super) beside: Beside,
}

impl Listed {
    /// Holds a tree against its own claim, where there may be something beside it; `None` where there
    /// isn't, or where a push of the claimed release would find anything to do.
    pub(super) fn find(
        begin: &Begin,
        scan: &Scan,
        names: &Names,
        (store, claim): (&Store, &Claim),
        superuser: bool,
    ) -> Option<Self> {
        let nothing_stays = scan.excluded_in.is_empty() && scan.mounts.is_empty();
        if begin.delete && nothing_stays {
            return None;
        }
        let release = claim.manifest(store)?;
        let owners = superuser.then(|| owners_of(&release, names));
        let plan = plan::plan(&Situation {
            manifest: &release,
            tree: &scan.found,
            holding: &scan.excluded_in,
            mounts: &scan.mounts,
            kept: &[],
            staged: &HashSet::new(),
            owners: owners.as_ref(),
            delete: begin.delete,
        });
        if !plan.is_empty() {
            return None;
        }
        let beside = Beside::of(&plan, &scan.found, &scan.mounts, begin.delete);
        let counts = |path: &RelPath| beside.counts(path, &release);
        let seen = Seen::new(scan.manifest_as(&release, names, counts).ok()?);
        Some(Self { seen, beside })
    }
}
