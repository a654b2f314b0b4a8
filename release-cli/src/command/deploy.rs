//! `deploy`: makes every host's destination equal to the source; with a cloud, publishes it too.

mod conductor;
mod outcomes;
mod rollout;

mod patience;

use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use release_core::cloud::Standing;
use release_sync::{Error, Fleet, Generation, Host, HostReport, Outcome, Report, Source};

use patience::Patience;

use super::desk::{Deadline, Desk, Watch, check_places, harmless_path, retain_failed};
use super::pull::has_content;
use crate::args::DeployArgs;
use crate::context::{Absent, Deployment, File};
use crate::exit::{Aim, Exit, Verdict};
use crate::failure::Failure;
use crate::state::{Deploy, DeployLock, Places, State};

/// How long a host that somebody else deploys to is left alone before it is tried again.
const RETRY_LOCKED: Duration = Duration::from_secs(1);

pub(super) fn run(args: &DeployArgs, config: Option<&Path>, desk: &Desk) -> Result<Exit, Failure> {
    let file = File::load(config, &desk.environment)?;
    match args.no_snapshot {
        true => push(args, file, desk),
        false => rollout::run(args, &file, desk),
    }
}

fn push(args: &DeployArgs, file: File, desk: &Desk) -> Result<Exit, Failure> {
    let mut deployment = file.deployment(args, &desk.environment)?;
    // Made first, since it checks what was configured: nothing is waited for in vain.
    Fleet::new(deployment.hosts.clone(), deployment.options.clone())?;
    check_places(&deployment.hosts)?;
    desk.note_doubts(&deployment);
    let deadline = Deadline::after(deployment.lock_wait);
    let state = State::open(deployment.state()?)?;
    let lock = desk.lock(&state, deadline)?;
    if args.retry_failed {
        retain_failed(desk, &state, &mut deployment.hosts)?;
    }
    let fleet = Fleet::new(deployment.hosts.clone(), deployment.options.clone())?;
    if !deployment.source.is_dir() || !has_content(&deployment.source) {
        // Refused, as a rule; and then no host should have heard of it.
        desk.scan(&deployment.source, &deployment.options)?;
    }
    let generation = lock.allocate()?;
    let from = harmless_path(&deployment.source);
    let places = Places::of(&deployment.hosts);
    let operator = desk.environment.operator();
    let deploy = |source: &Source| Deploy {
        release: source.release(),
        generation,
        source: &from,
        by: &operator,
        snapshot: None,
        exclude: &deployment.options.exclude,
    };

    let push = Push {
        desk,
        deployment: &deployment,
        generation,
        watch: Watch::new(&*desk.screen),
    };
    let (source, report) = push.to_all(&fleet, deadline, || {
        let source = desk.scan(&deployment.source, &deployment.options)?;
        let hosts = deployment.hosts.iter().map(|host| host.name.as_str());
        lock.begin(deploy(&source), &places, hosts)?;
        desk.start(&source, generation, &deployment.hosts);
        Ok(source)
    })?;
    let mut report = report;
    report.hosts.extend(deployment.absent.iter().map(absent));
    let deploy = deploy(&source);
    learn_generation(desk, &lock, &report);
    let begun = push.watch.begun();
    let verdict = Verdict::of(Aim::Push, desk.interrupts.interrupted(), &report, &begun);
    let written = lock.end(deploy, &places, &report, verdict, Timestamp::now());
    if let Err(failure) = written {
        // The hosts are what they are, whether it can be written down or not.
        desk.screen.failed(&failure);
    }
    let exit = desk.finish(&report, verdict);
    note_pointer(desk, &deployment, &report);
    Ok(exit)
}

/// What is said of an instance that nothing could be done about: it sees to itself when it wakes, or boots
/// what the pointer says.
fn absent(absent: &Absent) -> HostReport {
    let outcome = match absent.standing {
        Standing::Asleep => Outcome::Asleep,
        Standing::Gone => Outcome::Gone,
        Standing::Starting | Standing::Ready => Outcome::Booting,
    };
    outcomes::blank(&absent.name, outcome)
}

struct Push<'d> {
    desk: &'d Desk,
    deployment: &'d Deployment,
    generation: Generation,
    watch: Watch<'d>,
}

impl Push<'_> {
    /// Pushes to every host what `prepare` finds, and again to those that somebody else had locked, until
    /// the deadline. Hosts are reached while the source is being found.
    fn to_all(
        &self,
        fleet: &Fleet,
        deadline: Deadline,
        prepare: impl FnOnce() -> Result<Source, Failure>,
    ) -> Result<(Source, Report), Failure> {
        let begin = Instant::now();
        let patience = Patience::new(&self.watch, deadline);
        self.desk.interrupts.cancels(fleet.cancel_handle());
        let (source, mut report) = fleet.push_when_ready(self.generation, &patience, prepare)?;
        loop {
            let locked = self.locked(&report);
            if locked.is_empty() || deadline.has_passed() {
                break;
            }
            if self.desk.interrupts.wait(RETRY_LOCKED).is_err() {
                break;
            }
            let Ok(fleet) = Fleet::new(locked, self.deployment.options.clone()) else {
                break;
            };
            self.desk.interrupts.cancels(fleet.cancel_handle());
            let again = fleet.push(&source, self.generation, &patience);
            replace(&mut report.hosts, again.hosts);
            report.seconds = begin.elapsed().as_secs_f64();
        }
        patience.end(&report);
        Ok((source, report))
    }

    fn locked(&self, report: &Report) -> Vec<Host> {
        let hosts = report.hosts.iter().zip(&self.deployment.hosts);
        hosts
            .filter(|(report, _)| report.error.as_ref().is_some_and(Error::is_locked))
            .map(|(_, host)| host.clone())
            .collect()
    }
}

/// What was found out later about a host takes the place of what was found out before.
fn replace(hosts: &mut [HostReport], later: Vec<HostReport>) {
    for report in later {
        if let Some(host) = hosts.iter_mut().find(|host| host.host == report.host) {
            *host = report;
        }
    }
}

/// New instances start with what the pointer names, which is now not what the hosts have.
fn note_pointer(desk: &Desk, deployment: &Deployment, report: &Report) {
    let changed = |host: &HostReport| host.outcome == Outcome::Committed;
    if let Some(directory) = &deployment.pointer
        && report.hosts.iter().any(changed)
    {
        desk.screen.note(&format!(
            "warning: the pointer in {} now is behind: nothing was published, so new instances start with an \
             earlier release",
            harmless_path(directory)
        ));
    }
}

/// A host that has seen a later generation was deployed to from elsewhere. The next deploy from here is
/// to be the later one.
fn learn_generation(desk: &Desk, lock: &DeployLock<'_>, report: &Report) {
    for host in &report.hosts {
        let Some(Error::Fenced { seen, .. }) = host.error else {
            continue;
        };
        match lock.raise(seen) {
            Ok(true) => {}
            Ok(false) => desk.screen.note(&format!(
                "{} claims to have generation {seen}, which no deploy can have reached; it is not believed",
                host.host
            )),
            Err(failure) => desk.screen.failed(&failure),
        }
    }
}
