//! Deploys on days when the cloud is not well, or somebody edits what is being deployed.

use std::thread::sleep;
use std::time::Duration;

use release_tests::ec2::{Delays, Fault};
use rustix::process::{Pid, Signal, kill_process};

use crate::scene::{Scene, outcomes, wait_for};
use crate::server::Run;

fn slow_snapshots(scene: &Scene) {
    scene.server.ec2.set_delays(Delays {
        snapshot: Duration::from_secs(3),
        ..Delays::default()
    });
}

#[test]
fn a_storm_of_throttling_is_got_over() {
    let (scene, instance) = Scene::deployed();
    let ec2 = &scene.server.ec2;
    ec2.add_fault(Fault::throttle().one_in(3));
    ec2.add_fault(Fault::throttle().on("CreateSnapshot").times(1));
    scene.server.write("index.html", "two");
    let run = scene.deploy();
    run.assert_done();
    let refused = ec2.calls();
    let refused = refused.iter().filter(|call| call.refused.is_some());
    assert!(refused.count() >= 5);
    ec2.clear_faults();
    scene.assert_settled(&instance, "two", 2);
}

/// Whatever was done and not said is not done twice.
#[test]
fn lost_answers_leave_one_snapshot() {
    let (scene, instance) = Scene::deployed();
    let ec2 = &scene.server.ec2;
    ec2.add_fault(Fault::lose_answer().on("CreateSnapshot").times(1));
    scene.server.write("index.html", "two");
    scene.deploy().assert_done();
    assert_eq!(ec2.count("CreateSnapshot"), 1, "it was made, and found");
    scene.assert_settled(&instance, "two", 2);

    // Of all calls every third, whichever it is.
    ec2.add_fault(Fault::lose_answer().one_in(3));
    scene.server.write("index.html", "three");
    scene.deploy().assert_done();
    ec2.clear_faults();
    scene.assert_settled(&instance, "three", 3);
}

#[test]
fn a_snapshot_that_is_spoilt_is_made_again() {
    let (scene, instance) = Scene::deployed();
    scene.server.ec2.doom_snapshots(1);
    scene.server.write("index.html", "two");
    let run = scene.deploy();
    run.assert_done();
    assert!(run.said.contains("it is made again"), "{}", run.said);
    scene.assert_settled(&instance, "two", 2);
}

#[test]
fn where_every_snapshot_is_spoilt_the_hosts_have_it_and_that_is_said() {
    let (scene, instance) = Scene::deployed();
    let before = scene.published();
    scene.server.ec2.doom_snapshots(99);
    scene.server.write("index.html", "two");
    let run = scene.deploy();
    run.assert_fails(3, &["snap-", "error"]);
    assert_eq!(run.events.last().unwrap()["outcome"], "partial");
    assert_eq!(outcomes(&run)[instance.as_str()], "committed", "{run:#?}");
    assert_eq!(scene.published(), before);
    scene.server.assert_clean(1);
    assert!(scene.server.at("state/unfinished.json").exists());
    scene.server.ec2.doom_snapshots(0);
    let run = scene.deploy();
    run.assert_done();
    assert!(run.said.contains("has not come to its end"), "{}", run.said);
    scene.assert_settled(&instance, "two", 2);
}

/// With the snapshot first, no host is newer than what boots.
#[test]
fn with_the_snapshot_first_a_spoilt_one_changes_no_host() {
    let (scene, instance) = Scene::deployed();
    scene
        .server
        .reconfigure("deadline = \"60s\"", "order = \"snapshot-first\"");
    scene.server.ec2.doom_snapshots(99);
    scene.server.write("index.html", "two");
    scene.deploy().assert_fails(1, &["snap-", "error"]);
    assert_eq!(scene.on(&instance).as_deref(), Some("hello"));
    scene.server.assert_clean(1);
    assert!(!scene.server.at("state/unfinished.json").exists());
    scene.server.ec2.doom_snapshots(0);
    scene.assert_next_is_clean(&instance, "three", 2);
}

/// Ctrl-C, and what a system says that goes down: nothing more is committed, and nothing is left over.
#[test]
fn who_is_interrupted_ends_in_good_order() {
    let (scene, instance) = Scene::deployed();
    scene
        .server
        .reconfigure("deadline = \"60s\"", "order = \"snapshot-first\"");
    let before = scene.published();
    for (signal, delays, late) in [
        (Signal::INT, 20, 0),
        (Signal::TERM, 20, 0),
        // While it is frozen: that call is waited for.
        (Signal::TERM, 0, 1),
    ] {
        let ec2 = &scene.server.ec2;
        ec2.forget_calls();
        ec2.set_delays(Delays {
            snapshot: Duration::from_secs(delays),
            ..Delays::default()
        });
        let slow = Fault::late(Duration::from_secs(late));
        ec2.add_fault(slow.on("CreateSnapshot").times(1));
        scene.server.write("index.html", "never");
        let deploy = scene.command(&[]).spawn().unwrap();
        wait_for("a snapshot", || ec2.count("CreateSnapshot") == 1);
        kill_process(Pid::from_child(&deploy), signal).unwrap();
        let run = Run::of(deploy.wait_with_output().unwrap());
        assert_eq!(run.code, Some(130), "{run:#?}");
        assert_eq!(run.events.last().unwrap()["event"], "finished");
        assert_eq!(scene.on(&instance).as_deref(), Some("hello"));
        assert_eq!(scene.published(), before);
        scene.server.assert_clean(1);
        ec2.clear_faults();
    }
    scene.server.ec2.set_delays(Delays::default());
    scene.assert_next_is_clean(&instance, "two", 2);
}

/// Edits the source when it was scanned already, and is not yet frozen.
fn deploy_what_is_edited_meanwhile(scene: &Scene) -> Run {
    let ec2 = &scene.server.ec2;
    scene.server.write("index.html", "two");
    let slow = Fault::late(Duration::from_secs(1));
    ec2.add_fault(slow.on("DescribeAutoScalingGroups").times(1));
    let deploy = scene.command(&[]).spawn().unwrap();
    wait_for("the list", || ec2.count("DescribeAutoScalingGroups") == 1);
    scene.server.write("index.html", "edited");
    Run::of(deploy.wait_with_output().unwrap())
}

#[test]
fn a_source_that_is_edited_before_the_snapshot_changes_no_host() {
    let (scene, instance) = Scene::deployed();
    let before = scene.published();
    deploy_what_is_edited_meanwhile(&scene).assert_fails(1, &["index.html"]);
    assert_eq!(scene.on(&instance).as_deref(), Some("hello"));
    assert_eq!(scene.published(), before);
    scene.server.assert_clean(1);
    scene.assert_next_is_clean(&instance, "three", 2);
}

/// What was just made may not be found when it is to be deleted.
#[test]
fn a_snapshot_that_is_too_young_to_be_deleted_is_deleted_by_the_next() {
    let (scene, instance) = Scene::deployed();
    let ec2 = &scene.server.ec2;
    ec2.set_delays(Delays {
        listing: Duration::from_secs(60),
        ..Delays::default()
    });
    deploy_what_is_edited_meanwhile(&scene).assert_fails(1, &["index.html"]);
    assert_eq!(ec2.inventory().snapshots(), 2);
    assert!(scene.server.at("state/snapshots.json").exists());
    ec2.set_delays(Delays::default());
    let run = scene.deploy();
    run.assert_done();
    assert!(run.said.contains("was deleted"), "{}", run.said);
    scene.assert_settled(&instance, "edited", 2);
}

/// What was snapshotted is the release, whatever becomes of the source.
#[test]
fn a_source_that_is_edited_later_is_for_the_next_deploy() {
    let (scene, instance) = Scene::deployed();
    slow_snapshots(&scene);
    scene.server.write("index.html", "two");
    let committed = || scene.on(&instance).as_deref() == Some("two");
    let deploy = scene.command(&[]).spawn().unwrap();
    wait_for("the commit", committed);
    scene.server.write("index.html", "edited");
    Run::of(deploy.wait_with_output().unwrap()).assert_done();
    scene.assert_settled(&instance, "two", 2);

    // And can't be snapshotted again.
    scene.server.write("index.html", "three");
    scene.server.ec2.doom_snapshots(1);
    let before = scene.published();
    let deploy = scene.command(&[]).spawn().unwrap();
    wait_for("the commit", || {
        scene.on(&instance).as_deref() == Some("three")
    });
    sleep(Duration::from_millis(50));
    scene.server.write("index.html", "edited");
    let run = Run::of(deploy.wait_with_output().unwrap());
    run.assert_fails(3, &["index.html"]);
    assert_eq!(scene.published(), before);
    scene.server.ec2.set_delays(Delays::default());
    scene.assert_next_is_clean(&instance, "four", 3);
}
