#![allow(clippy::unwrap_used)]

use super::*;
use crate::cloud::{AttachmentState, InstanceState, Lifecycle, SnapshotState, VolumeState};

fn tag(key: &str, value: &str) -> ec2::Tag {
    ec2::Tag::builder().key(key).value(value).build()
}

fn shown_volume() -> ec2::Volume {
    ec2::Volume::builder()
        .volume_id("vol-0123456789abcdef0")
        .state(ec2::VolumeState::InUse)
        .availability_zone("us-east-1a")
        .size(8)
        .snapshot_id("")
        .create_time(DateTime::from_millis(1_769_860_800_123))
        .tags(tag("release-fleet", "web"))
        .build()
}

fn shown_attachment(instance: &str, device: &str) -> ec2::VolumeAttachment {
    ec2::VolumeAttachment::builder()
        .instance_id(instance)
        .device(device)
        .state(ec2::VolumeAttachmentState::Attaching)
        .delete_on_termination(true)
        .build()
}

#[test]
fn a_volume_is_what_was_shown() {
    let volume = volume(&shown_volume()).unwrap();
    assert_eq!(volume.id.as_str(), "vol-0123456789abcdef0");
    assert_eq!(volume.state, VolumeState::InUse);
    assert_eq!(volume.zone.as_str(), "us-east-1a");
    assert_eq!((volume.size_gib, &volume.snapshot), (8, &None));
    assert_eq!(volume.created.unix_millis(), 1_769_860_800_123);
    assert_eq!(volume.tags["release-fleet"], "web");
    let mut of_snapshot = shown_volume();
    of_snapshot.snapshot_id = Some("snap-0123456789abcdef0".to_owned());
    let snapshot = super::volume(&of_snapshot).unwrap().snapshot.unwrap();
    assert_eq!(snapshot.as_str(), "snap-0123456789abcdef0");
}

#[test]
fn attachments_that_concern_nobody_here_are_left_out() {
    let mut shown = shown_volume();
    shown.attachments = Some(vec![
        shown_attachment("i-0123456789abcdef0", "/dev/sdf"),
        shown_attachment("i-0123456789abcdef0", "xvdg"),
        shown_attachment("i-0123456789abcdef0", "/dev/odd/name"),
        ec2::VolumeAttachment::builder().device("/dev/sdh").build(),
    ]);
    let attachments = volume(&shown).unwrap().attachments;
    let devices: Vec<_> = attachments.iter().map(|one| one.device.as_str()).collect();
    assert_eq!(devices, ["/dev/sdf", "/dev/xvdg"]);
    assert_eq!(attachments[0].state, AttachmentState::Attaching);
    assert!(attachments[0].delete_on_termination);
}

#[test]
fn an_answer_without_what_it_has_to_have_says_so() {
    let mut shown = shown_volume();
    shown.size = Some(-1);
    let odd = volume(&shown).unwrap_err();
    assert!(
        matches!(
            odd,
            ShapeError::Odd {
                what: "volume size",
                ..
            }
        ),
        "{odd}"
    );
    shown.size = None;
    assert_eq!(volume(&shown), Err(ShapeError::Missing("volume size")));
    shown.volume_id = Some("vol-../..".to_owned());
    assert!(matches!(
        volume(&shown),
        Err(ShapeError::Odd {
            what: "volume id",
            ..
        })
    ));
}

#[test]
fn an_instance_is_what_was_shown() {
    let state = ec2::InstanceState::builder().name(ec2::InstanceStateName::ShuttingDown);
    let shown = ec2::Instance::builder()
        .instance_id("i-0123456789abcdef0")
        .state(state.build())
        .launch_time(DateTime::from_secs(1_769_860_800))
        .placement(
            ec2::Placement::builder()
                .availability_zone("us-east-1a")
                .build(),
        )
        .private_ip_address("10.0.0.5")
        .private_dns_name("ip-10-0-0-5.ec2.internal")
        .public_dns_name("")
        .ipv6_address("2001:db8::5")
        .tags(tag("Name", ""))
        .build();
    let instance = instance(&shown).unwrap();
    assert_eq!(instance.state, InstanceState::ShuttingDown);
    assert_eq!(instance.launched.unix_seconds(), 1_769_860_800);
    let addresses = &instance.addresses;
    assert_eq!(addresses.private_ip, Some([10, 0, 0, 5].into()));
    assert_eq!((addresses.public_ip, &addresses.public_dns), (None, &None));
    assert_eq!(addresses.ipv6, Some("2001:db8::5".parse().unwrap()));
    assert_eq!(instance.tags["Name"], "");
}

#[test]
fn a_new_snapshot_has_no_progress_yet() {
    let shown = ec2::Snapshot::builder()
        .snapshot_id("snap-0123456789abcdef0")
        .owner_id("123456789012")
        .volume_id("vol-ffffffff")
        .state(ec2::SnapshotState::from("later"))
        .progress("")
        .start_time(DateTime::from_millis(1))
        .volume_size(1)
        .build();
    let snapshot = snapshot(&shown).unwrap();
    assert_eq!(snapshot.progress, 0);
    assert_eq!(snapshot.state, SnapshotState::Unknown("later".to_owned()));
    for (text, number) in [
        ("0%", 0),
        ("42%", 42),
        ("100%", 100),
        ("900%", 0),
        ("x", 0),
        ("101", 100),
    ] {
        assert_eq!(percent(Some(text)), number, "{text}");
    }
}

#[test]
fn a_group_has_members_tags_and_what_is_suspended() {
    let member = |id: &str, state: &str| {
        scaling::Instance::builder()
            .instance_id(id)
            .lifecycle_state(state.into())
            .build()
    };
    let process = scaling::SuspendedProcess::builder().process_name("Launch");
    let shown = scaling::AutoScalingGroup::builder()
        .auto_scaling_group_name("web")
        .instances(member("i-0123456789abcdef0", "Pending:Wait"))
        .suspended_processes(process.build())
        .tags(
            scaling::TagDescription::builder()
                .key("role")
                .value("web")
                .build(),
        )
        .build();
    let group = group(&shown).unwrap();
    assert_eq!(group.name.as_str(), "web");
    assert_eq!(group.members[0].lifecycle, Lifecycle::PendingWait);
    assert_eq!(group.suspended, ["Launch"]);
    assert_eq!(group.tags["role"], "web");
    assert!(members(&[member("x", "InService")]).is_err());
}

#[test]
fn a_console_is_decoded_as_far_as_it_goes() {
    assert_eq!(console(None), Ok(None));
    assert_eq!(console(Some("")), Ok(None));
    assert_eq!(console(Some("aGVs\nbG8=\n")), Ok(Some("hello".to_owned())));
    assert_eq!(console(Some("/w==")), Ok(Some("\u{fffd}".to_owned())));
    assert!(console(Some("*")).is_err());
}
