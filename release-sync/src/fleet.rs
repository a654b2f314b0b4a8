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
use crate::wire::{MAX_PATTERNS, PATTERN_COST};
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
        check_patterns(&options)?;
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

/// Hosts are told both lists in one message, and make one filter of them.
fn check_patterns(options: &Options) -> Result<(), Error> {
    let patterns = [&options.exclude[..], &options.protect].concat();
    let bytes: usize = patterns
        .iter()
        .map(|pattern| pattern.len() + PATTERN_COST)
        .sum();
    if bytes > MAX_PATTERNS {
        return Err(Error::Pattern {
            pattern: format!("({} patterns)", patterns.len()),
            reason: format!("together they are longer than {} KiB", MAX_PATTERNS >> 10),
        });
    }
    Filter::new(&patterns).map(|_| ())
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::Outcome;

    fn excluding(count: usize, length: usize) -> Options {
        let pattern = |number| format!("/{number:0>length$}", length = length - 1);
        Options {
            exclude: (0..count).map(pattern).collect(),
            ..Options::default()
        }
    }

    #[test]
    fn long_lists_of_patterns_reach_a_host() {
        let source = tempfile::tempdir().unwrap();
        let destination = tempfile::tempdir().unwrap();
        std::fs::write(source.path().join("file"), "content").unwrap();
        std::fs::write(
            destination.path().join("0000000000000000000000000001499"),
            "",
        )
        .unwrap();
        let host = Host {
            name: String::from("host"),
            destination: destination.path().to_owned(),
            reach: Reach::Local,
        };
        let fleet = Fleet::new(vec![host], excluding(3000, 32)).unwrap();
        let source = scan(source.path(), &fleet.options, &()).unwrap();
        let report = fleet.push(&source, Generation::new(1), &());
        assert_eq!(report.hosts[0].outcome, Outcome::Committed, "{report:?}");
        assert_eq!(
            std::fs::read(destination.path().join("file")).unwrap(),
            b"content"
        );
        let excluded = destination.path().join("0000000000000000000000000001499");
        assert!(excluded.exists(), "it is neither sent nor deleted");
    }

    #[test]
    fn longer_lists_than_a_message_holds_are_refused_at_once() {
        let mut options = excluding(400, 1000);
        options.protect = excluding(200, 1000).exclude;
        match Fleet::new(Vec::new(), options) {
            Err(Error::Pattern { pattern, reason }) => {
                assert_eq!(pattern, "(600 patterns)");
                assert!(reason.contains("longer than 512 KiB"), "{reason}");
            }
            other => panic!("{other:?}"),
        }
    }
}
