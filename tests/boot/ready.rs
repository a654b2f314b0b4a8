//! Boots that end well.

use std::fs;
use std::time::Duration;

use jiff::SignedDuration;
use release_tests::ec2::{Delays, actions_allowed_by};
use release_tests::volumes::Content;
use serde_json::json;

use crate::scene::{Ended, ROLE_KEY, Scene, piped};

#[test]
fn a_new_instance_mounts_what_is_current_and_it_is_what_was_published() {
    for content in [Content::Ext4, Content::Xfs] {
        let scene = Scene::with(content, |_| ());
        let ended = scene.boot(&["--verify=full", "--fstab"]);
        ended.assert_code(0);
        scene.assert_settled(1);
        let options = mount_options(&scene);
        assert!(
            options.contains("nodev") && options.contains("nosuid"),
            "{options}"
        );
        let fstab = fs::read_to_string(scene.path("root/etc/fstab")).unwrap();
        let serial = ended.last()["volume"]
            .as_str()
            .unwrap()
            .replacen('-', "", 1);
        assert!(fstab.contains(&format!("{serial} /release ")), "{fstab}");
        scene.boot(&["verify"]).assert_code(0);
        // And it goes with the instance.
        let end = "ec2.terminate_instances(InstanceIds=[args])";
        scene.ec2.aside(end, &json!(scene.instance));
        assert_eq!(scene.ec2.inventory().volumes(), 1);
    }
}

fn mount_options(scene: &Scene) -> String {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let place = format!(" {} ", scene.release().display());
    let line = mounts.lines().find(|line| line.contains(&place)).unwrap();
    line.split(' ').nth(3).unwrap().to_owned()
}

#[test]
fn what_is_mounted_and_fresh_is_found_without_a_call() {
    let scene = Scene::new();
    scene.boot(&[]).assert_code(0);
    scene.ec2.forget_calls();
    let ended = scene.boot(&["reconcile"]);
    ended.assert_code(0);
    assert_eq!(ended.last()["source"], "mounted already");
    assert_eq!(scene.ec2.calls().len(), 0, "{:?}", scene.ec2.calls());
}

#[test]
fn things_that_take_time_are_waited_for() {
    let scene = Scene::new();
    scene.ec2.set_delays(Delays {
        volume: Duration::from_millis(700),
        attach: Duration::from_millis(600),
        device: Duration::from_millis(900),
        listing: Duration::from_millis(500),
        detach: Duration::from_millis(300),
        ..Delays::default()
    });
    scene.boot(&[]).assert_code(0);
    scene.assert_settled(1);
}

#[test]
fn a_snapshot_that_is_pending_is_waited_for() {
    let scene = Scene::new();
    scene.ec2.set_delays(Delays {
        snapshot: Duration::from_secs(2),
        ..Delays::default()
    });
    scene.publish(2);
    let ended = scene.boot(&[]);
    ended.assert_code(0);
    ended.assert_says("find the snapshot");
    scene.assert_settled(2);
}

#[test]
fn a_reboot_keeps_what_was_pushed() {
    let scene = Scene::new();
    scene.boot(&[]).assert_code(0);
    let pointer = scene.prepare(2);
    scene.push();
    for announced in [false, true] {
        if announced {
            scene.announce(&pointer);
        }
        scene.restart_with_its_volume();
        scene.assert_settled(2);
    }
}

#[test]
fn a_stale_release_is_replaced_unless_somebody_is_at_work_in_it() {
    let scene = Scene::new();
    scene.boot(&[]).assert_code(0);
    scene.publish(2);
    let work = fs::File::open(scene.release().join("app")).unwrap();
    let before = scene.ec2.inventory();
    for _ in 0..2 {
        let ended = scene.boot(&["reconcile"]);
        ended.assert_code(75);
        ended.assert_says("stale, and busy");
        assert_eq!(scene.ec2.inventory(), before);
        scene.assert_settled(1);
    }
    drop(work);
    let ended = scene.boot(&["reconcile"]);
    ended.assert_code(0);
    scene.assert_settled(2);
}

#[test]
fn the_instances_policy_is_enough_and_no_more_than_that() {
    let scene = Scene::new();
    let allowed = actions_allowed_by(include_str!("../../docs/iam/instance.json"));
    let names: Vec<&str> = allowed.iter().map(String::as_str).collect();
    scene.ec2.allow_only(ROLE_KEY, &names);
    // A boot that has to clear away what fails, and one that replaces what is stale.
    scene.hold();
    scene.ec2.doom_volumes(1);
    scene.ec2.stick_attachments(1);
    // What is published meanwhile takes it longer: the hook is asked for more time.
    let next = scene.prepare(2);
    scene.ec2.set_delays(Delays {
        volume: Duration::from_secs(1),
        ..Delays::default()
    });
    let child = piped(scene.command(&["--lifecycle-hook=ready"]));
    scene.wait_for_call("CreateVolume");
    scene.announce(&next);
    let ended = Ended::of(&child.wait_with_output().unwrap());
    ended.assert_code(0);
    scene.assert_settled(2);
    scene.publish(3);
    scene.boot(&["reconcile"]).assert_code(0);
    scene.assert_settled(3);
    assert_eq!(scene.ec2.permissions_used(ROLE_KEY), allowed);
    // Nobody else called.
    assert!(scene.ec2.calls().iter().all(|call| call.caller == ROLE_KEY));
}

#[test]
fn a_clock_that_is_a_year_off_is_put_right() {
    for ahead in [
        SignedDuration::from_hours(24 * 365),
        SignedDuration::from_hours(-24 * 365),
    ] {
        let scene = Scene::with(Content::Ext4, |imds| imds.clock_ahead = ahead);
        let ended = scene.boot(&[]);
        ended.assert_code(0);
        ended.assert_says("the clock is ");
        scene.assert_settled(1);
        // Signed as of the right time.
        let offset = ended.text.split("the clock is ").nth(1).unwrap();
        let offset: i64 = offset.split(' ').next().unwrap().parse().unwrap();
        assert!((offset - ahead.as_secs()).abs() <= 2, "{offset}");
    }
}

#[test]
fn the_hook_is_told_when_the_release_is_there_and_not_before() {
    let scene = Scene::new();
    scene.hold();
    let ended = scene.boot(&["--lifecycle-hook=ready"]);
    ended.assert_code(0);
    let calls = scene.ec2.calls();
    let completed = calls
        .iter()
        .position(|call| call.action == "CompleteLifecycleAction")
        .unwrap();
    assert_eq!(calls[completed].params["LifecycleActionResult"], "CONTINUE");
    assert_eq!(calls[completed].refused, None);
    let attached = calls
        .iter()
        .position(|call| call.action == "AttachVolume")
        .unwrap();
    assert!(attached < completed);
    // It does not hold the instance any more, and that is no failure.
    scene.restart();
    scene.boot(&["--lifecycle-hook=ready"]).assert_code(0);
}
