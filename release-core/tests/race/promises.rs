//! What must hold in every state, and what must happen in some, lest the first be empty words.

use stateright::{Expectation, Model, Property};

use crate::instance::Instance;
use crate::model::Race;
use crate::world::World;

/// The promise that it is all about.
pub(crate) const NOBODY_LEFT_BEHIND: &str =
    "whoever serves an earlier release is named by the report or by the record";

pub(crate) fn all(race: &Race) -> Vec<Property<Race>> {
    let mut all = vec![
        Property::always(NOBODY_LEFT_BEHIND, |_: &Race, world: &World| {
            !world.hides_something()
        }),
        Property::always(
            "the pointer names a snapshot that can be used",
            |_, world: &World| {
                let snapshots = &world.shared.snapshots;
                let named = snapshots.get(&world.shared.pointer);
                named.is_some_and(|snapshot| snapshot.is_usable)
            },
        ),
        Property::always(
            "somebody is there to thaw what is frozen",
            |_, world: &World| {
                let server = &world.server;
                !server.is_frozen || (server.has_watchdog || world.controller.is_some())
            },
        ),
        Property::always(
            "everything comes to an end",
            |race: &Race, world: &World| {
                !is_over(race, world) || (is_at_rest(world) && !world.server.is_frozen)
            },
        ),
        Property::always("nothing is left over", |race: &Race, world: &World| {
            !is_over(race, world) || (has_no_snapshot_left(world) && has_no_volume_left(world))
        }),
        Property::always(
            "a complete report means that all who are ready serve the release",
            |race: &Race, world: &World| {
                let report = world.server.report.as_ref();
                let is_complete = report.is_some_and(|report| report.is_complete);
                let is_said = is_complete && world.server.record.is_none();
                !is_said || !is_over(race, world) || world.stale().next().is_none()
            },
        ),
        Property::sometimes(
            "all serve the release, and it is over",
            |race: &Race, world: &World| {
                is_over(race, world) && world.instances.iter().all(|one| one.serves() >= Some(2))
            },
        ),
        Property::sometimes("a deploy is complete", |_, world: &World| {
            let report = world.server.report.as_ref();
            report.is_some_and(|report| report.is_complete) && world.controller.is_none()
        }),
    ];
    if race.late > 0 {
        all.push(Property::sometimes(
            "a push lands under a later mount",
            |_, world: &World| world.instances.iter().any(Instance::is_hidden),
        ));
        all.push(Property::sometimes(
            "a late instance serves the release before, and the record speaks of it",
            |_, world: &World| {
                world.stale().any(|instance| instance.number > 0)
                    && world.shared.pointer > 1
                    && world.server.record.is_some()
            },
        ));
    }
    if race.crashes > 0 {
        all.push(Property::sometimes(
            "a dead deploy leaves hosts changed",
            |_, world: &World| world.controller.is_none() && world.server.record.is_some(),
        ));
    }
    if race.reconciles > 0 {
        all.push(Property::sometimes(
            "the timer brings the release before the deploy does",
            |_, world: &World| {
                let old = &world.instances[0];
                old.serves() == Some(2) && old.boot.is_none() && old.strays() == 0 && !old.is_busy
            },
        ));
    }
    all
}

/// The names of what must hold in every state.
pub(crate) fn kept(race: &Race) -> impl Iterator<Item = &'static str> {
    let kept = all(race).into_iter();
    let kept = kept.filter(|promise| matches!(promise.expectation, Expectation::Always));
    kept.map(|promise| promise.name)
}

/// Can nothing happen any more?
fn is_over(race: &Race, world: &World) -> bool {
    let mut actions = Vec::new();
    race.actions(world, &mut actions);
    actions.is_empty()
}

fn is_at_rest(world: &World) -> bool {
    let is_booted = |instance: &Instance| instance.boot.is_none();
    world.controller.is_none() && world.instances.iter().all(is_booted)
}

/// Whatever the end was: what is there is the pointer's or one before it, and says so. A deploy that was killed is
/// begun again in the model.
fn has_no_snapshot_left(world: &World) -> bool {
    let mut snapshots = world.shared.snapshots.iter();
    snapshots
        .all(|(generation, snapshot)| snapshot.is_tagged && *generation <= world.shared.pointer)
}

fn has_no_volume_left(world: &World) -> bool {
    world
        .instances
        .iter()
        .all(|instance| instance.strays() == 0)
}
