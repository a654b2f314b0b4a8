//! Snapshots, volumes, attachments: made, checked, undone.

use std::thread;

use xmltree::Element;

use super::query::{Query, Refusal};
use super::world::{self, Attachment, Birth, Phase, World, not_found, state_of};
use super::xml;

impl World {
    pub(super) fn create_snapshot(&mut self, query: &Query) -> Result<Element, Refusal> {
        let volume = query.need("VolumeId")?;
        self.must_be_seen(self.born(volume), "volume", volume)?;
        let mut answer = self.ask(query)?;
        let made = Self::make(self.delays, &mut self.doomed_snapshots);
        let id = xml::text(&answer, "snapshotId").unwrap_or_default();
        if let Some(images) = self.images.as_ref().filter(|images| images.has(volume)) {
            images.snapshot(volume, &id);
        }
        self.snapshots.insert(id, made);
        self.show_snapshot(&mut answer);
        Ok(answer)
    }

    pub(super) fn delete_snapshot(&mut self, query: &Query) -> Result<Element, Refusal> {
        let id = query.need("SnapshotId")?;
        let made = self.snapshots.get(id).map(|made| &made.birth);
        self.must_be_seen(made, "snapshot", id)?;
        let answer = self.ask(query)?;
        self.snapshots.remove(id);
        if let Some(images) = &self.images {
            images.remove(id);
        }
        Ok(answer)
    }

    pub(super) fn create_volume(&mut self, query: &Query) -> Result<Element, Refusal> {
        let token = query.get("ClientToken").map(ToOwned::to_owned);
        if let Some(token) = &token
            && let Some((asked, answer)) = self.tokens.get(token)
        {
            return if asked.params == query.params {
                Ok(answer.clone())
            } else {
                let message = "The parameters differ from those that this token was used with.";
                Err(Refusal::of_request("IdempotentParameterMismatch", message))
            };
        }
        self.check_snapshot(query)?;
        let mut answer = self.ask(query)?;
        let made = Self::make(self.delays, &mut self.doomed_volumes);
        let id = xml::text(&answer, "volumeId").unwrap_or_default();
        self.restore_image(query, &id);
        self.volumes.insert(id, made);
        self.show_volume(&mut answer);
        if let Some(token) = token {
            self.tokens.insert(token, (query.clone(), answer.clone()));
        }
        Ok(answer)
    }

    /// A snapshot that a volume can be made of.
    fn check_snapshot(&self, query: &Query) -> Result<(), Refusal> {
        let made = query.get("SnapshotId").and_then(|id| {
            let made = self.snapshots.get(id)?;
            Some((id, made))
        });
        let Some((id, made)) = made else {
            return Ok(());
        };
        self.must_be_seen(Some(&made.birth), "snapshot", id)?;
        if self.is_in(|delays| delays.snapshot, &made.birth) || made.doomed {
            let message = format!("Snapshot '{id}' is not 'completed'.");
            return Err(Refusal::of_request("IncorrectState", &message));
        }
        Ok(())
    }

    fn restore_image(&self, query: &Query, volume: &str) {
        let (Some(images), Some(snapshot)) = (&self.images, query.get("SnapshotId")) else {
            return;
        };
        if images.has(snapshot) {
            // In the image's own size. GiB would do, but a device of a few MiB is made faster.
            images.restore(snapshot, volume, None);
        }
    }

    pub(super) fn delete_volume(&mut self, query: &Query) -> Result<Element, Refusal> {
        let id = query.need("VolumeId")?;
        self.must_be_seen(self.born(id), "volume", id)?;
        let state = xml::text(&self.volume(query, id)?, "status");
        if state.as_deref() == Some("in-use") {
            let message = format!("Volume {id} is currently attached to an instance.");
            return Err(Refusal::of_request("VolumeInUse", &message));
        }
        let answer = self.ask(query)?;
        self.volumes.remove(id);
        if let Some(images) = &self.images {
            images.remove(id);
        }
        Ok(answer)
    }

    pub(super) fn attach_volume(&mut self, query: &Query) -> Result<Element, Refusal> {
        let volume = query.need("VolumeId")?;
        let instance = query.need("InstanceId")?;
        let device = query.need("Device")?;
        self.check_attachment(query, volume, instance, device)?;
        let answer = self.ask(query)?;
        let is_stuck = self.stuck_attachments > 0;
        self.stuck_attachments = self.stuck_attachments.saturating_sub(1);
        let birth = Birth::now(self.delays);
        let attachment = Attachment {
            instance: instance.to_owned(),
            device: device.to_owned(),
            phase: if is_stuck {
                Phase::Stuck
            } else {
                Phase::Attaching
            },
            dies: false,
            birth,
        };
        self.attachments.insert(volume.to_owned(), attachment);
        self.insert_disk(volume, birth);
        Ok(answer)
    }

    fn check_attachment(
        &self,
        query: &Query,
        volume_id: &str,
        instance_id: &str,
        device: &str,
    ) -> Result<(), Refusal> {
        self.must_be_seen(self.born(volume_id), "volume", volume_id)?;
        let birth = self.instances.get(instance_id);
        self.must_be_seen(birth, "instance", instance_id)?;
        let volume = self.volume(query, volume_id)?;
        let instance = self.instance(query, instance_id)?;
        let zone = |element: &Element| xml::text(element, "availabilityZone");
        let refuse = |code: &str, message: String| Err(Refusal::of_request(code, &message));
        match xml::text(&volume, "status").as_deref() {
            Some("available") => (),
            Some("in-use") => {
                let message = format!("{volume_id} is already attached to an instance");
                return refuse("VolumeInUse", message);
            }
            _ => {
                let message = format!("Volume '{volume_id}' is not 'available'.");
                return refuse("IncorrectState", message);
            }
        }
        if state_of(&instance) != "running" {
            let message = format!("Instance '{instance_id}' is not 'running'.");
            return refuse("IncorrectState", message);
        }
        if zone(&volume) != instance.get_child("placement").and_then(zone) {
            let message = format!(
                "The volume '{volume_id}' is not in the same availability zone as instance '{instance_id}'"
            );
            return refuse("InvalidVolume.ZoneMismatch", message);
        }
        let disks = instance.get_child("blockDeviceMapping");
        let mut disks = disks.into_iter().flat_map(xml::elements);
        if disks.any(|disk| xml::text(disk, "deviceName").as_deref() == Some(device)) {
            let message = format!(
                "Invalid value '{device}' for unixDevice. Attachment point {device} is already in use"
            );
            return refuse("InvalidParameterValue", message);
        }
        Ok(())
    }

    /// Lets the device appear in time, unless the volume is detached before.
    fn insert_disk(&self, volume: &str, birth: Birth) {
        if self.delays.device.is_zero() {
            return self.insert_disk_now(volume, birth);
        }
        let (me, volume, delay) = (self.me.clone(), volume.to_owned(), self.delays.device);
        thread::spawn(move || {
            thread::sleep(delay);
            if let Some(world) = me.upgrade() {
                world::lock(&world).insert_disk_now(&volume, birth);
            }
        });
    }

    fn insert_disk_now(&self, volume: &str, birth: Birth) {
        let attachment = self.attachments.get(volume);
        let attachment = attachment
            .filter(|attachment| attachment.birth == birth && attachment.phase == Phase::Attaching);
        let (Some(images), Some(attachment)) = (&self.images, attachment) else {
            return;
        };
        images.complete(volume);
        if images.has(volume) {
            let machine = images.machine(&attachment.instance);
            images.attach_as(volume, &machine, &attachment.device);
        }
    }

    pub(super) fn detach_volume(&mut self, query: &Query) -> Result<Element, Refusal> {
        let volume = query.need("VolumeId")?;
        let before = self.volume(query, volume)?;
        let attachments = before.get_child("attachmentSet");
        let Some(attached) = attachments.and_then(|set| xml::elements(set).next()) else {
            let message = format!("Volume '{volume}' is in the 'available' state.");
            return Err(Refusal::of_request("IncorrectState", &message));
        };
        // moto wants all three.
        let mut whole = query.clone();
        for (param, name) in [("InstanceId", "instanceId"), ("Device", "device")] {
            if query.get(param).is_none() {
                let value = xml::text(attached, name).unwrap_or_default();
                whole.params.push((param.to_owned(), value));
            }
        }
        let mut answer = self.ask(&whole)?;
        let attachment = Attachment {
            instance: xml::text(attached, "instanceId").unwrap_or_default(),
            device: xml::text(attached, "device").unwrap_or_default(),
            phase: Phase::Detaching,
            dies: false,
            birth: Birth::now(self.delays),
        };
        self.attachments.insert(volume.to_owned(), attachment);
        if let Some(images) = &self.images {
            images.detach(volume);
        }
        xml::set(&mut answer, "status", "detaching");
        Ok(answer)
    }

    /// moto stumbles over devices that aren't there, and does not show at the volume what it was told.
    pub(super) fn modify_instance(&mut self, query: &Query) -> Result<Element, Refusal> {
        let Some(device) = query.get("BlockDeviceMapping.1.DeviceName") else {
            return self.ask(query);
        };
        let id = query.need("InstanceId")?;
        let instance = self.instance(query, id)?;
        let disks = instance.get_child("blockDeviceMapping");
        let mut disks = disks.into_iter().flat_map(xml::elements);
        if !disks.any(|disk| xml::text(disk, "deviceName").as_deref() == Some(device)) {
            let message = format!("No device is currently mapped at {device}");
            let code = "InvalidInstanceAttributeValue";
            return Err(Refusal::of_request(code, &message));
        }
        let answer = self.ask(query)?;
        let dies = query.get("BlockDeviceMapping.1.Ebs.DeleteOnTermination") == Some("true");
        for attachment in self.attachments.values_mut() {
            if attachment.instance == id && attachment.device == device {
                attachment.dies = dies;
            }
        }
        Ok(answer)
    }

    /// Takes out the disks of an instance that is no more.
    pub(super) fn pull_disks_of(&mut self, instance: &str) {
        let images = self.images.as_ref();
        self.attachments.retain(|volume, attachment| {
            let gone = attachment.instance == instance;
            if let Some(images) = images.filter(|_| gone) {
                images.detach(volume);
            }
            !gone
        });
    }

    /// A volume as clients see it.
    fn volume(&self, query: &Query, id: &str) -> Result<Element, Refusal> {
        let ask = Query::ec2(&query.region, "DescribeVolumes", &[("VolumeId.1", id)]);
        let mut answer = self.ask(&ask)?;
        let set = xml::child(&mut answer, "volumeSet");
        let mut volume = set
            .take_child("item")
            .ok_or_else(|| not_found("volume", id))?;
        self.show_volume(&mut volume);
        Ok(volume)
    }

    /// An instance as clients see it.
    fn instance(&self, query: &Query, id: &str) -> Result<Element, Refusal> {
        let ask = Query::ec2(&query.region, "DescribeInstances", &[("InstanceId.1", id)]);
        let answer = self.ask(&ask)?;
        let instance = world::reserved(&answer).next();
        let mut instance = instance.ok_or_else(|| not_found("instance", id))?.clone();
        self.show_instance(&mut instance);
        Ok(instance)
    }

    fn born(&self, volume: &str) -> Option<&Birth> {
        Some(&self.volumes.get(volume)?.birth)
    }
}
