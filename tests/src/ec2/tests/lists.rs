//! States that take time, and lists that lag behind.

use super::*;

const SNAPSHOT: &str = "result = ec2.create_snapshot(VolumeId=args['volume'])['SnapshotId']";
const STATES: &str = r#"
result = [[s["State"], s["Progress"]] for s in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]]
"#;

fn of_state(state: &str) -> String {
    format!(
        "result = len(ec2.describe_snapshots(Filters=[{{'Name': 'status', 'Values': ['{state}']}}])['Snapshots'])"
    )
}

#[test]
fn a_snapshot_is_pending_and_gets_on() {
    let scene = Scene::new();
    let delays = |snapshot| Delays {
        snapshot,
        ..Delays::default()
    };
    scene.ec2.set_delays(delays(seconds(3600)));
    let id = scene.get(SNAPSHOT);
    assert_eq!(scene.get(STATES), json!([["pending", "0%"]]));
    assert_eq!(scene.get(&of_state("pending")), 1);
    assert_eq!(scene.get(&of_state("completed")), 0);
    let create = format!("ec2.create_volume(AvailabilityZone='us-east-1a', SnapshotId={id})");
    assert_eq!(scene.refused(&create), "IncorrectState");
    scene.ec2.set_delays(delays(seconds(60)));
    std::thread::sleep(Duration::from_millis(700));
    let progress = scene.get(STATES)[0][1].take();
    let percent = progress.as_str().unwrap().trim_end_matches('%');
    assert!((1..100).contains(&percent.parse().unwrap()), "{progress}");
    scene.ec2.set_delays(Delays::default());
    assert_eq!(scene.get(STATES), json!([["completed", "100%"]]));
    assert_eq!(scene.get(&of_state("pending")), 0);
    scene.get(&create);
}

#[test]
fn a_snapshot_or_a_volume_may_end_in_error() {
    let scene = Scene::new();
    scene.ec2.doom_snapshots(1);
    scene.ec2.doom_volumes(1);
    scene.get(SNAPSHOT);
    scene.get(SNAPSHOT);
    let states =
        scene.get("result = sorted(s['State'] for s in ec2.describe_snapshots()['Snapshots'])");
    assert_eq!(states, json!(["completed", "error"]));
    let state = r#"
volume = ec2.create_volume(AvailabilityZone="us-east-1a", Size=1)["VolumeId"]
result = ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["State"]
"#;
    assert_eq!(scene.get(state), "error");
    assert_eq!(scene.get(state), "available");
}

#[test]
fn owners_are_told_apart() {
    let scene = Scene::new();
    let id = scene.get(SNAPSHOT);
    scene.ec2.disown(id.as_str().unwrap(), "999988887777");
    let count = |owner: &str| {
        scene.get(&format!(
            "result = len(ec2.describe_snapshots(OwnerIds=['{owner}'])['Snapshots'])"
        ))
    };
    assert_eq!(
        [
            count("self"),
            count(&scene.ec2.account()),
            count("999988887777")
        ],
        [0, 0, 1]
    );
    let by_id =
        format!("result = ec2.describe_snapshots(SnapshotIds=[{id}])['Snapshots'][0]['OwnerId']");
    assert_eq!(scene.get(&by_id), "999988887777");
}

#[test]
fn what_is_new_is_not_found_for_a_while() {
    let scene = Scene::new();
    scene.ec2.set_delays(Delays {
        listing: seconds(3600),
        ..Delays::default()
    });
    let snapshot = scene.get(SNAPSHOT);
    let volume =
        scene.get("result = ec2.create_volume(AvailabilityZone='us-east-1a', Size=1)['VolumeId']");
    let instance = scene.get(
        "result = ec2.run_instances(ImageId='ami-12c6146b', MinCount=1, MaxCount=1)['Instances'][0]['InstanceId']",
    );
    let by_id = [
        (
            format!("ec2.describe_snapshots(SnapshotIds=[{snapshot}])"),
            "InvalidSnapshot.NotFound",
        ),
        (
            format!("ec2.describe_volumes(VolumeIds=[{volume}])"),
            "InvalidVolume.NotFound",
        ),
        (
            format!("ec2.describe_instances(InstanceIds=[{instance}])"),
            "InvalidInstanceID.NotFound",
        ),
    ];
    for (code, refusal) in &by_id {
        assert_eq!(scene.refused(code), *refusal);
    }
    let attach = format!(
        "ec2.attach_volume(VolumeId={volume}, InstanceId=args['instance'], Device='/dev/sdf')"
    );
    assert_eq!(scene.refused(&attach), "InvalidVolume.NotFound");
    assert_eq!(scene.get(STATES), json!([]));
    scene.ec2.set_delays(Delays::default());
    for (code, _) in &by_id {
        scene.get(code);
    }
    scene.get(&attach);
    assert_eq!(scene.get(STATES), json!([["completed", "100%"]]));
}

const GROUP: &str = r#"
ec2.create_launch_template(LaunchTemplateName="web", LaunchTemplateData={"ImageId": "ami-12c6146b"})
autoscaling.create_auto_scaling_group(
    AutoScalingGroupName="web", MinSize=0, MaxSize=9, DesiredCapacity=2, AvailabilityZones=["us-east-1a"],
    LaunchTemplate={"LaunchTemplateName": "web", "Version": "$Latest"})
"#;

const MEMBERS: &str = r#"
group, = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=["web"])["AutoScalingGroups"]
both = {m["InstanceId"]: m["LifecycleState"] for m in group["Instances"]}
listed = autoscaling.describe_auto_scaling_instances()["AutoScalingInstances"]
assert both == {m["InstanceId"]: m["LifecycleState"] for m in listed}
running = ec2.describe_instances(Filters=[{"Name": "instance-state-name", "Values": ["running"]}])
running = sum(len(r["Instances"]) for r in running["Reservations"])
result = [sorted(both.values()), running, sorted(both)]
"#;

#[test]
fn an_instance_is_pending_and_waits_for_its_lifecycle_action() {
    let scene = Scene::new();
    let delays = |instance, listing| Delays {
        instance,
        listing,
        ..Delays::default()
    };
    scene.ec2.set_delays(delays(seconds(3600), seconds(3600)));
    scene.ec2.aside(GROUP, &json!({}));
    assert_eq!(scene.get(MEMBERS)[0], json!([]));
    scene.ec2.set_delays(delays(seconds(3600), seconds(0)));
    // The one that runs is in no group.
    let members = scene.get(MEMBERS);
    assert_eq!(
        (&members[0], &members[1]),
        (&json!(["Pending", "Pending"]), &json!(1))
    );
    scene.ec2.set_delays(Delays::default());
    assert_eq!(scene.get(MEMBERS)[0], json!(["InService", "InService"]));
    let ids = [0, 1].map(|index| members[2][index].as_str().unwrap().to_owned());
    let act = |index: usize, call: &str| {
        let id = &ids[index];
        let common = "AutoScalingGroupName='web', LifecycleHookName='boot'";
        format!("autoscaling.{call}{common}, InstanceId='{id}')")
    };
    let go_on = "complete_lifecycle_action(LifecycleActionResult='CONTINUE', ";
    let abandon = "complete_lifecycle_action(LifecycleActionResult='ABANDON', ";
    let beat = "record_lifecycle_action_heartbeat(";
    assert_eq!(scene.refused(&act(0, go_on)), "ValidationError");
    assert_eq!(scene.refused(&act(0, beat)), "ValidationError");
    scene.ec2.set_lifecycle(&ids[0], Some("Pending:Wait"));
    scene.ec2.set_lifecycle(&ids[1], Some("Pending:Wait"));
    scene.get(&act(0, beat));
    scene.get(&act(0, go_on));
    assert_eq!(scene.get(MEMBERS)[0], json!(["InService", "Pending:Wait"]));
    scene.get(&act(1, abandon));
    assert_eq!(scene.get(MEMBERS)[0], json!(["InService"]));
}

#[test]
fn a_warm_pool_has_the_instances_that_were_put_in() {
    let scene = Scene::new();
    let pool = "result = [[i['InstanceId'], i['LifecycleState']] for i in autoscaling.describe_warm_pool(AutoScalingGroupName='web')['Instances']]";
    assert_eq!(scene.refused(pool), "ValidationError");
    scene.ec2.aside(GROUP, &json!({}));
    assert_eq!(scene.get(pool), json!([]));
    scene
        .ec2
        .set_warm_pool("web", &[(&scene.instance, "Warmed:Stopped")]);
    assert_eq!(scene.get(pool), json!([[scene.instance, "Warmed:Stopped"]]));
}

#[test]
fn lists_come_in_pages_if_they_are_long() {
    let scene = Scene::new();
    for _ in 0..4 {
        scene.ec2.aside(SNAPSHOT, &json!({"volume": scene.volume}));
        scene.ec2.aside(
            "ec2.run_instances(ImageId='ami-12c6146b', MinCount=1, MaxCount=1)",
            &json!({}),
        );
    }
    scene.ec2.aside(GROUP, &json!({}));
    let count = |client: &str, action: &str, list: &str| {
        let pages = format!("{client}.get_paginator('{action}').paginate()");
        scene.get(&format!(
            "result = [len(page['{list}']) for page in {pages}]"
        ))
    };
    // Two instances of the group came in one reservation.
    let instances = || count("ec2", "describe_instances", "Reservations");
    assert_eq!(instances(), json!([6]));
    scene.ec2.set_page_limit(3);
    assert_eq!(instances(), json!([3, 3]));
    assert_eq!(
        count("ec2", "describe_snapshots", "Snapshots"),
        json!([3, 1])
    );
    assert_eq!(
        count("ec2", "describe_volumes", "Volumes"),
        json!([3, 3, 2])
    );
    scene.ec2.set_page_limit(1);
    let members = ("describe_auto_scaling_instances", "AutoScalingInstances");
    assert_eq!(count("autoscaling", members.0, members.1), json!([1, 1]));
    let groups = ("describe_auto_scaling_groups", "AutoScalingGroups");
    assert_eq!(count("autoscaling", groups.0, groups.1), json!([1]));
    let asked = "result = len(ec2.describe_snapshots(MaxResults=5)['Snapshots'])";
    scene.ec2.set_page_limit(100);
    assert_eq!(scene.get(asked), 4);
}
