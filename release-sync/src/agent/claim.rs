//! What `.release` says that the tree is.

use std::io;

use release_core::{Digest, Manifest, Marker, Principal};

use super::seen::Seen;
use crate::Error;
use crate::filter::Filter;
use crate::scan::{Names, Scan};
use crate::store::Store;
use crate::wire::Begin;

/// A tree's marker, and what goes with it.
#[derive(Debug, Default)]
pub(super) struct Claim {
    /// The marker, and since when (seconds since 1970).
    pub(super) marker: Option<(Marker, i64)>,
    /// Is there the manifest of the marker's release?
    pub(super) is_whole: bool,
    /// Users and groups of the manifest that there is, whatever release it is of.
    principals: Option<(Vec<Principal>, Vec<Principal>)>,
}

impl Claim {
    /// Reads it. A damaged marker or manifest is none; it is written anew when the tree is proven.
    pub(super) fn read(store: &Store) -> io::Result<Self> {
        let marker = store.marker()?;
        let manifest = store.manifest().unwrap_or_default();
        let is_of = |(marker, _): &(Marker, i64)| {
            let digest = manifest.as_deref().map(Digest::of);
            digest == Some(*marker.release.digest())
        };
        Ok(Self {
            marker,
            is_whole: marker.as_ref().is_some_and(is_of),
            principals: manifest
                .as_deref()
                .and_then(|bytes| Manifest::decode_principals(bytes).ok()),
        })
    }

    /// The manifest, if it is that of the marker's release. It is read when it is wanted: a million
    /// entries are a hundred megabytes.
    pub(super) fn manifest(&self, store: &Store) -> Option<Manifest> {
        let (marker, _) = self.marker.filter(|_| self.is_whole)?;
        let bytes = store.manifest().ok()??;
        let is_that = Digest::of(&bytes) == *marker.release.digest();
        Manifest::decode(&bytes).ok().filter(|_| is_that)
    }

    /// Names of users and groups. Numbers that the last release's owners have here are called by its
    /// names, so that its digest comes out again.
    pub(super) fn names(&self, begin: &Begin) -> Names {
        let mut names = Names::system(begin.numeric_owner);
        if let Some((users, groups)) = &self.principals {
            names.prefer(users, groups);
        }
        names
    }

    /// What the tree is; `None` where something can't be read. Mostly it can be told without the release's
    /// entries.
    pub(super) fn observed(&self, scan: &Scan, names: &Names, store: &Store) -> Option<Seen> {
        let release = match names.is_ambiguous() {
            true => self.manifest(store),
            false => None,
        };
        let observed = match &release {
            Some(release) => scan.manifest_as(release, names, |_| true),
            None => scan.manifest(names),
        };
        observed.ok().map(Seen::new)
    }

    /// What a scan leaves alone, as long as the release is that of the marker.
    pub(super) fn filter(&self, begin: &Begin, store: Option<&Store>) -> Result<Filter, Error> {
        let manifest = match begin.protect.is_empty() {
            true => None,
            false => store.and_then(|store| self.manifest(store)),
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
