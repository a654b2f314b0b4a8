//! The policy for release servers allows what `release-cli` calls, no less and no more.

use std::collections::BTreeSet;

use release_tests::ec2::{Fault, actions_allowed_by};
use serde_json::{Value, json};

use crate::scene::Scene;
use crate::server::{CALLER, Run, Server};

const POLICY: &str = include_str!("../../docs/iam/release-server.json");

fn allowed() -> BTreeSet<String> {
    actions_allowed_by(POLICY)
}

/// What was really done with it; to ask who one is needs no permission.
fn used(server: &Server) -> BTreeSet<String> {
    let mut used = server.ec2.permissions_used(CALLER);
    used.remove("sts:GetCallerIdentity");
    used
}

/// Whoever has the policy, and nothing else.
fn hold(server: &Server) {
    let mut allowed = allowed();
    allowed.insert("sts:GetCallerIdentity".to_owned());
    let allowed: Vec<&str> = allowed.iter().map(String::as_str).collect();
    server.ec2.allow_only(CALLER, &allowed);
}

const ENCRYPTED: &str = r#"
result = ec2.create_volume(AvailabilityZone="us-east-1a", Size=1, Encrypted=True, TagSpecifications=[
    {"ResourceType": "volume", "Tags": [{"Key": "release-fleet", "Value": "web"}]}])["VolumeId"]
"#;

#[test]
fn all_that_is_called_is_allowed_and_all_that_is_allowed_is_called() {
    // From nothing: the volume is made and attached.
    let mut scene = Scene::held(1, hold);
    let asleep = scene.group.launch(1).remove(0).id;
    scene.group.stop(&asleep);
    let pool = [(asleep.as_str(), "Warmed:Stopped")];
    scene.server.ec2.set_warm_pool("web", &pool);
    scene.server.reconfigure("keep = 10", "keep = 1");
    scene.deploy().assert_done();
    scene.server.write("index.html", "two");
    scene.deploy().assert_done();
    scene.server.run(&["rollback", "--yes"]).assert_done();
    scene.server.write("index.html", "three");
    scene.server.snapshot().assert_done();
    scene.server.run(&["prune"]).assert_done();
    scene.server.run(&["status"]).assert_done();
    scene.doctor(&[]).assert_done();
    let mut used = used(&scene.server);

    // Adopted, and encrypted.
    let server = Server::new();
    hold(&server);
    let volume = server.ec2.aside(ENCRYPTED, &json!({}));
    server.configure(&format!("volume = {volume}\n"));
    server.set_up(&[]).assert_done();
    server.write("index.html", "hello");
    server.snapshot().assert_done();
    used.extend(self::used(&server));
    assert_eq!(used, allowed());
}

/// Each check that is no good.
fn faults(run: &Run) -> Vec<(String, String)> {
    let checks = run.named("check").into_iter();
    let word = |event: &Value, key: &str| event[key].as_str().unwrap_or_default().to_owned();
    checks
        .filter(|event| event["result"] == "fault")
        .map(|event| (word(event, "text"), word(event, "mend")))
        .collect()
}

/// What the doctor can ask about without doing it.
const ASKED: [(&str, &str); 9] = [
    ("autoscaling:DescribeAutoScalingGroups", "`Look`"),
    ("autoscaling:DescribeWarmPool", "`Look`"),
    ("ec2:DescribeInstances", "`Look`"),
    ("ec2:DescribeVolumes", "`Look`"),
    ("ec2:DescribeSnapshots", "`Look`"),
    ("ec2:CreateSnapshot", "`MakeSnapshotsAndVolumesOfOurs`"),
    ("ec2:CreateTags", "`TagThemLater`"),
    ("ec2:DeleteSnapshot", "`DeleteOurSnapshots`"),
    ("ec2:GetConsoleOutput", "`ReadHostKeysFromConsoles`"),
];

#[test]
fn the_doctor_names_what_the_policy_lacks() {
    let (scene, _) = Scene::deployed();
    let well = scene.doctor(&[]);
    well.assert_done();
    assert_eq!(faults(&well), []);
    let ec2 = &scene.server.ec2;
    ec2.set_warm_pool("web", &[]);
    let before = ec2.inventory();
    for (action, statement) in ASKED {
        let call = action.split(':').nth(1).unwrap();
        ec2.add_fault(Fault::deny().on(call));
        let run = scene.doctor(&[]);
        ec2.clear_faults();
        assert_eq!(run.code, Some(1), "{action}: {run:#?}");
        let faults = faults(&run);
        let is_named = faults.iter().any(|(text, mend)| {
            text.contains(action)
                && mend.contains(statement)
                && mend.contains("docs/iam/release-server.json")
        });
        assert!(is_named, "{action}: {faults:?}");
    }
    assert_eq!(ec2.inventory(), before, "it was asked, and not done");
}
