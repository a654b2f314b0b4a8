//! Groups and instances, put together.

use std::collections::BTreeMap;

use super::{Cloud, CloudError, GroupQuery, Instance, InstanceState, Lifecycle};
use crate::{GroupName, InstanceId};

/// An instance of a group, with all that is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FleetMember {
    /// Its id.
    pub id: InstanceId,
    /// Its group.
    pub group: GroupName,
    /// Where it stands, as its group sees it.
    pub lifecycle: Lifecycle,
    /// What EC2 says of it; `None` if that doesn't know of it, yet or any more.
    pub instance: Option<Instance>,
}

/// What a deploy can do about an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// It runs and serves, or may at any moment.
    Ready,
    /// It is starting: it boots what the pointer says, which may be what was published before.
    Starting,
    /// It is stopped or hibernated, and sees to itself when it wakes.
    Asleep,
    /// It is ending or gone.
    Gone,
}

impl FleetMember {
    /// What a deploy can do about it. Where group and EC2 disagree, the one that is further on is right,
    /// since each lags behind.
    pub fn standing(&self) -> Standing {
        use InstanceState as State;
        let state = self.instance.as_ref().map(|instance| &instance.state);
        if self.lifecycle.is_ending()
            || matches!(state, Some(State::ShuttingDown | State::Terminated))
        {
            return Standing::Gone;
        }
        // A starting one that EC2 lists late is still starting.
        if self.lifecycle.is_pending() || matches!(state, Some(State::Pending) | None) {
            return Standing::Starting;
        }
        match state {
            Some(State::Stopping | State::Stopped) => Standing::Asleep,
            _ => Standing::Ready,
        }
    }
}

/// Lists the instances of all groups that any of the queries finds, each once, in the order of their ids.
///
/// Three kinds of call, one after the other, so the list is of no single moment.
pub async fn list_fleet(
    cloud: &dyn Cloud,
    queries: &[GroupQuery],
) -> Result<Vec<FleetMember>, CloudError> {
    let mut members = BTreeMap::new();
    for query in queries {
        for group in cloud.groups(query).await? {
            for member in group.members {
                let entry = (group.name.clone(), member.lifecycle);
                members.insert(member.id, entry);
            }
        }
    }
    let ids: Vec<InstanceId> = members.keys().cloned().collect();
    let mut instances: BTreeMap<_, _> = if ids.is_empty() {
        BTreeMap::new()
    } else {
        let listed = cloud.instances(&ids).await?;
        listed
            .into_iter()
            .map(|one| (one.id.clone(), one))
            .collect()
    };
    Ok(members
        .into_iter()
        .map(|(id, (group, lifecycle))| FleetMember {
            instance: instances.remove(&id),
            id,
            group,
            lifecycle,
        })
        .collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::Moment;
    use crate::cloud::{Addresses, Tags};

    fn member(lifecycle: &str, state: Option<&str>) -> FleetMember {
        let id: InstanceId = "i-00000001".parse().unwrap();
        FleetMember {
            group: "web".parse().unwrap(),
            lifecycle: lifecycle.into(),
            instance: state.map(|state| Instance {
                id: id.clone(),
                state: state.into(),
                launched: Moment::from_unix_millis(0),
                zone: "us-east-1a".parse().unwrap(),
                addresses: Addresses::default(),
                tags: Tags::new(),
            }),
            id,
        }
    }

    #[test]
    fn what_can_be_done_follows_from_both_states() {
        use Standing::*;
        for (lifecycle, state, standing) in [
            ("InService", Some("running"), Ready),
            ("Standby", Some("running"), Ready),
            ("EnteringStandby", Some("running"), Ready),
            ("Warmed:Running", Some("running"), Ready),
            ("Detaching", Some("running"), Ready),
            ("Later", Some("running"), Ready),
            ("Pending", Some("pending"), Starting),
            ("Pending:Wait", Some("running"), Starting),
            ("Warmed:Pending", Some("running"), Starting),
            ("InService", Some("pending"), Starting),
            ("Pending", None, Starting),
            ("InService", None, Starting),
            ("Warmed:Stopped", Some("stopped"), Asleep),
            ("Warmed:Hibernated", Some("stopped"), Asleep),
            ("Standby", Some("stopping"), Asleep),
            ("Warmed:Stopped", Some("running"), Ready),
            ("Terminating:Wait", Some("running"), Gone),
            ("InService", Some("shutting-down"), Gone),
            ("Pending", Some("terminated"), Gone),
            ("Terminated", None, Gone),
            ("Detached", Some("running"), Gone),
        ] {
            assert_eq!(
                member(lifecycle, state).standing(),
                standing,
                "{lifecycle} {state:?}"
            );
        }
    }
}
