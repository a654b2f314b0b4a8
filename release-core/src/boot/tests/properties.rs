//! Whatever goes wrong, wherever.

use proptest::prelude::*;

use super::*;

/// So many steps a boot has, and some more.
fn length(world: &World) -> usize {
    let mut probe = world.clone();
    let mut steps = 0;
    probe.boot(|number| {
        steps = number;
        None
    });
    steps + 1
}

/// Worlds that a boot may find.
fn scenes() -> Vec<World> {
    let mut slow = World::new();
    slow.stuck = 1;
    slow.doomed = 1;
    let mut awake = World::new();
    awake.attach_old("/dev/sdf", 3, true);
    let mut mounted = World::new();
    mounted.boot(|_| None);
    mounted.publish(6);
    vec![World::new(), slow, awake, mounted]
}

#[test]
fn killed_after_any_step_it_ends_with_one_volume() {
    for world in scenes() {
        for step in 0..length(&world) {
            for trouble in [Trouble::Kill, Trouble::KillAfter] {
                let mut world = world.clone();
                let generation = world.announced_generation().unwrap();
                let ended = world.boot(|number| (number == step).then_some(trouble));
                assert!(ready(ended).left.is_empty());
                let mounted = world.mounted.as_ref().unwrap();
                assert_eq!(world.volumes[mounted].marker, Some(marker(generation)));
                // Killed between the two, it does not find out that there was something to tidy up: that
                // ends with the instance.
                let others = world
                    .volumes
                    .values()
                    .filter(|disk| disk.volume.id != *mounted);
                for other in others {
                    assert!(other.volume.attachments[0].delete_on_termination);
                    assert_eq!(
                        other
                            .marker
                            .map(|one| one.generation < Generation::new(generation)),
                        Some(true)
                    );
                }
            }
        }
    }
}

#[test]
fn a_new_instance_that_is_killed_anywhere_leaks_nothing() {
    let world = World::new();
    for step in 0..length(&world) {
        for trouble in [Trouble::Kill, Trouble::KillAfter] {
            let mut world = world.clone();
            ready(world.boot(|number| (number == step).then_some(trouble)));
            assert_settled(&world, 5);
        }
    }
}

#[test]
fn the_deadline_at_any_step_leaves_the_release_or_nothing() {
    let world = World::new();
    for step in 0..length(&world) {
        let mut world = world.clone();
        match world.boot(|number| (number == step).then_some(Trouble::Expire)) {
            Ended::Ready(_) => assert_settled(&world, 5),
            Ended::Failed { reason, left } => {
                assert!(matches!(reason, Reason::Deadline(_)), "{reason}");
                assert_eq!(left, []);
                assert_eq!((world.volumes.len(), &world.mounted), (0, &None), "{step}");
            }
        }
    }
}

#[test]
fn a_second_deadline_ends_it_and_names_what_is_left() {
    let world = World::new();
    for step in 0..length(&world) {
        let mut world = world.clone();
        let ended = world.boot(|number| (number >= step).then_some(Trouble::Expire));
        let left = match ended {
            Ended::Ready(_) => continue,
            Ended::Failed { left, .. } => left,
        };
        for volume in world.volumes.keys() {
            // What is made in the very moment has no name yet; the next try finds it by its token.
            let is_unknown = world.log.last().unwrap().words() == "make a volume";
            assert!(left.contains(volume) || is_unknown, "{:?}", world.log);
        }
        // The next process cleans up after it, and goes on.
        ready(world.boot(|_| None));
        assert_settled(&world, 5);
    }
}

#[test]
fn lost_calls_do_no_harm() {
    for trouble in [Trouble::LoseRequest, Trouble::LoseAnswer, Trouble::Throttle] {
        let world = World::new();
        for step in 0..length(&world) {
            let mut world = world.clone();
            let ended = world.boot(|number| (step..step + 3).contains(&number).then_some(trouble));
            ready(ended);
            assert_settled(&world, 5);
        }
    }
}

#[test]
fn a_push_at_any_moment_is_kept() {
    let world = World::new();
    for step in 0..length(&world) {
        let mut world = world.clone();
        let ended = ready(world.boot(|number| (number == step).then_some(Trouble::Push)));
        let mounted = world.mounted.as_ref().unwrap();
        let holds = world.volumes[mounted].marker.unwrap().generation;
        // What it was held against is not newer than what is there.
        assert!(holds >= ended.generation.unwrap());
        assert_eq!(world.volumes.len(), 1);
    }
}

fn troubles() -> impl Strategy<Value = Vec<(usize, Trouble)>> {
    let trouble = prop_oneof![
        Just(Trouble::LoseRequest),
        Just(Trouble::LoseAnswer),
        Just(Trouble::Throttle),
        Just(Trouble::Kill),
        Just(Trouble::KillAfter),
        Just(Trouble::Publish),
        Just(Trouble::Push),
        Just(Trouble::Expire),
    ];
    proptest::collection::vec((0..60_usize, trouble), 0..6)
}

proptest! {
    #[test]
    fn any_mixture_ends_well_or_clean(scene in 0..4_usize, troubles in troubles()) {
        let mut world = scenes().swap_remove(scene);
        let before = world.volumes.len();
        let ended = world.boot(|number| {
            let mut due = troubles.iter().filter(|(at, _)| *at == number);
            due.next().map(|(_, trouble)| *trouble)
        });
        let count = |trouble| troubles.iter().filter(|(_, one)| *one == trouble).count();
        let kills = count(Trouble::Kill) + count(Trouble::KillAfter);
        match ended {
            Ended::Ready(ready) => {
                let mounted = world.mounted.clone().unwrap();
                let disk = &world.volumes[&mounted];
                prop_assert!(disk.volume.attachments[0].delete_on_termination);
                let holds = disk.marker.unwrap().generation;
                prop_assert!(Some(holds) >= ready.generation);
            }
            Ended::Failed { reason, left } => {
                prop_assert_ne!(reason.kind(), Kind::Refused, "{}", reason);
                // What a killed process began, or left, is not this one's.
                if count(Trouble::Expire) < 2 && kills == 0 {
                    prop_assert_eq!(left, []);
                    prop_assert!(world.volumes.len() <= before, "{}", reason);
                }
            }
        }
        // Whatever is left then, the next one finds.
        ready(world.boot(|_| None));
        assert_settled(&world, world.announced_generation().unwrap());
    }
}
