//! What a deploy comes to where the policy of its role lacks something: it says what, and leaves nothing behind.

use std::fs;
use std::time::Duration;

use release_tests::ec2::Fault;
use release_tests::sshd::SshdOptions;
use serde_json::json;

use crate::scene::{Scene, outcomes};
use crate::server::Run;

/// What a deploy calls for before anything is changed, and the statements of the policy that allow it.
const BEFORE: [(&str, &str, &str); 6] = [
    ("DescribeVolumes", "ec2:DescribeVolumes", "`Look`"),
    ("DescribeSnapshots", "ec2:DescribeSnapshots", "`Look`"),
    (
        "DescribeAutoScalingGroups",
        "autoscaling:DescribeAutoScalingGroups",
        "`Look`",
    ),
    ("DescribeWarmPool", "autoscaling:DescribeWarmPool", "`Look`"),
    ("DescribeInstances", "ec2:DescribeInstances", "`Look`"),
    (
        "CreateSnapshot",
        "ec2:CreateSnapshot",
        "`SnapshotOurVolume`",
    ),
];

const POLICY: &str = "docs/iam/release-server.json";

/// A scene in which one of two instances sleeps in a warm pool, and so many generations are kept.
fn with_a_warm_pool() -> (Scene, String) {
    let (mut scene, awake) = Scene::deployed();
    let asleep = scene.group.launch(1).remove(0).id;
    scene.group.stop(&asleep);
    let pool = [(asleep.as_str(), "Warmed:Stopped")];
    scene.server.ec2.set_warm_pool("web", &pool);
    (scene, awake)
}

#[test]
fn before_the_commit_it_is_named_and_nothing_was_changed() {
    let (scene, instance) = with_a_warm_pool();
    let ec2 = &scene.server.ec2;
    let (published, before) = (scene.published(), ec2.inventory());
    scene.server.write("index.html", "not yet");
    for (call, action, statement) in BEFORE {
        ec2.add_fault(Fault::deny().on(call));
        scene.deploy().assert_fails(1, &[action, statement, POLICY]);
        assert_eq!(scene.on(&instance).as_deref(), Some("hello"), "{action}");
        assert_eq!(scene.published(), published, "{action}");
        assert_eq!(ec2.inventory(), before, "{action}");
        scene.server.assert_clean(1);
        ec2.clear_faults();
    }
    scene.assert_next_is_clean(&instance, "now", 2);
}

/// EC2 refuses a snapshot with tags where it may not be tagged, and says so in its own words.
#[test]
fn what_a_snapshot_takes_besides_is_named_too() {
    let (scene, _) = Scene::deployed();
    let message = "You are not authorized to perform this operation. User: arn:aws:sts::123456789012:\
                   assumed-role/release/i-0 is not authorized to perform: ec2:CreateTags on resource: \
                   arn:aws:ec2:us-east-1::snapshot/*. Encoded authorization failure message: AAAA";
    let denied = Fault::refuse(403, "UnauthorizedOperation", message);
    scene.server.ec2.add_fault(denied.on("CreateSnapshot"));
    let words = ["ec2:CreateTags", "`TagThemWhileMakingThem`", POLICY];
    scene.deploy().assert_fails(1, &words);
    scene.server.assert_clean(1);
}

/// After the publication it is too late to change nothing. The next deploy does what is missing.
#[test]
fn after_the_publication_it_is_partial_and_made_up_for() {
    let (scene, instance) = Scene::deployed();
    scene.server.reconfigure("keep = 10", "keep = 1");
    scene.assert_next_is_clean(&instance, "two", 2);
    let ec2 = &scene.server.ec2;

    ec2.add_fault(Fault::deny().on("CreateTags"));
    scene.server.write("index.html", "three");
    let run = scene.deploy();
    run.assert_fails(3, &["ec2:CreateTags", "`TagThemLater`", POLICY]);
    assert_eq!(scene.on(&instance).as_deref(), Some("three"));
    scene.published();
    ec2.clear_faults();
    let run = scene.deploy();
    run.assert_done();
    assert!(
        run.said.contains("is published, and tagged now"),
        "{run:#?}"
    );
    // "three" is what is current and what was before it, and "two" is what could be gone back to.
    scene.assert_settled(&instance, "three", 3);

    ec2.add_fault(Fault::deny().on("DeleteSnapshot"));
    scene.server.write("index.html", "four");
    let run = scene.deploy();
    run.assert_fails(3, &["ec2:DeleteSnapshot", "`DeleteOurSnapshots`", POLICY]);
    scene.assert_settled(&instance, "four", 4);
    ec2.clear_faults();
    scene.assert_next_is_clean(&instance, "five", 2);
}

#[test]
fn a_console_that_may_not_be_read_leaves_the_others_alone() {
    let (mut scene, known) = Scene::deployed();
    let stranger = scene.group.launch(1).remove(0);
    scene.group.boot(&stranger, SshdOptions::default());
    scene.group.show_host_key(&stranger.id);
    scene
        .server
        .reconfigure("deadline = \"60s\"", "deadline = \"3s\"");
    scene
        .server
        .ec2
        .add_fault(Fault::deny().on("GetConsoleOutput"));
    scene.server.write("index.html", "two");
    let run = scene.deploy();
    run.assert_fails(
        3,
        &["ec2:GetConsoleOutput", "`ReadHostKeysFromConsoles`", POLICY],
    );
    let denials = run.named("error");
    let denials = denials.iter().filter(|event| event["kind"] == "denied");
    assert_eq!(denials.count(), 1, "it is told once: {run:#?}");
    let outcomes = outcomes(&run);
    assert_eq!(outcomes[known.as_str()], "committed", "{run:#?}");
    assert_eq!(outcomes[stranger.id.as_str()], "deferred", "{run:#?}");
    scene.server.ec2.clear_faults();
    scene.assert_next_is_clean(&known, "three", 3);
    assert_eq!(scene.on(&stranger.id).as_deref(), Some("three"));
}

/// One call of all that a deploy makes, whichever it is.
#[test]
fn whichever_call_is_denied_nothing_is_left_over() {
    let (scene, instance) = Scene::deployed();
    scene.server.reconfigure("keep = 10", "keep = 1");
    scene.assert_next_is_clean(&instance, "0", 2);
    let ec2 = &scene.server.ec2;
    let mut current = String::from("0");
    for number in 1.. {
        let content = number.to_string();
        scene.server.write("index.html", &content);
        let published = scene.published();
        ec2.forget_calls();
        ec2.add_fault(Fault::deny().one_in(number).times(1));
        let run = scene.deploy();
        ec2.clear_faults();
        let calls = ec2.calls();
        let denied = calls.iter().find(|call| {
            let code = call.refused.as_deref();
            code.is_some_and(|code| code == "UnauthorizedOperation" || code == "AccessDenied")
        });
        let Some(denied) = denied else {
            run.assert_done();
            assert!(number > 8, "a deploy makes more calls than {number}");
            return;
        };
        let action = format!("{}:{}", denied.service, denied.action);
        match run.code {
            // It was asked again.
            Some(0) => {}
            Some(1) => {
                assert_eq!(scene.published(), published, "{action}: {run:#?}");
                assert_eq!(scene.on(&instance), Some(current.clone()), "{action}");
                assert!(!scene.server.at("state/snapshots.json").exists());
            }
            // Hosts were changed, whether it came to be published or not.
            Some(3) => drop(scene.published()),
            _ => panic!("{action}: {run:#?}"),
        }
        assert!(
            run.code == Some(0) || run.said.contains(&action),
            "{run:#?}"
        );
        if run.code != Some(1) {
            assert_eq!(scene.on(&instance), Some(content.clone()), "{action}");
            current = content;
        }
        assert_nobody_lost(&scene, &run);
    }
}

/// Every snapshot is published, is tagged so, or stands in the ledger.
fn assert_nobody_lost(scene: &Scene, run: &Run) {
    let ledger = fs::read_to_string(scene.server.at("state/snapshots.json")).unwrap_or_default();
    let shown = scene.server.published()["snapshot"].clone();
    let listed = scene.server.ec2.aside(SNAPSHOTS, &json!({}));
    for (id, tags) in listed.as_object().unwrap() {
        let is_known = shown == id.as_str()
            || tags["release-generation"].is_string()
            || ledger.contains(tags["release-deploy"].as_str().unwrap());
        assert!(is_known, "{id} {tags}: {run:#?}");
    }
}

const SNAPSHOTS: &str = r#"
result = {one["SnapshotId"]: {tag["Key"]: tag["Value"] for tag in one["Tags"]}
          for one in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]}
"#;

/// A list that can't be had after the publication is tried again until the deadline, and then said.
#[test]
fn a_list_that_is_denied_later_is_tried_until_the_deadline() {
    let (scene, instance) = Scene::deployed();
    scene
        .server
        .reconfigure("deadline = \"60s\"", "deadline = \"2s\"");
    scene.server.write("index.html", "two");
    let published = scene.published();
    let ec2 = &scene.server.ec2;
    ec2.set_delays(release_tests::ec2::Delays {
        snapshot: Duration::from_millis(700),
        ..Default::default()
    });
    let deploy = scene.command(&[]).spawn().unwrap();
    crate::scene::wait_for("a snapshot", || ec2.count("CreateSnapshot") == 1);
    ec2.add_fault(Fault::deny().on("DescribeAutoScalingGroups"));
    let run = Run::of(deploy.wait_with_output().unwrap());
    run.assert_fails(3, &["autoscaling:DescribeAutoScalingGroups"]);
    assert_ne!(scene.published(), published);
    // Whether everybody was seen, nobody knows: that is written down.
    assert!(scene.server.at("state/unfinished.json").exists());
    ec2.clear_faults();
    let run = scene.deploy();
    run.assert_done();
    assert!(run.said.contains("is resumed"), "{}", run.said);
    scene.assert_settled(&instance, "two", 2);
}
