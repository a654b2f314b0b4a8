//! One source, many hosts: one thread for each, and every piece of work done once for all.

mod cancel;
mod drive;
mod encode;
mod gate;
mod level;
mod payload_cache;
mod reach;
mod slots;
mod source;
mod visit;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use release_core::{Generation, ReleaseId};

pub use self::cancel::Cancel;
pub use self::source::{Source, scan};

use self::gate::Gate;
use self::payload_cache::PayloadCache;
use self::reach::Agents;
use self::slots::Slots;
use self::visit::Visit;
use crate::filter::Filter;
use crate::session::Goal;
use crate::{
    Error, Event, Host, HostPlan, HostProbe, HostReport, HostStatus, Monitor, Options, Reach,
    Report,
};

/// Frames of payload that are kept in memory, in bytes; more of them go to a file.
const CACHE_BUDGET: usize = 256 << 20;

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
        let mut names = HashSet::new();
        for host in &hosts {
            if !names.insert(host.name.as_str()) {
                return Err(Error::DoubledHost(host.name.clone()));
            }
            if matches!(host.reach, Reach::Ssh(_)) && options.ssh.is_none() {
                return Err(Error::NoSshOptions(host.name.clone()));
            }
        }
        Filter::new(&options.exclude)?;
        Filter::new(&options.protect)?;
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
    ///
    /// One host's failure is that host's; it is in the report. Hosts that could not stage are not
    /// waited for longer than [`Options::silence`].
    pub fn push(&self, source: &Source, generation: Generation, monitor: &dyn Monitor) -> Report {
        let started = Instant::now();
        let cache = source.root.try_clone().ok().map(|root| {
            let release = Arc::clone(&source.release);
            PayloadCache::new(root, release, CACHE_BUDGET, self.hosts.len())
        });
        let goal = Goal::Push(Arc::clone(&source.release));
        let hosts = self.visit_all(&goal, cache.as_ref(), generation, monitor);
        let seconds = started.elapsed().as_secs_f64();
        Report {
            release: Some(source.release()),
            generation,
            hosts,
            seconds,
        }
    }

    /// Finds out what each host has, and changes nothing. `verify` hashes every file anew.
    pub fn status(&self, verify: bool, monitor: &dyn Monitor) -> Vec<HostStatus> {
        let slots = Slots::new(self.options.parallel);
        let agents = Agents::default();
        self.each(|host| {
            let _slot = slots.take();
            Visit::new(host, self, &agents, monitor).inspect(verify)
        })
    }

    /// Finds out what [`push`](Self::push) would do to each host, and changes nothing. `itemize` lists
    /// every change.
    pub fn plan(&self, source: &Source, itemize: bool, monitor: &dyn Monitor) -> Vec<HostPlan> {
        let _ = (source, itemize, monitor);
        unimplemented!()
    }

    /// Finds out whether each host can be reached and worked on, without looking at its tree.
    pub fn probe(&self, monitor: &dyn Monitor) -> Vec<HostProbe> {
        let _ = monitor;
        unimplemented!()
    }

    /// Sends every host back to the tree that its last commit displaced. Needs no source and no
    /// transfer. `generation` is that of this run: going back is a deploy too.
    pub fn undo(&self, generation: Generation, monitor: &dyn Monitor) -> Report {
        let started = Instant::now();
        let hosts = self.visit_all(&Goal::Undo, None, generation, monitor);
        let release = common_release(&hosts);
        Report {
            release,
            generation,
            hosts,
            seconds: started.elapsed().as_secs_f64(),
        }
    }

    fn visit_all(
        &self,
        goal: &Goal,
        cache: Option<&PayloadCache>,
        generation: Generation,
        monitor: &dyn Monitor,
    ) -> Vec<HostReport> {
        let slots = Slots::new(self.options.parallel);
        let gate = Gate::new(self.hosts.len());
        let agents = Agents::default();
        self.each(|host| {
            let visit = Visit::new(host, self, &agents, monitor);
            let report = visit.change(goal, cache, generation, &gate, &slots);
            monitor.event(Event::Finished { report: &report });
            report
        })
    }

    /// Runs something for each host, each in a thread of its own, and gives back what came of it in
    /// the order of the hosts.
    fn each<R: Send>(&self, run: impl Fn(&Host) -> R + Sync) -> Vec<R> {
        std::thread::scope(|scope| {
            let run = &run;
            let threads: Vec<_> = self
                .hosts
                .iter()
                .map(|host| scope.spawn(move || run(host)))
                .collect();
            threads
                .into_iter()
                .map(|thread| {
                    thread
                        .join()
                        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                })
                .collect()
        })
    }
}

/// Makes a local directory equal to a tree on a host: a push with the roles exchanged. The host's
/// `destination` is the tree that is read; nothing is changed there. `into` is made if it is missing.
pub fn pull(
    host: &Host,
    into: &std::path::Path,
    options: &Options,
    monitor: &dyn Monitor,
) -> HostReport {
    let _ = (host, into, options, monitor);
    unimplemented!()
}

fn common_release(hosts: &[HostReport]) -> Option<ReleaseId> {
    let first = hosts.iter().find_map(|host| host.release)?;
    hosts
        .iter()
        .all(|host| host.release.is_none_or(|own| own == first))
        .then_some(first)
}
