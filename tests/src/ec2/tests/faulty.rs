//! What goes wrong, as often as it was asked to.

use super::*;

const LIST: &str = "result = len(ec2.describe_volumes()['Volumes'])";
const CREATE: &str =
    "result = ec2.create_volume(AvailabilityZone='us-east-1a', Size=1)['VolumeId']";

#[test]
fn calls_are_throttled_a_number_of_times() {
    let scene = Scene::new();
    scene
        .ec2
        .add_fault(Fault::throttle().on("DescribeVolumes").times(2));
    scene.get("ec2.describe_instances()");
    assert_eq!(scene.refused(LIST), "RequestLimitExceeded");
    assert_eq!(scene.refused(LIST), "RequestLimitExceeded");
    assert_eq!(scene.get(LIST), 2);
    let refused = scene
        .ec2
        .calls()
        .into_iter()
        .map(|call| call.refused.is_some());
    assert_eq!(refused.collect::<Vec<_>>(), [false, true, true, false]);
}

#[test]
fn calls_are_throttled_at_a_rate_and_in_each_services_words() {
    let scene = Scene::new();
    scene.ec2.add_fault(Fault::throttle().one_in(3));
    let mut groups = (0..6).map(|_| scene.run("autoscaling.describe_auto_scaling_groups()"));
    let refused = [(); 6].map(|()| groups.next().unwrap().err().map(|error| error.code));
    let throttled = Some("Throttling".to_owned());
    let expected = [None, None, throttled.clone(), None, None, throttled];
    assert_eq!(refused, expected);
    scene.ec2.clear_faults();
    for _ in 0..3 {
        scene.get("autoscaling.describe_auto_scaling_groups()");
    }
}

#[test]
fn a_caller_may_be_denied_an_action_or_a_thing() {
    let scene = Scene::new();
    let deny = Fault::deny()
        .on("DeleteVolume")
        .with("VolumeId", &scene.volume);
    scene.ec2.add_fault(deny);
    let delete = "ec2.delete_volume(VolumeId=args['volume'])";
    assert_eq!(scene.refused(delete), "UnauthorizedOperation");
    let dry = "ec2.delete_volume(VolumeId=args['volume'], DryRun=True)";
    assert_eq!(scene.refused(dry), "UnauthorizedOperation");
    scene.ec2.clear_faults();
    assert_eq!(scene.refused(dry), "DryRunOperation");
    assert_eq!(
        scene.refused("ec2.describe_volumes(DryRun=True)"),
        "DryRunOperation"
    );
    scene.get(delete);
}

#[test]
fn an_answer_may_be_lost_when_all_is_done() {
    let scene = Scene::new();
    let before = scene.ec2.inventory();
    scene
        .ec2
        .add_fault(Fault::lose_answer().on("CreateVolume").times(1));
    let code = scene.refused(CREATE);
    assert_eq!(code, "ConnectionClosedError");
    assert_eq!(scene.ec2.inventory().volumes(), before.volumes() + 1);
    scene
        .ec2
        .add_fault(Fault::lose_request().on("CreateVolume").times(1));
    assert_eq!(scene.refused(CREATE), "ConnectionClosedError");
    assert_eq!(scene.ec2.inventory().volumes(), before.volumes() + 1);
    assert_eq!(scene.ec2.count("CreateVolume"), 2);
}

#[test]
fn an_answer_may_be_late() {
    let scene = Scene::new();
    scene
        .ec2
        .add_fault(Fault::late(Duration::from_millis(700)).on("CreateSnapshot"));
    let started = Instant::now();
    let create = "result = ec2.create_snapshot(VolumeId=args['volume'])['StartTime'].timestamp()";
    let start = scene.get(create).as_f64().unwrap();
    assert!(started.elapsed() >= Duration::from_millis(700));
    // The moment is that of the call, not that of the answer.
    let age = jiff::Timestamp::now().as_millisecond() as f64 / 1000.0 - start;
    assert!((0.69..5.0).contains(&age), "{age}");
}

#[test]
fn a_volume_is_made_once_by_a_token() {
    let scene = Scene::new();
    let create = |size| {
        format!(
            "result = ec2.create_volume(AvailabilityZone='us-east-1a', Size={size}, ClientToken='t')['VolumeId']"
        )
    };
    let first = scene.get(&create(1));
    let before = scene.ec2.inventory();
    assert_eq!(scene.get(&create(1)), first);
    assert_eq!(scene.ec2.inventory(), before);
    assert_eq!(scene.refused(&create(2)), "IdempotentParameterMismatch");
    assert_ne!(scene.get(CREATE), first);
}

#[test]
fn a_caller_may_do_what_its_policy_allows() {
    let scene = Scene::new();
    let allowed = [
        "ec2:DescribeVolumes",
        "autoscaling:DescribeAutoScalingGroups",
    ];
    scene.ec2.allow_only("rig", &allowed);
    scene.ec2.allow_only("somebody-else", &[]);
    scene.get(LIST);
    scene.get("autoscaling.describe_auto_scaling_groups()");
    assert_eq!(scene.refused(CREATE), "UnauthorizedOperation");
    assert_eq!(
        scene.refused("autoscaling.describe_auto_scaling_instances()"),
        "AccessDenied"
    );
    let used = scene.ec2.permissions_used("rig");
    assert_eq!(used.len(), 4);
    assert!(used.contains("ec2:CreateVolume"));
    assert!(scene.ec2.permissions_used("somebody-else").is_empty());
}
