//! One source, many hosts: one thread for each, and every piece of work done once for all.

mod gate;
mod pull;
mod reach;
mod slots;
mod visit;

use std::collections::HashSet;
use std::time::Instant;

use release_core::{Generation, ReleaseId};

pub use self::pull::pull;

use self::gate::Gate;
use self::reach::Agents;
use self::slots::Slots;
use self::visit::Visit;
use crate::filter::Filter;
use crate::pace::Pace;
use crate::session::Goal;
use crate::supply::{CACHE_BUDGET, PayloadCache};
use crate::wire::{MAX_PATTERNS, PATTERN_COST};
use crate::{
    Cancel, Error, Event, Host, HostPlan, HostProbe, HostReport, HostStatus, Monitor, Options,
    Report, Source,
};

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
            options.ssh_of(host)?;
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

    /// Makes every host's tree equal to the source: stages beside the current tree, verifies, commits.
    ///
    /// Hosts that are alike commit together ([`Options::together`]). One host's failure is that host's;
    /// it is in the report.
    pub fn push(&self, source: &Source, generation: Generation, monitor: &dyn Monitor) -> Report {
        let cache =
            source.root().try_clone().ok().map(|root| {
                PayloadCache::new(root, source.shared(), CACHE_BUDGET, self.hosts.len())
            });
        let run = Run {
            cache,
            ..self.run(generation, monitor)
        };
        let mut report = self.change(&Goal::Push(source.shared()), &run);
        report.release = Some(source.release());
        report
    }

    /// Sends every host back to the tree that its last commit displaced. Needs no source and no
    /// transfer. `generation` is that of this run: going back is a deploy too.
    pub fn undo(&self, generation: Generation, monitor: &dyn Monitor) -> Report {
        self.change(&Goal::Undo, &self.run(generation, monitor))
    }

    /// Finds out what each host has, and changes nothing. `verify` hashes every file anew.
    pub fn status(&self, verify: bool, monitor: &dyn Monitor) -> Vec<HostStatus> {
        self.look(monitor, |visit| visit.status(verify))
    }

    /// Finds out what [`push`](Self::push) would do to each host, and changes nothing. `itemize` lists
    /// every change.
    pub fn plan(&self, source: &Source, itemize: bool, monitor: &dyn Monitor) -> Vec<HostPlan> {
        let release = source.shared();
        self.look(monitor, |visit| visit.plan(&release, itemize))
    }

    /// Finds out whether each host can be reached and worked on, without looking at its tree.
    pub fn probe(&self, monitor: &dyn Monitor) -> Vec<HostProbe> {
        self.look(monitor, |visit| visit.probe())
    }

    fn run<'a>(&'a self, generation: Generation, monitor: &'a dyn Monitor) -> Run<'a> {
        Run {
            options: &self.options,
            cancel: &self.cancel,
            agents: Agents::default(),
            cache: None,
            pace: Pace::new(self.options.bwlimit_total, Instant::now()),
            generation,
            monitor,
        }
    }

    fn change(&self, goal: &Goal, run: &Run<'_>) -> Report {
        let started = Instant::now();
        let slots = Slots::new(self.options.parallel);
        let gate = Gate::new(self.hosts.len(), self.options.together);
        let hosts = self.each(|host| {
            let report = Visit::new(host, run).change(goal, &gate, &slots);
            run.monitor.event(Event::Finished { report: &report });
            report
        });
        Report {
            release: common_release(&hosts),
            generation: run.generation,
            hosts,
            work: run
                .cache
                .as_ref()
                .map(PayloadCache::work)
                .unwrap_or_default(),
            seconds: started.elapsed().as_secs_f64(),
        }
    }

    fn look<R: Send>(
        &self,
        monitor: &dyn Monitor,
        look: impl Fn(&Visit<'_>) -> R + Sync,
    ) -> Vec<R> {
        let slots = Slots::new(self.options.parallel);
        let run = self.run(Generation::default(), monitor);
        self.each(|host| {
            let _slot = slots.take();
            look(&Visit::new(host, &run))
        })
    }

    /// Runs something for each host, each in a thread of its own, and gives back what came of it in
    /// the order of the hosts.
    fn each<R: Send>(&self, run: impl Fn((usize, &Host)) -> R + Sync) -> Vec<R> {
        std::thread::scope(|scope| {
            let run = &run;
            let threads: Vec<_> = self
                .hosts
                .iter()
                .enumerate()
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

/// What all hosts of a run share.
struct Run<'a> {
    options: &'a Options,
    cancel: &'a Cancel,
    agents: Agents,
    /// Where answers come from; `None` where nothing may be asked for.
    cache: Option<PayloadCache>,
    /// The limit for all hosts together.
    pace: Pace,
    generation: Generation,
    monitor: &'a dyn Monitor,
}

impl Run<'_> {
    /// The limit for one host.
    fn pace_of_one(&self) -> Pace {
        Pace::new(self.options.bwlimit, Instant::now())
    }
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
    use crate::{Outcome, Reach, scan};

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

    #[test]
    fn a_tree_is_brought_from_a_host() {
        let remote = tempfile::tempdir().unwrap();
        let into = tempfile::tempdir().unwrap();
        std::fs::write(remote.path().join("file"), "content").unwrap();
        std::fs::write(into.path().join("gone"), "old").unwrap();
        let mut host = Host {
            name: String::from("host"),
            destination: remote.path().to_owned(),
            reach: Reach::Local,
        };
        let report = pull(&host, into.path(), &Options::default(), &());
        assert_eq!(report.outcome, Outcome::Committed, "{report:?}");
        let content = std::fs::read(into.path().join("file")).unwrap();
        assert_eq!(content, b"content");
        assert!(!into.path().join("gone").exists());
        let again = pull(&host, into.path(), &Options::default(), &());
        assert_eq!(again.outcome, Outcome::Unchanged, "{again:?}");

        host.destination.push("missing");
        let missing = pull(&host, into.path(), &Options::default(), &());
        assert!(
            matches!(missing.error, Some(Error::Supply { .. })),
            "{missing:?}"
        );
    }
}
