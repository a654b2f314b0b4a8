//! The destination as a session finds it.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use release_core::{Manifest, Marker, Proof, ProofClass, RelPath, ReleaseId};

use super::fault::Failure;
use super::streams::Sender;
use crate::confine::Root;
use crate::filter::Filter;
use crate::plan::Owners;
use crate::scan::{Names, Scan, ScanOptions, Written, scan_tree};
use crate::store::{self, Lock, Store, Undo};
use crate::tree::FoundKind;
use crate::wire::{Begin, FaultKind, Have, Purpose, Settled, Staged, ToController, Welcome};

/// A destination that was opened, locked and scanned.
pub(super) struct Destination {
    pub(super) begin: Begin,
    pub(super) store: Store,
    pub(super) scan: Scan,
    pub(super) filter: Filter,
    pub(super) names: Names,
    /// What the tree claims to be.
    pub(super) marker: Option<Marker>,
    /// What it is; `None` where something can't be read.
    pub(super) observed: Option<Manifest>,
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
        let filter = filter_of(&begin)?;
        let tree = open_tree(&begin.destination, limit, true).map_err(unusable("opening it"))?;
        if begin.require_mount && !store::is_mount(&tree).map_err(unusable("looking at it"))? {
            return Err(Failure::new(FaultKind::NotMounted, ""));
        }
        let welcome = welcome(Some(&tree));
        let store = Store::open(tree).map_err(unusable("making .release in it"))?;
        let lock = Lock::take(&store.private, &begin.holder)?;
        let marker = store.marker().map_err(unusable("reading its marker"))?;
        if let Some((marker, _)) = marker
            && marker.generation > begin.generation
            && begin.purpose == Purpose::Push
        {
            return Err(Failure::new(FaultKind::Fenced(marker.generation), ""));
        }
        let superuser = welcome.superuser;
        sender.send(&ToController::Welcome(welcome));
        let names = names_of(&begin, &store);
        let scan =
            observe(&begin, Some(&store), &store.tree, &filter).map_err(unusable("scanning it"))?;
        let observed = scan.manifest(&names).ok();
        sender.send(&ToController::Have(have(
            &scan,
            observed.as_ref(),
            superuser,
            marker,
        )));
        let marker = marker.map(|(marker, _)| marker);
        Ok(Self {
            begin,
            store,
            scan,
            filter,
            names,
            marker,
            observed,
            superuser,
            _lock: lock,
        })
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
            notes: Vec::new(),
        }
    }

    /// The class in which this tree, which is the release but perhaps for owners, shows it.
    pub(super) fn proof_of(&self, release: ReleaseId, observed: &Manifest) -> Proof {
        let full = observed.proof(ProofClass::Full);
        if self.superuser || full.digest == *release.digest() {
            full
        } else {
            observed.proof(ProofClass::WithoutOwner)
        }
    }

    /// Notes that the tree is the release by this deploy, too.
    pub(super) fn confirm(&self, release: ReleaseId) -> Result<Settled, Failure> {
        let observed = self.observed.as_ref().ok_or_else(|| {
            Failure::new(
                FaultKind::Internal,
                "the tree was said to be the release, but is unread",
            )
        })?;
        self.record(release, observed, &self.scan)
            .map_err(|error| Failure::io(FaultKind::Destination, "writing the marker", &error))?;
        let proof = self.proof_of(release, observed);
        Ok(Settled {
            proof,
            deleted: 0,
            notes: Vec::new(),
        })
    }

    /// Writes down what the tree is: manifest and index where they differ from what is there, and then
    /// the marker, which claims it.
    pub(super) fn record(
        &self,
        release: ReleaseId,
        manifest: &Manifest,
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
        if self.marker.map(|marker| marker.release) != Some(release) {
            self.store.set_manifest(manifest)?;
        }
        if self.marker != Some(marker) {
            self.store.set_marker(&marker)?;
        }
        Ok(())
    }

    /// The tree that the last commit displaced.
    pub(super) fn undo_manifest(&self) -> Result<Manifest, Failure> {
        Undo::last(&self.store)
            .map_err(|error| Failure::io(FaultKind::Destination, "reading the undo", &error))?
            .ok_or_else(|| Failure::new(FaultKind::NoUndo, ""))
    }
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

pub(super) fn filter_of(begin: &Begin) -> Result<Filter, Failure> {
    let patterns: Vec<String> = begin
        .exclude
        .iter()
        .chain(&begin.protect)
        .cloned()
        .collect();
    Filter::new(&patterns).map_err(|error| Failure::new(FaultKind::Protocol, error.to_string()))
}

/// Names of users and groups. Numbers that the last release's owners have here are called by its names,
/// so that its digest comes out again.
pub(super) fn names_of(begin: &Begin, store: &Store) -> Names {
    let mut names = Names::system(begin.numeric_owner);
    if let Ok(Some(bytes)) = store.manifest()
        && let Ok((users, groups)) = Manifest::decode_principals(&bytes)
    {
        names.prefer(&users, &groups);
    }
    names
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

pub(super) fn have(
    scan: &Scan,
    observed: Option<&Manifest>,
    superuser: bool,
    marker: Option<(Marker, i64)>,
) -> Have {
    let classes: &[ProofClass] = if superuser {
        &[ProofClass::Full]
    } else {
        &[ProofClass::Full, ProofClass::WithoutOwner]
    };
    let proofs = observed
        .map(|manifest| classes.iter().map(|&class| manifest.proof(class)).collect())
        .unwrap_or_default();
    let sizes = scan.found.iter().filter_map(|found| match found.kind {
        FoundKind::File { size, .. } => Some(size),
        _ => None,
    });
    let (files, bytes) = sizes.fold((0, 0u64), |(n, sum), size| {
        (n + 1, sum.saturating_add(size))
    });
    Have {
        marker,
        proofs,
        intact: None,
        files,
        bytes,
    }
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
