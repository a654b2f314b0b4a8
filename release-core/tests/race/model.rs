//! What can happen next.

use stateright::{Model, Property};

use crate::controller::{BOOT, DEADLINE, Job, Turn};
use crate::instance::Instance;
use crate::promises;
use crate::world::World;
use release_core::deploy::Event;

/// How much happens.
#[derive(Clone, Debug)]
pub(crate) struct Race {
    /// Instances that are launched at any moment.
    pub(crate) late: u8,
    /// From this tick on nobody is launched any more, and nothing begins that need not. The clock stops until
    /// the pointer is published: how long that takes makes no difference any more.
    pub(crate) last: u8,
    /// How often the deploy's process is killed, and begun again.
    pub(crate) crashes: u8,
    /// How often the old instance's timer starts release-boot.
    pub(crate) reconciles: u8,
    /// How often something fails that can.
    pub(crate) faults: u8,
    pub(crate) interrupts: u8,
    pub(crate) snapshot_first: bool,
    pub(crate) weakness: Option<Weakness>,
}

/// A rule that is left out, to see that it is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weakness {
    /// The deploy takes the first list after the publication for everybody.
    NoSettle,
    /// It counts proofs from before the publication, whoever gave them.
    EarlyProofs,
    /// The pointer that release-boot reads last is what it read first.
    CachedPointer,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    Tick,
    Launch,
    Boot(usize),
    Reconcile {
        is_busy: bool,
    },
    Work(Job, Turn),
    Crash {
        commits: bool,
    },
    /// The watchdog finds itself alone.
    Thaw,
    Restart,
    Interrupt,
}

impl Race {
    /// Nothing but instances and a deploy.
    pub(crate) fn calm() -> Self {
        Self {
            late: 0,
            last: 2,
            crashes: 0,
            reconciles: 0,
            faults: 0,
            interrupts: 0,
            snapshot_first: false,
            weakness: None,
        }
    }

    /// Time goes on, unless something has to be at its end by now.
    fn may_tick(&self, world: &World) -> bool {
        let is_due = |instance: &Instance| {
            let is_new = instance.boot.is_some() && instance.number != 0;
            is_new && world.tick >= instance.launched + BOOT
        };
        let is_again = world.left.restarts < self.crashes;
        let is_waited_for = match &world.controller {
            Some(controller) => {
                controller.deploy.published().is_none() && controller.deploy.ending().is_none()
            }
            None => world.left.crashes < world.left.restarts,
        };
        let last = self.last + u8::from(is_again);
        // At the end of every deadline, also that of a deploy that was begun anew.
        let end = self.last + 1 + DEADLINE;
        let is_late = is_waited_for && world.tick >= last;
        world.tick < end && !is_late && !world.instances.iter().any(is_due)
    }
}

impl Model for Race {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(self)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        let left = &world.left;
        if self.may_tick(world) {
            actions.push(Action::Tick);
        }
        if left.launches > 0 && world.tick <= self.last {
            actions.push(Action::Launch);
        }
        let booting = world
            .instances
            .iter()
            .filter(|instance| instance.boot.is_some());
        actions.extend(booting.map(|instance| Action::Boot(instance.number)));
        if left.reconciles > 0 && world.instances[0].boot.is_none() && world.tick <= self.last {
            actions.extend([true, false].map(|is_busy| Action::Reconcile { is_busy }));
        }
        if let Some(controller) = &world.controller {
            for job in &controller.jobs {
                let turns = controller.turns(job, world).into_iter();
                actions.extend(turns.map(|turn| Action::Work(job.clone(), turn)));
            }
            if left.crashes > 0 && world.tick <= self.last {
                actions.extend([true, false].map(|commits| Action::Crash { commits }));
            }
            if left.interrupts > 0 {
                actions.push(Action::Interrupt);
            }
        } else {
            if world.server.has_watchdog {
                actions.push(Action::Thaw);
            }
            if left.crashes < left.restarts {
                actions.push(Action::Restart);
            }
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        match action {
            Action::Tick => {
                next.tick += 1;
                next.go_on();
            }
            Action::Launch => {
                next.left.launches -= 1;
                let number = next.instances.len();
                let instance = Instance::launched(number, next.tick);
                next.instances.push(instance);
            }
            Action::Boot(number) => {
                let instance = &mut next.instances[number];
                instance.go_on(&mut next.shared);
            }
            Action::Reconcile { is_busy } => {
                next.left.reconciles -= 1;
                next.instances[0].reconcile(is_busy);
            }
            Action::Work(job, turn) => {
                if turn == Turn::Fail {
                    next.left.faults = next.left.faults.saturating_sub(1);
                }
                next.work(job, turn);
            }
            Action::Crash { commits } => {
                next.left.crashes -= 1;
                next.crash(commits);
            }
            Action::Thaw => {
                next.server.is_frozen = false;
                next.server.has_watchdog = false;
            }
            Action::Restart => {
                next.left.restarts -= 1;
                next.start(self);
            }
            Action::Interrupt => {
                next.left.interrupts -= 1;
                next.tell(Event::Interrupted);
            }
        }
        (next != *world).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        promises::all(self)
    }
}
