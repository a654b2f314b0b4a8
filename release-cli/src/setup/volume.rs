//! The volume of a source: found or made, and attached to this machine.

use std::time::{Duration, Instant};

use release_core::cloud::{
    AttachmentState, ClientToken, CloudFault, Encryption, NewVolume, Resource, TAG_FLEET,
    TAG_SOURCE, Tags, Volume, VolumeKind, VolumeQuery, VolumeSource, VolumeState,
};
use release_core::{DeviceName, InstanceId, VolumeId, Zone};

use super::{Setup, SetupError, Standing};
use crate::failure::Failure;

/// How long EC2 may take for a volume or an attachment.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(500);
/// So many volumes of one token may have been deleted.
const TOKENS: u32 = 20;

impl Setup<'_> {
    /// Finds the volume, or makes one; `None` where it is to be made and nothing is to be done.
    pub(super) fn volume(&self, zone: &Zone) -> Result<Option<Volume>, Failure> {
        if let Some(volume) = self.found()? {
            let standing = self.claim(&volume)?;
            self.tell("volume", standing, volume.id.as_str());
            return Ok(Some(volume));
        }
        let what = format!(
            "a volume of {} GiB in {zone}, of the fleet `{}`",
            self.wanted.size_gib, self.wanted.fleet
        );
        if self.only_looks {
            self.tell("volume", Standing::ToDo, &what);
            return Ok(None);
        }
        let volume = self.make_volume(zone)?;
        let volume = self.await_volume(&volume.id)?;
        self.tell("volume", Standing::Done, &format!("{}: {what}", volume.id));
        Ok(Some(volume))
    }

    /// The one that is configured, else the fleet's only one for a source.
    fn found(&self) -> Result<Option<Volume>, Failure> {
        let (id, fleet) = (&self.wanted.volume, &self.wanted.fleet);
        let query = match id {
            Some(id) => VolumeQuery::Ids(vec![id.clone()]),
            None => VolumeQuery::Tagged(self.tags()),
        };
        let mut found = self.cloud.run(self.cloud.port().volumes(&query))?;
        found.retain(|volume| !matches!(volume.state, VolumeState::Deleting | VolumeState::Error));
        match (id, found.len()) {
            (Some(id), 0) => Err(SetupError::NoVolume(id.clone()).into()),
            (_, 0 | 1) => Ok(found.pop()),
            _ => {
                let mut volumes: Vec<_> = found.into_iter().map(|volume| volume.id).collect();
                volumes.sort();
                let fleet = fleet.clone();
                Err(SetupError::Ambiguous { fleet, volumes }.into())
            }
        }
    }

    /// Sees to it that the volume says whose it is.
    fn claim(&self, volume: &Volume) -> Result<Standing, Failure> {
        match volume.tags.get(TAG_FLEET) {
            Some(found) if *found != self.wanted.fleet => Err(SetupError::OthersVolume {
                volume: volume.id.clone(),
                found: found.clone(),
                wanted: self.wanted.fleet.clone(),
            }
            .into()),
            Some(_) if volume.tags.contains_key(TAG_SOURCE) => Ok(Standing::Found),
            _ if self.only_looks => Ok(Standing::ToDo),
            _ => {
                let resource = Resource::Volume(volume.id.clone());
                let tags = self.tags();
                self.cloud.run(self.cloud.port().tag(&resource, &tags))?;
                Ok(Standing::Done)
            }
        }
    }

    fn tags(&self) -> Tags {
        let tags = [(TAG_FLEET, self.wanted.fleet.as_str()), (TAG_SOURCE, "1")];
        Tags::from(tags.map(|(key, value)| (key.to_owned(), value.to_owned())))
    }

    /// By a token, so that a run that was cut off and the next one make one volume.
    fn make_volume(&self, zone: &Zone) -> Result<Volume, Failure> {
        let fleet = &self.wanted.fleet;
        for attempt in 0..TOKENS {
            let request = NewVolume {
                source: VolumeSource::Blank {
                    size_gib: self.wanted.size_gib,
                },
                zone: zone.clone(),
                kind: VolumeKind::Gp3,
                throughput: None,
                iops: None,
                initialization_rate: None,
                encryption: Encryption::Inherited,
                tags: self.tags(),
                token: ClientToken::of(&format!("source of {fleet} in {zone}, {attempt}")),
            };
            match self.cloud.run(self.cloud.port().create_volume(&request)) {
                // The token of one that is gone, or of one of another size.
                Ok(volume)
                    if matches!(
                        volume.state,
                        VolumeState::Deleting | VolumeState::Deleted | VolumeState::Error
                    ) => {}
                Err(error) if error.fault == CloudFault::AlreadyExists => {}
                made => return Ok(made?),
            }
        }
        let action = release_core::cloud::Action::CreateVolume;
        let message = "each token was used for a volume that is gone";
        let error =
            release_core::cloud::CloudError::new(action, CloudFault::AlreadyExists, message);
        Err(error.into())
    }

    fn await_volume(&self, id: &VolumeId) -> Result<Volume, Failure> {
        self.await_that(id, "available", |volume| {
            matches!(volume.state, VolumeState::Available | VolumeState::InUse)
        })
    }

    /// Attaches the volume to this machine; `false` where that is still to be done.
    pub(super) fn attach(&self, volume: &Volume, us: &InstanceId) -> Result<bool, Failure> {
        let elsewhere = volume.attachments.iter().find(|attachment| {
            attachment.instance != *us && attachment.state != AttachmentState::Detached
        });
        if let Some(other) = elsewhere {
            return Err(SetupError::AttachedElsewhere {
                volume: volume.id.clone(),
                instance: other.instance.clone(),
            }
            .into());
        }
        let standing = match volume.attachment_to(us) {
            Some(_) => Standing::Found,
            None if self.only_looks => {
                self.tell("attach", Standing::ToDo, &format!("to {us}"));
                return Ok(false);
            }
            None => {
                self.attach_by_name(&volume.id, us)?;
                Standing::Done
            }
        };
        self.await_that(&volume.id, "attached", |volume| {
            let attachment = volume.attachment_to(us);
            attachment.is_some_and(|one| one.state == AttachmentState::Attached)
        })?;
        self.tell("attach", standing, &format!("to {us}"));
        Ok(true)
    }

    /// Under the first name that is free.
    fn attach_by_name(&self, volume: &VolumeId, us: &InstanceId) -> Result<(), Failure> {
        let query = VolumeQuery::AttachedTo(us.clone());
        let there = self.cloud.run(self.cloud.port().volumes(&query))?;
        let taken = there.iter().filter_map(|volume| volume.attachment_to(us));
        let taken: Vec<_> = taken.map(|attachment| attachment.device.clone()).collect();
        for letter in 'f'..='p' {
            let Ok(name) = format!("/dev/sd{letter}").parse::<DeviceName>() else {
                continue;
            };
            if taken.contains(&name) {
                continue;
            }
            let call = self.cloud.port().attach_volume(volume, us, &name);
            match self.cloud.run(call) {
                // Somebody took the name a moment ago.
                Err(error) if error.fault == CloudFault::Invalid => {}
                // By us, at an attempt whose answer was lost: whose else it may be is looked at next.
                Err(error) if error.fault == CloudFault::InUse => return Ok(()),
                attached => return Ok(attached.map(drop)?),
            }
        }
        Err(SetupError::NoName.into())
    }

    fn await_that(
        &self,
        id: &VolumeId,
        what: &'static str,
        is_so: impl Fn(&Volume) -> bool,
    ) -> Result<Volume, Failure> {
        let (begin, query) = (Instant::now(), VolumeQuery::Ids(vec![id.clone()]));
        loop {
            let found = self.cloud.run(self.cloud.port().volumes(&query))?;
            if let Some(volume) = found.into_iter().find(|volume| is_so(volume)) {
                return Ok(volume);
            }
            if begin.elapsed() > PATIENCE {
                let volume = id.clone();
                return Err(SetupError::Late { volume, what }.into());
            }
            self.interrupts.wait(LOOK)?;
        }
    }
}
