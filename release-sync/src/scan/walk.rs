//! The first part of a scan: one look at every entry, directories in parallel.
//!
//! Each directory is a task of its own that lists it, sorts what it found and starts a task for each
//! directory in it. Tasks never wait for one another, so the stack stays flat however deep the tree,
//! and no descriptor is held while a task waits for its turn. At the end the listings are put together
//! in one pass; since each is sorted, nothing is sorted again.

use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::num::NonZeroU32;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::Scope;
use release_core::RelPath;
use rustix::fs::{FileType, RawDir, RawDirEntry};
use rustix::io::Errno;

use super::stat::{Place, Stat, stat_at, stat_fd};
use super::{Found, FoundKind, ScanOptions};
use crate::confine::Root;

/// Entries at the root that belong to us and to the file system, not to the tree.
const RESERVED: [&[u8]; 2] = [b".release", b"lost+found"];
/// Some hundred entries per call; more gains nothing.
const LISTING_BUFFER: usize = 32 << 10;
/// A link target with its NUL fits into this.
const TARGET_BUFFER: usize = 4096;

/// What the walk found, and what it could not list or did not enter.
pub(super) struct Walked {
    pub(super) found: Vec<Found>,
    pub(super) aside: Aside,
}

/// The rare things, in no order while the walk runs.
#[derive(Default)]
pub(super) struct Aside {
    pub(super) unreadable: Vec<(RelPath, io::Error)>,
    pub(super) specials: Vec<RelPath>,
    pub(super) mounts: Vec<RelPath>,
    pub(super) excluded_in: Vec<RelPath>,
    pub(super) linked: u64,
}

/// A directory's entries by name. Small, since all of them are held at once.
#[derive(Default)]
struct Listing {
    /// Names, each followed by its link target if it has one.
    text: Vec<u8>,
    children: Vec<Child>,
}

#[derive(Clone, Copy)]
struct Child {
    at: usize,
    name_length: u8,
    target_length: u16,
    /// Of a directory that is entered, the number of its listing.
    listing: Option<NonZeroU32>,
    stat: Stat,
}

impl Listing {
    fn name(&self, child: &Child) -> &[u8] {
        &self.text[child.at..][..child.name_length.into()]
    }

    fn target(&self, child: &Child) -> &[u8] {
        &self.text[child.at + usize::from(child.name_length)..][..child.target_length.into()]
    }

    fn add(
        &mut self,
        name: &[u8],
        target: &[u8],
        stat: Stat,
        listing: Option<NonZeroU32>,
    ) -> io::Result<()> {
        let too_long = |_| Errno::NAMETOOLONG;
        let child = Child {
            at: self.text.len(),
            name_length: name.len().try_into().map_err(too_long)?,
            target_length: target.len().try_into().map_err(too_long)?,
            listing,
            stat,
        };
        self.text.extend_from_slice(name);
        self.text.extend_from_slice(target);
        self.children.push(child);
        Ok(())
    }

    /// Sorts the entries, and moves them to where they take no more room than they need.
    fn finish(mut self) -> Self {
        let text = &self.text;
        let name = |child: &Child| &text[child.at..][..child.name_length.into()];
        self.children.sort_unstable_by(|a, b| name(a).cmp(name(b)));
        Self {
            text: self.text.as_slice().to_vec(),
            children: self.children.as_slice().to_vec(),
        }
    }
}

struct Walk<'a> {
    root: &'a Root,
    options: &'a ScanOptions<'a>,
    place: Place,
    next_listing: AtomicU32,
    listings: Mutex<Vec<(u32, Listing)>>,
    aside: Mutex<Aside>,
}

/// Walks the whole tree.
///
/// # Errors
/// Only those that concern the root: everything else is set aside.
pub(super) fn walk(root: &Root, options: &ScanOptions<'_>) -> io::Result<Walked> {
    let (stat, place) = stat_fd(root)?;
    let walk = Walk {
        root,
        options,
        place,
        next_listing: AtomicU32::new(1),
        listings: Mutex::default(),
        aside: Mutex::default(),
    };
    rayon::scope(|scope| walk.enter(scope, 0, RelPath::root()));
    options.check_cancelled()?;
    let number = walk.next_listing.into_inner() as usize;
    let mut listings = Vec::new();
    listings.resize_with(number, || None);
    for (id, listing) in into_inner(walk.listings) {
        listings[id as usize] = Some(listing);
    }
    let mut aside = into_inner(walk.aside);
    // Nothing else can have been set aside where not even the root was listed.
    if listings[0].is_none()
        && let Some((_, error)) = aside.unreadable.pop()
    {
        return Err(error);
    }
    // In the pool, where the listings were allocated: there the memory that they give back is used again.
    rayon::scope(|_| Ok(assemble(stat, listings, aside)))
}

impl Walk<'_> {
    /// The task of one directory.
    fn enter<'scope>(&'scope self, scope: &Scope<'scope>, id: u32, path: RelPath) {
        if self.options.is_cancelled() {
            return;
        }
        let listing = match self.list(&path) {
            Ok(listing) => listing,
            Err(error) => return self.aside().unreadable.push((path, error)),
        };
        let entries = listing.children.len() as u64;
        self.options
            .progress
            .entries
            .fetch_add(entries, Ordering::Relaxed);
        for child in &listing.children {
            // A path that gets too long is reported when the listings are put together.
            if let Some(id) = child.listing
                && let Ok(path) = path.join(listing.name(child))
            {
                scope.spawn(move |scope| self.enter(scope, id.get(), path));
            }
        }
        lock(&self.listings).push((id, listing));
    }

    fn list(&self, path: &RelPath) -> io::Result<Listing> {
        let directory = self.root.directory(path)?;
        let mut buffer = Vec::with_capacity(LISTING_BUFFER);
        let mut entries = RawDir::new(&directory, buffer.spare_capacity_mut());
        let mut listing = Listing::default();
        let mut excluded = false;
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") || (path.is_root() && RESERVED.contains(&name)) {
                continue;
            }
            match self.look(path, &directory, &entry, &mut listing) {
                Ok(Verdict::Kept) => {}
                Ok(Verdict::Excluded) => excluded = true,
                // Gone since its name was read: the tree does not have it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    let at = path.join(name).unwrap_or_else(|_| path.clone());
                    self.aside().unreadable.push((at, error));
                }
            }
        }
        if excluded {
            let mut aside = self.aside();
            aside.excluded_in.push(path.clone());
        }
        Ok(listing.finish())
    }

    /// Looks at one entry and adds it to the listing, unless it is excluded.
    fn look(
        &self,
        path: &RelPath,
        directory: impl AsFd + Copy,
        entry: &RawDirEntry<'_>,
        listing: &mut Listing,
    ) -> io::Result<Verdict> {
        let name = entry.file_name();
        let excludes = |file_type| self.excludes(path, name, file_type == FileType::Directory);
        let hint = entry.file_type();
        if hint != FileType::Unknown && excludes(hint) {
            return Ok(self.leave_out(path, name, hint));
        }
        let (stat, place) = stat_at(directory, name)?;
        self.root.effort().add(1);
        if hint != stat.file_type && excludes(stat.file_type) {
            return Ok(self.leave_out(path, name, stat.file_type));
        }
        let mut buffer = [const { MaybeUninit::uninit() }; TARGET_BUFFER];
        let target = match stat.file_type {
            FileType::Symlink => target_of(directory, name, &mut buffer)?,
            _ => &[],
        };
        let is_beyond = place.is_beyond(&self.place, stat.file_type);
        if is_beyond && let Ok(path) = path.join(name.to_bytes()) {
            self.aside().mounts.push(path);
        }
        if stat.file_type == FileType::RegularFile && stat.links > 1 {
            self.aside().linked += 1;
        }
        let id = match stat.file_type {
            FileType::Directory if !is_beyond => {
                NonZeroU32::new(self.next_listing.fetch_add(1, Ordering::Relaxed))
            }
            _ => None,
        };
        listing.add(name.to_bytes(), target, stat, id)?;
        Ok(Verdict::Kept)
    }

    /// Notes of what is excluded where it would not be, were it of another kind.
    fn leave_out(&self, path: &RelPath, name: &CStr, file_type: FileType) -> Verdict {
        let is_directory = file_type == FileType::Directory;
        if !self.excludes(path, name, !is_directory)
            && let Ok(path) = path.join(name.to_bytes())
        {
            self.aside().excluded_in.push(path);
        }
        Verdict::Excluded
    }

    fn excludes(&self, path: &RelPath, name: &CStr, is_directory: bool) -> bool {
        if self.options.filter.is_empty() {
            return false;
        }
        let path = match path.as_bytes() {
            b"" => name.to_bytes().to_vec(),
            directory => [directory, b"/", name.to_bytes()].concat(),
        };
        self.options.filter.excludes(&path, is_directory)
    }

    fn aside(&self) -> MutexGuard<'_, Aside> {
        lock(&self.aside)
    }
}

enum Verdict {
    Kept,
    Excluded,
}

fn target_of<'b>(
    directory: impl AsFd,
    name: &CStr,
    buffer: &'b mut [MaybeUninit<u8>; TARGET_BUFFER],
) -> io::Result<&'b [u8]> {
    match rustix::fs::readlinkat_raw(directory, name, buffer)? {
        (_, []) => Err(Errno::NAMETOOLONG.into()),
        (target, _) => Ok(target),
    }
}

/// A directory that is being put in its place.
struct Open {
    listing: Listing,
    /// Where the directory itself stands in the list.
    directory: usize,
    next: usize,
}

/// Puts the listings together: each directory is followed by all that is inside it.
fn assemble(root: Stat, mut listings: Vec<Option<Listing>>, mut aside: Aside) -> Walked {
    let listed = listings.iter().flatten();
    let total: usize = listed.map(|listing| listing.children.len()).sum();
    let mut found = Vec::with_capacity(1 + total);
    found.push(Found::new(RelPath::root(), &root, &[]));
    let mut open = Vec::new();
    let mut entered = Some(0);
    loop {
        if let Some(listing) = entered.take().and_then(|id: usize| listings[id].take()) {
            open.push(Open {
                listing,
                directory: found.len() - 1,
                next: 0,
            });
        }
        let Some(Open {
            listing,
            directory,
            next,
        }) = open.last_mut()
        else {
            break;
        };
        let Some(child) = listing.children.get(*next) else {
            open.pop();
            continue;
        };
        *next += 1;
        let holder: &RelPath = &found[*directory].path;
        match holder.join(listing.name(child)) {
            Ok(path) => {
                entered = child.listing.map(|id| id.get() as usize);
                let entry = Found::new(path, &child.stat, listing.target(child));
                if matches!(entry.kind, FoundKind::Special) {
                    aside.specials.push(entry.path.clone());
                }
                found.push(entry);
            }
            Err(_) => {
                let error = Errno::NAMETOOLONG.into();
                aside.unreadable.push((holder.clone(), error));
            }
        }
    }
    Walked { found, aside }
}

fn into_inner<T>(mutex: Mutex<T>) -> T {
    mutex.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whatever a task adds, it adds in one step.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
