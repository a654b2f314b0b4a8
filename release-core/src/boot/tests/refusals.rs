//! What is refused, and what fails: nothing is mounted, nothing is left.

use super::*;
use crate::cloud::{SnapshotState, TAG_FLEET, TAG_RELEASE};
use crate::{OnFailure, Verify};
use world::release;

/// A change to the world, what comes of it, and words of its message.
type Case = (&'static str, fn(&mut World), Kind, &'static str);

const CASES: &[Case] = &[
    (
        "a forged pointer",
        |world| world.refuse_pointer = true,
        Kind::Refused,
        "the pointer is refused",
    ),
    (
        "a pointer that nobody signed",
        |world| world.announced = Some(Announced::Bare(snapshot_id(5))),
        Kind::Refused,
        "nobody signed",
    ),
    (
        "a pointer of another account",
        |world| {
            world.announced = Some(Announced::Signed(Box::new(Pointer {
                account: "999999999999".parse().unwrap(),
                ..pointer(5)
            })));
        },
        Kind::Refused,
        "account 999999999999",
    ),
    (
        "a pointer of another region",
        |world| {
            world.announced = Some(Announced::Signed(Box::new(Pointer {
                region: "eu-west-1".parse().unwrap(),
                ..pointer(5)
            })));
        },
        Kind::Refused,
        "region eu-west-1",
    ),
    (
        "an older pointer than was seen",
        |world| world.seen = Some(Generation::new(6)),
        Kind::Refused,
        "has seen 6",
    ),
    (
        "an older pointer than a snapshot's tag",
        |world| {
            world.publish(6);
            world.announced = Some(Announced::Signed(Box::new(pointer(5))));
        },
        Kind::Refused,
        "tagged with 6",
    ),
    (
        "somebody else's snapshot",
        |world| edit_snapshot(world, |one| one.owner = "999999999999".parse().unwrap()),
        Kind::Refused,
        "belongs to account 999999999999",
    ),
    (
        "a snapshot without our tags",
        |world| edit_snapshot(world, |one| drop(one.tags.remove(TAG_FLEET))),
        Kind::Refused,
        "not tagged",
    ),
    (
        "a snapshot of another release",
        |world| {
            edit_snapshot(world, |one| {
                one.tags
                    .insert(TAG_RELEASE.to_owned(), release(4).to_string());
            });
        },
        Kind::Refused,
        "not tagged",
    ),
    (
        "a volume that holds another release",
        |world| set_marker(world, Some(marker(4))),
        Kind::Refused,
        "and the pointer says",
    ),
    (
        "a volume that holds another release by the same number",
        |world| {
            let other = Marker {
                release: release(9),
                ..marker(5)
            };
            set_marker(world, Some(other));
        },
        Kind::Refused,
        "and the pointer says",
    ),
    (
        "a volume that holds none",
        |world| set_marker(world, None),
        Kind::Refused,
        "holds no release",
    ),
    (
        "a nameless device without a marker",
        |world| {
            world.identified = false;
            set_marker(world, None);
        },
        Kind::Refused,
        "can't be shown",
    ),
    (
        "a nameless device for a bare name",
        |world| {
            world.identified = false;
            world.orders.allow_unsigned = true;
            edit_snapshot(world, |one| one.tags.clear());
            world.announced = Some(Announced::Bare(snapshot_id(5)));
        },
        Kind::Refused,
        "can't be shown",
    ),
    (
        "files that are not the manifest's",
        |world| {
            world.corrupt = true;
            world.orders.verify = Verify::Full;
        },
        Kind::Refused,
        "not what its manifest says",
    ),
    (
        "something else that is mounted",
        |world| world.foreign = true,
        Kind::Refused,
        "something else is mounted",
    ),
    (
        "a snapshot that failed",
        |world| edit_snapshot(world, |one| one.state = SnapshotState::Error),
        Kind::Failed,
        "is error",
    ),
    (
        "volumes that always fail",
        |world| world.doomed = u32::MAX,
        Kind::Failed,
        "no volume could be made",
    ),
    (
        "a device that does not show up",
        |world| world.blind = true,
        Kind::Failed,
        "was not there after 3 attempts",
    ),
    (
        "attachments that always stick",
        |world| world.stuck = u32::MAX,
        Kind::Failed,
        "was not there after 3 attempts",
    ),
];

fn edit_snapshot(world: &mut World, edit: impl FnOnce(&mut crate::cloud::Snapshot)) {
    edit(&mut world.snapshots.get_mut(&snapshot_id(5)).unwrap().0);
}

fn set_marker(world: &mut World, marker: Option<Marker>) {
    world.snapshots.get_mut(&snapshot_id(5)).unwrap().1 = marker;
}

#[test]
fn each_has_its_kind_and_words_and_leaves_nothing() {
    for (name, change, kind, words) in CASES {
        let mut world = World::new();
        change(&mut world);
        let reason = reason(world.boot(|_| None));
        assert_eq!(reason.kind(), *kind, "{name}: {reason}");
        let text = reason.to_string();
        assert!(text.contains(words), "{name}: {text}");
        assert_eq!(text.contains("refused"), *kind == Kind::Refused, "{text}");
        assert_eq!((world.volumes.len(), &world.mounted), (0, &None), "{name}");
        assert!(world.hooks.is_empty(), "{name}");
        assert!(world.seen.is_none() || *name == "an older pointer than was seen");
    }
}

#[test]
fn each_leaves_what_was_attached_before() {
    for (name, change, ..) in CASES {
        let mut world = World::new();
        let theirs = world.attach_old("/dev/sdf", 2, false);
        let ours = world.attach_old("/dev/sdg", 3, true);
        change(&mut world);
        reason(world.boot(|_| None));
        let left: Vec<_> = world.volumes.keys().collect();
        assert_eq!(left, [&theirs, &ours], "{name}");
    }
}

#[test]
fn a_failure_may_abandon_the_instance() {
    let mut world = World::new();
    world.blind = true;
    world.orders.on_failure = OnFailure::Abandon;
    reason(world.boot(|_| None));
    assert_eq!(world.hooks, [HookResult::Abandon]);
}

#[test]
fn what_was_displaced_is_shown_again_when_the_new_one_fails() {
    let mut world = World::new();
    world.boot(|_| None);
    let old = world.mounted.clone();
    world.publish(6);
    let shows = |world: &World| {
        let steps = world.log.iter();
        steps.filter(|step| matches!(step, Step::Show(_))).count()
    };
    let mut probe = world.clone();
    probe.boot(|_| None);
    assert_eq!(shows(&probe), 2);
    // The deadline passes at every step; each time one of the two is there, whole.
    for step in 0..probe.log.len() + 10 {
        let mut world = world.clone();
        match world.boot(|number| (number == step).then_some(Trouble::Expire)) {
            Ended::Ready(_) => assert_settled_but_for_old(&world),
            Ended::Failed { reason, left } => {
                assert_eq!(reason.kind(), Kind::Late);
                assert_eq!((world.mounted.as_ref(), left.len()), (old.as_ref(), 0));
                assert_settled(&world, 5);
            }
        }
    }
}

/// The old volume may not be deleted yet when the deadline passes.
#[track_caller]
fn assert_settled_but_for_old(world: &World) {
    let mounted = world.mounted.as_ref().unwrap();
    assert_eq!(world.volumes[mounted].marker, Some(marker(6)));
    assert!(world.volumes.len() <= 2);
}
