//! Pointers, markers, snapshots: what generations are in the programs' own types.

use release_core::boot::{InstanceIdentity, Orders};
use release_core::cloud::{
    Encryption, Snapshot, SnapshotState, TAG_FLEET, TAG_GENERATION, TAG_RELEASE, Tags, VolumeKind,
};
use release_core::{
    Digest, FileSystem, Generation, Label, Marker, Moment, OnFailure, Pointer, ReleaseId,
    SnapshotId, Verify,
};

use crate::TICK;

/// A deploy's number. The first is what was there before.
pub(crate) type Gen = u8;

/// Whoever begins a deploy anew gives out the same tree.
pub(crate) fn release(generation: Gen) -> ReleaseId {
    ReleaseId::new(Digest::of(&[generation.min(2)]))
}

pub(crate) fn marker(generation: Gen) -> Marker {
    Marker {
        release: release(generation),
        generation: Generation::new(u64::from(generation)),
    }
}

pub(crate) fn snapshot_id(generation: Gen) -> SnapshotId {
    format!("snap-{generation:08x}").parse().unwrap()
}

pub(crate) fn generation_of(snapshot: &SnapshotId) -> Gen {
    let digits = &snapshot.as_str()["snap-".len()..];
    Gen::from_str_radix(digits, 16).unwrap()
}

pub(crate) fn pointer(generation: Gen) -> Pointer {
    Pointer {
        generation: Generation::new(u64::from(generation)),
        release: release(generation),
        snapshot: snapshot_id(generation),
        region: "us-east-1".parse().unwrap(),
        account: "123456789012".parse().unwrap(),
        volume_gib: 1,
        file_system: FileSystem::Ext4,
        label: None,
        created: Moment::from_unix_millis(0),
        previous: None,
        who: Label::cut("model"),
    }
}

pub(crate) fn snapshot(generation: Gen, is_usable: bool, is_tagged: bool) -> Snapshot {
    let mut tags = Tags::from([
        (TAG_FLEET.to_owned(), "web".to_owned()),
        (TAG_RELEASE.to_owned(), release(generation).to_string()),
    ]);
    if is_tagged {
        tags.insert(TAG_GENERATION.to_owned(), generation.to_string());
    }
    Snapshot {
        id: snapshot_id(generation),
        owner: "123456789012".parse().unwrap(),
        volume: "vol-00000000".parse().unwrap(),
        state: match is_usable {
            true => SnapshotState::Completed,
            false => SnapshotState::Pending,
        },
        progress: 0,
        started: Moment::from_unix_millis(0),
        size_gib: 1,
        encrypted: false,
        description: String::new(),
        tags,
    }
}

pub(crate) fn identity(number: usize) -> InstanceIdentity {
    InstanceIdentity {
        instance: format!("i-{number:08x}").parse().unwrap(),
        zone: "us-east-1a".parse().unwrap(),
        region: "us-east-1".parse().unwrap(),
        account: "123456789012".parse().unwrap(),
    }
}

pub(crate) fn orders() -> Orders {
    Orders {
        allow_unsigned: false,
        attempts: 1,
        interval: TICK,
        on_failure: OnFailure::Fail,
        hook: None,
        fstab: false,
        verify: Verify::Marker,
        kind: VolumeKind::Gp3,
        throughput: None,
        iops: None,
        initialization_rate: None,
        encryption: Encryption::Inherited,
    }
}

/// That tick, as the machines are told it.
pub(crate) fn moment(tick: u8) -> Moment {
    Moment::from_unix_millis(0).after(TICK * u32::from(tick))
}
