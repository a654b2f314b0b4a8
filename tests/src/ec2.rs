//! EC2 and Auto Scaling with their moods: a proxy before moto that understands the query protocol.
//!
//! It keeps what moto leaves out (checks, idempotency, states that take time, lifecycle actions), does on
//! request what a real service does on bad days, and writes down every call. Its clock is this machine's.

mod disks;
mod fault;
mod groups;
mod inventory;
mod listing;
mod pages;
mod policy;
mod query;
mod world;
mod xml;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::boto::{self, BotoError};
use crate::http::{Answer, Reply, Request, Server};
use crate::loopback;
use crate::volumes::Volumes;

use fault::Effects;
pub use fault::Fault;
pub use inventory::Inventory;
pub use policy::actions_allowed_by;
use query::{Query, Refusal};
use world::World;

/// The region that the rig's own clients ask.
pub const REGION: &str = "us-east-1";

/// How long things take that take no time in moto. The default: none. A change holds for what begins
/// after it; what is under way can be hastened by it, but not slowed down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delays {
    /// A new snapshot is `pending`.
    pub snapshot: Duration,
    /// A new volume is `creating`.
    pub volume: Duration,
    /// An attachment is `attaching`.
    pub attach: Duration,
    /// From AttachVolume until the device is there.
    pub device: Duration,
    /// An attachment is `detaching`.
    pub detach: Duration,
    /// A new instance is `pending`, and so is its lifecycle state.
    pub instance: Duration,
    /// A new volume, snapshot or instance is not found, and is left out of lists.
    pub listing: Duration,
}

/// One call that came in.
#[derive(Clone, Debug)]
pub struct Call {
    /// The access key that it was signed with: who calls.
    pub caller: String,
    /// `ec2`, `autoscaling`, …
    pub service: String,
    /// Such as `DescribeInstances`.
    pub action: String,
    /// As they were sent: `Filter.1.Name` and the like.
    pub params: BTreeMap<String, String>,
    /// When it came in.
    pub at: Instant,
    /// The code of what it was refused with. A lost answer is none.
    pub refused: Option<String>,
    /// Whether it was dealt with: done, or refused.
    pub is_over: bool,
}

impl Call {
    /// What a policy has to allow for it. What is tagged while it is made takes what tagging takes.
    fn permissions(&self) -> Vec<String> {
        let mut permissions = vec![format!("{}:{}", self.service, self.action)];
        if self.params.keys().any(|name| query::is_of_tags(name)) {
            permissions.push(query::TAGGING.to_owned());
        }
        permissions
    }

    /// Was it only asked whether it would be allowed?
    pub fn is_dry_run(&self) -> bool {
        self.params
            .get("DryRun")
            .is_some_and(|value| value == "true")
    }
}

/// A running service with an account of its own. It ends when its last clone is dropped.
#[derive(Clone, Debug)]
pub struct Ec2(Arc<Rig>);

#[derive(Debug)]
struct Rig {
    server: Server,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    world: Arc<Mutex<World>>,
    log: Mutex<Log>,
}

#[derive(Debug, Default)]
struct Log {
    calls: Vec<Call>,
    faults: Vec<Fault>,
}

impl Ec2 {
    /// A service whose volumes are entries in a list.
    pub fn start() -> Self {
        Self::with(None)
    }

    /// A service whose volumes are images, and devices where they are attached. A volume that has no
    /// image gets none by being copied.
    pub fn with_volumes(volumes: &Volumes) -> Self {
        Self::with(Some(volumes.clone()))
    }

    fn with(volumes: Option<Volumes>) -> Self {
        let shared = Arc::new(Shared {
            world: World::new(volumes),
            log: Mutex::default(),
        });
        let handled = Arc::clone(&shared);
        let server = Server::start(loopback::listener(13), move |request| {
            handled.handle(&request)
        });
        Self(Arc::new(Rig { server, shared }))
    }

    /// For `AWS_ENDPOINT_URL`. Any credentials will do.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.0.server.address())
    }

    /// The account that asks.
    pub fn account(&self) -> String {
        self.world().account().to_owned()
    }

    /// Sets how long things take from now on.
    pub fn set_delays(&self, delays: Delays) {
        self.world().delays = delays;
    }

    /// Adds something that goes wrong.
    pub fn add_fault(&self, fault: Fault) {
        self.0.shared.log().faults.push(fault);
    }

    /// From now on, who signs with this access key may do no more than this: `ec2:DescribeVolumes` and the
    /// like. All others still may do everything.
    pub fn allow_only(&self, caller: &str, permissions: &[&str]) {
        let permissions = permissions.iter().map(|name| (*name).to_owned()).collect();
        self.add_fault(Fault::beyond(caller, permissions));
    }

    /// No list has more than so many items on a page, from now on.
    pub fn set_page_limit(&self, items: usize) {
        self.world().page_limit = items;
    }

    /// Nothing that was added goes wrong any more.
    pub fn clear_faults(&self) {
        self.0.shared.log().faults.clear();
    }

    /// The next so many snapshots end in `error`.
    pub fn doom_snapshots(&self, next: u32) {
        self.world().doomed_snapshots = next;
    }

    /// The next so many volumes end in `error`.
    pub fn doom_volumes(&self, next: u32) {
        self.world().doomed_volumes = next;
    }

    /// The next so many attachments stay `attaching`, without a device, until they are detached.
    pub fn stick_attachments(&self, next: u32) {
        self.world().stuck_attachments = next;
    }

    /// From now on a snapshot is another account's.
    pub fn disown(&self, snapshot: &str, account: &str) {
        (self.world().owners).insert(snapshot.to_owned(), account.to_owned());
    }

    /// What GetConsoleOutput tells of an instance.
    pub fn set_console(&self, instance: &str, text: &str) {
        (self.world().consoles).insert(instance.to_owned(), text.to_owned());
    }

    /// An instance's lifecycle state in its group, such as `Pending:Wait`; `None`: as moto has it.
    pub fn set_lifecycle(&self, instance: &str, state: Option<&str>) {
        self.world().set_lifecycle(instance, state);
    }

    /// The instances of a group's warm pool, and their lifecycle states, such as `Warmed:Stopped`.
    pub fn set_warm_pool(&self, group: &str, instances: &[(&str, &str)]) {
        let own = |(id, state): &(&str, &str)| ((*id).to_owned(), (*state).to_owned());
        let instances = instances.iter().map(own).collect();
        (self.world().warm_pools).insert(group.to_owned(), instances);
    }

    /// All calls so far, in their order.
    pub fn calls(&self) -> Vec<Call> {
        self.0.shared.log().calls.clone()
    }

    /// What a policy has to allow a caller for the calls so far: `ec2:DescribeVolumes` and the like. Dry runs do
    /// nothing, and don't count.
    pub fn permissions_used(&self, caller: &str) -> BTreeSet<String> {
        let log = self.0.shared.log();
        let calls = log.calls.iter();
        let calls = calls.filter(|call| call.caller == caller && !call.is_dry_run());
        calls.flat_map(Call::permissions).collect()
    }

    /// How often an action was called so far.
    pub fn count(&self, action: &str) -> usize {
        let log = self.0.shared.log();
        let calls = log.calls.iter();
        calls.filter(|call| call.action == action).count()
    }

    /// Forgets which volume was made by which token, as EC2 does after some time.
    pub fn forget_tokens(&self) {
        self.world().tokens.clear();
    }

    /// Forgets the calls so far.
    pub fn forget_calls(&self) {
        self.0.shared.log().calls.clear();
    }

    /// Runs a snippet of Python with boto3's `ec2`, `autoscaling` and `sts`, and with `args`: a client
    /// like any other, without retries. What it assigns to `result` comes back.
    pub fn boto(&self, code: &str, args: &Value) -> Result<Value, BotoError> {
        boto::run(&self.endpoint(), REGION, code, args)
    }

    /// The same for what sets a scene or judges: it is not written down, nothing goes wrong, and lists
    /// show things as they are, with no delay.
    #[track_caller]
    pub fn aside(&self, code: &str, args: &Value) -> Value {
        let endpoint = self.endpoint() + ASIDE;
        match boto::run(&endpoint, REGION, code, args) {
            Ok(value) => value,
            Err(error) => panic!("{code}: {}", error.message),
        }
    }

    /// What there is now that may leak.
    pub fn inventory(&self) -> Inventory {
        Inventory::of(self)
    }

    fn world(&self) -> MutexGuard<'_, World> {
        world::lock(&self.0.shared.world)
    }
}

/// The path of what is not written down.
const ASIDE: &str = "/aside";

impl Shared {
    fn handle(&self, request: &Request) -> Reply {
        let Some(query) = Query::parse(request) else {
            let reason = "this rig understands the query protocol only";
            return Reply::Answer(Answer::new(501, "text/plain", reason));
        };
        if request.path.starts_with(ASIDE) {
            let answer = world::lock(&self.world).serve_aside(&query);
            return Reply::Answer(query.answer(answer));
        }
        let (number, effects) = self.log().begin(&query);
        if effects.lose_request {
            thread::sleep(effects.late);
            return Reply::HangUp;
        }
        let answer = match effects.refusal.clone() {
            Some(refusal) => Err(refusal),
            None if query.get("DryRun") == Some("true") => Err(Refusal::dry_run()),
            None => world::lock(&self.world).serve(&query),
        };
        self.log().end(number, answer.as_ref().err());
        thread::sleep(effects.late);
        if effects.lose_answer {
            return Reply::HangUp;
        }
        Reply::Answer(query.answer(answer))
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().expect("nobody panics with the lock")
    }
}

impl Log {
    /// Writes a call down, and says what goes wrong with it.
    fn begin(&mut self, query: &Query) -> (usize, Effects) {
        self.calls.push(Call {
            caller: query.caller.clone(),
            service: query.service.clone(),
            action: query.action.clone(),
            params: query.params.iter().cloned().collect(),
            at: Instant::now(),
            refused: None,
            is_over: false,
        });
        let mut effects = Effects::default();
        for fault in &mut self.faults {
            fault.strike(query, &mut effects);
        }
        (self.calls.len(), effects)
    }

    /// Calls may have been forgotten meanwhile.
    fn end(&mut self, number: usize, refusal: Option<&Refusal>) {
        if let Some(call) = self.calls.get_mut(number - 1) {
            call.refused = refusal.map(|refusal| refusal.code.clone());
            call.is_over = true;
        }
    }
}

#[cfg(test)]
mod tests;
