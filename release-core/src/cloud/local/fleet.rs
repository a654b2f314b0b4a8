//! What is done to a local fleet from outside: groups are made, instances come and go, things go wrong.

use std::fs;
use std::time::Duration;

use super::state::{GroupRecord, HookRecord, InstanceRecord, SnapshotRecord, State, later};
use super::{Delays, Fault, FleetError, LocalCloud};
use crate::cloud::Tags;
use crate::{AccountId, GroupName, HookName, InstanceId, Moment, SnapshotId, Zone};

/// What an instance is launched as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Launch {
    /// In which group; `None`: in none, as a release server is.
    pub group: Option<GroupName>,
    /// Its tags.
    pub tags: Tags,
    /// Stopped, in the group's warm pool.
    pub asleep: bool,
    /// In another zone than `local-a`.
    pub zone: Option<Zone>,
}

impl LocalCloud {
    /// Sets how long things take from now on.
    pub fn set_delays(&self, delays: Delays) -> Result<(), FleetError> {
        self.administer(|state, _| {
            state.delays = delays;
            Ok(())
        })
    }

    /// Lets something go wrong.
    pub fn inject(&self, fault: Fault) -> Result<(), FleetError> {
        self.administer(|state, _| {
            state.faults.push(fault);
            Ok(())
        })
    }

    /// Makes a group, or gives one other tags and another hook. A hook holds what is launched until it is
    /// completed; after its time it is abandoned.
    pub fn make_group(
        &self,
        name: &GroupName,
        tags: Tags,
        hook: Option<(HookName, Duration)>,
    ) -> Result<(), FleetError> {
        let hook = hook.map(|(name, timeout)| HookRecord {
            name,
            timeout: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
        });
        self.administer(|state, _| {
            state
                .groups
                .insert(name.clone(), GroupRecord { tags, hook });
            Ok(())
        })
    }

    /// Launches an instance. Its root is an empty directory.
    pub fn launch(&self, launch: Launch) -> Result<InstanceId, FleetError> {
        self.administer(|state, now| {
            let record = state.launched(launch, now)?;
            let id = new_id("i-", state)?;
            let directory = self.folder.instance(&id);
            for part in ["root", "dev"] {
                fs::create_dir_all(directory.join(part)).map_err(|source| FleetError::Io {
                    path: directory.clone(),
                    source,
                })?;
            }
            state.instances.insert(id.clone(), record);
            Ok(id)
        })
    }

    /// Ends an instance. Its volumes go with it where they were told to, and are free otherwise; its
    /// directory goes a little later.
    pub fn terminate(&self, instance: &InstanceId) -> Result<(), FleetError> {
        self.administer(|state, now| {
            if !state.instances.contains_key(instance) {
                return Err(FleetError::Refused(format!("there is no {instance}")));
            }
            state.end_instance(instance, now);
            Ok(())
        })
    }

    /// Wakes an instance of the warm pool: it starts like a new one.
    pub fn wake(&self, instance: &InstanceId) -> Result<(), FleetError> {
        self.administer(|state, now| {
            let delay = state.delays.launch;
            match state.instances.get_mut(instance) {
                Some(record) if record.asleep && record.ended.is_none() => {
                    record.asleep = false;
                    record.launched = now;
                    record.running = later(now, delay);
                    Ok(())
                }
                _ => Err(FleetError::Refused(format!("{instance} does not sleep"))),
            }
        })
    }

    /// Makes a snapshot somebody else's, as one is that was forged or shared.
    pub fn give_away(&self, snapshot: &SnapshotId, owner: AccountId) -> Result<(), FleetError> {
        self.administer(|state, _| {
            let record = state.snapshots.get_mut(snapshot);
            let record: &mut SnapshotRecord =
                record.ok_or_else(|| FleetError::Refused(format!("there is no {snapshot}")))?;
            record.owner = owner;
            Ok(())
        })
    }

    /// How many volumes and snapshots there are: what a test compares to find a leak.
    pub fn count(&self) -> Result<(usize, usize), FleetError> {
        self.administer(|state, _| {
            let volumes = state.volumes.values().filter(|volume| !volume.deleted);
            Ok((volumes.count(), state.snapshots.len()))
        })
    }
}

impl State {
    fn launched(&self, launch: Launch, now: Moment) -> Result<InstanceRecord, FleetError> {
        let hook = match &launch.group {
            None => None,
            Some(name) => match self.groups.get(name) {
                Some(group) => group.hook.as_ref(),
                None => return Err(FleetError::Refused(format!("there is no group `{name}`"))),
            },
        };
        let running = later(now, self.delays.launch);
        Ok(InstanceRecord {
            zone: match launch.zone {
                Some(zone) => zone,
                None => super::port::zone(),
            },
            launched: now,
            listed: later(now, self.delays.listing),
            running,
            held: hook
                .filter(|_| !launch.asleep)
                .map(|hook| later(running, hook.timeout)),
            ended: None,
            asleep: launch.asleep,
            group: launch.group,
            tags: launch.tags,
        })
    }
}

/// A new id of a kind; it fails only where the kind's prefix is wrong.
fn new_id<T: std::str::FromStr>(prefix: &str, state: &mut State) -> Result<T, FleetError> {
    let text = format!("{prefix}{}", state.new_digits());
    text.parse()
        .map_err(|_| FleetError::Refused(format!("{text} is no id")))
}
