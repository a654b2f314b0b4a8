#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod world;

use std::fs;
use std::time::Duration;

use self::world::LocalWorld;
use super::*;
use crate::cloud::contract::{CASES, World};
use crate::cloud::{
    Cloud, GroupQuery, HeldInstance, HookResult, InstanceState, Lifecycle, SnapshotQuery,
    SnapshotState, Standing, Tags, VolumeSource, VolumeState, list_fleet,
};
use crate::testing::block_on;
use crate::{GroupName, HookName};

#[test]
fn the_contract_is_kept() {
    for case in CASES {
        // The name of the case, in case that one panics.
        println!("{}", case.name);
        let world = LocalWorld::new();
        block_on((case.run)(&world));
    }
}

#[test]
fn the_contract_is_kept_where_nothing_takes_time() {
    for case in CASES {
        println!("{}", case.name);
        let world = LocalWorld::new();
        let at_once = Delays {
            launch: 0,
            listing: 0,
            end: 0,
            volume: 0,
            attach: 0,
            detach: 0,
            snapshot: 0,
        };
        world.cloud.set_delays(at_once).unwrap();
        block_on((case.run)(&world));
    }
}

#[test]
fn a_snapshot_shows_what_was_there_at_the_call() {
    let world = LocalWorld::new();
    let volume = world.blank("source");
    let file = world.cloud.volume_directory(&volume).join("file");
    fs::write(&file, b"before").unwrap();
    let snapshot = world.snapshot(&volume);
    fs::write(&file, b"after").unwrap();
    assert_eq!(world.state_of(&snapshot.id), (SnapshotState::Pending, 0));
    world.wait(250);
    assert_eq!(world.state_of(&snapshot.id), (SnapshotState::Pending, 50));
    world.wait(250);
    assert_eq!(
        world.state_of(&snapshot.id),
        (SnapshotState::Completed, 100)
    );
    let source = VolumeSource::Snapshot {
        id: snapshot.id,
        size_gib: None,
    };
    let copy = block_on(world.cloud.create_volume(&world.request("copy", source))).unwrap();
    let copied = world.cloud.volume_directory(&copy.id).join("file");
    assert_eq!(fs::read(copied).unwrap(), b"before");
}

#[test]
fn a_device_is_there_while_its_volume_is_attached() {
    let world = LocalWorld::new();
    let instance = world.instance();
    let volume = world.blank("v");
    fs::write(world.cloud.volume_directory(&volume).join("file"), b"x").unwrap();
    let name: DeviceName = "/dev/sdf".parse().unwrap();
    block_on(world.cloud.attach_volume(&volume, &instance, &name)).unwrap();
    let devices = || world.cloud.devices(&instance).unwrap();
    assert!(devices().is_empty(), "it is being attached");
    world.wait(100);
    let (device, id, path) = devices().pop().unwrap();
    assert_eq!((device, id), (name, volume.clone()));
    assert_eq!(fs::read(path.join("file")).unwrap(), b"x");
    block_on(world.cloud.detach_volume(&volume, &instance)).unwrap();
    assert!(devices().is_empty() && fs::symlink_metadata(path).is_err());
}

#[test]
fn an_instance_that_ends_leaves_nothing_but_what_was_told_to_stay() {
    let world = LocalWorld::new();
    let instance = world.instance();
    let volume = world.blank("v");
    let name: DeviceName = "/dev/sdf".parse().unwrap();
    block_on(world.cloud.attach_volume(&volume, &instance, &name)).unwrap();
    block_on(
        world
            .cloud
            .set_delete_on_termination(&instance, &name, true),
    )
    .unwrap();
    let root = world.cloud.instance_root(&instance);
    assert!(root.is_dir());
    world.cloud.terminate(&instance).unwrap();
    assert_eq!(world.cloud.count().unwrap(), (0, 0));
    assert!(!world.cloud.volume_directory(&volume).exists());
    assert!(root.exists(), "it is shutting down");
    world.wait(200);
    assert_eq!(world.cloud.count().unwrap(), (0, 0));
    assert!(!root.exists());
    assert!(
        world
            .cloud
            .terminate(&"i-00000099".parse().unwrap())
            .is_err()
    );
}

#[test]
fn a_hook_that_nobody_completes_is_abandoned() {
    let world = LocalWorld::new();
    let (group, hook): (GroupName, HookName) = ("web".parse().unwrap(), "ready".parse().unwrap());
    let limit = Some((hook.clone(), Duration::from_secs(10)));
    world.cloud.make_group(&group, Tags::new(), limit).unwrap();
    let instance = block_on(world.launch(&group));
    let held = HeldInstance {
        instance,
        group: group.clone(),
        hook,
    };
    let lifecycle = || {
        let query = [GroupQuery::Names(vec![group.clone()])];
        let listed = block_on(list_fleet(&world.cloud, &query)).unwrap();
        listed
            .first()
            .map(|one| (one.lifecycle.clone(), one.standing()))
    };
    assert_eq!(lifecycle(), Some((Lifecycle::Pending, Standing::Starting)));
    world.wait(9_000);
    assert_eq!(
        lifecycle(),
        Some((Lifecycle::PendingWait, Standing::Starting))
    );
    block_on(world.cloud.heartbeat(&held)).unwrap();
    world.wait(9_000);
    assert_eq!(
        lifecycle(),
        Some((Lifecycle::PendingWait, Standing::Starting))
    );
    world.wait(1_000);
    assert_eq!(lifecycle(), Some((Lifecycle::Terminating, Standing::Gone)));
    assert!(block_on(world.cloud.complete_lifecycle(&held, HookResult::Continue)).is_err());
    world.wait(200);
    assert_eq!(lifecycle(), None);
}

#[test]
fn the_warm_pool_sleeps_and_wakes() {
    let world = LocalWorld::new();
    let group: GroupName = "web".parse().unwrap();
    world.cloud.make_group(&group, Tags::new(), None).unwrap();
    let launch = Launch {
        group: Some(group.clone()),
        asleep: true,
        ..Launch::default()
    };
    let instance = world.cloud.launch(launch).unwrap();
    world.wait(1_000);
    let standing = || {
        let query = [GroupQuery::Names(vec![group.clone()])];
        block_on(list_fleet(&world.cloud, &query)).unwrap()[0].standing()
    };
    assert_eq!(standing(), Standing::Asleep);
    world.cloud.wake(&instance).unwrap();
    assert_eq!(standing(), Standing::Starting);
    world.wait(300);
    assert_eq!(standing(), Standing::Ready);
    assert!(world.cloud.wake(&instance).is_err());
}

#[test]
fn new_instances_are_listed_late_where_asked_for() {
    let world = LocalWorld::new();
    let lag = Delays {
        listing: 5_000,
        ..Delays::default()
    };
    world.cloud.set_delays(lag).unwrap();
    let id = world.instance();
    let listed = || block_on(world.cloud.instances(std::slice::from_ref(&id))).unwrap();
    assert!(listed().is_empty());
    world.wait(5_000);
    assert_eq!(listed()[0].state, InstanceState::Running);
}

#[test]
fn what_is_spoiled_ends_in_an_error() {
    let world = LocalWorld::new();
    let spoil = |action| {
        let fault = Fault {
            action: Some(action),
            effect: Effect::Spoil,
            times: 1,
        };
        world.cloud.inject(fault).unwrap();
    };
    let (instance, volume) = (world.instance(), world.blank("good"));
    spoil(Action::CreateVolume);
    let bad = world.blank("bad");
    assert_eq!(world.volume(&bad).unwrap().state, VolumeState::Error);
    spoil(Action::CreateSnapshot);
    let snapshot = world.snapshot(&volume).id;
    world.wait(500);
    assert_eq!(world.state_of(&snapshot).0, SnapshotState::Error);
    spoil(Action::AttachVolume);
    let name: DeviceName = "/dev/sdf".parse().unwrap();
    block_on(world.cloud.attach_volume(&volume, &instance, &name)).unwrap();
    world.wait(1_000_000);
    assert!(
        world.cloud.devices(&instance).unwrap().is_empty(),
        "it is stuck"
    );
    block_on(world.cloud.detach_volume(&volume, &instance)).unwrap();
    world.wait(100);
    assert_eq!(world.volume(&volume).unwrap().state, VolumeState::Available);
}

#[test]
fn the_token_of_a_deleted_volume_makes_no_other() {
    let world = LocalWorld::new();
    let volume = world.blank("once");
    block_on(world.cloud.delete_volume(&volume)).unwrap();
    let request = world.request("once", VolumeSource::Blank { size_gib: 1 });
    let again = block_on(world.cloud.create_volume(&request)).unwrap();
    assert_eq!((again.id, again.state), (volume, VolumeState::Deleted));
}

#[test]
fn a_snapshot_of_somebody_else_is_found_by_id_only() {
    let world = LocalWorld::new();
    let snapshot = world.snapshot(&world.blank("v")).id;
    world
        .cloud
        .give_away(&snapshot, "999999999999".parse().unwrap())
        .unwrap();
    let own = SnapshotQuery::OwnTagged(Tags::new());
    assert!(block_on(world.cloud.snapshots(&own)).unwrap().is_empty());
    let found = block_on(world.cloud.snapshots(&SnapshotQuery::Ids(vec![snapshot]))).unwrap();
    assert_eq!(found[0].owner.as_str(), "999999999999");
}

#[test]
fn other_processes_see_one_fleet() {
    let world = LocalWorld::new();
    let root = world.folder.path().join("fleet");
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let cloud = LocalCloud::open(&root, world.clock.clone()).unwrap();
            std::thread::spawn(move || {
                for _ in 0..5 {
                    cloud.launch(Launch::default()).unwrap();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(fs::read_dir(root.join("instances")).unwrap().count(), 20);
}

#[test]
fn what_a_killed_process_began_is_cleared_away() {
    let world = LocalWorld::new();
    let begun = world
        .folder
        .path()
        .join("fleet/snapshots/snap-000000000000000ff");
    fs::create_dir(&begun).unwrap();
    fs::write(begun.join("half"), b"").unwrap();
    world.cloud.count().unwrap();
    assert!(!begun.exists());
}

#[test]
fn a_folder_that_is_no_fleet_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let none = LocalCloud::open(folder.path(), clock.clone());
    assert!(matches!(none, Err(FleetError::None(_))));
    fs::create_dir(folder.path().join("volumes")).unwrap();
    let precious = folder.path().join("volumes/precious");
    fs::write(&precious, b"").unwrap();
    let other = LocalCloud::create(folder.path(), clock.clone());
    assert!(matches!(other, Err(FleetError::NotEmpty(_))));
    fs::write(folder.path().join("fleet.json"), b"{").unwrap();
    let damaged = LocalCloud::open(folder.path(), clock).unwrap().count();
    assert!(
        matches!(damaged, Err(FleetError::Damaged { .. })),
        "{damaged:?}"
    );
    assert!(precious.exists());
}
