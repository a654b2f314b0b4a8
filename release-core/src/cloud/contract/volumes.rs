//! Volumes and snapshots.

use super::hosts::running;
use super::*;
use crate::DeviceName;
use crate::cloud::{AttachmentState, Resource, Target, Verdict};

fn device(name: &str) -> DeviceName {
    name.parse().unwrap()
}

async fn attachment(world: &dyn World, id: &VolumeId) -> Option<AttachmentState> {
    let mut attachments = find_volume(world, id).await?.attachments.into_iter();
    attachments.next().map(|one| one.state)
}

async fn attached(world: &dyn World, volume: &VolumeId, instance: &InstanceId, name: &str) {
    world
        .cloud()
        .attach_volume(volume, instance, &device(name))
        .await
        .unwrap();
    until(world, "attached", || async {
        attachment(world, volume).await == Some(AttachmentState::Attached)
    })
    .await;
}

async fn is_gone(world: &dyn World, id: &VolumeId) {
    until(world, "the volume gone", || async {
        let state = find_volume(world, id).await.map(|volume| volume.state);
        matches!(
            state,
            None | Some(VolumeState::Deleted | VolumeState::Deleting)
        )
    })
    .await;
}

pub(super) async fn a_volume_has_a_life(world: &dyn World) {
    let (_, instance) = running(world, "web").await;
    let made = world
        .cloud()
        .create_volume(&blank(world, "life"))
        .await
        .unwrap();
    assert!(matches!(
        made.state,
        VolumeState::Creating | VolumeState::Available
    ));
    assert_eq!(
        (made.size_gib, &made.snapshot, &made.zone),
        (1, &None, &world.zones().0)
    );
    let id = made.id;
    volume_is(world, &id, VolumeState::Available).await;

    attached(world, &id, &instance, "/dev/sdf").await;
    volume_is(world, &id, VolumeState::InUse).await;
    let found = world
        .cloud()
        .volumes(&VolumeQuery::AttachedTo(instance.clone()))
        .await
        .unwrap();
    let found = found.iter().find(|volume| volume.id == id).unwrap();
    let here = found.attachment_to(&instance).unwrap();
    assert_eq!(
        (&here.device, here.delete_on_termination),
        (&device("/dev/sdf"), false)
    );
    let in_use = fault_of(world.cloud().delete_volume(&id).await);
    assert_eq!(in_use, (Action::DeleteVolume, CloudFault::InUse));

    world.cloud().detach_volume(&id, &instance).await.unwrap();
    volume_is(world, &id, VolumeState::Available).await;
    let again = fault_of(world.cloud().detach_volume(&id, &instance).await);
    assert_eq!(again, (Action::DetachVolume, CloudFault::IncorrectState));
    world.cloud().delete_volume(&id).await.unwrap();
    is_gone(world, &id).await;
    let again = fault_of(world.cloud().delete_volume(&id).await);
    assert_eq!(again, (Action::DeleteVolume, CloudFault::NotFound));
}

pub(super) async fn a_token_makes_one_volume(world: &dyn World) {
    let cloud = world.cloud();
    let request = blank(world, "token");
    let first = cloud.create_volume(&request).await.unwrap().id;
    assert_eq!(cloud.create_volume(&request).await.unwrap().id, first);
    let mut other = request.clone();
    other.source = VolumeSource::Blank { size_gib: 2 };
    let refused = fault_of(cloud.create_volume(&other).await);
    assert_eq!(refused, (Action::CreateVolume, CloudFault::AlreadyExists));
    assert_ne!(
        cloud
            .create_volume(&blank(world, "another"))
            .await
            .unwrap()
            .id,
        first
    );
    let query = VolumeQuery::Tagged(tags(&[("token", "token")]));
    until(world, "one volume", || async {
        cloud.volumes(&query).await.unwrap().len() == 1
    })
    .await;
}

pub(super) async fn an_attachment_has_its_rules(world: &dyn World) {
    let cloud = world.cloud();
    let (_, instance) = running(world, "web").await;
    let (first, second) = (
        ready_volume(world, "1").await,
        ready_volume(world, "2").await,
    );
    let away = NewVolume {
        zone: world.zones().1,
        ..blank(world, "away")
    };
    let away = cloud.create_volume(&away).await.unwrap().id;
    volume_is(world, &away, VolumeState::Available).await;
    attached(world, &first, &instance, "/dev/sdf").await;

    let nobody: InstanceId = "i-0fedcba9876543210".parse().unwrap();
    let nothing: VolumeId = "vol-0fedcba9876543210".parse().unwrap();
    for (volume, instance, name, fault) in [
        (&first, &instance, "/dev/sdg", CloudFault::InUse),
        (&first, &instance, "/dev/sdf", CloudFault::InUse),
        (&second, &instance, "/dev/sdf", CloudFault::Invalid),
        (&away, &instance, "/dev/sdg", CloudFault::Invalid),
        (&second, &nobody, "/dev/sdg", CloudFault::NotFound),
        (&nothing, &instance, "/dev/sdg", CloudFault::NotFound),
    ] {
        let refused = fault_of(cloud.attach_volume(volume, instance, &device(name)).await);
        assert_eq!(
            refused,
            (Action::AttachVolume, fault),
            "{volume} {instance} {name}"
        );
    }
    attached(world, &second, &instance, "/dev/sdg").await;
    let no_device = device("/dev/sdz");
    let refused = cloud
        .set_delete_on_termination(&instance, &no_device, true)
        .await;
    assert!(matches!(
        fault_of(refused).1,
        CloudFault::NotFound | CloudFault::Invalid
    ));
}

pub(super) async fn a_volume_ends_with_its_instance_only_if_told_so(world: &dyn World) {
    let cloud = world.cloud();
    let (_, instance) = running(world, "web").await;
    let (ends, stays) = (
        ready_volume(world, "ends").await,
        ready_volume(world, "stays").await,
    );
    attached(world, &ends, &instance, "/dev/sdf").await;
    attached(world, &stays, &instance, "/dev/sdg").await;
    cloud
        .set_delete_on_termination(&instance, &device("/dev/sdf"), true)
        .await
        .unwrap();
    until(world, "delete on termination", || async {
        let volume = find_volume(world, &ends).await.unwrap();
        volume
            .attachment_to(&instance)
            .unwrap()
            .delete_on_termination
    })
    .await;
    world.terminate(&instance).await;
    is_gone(world, &ends).await;
    volume_is(world, &stays, VolumeState::Available).await;
}

pub(super) async fn a_snapshot_has_a_life(world: &dyn World) {
    let cloud = world.cloud();
    let volume = ready_volume(world, "source").await;
    let made = cloud
        .create_snapshot(&snapshot_of(&volume, "d1"))
        .await
        .unwrap();
    assert!(matches!(
        made.state,
        SnapshotState::Pending | SnapshotState::Completed
    ));
    snapshot_is(world, &made.id, SnapshotState::Completed).await;
    let found = find_snapshot(world, &made.id).await.unwrap();
    assert_eq!(
        (found.progress, &found.volume, found.size_gib),
        (100, &volume, 1)
    );
    assert_eq!(found.owner, cloud.identity().await.unwrap().account);
    assert_eq!(found.started, made.started);
    assert_eq!(
        found.tags.get("release-deploy").map(String::as_str),
        Some("d1")
    );
    assert_eq!(found.description, "of the contract");

    cloud.delete_snapshot(&made.id).await.unwrap();
    until(world, "the snapshot gone", || async {
        find_snapshot(world, &made.id).await.is_none()
    })
    .await;
    let again = fault_of(cloud.delete_snapshot(&made.id).await);
    assert_eq!(again, (Action::DeleteSnapshot, CloudFault::NotFound));
    let nothing: VolumeId = "vol-0fedcba9876543210".parse().unwrap();
    let refused = fault_of(cloud.create_snapshot(&snapshot_of(&nothing, "d2")).await);
    assert_eq!(refused, (Action::CreateSnapshot, CloudFault::NotFound));
}

pub(super) async fn a_volume_is_made_of_a_completed_snapshot_only(world: &dyn World) {
    let cloud = world.cloud();
    let source = ready_volume(world, "source").await;
    let snapshot = cloud
        .create_snapshot(&snapshot_of(&source, "d1"))
        .await
        .unwrap();
    let of = |id: &SnapshotId, token: &str, size_gib| NewVolume {
        source: VolumeSource::Snapshot {
            id: id.clone(),
            size_gib,
        },
        ..blank(world, token)
    };
    if snapshot.state == SnapshotState::Pending {
        let refused = fault_of(cloud.create_volume(&of(&snapshot.id, "early", None)).await);
        assert_eq!(refused, (Action::CreateVolume, CloudFault::IncorrectState));
    }
    snapshot_is(world, &snapshot.id, SnapshotState::Completed).await;
    let same = cloud
        .create_volume(&of(&snapshot.id, "same", None))
        .await
        .unwrap();
    assert_eq!(
        (same.size_gib, same.snapshot),
        (1, Some(snapshot.id.clone()))
    );
    let larger = cloud
        .create_volume(&of(&snapshot.id, "larger", Some(3)))
        .await
        .unwrap();
    assert_eq!(larger.size_gib, 3);
    let nothing: SnapshotId = "snap-0fedcba9876543210".parse().unwrap();
    let refused = fault_of(cloud.create_volume(&of(&nothing, "nothing", None)).await);
    assert_eq!(refused, (Action::CreateVolume, CloudFault::NotFound));
}

pub(super) async fn tags_are_added_and_found(world: &dyn World) {
    let cloud = world.cloud();
    let volume = ready_volume(world, "tagged").await;
    let snapshot = cloud
        .create_snapshot(&snapshot_of(&volume, "d1"))
        .await
        .unwrap()
        .id;
    let more = tags(&[("release-generation", "7")]);
    cloud
        .tag(&Resource::Snapshot(snapshot.clone()), &more)
        .await
        .unwrap();
    cloud
        .tag(&Resource::Volume(volume.clone()), &more)
        .await
        .unwrap();
    let both = tags(&[("release-generation", "7"), ("release-deploy", "d1")]);
    let query = SnapshotQuery::OwnTagged(both);
    until(world, "the snapshot's tags", || async {
        let found = cloud.snapshots(&query).await.unwrap();
        found.len() == 1 && found[0].id == snapshot
    })
    .await;
    let both = tags(&[("release-generation", "7"), ("token", "tagged")]);
    let query = VolumeQuery::Tagged(both);
    until(world, "the volume's tags", || async {
        let found = cloud.volumes(&query).await.unwrap();
        found.len() == 1 && found[0].id == volume
    })
    .await;
    let other = SnapshotQuery::OwnTagged(tags(&[("release-generation", "8")]));
    assert!(cloud.snapshots(&other).await.unwrap().is_empty());
}

pub(super) async fn a_lost_answer_is_a_volume_all_the_same(world: &dyn World) {
    let cloud = world.cloud();
    world
        .inject(once(Action::CreateVolume, Effect::LoseAnswer))
        .await;
    let request = blank(world, "lost");
    // An implementation may have tried again by itself.
    if let Err(error) = cloud.create_volume(&request).await {
        assert!(
            error.may_have_happened() && error.may_be_repeated(),
            "{error}"
        );
    }
    let id = cloud.create_volume(&request).await.unwrap().id;
    let query = VolumeQuery::Tagged(request.tags.clone());
    until(world, "one volume", || async {
        let found = cloud.volumes(&query).await.unwrap();
        found.len() == 1 && found[0].id == id
    })
    .await;
}

pub(super) async fn a_lost_answer_is_a_snapshot_and_only_one(world: &dyn World) {
    let cloud = world.cloud();
    let volume = ready_volume(world, "source").await;
    world
        .inject(once(Action::CreateSnapshot, Effect::LoseAnswer))
        .await;
    let error = cloud
        .create_snapshot(&snapshot_of(&volume, "d1"))
        .await
        .unwrap_err();
    assert!(
        error.may_have_happened() && !error.may_be_repeated(),
        "{error}"
    );
    let query = SnapshotQuery::OwnTagged(tags(&[("release-deploy", "d1")]));
    until(world, "the snapshot", || async {
        !cloud.snapshots(&query).await.unwrap().is_empty()
    })
    .await;
    assert_eq!(cloud.snapshots(&query).await.unwrap().len(), 1);
}

pub(super) async fn denial_is_told_from_other_failures(world: &dyn World) {
    let cloud = world.cloud();
    let volume = ready_volume(world, "source").await;
    let target = Target {
        volume: Some(volume.clone()),
        ..Target::default()
    };
    let before = cloud
        .permission(Action::CreateSnapshot, &target)
        .await
        .unwrap();
    assert_eq!(before, Verdict::Allowed);
    let deny = Fault {
        times: 2,
        ..once(Action::CreateSnapshot, Effect::Deny)
    };
    world.inject(deny).await;
    let asked = cloud
        .permission(Action::CreateSnapshot, &target)
        .await
        .unwrap();
    assert_eq!(asked, Verdict::Denied);
    let error = cloud
        .create_snapshot(&snapshot_of(&volume, "d1"))
        .await
        .unwrap_err();
    assert_eq!(
        (error.action, error.fault),
        (Action::CreateSnapshot, CloudFault::Denied)
    );
    assert!(!error.is_retryable());
    let query = SnapshotQuery::OwnTagged(tags(&[("release-deploy", "d1")]));
    assert!(cloud.snapshots(&query).await.unwrap().is_empty());
}
