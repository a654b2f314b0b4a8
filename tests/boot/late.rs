//! The deadline, at whatever step it passes: exit code 75 in time, and no more volumes than before.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use release_tests::ec2::{Delays, Fault};
use release_tests::volumes::Content;

use crate::scene::{Ended, Scene};

const DEADLINE: &str = "--deadline=3s";
/// The deadline, and less than the half minute that clearing away may take.
const LONGEST: Duration = Duration::from_secs(25);
const NEVER: Duration = Duration::from_secs(3600);

#[test]
fn when_a_call_is_not_answered() {
    for (action, step) in [
        ("DescribeInstances", "find the instance's group"),
        ("DescribeSnapshots", "find the snapshot"),
        ("DescribeVolumes", "list attached volumes"),
        ("CreateVolume", "make a volume"),
        ("AttachVolume", "attach the volume"),
        (
            "ModifyInstanceAttribute",
            "let the volume end with the instance",
        ),
    ] {
        let scene = Scene::new();
        let silent = Fault::late(Duration::from_secs(8)).on(action).times(1);
        scene.ec2.add_fault(silent);
        let began = Instant::now();
        let ended = scene.boot(&[DEADLINE, "--lifecycle-hook=ready"]);
        ended.assert_code(75);
        ended.assert_says(&format!("the deadline passed: {step}"));
        assert!(began.elapsed() < LONGEST, "{}", ended.text);
        scene.assert_untouched();
        // And the next try is none the worse for it.
        scene.boot(&[]).assert_code(0);
        scene.assert_settled(1);
    }
}

#[test]
fn when_something_never_comes() {
    for (delays, step) in [
        (
            Delays {
                volume: NEVER,
                ..Delays::default()
            },
            "look at the volume",
        ),
        (
            Delays {
                device: NEVER,
                ..Delays::default()
            },
            "find the device",
        ),
    ] {
        let scene = Scene::new();
        scene.ec2.set_delays(delays);
        let began = Instant::now();
        let ended = scene.boot(&[DEADLINE, "--interval=1m"]);
        ended.assert_code(75);
        ended.assert_says(&format!("the deadline passed: {step}"));
        assert!(began.elapsed() < LONGEST, "{}", ended.text);
        scene.assert_untouched();
    }
    let scene = Scene::new();
    scene.ec2.set_delays(Delays {
        snapshot: NEVER,
        ..Delays::default()
    });
    scene.publish(2);
    let ended = scene.boot(&[DEADLINE]);
    ended.assert_code(75);
    ended.assert_says("the deadline passed: find the snapshot");
    scene.assert_untouched();
}

#[test]
fn when_nobody_says_who_this_is_or_what_is_current() {
    let scene = Scene::with(Content::Ext4, |imds| imds.silent_for = NEVER);
    let ended = scene.boot(&["--deadline=1s"]);
    ended.assert_code(75);
    ended.assert_says("ask who this is");
    scene.assert_untouched();
    let scene = Scene::new();
    // Connections are made, and that is all.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = format!("http://{}/release.json", silent.local_addr().unwrap());
    let output = scene.command_at(&place, &["--deadline=2s"]).output();
    let ended = Ended::of(&output.unwrap());
    ended.assert_code(75);
    ended.assert_says("the deadline passed: read the pointer");
    scene.assert_untouched();
}

#[test]
fn when_only_the_telling_is_left_the_release_is_ready() {
    let scene = Scene::new();
    scene.hold();
    let silent = Fault::late(Duration::from_secs(8)).on("CompleteLifecycleAction");
    scene.ec2.add_fault(silent);
    let ended = scene.boot(&["--deadline=5s", "--lifecycle-hook=ready"]);
    ended.assert_code(0);
    scene.assert_settled(1);
}

#[test]
fn what_could_not_be_deleted_is_named_and_found_by_the_next_try() {
    let scene = Scene::new();
    scene.ec2.stick_attachments(99);
    for action in ["DetachVolume", "DeleteVolume"] {
        scene.ec2.add_fault(Fault::deny().on(action));
    }
    let ended = scene.boot(&["--interval=200ms"]);
    ended.assert_code(1);
    let left = ended.last()["left"][0].as_str().unwrap().to_owned();
    ended.assert_says(&format!("{left} could not be deleted"));
    scene.ec2.clear_faults();
    scene.ec2.stick_attachments(0);
    scene.boot(&[]).assert_code(0);
    scene.assert_settled(1);
}
