//! What goes wrong on the way: exit code, words, and no more volumes afterwards than before.

use std::thread::sleep;
use std::time::Duration;

use release_tests::ec2::{Delays, Fault};
use release_tests::volumes::Content;
use serde_json::json;

use crate::scene::{Ended, Scene, piped};

#[test]
fn a_call_that_is_denied_ends_it_and_nothing_is_left() {
    for action in [
        "DescribeSnapshots",
        "DescribeVolumes",
        "CreateVolume",
        "AttachVolume",
        "ModifyInstanceAttribute",
    ] {
        let scene = Scene::new();
        scene.ec2.add_fault(Fault::deny().on(action).times(1));
        let ended = scene.boot(&[]);
        ended.assert_code(1);
        ended.assert_says(&format!("ec2:{action}: not allowed"));
        scene.assert_untouched();
    }
}

#[test]
fn throttling_and_lost_answers_are_got_over() {
    for fault in [Fault::throttle, Fault::lose_answer, Fault::lose_request] {
        let scene = Scene::new();
        scene.ec2.add_fault(fault().one_in(3));
        let ended = scene.boot(&[]);
        ended.assert_code(0);
        scene.ec2.clear_faults();
        scene.assert_settled(1);
    }
}

#[test]
fn each_kind_of_answer_may_be_lost_for_longer_than_a_call_is_tried() {
    for action in ["CreateVolume", "AttachVolume", "ModifyInstanceAttribute"] {
        let scene = Scene::new();
        scene
            .ec2
            .add_fault(Fault::lose_answer().on(action).times(5));
        scene.boot(&[]).assert_code(0);
        scene.assert_settled(1);
    }
}

#[test]
fn what_fails_in_the_cloud_is_replaced_or_ends_it() {
    let scene = Scene::new();
    scene.ec2.doom_volumes(1);
    scene.ec2.stick_attachments(1);
    scene.boot(&[]).assert_code(0);
    scene.assert_settled(1);

    let scene = Scene::new();
    scene.ec2.stick_attachments(99);
    let ended = scene.boot(&["--interval=200ms"]);
    ended.assert_code(1);
    ended.assert_says("was not there after 3 attempts");
    scene.assert_untouched();

    let scene = Scene::new();
    scene.ec2.doom_snapshots(1);
    scene.publish(2);
    let ended = scene.boot(&[]);
    ended.assert_code(1);
    ended.assert_says("is error");
    scene.assert_untouched();
}

#[test]
fn a_device_that_does_not_show_up_ends_it() {
    let scene = Scene::new();
    scene.ec2.set_delays(Delays {
        device: Duration::from_secs(3600),
        ..Delays::default()
    });
    let ended = scene.boot(&["--interval=200ms"]);
    ended.assert_code(1);
    ended.assert_says("was not there after 3 attempts");
    scene.assert_untouched();
}

#[test]
fn an_instance_that_does_not_run_yet_is_waited_for() {
    let scene = Scene::new();
    let message = "Instance 'i-1' is not 'running'.";
    let fault = Fault::refuse(400, "IncorrectState", message);
    scene.ec2.add_fault(fault.on("AttachVolume").times(3));
    scene.boot(&[]).assert_code(0);
    scene.assert_settled(1);
}

#[test]
fn killed_after_any_step_the_next_one_finishes() {
    let scene = Scene::new();
    let detach = "ec2.detach_volume(VolumeId=args)\nec2.delete_volume(VolumeId=args)";
    let mut steps = 1;
    while scene.boot_killed_after(steps).is_none() {
        let ended = scene.boot(&[]);
        ended.assert_code(0);
        scene.assert_settled(1);
        // From the beginning again.
        scene.restart();
        std::fs::remove_dir_all(scene.path("root/var")).unwrap();
        scene.ec2.aside(detach, &ended.last()["volume"].clone());
        scene.ec2.forget_tokens();
        steps += 1;
    }
    assert!(steps > 8, "{steps}");
    scene.assert_settled(1);
}

#[test]
fn without_a_network_it_waits_and_then_goes_on() {
    let scene = Scene::with(Content::Ext4, |imds| {
        imds.silent_for = Duration::from_secs(3)
    });
    let ended = scene.boot(&[]);
    ended.assert_code(0);
    ended.assert_says("ask who this is");
    scene.assert_settled(1);
}

#[test]
fn a_metadata_service_in_a_bad_mood_is_got_over() {
    let scene = Scene::new();
    scene.imds.fail(4);
    scene.boot(&[]).assert_code(0);
    // Version 1 was not tried: the token comes first.
    assert_eq!(scene.imds.asked()[0].method, "PUT");
    scene.assert_settled(1);
}

#[test]
fn an_instance_that_is_to_end_makes_nothing() {
    let scene = Scene::new();
    scene.imds.set_lifecycle(Some("Terminated"));
    let ended = scene.boot(&[]);
    ended.assert_code(1);
    ended.assert_says("is to be ended");
    scene.assert_untouched();
    scene.imds.set_lifecycle(Some("InService"));
    scene.boot(&[]).assert_code(0);
}

#[test]
fn a_release_that_is_published_meanwhile_is_the_one_that_is_mounted() {
    let scene = Scene::new();
    let next = scene.prepare(2);
    scene.ec2.set_delays(Delays {
        volume: Duration::from_secs(2),
        ..Delays::default()
    });
    let child = piped(scene.command(&[]));
    scene.wait_for_call("CreateVolume");
    scene.announce(&next);
    let ended = Ended::of(&child.wait_with_output().unwrap());
    ended.assert_code(0);
    scene.assert_settled(2);
    assert_eq!(scene.ec2.count("CreateVolume"), 2);
}

#[test]
fn what_an_interrupted_try_left_unattached_is_adopted() {
    let scene = Scene::new();
    scene.ec2.set_delays(Delays {
        volume: Duration::from_secs(2),
        ..Delays::default()
    });
    let mut child = piped(scene.command(&[]));
    scene.wait_for_call("CreateVolume");
    sleep(Duration::from_millis(300));
    child.kill().unwrap();
    child.wait().unwrap();
    let ended = scene.boot(&[]);
    ended.assert_code(0);
    assert_eq!(ended.last()["source"], "adopted", "{}", ended.text);
    assert_eq!(scene.ec2.count("CreateVolume"), 1);
    scene.assert_settled(1);
}

#[test]
fn two_at_once_take_turns() {
    let scene = Scene::new();
    let other = piped(scene.command(&[]));
    let ended = scene.boot(&[]);
    let other = Ended::of(&other.wait_with_output().unwrap());
    ended.assert_code(0);
    other.assert_code(0);
    assert_eq!(scene.ec2.count("CreateVolume"), 1);
    scene.assert_settled(1);
}

#[test]
fn a_snapshot_that_is_gone_and_stays_gone_ends_it() {
    let scene = Scene::new();
    let pointer = scene.publish(2);
    let delete = "ec2.delete_snapshot(SnapshotId=args)";
    scene.ec2.aside(delete, &json!(pointer.snapshot.as_str()));
    let ended = scene.boot(&[]);
    ended.assert_code(1);
    ended.assert_says(&format!("{} is not there", pointer.snapshot));
    scene.assert_untouched();
}

#[test]
fn volumes_that_always_fail_are_not_made_for_ever() {
    let scene = Scene::new();
    scene.ec2.doom_volumes(u32::MAX);
    let ended = scene.boot(&[]);
    ended.assert_code(1);
    ended.assert_says("no volume could be made of snap-");
    scene.assert_untouched();
}

#[test]
fn an_instance_without_a_role_says_so() {
    let scene = Scene::with(Content::Ext4, |imds| imds.role = None);
    let ended = scene.boot(&[]);
    ended.assert_code(1);
    ended.assert_says("role");
    scene.assert_untouched();
}

#[test]
fn the_role_may_come_late() {
    let scene = Scene::with(Content::Ext4, |imds| imds.role = None);
    let child = piped(scene.command(&[]));
    sleep(Duration::from_secs(2));
    scene.imds.set_role(Some("web"));
    Ended::of(&child.wait_with_output().unwrap()).assert_code(0);
    scene.assert_settled(1);
}

#[test]
fn a_failure_is_told_put_up_with_or_ends_the_instance() {
    for (policy, code, result) in [
        ("fail", 1, None),
        ("continue", 0, None),
        ("abandon", 1, Some("ABANDON")),
    ] {
        let scene = Scene::new();
        scene.hold();
        let denied = Fault::deny().on("CreateVolume").times(1);
        scene.ec2.add_fault(denied);
        let policy = format!("--on-failure={policy}");
        let ended = scene.boot(&["--lifecycle-hook=ready", &policy]);
        ended.assert_code(code);
        ended.assert_says("ec2:CreateVolume: not allowed");
        let calls = scene.ec2.calls();
        let told = calls
            .iter()
            .find(|call| call.action == "CompleteLifecycleAction");
        let told = told.map(|call| call.params["LifecycleActionResult"].as_str());
        assert_eq!(told, result, "{policy}");
        scene.assert_untouched();
    }
}
