//! What `.release` says that the tree is.

use std::io;

use release_core::{Digest, Manifest, Marker};

use crate::Error;
use crate::filter::Filter;
use crate::scan::Names;
use crate::store::Store;
use crate::wire::Begin;

/// A tree's marker, and the manifest that goes with it.
#[derive(Debug, Default)]
pub(super) struct Claim {
    /// The marker, and since when (seconds since 1970).
    pub(super) marker: Option<(Marker, i64)>,
    manifest: Option<Vec<u8>>,
}

impl Claim {
    /// Reads it. A damaged marker or manifest is none; it is written anew when the tree is proven.
    pub(super) fn read(store: &Store) -> io::Result<Self> {
        Ok(Self {
            marker: store.marker()?,
            manifest: store.manifest().unwrap_or_default(),
        })
    }

    /// Is the manifest that of the marker's release?
    pub(super) fn is_whole(&self) -> bool {
        let (Some((marker, _)), Some(manifest)) = (&self.marker, &self.manifest) else {
            return false;
        };
        Digest::of(manifest) == *marker.release.digest()
    }

    /// The manifest, if it is that of the marker's release.
    pub(super) fn manifest(&self) -> Option<Manifest> {
        let bytes = self.manifest.as_ref().filter(|_| self.is_whole())?;
        Manifest::decode(bytes).ok()
    }

    /// Names of users and groups. Numbers that the last release's owners have here are called by its
    /// names, so that its digest comes out again.
    pub(super) fn names(&self, begin: &Begin) -> Names {
        let mut names = Names::system(begin.numeric_owner);
        if let Some(bytes) = &self.manifest
            && let Ok((users, groups)) = Manifest::decode_principals(bytes)
        {
            names.prefer(&users, &groups);
        }
        names
    }

    /// What a scan leaves alone, as long as the release is that of the marker.
    pub(super) fn filter(&self, begin: &Begin) -> Result<Filter, Error> {
        let manifest = if begin.protect.is_empty() {
            None
        } else {
            self.manifest()
        };
        filter(begin, manifest.as_ref())
    }
}

/// What a scan leaves alone: what is excluded, and what is protected and is not the release's own.
pub(super) fn filter(begin: &Begin, release: Option<&Manifest>) -> Result<Filter, Error> {
    let entries = release.into_iter().flat_map(Manifest::entries);
    let entries = entries.map(|entry| (&entry.path, entry.is_directory()));
    Ok(Filter::new(&begin.exclude)?.sparing(Filter::new(&begin.protect)?, entries))
}
