//! What the service has to be before anything is tested on it: judged through boto3.

mod attaching;
mod faulty;
mod lists;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::*;

/// A service with an instance in zone `a`, and a volume that is attached nowhere.
struct Scene {
    ec2: Ec2,
    instance: String,
    volume: String,
}

const SET_UP: &str = r#"
instance, = ec2.run_instances(ImageId="ami-12c6146b", MinCount=1, MaxCount=1,
    Placement={"AvailabilityZone": "us-east-1a"})["Instances"]
volume = ec2.create_volume(AvailabilityZone="us-east-1a", Size=1)["VolumeId"]
result = {"instance": instance["InstanceId"], "volume": volume}
"#;

impl Scene {
    fn new() -> Self {
        Self::on(Ec2::start())
    }

    fn on(ec2: Ec2) -> Self {
        let made = ec2.aside(SET_UP, &json!({}));
        let id = |name: &str| made[name].as_str().unwrap().to_owned();
        Self {
            ec2,
            instance: id("instance"),
            volume: id("volume"),
        }
    }

    /// Runs a snippet; `args` has `instance` and `volume`.
    fn run(&self, code: &str) -> Result<Value, BotoError> {
        let args = json!({"instance": self.instance, "volume": self.volume});
        self.ec2.boto(code, &args)
    }

    #[track_caller]
    fn get(&self, code: &str) -> Value {
        match self.run(code) {
            Ok(value) => value,
            Err(error) => panic!("{code}: {error:?}"),
        }
    }

    /// The code that a snippet is refused with.
    #[track_caller]
    fn refused(&self, code: &str) -> String {
        match self.run(code) {
            Ok(value) => panic!("{code}: {value}"),
            Err(error) => error.code,
        }
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn calls_are_written_down_in_their_order() {
    let scene = Scene::new();
    assert!(scene.ec2.calls().is_empty());
    scene.get("ec2.describe_volumes(VolumeIds=[args['volume']])");
    scene.get("autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=['web'])");
    scene.refused("ec2.describe_volumes(VolumeIds=['vol-12345678'])");
    let calls = scene.ec2.calls();
    let described: Vec<_> = (calls.iter())
        .map(|call| {
            (
                call.service.as_str(),
                call.action.as_str(),
                call.refused.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        described,
        [
            ("ec2", "DescribeVolumes", None),
            ("autoscaling", "DescribeAutoScalingGroups", None),
            ("ec2", "DescribeVolumes", Some("InvalidVolume.NotFound")),
        ]
    );
    assert_eq!(calls[0].params["VolumeId.1"], scene.volume);
    assert_eq!(calls[1].params["AutoScalingGroupNames.member.1"], "web");
    assert!(calls[0].at < calls[1].at);
    scene.ec2.forget_calls();
    assert_eq!(scene.ec2.count("DescribeVolumes"), 0);
}

#[test]
fn an_account_is_our_own() {
    let [ours, other] = [Scene::new(), Scene::new()];
    assert_eq!(
        ours.get("result = sts.get_caller_identity()['Account']"),
        ours.ec2.account()
    );
    let args = json!({"volume": other.volume});
    let error = (ours.ec2)
        .boto("ec2.describe_volumes(VolumeIds=[args['volume']])", &args)
        .unwrap_err();
    assert_eq!(error.code, "InvalidVolume.NotFound");
}

#[test]
fn a_leak_is_told_from_what_was_there() {
    let scene = Scene::new();
    let before = scene.ec2.inventory();
    // The root volume of the instance, and ours.
    assert_eq!((before.volumes(), before.snapshots()), (2, 0));
    assert_eq!(scene.ec2.inventory().leaks_since(&before), [""; 0]);
    scene.get("ec2.attach_volume(VolumeId=args['volume'], InstanceId=args['instance'], Device='/dev/sdf')");
    let snapshot = scene.get("result = ec2.create_snapshot(VolumeId=args['volume'])['SnapshotId']");
    let mut leaks = scene.ec2.inventory().leaks_since(&before);
    leaks.sort();
    let (snapshot, volume, instance) = (snapshot.as_str().unwrap(), &scene.volume, &scene.instance);
    assert_eq!(
        leaks,
        [
            format!("{snapshot}: snapshot of {volume}"),
            format!("{volume}: volume of nothing, attached to {instance} as /dev/sdf"),
        ]
    );
}

#[test]
fn the_console_says_what_it_is_told() {
    let scene = Scene::new();
    let read = "result = ec2.get_console_output(InstanceId=args['instance'])['Output']";
    assert_eq!(scene.get(read), "");
    scene
        .ec2
        .set_console(&scene.instance, "-----BEGIN SSH HOST KEY KEYS-----\nä");
    assert_eq!(scene.get(read), "-----BEGIN SSH HOST KEY KEYS-----\nä");
}
