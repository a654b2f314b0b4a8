//! What the proxy knows besides moto.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use xmltree::Element;

use super::pages::Pages;
use super::query::{Query, Refusal};
use super::{Delays, xml};
use crate::moto::Account;
use crate::volumes::Volumes;

/// An account, seen through the proxy. One call at a time.
#[derive(Debug)]
pub(super) struct World {
    /// For what happens later.
    pub(super) me: Weak<Mutex<World>>,
    moto: Account,
    pub(super) images: Option<Volumes>,
    pub(super) delays: Delays,
    pub(super) page_limit: usize,
    pub(super) doomed_snapshots: u32,
    pub(super) doomed_volumes: u32,
    pub(super) stuck_attachments: u32,
    /// By id.
    pub(super) snapshots: HashMap<String, Made>,
    pub(super) volumes: HashMap<String, Made>,
    pub(super) instances: HashMap<String, Birth>,
    /// By the volume's id.
    pub(super) attachments: HashMap<String, Attachment>,
    /// What CreateVolume was asked, and answered, by its token.
    pub(super) tokens: HashMap<String, (Query, Element)>,
    pub(super) owners: HashMap<String, String>,
    pub(super) consoles: HashMap<String, String>,
    pub(super) lifecycles: HashMap<String, String>,
    pub(super) warm_pools: HashMap<String, Vec<(String, String)>>,
}

/// A snapshot or a volume that was made through the proxy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made {
    pub(super) birth: Birth,
    pub(super) at: Timestamp,
    pub(super) doomed: bool,
}

/// An attachment that was made through the proxy.
#[derive(Clone, Debug)]
pub(super) struct Attachment {
    pub(super) instance: String,
    pub(super) device: String,
    pub(super) phase: Phase,
    pub(super) birth: Birth,
}

/// When something began, and how long it was to take then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Birth {
    since: Instant,
    delays: Delays,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Attaching,
    Stuck,
    Detaching,
}

impl World {
    pub(super) fn new(images: Option<Volumes>) -> Arc<Mutex<Self>> {
        Arc::new_cyclic(|me| {
            Mutex::new(Self {
                me: me.clone(),
                moto: Account::new(),
                images,
                delays: Delays::default(),
                page_limit: usize::MAX,
                doomed_snapshots: 0,
                doomed_volumes: 0,
                stuck_attachments: 0,
                snapshots: HashMap::new(),
                volumes: HashMap::new(),
                instances: HashMap::new(),
                attachments: HashMap::new(),
                tokens: HashMap::new(),
                owners: HashMap::new(),
                consoles: HashMap::new(),
                lifecycles: HashMap::new(),
                warm_pools: HashMap::new(),
            })
        })
    }

    pub(super) fn account(&self) -> &str {
        self.moto.number()
    }

    /// Answers as the real service does.
    pub(super) fn serve(&mut self, query: &Query) -> Result<Element, Refusal> {
        let Some(pages) = Pages::of(&query.action) else {
            return self.act(query);
        };
        let (whole, page) = pages.split(query, self.page_limit)?;
        let mut answer = self.list(&whole)?;
        page.cut(&mut answer);
        Ok(answer)
    }

    fn list(&self, query: &Query) -> Result<Element, Refusal> {
        match query.action.as_str() {
            "DescribeSnapshots" => self.describe_snapshots(query),
            "DescribeVolumes" => self.describe_volumes(query),
            "DescribeInstances" => self.describe_instances(query),
            "DescribeAutoScalingGroups" | "DescribeAutoScalingInstances" => {
                self.describe_groups(query)
            }
            "DescribeWarmPool" => self.describe_warm_pool(query),
            _ => self.ask(query),
        }
    }

    /// Answers with the plain truth.
    pub(super) fn serve_aside(&mut self, query: &Query) -> Result<Element, Refusal> {
        if query.action.starts_with("Describe") {
            self.ask(query)
        } else {
            self.act(query)
        }
    }

    fn act(&mut self, query: &Query) -> Result<Element, Refusal> {
        match query.action.as_str() {
            "CreateSnapshot" => self.create_snapshot(query),
            "DeleteSnapshot" => self.delete_snapshot(query),
            "CreateVolume" => self.create_volume(query),
            "DeleteVolume" => self.delete_volume(query),
            "AttachVolume" => self.attach_volume(query),
            "DetachVolume" => self.detach_volume(query),
            "CompleteLifecycleAction" => self.complete_lifecycle_action(query),
            "RecordLifecycleActionHeartbeat" => self.record_heartbeat(query),
            "GetConsoleOutput" => self.console_output(query),
            "RunInstances"
            | "CreateAutoScalingGroup"
            | "UpdateAutoScalingGroup"
            | "SetDesiredCapacity"
            | "TerminateInstances"
            | "TerminateInstanceInAutoScalingGroup" => {
                let answer = self.ask(query)?;
                self.look_at_instances(&query.region)?;
                Ok(answer)
            }
            _ => self.ask(query),
        }
    }

    /// Asks moto.
    pub(super) fn ask(&self, query: &Query) -> Result<Element, Refusal> {
        let headers = [
            ("authorization", query.authorization()),
            ("content-type", "application/x-www-form-urlencoded".into()),
        ];
        let headers = headers
            .each_ref()
            .map(|(name, value)| (*name, value.as_str()));
        let answer = self.moto.send(&headers, query.encode().as_bytes());
        match Element::parse(answer.body.as_slice()) {
            Ok(element) if answer.status == 200 => Ok(element),
            _ => Err(Refusal::of_answer(query, &answer)),
        }
    }

    /// Notes instances that are new, and lets go of the devices of those that are gone.
    fn look_at_instances(&mut self, region: &str) -> Result<(), Refusal> {
        let answer = self.ask(&Query::ec2(region, "DescribeInstances", &[]))?;
        for instance in reserved(&answer) {
            let id = xml::text(instance, "instanceId").unwrap_or_default();
            if state_of(instance) == "terminated" {
                self.lifecycles.remove(&id);
                self.pull_disks_of(&id);
            }
            let birth = Birth::now(self.delays);
            self.instances.entry(id).or_insert(birth);
        }
        Ok(())
    }

    /// Does something still take the time that a step takes?
    pub(super) fn is_in(&self, step: fn(&Delays) -> Duration, birth: &Birth) -> bool {
        birth.percent(step, &self.delays) < 100
    }

    /// Is something not to be found yet?
    pub(super) fn is_hidden(&self, birth: Option<&Birth>) -> bool {
        birth.is_some_and(|birth| self.is_in(|delays| delays.listing, birth))
    }

    /// Refuses what is there, but not to be found yet.
    pub(super) fn must_be_seen(
        &self,
        birth: Option<&Birth>,
        kind: &str,
        id: &str,
    ) -> Result<(), Refusal> {
        if self.is_hidden(birth) {
            return Err(not_found(kind, id));
        }
        Ok(())
    }

    /// Something new, which is doomed if something is still to be.
    pub(super) fn make(delays: Delays, doomed: &mut u32) -> Made {
        let is_doomed = *doomed > 0;
        *doomed = doomed.saturating_sub(1);
        Made {
            birth: Birth::now(delays),
            at: Timestamp::now(),
            doomed: is_doomed,
        }
    }
}

impl Birth {
    pub(super) fn now(delays: Delays) -> Self {
        Self {
            since: Instant::now(),
            delays,
        }
    }

    /// How much of the time has passed that a step takes, in percent.
    pub(super) fn percent(&self, step: fn(&Delays) -> Duration, now: &Delays) -> u64 {
        let takes = step(&self.delays).min(step(now)).as_secs_f64();
        // Not a number, where it takes no time.
        let share = self.since.elapsed().as_secs_f64() / takes;
        if share < 1.0 {
            (share * 100.0) as u64
        } else {
            100
        }
    }
}

/// All instances in an answer of DescribeInstances.
pub(super) fn reserved(answer: &Element) -> impl Iterator<Item = &Element> {
    let reservations = answer.get_child("reservationSet");
    let reservations = reservations.into_iter().flat_map(xml::elements);
    reservations
        .filter_map(|reservation| reservation.get_child("instancesSet"))
        .flat_map(xml::elements)
}

/// An instance's state, by name.
pub(super) fn state_of(instance: &Element) -> String {
    let state = instance.get_child("instanceState");
    state
        .and_then(|state| xml::text(state, "name"))
        .unwrap_or_default()
}

pub(super) fn not_found(kind: &str, id: &str) -> Refusal {
    let code = match kind {
        "instance" => "InvalidInstanceID.NotFound".to_owned(),
        "snapshot" => "InvalidSnapshot.NotFound".to_owned(),
        _ => "InvalidVolume.NotFound".to_owned(),
    };
    Refusal::of_request(&code, &format!("The {kind} '{id}' does not exist."))
}

/// A handler that panics leaves what it knew so far, and its test fails anyway.
pub(super) fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}
