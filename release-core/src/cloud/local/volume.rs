//! Volumes and snapshots of a local fleet.

use std::fs;

use super::Call;
use super::copy::copy_tree;
use super::state::{AttachmentRecord, SnapshotRecord, VolumeRecord, later};
use crate::cloud::{
    Attachment, CloudError, CloudFault, InstanceState, NewSnapshot, NewVolume, Snapshot,
    SnapshotState, Volume, VolumeSource, VolumeState,
};
use crate::{DeviceName, Digest, InstanceId, SnapshotId, VolumeId};

impl Call<'_> {
    pub(super) fn create_volume(&mut self, request: &NewVolume) -> Result<Volume, CloudError> {
        let digest = Digest::of(format!("{request:?}").as_bytes()).to_string();
        let token = request.token.as_str();
        let mut made = self.state.volumes.iter();
        if let Some((id, volume)) = made.find(|(_, volume)| volume.token == token) {
            if volume.request != digest {
                let message = "the token was used for another request";
                return Err(self.error(CloudFault::AlreadyExists, message));
            }
            return Ok(volume.show(id, self.now));
        }
        let (size_gib, snapshot) = self.source(&request.source)?;
        let id: VolumeId = self.new_id("vol-")?;
        let directory = self.folder.volume(&id);
        match &snapshot {
            Some(snapshot) => copy_tree(&self.folder.snapshot(snapshot), &directory),
            None => fs::create_dir(&directory),
        }
        .map_err(|error| self.io(error))?;
        let record = VolumeRecord {
            zone: request.zone.clone(),
            size_gib,
            snapshot,
            created: self.now,
            available: later(self.now, self.state.delays.volume),
            failed: self.spoiled,
            deleted: false,
            attachment: None,
            tags: request.tags.clone(),
            token: token.to_owned(),
            request: digest,
        };
        let volume = record.show(&id, self.now);
        self.state.volumes.insert(id, record);
        Ok(volume)
    }

    /// Size and snapshot of a new volume.
    fn source(&self, source: &VolumeSource) -> Result<(u32, Option<SnapshotId>), CloudError> {
        let (id, size_gib) = match source {
            VolumeSource::Blank { size_gib: 0 } => {
                return Err(self.error(CloudFault::Invalid, "a volume has at least 1 GiB"));
            }
            VolumeSource::Blank { size_gib } => return Ok((*size_gib, None)),
            VolumeSource::Snapshot { id, size_gib } => (id, *size_gib),
        };
        let Some(snapshot) = self.state.snapshots.get(id) else {
            return Err(self.error(CloudFault::NotFound, id.as_str()));
        };
        if snapshot.state(self.now) != SnapshotState::Completed {
            return Err(self.error(CloudFault::IncorrectState, format!("{id} is not completed")));
        }
        match size_gib.unwrap_or(snapshot.size_gib) {
            size if size < snapshot.size_gib => {
                Err(self.error(CloudFault::Invalid, format!("{id} is larger")))
            }
            size => Ok((size, Some(id.clone()))),
        }
    }

    pub(super) fn attach(
        &mut self,
        volume: &VolumeId,
        instance: &InstanceId,
        device: &DeviceName,
    ) -> Result<Attachment, CloudError> {
        let now = self.now;
        let record = self.volume(volume)?;
        let (state, zone) = (record.state(now), record.zone.clone());
        if record.attachment.is_some() {
            return Err(self.error(CloudFault::InUse, volume.as_str()));
        }
        if state != VolumeState::Available {
            return Err(self.error(CloudFault::IncorrectState, format!("{volume} is {state}")));
        }
        let Some(host) = self.state.instances.get(instance) else {
            return Err(self.error(CloudFault::NotFound, instance.as_str()));
        };
        let host_state = host.state(now, &self.state.delays);
        if host_state != InstanceState::Running {
            let message = format!("{instance} is {host_state} and not 'running'");
            return Err(self.error(CloudFault::IncorrectState, message));
        }
        if host.zone != zone {
            let message = format!("{volume} is in {zone}, and {instance} in {}", host.zone);
            return Err(self.error(CloudFault::Invalid, message));
        }
        let mut attached = self
            .state
            .volumes
            .values()
            .filter_map(|one| one.attachment.as_ref());
        if attached.any(|one| one.instance == *instance && one.device == *device) {
            let message = format!("{instance} has a {device}");
            return Err(self.error(CloudFault::Invalid, message));
        }
        let there = later(now, self.state.delays.attach);
        let record = AttachmentRecord {
            instance: instance.clone(),
            device: device.clone(),
            attached: Some(there).filter(|_| !self.spoiled),
            detached: None,
            delete_on_termination: false,
        };
        let attachment = record.show(now);
        self.volume(volume)?.attachment = Some(record);
        Ok(attachment)
    }

    pub(super) fn detach(
        &mut self,
        volume: &VolumeId,
        instance: &InstanceId,
    ) -> Result<(), CloudError> {
        let gone = later(self.now, self.state.delays.detach);
        let attachment = self.volume(volume)?.attachment.as_mut();
        match attachment.filter(|one| one.instance == *instance) {
            Some(attachment) => {
                attachment.detached.get_or_insert(gone);
                Ok(())
            }
            None => {
                let message = format!("{volume} is not attached to {instance}");
                Err(self.error(CloudFault::IncorrectState, message))
            }
        }
    }

    pub(super) fn delete_volume(&mut self, id: &VolumeId) -> Result<(), CloudError> {
        let record = self.volume(id)?;
        if record.attachment.is_some() {
            return Err(self.error(CloudFault::InUse, id.as_str()));
        }
        record.deleted = true;
        Ok(())
    }

    pub(super) fn set_delete_on_termination(
        &mut self,
        instance: &InstanceId,
        device: &DeviceName,
        delete: bool,
    ) -> Result<(), CloudError> {
        let attachments = self
            .state
            .volumes
            .values_mut()
            .filter_map(|one| one.attachment.as_mut());
        let mut ours = attachments.filter(|one| one.instance == *instance && one.device == *device);
        match ours.next() {
            Some(attachment) => {
                attachment.delete_on_termination = delete;
                Ok(())
            }
            None => {
                let message = format!("{instance} has no {device}");
                Err(self.error(CloudFault::NotFound, message))
            }
        }
    }

    pub(super) fn create_snapshot(
        &mut self,
        request: &NewSnapshot,
    ) -> Result<Snapshot, CloudError> {
        let now = self.now;
        let record = self.volume(&request.volume)?;
        let (state, size_gib) = (record.state(now), record.size_gib);
        if !matches!(state, VolumeState::Available | VolumeState::InUse) {
            let message = format!("{} is {state}", request.volume);
            return Err(self.error(CloudFault::IncorrectState, message));
        }
        let id: SnapshotId = self.new_id("snap-")?;
        let (from, to) = (
            self.folder.volume(&request.volume),
            self.folder.snapshot(&id),
        );
        copy_tree(&from, &to).map_err(|error| self.io(error))?;
        let record = SnapshotRecord {
            owner: super::port::account(),
            volume: request.volume.clone(),
            started: now,
            completed: later(now, self.state.delays.snapshot),
            failed: self.spoiled,
            size_gib,
            description: request.description.clone(),
            tags: request.tags.clone(),
        };
        let snapshot = record.show(&id, now);
        self.state.snapshots.insert(id, record);
        Ok(snapshot)
    }

    /// A volume that is not deleted.
    pub(super) fn volume(&mut self, id: &VolumeId) -> Result<&mut VolumeRecord, CloudError> {
        let action = self.action;
        let volume = self
            .state
            .volumes
            .get_mut(id)
            .filter(|volume| !volume.deleted);
        volume.ok_or_else(|| CloudError::new(action, CloudFault::NotFound, id.as_str()))
    }

    /// A new id of a kind; it fails only where the kind's prefix is wrong.
    fn new_id<T: std::str::FromStr>(&mut self, prefix: &str) -> Result<T, CloudError> {
        let text = format!("{prefix}{}", self.state.new_digits());
        text.parse()
            .map_err(|_| self.error(CloudFault::Other, text))
    }
}
