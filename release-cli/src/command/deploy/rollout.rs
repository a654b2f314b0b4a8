//! A deploy with a cloud, from the lock to the last word: all of what `docs/race.md` speaks of.

use std::time::Instant;

use jiff::Timestamp;
use release_core::Pointer;
use release_core::deploy::{self, Ending, Event};
use release_sync::{Fleet, Generation, Report, Source};

use super::conductor::{Conductor, Means};
use super::outcomes;
use crate::args::DeployArgs;
use crate::command::desk::{Deadline, Desk, Watch, check_places, harmless_path};
use crate::context::{File, Rollout};
use crate::exit::{Aim, Exit, Verdict};
use crate::failure::Failure;
use crate::snapshot::{Pace, Snapshots, SourceVolume, generations};
use crate::state::{self, DeployLock, Places, State, Unfinished};

pub(super) fn run(args: &DeployArgs, file: &File, desk: &Desk) -> Result<Exit, Failure> {
    let begin = Instant::now();
    let environment = &desk.environment;
    let mut rollout = file.rollout(args, environment)?;
    // Made first, since it checks what was configured: nothing is waited for in vain.
    Fleet::new(rollout.fixed.clone(), rollout.job.options.clone())?;
    check_places(&rollout.fixed)?;
    let state = State::open(&rollout.job.state)?;
    let lock = desk.lock(&state, Deadline::after(rollout.job.lock_wait))?;
    if args.retry_failed && !retain_failed(desk, &state, &mut rollout)? {
        return Ok(Exit::Done);
    }
    let (cloud, job) = (&rollout.cloud, &rollout.job);
    let publisher = desk.publisher(&job.publication)?;
    let current = publisher.current()?;
    desk.clean_up(cloud, &state, &lock, current.as_ref())?;
    let volume = SourceVolume::find(cloud, &job.source, &job.snapshots.volume)?;
    let source = desk.scan(&job.source, &job.options)?;
    let resumed = to_resume(&state, current.as_ref(), &source)?;
    let generation = match &resumed {
        Some(unfinished) => unfinished.generation,
        None => {
            let seen = generations(cloud, &volume.fleet)?;
            let seen = seen
                .into_iter()
                .chain(current.as_ref().map(|it| it.generation));
            let generation = lock.allocate_after(seen)?;
            source.mark(generation)?;
            generation
        }
    };
    let who = environment.operator();
    let snapshots = Snapshots {
        cloud,
        state: &state,
        lock: &lock,
        screen: &*desk.screen,
        interrupts: &desk.interrupts,
        settings: &job.snapshots,
        volume: &volume,
        who: &who,
        generation,
        pace: Pace::default(),
    };
    let from = harmless_path(&job.source);
    let means = Means {
        desk,
        rollout: &rollout,
        lock: &lock,
        publisher: &publisher,
        snapshots: &snapshots,
        source: &source,
        from: &from,
        watch: Watch::new(&*desk.screen),
    };
    let now = crate::cloud::now();
    let fixed = means.fixed().map(|host| host.name.clone());
    let machine = match &resumed {
        Some(unfinished) => {
            desk.screen.note(&format!(
                "the deploy of generation {generation} by {} is resumed: it was published, and its hosts are \
                 caught up with",
                release_core::escape(unfinished.by.as_bytes())
            ));
            deploy::Deploy::resumed(rollout.rules, fixed, now)
        }
        None => deploy::Deploy::new(rollout.rules, fixed),
    };
    let pointer = resumed.and(current);
    let played = Conductor::new(&means, machine, pointer).play();
    let end = End {
        begin,
        generation,
        means,
        lock: &lock,
    };
    end.tell(played)
}

/// A deploy that was published and then cut off goes on, if it is the same release; any other takes its place.
fn to_resume(
    state: &State,
    current: Option<&Pointer>,
    source: &Source,
) -> Result<Option<Unfinished>, Failure> {
    let unfinished = state.unfinished()?;
    Ok(unfinished.filter(|it| {
        let is_current = current.is_some_and(|pointer| pointer.generation == it.generation);
        is_current && it.published.is_some() && it.release == source.release()
    }))
}

/// Leaves the hosts whose last deploy did not end well; `false` if there are none.
fn retain_failed(desk: &Desk, state: &State, rollout: &mut Rollout) -> Result<bool, Failure> {
    // Instances are looked up first: where a release lands there belongs to what is remembered of them.
    let members = match rollout.rules.has_groups {
        true => rollout.route.list(&rollout.cloud)?.members,
        false => Vec::new(),
    };
    let instances = members.iter();
    let instances = instances.filter_map(|member| rollout.route.host(&rollout.cloud, member));
    let instances: Vec<_> = instances.collect();
    let fates = state.fates(&Places::of(rollout.fixed.iter().chain(&instances)))?;
    let fates = fates.ok_or_else(|| Failure::NoLastDeploy(state.directory().to_owned()))?;
    let failed = fates.into_iter().filter(|(_, fate)| !fate.well);
    let failed = failed.map(|(host, _)| host);
    let wanted = |host: &String| rollout.only.is_empty() || rollout.only.contains(host);
    rollout.only = failed.filter(wanted).collect();
    if rollout.only.is_empty() {
        desk.screen
            .note("no host's last deploy failed: there is nothing to try again");
    }
    Ok(!rollout.only.is_empty())
}

/// What was played, before anybody heard of it.
pub(super) struct Played {
    pub(super) machine: deploy::Deploy<String>,
    /// Where the hosts are that something could be done about.
    pub(super) places: Places,
    pub(super) reports: Vec<release_sync::HostReport>,
    pub(super) ending: Ending,
    /// Why it ended so, apart from what happened on hosts.
    pub(super) failure: Option<Failure>,
    /// Was everything done that comes after the publication and has nothing to do with hosts?
    pub(super) is_tidy: bool,
    /// May the record of what is unfinished go, once all is written down?
    pub(super) is_settled: bool,
    pub(super) was_started: bool,
    pub(super) pointer: Option<Pointer>,
}

struct End<'a> {
    begin: Instant,
    generation: Generation,
    means: Means<'a>,
    lock: &'a DeployLock<'a>,
}

impl End<'_> {
    fn tell(self, played: Played) -> Result<Exit, Failure> {
        let desk = self.means.desk;
        if !played.was_started {
            return Err(played.failure.unwrap_or(Failure::Interrupted));
        }
        let release = self.means.source.release();
        let is_interrupted = desk.interrupts.interrupted();
        let report = Report {
            release: Some(release),
            generation: self.generation,
            hosts: outcomes::of(played.machine.fates(), played.reports, is_interrupted),
            work: release_sync::Work::default(),
            seconds: self.begin.elapsed().as_secs_f64(),
        };
        super::learn_generation(desk, self.lock, &report);
        if let Some(failure) = &played.failure {
            desk.screen.failed(failure);
        }
        let (from, who) = (self.means.from, self.means.snapshots.who);
        let begun = self.means.watch.begun();
        let verdict = Verdict::of(Aim::Push, is_interrupted, &report, &begun);
        let is_changed = played.machine.has_committed() || played.pointer.is_some();
        let is_whole = played.ending == Ending::Complete && played.is_tidy;
        let verdict = verdict.with(played.failure.as_ref(), is_changed, is_whole);
        let deploy = state::Deploy {
            release,
            generation: self.generation,
            source: from,
            by: who,
            snapshot: played.pointer.as_ref().map(|pointer| &pointer.snapshot),
            exclude: &self.means.rollout.job.options.exclude,
        };
        let now = Timestamp::now();
        let written = self.lock.end(deploy, &played.places, &report, verdict, now);
        let written = written.and_then(|()| match played.is_settled {
            true => self.lock.clear_unfinished(),
            false => Ok(()),
        });
        if let Err(failure) = written {
            // The hosts are what they are, whether it can be written down or not.
            desk.screen.failed(&failure);
        }
        let exit = desk.finish(&report, verdict);
        if played.machine.has_committed() && played.pointer.is_none() {
            let directory = harmless_path(&self.means.rollout.job.publication.directory);
            desk.screen.note(&format!(
                "warning: nothing was published: hosts have what the pointer in {directory} does not name, and \
                 new instances start with what it names; the next deploy publishes"
            ));
        }
        Ok(exit)
    }
}

/// An event of the machine, told by whoever did what it is about.
pub(super) type Tiding = Event<String>;
