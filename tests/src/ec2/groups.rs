//! What Auto Scaling knows and moto doesn't: lifecycle actions, warm pools; and the console.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use xmltree::{Element, XMLNode};

use super::query::{Query, Refusal};
use super::world::World;
use super::xml;

impl World {
    pub(super) fn set_lifecycle(&mut self, instance: &str, state: Option<&str>) {
        match state {
            Some(state) => self.lifecycles.insert(instance.into(), state.into()),
            None => self.lifecycles.remove(instance),
        };
    }

    pub(super) fn describe_warm_pool(&self, query: &Query) -> Result<Element, Refusal> {
        let group = query.need("AutoScalingGroupName")?;
        let missing = || {
            let message =
                format!("AutoScalingGroup name not found - AutoScalingGroup {group} not found");
            Refusal::of_request("ValidationError", &message)
        };
        // moto stumbles over groups that it doesn't know.
        let mut answer = self.ask(query).map_err(|_| missing())?;
        let instances = xml::find_mut(&mut answer, "Instances").ok_or_else(missing)?;
        for (id, state) in self.warm_pools.get(group).into_iter().flatten() {
            let member = xml::parent(
                "member",
                [
                    xml::leaf("InstanceId", id),
                    xml::leaf("InstanceType", "t3.small"),
                    xml::leaf("AvailabilityZone", &format!("{}a", query.region)),
                    xml::leaf("LifecycleState", state),
                    xml::leaf("HealthStatus", "Healthy"),
                ],
            );
            instances.children.push(XMLNode::Element(member));
        }
        Ok(answer)
    }

    pub(super) fn complete_lifecycle_action(&mut self, query: &Query) -> Result<Element, Refusal> {
        let instance = self.waiting_instance(query)?.to_owned();
        let is_new = self.lifecycles[&instance].starts_with("Pending");
        match query.need("LifecycleActionResult")? {
            "CONTINUE" if is_new => self.set_lifecycle(&instance, None),
            "CONTINUE" | "ABANDON" => self.end_instance(query, &instance)?,
            other => {
                let message = format!("'{other}' is neither CONTINUE nor ABANDON");
                return Err(Refusal::of_request("ValidationError", &message));
            }
        }
        Ok(nothing("CompleteLifecycleAction"))
    }

    fn end_instance(&mut self, query: &Query, instance: &str) -> Result<(), Refusal> {
        let params = [
            ("InstanceId", instance),
            ("ShouldDecrementDesiredCapacity", "true"),
        ];
        let action = "TerminateInstanceInAutoScalingGroup";
        self.serve(&Query::new("autoscaling", &query.region, action, &params))?;
        self.set_lifecycle(instance, None);
        Ok(())
    }

    pub(super) fn record_heartbeat(&self, query: &Query) -> Result<Element, Refusal> {
        self.waiting_instance(query)?;
        Ok(nothing("RecordLifecycleActionHeartbeat"))
    }

    /// The instance that waits for its lifecycle action to be completed.
    fn waiting_instance<'a>(&self, query: &'a Query) -> Result<&'a str, Refusal> {
        query.need("AutoScalingGroupName")?;
        query.need("LifecycleHookName")?;
        let instance = query.need("InstanceId")?;
        let state = self.lifecycles.get(instance);
        if state.is_some_and(|state| state.ends_with(":Wait")) {
            return Ok(instance);
        }
        let message = format!("No active Lifecycle Action found with instance ID {instance}");
        Err(Refusal::of_request("ValidationError", &message))
    }

    pub(super) fn console_output(&self, query: &Query) -> Result<Element, Refusal> {
        // The one thing that moto knows: whether there is such an instance.
        let mut answer = self.ask(query)?;
        let instance = query.need("InstanceId")?;
        let text = self.consoles.get(instance).map_or("", String::as_str);
        xml::set(&mut answer, "output", &BASE64_STANDARD.encode(text));
        Ok(answer)
    }
}

fn nothing(action: &str) -> Element {
    xml::parent(
        &format!("{action}Response"),
        [
            Element::new(&format!("{action}Result")),
            xml::parent("ResponseMetadata", [xml::leaf("RequestId", "rig")]),
        ],
    )
}
