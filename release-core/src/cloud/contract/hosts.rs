//! Groups, instances and hooks.

use super::*;
use crate::cloud::{
    Group, GroupQuery, HeldInstance, HookResult, Instance, InstanceState, Lifecycle,
};

async fn group(world: &dyn World, name: &GroupName) -> Group {
    let query = GroupQuery::Names(vec![name.clone()]);
    let mut groups = world.cloud().groups(&query).await.unwrap();
    assert_eq!(groups.len(), 1, "a group is listed once");
    groups.remove(0)
}

async fn lifecycle(world: &dyn World, name: &GroupName, id: &InstanceId) -> Option<Lifecycle> {
    let mut members = group(world, name).await.members.into_iter();
    members
        .find(|member| member.id == *id)
        .map(|member| member.lifecycle)
}

async fn instance(world: &dyn World, id: &InstanceId) -> Option<Instance> {
    let found = world
        .cloud()
        .instances(std::slice::from_ref(id))
        .await
        .unwrap();
    found.into_iter().find(|one| one.id == *id)
}

async fn comes_to(world: &dyn World, name: &GroupName, id: &InstanceId, wanted: Lifecycle) {
    let what = format!("{id} {wanted}");
    until(world, &what, || async {
        lifecycle(world, name, id).await.as_ref() == Some(&wanted)
    })
    .await;
}

async fn ends(world: &dyn World, name: &GroupName, id: &InstanceId) {
    until(world, "the end in the group", || async {
        lifecycle(world, name, id)
            .await
            .is_none_or(|one| one.is_ending())
    })
    .await;
    until(world, "the end", || async {
        let state = instance(world, id).await.map(|one| one.state);
        matches!(state, None | Some(InstanceState::Terminated))
    })
    .await;
}

/// A running instance of a new group.
pub(super) async fn running(world: &dyn World, name: &str) -> (GroupName, InstanceId) {
    let name: GroupName = name.parse().unwrap();
    world.make_group(&name, &Tags::new(), None).await;
    let id = world.launch(&name).await;
    comes_to(world, &name, &id, Lifecycle::InService).await;
    until(world, "running", || async {
        instance(world, &id)
            .await
            .is_some_and(|one| one.state == InstanceState::Running)
    })
    .await;
    (name, id)
}

pub(super) async fn an_identity_stays(world: &dyn World) {
    let first = world.cloud().identity().await.unwrap();
    assert_eq!(world.cloud().identity().await.unwrap(), first);
}

pub(super) async fn groups_are_found_by_name_and_by_tag(world: &dyn World) {
    let names: [GroupName; 3] = ["a", "b", "c"].map(|name| name.parse().unwrap());
    for (name, role) in names.iter().zip(["web", "web", "db"]) {
        let tags = tags(&[("role", role), ("name", name.as_str())]);
        world.make_group(name, &tags, None).await;
    }
    let found = async |query: GroupQuery| {
        let groups = world.cloud().groups(&query).await.unwrap();
        let mut found: Vec<_> = groups.into_iter().map(|group| group.name).collect();
        found.sort();
        found
    };
    let both = vec![names[2].clone(), names[0].clone()];
    assert_eq!(
        found(GroupQuery::Names(both)).await,
        [names[0].clone(), names[2].clone()]
    );
    let tagged = |pairs: &[(&str, &str)]| GroupQuery::Tagged(tags(pairs));
    assert_eq!(found(tagged(&[("role", "web")])).await, names[..2]);
    assert_eq!(
        found(tagged(&[("role", "web"), ("name", "b")])).await,
        names[1..2]
    );
    assert!(
        found(tagged(&[("role", "db"), ("name", "b")]))
            .await
            .is_empty()
    );
}

pub(super) async fn an_unknown_group_is_named(world: &dyn World) {
    let known: GroupName = "known".parse().unwrap();
    world.make_group(&known, &Tags::new(), None).await;
    let query = GroupQuery::Names(vec![known, "nobody".parse().unwrap()]);
    let error = world.cloud().groups(&query).await.unwrap_err();
    assert_eq!(error.fault, CloudFault::NotFound);
    assert!(
        error.message.contains("nobody") && !error.is_retryable(),
        "{error}"
    );
}

pub(super) async fn instances_come_and_go(world: &dyn World) {
    let (name, first) = running(world, "web").await;
    let second = world.launch(&name).await;
    assert_ne!(first, second);
    comes_to(world, &name, &second, Lifecycle::InService).await;
    let found = instance(world, &first).await.unwrap();
    assert_eq!(found.zone, world.zones().0);
    assert!(found.launched.unix_millis() > 0);
    world.terminate(&first).await;
    ends(world, &name, &first).await;
    comes_to(world, &name, &second, Lifecycle::InService).await;
}

pub(super) async fn what_is_not_there_is_left_out(world: &dyn World) {
    let (_, id) = running(world, "web").await;
    let ids = ["i-0fedcba9876543210".parse().unwrap(), id.clone()];
    let found = world.cloud().instances(&ids).await.unwrap();
    let found: Vec<_> = found.into_iter().map(|one| one.id).collect();
    assert_eq!(found, [id]);
    let nobody = vec!["vol-0fedcba9876543210".parse().unwrap()];
    assert!(
        world
            .cloud()
            .volumes(&VolumeQuery::Ids(nobody))
            .await
            .unwrap()
            .is_empty()
    );
    let nobody = vec!["snap-0fedcba9876543210".parse().unwrap()];
    assert!(
        world
            .cloud()
            .snapshots(&SnapshotQuery::Ids(nobody))
            .await
            .unwrap()
            .is_empty()
    );
}

async fn held(world: &dyn World) -> HeldInstance {
    let (group, hook): (GroupName, HookName) = ("web".parse().unwrap(), "ready".parse().unwrap());
    world.make_group(&group, &Tags::new(), Some(&hook)).await;
    let instance = world.launch(&group).await;
    comes_to(world, &group, &instance, Lifecycle::PendingWait).await;
    HeldInstance {
        instance,
        group,
        hook,
    }
}

pub(super) async fn a_hook_holds_until_it_is_completed(world: &dyn World) {
    let held = held(world).await;
    world.cloud().heartbeat(&held).await.unwrap();
    let other = HeldInstance {
        hook: "other".parse().unwrap(),
        ..held.clone()
    };
    let gone = |fault| matches!(fault, CloudFault::NotFound | CloudFault::Invalid);
    let refused = world
        .cloud()
        .complete_lifecycle(&other, HookResult::Continue)
        .await;
    assert!(gone(fault_of(refused).1));
    world
        .cloud()
        .complete_lifecycle(&held, HookResult::Continue)
        .await
        .unwrap();
    comes_to(world, &held.group, &held.instance, Lifecycle::InService).await;
    let again = world
        .cloud()
        .complete_lifecycle(&held, HookResult::Continue)
        .await;
    assert!(gone(fault_of(again).1));
    assert!(gone(fault_of(world.cloud().heartbeat(&held).await).1));
}

pub(super) async fn an_abandoned_instance_ends(world: &dyn World) {
    let held = held(world).await;
    world
        .cloud()
        .complete_lifecycle(&held, HookResult::Abandon)
        .await
        .unwrap();
    ends(world, &held.group, &held.instance).await;
}

pub(super) async fn a_console_is_there_or_not(world: &dyn World) {
    let (_, id) = running(world, "web").await;
    world.cloud().console_output(&id).await.unwrap();
    let nobody = "i-0fedcba9876543210".parse().unwrap();
    let refused = fault_of(world.cloud().console_output(&nobody).await);
    assert_eq!(refused, (Action::GetConsoleOutput, CloudFault::NotFound));
}
