//! The policies in docs/iam allow what the programs do, and nothing else.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use release_core::cloud::Action;
use serde_json::Value;

const SERVER: &str = include_str!("../../docs/iam/release-server.json");
const INSTANCE: &str = include_str!("../../docs/iam/instance.json");

/// What release-cli does: deploy, setup, snapshot, prune, status, doctor.
const BY_SERVER: [Action; 11] = [
    Action::DescribeAutoScalingGroups,
    Action::DescribeWarmPool,
    Action::DescribeInstances,
    Action::GetConsoleOutput,
    Action::DescribeVolumes,
    Action::CreateVolume,
    Action::AttachVolume,
    Action::CreateSnapshot,
    Action::DescribeSnapshots,
    Action::DeleteSnapshot,
    Action::CreateTags,
];

/// What release-boot does.
const BY_INSTANCE: [Action; 11] = [
    Action::DescribeInstances,
    Action::DescribeVolumes,
    Action::DescribeSnapshots,
    Action::CreateVolume,
    Action::CreateTags,
    Action::AttachVolume,
    Action::DetachVolume,
    Action::DeleteVolume,
    Action::ModifyInstanceAttribute,
    Action::CompleteLifecycleAction,
    Action::RecordLifecycleActionHeartbeat,
];

fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().map(|one| one.as_str().unwrap()).collect(),
        _ => panic!("neither a text nor a list: {value}"),
    }
}

fn statements(policy: &str) -> Vec<Value> {
    let policy: Value = serde_json::from_str(policy).unwrap();
    assert_eq!(policy["Version"], "2012-10-17");
    policy["Statement"].as_array().unwrap().clone()
}

/// What a policy allows, without KMS, which is called by EC2.
fn allowed(policy: &str) -> BTreeSet<String> {
    let mut allowed = BTreeSet::new();
    for statement in statements(policy) {
        assert_eq!(statement["Effect"], "Allow");
        let actions = strings(&statement["Action"]);
        allowed.extend(actions.into_iter().map(ToOwned::to_owned));
    }
    allowed.retain(|action| !action.starts_with("kms:"));
    allowed
}

fn names(actions: &[Action]) -> BTreeSet<String> {
    actions.iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_done_is_allowed_and_nothing_else() {
    assert_eq!(allowed(SERVER), names(&BY_SERVER));
    assert_eq!(allowed(INSTANCE), names(&BY_INSTANCE));
}

#[test]
fn every_action_is_somebodys() {
    let mut done: BTreeSet<String> = &names(&BY_SERVER) | &names(&BY_INSTANCE);
    // That needs no permission.
    done.insert(Action::GetCallerIdentity.to_string());
    assert_eq!(done, names(&Action::ALL));
}

#[test]
fn what_changes_something_is_bound_to_the_fleet() {
    for statement in [statements(SERVER), statements(INSTANCE)].concat() {
        let looks = |action: &str| action.contains(":Describe") || action.contains(":Get");
        if strings(&statement["Action"]).into_iter().all(looks) {
            continue;
        }
        assert_ne!(statement["Resource"], "*", "{}", statement["Sid"]);
        let condition = statement["Condition"].to_string();
        let bound = [
            "PrincipalTag/release-fleet",
            "ec2:CreateAction",
            "kms:ViaService",
        ];
        let is_bound = bound.iter().any(|key| condition.contains(key));
        assert!(is_bound, "{}", statement["Sid"]);
    }
}
