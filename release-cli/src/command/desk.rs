//! What every verb has at hand.

use std::collections::{HashMap, HashSet};
use std::io::stdin;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use release_core::escape;
use release_sync::{
    Event, Generation, Host, HostReport, HostState, Monitor, Options, Outcome, Reach, Report,
    Source, scan,
};

use crate::context::{Absent, Deployment, Environment};
use crate::exit::{Exit, Verdict};
use crate::failure::Failure;
use crate::interrupt::Interrupts;
use crate::state::{DeployLock, Places, State};
use crate::ui::{Journey, Screen, Started, Travelling};

/// How often a lock that somebody holds is tried.
const KNOCK: Duration = Duration::from_millis(200);

pub(super) struct Desk {
    pub(super) screen: Arc<dyn Screen>,
    pub(super) interrupts: Interrupts,
    pub(super) environment: Environment,
}

impl Desk {
    /// Takes the lock, waiting for its holder until the deadline.
    pub(super) fn lock<'s>(
        &self,
        state: &'s State,
        deadline: Deadline,
    ) -> Result<DeployLock<'s>, Failure> {
        let holder = self.environment.holder();
        let mut announced = false;
        loop {
            match state.lock(&holder) {
                Err(Failure::Locked { holder, .. }) if !deadline.has_passed() => {
                    if !announced {
                        self.screen
                            .note(&format!("waiting for the deploy of {holder}"));
                        announced = true;
                    }
                    self.interrupts.wait(KNOCK)?;
                }
                Err(failure) => return Err(failure),
                Ok(lock) => {
                    if let Some(dead) = lock.left_behind_by() {
                        self.screen.note(&format!(
                            "the deploy of {dead} ended without giving back its lock, which is taken over"
                        ));
                    }
                    return Ok(lock);
                }
            }
        }
    }

    /// Tells that a run is over, and how the command ends with that.
    pub(super) fn finish(&self, report: &Report, verdict: Verdict) -> Exit {
        self.screen.finished(report, verdict);
        let Some(source) = self.screen.lost() else {
            return verdict.exit;
        };
        self.screen.failed(&Failure::Output { source });
        let is_change = |host: &HostReport| host.outcome == Outcome::Committed;
        verdict
            .exit
            .without_output(report.hosts.iter().any(is_change))
    }

    /// Says what of a deployment is likely to be a mistake.
    pub(super) fn note_doubts(&self, deployment: &Deployment) {
        if let Some(groups) = &deployment.unasked {
            self.screen.note(&format!(
                "note: with `cloud.kind = \"none\"` nobody asks for the instances of {groups}; the hosts are \
                 those of the file"
            ));
        }
    }

    /// Says of which instances nothing is to be had now.
    pub(super) fn note_absent(&self, absent: &[Absent]) {
        for one in absent {
            self.screen.absent(&one.name, one.word());
        }
    }

    /// Scans a source. Nothing depends on the end of a scan, so an interrupt doesn't wait for it.
    pub(super) fn scan(&self, source: &Path, options: &Options) -> Result<Source, Failure> {
        let (source, options) = (source.to_owned(), options.clone());
        let screen = Arc::clone(&self.screen);
        let scanned = self
            .interrupts
            .abandonable(move || scan(&source, &options, &*screen))?;
        Ok(scanned?)
    }

    /// Asks, and takes nothing but a clear yes for one.
    pub(super) fn confirm(&self, question: &str) -> Result<(), Failure> {
        self.screen.ask(&format!("{question} [y/N]"));
        let answer = self.interrupts.abandonable(|| {
            let mut answer = String::new();
            // What can't be read is no yes.
            let _ = stdin().read_line(&mut answer);
            answer
        })?;
        match answer.trim().to_lowercase().as_str() {
            "y" | "yes" => Ok(()),
            _ => Err(Failure::Declined),
        }
    }

    /// Tells that a run begins.
    pub(super) fn start(&self, source: &Source, generation: Generation, hosts: &[Host]) {
        let names = hosts.iter().map(|host| host.name.as_str());
        self.start_names(source, generation, names.collect());
    }

    /// The same, of hosts of which only the names are known.
    pub(super) fn start_names(&self, source: &Source, generation: Generation, hosts: Vec<&str>) {
        let (files, bytes) = source.manifest().totals();
        let release = Travelling {
            id: source.release(),
            generation,
            files,
            bytes,
        };
        self.screen.started(&Started {
            journey: Journey::Out(release),
            source: harmless_path(source.directory()),
            hosts,
        });
        self.note_source(source);
    }

    /// Says what of a source is not given out, and the like.
    pub(super) fn note_source(&self, source: &Source) {
        for note in source.notes() {
            self.screen.remark(note);
        }
    }
}

/// Leaves the hosts whose last deploy did not end well.
pub(super) fn retain_failed(
    desk: &Desk,
    state: &State,
    hosts: &mut Vec<Host>,
) -> Result<(), Failure> {
    let fates = state.fates(&Places::of(&*hosts))?;
    let fates = fates.ok_or_else(|| Failure::NoLastDeploy(state.directory().to_owned()))?;
    hosts.retain(|host| fates.get(&host.name).is_some_and(|fate| !fate.well));
    if hosts.is_empty() {
        desk.screen
            .note("no host's last deploy failed: there is nothing to try again");
    }
    Ok(())
}

/// Refuses hosts of which two are one directory: while one is deployed to, the other would find it locked.
pub(super) fn check_places(hosts: &[Host]) -> Result<(), Failure> {
    match twins(hosts) {
        None => Ok(()),
        Some([one, other]) => Err(Failure::OneDirectory {
            one: one.to_owned(),
            other: other.to_owned(),
        }),
    }
}

/// Two hosts that are the same place, as far as can be told from here.
fn twins(hosts: &[Host]) -> Option<[&str; 2]> {
    let mut places = HashMap::new();
    hosts.iter().find_map(|host| {
        let Reach::Ssh(target) = &host.reach else {
            return None;
        };
        // Behind another command the same address may be another machine.
        let proxy = target.ssh.as_ref().map(|ssh| &ssh.proxy_command);
        let place = (&target.address, target.port, proxy, &host.destination);
        let first = places.insert(place, &host.name)?;
        Some([&**first, &*host.name])
    })
}

/// A path as it may be shown.
pub(super) fn harmless_path(path: &Path) -> String {
    escape(path.as_os_str().as_encoded_bytes())
}

/// A moment after which there is no more waiting.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline(Option<Instant>);

impl Deadline {
    /// One that lies further ahead than the clock reaches never passes.
    pub(super) fn after(duration: Duration) -> Self {
        Self(Instant::now().checked_add(duration))
    }

    pub(super) fn has_passed(self) -> bool {
        self.0.is_some_and(|moment| moment <= Instant::now())
    }
}

/// Passes events on to the screen, and remembers which commits were begun.
pub(super) struct Watch<'s> {
    screen: &'s dyn Screen,
    begun: Mutex<HashSet<String>>,
}

impl<'s> Watch<'s> {
    pub(super) fn new(screen: &'s dyn Screen) -> Self {
        Self {
            screen,
            begun: Mutex::default(),
        }
    }

    /// The hosts whose commit was begun.
    pub(super) fn begun(self) -> HashSet<String> {
        self.begun
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Monitor for Watch<'_> {
    fn event(&self, event: Event<'_>) {
        if let Event::State {
            host,
            state: HostState::Committing,
        } = event
        {
            let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
            begun.insert(host.to_owned());
        }
        self.screen.event(event);
    }
}
