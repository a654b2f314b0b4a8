//! What every [`Cloud`] is held to.
//!
//! Each case of [`CASES`] gets a [`World`] of its own, and panics where the contract is broken. Nothing in
//! them depends on how fast things happen: what may lag is waited for.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod hosts;
mod volumes;

use std::future::Future;
use std::pin::Pin;

use super::local::{Effect, Fault};
use super::{
    Action, ClientToken, Cloud, CloudError, CloudFault, Encryption, NewSnapshot, NewVolume,
    Snapshot, SnapshotQuery, SnapshotState, Tags, Volume, VolumeKind, VolumeQuery, VolumeSource,
    VolumeState,
};
use crate::{GroupName, HookName, InstanceId, SnapshotId, VolumeId, Zone};

/// Something that takes time.
pub type Step<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A cloud with nothing in it yet, and what an administrator would do to it.
pub trait World: Send + Sync {
    /// The cloud.
    fn cloud(&self) -> &dyn Cloud;

    /// Two zones: that of all instances that are launched, and another one.
    fn zones(&self) -> (Zone, Zone);

    /// Makes a group, perhaps with a hook that holds what is launched for long.
    fn make_group<'a>(
        &'a self,
        name: &'a GroupName,
        tags: &'a Tags,
        hook: Option<&'a HookName>,
    ) -> Step<'a, ()>;

    /// Launches an instance of a group.
    fn launch<'a>(&'a self, group: &'a GroupName) -> Step<'a, InstanceId>;

    /// Ends an instance.
    fn terminate<'a>(&'a self, instance: &'a InstanceId) -> Step<'a, ()>;

    /// Lets something go wrong with the next calls.
    fn inject(&self, fault: Fault) -> Step<'_, ()>;

    /// Lets some time pass: of 500 such pauses, everything pending is done.
    fn pause(&self) -> Step<'_, ()>;
}

/// One case: its name, and what runs it.
pub struct Case {
    /// The name, as of a test.
    pub name: &'static str,
    /// Runs it in a world of its own.
    pub run: for<'w> fn(&'w dyn World) -> Step<'w, ()>,
}

/// Makes cases of asynchronous functions.
macro_rules! cases {
    ($($module:ident :: $name:ident,)*) => {
        &[$(Case {
            name: stringify!($name),
            run: |world| Box::pin($module::$name(world)),
        },)*]
    };
}

/// All cases.
pub const CASES: &[Case] = cases![
    hosts::an_identity_stays,
    hosts::groups_are_found_by_name_and_by_tag,
    hosts::an_unknown_group_is_named,
    hosts::instances_come_and_go,
    hosts::what_is_not_there_is_left_out,
    hosts::a_hook_holds_until_it_is_completed,
    hosts::an_abandoned_instance_ends,
    hosts::a_console_is_there_or_not,
    volumes::a_volume_has_a_life,
    volumes::a_token_makes_one_volume,
    volumes::an_attachment_has_its_rules,
    volumes::a_volume_ends_with_its_instance_only_if_told_so,
    volumes::a_snapshot_has_a_life,
    volumes::a_volume_is_made_of_a_completed_snapshot_only,
    volumes::tags_are_added_and_found,
    volumes::a_lost_answer_is_a_volume_all_the_same,
    volumes::a_lost_answer_is_a_snapshot_and_only_one,
    volumes::denial_is_told_from_other_failures,
];

/// Waits until something is so.
async fn until<'w, F>(world: &'w dyn World, what: &str, mut so: impl FnMut() -> F)
where
    F: Future<Output = bool> + 'w,
{
    for _ in 0..500 {
        if so().await {
            return;
        }
        world.pause().await;
    }
    panic!("{what} did not come to be");
}

fn fault_of<T: std::fmt::Debug>(outcome: Result<T, CloudError>) -> (Action, CloudFault) {
    let error = outcome.expect_err("it was to fail");
    (error.action, error.fault)
}

fn tags(pairs: &[(&str, &str)]) -> Tags {
    let pairs = pairs.iter();
    pairs
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn blank(world: &dyn World, token: &str) -> NewVolume {
    NewVolume {
        source: VolumeSource::Blank { size_gib: 1 },
        zone: world.zones().0,
        kind: VolumeKind::Gp3,
        throughput: None,
        iops: None,
        initialization_rate: None,
        encryption: Encryption::Inherited,
        tags: tags(&[("release-fleet", "contract"), ("token", token)]),
        token: ClientToken::of(token),
    }
}

async fn find_volume(world: &dyn World, id: &VolumeId) -> Option<Volume> {
    let found = world
        .cloud()
        .volumes(&VolumeQuery::Ids(vec![id.clone()]))
        .await;
    found.unwrap().into_iter().find(|volume| volume.id == *id)
}

async fn find_snapshot(world: &dyn World, id: &SnapshotId) -> Option<Snapshot> {
    let found = world
        .cloud()
        .snapshots(&SnapshotQuery::Ids(vec![id.clone()]))
        .await;
    found
        .unwrap()
        .into_iter()
        .find(|snapshot| snapshot.id == *id)
}

/// A blank volume that is available.
async fn ready_volume(world: &dyn World, token: &str) -> VolumeId {
    let id = world
        .cloud()
        .create_volume(&blank(world, token))
        .await
        .unwrap()
        .id;
    volume_is(world, &id, VolumeState::Available).await;
    id
}

async fn volume_is(world: &dyn World, id: &VolumeId, state: VolumeState) {
    let what = format!("{id} {state}");
    until(world, &what, || async {
        find_volume(world, id)
            .await
            .is_some_and(|volume| volume.state == state)
    })
    .await;
}

fn snapshot_of(volume: &VolumeId, deploy: &str) -> NewSnapshot {
    NewSnapshot {
        volume: volume.clone(),
        description: "of the contract".to_owned(),
        tags: tags(&[("release-deploy", deploy)]),
    }
}

async fn snapshot_is(world: &dyn World, id: &SnapshotId, state: SnapshotState) {
    let what = format!("{id} {state}");
    until(world, &what, || async {
        find_snapshot(world, id)
            .await
            .is_some_and(|snapshot| snapshot.state == state)
    })
    .await;
}

fn once(action: Action, effect: Effect) -> Fault {
    Fault {
        action: Some(action),
        effect,
        times: 1,
    }
}
