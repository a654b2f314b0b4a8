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
        self.list(Called::by(names), |_| true)
    }

    /// What a tree that is to be `release` shows: of those entries only that `counts` says yes to; with an
    /// entry, the directories that it is in.
    ///
    /// An owner is called what the release calls that of the entry, if that has this number here. Two of its
    /// owners may be one number, and machines may call a number by another name.
    pub(crate) fn manifest_as(
        &self,
        release: &Manifest,
        names: &Names,
        counts: impl Fn(&RelPath) -> bool,
    ) -> Result<Manifest, IncompleteScan> {
        self.list(Called::as_in(release, names), counts)
    }

    fn list(
        &self,
        mut called: Called<'_>,
        counts: impl Fn(&RelPath) -> bool,
    ) -> Result<Manifest, IncompleteScan> {
        if let Some((path, _)) = self.unreadable.iter().find(|(path, _)| counts(path)) {
            return Err(IncompleteScan::Unreadable(path.clone()));
        }
        let mut entries = Vec::with_capacity(self.found.len());
        for found in self.found.iter().filter(|found| counts(&found.path)) {
            let Some(kind) = kind_of(found)? else {
                continue;
            };
            let (user, group) = called.owners(found);
            let meta = Meta {
                mode: found.mode,
                user,
                group,
                mtime: found.mtime,
            };
            entries.push(Entry {
                path: found.path.clone(),
                meta,
                kind,
            });
        }
        let Called { users, groups, .. } = called;
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

/// What numbers of owners are called.
struct Called<'a> {
    names: &'a Names,
    /// What is left of the release's entries, in the order of paths as what was found.
    entries: &'a [Entry],
    users: Table,
    groups: Table,
}

impl<'a> Called<'a> {
    fn by(names: &'a Names) -> Self {
        Self {
            names,
            entries: &[],
            users: Table::default(),
            groups: Table::default(),
        }
    }

    fn as_in(release: &'a Manifest, names: &'a Names) -> Self {
        Self {
            names,
            entries: release.entries(),
            users: Table::of(release.users(), |user| names.resolve_user(user)),
            groups: Table::of(release.groups(), |group| names.resolve_group(group)),
        }
    }

    /// User and group of an entry, as indices into the tables.
    fn owners(&mut self, found: &Found) -> (u32, u32) {
        let passed = self.entries.iter();
        let passed = passed.take_while(|entry| entry.path < found.path).count();
        self.entries = &self.entries[passed..];
        let listed = self.entries.first().map(|entry| (&entry.path, &entry.meta));
        let meta = listed.and_then(|(path, meta)| (*path == found.path).then_some(meta));
        let (user, group) = (meta.map(|meta| meta.user), meta.map(|meta| meta.group));
        let names = self.names;
        (
            self.users
                .index(found.uid, user, |uid| names.principal_of_uid(uid)),
            self.groups
                .index(found.gid, group, |gid| names.principal_of_gid(gid)),
        )
    }
}

/// Principals: first those of a release, then others in the order of first use.
#[derive(Default)]
struct Table {
    principals: Vec<Principal>,
    /// The numbers here of the release's.
    numbers: Vec<u32>,
    /// Numbers of the others, and where they are.
    others: HashMap<u32, u32>,
    /// What was last looked up there: mostly all entries have one owner.
    last: Option<(u32, u32)>,
}

impl Table {
    fn of(principals: &[Principal], number: impl Fn(&Principal) -> u32) -> Self {
        Self {
            principals: principals.to_vec(),
            numbers: principals.iter().map(number).collect(),
            ..Self::default()
        }
    }

    /// Where the principal of a number stands; `listed` is the one that the release has for the entry.
    fn index(
        &mut self,
        number: u32,
        listed: Option<u32>,
        principal: impl FnOnce(u32) -> Principal,
    ) -> u32 {
        if let Some(listed) = listed
            && self.numbers.get(listed as usize) == Some(&number)
        {
            return listed;
        }
        if let Some((last, index)) = self.last
            && last == number
        {
            return index;
        }
        let index = *self.others.entry(number).or_insert_with(|| {
            self.principals.push(principal(number));
            self.principals.len() as u32 - 1
        });
        self.last = Some((number, index));
        index
    }
}
