//! The port, on a local fleet.

use std::fs::File;
use std::future::ready;
use std::io::{ErrorKind, Read};

use super::state::State;
use super::{Call, Effect, LocalCloud};
use crate::cloud::{
    Action, Attachment, Cloud, CloudError, CloudFault, Group, GroupQuery, HeldInstance, HookResult,
    Identity, Instance, InstanceState, Member, NewSnapshot, NewVolume, Reply, Resource, Snapshot,
    SnapshotQuery, Tags, Target, Verdict, Volume, VolumeQuery,
};
use crate::{AccountId, DeviceName, GroupName, InstanceId, Region, SnapshotId, VolumeId, Zone};

/// Most of an instance's console that is returned, as of EC2.
const CONSOLE: u64 = 64 << 10;

#[allow(clippy::expect_used)]
pub(super) fn account() -> AccountId {
    "000000000000".parse().expect("that is an account")
}

#[allow(clippy::expect_used)]
pub(super) fn zone() -> Zone {
    "local-a".parse().expect("that is a zone")
}

#[allow(clippy::expect_used)]
fn region() -> Region {
    "local".parse().expect("that is a region")
}

impl Cloud for LocalCloud {
    fn identity(&self) -> Reply<'_, Identity> {
        reply(self.call(Action::GetCallerIdentity, |_| {
            Ok(Identity {
                account: account(),
                region: region(),
            })
        }))
    }

    fn groups<'a>(&'a self, query: &'a GroupQuery) -> Reply<'a, Vec<Group>> {
        reply(self.call(Action::DescribeAutoScalingGroups, |call| call.groups(query)))
    }

    fn instances<'a>(&'a self, ids: &'a [InstanceId]) -> Reply<'a, Vec<Instance>> {
        reply(self.call(Action::DescribeInstances, |call| {
            let (state, now) = (&*call.state, call.now);
            let listed = state.instances.iter();
            let listed = listed.filter(|(id, one)| one.listed <= now && ids.contains(id));
            Ok(listed
                .map(|(id, one)| one.show(id, now, &state.delays))
                .collect())
        }))
    }

    fn console_output<'a>(&'a self, instance: &'a InstanceId) -> Reply<'a, Option<String>> {
        reply(self.call(Action::GetConsoleOutput, |call| {
            if !call.state.instances.contains_key(instance) {
                return Err(call.error(CloudFault::NotFound, instance.as_str()));
            }
            let mut bytes = Vec::new();
            let path = call.folder.instance(instance).join("console.log");
            match File::open(path).and_then(|file| file.take(CONSOLE).read_to_end(&mut bytes)) {
                Ok(_) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                Err(error) => Err(call.io(error)),
            }
        }))
    }

    fn volumes<'a>(&'a self, query: &'a VolumeQuery) -> Reply<'a, Vec<Volume>> {
        reply(self.call(Action::DescribeVolumes, |call| {
            let live = call
                .state
                .volumes
                .iter()
                .filter(|(_, volume)| !volume.deleted);
            let wanted = live.filter(|(id, volume)| match query {
                VolumeQuery::Ids(ids) => ids.contains(id),
                VolumeQuery::Tagged(tags) => has_all(&volume.tags, tags),
                VolumeQuery::AttachedTo(instance) => {
                    let attachment = volume.attachment.as_ref();
                    attachment.is_some_and(|one| one.instance == *instance)
                }
            });
            Ok(wanted
                .map(|(id, volume)| volume.show(id, call.now))
                .collect())
        }))
    }

    fn create_volume<'a>(&'a self, request: &'a NewVolume) -> Reply<'a, Volume> {
        reply(self.call(Action::CreateVolume, |call| call.create_volume(request)))
    }

    fn attach_volume<'a>(
        &'a self,
        volume: &'a VolumeId,
        instance: &'a InstanceId,
        device: &'a DeviceName,
    ) -> Reply<'a, Attachment> {
        reply(self.call(Action::AttachVolume, |call| {
            call.attach(volume, instance, device)
        }))
    }

    fn detach_volume<'a>(
        &'a self,
        volume: &'a VolumeId,
        instance: &'a InstanceId,
    ) -> Reply<'a, ()> {
        reply(self.call(Action::DetachVolume, |call| call.detach(volume, instance)))
    }

    fn delete_volume<'a>(&'a self, volume: &'a VolumeId) -> Reply<'a, ()> {
        reply(self.call(Action::DeleteVolume, |call| call.delete_volume(volume)))
    }

    fn set_delete_on_termination<'a>(
        &'a self,
        instance: &'a InstanceId,
        device: &'a DeviceName,
        delete: bool,
    ) -> Reply<'a, ()> {
        reply(self.call(Action::ModifyInstanceAttribute, |call| {
            call.set_delete_on_termination(instance, device, delete)
        }))
    }

    fn create_snapshot<'a>(&'a self, request: &'a NewSnapshot) -> Reply<'a, Snapshot> {
        reply(self.call(Action::CreateSnapshot, |call| call.create_snapshot(request)))
    }

    fn snapshots<'a>(&'a self, query: &'a SnapshotQuery) -> Reply<'a, Vec<Snapshot>> {
        reply(self.call(Action::DescribeSnapshots, |call| {
            let wanted = call.state.snapshots.iter().filter(|(id, one)| match query {
                SnapshotQuery::Ids(ids) => ids.contains(id),
                SnapshotQuery::OwnTagged(tags) => {
                    one.owner == account() && has_all(&one.tags, tags)
                }
            });
            Ok(wanted.map(|(id, one)| one.show(id, call.now)).collect())
        }))
    }

    fn delete_snapshot<'a>(&'a self, snapshot: &'a SnapshotId) -> Reply<'a, ()> {
        reply(self.call(
            Action::DeleteSnapshot,
            |call| match call.state.snapshots.remove(snapshot) {
                Some(_) => Ok(()),
                None => Err(call.error(CloudFault::NotFound, snapshot.as_str())),
            },
        ))
    }

    fn tag<'a>(&'a self, resource: &'a Resource, tags: &'a Tags) -> Reply<'a, ()> {
        reply(self.call(Action::CreateTags, |call| {
            let own = match resource {
                Resource::Volume(id) => &mut call.volume(id)?.tags,
                Resource::Snapshot(id) => match call.state.snapshots.get_mut(id) {
                    Some(snapshot) => &mut snapshot.tags,
                    None => return Err(call.error(CloudFault::NotFound, id.as_str())),
                },
            };
            own.extend(tags.clone());
            Ok(())
        }))
    }

    fn complete_lifecycle<'a>(
        &'a self,
        held: &'a HeldInstance,
        result: HookResult,
    ) -> Reply<'a, ()> {
        reply(self.call(Action::CompleteLifecycleAction, |call| {
            call.held(held)?;
            match result {
                HookResult::Abandon => call.state.end_instance(&held.instance, call.now),
                HookResult::Continue => {
                    if let Some(instance) = call.state.instances.get_mut(&held.instance) {
                        instance.held = None;
                    }
                }
            }
            Ok(())
        }))
    }

    fn heartbeat<'a>(&'a self, held: &'a HeldInstance) -> Reply<'a, ()> {
        reply(self.call(Action::RecordLifecycleActionHeartbeat, |call| {
            let timeout = call.held(held)?;
            let until = super::state::later(call.now, timeout);
            if let Some(instance) = call.state.instances.get_mut(&held.instance) {
                instance.held = Some(until);
            }
            Ok(())
        }))
    }

    fn permission<'a>(&'a self, action: Action, _target: &'a Target) -> Reply<'a, Verdict> {
        // A fault that denies is looked at and not used up: asking changes nothing.
        let verdict = self.administer(|state, _| Ok(state.verdict(action)));
        reply(verdict.map_err(|error| {
            CloudError::new(action, CloudFault::Other, error.to_string()).caused_by(error)
        }))
    }
}

/// What was done already, as an answer that is there already.
fn reply<'a, T: Send + 'a>(outcome: Result<T, CloudError>) -> Reply<'a, T> {
    Box::pin(ready(outcome))
}

fn has_all(tags: &Tags, wanted: &Tags) -> bool {
    wanted
        .iter()
        .all(|(key, value)| tags.get(key) == Some(value))
}

impl Call<'_> {
    fn groups(&self, query: &GroupQuery) -> Result<Vec<Group>, CloudError> {
        match query {
            GroupQuery::Names(names) => names
                .iter()
                .map(|name| {
                    self.group(name)
                        .ok_or_else(|| self.error(CloudFault::NotFound, name.as_str()))
                })
                .collect(),
            GroupQuery::Tagged(tags) => {
                let groups = self.state.groups.iter();
                let wanted = groups.filter(|(_, group)| has_all(&group.tags, tags));
                Ok(wanted.filter_map(|(name, _)| self.group(name)).collect())
            }
        }
    }

    fn group(&self, name: &GroupName) -> Option<Group> {
        let group = self.state.groups.get(name)?;
        let (now, delays) = (self.now, &self.state.delays);
        let members = self.state.instances.iter().filter(|(_, one)| {
            one.group.as_ref() == Some(name)
                && one.listed <= now
                && one.state(now, delays) != InstanceState::Terminated
        });
        Some(Group {
            name: name.clone(),
            members: members
                .map(|(id, one)| Member {
                    id: id.clone(),
                    lifecycle: one.lifecycle(now, delays),
                })
                .collect(),
            suspended: Vec::new(),
            tags: group.tags.clone(),
        })
    }

    /// The time limit of the hook that holds an instance, in milliseconds.
    fn held(&self, held: &HeldInstance) -> Result<u64, CloudError> {
        let group = self.state.groups.get(&held.group);
        let hook = group.and_then(|group| group.hook.as_ref());
        let hook = hook.filter(|hook| hook.name == held.hook);
        let instance = self.state.instances.get(&held.instance);
        let instance = instance.filter(|one| {
            one.group.as_ref() == Some(&held.group) && one.held.is_some() && one.ended.is_none()
        });
        match (hook, instance) {
            (Some(hook), Some(_)) => Ok(hook.timeout),
            _ => {
                let message = format!("no hook `{}` holds {}", held.hook, held.instance);
                Err(self.error(CloudFault::NotFound, message))
            }
        }
    }
}

impl State {
    fn verdict(&self, action: Action) -> Verdict {
        let denied = self.faults.iter().any(|fault| {
            fault.effect == Effect::Deny && fault.action.is_none_or(|denied| denied == action)
        });
        if denied {
            Verdict::Denied
        } else {
            Verdict::Allowed
        }
    }
}
