//! The world's cloud.

use super::*;

impl World {
    /// A volume that is attached, as one of an earlier life.
    pub(in crate::boot::tests) fn attach_old(
        &mut self,
        name: &str,
        generation: u64,
        mine: bool,
    ) -> VolumeId {
        let mut tags = Tags::from([(TAG_FLEET.to_owned(), "web".to_owned())]);
        if mine {
            let id = self.me.instance.to_string();
            tags.insert(crate::cloud::TAG_INSTANCE.to_owned(), id);
        }
        self.made += 1;
        let id: VolumeId = format!("vol-{:017x}", self.made).parse().unwrap();
        let volume = Volume {
            id: id.clone(),
            state: VolumeState::InUse,
            zone: self.me.zone.clone(),
            size_gib: 1,
            snapshot: Some(snapshot_id(generation)),
            created: Moment::from_unix_millis(0),
            attachments: vec![Attachment {
                instance: self.me.instance.clone(),
                device: device(name),
                state: AttachmentState::Attached,
                delete_on_termination: true,
            }],
            tags,
        };
        let disk = Disk {
            volume,
            marker: Some(marker(generation)),
            looks: 0,
            stuck: false,
        };
        self.volumes.insert(id.clone(), disk);
        id
    }

    pub(super) fn highest(&self, fleet: &str) -> Option<Generation> {
        let ours = self.snapshots.values().filter(|(snapshot, _)| {
            snapshot.owner == self.me.account
                && snapshot.tags.get(TAG_FLEET).map(String::as_str) == Some(fleet)
        });
        ours.filter_map(|(snapshot, _)| tagged_generation(&snapshot.tags))
            .max()
    }

    pub(super) fn list(&self, wanted: impl Fn(&Volume, &crate::InstanceId) -> bool) -> Answer {
        let volumes = self.volumes.values().map(|disk| &disk.volume);
        let wanted = volumes.filter(|volume| wanted(volume, &self.me.instance));
        Answer::Volumes(wanted.cloned().collect())
    }

    pub(super) fn create(&mut self, request: &NewVolume) -> Result<Volume, Fault> {
        if let Some((asked, id)) = self.tokens.get(&request.token) {
            if asked != request {
                return Err(Fault::Cloud(CloudFault::AlreadyExists));
            }
            // Whatever became of it.
            let now = self.volumes.get(id).map(|disk| disk.volume.clone());
            return Ok(now.unwrap_or_else(|| fresh(id.clone(), request)));
        }
        let VolumeSource::Snapshot { id: snapshot, .. } = &request.source else {
            panic!("a blank volume is no release");
        };
        let Some((_, marker)) = self.snapshots.get(snapshot) else {
            return Err(Fault::Cloud(CloudFault::NotFound));
        };
        self.made += 1;
        let id: VolumeId = format!("vol-{:017x}", self.made).parse().unwrap();
        let volume = fresh(id.clone(), request);
        let disk = Disk {
            volume: volume.clone(),
            marker: *marker,
            looks: 1,
            stuck: false,
        };
        self.volumes.insert(id.clone(), disk);
        self.tokens
            .insert(request.token.clone(), (request.clone(), id));
        Ok(volume)
    }

    /// A look, with which time goes on.
    pub(super) fn look_at(&mut self, id: &VolumeId) -> Option<Volume> {
        let doomed = &mut self.doomed;
        let disk = self.volumes.get_mut(id)?;
        if disk.looks > 0 {
            disk.looks -= 1;
        } else if disk.volume.state == VolumeState::Creating {
            disk.volume.state = match *doomed {
                0 => VolumeState::Available,
                _ => VolumeState::Error,
            };
            *doomed = doomed.saturating_sub(1);
        } else if let Some(attachment) = disk.volume.attachments.first_mut() {
            match attachment.state {
                AttachmentState::Attaching if !disk.stuck => {
                    attachment.state = AttachmentState::Attached;
                }
                AttachmentState::Detaching => {
                    disk.volume.attachments.clear();
                    disk.volume.state = VolumeState::Available;
                }
                _ => {}
            }
        }
        Some(disk.volume.clone())
    }

    pub(super) fn attach(&mut self, id: &VolumeId, name: &DeviceName) -> Result<Answer, Fault> {
        let refuse = |fault| Err(Fault::Cloud(fault));
        let attached = self
            .volumes
            .values()
            .flat_map(|disk| &disk.volume.attachments);
        let mut names = attached.map(|attachment| &attachment.device);
        let is_taken = names.any(|taken| taken == name);
        let Some(disk) = self.volumes.get_mut(id) else {
            return refuse(CloudFault::NotFound);
        };
        match disk.volume.state {
            VolumeState::Available => {}
            VolumeState::InUse => return refuse(CloudFault::InUse),
            _ => return refuse(CloudFault::IncorrectState),
        }
        if is_taken {
            return refuse(CloudFault::Invalid);
        }
        disk.volume.state = VolumeState::InUse;
        disk.stuck = self.stuck > 0;
        disk.looks = 1;
        self.stuck = self.stuck.saturating_sub(1);
        disk.volume.attachments.push(Attachment {
            instance: self.me.instance.clone(),
            device: name.clone(),
            state: AttachmentState::Attaching,
            delete_on_termination: false,
        });
        Ok(Answer::Done)
    }

    pub(super) fn find_device(&mut self, id: &VolumeId) -> Result<Answer, Fault> {
        self.look_at(id);
        let is_attached = self.volumes.get(id).is_some_and(|disk| {
            let mut attachments = disk.volume.attachments.iter();
            attachments.any(|one| one.state == AttachmentState::Attached)
        });
        if is_attached && !self.blind {
            Ok(Answer::Done)
        } else {
            Err(Fault::Missing)
        }
    }

    pub(super) fn end_with_instance(&mut self, name: &DeviceName) -> Result<Answer, Fault> {
        let disks = self.volumes.values_mut();
        let mut attachments = disks.flat_map(|disk| &mut disk.volume.attachments);
        match attachments.find(|one| one.device == *name) {
            Some(attachment) => {
                attachment.delete_on_termination = true;
                Ok(Answer::Done)
            }
            None => Err(Fault::Cloud(CloudFault::NotFound)),
        }
    }

    pub(super) fn open(&mut self, id: &VolumeId) -> Result<Answer, Fault> {
        self.find_device(id)?;
        assert!(
            self.opened.is_none() || self.opened.as_ref() == Some(id),
            "two are open"
        );
        self.opened = Some(id.clone());
        Ok(Answer::Opened(Opened {
            marker: self.volumes[id].marker,
            identified: self.identified,
        }))
    }

    pub(super) fn detach(&mut self, id: &VolumeId) -> Result<Answer, Fault> {
        assert_ne!(self.mounted.as_ref(), Some(id), "it is mounted");
        assert_ne!(self.opened.as_ref(), Some(id), "it is open");
        let disk = self.volumes.get_mut(id);
        let disk = disk.ok_or(Fault::Cloud(CloudFault::NotFound))?;
        match disk.volume.attachments.first_mut() {
            Some(attachment) => attachment.state = AttachmentState::Detaching,
            None => return Err(Fault::Cloud(CloudFault::IncorrectState)),
        }
        Ok(Answer::Done)
    }

    pub(super) fn delete(&mut self, id: &VolumeId) -> Result<Answer, Fault> {
        self.look_at(id);
        let disk = self.volumes.get(id);
        let disk = disk.ok_or(Fault::Cloud(CloudFault::NotFound))?;
        if !disk.volume.attachments.is_empty() {
            return Err(Fault::Cloud(CloudFault::InUse));
        }
        self.volumes.remove(id);
        Ok(Answer::Done)
    }
}

/// A volume as CreateVolume answers.
fn fresh(id: VolumeId, request: &NewVolume) -> Volume {
    let VolumeSource::Snapshot {
        id: snapshot,
        size_gib,
    } = &request.source
    else {
        panic!("a blank volume is no release");
    };
    Volume {
        id,
        state: VolumeState::Creating,
        zone: request.zone.clone(),
        size_gib: size_gib.unwrap_or(1),
        snapshot: Some(snapshot.clone()),
        created: Moment::from_unix_millis(0),
        attachments: Vec::new(),
        tags: request.tags.clone(),
    }
}
