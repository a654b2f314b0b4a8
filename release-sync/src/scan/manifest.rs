//! What was found, as a manifest or held against one.

use std::collections::HashMap;

use release_core::{Entry, Kind, Manifest, ManifestError, Meta, Principal, RelPath};

use super::{Found, FoundKind, Names, Scan};

/// Why what was found makes no manifest.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IncompleteScan {
    /// Something could not be read, so what the tree holds is not known.
    #[error("`{0}` could not be read")]
    Unreadable(RelPath),
    /// Attributes that a manifest can't hold.
    #[error("what was found makes no manifest")]
    Manifest(#[from] ManifestError),
}

impl Scan {
    /// The manifest of what was found, specials left out.
    ///
    /// # Errors
    /// When anything could not be read, and when an attribute is beyond what a manifest holds.
    pub(crate) fn manifest(&self, names: &Names) -> Result<Manifest, IncompleteScan> {
        self.manifest_of(names, |_| true)
    }

    /// The same of those entries only that `counts` says yes to; with an entry, the directories that
    /// it is in.
    pub(crate) fn manifest_of(
        &self,
        names: &Names,
        counts: impl Fn(&RelPath) -> bool,
    ) -> Result<Manifest, IncompleteScan> {
        if let Some((path, _)) = self.unreadable.iter().find(|(path, _)| counts(path)) {
            return Err(IncompleteScan::Unreadable(path.clone()));
        }
        let mut users = Table::default();
        let mut groups = Table::default();
        let mut entries = Vec::with_capacity(self.found.len());
        for found in self.found.iter().filter(|found| counts(&found.path)) {
            let Some(kind) = kind_of(found)? else {
                continue;
            };
            let meta = Meta {
                mode: found.mode,
                user: users.index(found.uid, |uid| names.principal_of_uid(uid)),
                group: groups.index(found.gid, |gid| names.principal_of_gid(gid)),
                mtime: found.mtime,
            };
            entries.push(Entry {
                path: found.path.clone(),
                meta,
                kind,
            });
        }
        Ok(Manifest::new(users.principals, groups.principals, entries)?)
    }
}

/// `None` for what a manifest does not carry.
fn kind_of(found: &Found) -> Result<Option<Kind>, IncompleteScan> {
    let unreadable = || IncompleteScan::Unreadable(found.path.clone());
    Ok(match &found.kind {
        FoundKind::Directory => Some(Kind::Directory),
        FoundKind::File { size, digest } => Some(Kind::File {
            size: *size,
            digest: digest.ok_or_else(unreadable)?,
        }),
        FoundKind::Symlink { target } => Some(Kind::Symlink {
            target: target.clone(),
        }),
        FoundKind::Special => None,
    })
}

/// Principals in the order of first use.
#[derive(Default)]
struct Table {
    principals: Vec<Principal>,
    known: HashMap<u32, u32>,
}

impl Table {
    fn index(&mut self, id: u32, principal: impl FnOnce(u32) -> Principal) -> u32 {
        // Mostly all entries have one owner.
        if let [first, ..] = &self.principals[..]
            && first.id == id
        {
            return 0;
        }
        *self.known.entry(id).or_insert_with(|| {
            self.principals.push(principal(id));
            self.principals.len() as u32 - 1
        })
    }
}
