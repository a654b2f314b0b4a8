//! Lists: whole, and each thing once.

use release_core::cloud::{Cloud, GroupQuery, Lifecycle, Tags, VolumeQuery};
use release_core::{GroupName, VolumeId};
use release_tests::ec2::REGION;
use serde_json::json;

use crate::region::{Region, blank, tags};

const GROUPS: &str = r#"
vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24", AvailabilityZone=args["zone"])["Subnet"]["SubnetId"]
ec2.create_launch_template(
    LaunchTemplateName="template",
    LaunchTemplateData={"ImageId": "ami-12345678", "InstanceType": "t3.small"})
for number in range(args["groups"]):
    autoscaling.create_auto_scaling_group(
        AutoScalingGroupName=f"web-{number}", MinSize=0, MaxSize=9, DesiredCapacity=args["instances"],
        VPCZoneIdentifier=subnet,
        LaunchTemplate={"LaunchTemplateName": "template", "Version": "$Latest"},
        Tags=[{"Key": "role", "Value": "web", "PropagateAtLaunch": True}])
groups = autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"]
result = [instance["InstanceId"] for group in groups for instance in group["Instances"]]
"#;

fn make_groups(region: &Region, groups: u32, instances: u32) -> Vec<String> {
    let args = json!({"zone": format!("{REGION}a"), "groups": groups, "instances": instances});
    let made = region.ec2.aside(GROUPS, &args);
    serde_json::from_value(made).unwrap()
}

#[test]
fn groups_are_listed_page_by_page() {
    let region = Region::new();
    make_groups(&region, 60, 0);
    region.ec2.set_page_limit(25);
    let tagged = GroupQuery::Tagged(tags(&[("role", "web")]));
    let mut found = region.run(region.cloud.groups(&tagged)).unwrap();
    assert_eq!(region.ec2.count("DescribeAutoScalingGroups"), 3);
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found.dedup_by(|a, b| a.name == b.name);
    assert_eq!(found.len(), 60);
    let names: Vec<GroupName> = found.into_iter().map(|group| group.name).collect();
    region.ec2.forget_calls();
    let found = region
        .run(region.cloud.groups(&GroupQuery::Names(names)))
        .unwrap();
    assert_eq!(found.len(), 60);
    // Of 50 names two pages, and one of the other 10.
    assert_eq!(region.ec2.count("DescribeAutoScalingGroups"), 3);
    assert_eq!(region.ec2.count("DescribeWarmPool"), 0);
}

#[test]
fn no_name_means_no_group() {
    let region = Region::new();
    make_groups(&region, 1, 0);
    let found = region
        .run(region.cloud.groups(&GroupQuery::Names(vec![])))
        .unwrap();
    assert_eq!(found, []);
}

#[test]
fn a_warm_pool_belongs_to_its_group() {
    let region = Region::new();
    let instances = make_groups(&region, 1, 1);
    let (asleep, awake) = ("i-00000000000000001", instances[0].as_str());
    // One that is already in service is still in the pool's list.
    let pool = [(asleep, "Warmed:Stopped"), (awake, "Warmed:Running")];
    region.ec2.set_warm_pool("web-0", &pool);
    let query = GroupQuery::Names(vec!["web-0".parse().unwrap()]);
    let group = region.run(region.cloud.groups(&query)).unwrap().remove(0);
    let mut members: Vec<_> = (group.members.into_iter())
        .map(|member| (member.id.to_string(), member.lifecycle))
        .collect();
    members.sort();
    let mut expected = [
        (asleep.to_owned(), Lifecycle::WarmedStopped),
        (awake.to_owned(), Lifecycle::InService),
    ];
    expected.sort();
    assert_eq!(members, expected);
}

const VOLUMES: &str = r#"
result = [ec2.create_volume(AvailabilityZone=args["zone"], Size=1)["VolumeId"] for _ in range(args["volumes"])]
"#;

#[test]
fn ids_are_asked_for_in_batches_and_the_unknown_left_out() {
    let region = Region::new();
    let args = json!({"zone": format!("{REGION}a"), "volumes": 120});
    let made = region.ec2.aside(VOLUMES, &args);
    let mut ids: Vec<VolumeId> = serde_json::from_value(made).unwrap();
    for unknown in ["vol-00000000000000001", "vol-00000000000000002"] {
        ids.push(unknown.parse().unwrap());
    }
    ids.push(ids[0].clone());
    let found = region
        .run(region.cloud.volumes(&VolumeQuery::Ids(ids.clone())))
        .unwrap();
    let mut found: Vec<VolumeId> = found.into_iter().map(|volume| volume.id).collect();
    found.sort();
    let mut expected = ids[..120].to_vec();
    expected.sort();
    assert_eq!(found, expected);
    // Two batches, and one more call for each unknown id.
    assert_eq!(region.ec2.count("DescribeVolumes"), 4);
    region.ec2.forget_calls();
    let none = region
        .run(region.cloud.volumes(&VolumeQuery::Ids(vec![])))
        .unwrap();
    assert!(none.is_empty() && region.ec2.calls().is_empty());
}

#[test]
fn a_tag_is_not_a_pattern() {
    let region = Region::new();
    let make = |fleet: &str| {
        let mut new = blank(fleet);
        new.tags = tags(&[("release-fleet", fleet)]);
        region.run(region.cloud.create_volume(&new)).unwrap().id
    };
    let _others = [make("web"), make("w-b")];
    let query = |fleet: &str| VolumeQuery::Tagged(tags(&[("release-fleet", fleet)]));
    for pattern in ["w*", "w?b", "*"] {
        let found = region.run(region.cloud.volumes(&query(pattern))).unwrap();
        assert_eq!(found, [], "{pattern}");
    }
    let all = VolumeQuery::Tagged(Tags::new());
    assert_eq!(region.run(region.cloud.volumes(&all)).unwrap().len(), 2);
}
