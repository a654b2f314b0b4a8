//! One source, many hosts.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use release_core::{Generation, Manifest, ReleaseId};

use crate::{Error, Host, HostStatus, Monitor, Options, Report};

/// A tree that was scanned and can be given out.
#[derive(Debug)]
pub struct Source {
    directory: PathBuf,
    manifest: Manifest,
    release: ReleaseId,
}

impl Source {
    /// The directory that was scanned.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// All entries.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What the tree is.
    pub fn release(&self) -> ReleaseId {
        self.release
    }
}

/// Walks a source tree in parallel and finds out what it is: digests that are known from an earlier
/// scan and whose files were not touched since are taken from the index, everything else is read.
pub fn scan(source: &Path, options: &Options, monitor: &dyn Monitor) -> Result<Source, Error> {
    let _ = (source, options, monitor);
    unimplemented!()
}

/// Stops a run from another thread: no further commits, agents abort, temporary files go.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Asks the run to stop. Returns at once.
    pub fn cancel(&self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

/// The hosts of a run, and how it is to be done.
#[derive(Debug)]
pub struct Fleet {
    hosts: Vec<Host>,
    options: Options,
    cancel: Cancel,
}

impl Fleet {
    /// Checks names, patterns and options.
    pub fn new(hosts: Vec<Host>, options: Options) -> Result<Self, Error> {
        Ok(Self {
            hosts,
            options,
            cancel: Cancel::default(),
        })
    }

    /// A handle that stops whatever this fleet is doing.
    pub fn cancel_handle(&self) -> Cancel {
        self.cancel.clone()
    }

    /// Makes every host's tree equal to the source: stages everywhere, then commits everywhere.
    /// One host's failure is that host's; it is in the report.
    pub fn push(&self, source: &Source, generation: Generation, monitor: &dyn Monitor) -> Report {
        let _ = (source, generation, monitor, &self.hosts, &self.options);
        unimplemented!()
    }

    /// Finds out what each host has, and changes nothing. `verify` hashes every file anew.
    pub fn status(&self, verify: bool, monitor: &dyn Monitor) -> Vec<HostStatus> {
        let _ = (verify, monitor);
        unimplemented!()
    }

    /// Sends every host back to the tree that the last commit displaced. Needs no source and no
    /// transfer. `generation` is that of this run: going back is a deploy too.
    pub fn undo(&self, generation: Generation, monitor: &dyn Monitor) -> Result<Report, Error> {
        let _ = (generation, monitor);
        unimplemented!()
    }
}
