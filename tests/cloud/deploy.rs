//! `release-cli deploy` to the instances of a group, each a real SSH server, from a disk that is really frozen.

use std::time::Duration;

use release_tests::ec2::{Delays, Fault};
use release_tests::group::Instance;
use release_tests::sshd::SshdOptions;
use serde_json::Value;

use crate::scene::{Scene, outcomes, wait_for};
use crate::server::Run;

#[test]
fn one_command_brings_a_group_to_a_release_and_publishes_it() {
    let mut scene = Scene::new(3);
    let first = scene.group.instances();
    let ec2 = scene.server.ec2.clone();
    ec2.set_delays(Delays {
        snapshot: Duration::from_secs(4),
        ..Delays::default()
    });
    ec2.add_fault(Fault::late(Duration::from_secs(1)).on("CreateSnapshot"));
    let deploy = scene.command(&[]).spawn().unwrap();
    wait_for("a snapshot", || ec2.count("CreateSnapshot") == 1);
    // After the list, before the publication.
    let late = scene.group.launch(1).remove(0);
    scene.group.boot(&late, SshdOptions::default());
    scene.group.show_host_key(&late.id);
    assert!(!scene.server.at("www/release.json").exists());
    let run = Run::of(deploy.wait_with_output().unwrap());
    run.assert_done();

    let outcomes = outcomes(&run);
    for Instance { id, .. } in first.iter().chain([&late]) {
        assert_eq!(outcomes[id.as_str()], "committed", "{run:#?}");
        assert_eq!(scene.on(id).as_deref(), Some("hello"));
    }
    let finished = run.events.last().unwrap();
    let hosts = finished["hosts"].as_array().unwrap();
    assert!(hosts.iter().all(|host| host["proof"] == "full"), "{run:#?}");
    let begun = run.named("snapshot")[0];
    let frozen = begun["frozen_seconds"].as_f64().expect("it was frozen");
    assert!((1.0..1.5).contains(&frozen), "{frozen}");
    let published = run.named("published")[0];
    let snapshot = published["snapshot"].as_str().unwrap();
    scene.published();
    assert_eq!(scene.server.published()["snapshot"], snapshot);
    scene.server.assert_clean(1);
    let tags = ec2.aside(TAGS, &Value::from(snapshot));
    assert_eq!(tags["release-generation"], "1");
    assert_eq!(tags["release-id"], published["release"]);
}

const TAGS: &str = r#"
snapshot, = ec2.describe_snapshots(SnapshotIds=[args])["Snapshots"]
result = {tag["Key"]: tag["Value"] for tag in snapshot["Tags"]}
"#;

#[test]
fn who_sleeps_or_has_gone_is_no_fault() {
    let mut scene = Scene::new(3);
    let [awake, asleep, gone] = &scene.group.instances()[..] else {
        panic!("there are three");
    };
    let (awake, asleep, gone) = (awake.id.clone(), asleep.id.clone(), gone.id.clone());
    scene.group.stop(&asleep);
    scene.group.set_lifecycle(&gone, Some("Terminating:Wait"));
    let run = scene.deploy();
    run.assert_done();
    let outcomes = outcomes(&run);
    assert_eq!(outcomes[awake.as_str()], "committed", "{run:#?}");
    assert_eq!(outcomes[asleep.as_str()], "asleep", "{run:#?}");
    assert_eq!(outcomes[gone.as_str()], "gone", "{run:#?}");
    assert_eq!(scene.on(&gone), None);
    scene.server.assert_clean(1);
}

#[test]
fn a_key_that_no_console_shows_is_not_believed() {
    let mut scene = Scene::new(1);
    let stranger = scene.group.launch(1).remove(0);
    scene.group.boot(&stranger, SshdOptions::default());
    scene
        .server
        .reconfigure("deadline = \"60s\"", "deadline = \"3s\"");
    let run = scene.deploy();
    assert_eq!(run.code, Some(3), "{run:#?}");
    assert_eq!(outcomes(&run)[stranger.id.as_str()], "deferred", "{run:#?}");
    assert_eq!(scene.on(&stranger.id), None);
}

#[test]
fn groups_are_found_by_name_and_by_tag() {
    let scene = Scene::new(1);
    let mut workers = scene.group.beside("worker");
    let mut others = scene.group.beside("other");
    for group in [&mut workers, &mut others] {
        for instance in group.add(1) {
            group.show_host_key(&instance.id);
        }
    }
    scene.server.reconfigure(
        "groups = [\"web\"]",
        "groups = [\"web\"]\ngroup_tags = { role = \"worker\" }",
    );
    let run = scene.deploy();
    run.assert_done();
    let ours = [&scene.group.instances()[0], &workers.instances()[0]];
    let expected = ours.map(|instance| (instance.id.as_str(), "committed"));
    assert_eq!(outcomes(&run), expected.into());
    // Named by a flag, they are the only ones; and so is an instance of one.
    scene.server.write("index.html", "two");
    let other = others.instances()[0].id.clone();
    let run = scene.deploy_with(&["--group", "other", "--host", &other]);
    run.assert_done();
    assert_eq!(outcomes(&run), [(other.as_str(), "committed")].into());
    assert_eq!(scene.on(&ours[0].id).as_deref(), Some("hello"));
}

/// It has staged, and waits for the snapshot to be begun, when it ends.
#[test]
fn who_ends_meanwhile_is_no_fault() {
    let mut scene = Scene::new(2);
    let [stays, ends] = &scene.group.instances()[..] else {
        panic!("there are two");
    };
    let (stays, ends) = (stays.id.clone(), ends.id.clone());
    let ec2 = scene.server.ec2.clone();
    ec2.add_fault(Fault::late(Duration::from_secs(3)).on("CreateSnapshot"));
    let deploy = scene.command(&[]).spawn().unwrap();
    let staged = scene.group.host(&ends).unwrap().tree();
    let staged = staged.join(".release/stage");
    wait_for("the stage", || {
        staged.exists() && ec2.count("CreateSnapshot") == 1
    });
    scene.group.terminate(&ends);
    let run = Run::of(deploy.wait_with_output().unwrap());
    run.assert_done();
    let outcomes = outcomes(&run);
    assert_eq!(outcomes[stays.as_str()], "committed", "{run:#?}");
    assert_eq!(outcomes[ends.as_str()], "gone", "{run:#?}");
    scene.assert_settled(&stays, "hello", 1);
}
