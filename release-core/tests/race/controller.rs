//! The deploy's process: the machine, and what is under way of what it asked for.

use std::collections::BTreeSet;

use release_core::cloud::Standing;
use release_core::deploy::{
    Attempt, Deploy, Ending, Event, Fate, Publication, Rules, Sighting, Step,
};
use release_core::{Moment, Order, Share};

use crate::TICK;
use crate::instance::{Instance, Tree};
use crate::model::{Race, Weakness};
use crate::things::{Gen, moment};
use crate::world::{Record, Report, Snapshot, World};

/// How long a list may lag, in ticks.
pub(crate) const LAG: u8 = 1;
/// Ticks from a launch to the last look at the pointer.
pub(crate) const BOOT: u8 = 2;

/// Ticks from the publication to the end of patience.
pub(crate) const DEADLINE: u8 = 2;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Controller {
    pub(crate) deploy: Deploy<usize>,
    generation: Gen,
    /// What is under way, in an order that says nothing.
    pub(crate) jobs: BTreeSet<Job>,
    may_commit: bool,
    is_stopped: bool,
    pub(crate) ending: Option<Ending>,
}

/// Something under way, and how far it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Job {
    List {
        begun: u8,
    },
    Stage(Visit),
    Push(Visit),
    Snapshot(Freeze),
    Await,
    Record,
    Publish,
    /// The pointer is out since that tick, and its snapshot does not say so yet.
    Tag {
        at: u8,
    },
    Discard,
    Forget,
    Retain,
}

/// A connection with a host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Visit {
    pub(crate) host: usize,
    pub(crate) tree: Option<Tree>,
}

/// How far a freeze is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Freeze {
    Begin,
    Frozen,
    Asked,
}

/// How a job goes on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Turn {
    /// As it should.
    Well,
    /// It fails, now.
    Fail,
    /// A list shows these instances, each as it is told.
    Show(Vec<(usize, Standing)>),
}

pub(crate) fn rules(race: &Race) -> Rules {
    let settle = match race.weakness {
        Some(Weakness::NoSettle) => 0,
        _ => LAG,
    };
    let boot = match race.weakness {
        Some(Weakness::EarlyProofs) => 0,
        _ => BOOT,
    };
    Rules {
        has_groups: true,
        order: match race.snapshot_first {
            true => Order::SnapshotFirst,
            false => Order::PushFirst,
        },
        max_failures: Share::Percent(100),
        snapshots: 2,
        settle: TICK * u32::from(settle),
        boot_deadline: TICK * u32::from(boot),
        deadline: TICK * u32::from(DEADLINE),
        pause: TICK,
    }
}

impl World {
    /// Somebody begins a deploy, or begins one anew.
    pub(crate) fn start(&mut self, race: &Race) {
        // What every command does first.
        self.server.is_frozen = false;
        self.server.has_watchdog = false;
        self.clean_up();
        let published = self.server.record.as_ref().map(|record| record.generation);
        let now = moment(self.tick);
        let (deploy, generation) = match published {
            Some(generation) if generation == self.shared.pointer => {
                (Deploy::resumed(rules(race), [], now), generation)
            }
            _ => {
                self.server.generation += 1;
                (Deploy::new(rules(race), []), self.server.generation)
            }
        };
        self.controller = Some(Controller {
            deploy,
            generation,
            jobs: BTreeSet::new(),
            may_commit: false,
            is_stopped: false,
            ending: None,
        });
        self.go_on();
    }

    /// Snapshots that a dead deploy left.
    fn clean_up(&mut self) {
        for generation in std::mem::take(&mut self.server.begun) {
            if generation == self.shared.pointer {
                self.shared
                    .snapshots
                    .get_mut(&generation)
                    .unwrap()
                    .is_tagged = true;
            } else {
                self.shared.snapshots.remove(&generation);
            }
        }
    }

    /// The process dies. Whoever was told to commit may do so all the same.
    pub(crate) fn crash(&mut self, commits: bool) {
        let Some(controller) = self.controller.take() else {
            return;
        };
        for job in &controller.jobs {
            let (Job::Stage(visit) | Job::Push(visit)) = job else {
                continue;
            };
            let is_told = matches!(job, Job::Push(_)) || controller.may_commit;
            if let Some(tree) = visit.tree {
                let host = self
                    .instances
                    .iter_mut()
                    .find(|one| one.number == visit.host);
                let host = host.unwrap();
                host.leave(tree);
                if is_told && commits {
                    host.put(tree, controller.generation);
                }
            }
        }
    }

    /// Tells the machine what happened, and begins what it says is to be done.
    pub(crate) fn tell(&mut self, event: Event<usize>) {
        let now = moment(self.tick);
        if let Some(controller) = &mut self.controller {
            controller.deploy.handle(event, now);
        }
        self.go_on();
    }

    pub(crate) fn go_on(&mut self) {
        let now = moment(self.tick);
        while let Some(step) = self
            .controller
            .as_mut()
            .and_then(|controller| controller.deploy.poll(now))
        {
            self.begin(step);
        }
    }

    fn begin(&mut self, step: Step<usize>) {
        let tick = self.tick;
        let Some(controller) = &mut self.controller else {
            return;
        };
        let visit = |host| Visit { host, tree: None };
        match step {
            Step::List => controller.jobs.extend([Job::List { begun: tick }]),
            Step::Stage(hosts) => controller
                .jobs
                .extend(hosts.into_iter().map(visit).map(Job::Stage)),
            Step::Push(hosts) => controller
                .jobs
                .extend(hosts.into_iter().map(visit).map(Job::Push)),
            Step::Snapshot => controller.jobs.extend([Job::Snapshot(Freeze::Begin)]),
            Step::Await => controller.jobs.extend([Job::Await]),
            Step::Record(_) => controller.jobs.extend([Job::Record]),
            Step::Commit => controller.may_commit = true,
            Step::Publish => controller.jobs.extend([Job::Publish]),
            Step::Stop => controller.is_stopped = true,
            Step::Discard => controller.jobs.extend([Job::Discard]),
            Step::Forget => controller.jobs.extend([Job::Forget]),
            Step::Retain => controller.jobs.extend([Job::Retain]),
            Step::Finish(ending) => self.finish(ending),
        }
    }

    fn finish(&mut self, ending: Ending) {
        let Some(controller) = self.controller.take() else {
            return;
        };
        assert!(controller.jobs.is_empty(), "{:?}", controller.jobs);
        if self.server.record.is_none() {
            self.server.report = Some(controller.report(ending));
        }
    }

    /// The next thing that comes of a job.
    pub(crate) fn work(&mut self, job: Job, turn: Turn) {
        let tick = self.tick;
        let Some(controller) = &mut self.controller else {
            return;
        };
        controller.jobs.remove(&job);
        let generation = controller.generation;
        let event = match (job, turn) {
            (Job::List { begun }, Turn::Show(shown)) => {
                let begun = moment(begun);
                let seen = shown.iter().map(|(host, standing)| Sighting {
                    host: *host,
                    standing: *standing,
                    launched: Some(self.launched(*host)),
                });
                Event::Listed {
                    begun,
                    seen: seen.collect(),
                }
            }
            (Job::List { .. }, _) => Event::NotListed,
            (Job::Stage(visit), turn) => return self.visit(visit, turn, Job::Stage),
            (Job::Push(visit), turn) => return self.visit(visit, turn, Job::Push),
            (Job::Snapshot(freeze), turn) => return self.freeze(freeze, &turn),
            (Job::Await, Turn::Well) => {
                self.shared
                    .snapshots
                    .get_mut(&generation)
                    .unwrap()
                    .is_usable = true;
                Event::Usable
            }
            (Job::Await, _) => Event::NotUsable,
            (Job::Record, Turn::Well) => {
                self.server.record = Some(Record { generation });
                Event::Recorded
            }
            (Job::Record, _) => Event::NotRecorded,
            (Job::Publish, Turn::Well) => {
                self.shared.pointer = generation;
                controller.jobs.insert(Job::Tag { at: tick });
                return;
            }
            (Job::Publish, _) => Event::NotPublished,
            (Job::Tag { at }, _) => {
                self.shared
                    .snapshots
                    .get_mut(&generation)
                    .unwrap()
                    .is_tagged = true;
                self.server.begun.remove(&generation);
                Event::Published(Publication::at(moment(at)))
            }
            (Job::Discard, _) => {
                self.shared.snapshots.remove(&generation);
                self.server.begun.remove(&generation);
                Event::Discarded
            }
            (Job::Forget, _) => {
                self.server.report = Some(controller.report(Ending::Complete));
                self.server.record = None;
                Event::Forgotten
            }
            (Job::Retain, _) => Event::Retained,
        };
        self.tell(event);
    }

    fn launched(&self, host: usize) -> Moment {
        // The old one has been there for ever.
        match host {
            0 => Moment::from_unix_millis(-1_000_000),
            _ => {
                let mut instances = self.instances.iter();
                moment(instances.find(|one| one.number == host).unwrap().launched)
            }
        }
    }

    /// Connect, stage, wait, commit. A push does all but the first in one go: nobody waits in between.
    fn visit(&mut self, mut visit: Visit, turn: Turn, job: fn(Visit) -> Job) {
        let Some(controller) = &mut self.controller else {
            return;
        };
        let host = visit.host;
        let mut instances = self.instances.iter_mut();
        let instance: &mut Instance = instances.find(|one| one.number == host).unwrap();
        let is_staging = matches!(job(visit.clone()), Job::Stage(_));
        match (visit.tree, turn) {
            (None, Turn::Well) if !controller.is_stopped => {
                visit.tree = Some(instance.open());
                controller.jobs.insert(job(visit));
                if is_staging {
                    self.tell(Event::Staged(host));
                }
            }
            (None, _) => self.tell(Event::Ended(host, Attempt::Later)),
            (Some(tree), turn) => {
                instance.leave(tree);
                let is_done = turn == Turn::Well && (controller.may_commit || !is_staging);
                let attempt = match is_done.then(|| instance.put(tree, controller.generation)) {
                    Some(true) => Attempt::Proven,
                    Some(false) => Attempt::Failed,
                    None => Attempt::Later,
                };
                self.tell(Event::Ended(host, attempt));
            }
        }
    }

    fn freeze(&mut self, freeze: Freeze, turn: &Turn) {
        let Some(controller) = &mut self.controller else {
            return;
        };
        let generation = controller.generation;
        match (freeze, turn) {
            (Freeze::Begin, Turn::Well) => {
                self.server.has_watchdog = true;
                self.server.is_frozen = true;
                controller.jobs.insert(Job::Snapshot(Freeze::Frozen));
            }
            (Freeze::Begin, _) => self.tell(Event::NotTaken),
            (Freeze::Frozen, Turn::Well) => {
                let snapshot = Snapshot {
                    is_usable: false,
                    is_tagged: false,
                };
                self.server.begun.insert(generation);
                self.shared.snapshots.insert(generation, snapshot);
                controller.jobs.insert(Job::Snapshot(Freeze::Asked));
            }
            (Freeze::Frozen, _) => {
                self.thaw();
                self.tell(Event::NotTaken);
            }
            (Freeze::Asked, _) => {
                self.thaw();
                self.tell(Event::Taken);
            }
        }
    }

    fn thaw(&mut self) {
        self.server.is_frozen = false;
        self.server.has_watchdog = false;
    }
}

impl Controller {
    fn report(&self, ending: Ending) -> Report {
        let fates = self.deploy.fates();
        let open = fates.filter(|(_, fate)| matches!(fate, Fate::Unproven | Fate::Failed));
        Report {
            named: open.map(|(host, _)| *host).collect(),
            is_complete: ending == Ending::Complete,
        }
    }

    /// How a job can go on.
    pub(crate) fn turns(&self, job: &Job, world: &World) -> Vec<Turn> {
        let mut turns = match job {
            Job::List { .. } if self.is_stopped => vec![Turn::Fail],
            Job::List { begun } => world.lists(*begun),
            // Whoever waits for the commit waits, unless it is given up.
            Job::Stage(Visit { tree: Some(_), .. }) if self.is_stopped && !self.may_commit => {
                vec![Turn::Fail]
            }
            Job::Stage(Visit { tree: Some(_), .. }) if !self.may_commit => Vec::new(),
            Job::Await | Job::Push(Visit { tree: None, .. }) if self.is_stopped => vec![Turn::Fail],
            _ => vec![Turn::Well],
        };
        let can_fail = matches!(
            job,
            Job::List { .. }
                | Job::Stage(_)
                | Job::Push(_)
                | Job::Snapshot(Freeze::Begin | Freeze::Frozen)
                | Job::Await
                | Job::Record
                | Job::Publish
        );
        if can_fail && world.left.faults > 0 && !turns.is_empty() && !turns.contains(&Turn::Fail) {
            turns.push(Turn::Fail);
        }
        turns
    }
}

impl World {
    /// All that a list may show which was begun in that tick: whoever was there for longer than it may lag, and
    /// perhaps others. Whoever still boots may be in service already as far as the group knows.
    fn lists(&self, begun: u8) -> Vec<Turn> {
        let mut all = vec![Vec::new()];
        for instance in &self.instances {
            let is_sure = instance.number == 0 || instance.launched + LAG <= begun;
            let standings: &[Standing] = match instance.boot.is_some() && instance.number != 0 {
                true => &[Standing::Starting, Standing::Ready],
                false => &[Standing::Ready],
            };
            let before = std::mem::take(&mut all);
            for list in before {
                for standing in standings {
                    let mut longer = list.clone();
                    longer.push((instance.number, *standing));
                    all.push(longer);
                }
                if !is_sure {
                    all.push(list);
                }
            }
        }
        all.into_iter().map(Turn::Show).collect()
    }
}
