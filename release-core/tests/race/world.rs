//! All that there is, at one moment.

use std::collections::{BTreeMap, BTreeSet};

use crate::controller::Controller;
use crate::instance::Instance;
use crate::model::{Race, Weakness};
use crate::things::Gen;

/// One state of the model.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) tick: u8,
    pub(crate) instances: Vec<Instance>,
    pub(crate) shared: Shared,
    pub(crate) server: Server,
    /// The deploy's process, while it lives.
    pub(crate) controller: Option<Controller>,
    /// What may yet happen.
    pub(crate) left: Left,
}

/// What instances and release server have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Shared {
    /// The generation that the pointer names.
    pub(crate) pointer: Gen,
    pub(crate) snapshots: BTreeMap<Gen, Snapshot>,
    /// What each instance has read first, where nothing newer is ever shown to it.
    cached: Option<BTreeMap<usize, Gen>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Snapshot {
    pub(crate) is_usable: bool,
    /// Does it say which generation it is?
    pub(crate) is_tagged: bool,
}

/// What is on the release server's disk, and outlasts a process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Server {
    /// The last generation that was given out.
    pub(crate) generation: Gen,
    pub(crate) is_frozen: bool,
    /// The process that thaws when nobody else does.
    pub(crate) has_watchdog: bool,
    /// The generation of a deploy that was not finished.
    pub(crate) record: Option<Record>,
    pub(crate) report: Option<Report>,
    /// Snapshots that were begun, and are neither published nor gone.
    pub(crate) begun: BTreeSet<Gen>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Record {
    pub(crate) generation: Gen,
}

/// The last deploy that came to its end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Report {
    /// Those that it names as not brought up.
    pub(crate) named: BTreeSet<usize>,
    pub(crate) is_complete: bool,
}

/// How often things may yet happen that need not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Left {
    pub(crate) launches: u8,
    pub(crate) crashes: u8,
    pub(crate) restarts: u8,
    pub(crate) reconciles: u8,
    pub(crate) faults: u8,
    pub(crate) interrupts: u8,
}

impl World {
    /// An old instance runs the first generation, and a deploy begins.
    pub(crate) fn new(race: &Race) -> Self {
        let first = Snapshot {
            is_usable: true,
            is_tagged: true,
        };
        let mut world = Self {
            tick: 0,
            instances: vec![Instance::old(0)],
            shared: Shared {
                pointer: 1,
                snapshots: BTreeMap::from([(1, first)]),
                cached: (race.weakness == Some(Weakness::CachedPointer)).then(BTreeMap::new),
            },
            server: Server {
                generation: 1,
                ..Server::default()
            },
            controller: None,
            left: Left {
                launches: race.late,
                crashes: race.crashes,
                restarts: race.crashes,
                reconciles: race.reconciles,
                faults: race.faults,
                interrupts: race.interrupts,
            },
        };
        world.start(race);
        world
    }

    /// Instances that serve a generation that is not what the pointer names, and came before it.
    pub(crate) fn stale(&self) -> impl Iterator<Item = &Instance> {
        let pointer = self.shared.pointer;
        let is_stale = move |serves: Gen| serves < pointer.min(2);
        self.instances
            .iter()
            .filter(move |instance| instance.serves().is_some_and(is_stale))
    }

    /// Is somebody stale of whom nothing is said?
    pub(crate) fn hides_something(&self) -> bool {
        let named = |instance: &Instance| {
            let report = self.server.report.as_ref();
            report.is_some_and(|report| report.named.contains(&instance.number))
        };
        self.server.record.is_none() && self.stale().any(|instance| !named(instance))
    }
}

impl Shared {
    /// What an instance reads.
    pub(crate) fn read(&mut self, instance: usize) -> Gen {
        let pointer = self.pointer;
        match &mut self.cached {
            None => pointer,
            Some(cached) => *cached.entry(instance).or_insert(pointer),
        }
    }
}
