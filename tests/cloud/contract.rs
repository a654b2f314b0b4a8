//! The contract that every cloud is held to.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use release_core::cloud::aws::AwsCloud;
use release_core::cloud::contract::{CASES, Case, Step, World};
use release_core::cloud::local::{Effect, Fault};
use release_core::cloud::{Cloud, Tags};
use release_core::{GroupName, HookName, InstanceId, Zone};
use release_tests::ec2::{self, Delays, Ec2, REGION};
use serde_json::json;

use crate::region::{options, runtime};

struct AwsWorld {
    ec2: Ec2,
    cloud: AwsCloud,
}

/// Everything takes a while, so that pending states and late lists are seen.
const DELAYS: Delays = Delays {
    snapshot: Duration::from_millis(600),
    volume: Duration::from_millis(100),
    attach: Duration::from_millis(100),
    device: Duration::ZERO,
    detach: Duration::from_millis(100),
    instance: Duration::from_millis(100),
    listing: Duration::from_millis(50),
};

const MAKE_GROUP: &str = r#"
name = args["name"]
vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24", AvailabilityZone=args["zone"])["Subnet"]["SubnetId"]
ec2.create_launch_template(
    LaunchTemplateName=f"{name}-template",
    LaunchTemplateData={"ImageId": "ami-12345678", "InstanceType": "t3.small"})
autoscaling.create_auto_scaling_group(
    AutoScalingGroupName=name, MinSize=0, MaxSize=100, DesiredCapacity=0, VPCZoneIdentifier=subnet,
    LaunchTemplate={"LaunchTemplateName": f"{name}-template", "Version": "$Latest"},
    Tags=[{"Key": key, "Value": value, "PropagateAtLaunch": True} for key, value in args["tags"].items()])
if args["hook"]:
    autoscaling.put_lifecycle_hook(
        AutoScalingGroupName=name, LifecycleHookName=args["hook"],
        LifecycleTransition="autoscaling:EC2_INSTANCE_LAUNCHING", HeartbeatTimeout=3600)
result = None
"#;

const LAUNCH: &str = r#"
def members():
    group, = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[args["name"]])["AutoScalingGroups"]
    return [member["InstanceId"] for member in group["Instances"]]

before = members()
autoscaling.set_desired_capacity(AutoScalingGroupName=args["name"], DesiredCapacity=len(before) + 1)
id, = [member for member in members() if member not in before]
hooks = autoscaling.describe_lifecycle_hooks(AutoScalingGroupName=args["name"])["LifecycleHooks"]
result = {"id": id, "held": bool(hooks)}
"#;

const TERMINATE: &str = r#"
autoscaling.terminate_instance_in_auto_scaling_group(
    InstanceId=args["instance"], ShouldDecrementDesiredCapacity=True)
result = None
"#;

fn done<T: Send + 'static>(value: T) -> Step<'static, T> {
    Box::pin(std::future::ready(value))
}

impl World for AwsWorld {
    fn cloud(&self) -> &dyn Cloud {
        &self.cloud
    }

    fn zones(&self) -> (Zone, Zone) {
        let zone = |letter| format!("{REGION}{letter}").parse().unwrap();
        (zone('a'), zone('b'))
    }

    fn make_group<'a>(
        &'a self,
        name: &'a GroupName,
        tags: &'a Tags,
        hook: Option<&'a HookName>,
    ) -> Step<'a, ()> {
        let args = json!({"name": name, "zone": self.zones().0, "tags": tags, "hook": hook});
        self.ec2.aside(MAKE_GROUP, &args);
        done(())
    }

    fn launch<'a>(&'a self, group: &'a GroupName) -> Step<'a, InstanceId> {
        let launched = self.ec2.aside(LAUNCH, &json!({"name": group}));
        let id = launched["id"].as_str().unwrap();
        if launched["held"] == true {
            self.ec2.set_lifecycle(id, Some("Pending:Wait"));
        }
        done(id.parse().unwrap())
    }

    fn terminate<'a>(&'a self, instance: &'a InstanceId) -> Step<'a, ()> {
        self.ec2.aside(TERMINATE, &json!({"instance": instance}));
        done(())
    }

    fn inject(&self, fault: Fault) -> Step<'_, ()> {
        let theirs = match fault.effect {
            Effect::Throttle => ec2::Fault::throttle(),
            Effect::LoseRequest => ec2::Fault::lose_request(),
            Effect::LoseAnswer => ec2::Fault::lose_answer(),
            Effect::Fail => ec2::Fault::refuse(500, "InternalError", "An internal error."),
            Effect::Deny => ec2::Fault::deny(),
            Effect::Spoil => unimplemented!("no case spoils anything"),
        };
        let theirs = theirs.times(fault.times);
        self.ec2.add_fault(match fault.action {
            Some(action) => theirs.on(action.as_str().split(':').next_back().unwrap()),
            None => theirs,
        });
        done(())
    }

    fn pause(&self) -> Step<'_, ()> {
        Box::pin(tokio::time::sleep(Duration::from_millis(20)))
    }
}

fn passes(case: &Case) -> bool {
    let runtime = runtime();
    let ec2 = Ec2::start();
    ec2.set_delays(DELAYS);
    let cloud = runtime.block_on(AwsCloud::new(&options(&ec2)));
    let world = AwsWorld { ec2, cloud };
    catch_unwind(AssertUnwindSafe(|| runtime.block_on((case.run)(&world)))).is_ok()
}

#[test]
fn ec2_keeps_the_contract() {
    let failed: Vec<&str> = thread::scope(|scope| {
        let running: Vec<_> = CASES
            .iter()
            .map(|case| (case.name, scope.spawn(|| passes(case))))
            .collect();
        let ended = running.into_iter();
        ended
            .filter_map(|(name, case)| (!case.join().unwrap()).then_some(name))
            .collect()
    });
    assert!(CASES.len() > 10 && failed.is_empty(), "{failed:?}");
}
