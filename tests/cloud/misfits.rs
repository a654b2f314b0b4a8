//! Deploys that ask for what isn't there, or for nobody; and what comes while they are at work.

use std::time::Duration;

use release_tests::ec2::{Delays, Fault};
use serde_json::json;

use crate::scene::{Scene, outcomes, wait_for};
use crate::server::Run;

/// Refused with these words, and nothing was changed.
#[track_caller]
fn assert_refused(scene: &Scene, run: &Run, code: i32, words: &[&str]) {
    run.assert_fails(code, words);
    assert!(run.named("started").is_empty(), "{run:#?}");
    scene.server.assert_clean(0);
    assert!(!scene.server.at("www/release.json").exists());
    for instance in scene.group.instances() {
        assert_eq!(scene.on(&instance.id), None);
    }
}

#[test]
fn without_keys_nothing_is_asked() {
    let scene = Scene::new(1);
    let mut command = scene.command(&[]);
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        command.env_remove(name);
    }
    command.env("HOME", "/nonexistent");
    let run = Run::of(command.output().unwrap());
    let words = ["no valid credentials", "AWS_ACCESS_KEY_ID"];
    assert_refused(&scene, &run, 1, &words);
    assert!(scene.server.ec2.calls().is_empty());
    // Keys that nobody knows, or that have expired.
    for code in ["InvalidClientTokenId", "AuthFailure", "ExpiredToken"] {
        let ec2 = &scene.server.ec2;
        ec2.add_fault(Fault::refuse(403, code, "No."));
        assert_refused(&scene, &scene.deploy(), 1, &[code, "AWS_ACCESS_KEY_ID"]);
        ec2.clear_faults();
    }
    scene.deploy().assert_done();
}

#[test]
fn what_is_not_there_is_named() {
    let scene = Scene::new(1);
    let run = scene.deploy_with(&["--group", "wbe"]);
    assert_refused(&scene, &run, 1, &["`wbe`", "--group"]);
    // There, but not of this account's this region.
    let run = scene.deploy_with(&["--region", "eu-west-1"]);
    assert_refused(
        &scene,
        &run,
        1,
        &[&scene.server.volume(), "region", "snapshot.volume"],
    );
    let run = scene.deploy_with(&["--region", "us east"]);
    assert_refused(&scene, &run, 2, &["--region"]);
    let run = scene.deploy_with(&["--host", "i-0123456789abcdef0"]);
    let id = scene.group.instances()[0].id.clone();
    assert_refused(&scene, &run, 2, &["i-0123456789abcdef0", &id]);
    let volume = scene.server.volume();
    scene.server.reconfigure(&volume, "vol-0123456789abcdef0");
    let words = ["vol-0123456789abcdef0", "snapshot.volume"];
    assert_refused(&scene, &scene.deploy(), 1, &words);
    scene.server.reconfigure("vol-0123456789abcdef0", &volume);
    let nobody = "result = ec2.create_volume(AvailabilityZone='us-east-1a', Size=1)['VolumeId']";
    let nobody = scene.server.ec2.aside(nobody, &json!({}));
    scene.server.reconfigure(&volume, nobody.as_str().unwrap());
    let run = scene.deploy();
    let words = [nobody.as_str().unwrap(), "release-fleet"];
    assert_refused(&scene, &run, run.code.unwrap(), &words);
}

#[test]
fn a_region_that_does_not_answer_is_named_in_bounded_time() {
    let scene = Scene::new(1);
    let mut command = scene.command(&[]);
    // Nobody listens there.
    command.env("AWS_ENDPOINT_URL", "http://127.0.13.1:9");
    let run = Run::of(command.output().unwrap());
    assert_refused(&scene, &run, 1, &["no answer", "cloud.region"]);
}

#[test]
fn a_group_without_instances_is_published_for() {
    let scene = Scene::new(0);
    let run = scene.deploy_with(&["--host", "i-0123456789abcdef0"]);
    assert_refused(&scene, &run, 2, &["i-0123456789abcdef0", "no instances"]);
    let run = scene.deploy();
    run.assert_done();
    assert!(run.said.contains("there is no instance"), "{}", run.said);
    assert!(outcomes(&run).is_empty());
    scene.published();
    scene.server.assert_clean(1);
    assert_eq!(run.named("published").len(), 1);
}

#[test]
fn who_is_launched_after_the_publication_boots_by_itself() {
    let (scene, instance) = Scene::deployed();
    scene
        .server
        .reconfigure("settle = \"300ms\"", "settle = \"6s\"");
    scene.server.write("index.html", "two");
    let document = || std::fs::read(scene.server.at("www/release.json")).unwrap();
    let before = document();
    let deploy = scene.command(&[]).spawn().unwrap();
    wait_for("the publication", || document() != before);
    // EC2 tells launches in whole seconds.
    std::thread::sleep(Duration::from_millis(2100));
    let late = scene.group.launch(1).remove(0);
    let run = Run::of(deploy.wait_with_output().unwrap());
    run.assert_done();
    let outcomes = outcomes(&run);
    assert_eq!(outcomes[instance.as_str()], "committed", "{run:#?}");
    assert_eq!(outcomes[late.id.as_str()], "booting", "{run:#?}");
    scene.assert_settled(&instance, "two", 2);
}

#[test]
fn who_is_starting_is_pushed_to_after_the_publication_only() {
    let (mut scene, instance) = Scene::deployed();
    let starting = scene.group.launch(1).remove(0);
    scene
        .group
        .set_lifecycle(&starting.id, Some("Pending:Wait"));
    scene.group.boot(&starting, Default::default());
    scene.group.show_host_key(&starting.id);
    scene.server.write("index.html", "two");
    let ec2 = scene.server.ec2.clone();
    ec2.set_delays(Delays {
        snapshot: Duration::from_secs(2),
        ..Delays::default()
    });
    let deploy = scene.command(&[]).spawn().unwrap();
    wait_for("a snapshot", || ec2.count("CreateSnapshot") == 1);
    wait_for("the commit", || {
        scene.on(&instance).as_deref() == Some("two")
    });
    assert_eq!(scene.on(&starting.id), None, "it may mount over it yet");
    scene.group.set_lifecycle(&starting.id, None);
    let run = Run::of(deploy.wait_with_output().unwrap());
    run.assert_done();
    assert_eq!(
        outcomes(&run)[starting.id.as_str()],
        "committed",
        "{run:#?}"
    );
    assert_eq!(scene.on(&starting.id).as_deref(), Some("two"));
    scene.assert_settled(&instance, "two", 2);
}
