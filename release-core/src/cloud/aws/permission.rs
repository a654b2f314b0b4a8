//! Whether an action would be allowed.

use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ec2::types::{
    EbsInstanceBlockDeviceSpecification, InstanceBlockDeviceMappingSpecification, ResourceType,
};

use super::{AwsCloud, fault, request};
use crate::cloud::{Action, Cloud, CloudError, CloudFault, Target, Verdict};

/// A device that is asked for where the question is only whether one might be.
const ANY_DEVICE: &str = "/dev/sdf";

impl AwsCloud {
    pub(super) async fn ask_permission(
        &self,
        action: Action,
        target: &Target,
    ) -> Result<Verdict, CloudError> {
        match action {
            Action::GetCallerIdentity => tried(self.identity().await),
            Action::DescribeAutoScalingGroups => {
                let call = self.scaling.describe_auto_scaling_groups().max_records(1);
                verdict(action, call.send().await)
            }
            Action::DescribeInstances => {
                let call = self.ec2.describe_instances().dry_run(true);
                verdict(action, call.send().await)
            }
            Action::DescribeVolumes => {
                let call = self.ec2.describe_volumes().dry_run(true);
                verdict(action, call.send().await)
            }
            Action::DescribeSnapshots => {
                let call = self
                    .ec2
                    .describe_snapshots()
                    .owner_ids("self")
                    .dry_run(true);
                verdict(action, call.send().await)
            }
            Action::DescribeWarmPool
            | Action::CompleteLifecycleAction
            | Action::RecordLifecycleActionHeartbeat => Ok(Verdict::Untold),
            Action::CreateVolume => self.may_create_volume(target).await,
            Action::CreateTags => self.may_create_tags(target).await,
            Action::CreateSnapshot | Action::DeleteSnapshot => {
                self.may_change_snapshots(action, target).await
            }
            _ => self.may_change_devices(action, target).await,
        }
    }

    async fn may_create_volume(&self, target: &Target) -> Result<Verdict, CloudError> {
        let Some(zone) = &target.zone else {
            return Ok(Verdict::Untold);
        };
        let snapshot = target.snapshot.as_ref();
        let call = self.ec2.create_volume().availability_zone(zone.as_str());
        let call = call
            .set_snapshot_id(snapshot.map(ToString::to_string))
            .set_size(snapshot.is_none().then_some(1))
            .set_tag_specifications(request::tagged(ResourceType::Volume, &target.tags))
            .dry_run(true);
        verdict(Action::CreateVolume, call.send().await)
    }

    async fn may_create_tags(&self, target: &Target) -> Result<Verdict, CloudError> {
        let snapshot = target.snapshot.as_ref().map(ToString::to_string);
        let resource = snapshot.or_else(|| target.volume.as_ref().map(ToString::to_string));
        match resource {
            Some(resource) if !target.tags.is_empty() => {
                let call = self.ec2.create_tags().resources(resource);
                let call = call.set_tags(Some(request::sdk_tags(&target.tags)));
                verdict(Action::CreateTags, call.dry_run(true).send().await)
            }
            _ => Ok(Verdict::Untold),
        }
    }

    async fn may_change_snapshots(
        &self,
        action: Action,
        target: &Target,
    ) -> Result<Verdict, CloudError> {
        match (action, &target.volume, &target.snapshot) {
            (Action::CreateSnapshot, Some(volume), _) => {
                let tags = request::tagged(ResourceType::Snapshot, &target.tags);
                let call = self.ec2.create_snapshot().volume_id(volume.as_str());
                let call = call.set_tag_specifications(tags).dry_run(true);
                verdict(action, call.send().await)
            }
            (Action::DeleteSnapshot, _, Some(snapshot)) => {
                let call = self.ec2.delete_snapshot().snapshot_id(snapshot.as_str());
                verdict(action, call.dry_run(true).send().await)
            }
            _ => Ok(Verdict::Untold),
        }
    }

    async fn may_change_devices(
        &self,
        action: Action,
        target: &Target,
    ) -> Result<Verdict, CloudError> {
        let (volume, instance) = (target.volume.as_ref(), target.instance.as_ref());
        match (action, volume, instance) {
            (Action::GetConsoleOutput, _, Some(instance)) => {
                let call = self.ec2.get_console_output().instance_id(instance.as_str());
                verdict(action, call.dry_run(true).send().await)
            }
            (Action::AttachVolume, Some(volume), Some(instance)) => {
                let call = self.ec2.attach_volume().volume_id(volume.as_str());
                let call = call.instance_id(instance.as_str()).device(ANY_DEVICE);
                verdict(action, call.dry_run(true).send().await)
            }
            (Action::DetachVolume, Some(volume), instance) => {
                let call = self.ec2.detach_volume().volume_id(volume.as_str());
                let call = call.set_instance_id(instance.map(ToString::to_string));
                verdict(action, call.dry_run(true).send().await)
            }
            (Action::DeleteVolume, Some(volume), _) => {
                let call = self.ec2.delete_volume().volume_id(volume.as_str());
                verdict(action, call.dry_run(true).send().await)
            }
            (Action::ModifyInstanceAttribute, _, Some(instance)) => {
                let call = self.ec2.modify_instance_attribute();
                let call = call
                    .instance_id(instance.as_str())
                    .block_device_mappings(deletion(ANY_DEVICE, true));
                verdict(action, call.dry_run(true).send().await)
            }
            _ => Ok(Verdict::Untold),
        }
    }
}

/// A device whose volume is deleted with the instance, or not.
pub(super) fn deletion(device: &str, delete: bool) -> InstanceBlockDeviceMappingSpecification {
    let ebs = EbsInstanceBlockDeviceSpecification::builder().delete_on_termination(delete);
    InstanceBlockDeviceMappingSpecification::builder()
        .device_name(device)
        .ebs(ebs.build())
        .build()
}

/// Of an action that is done to find out.
fn tried<T>(outcome: Result<T, CloudError>) -> Result<Verdict, CloudError> {
    match outcome {
        Ok(_) => Ok(Verdict::Allowed),
        Err(error) if error.fault == CloudFault::Denied => Ok(Verdict::Denied),
        Err(error) => Err(error),
    }
}

/// A dry run's success is an error that says so.
fn verdict<T, E>(action: Action, outcome: Result<T, SdkError<E>>) -> Result<Verdict, CloudError>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    match outcome {
        Err(error) if error.code() == Some("DryRunOperation") => Ok(Verdict::Allowed),
        outcome => tried(outcome.map_err(|error| fault::error(action, error))),
    }
}
