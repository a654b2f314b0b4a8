//! What the services show, in the words of the port.

use std::str::FromStr;

use aws_sdk_autoscaling::types as scaling;
use aws_sdk_ec2::operation::attach_volume::AttachVolumeOutput;
use aws_sdk_ec2::operation::create_snapshot::CreateSnapshotOutput;
use aws_sdk_ec2::operation::create_volume::CreateVolumeOutput;
use aws_sdk_ec2::primitives::DateTime;
use aws_sdk_ec2::types as ec2;
use base64ct::{Base64, Encoding};

use crate::cloud::{Addresses, Attachment, Group, Instance, Member, Snapshot, Tags, Volume};
use crate::{DeviceName, Moment};

/// An answer lacks something, or has something else there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ShapeError {
    /// It isn't there.
    #[error("the answer has no {0}")]
    Missing(&'static str),
    /// It makes no sense.
    #[error("the answer's {what} makes no sense: {why}")]
    Odd {
        /// What.
        what: &'static str,
        /// Why.
        why: String,
    },
}

type Shape<T> = Result<T, ShapeError>;

pub(super) fn instance(shown: &ec2::Instance) -> Shape<Instance> {
    let state = shown.state().and_then(|state| state.name());
    let zone = shown
        .placement()
        .and_then(|place| place.availability_zone());
    Ok(Instance {
        id: parse("instance id", shown.instance_id())?,
        state: need("instance state", state)?.as_str().into(),
        launched: moment("launch time", shown.launch_time())?,
        zone: parse("zone", zone)?,
        addresses: Addresses {
            private_ip: address(shown.private_ip_address()),
            public_ip: address(shown.public_ip_address()),
            private_dns: name(shown.private_dns_name()),
            public_dns: name(shown.public_dns_name()),
            ipv6: address(shown.ipv6_address()),
        },
        tags: tags(shown.tags()),
    })
}

pub(super) fn volume(shown: &ec2::Volume) -> Shape<Volume> {
    let attachments = shown.attachments().iter();
    Ok(Volume {
        id: parse("volume id", shown.volume_id())?,
        state: need("volume state", shown.state())?.as_str().into(),
        zone: parse("zone", shown.availability_zone())?,
        size_gib: size("volume size", shown.size())?,
        snapshot: name(shown.snapshot_id())
            .map(|id| parse("snapshot id", Some(&id)))
            .transpose()?,
        created: moment("creation time", shown.create_time())?,
        // One to something else than an instance, or by a name that we would never give, is none of ours.
        attachments: attachments.filter_map(|one| attachment(one).ok()).collect(),
        tags: tags(shown.tags()),
    })
}

pub(super) fn new_volume(shown: CreateVolumeOutput) -> Shape<Volume> {
    let shown = ec2::Volume::builder()
        .set_volume_id(shown.volume_id)
        .set_state(shown.state)
        .set_availability_zone(shown.availability_zone)
        .set_size(shown.size)
        .set_snapshot_id(shown.snapshot_id)
        .set_create_time(shown.create_time)
        .set_attachments(shown.attachments)
        .set_tags(shown.tags)
        .build();
    volume(&shown)
}

fn attachment(shown: &ec2::VolumeAttachment) -> Shape<Attachment> {
    let device = need("device", shown.device())?;
    Ok(Attachment {
        instance: parse("instance id", shown.instance_id())?,
        device: device_name(device)?,
        state: need("attachment state", shown.state())?.as_str().into(),
        delete_on_termination: shown.delete_on_termination().unwrap_or_default(),
    })
}

pub(super) fn new_attachment(shown: AttachVolumeOutput) -> Shape<Attachment> {
    let shown = ec2::VolumeAttachment::builder()
        .set_instance_id(shown.instance_id)
        .set_device(shown.device)
        .set_state(shown.state)
        .set_delete_on_termination(shown.delete_on_termination)
        .build();
    attachment(&shown)
}

pub(super) fn snapshot(shown: &ec2::Snapshot) -> Shape<Snapshot> {
    Ok(Snapshot {
        id: parse("snapshot id", shown.snapshot_id())?,
        owner: parse("owner", shown.owner_id())?,
        volume: parse("volume id", shown.volume_id())?,
        state: need("snapshot state", shown.state())?.as_str().into(),
        progress: percent(shown.progress()),
        started: moment("start time", shown.start_time())?,
        size_gib: size("volume size", shown.volume_size())?,
        encrypted: shown.encrypted().unwrap_or_default(),
        description: shown.description().unwrap_or_default().to_owned(),
        tags: tags(shown.tags()),
    })
}

pub(super) fn new_snapshot(shown: CreateSnapshotOutput) -> Shape<Snapshot> {
    let shown = ec2::Snapshot::builder()
        .set_snapshot_id(shown.snapshot_id)
        .set_owner_id(shown.owner_id)
        .set_volume_id(shown.volume_id)
        .set_state(shown.state)
        .set_progress(shown.progress)
        .set_start_time(shown.start_time)
        .set_volume_size(shown.volume_size)
        .set_encrypted(shown.encrypted)
        .set_description(shown.description)
        .set_tags(shown.tags)
        .build();
    snapshot(&shown)
}

/// A group without the instances of its warm pool, which it doesn't show.
pub(super) fn group(shown: &scaling::AutoScalingGroup) -> Shape<Group> {
    let suspended = shown.suspended_processes().iter();
    let tags = shown.tags().iter();
    Ok(Group {
        name: parse("group name", shown.auto_scaling_group_name())?,
        members: members(shown.instances())?,
        suspended: suspended
            .filter_map(|process| name(process.process_name()))
            .collect(),
        tags: tags
            .filter_map(|tag| {
                Some((
                    tag.key()?.to_owned(),
                    tag.value().unwrap_or_default().to_owned(),
                ))
            })
            .collect(),
    })
}

pub(super) fn members(shown: &[scaling::Instance]) -> Shape<Vec<Member>> {
    let member = |one: &scaling::Instance| {
        Ok(Member {
            id: parse("instance id", one.instance_id())?,
            lifecycle: need("lifecycle state", one.lifecycle_state())?
                .as_str()
                .into(),
        })
    };
    shown.iter().map(member).collect()
}

/// A console's text. What is not UTF-8 in it is replaced; nothing is nothing yet.
pub(super) fn console(encoded: Option<&str>) -> Shape<Option<String>> {
    let encoded: String = encoded.unwrap_or_default().split_whitespace().collect();
    let odd = |error: base64ct::Error| ShapeError::Odd {
        what: "console output",
        why: error.to_string(),
    };
    let bytes = Base64::decode_vec(&encoded).map_err(odd)?;
    Ok((!bytes.is_empty()).then(|| String::from_utf8_lossy(&bytes).into_owned()))
}

fn tags(shown: &[ec2::Tag]) -> Tags {
    let shown = shown.iter();
    shown
        .filter_map(|tag| {
            Some((
                tag.key()?.to_owned(),
                tag.value().unwrap_or_default().to_owned(),
            ))
        })
        .collect()
}

/// EC2 takes and keeps names without `/dev/` as well.
fn device_name(shown: &str) -> Shape<DeviceName> {
    if shown.starts_with('/') {
        parse("device", Some(shown))
    } else {
        parse("device", Some(&format!("/dev/{shown}")))
    }
}

fn need<T>(what: &'static str, value: Option<T>) -> Shape<T> {
    value.ok_or(ShapeError::Missing(what))
}

pub(super) fn parse<T: FromStr<Err: ToString>>(what: &'static str, text: Option<&str>) -> Shape<T> {
    let parsed = need(what, text)?.parse();
    parsed.map_err(|error: T::Err| ShapeError::Odd {
        what,
        why: error.to_string(),
    })
}

fn moment(what: &'static str, time: Option<&DateTime>) -> Shape<Moment> {
    let millis = need(what, time)?.to_millis();
    let millis = millis.map_err(|error| ShapeError::Odd {
        what,
        why: error.to_string(),
    })?;
    Ok(Moment::from_unix_millis(millis))
}

fn size(what: &'static str, gib: Option<i32>) -> Shape<u32> {
    u32::try_from(need(what, gib)?).map_err(|error| ShapeError::Odd {
        what,
        why: error.to_string(),
    })
}

/// Of `42%`; a new snapshot has none yet.
fn percent(text: Option<&str>) -> u8 {
    let number = text.unwrap_or_default().trim().trim_end_matches('%');
    number.parse::<u8>().unwrap_or(0).min(100)
}

/// A name that may be empty, which is none.
fn name(text: Option<&str>) -> Option<String> {
    text.filter(|text| !text.is_empty()).map(ToOwned::to_owned)
}

fn address<T: FromStr>(text: Option<&str>) -> Option<T> {
    text?.parse().ok()
}

#[cfg(test)]
mod tests;
