//! The destination as a session finds it.

use std::borrow::Cow;
use std::collections::HashSet;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use release_core::{Digest, Manifest, Marker, ProofClass, RelPath, ReleaseId};

use super::beside::Listed;
use super::claim::{self, Claim};
use super::fault::Failure;
use super::premises;
use super::seen::Seen;
use super::streams::Sender;
use crate::confine::Root;
use crate::filter::Filter;
use crate::plan::Owners;
use crate::scan::{Names, Scan, ScanOptions, Written, scan_tree};
use crate::store::{self, Lock, Stage, Store, Undo, discard_stages};
use crate::tree::FoundKind;
use crate::wire::{self, Begin, FaultKind, Have, Purpose, Settled, Staged, ToController, Welcome};

/// A destination that was opened, locked and scanned.
pub(super) struct Destination {
    pub(super) begin: Begin,
    pub(super) store: Store,
    pub(super) scan: Scan,
    pub(super) filter: Filter,
    pub(super) names: Names,
    /// What the tree claims to be.
    pub(super) marker: Option<Marker>,
    /// Since when, in seconds since 1970.
    since: Option<i64>,
    /// Is the manifest in `.release` that of the marker's release?
    claim_is_whole: bool,
    /// What it is; `None` where something can't be read.
    observed: Option<Seen>,
    /// What it is of its own release, where something else stands beside it.
    listed: Option<Listed>,
    pub(super) superuser: bool,
    _lock: Lock,
}

impl Destination {
    /// Opens, locks and scans, and says what is there.
    pub(super) fn open(
        begin: Begin,
        limit: Option<&Path>,
        sender: &Sender,
    ) -> Result<Self, Failure> {
        let unusable = |doing: &'static str| {
            move |error: io::Error| Failure::io(FaultKind::Destination, doing, &error)
        };
        let tree = open_or_make(&begin, limit)?.counted_by(sender.effort());
        if begin.purpose == Purpose::Push {
            premises::check(&tree)?;
        }
        let welcome = welcome(Some(&tree));
        let store = Store::open(tree).map_err(unusable("making .release in it"))?;
        let lock = Lock::take(&store.private, &begin.holder)?;
        store.sweep().map_err(unusable("clearing .release"))?;
        let claim = Claim::read(&store).map_err(unusable("reading its marker"))?;
        if let Some((marker, _)) = claim.marker
            && marker.generation > begin.generation
            && begin.purpose == Purpose::Push
        {
            return Err(Failure::new(FaultKind::Fenced(marker.generation), ""));
        }
        let superuser = welcome.superuser;
        sender.send(&ToController::Welcome(welcome));
        let names = claim.names(&begin);
        let filter = claim.filter(&begin, Some(&store))?;
        let scan =
            observe(&begin, Some(&store), &store.tree, &filter).map_err(unusable("scanning it"))?;
        let observed = claim.observed(&scan, &names, &store);
        let is_as_claimed = matches!((&observed, &claim.marker), (Some(seen), Some((marker, _)))
            if seen.id == marker.release && !has_strangers(&scan, &begin));
        let listed = match is_as_claimed {
            true => None,
            false => Listed::find(&begin, &scan, &names, (&store, &claim), superuser),
        };
        let destination = Self {
            marker: claim.marker.map(|(marker, _)| marker),
            since: claim.marker.map(|(_, since)| since),
            claim_is_whole: claim.is_whole,
            begin,
            store,
            scan,
            filter,
            names,
            observed,
            listed,
            superuser,
            _lock: lock,
        };
        let have = have(&destination.scan, destination.shown(), superuser, &claim);
        sender.send(&ToController::Have(have));
        Ok(destination)
    }

    /// What the tree may be taken for: what counts of it, read from the disk.
    fn shown(&self) -> Option<&Seen> {
        match &self.listed {
            Some(listed) => Some(&listed.seen),
            None if has_strangers(&self.scan, &self.begin) => None,
            None => self.observed.as_ref(),
        }
    }

    /// Makes the scan one that serves a release. What is protected is not looked at unless the release
    /// has it, and the first scan went by the release before.
    pub(super) fn look_for(&mut self, release: &Manifest) -> Result<(), Failure> {
        if self.begin.protect.is_empty() {
            return Ok(());
        }
        let filter = claim::filter(&self.begin, Some(release))?;
        if filter.spares_as(&self.filter) {
            return Ok(());
        }
        self.filter = filter;
        self.scan = observe(
            &self.begin,
            Some(&self.store),
            &self.store.tree,
            &self.filter,
        )
        .map_err(|error| Failure::io(FaultKind::Destination, "scanning it", &error))?;
        Ok(())
    }

    /// What is said of a tree that is the release already.
    pub(super) fn nothing_to_do(&self, release: ReleaseId) -> Staged {
        Staged {
            release,
            unchanged: true,
            deletions: 0,
            refused: 0,
            literal_bytes: 0,
            matched_bytes: 0,
            local_bytes: 0,
            notes: self
                .listed
                .as_ref()
                .map_or_else(Vec::new, |listed| listed.beside.notes.clone()),
        }
    }

    /// A generation is one release's: whoever gives out another one by the generation that this tree has was told
    /// it by somebody who had lost count. The same release may come again.
    pub(super) fn admit(&self, release: ReleaseId) -> Result<(), Failure> {
        match self.marker {
            Some(marker)
                if marker.generation == self.begin.generation
                    && marker.release != release
                    && self.begin.purpose == Purpose::Push =>
            {
                Err(Failure::new(FaultKind::Fenced(marker.generation), ""))
            }
            _ => Ok(()),
        }
    }

    /// May a controller take this tree for the release? Only by a proof that it was given: the marker
    /// must not claim what was never shown.
    pub(super) fn may_be(&self, release: ReleaseId) -> bool {
        let without_owner = !self.superuser && self.claim_is_whole;
        self.shown()
            .is_some_and(|shown| without_owner || shown.id == release)
    }

    /// Unpacks a manifest that was packed against that of the tree as it was shown.
    pub(super) fn unpack(
        &self,
        base: ReleaseId,
        packed: &[u8],
        length: u64,
    ) -> Result<Vec<u8>, Failure> {
        let nonsense = |what: &str| Failure::new(FaultKind::Protocol, what);
        let shown = self.shown().filter(|shown| shown.id == base);
        let shown = shown.ok_or_else(|| nonsense("the tree was not shown to be that release"))?;
        wire::unpack_from(&shown.manifest.encode(), packed, length)
            .ok_or_else(|| nonsense("the manifest is not what was announced"))
    }

    /// Notes that the tree is the release by this deploy, too.
    pub(super) fn confirm(&self, release: ReleaseId) -> Result<Settled, Failure> {
        let shown = self.shown().ok_or_else(|| {
            Failure::new(
                FaultKind::Internal,
                "the tree was said to be the release, but is unread",
            )
        })?;
        // Where owners don't count this may be the manifest of a release that differs in them; then
        // there is none until the next release comes.
        let manifest = Some(&shown.manifest).filter(|_| shown.id == release);
        self.record(release, manifest, &self.scan)
            .and_then(|()| self.conclude(release))
            .map_err(|error| Failure::io(FaultKind::Destination, "writing the marker", &error))?;
        Ok(Settled {
            proof: shown.proof_of(release, self.superuser),
            deleted: 0,
            notes: Vec::new(),
        })
    }

    /// Writes down what the tree is: manifest and index where they differ from what is there, and then
    /// the marker, which claims it.
    pub(super) fn record(
        &self,
        release: ReleaseId,
        manifest: Option<&Manifest>,
        scan: &Scan,
    ) -> io::Result<()> {
        if !scan.index_is_current {
            self.store.set_index(&scan.index())?;
        }
        // A source is no release before it is given out.
        if self.begin.purpose == Purpose::Pull {
            return Ok(());
        }
        let marker = Marker {
            release,
            generation: self.begin.generation,
        };
        let is_new = self.marker.map(|marker| marker.release) != Some(release);
        if !self.claim_is_whole || is_new {
            self.store.set_manifest(manifest)?;
        }
        if self.marker != Some(marker) {
            // A deploy of what is there already is no reason to have it only from now on.
            let since = self.since.filter(|_| !is_new);
            self.store.set_marker(&marker, since)?;
        }
        Ok(())
    }

    /// The tree as it is, as a release to go back to. Where owners don't count, it is the one that it
    /// claims to be if it is that but for them.
    pub(super) fn standing(&self) -> Option<Cow<'_, Manifest>> {
        let observed = self.observed.as_ref()?;
        if !self.superuser {
            let class = ProofClass::WithoutOwner;
            let claimed = Claim::read(&self.store)
                .ok()
                .and_then(|claim| claim.manifest(&self.store));
            if let Some(claimed) = claimed.filter(|own| own.proof(class) == observed.proof(class)) {
                return Some(Cow::Owned(claimed));
            }
        }
        Some(Cow::Borrowed(&observed.manifest))
    }

    /// Clears away what runs that were cut off have left, now that nothing had to be changed. The tree is
    /// `release`, whatever stands beside it.
    pub(super) fn conclude(&self, release: ReleaseId) -> io::Result<()> {
        let standing = match &self.observed {
            Some(observed) if self.superuser => observed.id,
            _ => self.standing().map_or(release, |tree| tree.release_id()),
        };
        self.rescue(&Stage::all(&self.store.private)?)?;
        Undo::conclude(&self.store, standing)?;
        discard_stages(&self.store.private)
    }

    /// Lets the undo have what it lacks and only those stages have.
    pub(super) fn rescue(&self, stages: &[Root]) -> io::Result<()> {
        if stages.is_empty() {
            return Ok(());
        }
        let entries = self
            .observed
            .iter()
            .flat_map(|seen| seen.manifest.entries());
        let here: HashSet<Digest> = entries.filter_map(|entry| Some(entry.file()?.1)).collect();
        Undo::rescue(&self.store, stages, |digest| here.contains(digest))
    }

    /// The tree to go back to: the one that the last commit displaced. A tree that is not `from` any more
    /// has gone back before, by a request whose answer was not heard: then it is the one that it claims
    /// to be.
    pub(super) fn undo_manifest(&self, from: Option<ReleaseId>) -> Result<Manifest, Failure> {
        let nothing = || Failure::new(FaultKind::NoUndo, "");
        if let (Some(from), Some(marker)) = (from, self.marker)
            && marker.release != from
        {
            let claim = Claim::read(&self.store).ok();
            let claimed = claim.and_then(|claim| claim.manifest(&self.store));
            return claimed.ok_or_else(nothing);
        }
        Undo::last(&self.store)
            .map_err(|error| Failure::io(FaultKind::Destination, "reading the undo", &error))?
            .ok_or_else(nothing)
    }
}

/// Is there what no manifest carries, and is it to go? Then the tree is not the release that it seems.
fn has_strangers(scan: &Scan, begin: &Begin) -> bool {
    begin.delete && !scan.specials.is_empty()
}

/// Scans a tree as a session wants it.
pub(super) fn observe(
    begin: &Begin,
    store: Option<&Store>,
    tree: &Root,
    filter: &Filter,
) -> io::Result<Scan> {
    let index = store.and_then(Store::index);
    let mut options = ScanOptions::new(filter);
    options.checksum = begin.checksum;
    options.index = index.as_ref();
    scan_tree(tree, &options)
}

/// Scans the tree after a commit. `written` has the digests of the files that were put there.
pub(super) fn observe_after(destination: &Destination, written: &Written) -> io::Result<Scan> {
    let index = destination.store.index();
    let mut options = ScanOptions::new(&destination.filter);
    options.checksum = destination.begin.checksum;
    options.index = index.as_ref();
    options.written = Some(written);
    scan_tree(&destination.store.tree, &options)
}

/// The numbers that a manifest's users and groups have here.
pub(super) fn owners_of(manifest: &Manifest, names: &Names) -> Owners {
    Owners {
        users: manifest
            .users()
            .iter()
            .map(|user| names.resolve_user(user))
            .collect(),
        groups: manifest
            .groups()
            .iter()
            .map(|group| names.resolve_group(group))
            .collect(),
    }
}

pub(super) fn welcome(tree: Option<&Root>) -> Welcome {
    let space = tree.and_then(|tree| rustix::fs::fstatvfs(tree).ok());
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    Welcome {
        build: crate::BUILD_ID.to_owned(),
        superuser: rustix::process::geteuid().is_root(),
        free: space.map_or(0, |fs| fs.f_bavail.saturating_mul(fs.f_frsize)),
        clock: now
            .tv_sec
            .saturating_mul(1_000_000_000)
            .saturating_add(now.tv_nsec),
    }
}

pub(super) fn have(scan: &Scan, observed: Option<&Seen>, superuser: bool, claim: &Claim) -> Have {
    // Without its owners a release can be taken for another, and is only where its manifest is known.
    let classes: &[ProofClass] = match superuser || !claim.is_whole {
        true => &[ProofClass::Full],
        false => &[ProofClass::Full, ProofClass::WithoutOwner],
    };
    let proofs = observed
        .map(|seen| classes.iter().map(|&class| seen.proof(class)).collect())
        .unwrap_or_default();
    let sizes = scan.found.iter().filter_map(|found| match found.kind {
        FoundKind::File { size, .. } => Some(size),
        _ => None,
    });
    let (files, bytes) = sizes.fold((0, 0u64), |(n, sum), size| {
        (n + 1, sum.saturating_add(size))
    });
    Have {
        marker: claim.marker,
        proofs,
        intact: None,
        files,
        bytes,
    }
}

/// Opens the destination, and makes it if it is missing: unless it must be a mount, which a directory that we
/// made is not.
fn open_or_make(begin: &Begin, limit: Option<&Path>) -> Result<Root, Failure> {
    let failed = |doing| move |error| Failure::io(FaultKind::Destination, doing, &error);
    let not_mounted = || Failure::new(FaultKind::NotMounted, "");
    let tree = match open_tree(&begin.destination, limit, !begin.require_mount) {
        Err(error) if begin.require_mount && error.kind() == io::ErrorKind::NotFound => {
            return Err(not_mounted());
        }
        opened => opened.map_err(failed("opening it"))?,
    };
    if begin.require_mount && !store::is_mount(&tree).map_err(failed("looking at it"))? {
        return Err(not_mounted());
    }
    Ok(tree)
}

/// Opens the destination, inside `limit` if there is one, and makes it if it is missing and `make` says
/// so.
pub(super) fn open_tree(path: &[u8], limit: Option<&Path>, make: bool) -> io::Result<Root> {
    let path = PathBuf::from(std::ffi::OsStr::from_bytes(path));
    let Some(limit) = limit else {
        if path.as_os_str().is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "no destination was named",
            ));
        }
        return if make {
            store::open_or_make(&path)
        } else {
            Root::open(&path)
        };
    };
    let below = match path.strip_prefix(limit) {
        Ok(below) => below,
        Err(_) if path.is_relative() => &path,
        Err(_) => {
            let outside = format!("outside of {}", limit.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, outside));
        }
    };
    let below = RelPath::parse(below.as_os_str().as_bytes()).map_err(io::Error::other)?;
    let root = if make {
        store::open_or_make(limit)?
    } else {
        Root::open(limit)?
    };
    store::open_below(&root, &below, make)
}
