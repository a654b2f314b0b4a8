#![allow(clippy::unwrap_used, clippy::panic)]

mod properties;
mod refusals;
mod world;

use super::*;
use crate::cloud::HookResult;
use crate::{Marker, Pointer, SnapshotId};
use world::{Trouble, World, marker, pointer, snapshot_id};

fn ready(ended: Ended) -> Ready {
    match ended {
        Ended::Ready(ready) => ready,
        Ended::Failed { reason, .. } => panic!("{reason}"),
    }
}

fn reason(ended: Ended) -> Reason {
    match ended {
        Ended::Failed { reason, .. } => reason,
        Ended::Ready(ready) => panic!("{ready:?}"),
    }
}

/// One volume, attached, ending with the instance, mounted, and holding this generation.
#[track_caller]
fn assert_settled(world: &World, generation: u64) {
    let mounted = world.mounted.as_ref().unwrap();
    assert_eq!(world.volumes.len(), 1, "{:?}", world.log);
    let disk = &world.volumes[mounted];
    assert_eq!(disk.marker, Some(marker(generation)));
    let attachment = disk.volume.attachment_to(&world.me.instance).unwrap();
    assert!(attachment.delete_on_termination);
}

#[test]
fn a_new_instance_gets_what_is_current() {
    let mut world = World::new();
    let ready = ready(world.boot(|_| None));
    assert_settled(&world, 5);
    assert_eq!(
        (ready.source, ready.marker),
        (Source::Made, Some(marker(5)))
    );
    assert_eq!(ready.volume, world.mounted);
    assert_eq!(world.fstab, world.mounted);
    assert_eq!(world.seen, Some(Generation::new(5)));
    assert_eq!(world.hooks, [HookResult::Continue]);
    // Opened, and its marker read, before anybody could see it; the pointer once more after that.
    let steps: Vec<_> = world.log.iter().map(Step::words).collect();
    let at = |words| steps.iter().position(|step| *step == words).unwrap();
    assert!(at("let the volume end with the instance") < at("open the volume"));
    assert!(at("open the volume") < at("mount the release"));
    let last_read = steps
        .iter()
        .rposition(|step| *step == "read the pointer")
        .unwrap();
    assert!(at("mount the release") < last_read);
    assert!(last_read < at("complete the lifecycle action"));
}

#[test]
fn what_is_mounted_and_fresh_is_left_alone() {
    let mut world = World::new();
    world.boot(|_| None);
    world.log.clear();
    let again = ready(world.boot(|_| None));
    assert_eq!(again.source, Source::Mounted);
    assert_settled(&world, 5);
    let calls = world
        .log
        .iter()
        .filter(|step| step.words().contains("volume"));
    assert_eq!(calls.count(), 0, "{:?}", world.log);
}

#[test]
fn a_reboot_keeps_the_volume_that_was_pushed_to() {
    // Pushed and published; pushed ahead of its publication; pushed long ago.
    for (pushed, published) in [(7, 7), (8, 7)] {
        let mut world = World::new();
        let old = world.attach_old("/dev/sdf", 5, true);
        world.volumes.get_mut(&old).unwrap().marker = Some(marker(pushed));
        world.publish(published);
        let ready = ready(world.boot(|_| None));
        assert_eq!((ready.source, ready.volume), (Source::Attached, Some(old)));
        assert_settled(&world, pushed);
    }
}

#[test]
fn a_volume_that_was_found_ends_with_the_instance_too() {
    let mut world = World::new();
    let old = world.attach_old("/dev/sdf", 5, false);
    let disk = world.volumes.get_mut(&old).unwrap();
    disk.volume.attachments[0].delete_on_termination = false;
    ready(world.boot(|_| None));
    assert_settled(&world, 5);
}

#[test]
fn an_attached_volume_of_an_older_release_is_replaced_and_deleted() {
    let mut world = World::new();
    let old = world.attach_old("/dev/sdf", 3, true);
    let ready = ready(world.boot(|_| None));
    assert_eq!(ready.source, Source::Made);
    assert!(!world.volumes.contains_key(&old));
    assert_settled(&world, 5);
}

#[test]
fn what_others_attached_stays_where_it_is() {
    let mut world = World::new();
    let old = world.attach_old("/dev/sdf", 3, false);
    ready(world.boot(|_| None));
    assert_eq!(world.volumes.len(), 2);
    assert_eq!(
        world.volumes[&old].volume.attachments[0].device.as_str(),
        "/dev/sdf"
    );
    let new = &world.volumes[world.mounted.as_ref().unwrap()];
    assert_eq!(new.volume.attachments[0].device.as_str(), "/dev/sdg");
}

#[test]
fn a_mounted_release_is_replaced_when_it_is_stale_and_idle() {
    let mut world = World::new();
    world.boot(|_| None);
    world.publish(6);
    ready(world.boot(|_| None));
    assert_settled(&world, 6);
}

#[test]
fn a_busy_release_is_left_and_nothing_is_made_for_it() {
    let mut world = World::new();
    world.boot(|_| None);
    world.publish(6);
    world.busy = true;
    let reason = reason(world.boot(|_| None));
    assert_eq!((reason.kind(), reason), (Kind::Late, Reason::Busy));
    assert_settled(&world, 5);
}

#[test]
fn going_back_is_a_higher_generation_of_an_older_snapshot() {
    let mut world = World::new();
    world.publish(6);
    world.announced = Some(Announced::Signed(Box::new(Pointer {
        generation: Generation::new(7),
        ..pointer(5)
    })));
    ready(world.boot(|_| None));
    assert_settled(&world, 5);
    assert_eq!(world.seen, Some(Generation::new(7)));
    // And that is not taken for stale the next time.
    assert_eq!(ready(world.boot(|_| None)).source, Source::Mounted);
}

#[test]
fn a_pointer_that_moves_meanwhile_is_followed() {
    let mut world = World::new();
    let length = {
        let mut probe = world.clone();
        probe.boot(|_| None);
        probe.log.len() + 10
    };
    for step in 0..length {
        let mut world = world.clone();
        let ready = ready(world.boot(|number| (number == step).then_some(Trouble::Publish)));
        let held_against = ready.generation.unwrap().get();
        assert_settled(&world, held_against);
        assert_eq!(ready.left, []);
    }
    // Without an end it is given up, and nothing is left.
    let reason = reason(world.boot(|number| number.is_multiple_of(4).then_some(Trouble::Publish)));
    assert_eq!(reason.kind(), Kind::Failed);
    assert!(matches!(reason, Reason::Restless { .. }), "{reason}");
    assert_eq!((world.volumes.len(), &world.mounted), (0, &None));
}

/// The place that is asked first has fallen behind what tags say, or what this machine has seen.
#[test]
fn a_pointer_that_is_old_at_one_place_is_read_at_another() {
    for seen in [None, Some(Generation::new(5))] {
        let mut world = World::new();
        world.publish(3);
        world.publish(5);
        world.behind = Some(3);
        world.seen = seen;
        ready(world.boot(|_| None));
        assert_settled(&world, 5);
    }
}

#[test]
fn a_stuck_attachment_gets_another_name() {
    let mut world = World::new();
    world.stuck = 2;
    ready(world.boot(|_| None));
    assert_settled(&world, 5);
    let disk = &world.volumes[world.mounted.as_ref().unwrap()];
    assert_eq!(disk.volume.attachments[0].device.as_str(), "/dev/sdh");
}

#[test]
fn a_volume_that_fails_is_replaced_and_deleted() {
    let mut world = World::new();
    world.doomed = 2;
    ready(world.boot(|_| None));
    assert_settled(&world, 5);
}

#[test]
fn a_bare_name_will_do_where_that_is_allowed() {
    let mut world = World::new();
    let bare = |generation| Some(Announced::Bare(snapshot_id(generation)));
    world.orders.allow_unsigned = true;
    // Made by an old script: no tags, no marker.
    let (snapshot, marker) = world.snapshots.get_mut(&snapshot_id(5)).unwrap();
    snapshot.tags.clear();
    *marker = None;
    world.announced = bare(5);
    let first = ready(world.boot(|_| None));
    assert_eq!(
        (first.source, first.marker, world.volumes.len()),
        (Source::Made, None, 1)
    );
    assert_eq!(ready(world.boot(|_| None)).source, Source::Mounted);
    world.publish(6);
    let (snapshot, marker) = world.snapshots.get_mut(&snapshot_id(6)).unwrap();
    snapshot.tags.clear();
    *marker = None;
    world.announced = bare(6);
    let second = ready(world.boot(|_| None));
    assert_ne!(second.volume, first.volume);
    assert_eq!(second.source, Source::Made);
}

#[test]
fn without_a_group_there_is_no_hook_to_complete() {
    let mut world = World::new();
    world.in_group = false;
    ready(world.boot(|_| None));
    assert_eq!(world.hooks, []);
    assert_settled(&world, 5);
}

#[test]
fn a_snapshot_that_is_replaced_and_deleted_leads_to_the_next() {
    let mut world = World::new();
    let gone: SnapshotId = snapshot_id(5);
    let mut later = world.clone();
    world.snapshots.remove(&gone);
    let mut published = false;
    // The pointer is read, then moves.
    later.snapshots.remove(&gone);
    later.announced = Some(Announced::Signed(Box::new(pointer(5))));
    let ready = ready(later.boot(|number| {
        let now = number == 6 && !std::mem::replace(&mut published, true);
        now.then_some(Trouble::Publish)
    }));
    assert_eq!(ready.generation, Some(Generation::new(6)));
    assert_settled(&later, 6);
    let reason = reason(world.boot(|_| None));
    assert_eq!(reason, Reason::NoSnapshot(gone));
}
