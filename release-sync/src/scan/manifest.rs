//! What was found, as a manifest or held against one.

use std::cmp::min;
use std::collections::HashMap;

use release_core::{Entry, Kind, Manifest, ManifestError, Meta, Principal, ProofClass, RelPath};

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
        if let Some((path, _)) = self.unreadable.first() {
            return Err(IncompleteScan::Unreadable(path.clone()));
        }
        let mut users = Table::default();
        let mut groups = Table::default();
        let mut entries = Vec::with_capacity(self.found.len());
        for found in &self.found {
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

    /// The first path at which the tree is not what a manifest says. Where there is none, a manifest
    /// made of the tree would be this one, and has its digest; a second copy need not be made to know.
    ///
    /// Owners are looked at in the full class only, and are what the manifest's principals resolve to
    /// on this machine.
    pub(crate) fn differs_from<'a>(
        &'a self,
        manifest: &'a Manifest,
        names: &Names,
        class: ProofClass,
    ) -> Option<&'a RelPath> {
        if let Some((path, _)) = self.unreadable.first() {
            return Some(path);
        }
        let resolve_user = |user| names.resolve_user(user);
        let resolve_group = |group| names.resolve_group(group);
        let users: Vec<u32> = manifest.users().iter().map(resolve_user).collect();
        let groups: Vec<u32> = manifest.groups().iter().map(resolve_group).collect();
        let is_owner = |found: &Found, meta: &Meta| {
            class == ProofClass::WithoutOwner
                || (users.get(meta.user as usize) == Some(&found.uid)
                    && groups.get(meta.group as usize) == Some(&found.gid))
        };
        let mut carried = self
            .found
            .iter()
            .filter(|found| found.kind != FoundKind::Special);
        for Entry { path, meta, kind } in manifest.entries() {
            let Some(found) = carried.next() else {
                return Some(path);
            };
            if found.path != *path {
                return Some(min(&found.path, path));
            }
            let same_meta = (found.mode, found.mtime) == (meta.mode, meta.mtime);
            if !same_meta || !is_owner(found, meta) || !is_same_kind(&found.kind, kind) {
                return Some(path);
            }
        }
        carried.next().map(|found| &found.path)
    }
}

fn is_same_kind(found: &FoundKind, kind: &Kind) -> bool {
    match (found, kind) {
        (FoundKind::Directory, Kind::Directory) => true,
        (
            FoundKind::File { size, digest },
            Kind::File {
                size: length,
                digest: content,
            },
        ) => (*size, *digest) == (*length, Some(*content)),
        (FoundKind::Symlink { target }, Kind::Symlink { target: other }) => target == other,
        _ => false,
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
        *self.known.entry(id).or_insert_with(|| {
            self.principals.push(principal(id));
            self.principals.len() as u32 - 1
        })
    }
}
