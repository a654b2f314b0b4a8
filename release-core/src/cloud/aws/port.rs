//! The port, by calls.

use aws_sdk_ec2::config::Builder as Ec2Config;
use aws_sdk_ec2::config::retry::RetryConfig;
use aws_sdk_ec2::types::{Filter, ResourceType, VolumeType};

use super::groups::shaped;
use super::listing::by_ids;
use super::permission::deletion;
use super::{AwsCloud, fault, request, show};
use crate::cloud::{
    Action, Attachment, Cloud, CloudError, Group, GroupQuery, HeldInstance, HookResult, Identity,
    Instance, NewSnapshot, NewVolume, Reply, Resource, Snapshot, SnapshotQuery, Tags, Target,
    Verdict, Volume, VolumeQuery, VolumeSource, VolumeState,
};
use crate::{DeviceName, InstanceId, SnapshotId, VolumeId};

/// Things on one page of a list, where it can be asked for.
const PAGE: i32 = 500;

impl Cloud for AwsCloud {
    fn identity(&self) -> Reply<'_, Identity> {
        Box::pin(async {
            let action = Action::GetCallerIdentity;
            let answer = self.sts.get_caller_identity().send().await;
            let answer = answer.map_err(|error| fault::error(action, error))?;
            Ok(Identity {
                account: shaped(action, show::parse("account", answer.account()))?,
                region: self.region.clone(),
            })
        })
    }

    fn groups<'a>(&'a self, query: &'a GroupQuery) -> Reply<'a, Vec<Group>> {
        Box::pin(self.list_groups(query))
    }

    fn instances<'a>(&'a self, ids: &'a [InstanceId]) -> Reply<'a, Vec<Instance>> {
        let ids = ids.iter().map(InstanceId::as_str);
        Box::pin(by_ids(ids, |batch| self.instances_of(batch)))
    }

    fn console_output<'a>(&'a self, instance: &'a InstanceId) -> Reply<'a, Option<String>> {
        Box::pin(async {
            let action = Action::GetConsoleOutput;
            let call = self.ec2.get_console_output();
            let answer = call.instance_id(instance.as_str()).send().await;
            let answer = answer.map_err(|error| fault::error(action, error))?;
            shaped(action, show::console(answer.output()))
        })
    }

    fn volumes<'a>(&'a self, query: &'a VolumeQuery) -> Reply<'a, Vec<Volume>> {
        Box::pin(async {
            let mut volumes = match query {
                VolumeQuery::Ids(ids) => {
                    let ids = ids.iter().map(VolumeId::as_str);
                    by_ids(ids, |batch| self.volumes_of(Some(batch), None)).await?
                }
                VolumeQuery::Tagged(tags) => {
                    let filters = request::ec2_filters(tags);
                    let mut volumes = self.volumes_of(None, filters).await?;
                    volumes.retain(|volume| request::has_all(&volume.tags, tags));
                    volumes
                }
                VolumeQuery::AttachedTo(instance) => {
                    let filter = request::filter("attachment.instance-id", instance.as_str());
                    self.volumes_of(None, Some(vec![filter])).await?
                }
            };
            volumes.retain(|volume| volume.state != VolumeState::Deleted);
            Ok(volumes)
        })
    }

    fn create_volume<'a>(&'a self, request: &'a NewVolume) -> Reply<'a, Volume> {
        Box::pin(self.make_volume(request))
    }

    fn attach_volume<'a>(
        &'a self,
        volume: &'a VolumeId,
        instance: &'a InstanceId,
        device: &'a DeviceName,
    ) -> Reply<'a, Attachment> {
        Box::pin(async {
            let action = Action::AttachVolume;
            let call = self.ec2.attach_volume().volume_id(volume.as_str());
            let call = call.instance_id(instance.as_str()).device(device.as_str());
            let answer = call.send().await;
            let answer = answer.map_err(|error| fault::error(action, error))?;
            shaped(action, show::new_attachment(answer))
        })
    }

    fn detach_volume<'a>(
        &'a self,
        volume: &'a VolumeId,
        instance: &'a InstanceId,
    ) -> Reply<'a, ()> {
        Box::pin(async {
            let call = self.ec2.detach_volume().volume_id(volume.as_str());
            let answer = call.instance_id(instance.as_str()).send().await;
            answer.map_err(|error| fault::error(Action::DetachVolume, error))?;
            Ok(())
        })
    }

    fn delete_volume<'a>(&'a self, volume: &'a VolumeId) -> Reply<'a, ()> {
        Box::pin(async {
            let call = self.ec2.delete_volume().volume_id(volume.as_str());
            let answer = call.send().await;
            answer.map_err(|error| fault::error(Action::DeleteVolume, error))?;
            Ok(())
        })
    }

    fn set_delete_on_termination<'a>(
        &'a self,
        instance: &'a InstanceId,
        device: &'a DeviceName,
        delete: bool,
    ) -> Reply<'a, ()> {
        Box::pin(async move {
            let call = self.ec2.modify_instance_attribute();
            let call = call
                .instance_id(instance.as_str())
                .block_device_mappings(deletion(device.as_str(), delete));
            let answer = call.send().await;
            answer.map_err(|error| fault::error(Action::ModifyInstanceAttribute, error))?;
            Ok(())
        })
    }

    fn create_snapshot<'a>(&'a self, request: &'a NewSnapshot) -> Reply<'a, Snapshot> {
        Box::pin(self.make_snapshot(request))
    }

    fn snapshots<'a>(&'a self, query: &'a SnapshotQuery) -> Reply<'a, Vec<Snapshot>> {
        Box::pin(async {
            match query {
                SnapshotQuery::Ids(ids) => {
                    let ids = ids.iter().map(SnapshotId::as_str);
                    by_ids(ids, |batch| self.snapshots_of(batch)).await
                }
                SnapshotQuery::OwnTagged(tags) => self.own_snapshots(tags).await,
            }
        })
    }

    fn delete_snapshot<'a>(&'a self, snapshot: &'a SnapshotId) -> Reply<'a, ()> {
        Box::pin(async {
            let call = self.ec2.delete_snapshot().snapshot_id(snapshot.as_str());
            let answer = call.send().await;
            answer.map_err(|error| fault::error(Action::DeleteSnapshot, error))?;
            Ok(())
        })
    }

    fn tag<'a>(&'a self, resource: &'a Resource, tags: &'a Tags) -> Reply<'a, ()> {
        Box::pin(async {
            // EC2 takes no empty list, and nothing would change.
            if tags.is_empty() {
                return Ok(());
            }
            let id = match resource {
                Resource::Snapshot(id) => id.as_str(),
                Resource::Volume(id) => id.as_str(),
            };
            let call = self.ec2.create_tags().resources(id);
            let answer = call.set_tags(Some(request::sdk_tags(tags))).send().await;
            answer.map_err(|error| fault::error(Action::CreateTags, error))?;
            Ok(())
        })
    }

    fn complete_lifecycle<'a>(
        &'a self,
        held: &'a HeldInstance,
        result: HookResult,
    ) -> Reply<'a, ()> {
        Box::pin(async move {
            let result = match result {
                HookResult::Continue => "CONTINUE",
                HookResult::Abandon => "ABANDON",
            };
            let call = self.scaling.complete_lifecycle_action();
            let call = call
                .auto_scaling_group_name(held.group.as_str())
                .lifecycle_hook_name(held.hook.as_str())
                .instance_id(held.instance.as_str())
                .lifecycle_action_result(result);
            let answer = call.send().await;
            answer.map_err(|error| fault::error(Action::CompleteLifecycleAction, error))?;
            Ok(())
        })
    }

    fn heartbeat<'a>(&'a self, held: &'a HeldInstance) -> Reply<'a, ()> {
        Box::pin(async {
            let call = self.scaling.record_lifecycle_action_heartbeat();
            let call = call
                .auto_scaling_group_name(held.group.as_str())
                .lifecycle_hook_name(held.hook.as_str())
                .instance_id(held.instance.as_str());
            let answer = call.send().await;
            answer.map_err(|error| fault::error(Action::RecordLifecycleActionHeartbeat, error))?;
            Ok(())
        })
    }

    fn permission<'a>(&'a self, action: Action, target: &'a Target) -> Reply<'a, Verdict> {
        Box::pin(self.ask_permission(action, target))
    }
}

impl AwsCloud {
    async fn instances_of(&self, ids: Vec<String>) -> Result<Vec<Instance>, CloudError> {
        let action = Action::DescribeInstances;
        let call = self.ec2.describe_instances().set_instance_ids(Some(ids));
        let mut pages = call.into_paginator().send();
        let mut instances = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| fault::error(action, error))?;
            let reservations = page.reservations().iter();
            for instance in reservations.flat_map(|reservation| reservation.instances()) {
                instances.push(shaped(action, show::instance(instance))?);
            }
        }
        Ok(instances)
    }

    /// A page's size can be asked for only where ids are not.
    async fn volumes_of(
        &self,
        ids: Option<Vec<String>>,
        filters: Option<Vec<Filter>>,
    ) -> Result<Vec<Volume>, CloudError> {
        let action = Action::DescribeVolumes;
        let call = self.ec2.describe_volumes();
        let call = call
            .set_max_results(ids.is_none().then_some(PAGE))
            .set_volume_ids(ids)
            .set_filters(filters);
        let mut pages = call.into_paginator().send();
        let mut volumes = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| fault::error(action, error))?;
            for volume in page.volumes() {
                volumes.push(shaped(action, show::volume(volume))?);
            }
        }
        Ok(volumes)
    }

    async fn snapshots_of(&self, ids: Vec<String>) -> Result<Vec<Snapshot>, CloudError> {
        let call = self.ec2.describe_snapshots();
        self.all_snapshots(call.set_snapshot_ids(Some(ids))).await
    }

    async fn own_snapshots(&self, tags: &Tags) -> Result<Vec<Snapshot>, CloudError> {
        let call = self.ec2.describe_snapshots().owner_ids("self");
        let call = call
            .set_filters(request::ec2_filters(tags))
            .max_results(PAGE);
        let mut snapshots = self.all_snapshots(call).await?;
        snapshots.retain(|snapshot| request::has_all(&snapshot.tags, tags));
        Ok(snapshots)
    }

    async fn all_snapshots(
        &self,
        call: aws_sdk_ec2::operation::describe_snapshots::builders::DescribeSnapshotsFluentBuilder,
    ) -> Result<Vec<Snapshot>, CloudError> {
        let action = Action::DescribeSnapshots;
        let mut pages = call.into_paginator().send();
        let mut snapshots = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| fault::error(action, error))?;
            for snapshot in page.snapshots() {
                snapshots.push(shaped(action, show::snapshot(snapshot))?);
            }
        }
        Ok(snapshots)
    }

    async fn make_volume(&self, new: &NewVolume) -> Result<Volume, CloudError> {
        let action = Action::CreateVolume;
        let (snapshot, size) = match &new.source {
            VolumeSource::Snapshot { id, size_gib } => (Some(id.to_string()), *size_gib),
            VolumeSource::Blank { size_gib } => (None, Some(*size_gib)),
        };
        let (encrypted, key) = request::encryption(&new.encryption);
        let call = self.ec2.create_volume();
        let call = call
            .client_token(new.token.as_str())
            .availability_zone(new.zone.as_str())
            .volume_type(VolumeType::from(new.kind.as_str()))
            .set_snapshot_id(snapshot)
            .set_size(size.map(request::number))
            .set_throughput(new.throughput.map(request::number))
            .set_iops(new.iops.map(request::number))
            .set_volume_initialization_rate(new.initialization_rate.map(request::number))
            .set_encrypted(encrypted)
            .set_kms_key_id(key)
            .set_tag_specifications(request::tagged(ResourceType::Volume, &new.tags));
        let answer = call.send().await;
        let answer = answer.map_err(|error| fault::error(action, error))?;
        shaped(action, show::new_volume(answer))
    }

    async fn make_snapshot(&self, new: &NewSnapshot) -> Result<Snapshot, CloudError> {
        let action = Action::CreateSnapshot;
        let call = self.ec2.create_snapshot();
        let call = call
            .volume_id(new.volume.as_str())
            .description(&new.description)
            .set_tag_specifications(request::tagged(ResourceType::Snapshot, &new.tags));
        // Twice sent may be twice made. Nor does it wait because other calls were too many: the file
        // system is frozen meanwhile.
        let once = Ec2Config::new().retry_config(RetryConfig::disabled());
        let answer = call.customize().config_override(once).send().await;
        let answer = answer.map_err(|error| fault::error(action, error))?;
        shaped(action, show::new_snapshot(answer))
    }
}
