//! `release-cli setup`, `snapshot` and `prune`, with real file systems that are really frozen.

use std::fs;
use std::process::Child;
use std::time::Duration;

use release_tests::ec2::{Delays, Fault};
use rustix::process::{Pid, Signal, kill_process};

use crate::scene::wait_for;
use crate::server::{Run, Server, watchdog};

#[test]
fn a_server_is_prepared_from_nothing_and_found_prepared() {
    let server = Server::new();
    let planned = server.set_up(&["--plan"]);
    planned.assert_done();
    assert_eq!(server.ec2.inventory().volumes(), 1, "only its own");
    assert!(!server.at("www").exists() && !server.at("fstab").exists());
    let states = |run: &Run| -> Vec<String> {
        let steps = run.named("setup").into_iter();
        steps
            .map(|event| format!("{} {}", event["step"], event["state"]).replace('"', ""))
            .collect()
    };
    assert!(states(&planned).contains(&"volume to-do".to_owned()));
    let first = server.set_up(&[]);
    first.assert_done();
    let steps = ["volume", "attach", "file-system", "fstab", "mount"];
    let all = |state: &str| steps.map(|step| format!("{step} {state}"));
    assert_eq!(states(&first)[..5], all("done"), "{first:#?}");
    let second = server.set_up(&[]);
    second.assert_done();
    assert_eq!(states(&second)[..5], all("found"), "{second:#?}");
    assert_eq!(server.ec2.inventory().volumes(), 2);
    let table = fs::read_to_string(server.at("fstab")).unwrap();
    let link = "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol";
    assert!(table.starts_with(link), "{table}");
    assert!(table.contains(" ext4 defaults,nofail 0 2\n"), "{table}");
    assert_eq!(table.lines().count(), 1);
}

#[test]
fn a_device_with_something_on_it_is_refused() {
    let server = Server::new();
    server.set_up(&[]).assert_done();
    let volume = fs::read_to_string(server.at("fstab")).unwrap();
    let volume = volume.split("Store_vol").nth(1).unwrap();
    let volume = format!("vol-{}", volume.split(' ').next().unwrap());
    let source = server.at("release");
    let done = std::process::Command::new("umount").arg(&source).status();
    assert!(done.unwrap().success());
    // Somebody else's file system: ours has another UUID.
    let device = server.volumes.device(&volume).unwrap();
    let made = std::process::Command::new("mkfs.ext4")
        .args(["-q", "-F"])
        .arg(&device)
        .status();
    assert!(made.unwrap().success());
    server
        .set_up(&[])
        .assert_fails(5, &["is not empty", "ext4"]);
    server.set_up(&["--keep-file-system"]).assert_done();
}

#[test]
fn a_snapshot_is_the_release_and_was_frozen_no_longer_than_the_answer_took() {
    for file_system in ["ext4", "xfs"] {
        let server = Server::ready(file_system);
        server.ec2.set_delays(Delays {
            snapshot: Duration::from_millis(600),
            ..Delays::default()
        });
        let slow = Fault::late(Duration::from_secs(1));
        server.ec2.add_fault(slow.on("CreateSnapshot"));
        let run = server.snapshot();
        run.assert_done();
        let frozen = run.frozen();
        let second = Duration::from_secs(1);
        assert!(frozen >= second && frozen < second * 3 / 2, "{frozen:?}");
        let pointer = server.published();
        assert_eq!(pointer["file_system"], file_system);
        assert_eq!(pointer["label"], "release");
        let snapshot = pointer["snapshot"].as_str().unwrap();
        server.assert_clean(1);
        let tree = server.boot(snapshot);
        assert_eq!(
            fs::read_to_string(tree.join("index.html")).unwrap(),
            "hello"
        );
        let marker = fs::read_to_string(tree.join(".release/marker")).unwrap();
        assert!(
            marker.contains(pointer["release"].as_str().unwrap()),
            "{marker}"
        );
        let verified = std::process::Command::new("minisign")
            .args(["-V", "-q", "-p"])
            .arg(server.at("release.pub"))
            .arg("-m")
            .arg(server.at("www/release.json"))
            .status();
        assert!(verified.unwrap().success());
    }
}

/// Whatever becomes of the call: one snapshot that is published, and none besides.
#[test]
fn no_answer_leaves_no_orphan() {
    for fault in [
        Fault::lose_answer(),
        Fault::lose_request(),
        Fault::throttle(),
        // Nobody waits so long while the file system is frozen.
        Fault::late(Duration::from_secs(12)),
    ] {
        let server = Server::ready("ext4");
        let words = format!("{fault:?}");
        server.ec2.add_fault(fault.on("CreateSnapshot").times(1));
        let run = server.snapshot();
        assert_eq!(run.code, Some(0), "{words}: {run:#?}");
        assert_eq!(server.ec2.inventory().snapshots(), 1, "{words}: {run:#?}");
        server.assert_thawed();
        let shown = server.published()["snapshot"].as_str().unwrap().to_owned();
        assert!(server.volumes.has(&shown), "{words}");
    }
}

#[test]
fn a_snapshot_that_ends_in_an_error_is_made_again() {
    let server = Server::ready("ext4");
    server.ec2.doom_snapshots(1);
    let run = server.snapshot();
    run.assert_done();
    assert!(run.said.contains("it is made again"), "{}", run.said);
    server.assert_clean(1);
}

#[test]
fn denial_names_the_action_and_the_policy() {
    let server = Server::ready("ext4");
    server.ec2.add_fault(Fault::deny().on("CreateSnapshot"));
    let words = [
        "ec2:CreateSnapshot",
        "SnapshotOurVolume",
        "docs/iam/release-server.json",
    ];
    server.snapshot().assert_fails(1, &words);
    server.assert_clean(0);
    assert!(!server.at("www/release.json").exists());
}

#[test]
fn another_volume_than_the_configured_one_is_refused() {
    let server = Server::ready("ext4");
    let other = server.ec2.aside(
        "result = ec2.create_volume(AvailabilityZone='us-east-1a', Size=1, TagSpecifications=[
            {'ResourceType': 'volume', 'Tags': [{'Key': 'release-fleet', 'Value': 'web'}]}])['VolumeId']",
        &serde_json::json!({}),
    );
    server.configure(&format!("volume = {other}\n"));
    server.snapshot().assert_fails(5, &["is not on vol-"]);
    assert_eq!(server.ec2.inventory().snapshots(), 0);
    server.assert_thawed();
}

/// A `snapshot` whose call takes so long that it can be killed meanwhile.
fn frozen(server: &Server) -> Child {
    let slow = Fault::late(Duration::from_secs(4));
    server.ec2.add_fault(slow.on("CreateSnapshot").times(1));
    let child = server.command(&server.snapshot_words()).spawn().unwrap();
    wait_for("the call", || server.ec2.count("CreateSnapshot") > 0);
    wait_for("the snapshot", || server.ec2.inventory().snapshots() > 0);
    child
}

#[test]
fn whoever_is_killed_while_it_is_frozen_leaves_nothing() {
    for both in [false, true] {
        let server = Server::ready("ext4");
        let mut child = frozen(&server);
        if both {
            kill_process(watchdog(&child).unwrap(), Signal::KILL).unwrap();
        }
        kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
        child.wait().unwrap();
        if !both {
            server.assert_thawed();
        }
        let run = server.snapshot();
        run.assert_done();
        if both {
            assert!(run.said.contains("is thawed now"), "{}", run.said);
        }
        assert!(run.said.contains("was deleted"), "{}", run.said);
        server.assert_clean(1);
    }
}

#[test]
fn without_its_watchdog_it_thaws_all_the_same() {
    let server = Server::ready("xfs");
    let child = frozen(&server);
    kill_process(watchdog(&child).unwrap(), Signal::KILL).unwrap();
    Run::of(child.wait_with_output().unwrap()).assert_done();
    server.assert_clean(1);
}

#[test]
fn retention_keeps_what_is_configured() {
    let server = Server::ready("ext4");
    for content in ["one", "two", "three"] {
        server.write("index.html", content);
        server.snapshot().assert_done();
    }
    // All were current a moment ago.
    server.assert_clean(3);
    let volume = fs::read_to_string(server.at("release.toml")).unwrap();
    let config = format!("{volume}keep = 1\n[rollout]\nboot_deadline = \"1ms\"\n");
    fs::write(server.at("release.toml"), config).unwrap();
    let planned = server.run(&["prune", "--plan"]);
    planned.assert_done();
    server.assert_clean(3);
    server.run(&["prune"]).assert_done();
    server.assert_clean(2);
}
