//! One source, many hosts: one thread for each, and every piece of work done once for all.

mod gate;
mod held;
mod pull;
mod reach;
mod slots;
mod visit;

use std::borrow::Borrow;
use std::collections::HashSet;
use std::thread::ScopedJoinHandle;
use std::time::Instant;

use release_core::{Generation, ReleaseId};

pub use self::pull::pull;

use self::gate::Gate;
use self::held::Held;
use self::reach::Means;
use self::slots::Slots;
use self::visit::Visit;
use crate::filter::Filter;
use crate::pace::Pace;
use crate::session::Goal;
use crate::supply::{Awaited, PayloadCache, Supplied};
use crate::wire::{MAX_PATTERNS, PATTERN_COST};
use crate::{
    Cancel, Error, Event, Hold, Host, HostPlan, HostProbe, HostReport, HostStatus, Monitor,
    Options, Report, Source,
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
        check(&options)?;
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
        let run = Run {
            awaited: Awaited::known(Supplied::of(source, self.hosts.len())),
            ..self.run(generation, &self.cancel, monitor)
        };
        let mut report = self.change(&Goal::Await, &run);
        report.release = Some(source.release());
        report
    }

    /// Makes every host's tree equal to a source that is only looked for when the hosts are being reached
    /// already: `prepare` finds it, as a rule by [`scan`](crate::scan), at the same time as hosts are
    /// connected to and scan their trees. Where both sides take equally long, that takes half the time.
    ///
    /// Until `prepare` has returned, nothing is changed on any host, but that its destination is made and
    /// locked; and the monitor hears nothing of hosts. So `prepare` can refuse what it finds, write down
    /// what will happen, and tell that it begins. Its error ends the run.
    pub fn push_when_ready<E>(
        &self,
        generation: Generation,
        monitor: &dyn Monitor,
        prepare: impl FnOnce() -> Result<Source, E>,
    ) -> Result<(Source, Report), E> {
        let gate = Gate::new(self.hosts.len(), self.options.together);
        self.push_through(&gate, generation, monitor, prepare)
    }

    /// As [`push_when_ready`](Self::push_when_ready), but no host commits before `hold` is released. A host
    /// that waits has told [`HostState::Staged`](crate::HostState::Staged), and keeps its session; if it
    /// loses that, it connects anew and finds what it has staged.
    ///
    /// To give up what is held, [cancel](Self::cancel_handle) the run. `prepare` may keep the source, and
    /// return what borrows it.
    pub fn push_held<S: Borrow<Source>, E>(
        &self,
        hold: &Hold,
        generation: Generation,
        monitor: &dyn Monitor,
        prepare: impl FnOnce() -> Result<S, E>,
    ) -> Result<(S, Report), E> {
        self.push_through(&Gate::held(hold), generation, monitor, prepare)
    }

    fn push_through<S: Borrow<Source>, E>(
        &self,
        gate: &Gate,
        generation: Generation,
        monitor: &dyn Monitor,
        prepare: impl FnOnce() -> Result<S, E>,
    ) -> Result<(S, Report), E> {
        // This run's own, since a fleet that was cancelled stays so.
        let cancel = Cancel::default();
        let stop = cancel.clone();
        let _listening = self.cancel.listen(move || stop.cancel());
        let held = Held::new(monitor);
        let run = self.run(generation, &cancel, &held);
        std::thread::scope(|scope| {
            let hosts = scope.spawn(|| self.change_through(gate, &Goal::Await, &run));
            let unprepared = Unprepared(&run, &held);
            let prepared = prepare()?;
            let source: &Source = prepared.borrow();
            std::mem::forget(unprepared);
            held.release();
            run.awaited.fulfil(Supplied::of(source, self.hosts.len()));
            let mut report = joined(hosts);
            report.release = Some(source.release());
            Ok((prepared, report))
        })
    }

    /// Sends every host back to the tree that its last commit displaced. Needs no source and no
    /// transfer. `generation` is that of this run: going back is a deploy too.
    pub fn undo(&self, generation: Generation, monitor: &dyn Monitor) -> Report {
        self.go_back(None, None, generation, monitor)
    }

    /// As [`undo`](Self::undo), but only hosts whose marker names `release` go back from it. A host that
    /// has another one went back before, or was never there; it stays as it is, and shows what it is. So
    /// this can be asked for again after a run whose end was not seen, where `undo` would turn round what
    /// had gone back.
    pub fn undo_from(
        &self,
        release: ReleaseId,
        generation: Generation,
        monitor: &dyn Monitor,
    ) -> Report {
        self.go_back(Some(release), None, generation, monitor)
    }

    /// As [`undo_from`](Self::undo_from), but a host that would come to another release than `to`, or is
    /// neither of both, is not touched: that is its [error](Error::OtherUndo).
    pub fn undo_to(
        &self,
        to: ReleaseId,
        from: ReleaseId,
        generation: Generation,
        monitor: &dyn Monitor,
    ) -> Report {
        self.go_back(Some(from), Some(to), generation, monitor)
    }

    fn go_back(
        &self,
        from: Option<ReleaseId>,
        to: Option<ReleaseId>,
        generation: Generation,
        monitor: &dyn Monitor,
    ) -> Report {
        let run = self.run(generation, &self.cancel, monitor);
        self.change(&Goal::Undo { from, to }, &run)
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

    fn run<'a>(
        &'a self,
        generation: Generation,
        cancel: &'a Cancel,
        monitor: &'a dyn Monitor,
    ) -> Run<'a> {
        Run {
            options: &self.options,
            cancel,
            means: Means::to_work(),
            awaited: Awaited::default(),
            pace: Pace::new(self.options.bwlimit_total, Instant::now()),
            generation,
            monitor,
        }
    }

    fn change(&self, goal: &Goal, run: &Run<'_>) -> Report {
        let gate = Gate::new(self.hosts.len(), self.options.together);
        self.change_through(&gate, goal, run)
    }

    fn change_through(&self, gate: &Gate, goal: &Goal, run: &Run<'_>) -> Report {
        let started = Instant::now();
        let slots = Slots::new(self.options.parallel, run.cancel);
        let hosts = self.each(|host| {
            // A host's time begins when its turn comes.
            let place = slots.take();
            let report = Visit::new(host, run).change(goal, gate, &slots, place);
            run.monitor.event(Event::Finished { report: &report });
            report
        });
        Report {
            release: common_release(&hosts),
            generation: run.generation,
            hosts,
            work: run
                .awaited
                .cache()
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
        let slots = Slots::new(self.options.parallel, &self.cancel);
        let run = Run {
            means: Means::to_look(),
            ..self.run(Generation::default(), &self.cancel, monitor)
        };
        self.each(|host| {
            // Without a place there is a cancelled run, which ends by itself.
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
            threads.into_iter().map(joined).collect()
        })
    }
}

/// What came of a thread. Its panic is ours.
fn joined<R>(thread: ScopedJoinHandle<'_, R>) -> R {
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Ends a run whose source is not found, when it is dropped.
struct Unprepared<'a>(&'a Run<'a>, &'a Held<'a>);

impl Drop for Unprepared<'_> {
    fn drop(&mut self) {
        self.0.cancel.cancel();
        self.1.discard();
    }
}

/// Refuses options with which no host could be served.
fn check(options: &Options) -> Result<(), Error> {
    check_patterns(options)?;
    match (options.silence, Options::LEAST_SILENCE) {
        (silence, least) if silence < least => Err(Error::Impatience { silence, least }),
        _ => Ok(()),
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
    means: Means,
    /// What is given out; nothing where nothing is.
    awaited: Awaited,
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
mod tests;
