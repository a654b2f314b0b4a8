//! Lists of what there is, as far as it can be seen yet, and in the states that it passes through.

use jiff::Timestamp;
use xmltree::{Element, XMLNode};

use super::query::{Filter, Query, Refusal};
use super::world::{Phase, World, not_found, state_of};
use super::xml;

impl World {
    pub(super) fn describe_snapshots(&self, query: &Query) -> Result<Element, Refusal> {
        let mut asked = query.clone();
        let filters = asked.take_filters(&["status", "owner-id"]);
        let owners = query.list("Owner");
        let mut answer = self.ask(&asked)?;
        xml::retain(xml::child(&mut answer, "snapshotSet"), |item| {
            let id = xml::text(item, "snapshotId").unwrap_or_default();
            self.show_snapshot(item);
            let owner = xml::text(item, "ownerId");
            let is_owner = |wanted: &String| {
                let wanted = if wanted == "self" {
                    self.account()
                } else {
                    wanted
                };
                owner.as_deref() == Some(wanted)
            };
            let made = self.snapshots.get(&id).map(|made| &made.birth);
            !self.is_hidden(made)
                && (owners.is_empty() || owners.iter().any(is_owner))
                && fits(&filters, "status", xml::text(item, "status").as_deref())
                && fits(&filters, "owner-id", owner.as_deref())
        });
        all_found(query, "SnapshotId", "snapshot", &answer, "snapshotId")?;
        Ok(answer)
    }

    pub(super) fn describe_volumes(&self, query: &Query) -> Result<Element, Refusal> {
        let mut asked = query.clone();
        let filters = asked.take_filters(&["status", "attachment.status"]);
        let mut answer = self.ask(&asked)?;
        xml::retain(xml::child(&mut answer, "volumeSet"), |item| {
            let id = xml::text(item, "volumeId").unwrap_or_default();
            self.show_volume(item);
            let attachment = item.get_child("attachmentSet");
            let attachment = attachment.and_then(|set| xml::text(set.get_child("item")?, "status"));
            let made = self.volumes.get(&id).map(|made| &made.birth);
            !self.is_hidden(made)
                && fits(&filters, "status", xml::text(item, "status").as_deref())
                && fits(&filters, "attachment.status", attachment.as_deref())
        });
        all_found(query, "VolumeId", "volume", &answer, "volumeId")?;
        Ok(answer)
    }

    pub(super) fn describe_instances(&self, query: &Query) -> Result<Element, Refusal> {
        let mut asked = query.clone();
        let filters = asked.take_filters(&["instance-state-name"]);
        let mut answer = self.ask(&asked)?;
        xml::retain(xml::child(&mut answer, "reservationSet"), |reservation| {
            let instances = xml::child(reservation, "instancesSet");
            xml::retain(instances, |item| {
                let id = xml::text(item, "instanceId").unwrap_or_default();
                self.show_instance(item);
                let birth = self.instances.get(&id);
                !self.is_hidden(birth)
                    && fits(&filters, "instance-state-name", Some(&state_of(item)))
            });
            xml::elements(instances).next().is_some()
        });
        all_found(query, "InstanceId", "instance", &answer, "instanceId")?;
        Ok(answer)
    }

    /// Groups, or instances of groups: both have members with an id and a lifecycle state.
    pub(super) fn describe_groups(&self, query: &Query) -> Result<Element, Refusal> {
        let mut answer = self.ask(query)?;
        if let Some(instances) = xml::find_mut(&mut answer, "AutoScalingInstances") {
            xml::retain(instances, |member| self.show_member(member));
        } else if let Some(groups) = xml::find_mut(&mut answer, "AutoScalingGroups") {
            xml::retain(groups, |group| {
                let instances = xml::child(group, "Instances");
                xml::retain(instances, |member| self.show_member(member));
                true
            });
        }
        Ok(answer)
    }

    /// Gives a member of a group its state; can it be seen?
    fn show_member(&self, member: &mut Element) -> bool {
        let id = xml::text(member, "InstanceId").unwrap_or_default();
        let birth = self.instances.get(&id);
        if let Some(state) = self.lifecycles.get(&id) {
            xml::set(member, "LifecycleState", state);
        } else if self.is_pending(&id) {
            xml::set(member, "LifecycleState", "Pending");
        }
        !self.is_hidden(birth)
    }

    /// Gives a snapshot its state, its owner, and the very moment that it is of.
    pub(super) fn show_snapshot(&self, item: &mut Element) {
        let id = xml::text(item, "snapshotId").unwrap_or_default();
        if let Some(owner) = self.owners.get(&id) {
            xml::set(item, "ownerId", owner);
        }
        let Some(made) = self.snapshots.get(&id) else {
            return;
        };
        let percent = (made.birth).percent(|delays| delays.snapshot, &self.delays);
        let status = match percent {
            100 if made.doomed => "error",
            100 => "completed",
            _ => "pending",
        };
        xml::set(item, "status", status);
        xml::set(item, "progress", &format!("{percent}%"));
        xml::set(item, "startTime", &milliseconds(made.at));
    }

    /// Gives a volume and its attachment their states.
    pub(super) fn show_volume(&self, item: &mut Element) {
        let id = xml::text(item, "volumeId").unwrap_or_default();
        if let Some(made) = self.volumes.get(&id) {
            if self.is_in(|delays| delays.volume, &made.birth) {
                xml::set(item, "status", "creating");
            } else if made.doomed {
                xml::set(item, "status", "error");
            }
        }
        match self.attachment_state(&id) {
            Some("detaching") => {
                let attachment = &self.attachments[&id];
                let detaching = xml::parent(
                    "item",
                    [
                        xml::leaf("volumeId", &id),
                        xml::leaf("instanceId", &attachment.instance),
                        xml::leaf("device", &attachment.device),
                        xml::leaf("status", "detaching"),
                        xml::leaf("deleteOnTermination", "false"),
                    ],
                );
                let set = xml::child(item, "attachmentSet");
                set.children = vec![XMLNode::Element(detaching)];
                xml::set(item, "status", "in-use");
            }
            Some(state) => {
                xml::retain(xml::child(item, "attachmentSet"), |attachment| {
                    xml::set(attachment, "status", state);
                    true
                });
            }
            None => (),
        }
    }

    /// Gives an instance and its disks their states.
    pub(super) fn show_instance(&self, item: &mut Element) {
        let id = xml::text(item, "instanceId").unwrap_or_default();
        if self.is_pending(&id) && state_of(item) == "running" {
            let state = xml::child(item, "instanceState");
            xml::set(state, "code", "0");
            xml::set(state, "name", "pending");
        }
        xml::retain(xml::child(item, "blockDeviceMapping"), |disk| {
            let ebs = xml::child(disk, "ebs");
            let volume = xml::text(ebs, "volumeId").unwrap_or_default();
            if let Some(state) = self.attachment_state(&volume) {
                xml::set(ebs, "status", state);
            }
            true
        });
    }

    /// Is an instance still on its way up?
    fn is_pending(&self, instance: &str) -> bool {
        let birth = self.instances.get(instance);
        birth.is_some_and(|birth| self.is_in(|delays| delays.instance, birth))
    }

    /// The state of an attachment, where it isn't moto's.
    fn attachment_state(&self, volume: &str) -> Option<&'static str> {
        let attachment = self.attachments.get(volume)?;
        let birth = &attachment.birth;
        match attachment.phase {
            Phase::Stuck => Some("attaching"),
            Phase::Attaching => (self.is_in(|delays| delays.attach, birth)).then_some("attaching"),
            Phase::Detaching => (self.is_in(|delays| delays.detach, birth)).then_some("detaching"),
        }
    }
}

/// Does a value fit the filters of that name?
fn fits(filters: &[Filter], name: &str, value: Option<&str>) -> bool {
    let mut filters = filters.iter().filter(|(known, _)| known == name);
    filters.all(|(_, wanted)| wanted.iter().any(|wanted| Some(wanted.as_str()) == value))
}

/// Refuses the call if something that was asked for by its id is not in the answer.
fn all_found(
    query: &Query,
    param: &str,
    kind: &str,
    answer: &Element,
    name: &str,
) -> Result<(), Refusal> {
    // Filters leave out what is found well enough.
    if query.get("Filter.1.Name").is_some() {
        return Ok(());
    }
    let is_there = |id: &String| has_text(answer, name, id);
    match query.list(param).iter().find(|id| !is_there(id)) {
        Some(id) => Err(not_found(kind, id)),
        None => Ok(()),
    }
}

fn has_text(element: &Element, name: &str, text: &str) -> bool {
    (element.name == name && element.get_text().as_deref() == Some(text))
        || xml::elements(element).any(|child| has_text(child, name, text))
}

/// A time as EC2 writes it.
fn milliseconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}
