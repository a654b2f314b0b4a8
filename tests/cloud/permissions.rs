//! Whether something would be allowed, asked without doing it.

use release_core::cloud::{Action, Cloud, Target, Verdict};
use release_tests::ec2::{Fault, REGION};
use serde_json::json;

use crate::region::{Region, blank, snapshot_of, tags};

const INSTANCE: &str = r#"
made = ec2.run_instances(ImageId="ami-12345678", MinCount=1, MaxCount=1)
result = made["Instances"][0]["InstanceId"]
"#;

/// Where nothing but the deed itself would tell.
const UNTOLD: [Action; 3] = [
    Action::DescribeWarmPool,
    Action::CompleteLifecycleAction,
    Action::RecordLifecycleActionHeartbeat,
];

#[test]
fn every_action_is_asked_about_and_none_is_done() {
    let region = Region::new();
    let instance = region.ec2.aside(INSTANCE, &json!({}));
    let volume = region
        .run(region.cloud.create_volume(&blank("v")))
        .unwrap()
        .id;
    let snapshot = region
        .run(region.cloud.create_snapshot(&snapshot_of(&volume)))
        .unwrap()
        .id;
    let target = Target {
        volume: Some(volume),
        snapshot: Some(snapshot),
        instance: Some(instance.as_str().unwrap().parse().unwrap()),
        zone: Some(format!("{REGION}a").parse().unwrap()),
        tags: tags(&[("release-fleet", "web")]),
    };
    let before = region.ec2.inventory();
    for action in Action::ALL {
        let name = action.as_str().split(':').next_back().unwrap();
        let told = |told| {
            if UNTOLD.contains(&action) {
                Verdict::Untold
            } else {
                told
            }
        };
        let asked = region.run(region.cloud.permission(action, &target));
        assert_eq!(asked.unwrap(), told(Verdict::Allowed), "{action}");
        region.ec2.add_fault(Fault::deny().on(name));
        let asked = region.run(region.cloud.permission(action, &target));
        assert_eq!(asked.unwrap(), told(Verdict::Denied), "{action}");
        let calls = region.ec2.count(name);
        assert!(UNTOLD.contains(&action) || calls >= 2, "{action}: {calls}");
    }
    let after = region.ec2.inventory();
    assert_eq!(
        (after.volumes(), after.snapshots()),
        (before.volumes(), before.snapshots())
    );
}

#[test]
fn without_a_target_nothing_is_made_up() {
    let region = Region::new();
    for action in [
        Action::CreateVolume,
        Action::AttachVolume,
        Action::CreateTags,
    ] {
        let asked = region.run(region.cloud.permission(action, &Target::default()));
        assert_eq!(asked.unwrap(), Verdict::Untold, "{action}");
    }
    assert!(region.ec2.calls().is_empty());
}
