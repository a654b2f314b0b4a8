//! `rollback`: makes an earlier release current again.
//!
//! What new instances boot is published first: the older snapshot is usable already, and from then on no
//! instance starts with what is to go. Then hosts go back by what their last commit displaced.

mod target;

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use release_core::{Generation, Label, Pointer};
use release_sync::{Fleet, HostReport, Outcome};

use super::desk::{Deadline, Desk, Watch};
use crate::args::RollbackArgs;
use crate::cloud::{OpenCloud, now};
use crate::context::{CloudFlags, File, Reversal};
use crate::exit::{Aim, Exit, Verdict};
use crate::failure::Failure;
use crate::publish::Publisher;
use crate::snapshot::{fleet_of, generations, tag_published};
use crate::state::{Deed, DeployLock, Doing, Entry, Places, State};
use crate::ui::{Journey, Started, one_line};
use target::Target;

pub(super) fn run(
    args: &RollbackArgs,
    config: Option<&Path>,
    desk: &Desk,
) -> Result<Exit, Failure> {
    let environment = &desk.environment;
    let file = File::load(config, environment)?;
    let flags = CloudFlags {
        region: args.region.as_deref(),
        ..CloudFlags::default()
    };
    let cloud = file.cloud(flags, environment)?;
    // Names that nothing has are found out before anything is done.
    let reversal = file.reversal(flags, &args.hosts, environment)?;
    Fleet::new(reversal.hosts.clone(), reversal.options.clone())?;
    let state = State::open(&file.state(environment).ok_or(Failure::NoStateHome)?)?;
    let wait = args.lock_wait.map(Duration::from_secs);
    let wait = wait.unwrap_or_else(|| file.lock_wait());
    let lock = desk.lock(&state, Deadline::after(wait))?;
    let wanted = args.generation.map(Generation::new);
    let history = state.history(target::FAR_BACK)?.entries;
    let run = Run {
        desk,
        args,
        flags,
        file: &file,
        lock: &lock,
    };
    match &cloud {
        None => {
            let places = Places::of(&reversal.hosts);
            let target = Target::of_history(&history, &places, wanted)?;
            run.confirm(&target)?;
            let generation = lock.allocate()?;
            run.send_back(&target, generation, reversal, true)
        }
        Some(cloud) => run.with_cloud(cloud, &state, &history, wanted, reversal),
    }
}

struct Run<'a> {
    desk: &'a Desk,
    args: &'a RollbackArgs,
    flags: CloudFlags<'a>,
    file: &'a File,
    lock: &'a DeployLock<'a>,
}

impl Run<'_> {
    fn with_cloud(
        &self,
        cloud: &OpenCloud,
        state: &State,
        history: &[Entry],
        wanted: Option<Generation>,
        before: Reversal,
    ) -> Result<Exit, Failure> {
        let publication = self.file.publication()?;
        let publisher = self.desk.publisher(&publication)?;
        let current = publisher.current()?;
        let current = current.ok_or(Failure::NothingPublished(publication.directory))?;
        self.desk
            .clean_up(cloud, state, self.lock, Some(&current))?;
        let fleet = fleet_of(cloud, &self.file.volume()?)?;
        let given = target::given(state, history, &Places::of(&before.hosts))?;
        let target = Target::of_cloud(cloud, &fleet, &current, &given, history, wanted)?;
        self.confirm(&target)?;
        let seen = generations(cloud, &fleet)?.into_iter();
        let generation = self.lock.allocate_after(seen.chain([current.generation]))?;
        let is_well = match target.is_to_publish() {
            true => self.publish(cloud, &publisher, &current, &target, generation)?,
            false => {
                let generation = current.generation;
                let text =
                    format!("generation {generation} is published already: only hosts go back");
                self.desk.screen.note(&text);
                true
            }
        };
        // Whoever was launched before the publication is on this list, or on the next.
        let environment = &self.desk.environment;
        let after = self
            .file
            .reversal(self.flags, &self.args.hosts, environment);
        let (reversal, is_well) = match after {
            Ok(after) => (after, is_well),
            Err(failure) => {
                self.desk.screen.failed(&failure);
                (before, false)
            }
        };
        let exit = self.send_back(&target, generation, reversal, is_well)?;
        if exit == Exit::Done && self.args.hosts.only.is_empty() {
            self.settle(state);
        }
        Ok(exit)
    }

    /// A deploy that was cut off before it published anything is gone back from everywhere: nothing of it is
    /// left to be resumed. One that published may be on its way to somebody yet.
    fn settle(&self, state: &State) {
        let settled = state.unfinished().and_then(|unfinished| match unfinished {
            Some(unfinished) if unfinished.published.is_none() => self.lock.clear_unfinished(),
            _ => Ok(()),
        });
        if let Err(failure) = settled {
            self.desk.screen.failed(&failure);
        }
    }

    /// Asks, if somebody is there.
    fn confirm(&self, target: &Target) -> Result<(), Failure> {
        if self.args.yes || !self.desk.environment.stdin_is_terminal {
            return Ok(());
        }
        self.desk.confirm(&format!(
            "Go back to generation {}, release {}?",
            target.generation,
            target.release.short()
        ))
    }

    /// The older snapshot, by a higher generation. What goes wrong after the moment p is told, and all there
    /// is to it: `false` then.
    fn publish(
        &self,
        cloud: &OpenCloud,
        publisher: &Publisher,
        current: &Pointer,
        target: &Target,
        generation: Generation,
    ) -> Result<bool, Failure> {
        let Some((snapshot, volume_gib)) = target.snapshot.clone() else {
            return Ok(true);
        };
        let published = publisher.publish(Pointer {
            generation,
            release: target.release,
            snapshot,
            volume_gib,
            created: now(),
            who: Label::cut(&self.desk.environment.operator()),
            ..current.clone()
        })?;
        let pointer = &published.pointer;
        self.desk.screen.published(pointer);
        if let Some(fault) = &published.fault {
            let text = one_line(fault);
            self.desk.screen.note(&format!("warning: {text}"));
        }
        let tagged = tag_published(cloud, &pointer.snapshot, generation, published.at);
        if let Err(failure) = &tagged {
            self.desk.screen.failed(failure);
        }
        Ok(tagged.is_ok() && published.fault.is_none())
    }

    /// Hosts go back from what they have to what they had.
    fn send_back(
        &self,
        target: &Target,
        generation: Generation,
        reversal: Reversal,
        is_well: bool,
    ) -> Result<Exit, Failure> {
        let (desk, hosts) = (self.desk, &reversal.hosts);
        let fleet = Fleet::new(hosts.clone(), reversal.options)?;
        desk.interrupts.cancels(fleet.cancel_handle());
        let source = format!("generation {}", target.generation);
        desk.screen.started(&Started {
            journey: Journey::Back(target.release),
            source: source.clone(),
            hosts: hosts.iter().map(|host| host.name.as_str()).collect(),
        });
        let watch = Watch::new(&*desk.screen);
        let mut report = fleet.undo_to(target.release, target.from, generation, &watch);
        report.release = Some(target.release);
        let begun = watch.begun();
        let interrupted = desk.interrupts.interrupted();
        // One that is starting may have read the pointer before it was replaced.
        let starting = reversal.absent.iter().any(|one| one.word() == "booting");
        let has_gone = |host: &HostReport| host.outcome == Outcome::Undone;
        // Once the pointer is out something is changed, whatever became of hosts.
        let is_changed = target.is_to_publish() || starting || report.hosts.iter().any(has_gone);
        let verdict = Verdict::of(Aim::Undo, interrupted, &report, &begun);
        let verdict = verdict.with(None, is_changed, is_well && !starting);
        let doing = Doing {
            deed: Deed::Rollback,
            release: target.release,
            generation,
            source: &source,
            by: &desk.environment.operator(),
            snapshot: target.snapshot.as_ref().map(|(id, _)| id),
        };
        let entry = doing.with(&Places::of(hosts), &report, verdict, Timestamp::now());
        if let Err(failure) = self.lock.append(&entry) {
            desk.screen.failed(&failure);
        }
        let exit = desk.finish(&report, verdict);
        desk.note_absent(&reversal.absent);
        if starting {
            desk.screen.note(
                "warning: what is booting may come up with what was gone back from; look with `release-cli \
                 status`",
            );
        }
        Ok(exit)
    }
}
