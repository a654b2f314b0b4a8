//! Carries out what the machine says is to be done, side by side, and tells it what came of it.

mod listing;
mod publication;
mod relay;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::Duration;

use release_core::deploy::{Attempt, Deploy, Event, Fate, Step};
use release_core::{Moment, Pointer};
use release_sync::{Cancel, Fleet, Hold, Host, HostReport, Source};

use super::rollout::{Played, Tiding};
use crate::cloud::now;
use crate::command::desk::{Desk, Watch};
use crate::context::{Listed, Rollout};
use crate::failure::Failure;
use crate::publish::Publisher;
use crate::snapshot::{Shot, Snapshots};
use crate::state::{self, DeployLock, Places};
use crate::ui::count;
use relay::Relay;

/// How soon an interrupt is noticed.
const NOTICE: Duration = Duration::from_millis(50);
/// What a deploy is carried out with.
pub(super) struct Means<'a> {
    pub(super) desk: &'a Desk,
    pub(super) rollout: &'a Rollout,
    pub(super) lock: &'a DeployLock<'a>,
    pub(super) publisher: &'a Publisher,
    pub(super) snapshots: &'a Snapshots<'a>,
    pub(super) source: &'a Source,
    /// Where the release comes from, made harmless.
    pub(super) from: &'a str,
    pub(super) watch: Watch<'a>,
}

impl Means<'_> {
    /// The hosts of the file that are meant.
    pub(super) fn fixed(&self) -> impl Iterator<Item = &Host> {
        let fixed = self.rollout.fixed.iter();
        fixed.filter(|host| self.is_meant(&host.name))
    }

    fn is_meant(&self, name: &str) -> bool {
        let only = &self.rollout.only;
        only.is_empty() || only.iter().any(|one| one == name)
    }
}

/// What threads say when they are done.
enum Word {
    Listed(Moment, Result<Listed, Failure>),
    Shot(Result<Shot, Failure>),
    Awaited(Result<Shot, Failure>),
    Host(Tiding),
}

/// A fleet of hosts that is being pushed to.
struct Push<'scope> {
    cancel: Cancel,
    thread: ScopedJoinHandle<'scope, Vec<HostReport>>,
}

pub(super) struct Conductor<'a> {
    means: &'a Means<'a>,
    machine: Deploy<String>,
    /// How each host is reached, as far as it is known.
    hosts: BTreeMap<String, Host>,
    hold: Hold,
    shot: Option<Shot>,
    pointer: Option<Pointer>,
    since: Moment,
    failure: Option<Failure>,
    /// Why a list that is tried again was not to be had the last time.
    unlisted: Option<Failure>,
    was_started: bool,
    is_tidy: bool,
    /// May the record go?
    is_settled: bool,
    is_interrupted: bool,
    /// Was it told that keys can't be taken from consoles?
    is_unread_told: bool,
    /// How many were last said to be waited for.
    awaited: usize,
}

impl<'a> Conductor<'a> {
    /// `pointer` is the one that was published, where a deploy is resumed.
    pub(super) fn new(
        means: &'a Means<'a>,
        machine: Deploy<String>,
        pointer: Option<Pointer>,
    ) -> Self {
        let hosts = means.fixed().map(|host| (host.name.clone(), host.clone()));
        Self {
            hosts: hosts.collect(),
            means,
            machine,
            hold: Hold::default(),
            shot: None,
            pointer,
            since: now(),
            failure: None,
            unlisted: None,
            was_started: false,
            is_tidy: true,
            is_settled: false,
            is_interrupted: false,
            is_unread_told: false,
            awaited: 0,
        }
    }

    /// Until there is nothing left to do.
    pub(super) fn play(mut self) -> Played {
        let (sender, words) = channel();
        std::thread::scope(|scope| {
            let mut pushes = Vec::new();
            if !self.means.rollout.rules.has_groups {
                self.start();
            }
            let ending = loop {
                let Some(step) = self.machine.poll(now()) else {
                    self.listen(&words);
                    continue;
                };
                if let Step::Finish(ending) = step {
                    break ending;
                }
                self.take(step, scope, &sender, &mut pushes);
            };
            let threads = pushes.into_iter().map(|push: Push<'_>| push.thread.join());
            let reports = threads.flat_map(|reports| match reports {
                Ok(reports) => reports,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            Played {
                places: Places::of(self.hosts.values()),
                reports: reports.collect(),
                machine: self.machine,
                ending,
                // Where none ever was, there is nothing else to tell.
                failure: match self.was_started {
                    true => self.failure,
                    false => self.failure.or(self.unlisted),
                },
                is_tidy: self.is_tidy,
                is_settled: self.is_settled,
                was_started: self.was_started,
                pointer: self.pointer,
            }
        })
    }

    /// Waits for something to happen, but not longer than there is nothing to do.
    fn listen(&mut self, words: &Receiver<Word>) {
        if !self.is_interrupted && self.means.desk.interrupts.interrupted() {
            self.is_interrupted = true;
            self.machine.handle(Event::Interrupted, now());
            return;
        }
        let due = self.machine.poll_timeout();
        let left = due.map_or(NOTICE, |due| due.since(now()).min(NOTICE));
        if let Ok(word) = words.recv_timeout(left) {
            self.hear(word);
        }
    }

    fn hear(&mut self, word: Word) {
        let event = match word {
            Word::Host(event) => event,
            Word::Listed(begun, listed) => return self.hear_listed(begun, listed),
            Word::Shot(Ok(shot)) => {
                self.shot = Some(shot);
                Event::Taken
            }
            Word::Awaited(Ok(shot)) => {
                self.shot = Some(shot);
                Event::Usable
            }
            Word::Shot(Err(failure)) => {
                self.fail(failure);
                Event::NotTaken
            }
            Word::Awaited(Err(failure)) => {
                self.fail(failure);
                Event::NotUsable
            }
        };
        self.machine.handle(event, now());
    }

    /// The first failure is the one that is told at the end.
    fn fail(&mut self, failure: Failure) {
        if !matches!(failure, Failure::Interrupted) {
            self.failure.get_or_insert(failure);
        }
    }

    /// Tells that it begins: from here on the last word is the report.
    fn start(&mut self) {
        self.was_started = true;
        let Means { desk, source, .. } = self.means;
        let names: Vec<String> = self.machine.fates().map(|(name, _)| name.clone()).collect();
        if names.is_empty() {
            desk.screen
                .note("there is no instance and no host: what is published is for those to come");
        }
        let deploy = state::Deploy {
            release: source.release(),
            generation: self.means.snapshots.generation,
            source: self.means.from,
            by: self.means.snapshots.who,
            snapshot: None,
            exclude: &self.means.rollout.job.options.exclude,
        };
        let places = Places::of(self.hosts.values());
        let hosts = names.iter().map(String::as_str);
        if let Err(failure) = self.means.lock.begin(deploy, &places, hosts) {
            desk.screen.failed(&failure);
            self.is_tidy = false;
        }
        let generation = self.means.snapshots.generation;
        desk.start_names(
            source,
            generation,
            names.iter().map(String::as_str).collect(),
        );
    }

    fn take<'scope>(
        &mut self,
        step: Step<String>,
        scope: &'scope Scope<'scope, '_>,
        sender: &Sender<Word>,
        pushes: &mut Vec<Push<'scope>>,
    ) where
        'a: 'scope,
    {
        let means = self.means;
        let (snapshots, source) = (means.snapshots, means.source);
        let tell = sender.clone();
        match step {
            Step::List => {
                self.note_awaited();
                let begun = now();
                scope.spawn(move || {
                    let listed = means.rollout.route.list(&means.rollout.cloud);
                    say(&tell, Word::Listed(begun, listed));
                });
            }
            Step::Snapshot => {
                scope.spawn(move || say(&tell, Word::Shot(snapshots.start(source))));
            }
            Step::Await => {
                if let Some(shot) = self.shot.clone() {
                    scope.spawn(move || say(&tell, Word::Awaited(snapshots.finish(shot, source))));
                }
            }
            Step::Stage(names) => {
                let hold = self.hold.clone();
                self.push(&names, hold, scope, sender, pushes);
            }
            Step::Push(names) => {
                let free = Hold::default();
                free.release();
                self.push(&names, free, scope, sender, pushes);
            }
            Step::Stop => pushes.iter().for_each(|push| push.cancel.cancel()),
            Step::Commit => self.hold.release(),
            Step::Record(hosts) => self.record(hosts),
            Step::Publish => self.publish(),
            Step::Discard => self.discard(),
            Step::Forget => self.forget(),
            Step::Retain => self.retain(),
            Step::Finish(_) => {}
        }
    }

    fn push<'scope>(
        &mut self,
        names: &[String],
        hold: Hold,
        scope: &'scope Scope<'scope, '_>,
        sender: &Sender<Word>,
        pushes: &mut Vec<Push<'scope>>,
    ) where
        'a: 'scope,
    {
        let hosts = names
            .iter()
            .filter_map(|name| self.hosts.get(name).cloned());
        let options = self.means.rollout.job.options.clone();
        let fleet = match Fleet::new(hosts.collect(), options) {
            Ok(fleet) => fleet,
            Err(error) => {
                self.fail(error.into());
                for name in names {
                    let event = Event::Ended(name.clone(), Attempt::Failed);
                    self.machine.handle(event, now());
                }
                return;
            }
        };
        let relay = Relay {
            watch: &self.means.watch,
            desk: self.means.desk,
            sender: sender.clone(),
        };
        let (source, generation) = (self.means.source, self.means.snapshots.generation);
        pushes.push(Push {
            cancel: fleet.cancel_handle(),
            thread: scope.spawn(move || {
                let ready = || Ok::<_, Infallible>(source);
                match fleet.push_held(&hold, generation, &relay, ready) {
                    Ok((_, report)) => report.hosts,
                    Err(never) => match never {},
                }
            }),
        });
    }

    /// Says for whom the deploy is still waiting, when that has changed.
    fn note_awaited(&mut self) {
        if self.machine.published().is_none() {
            return;
        }
        let fates = self.machine.fates();
        let open = fates.filter(|(_, fate)| *fate == Fate::Unproven);
        let open = open.count();
        if open != self.awaited && open > 0 {
            let hosts = count(open as u64, "host");
            let screen = &self.means.desk.screen;
            screen.note(&format!("{hosts} still to be brought to what is published"));
        }
        self.awaited = open;
    }
}

/// Whoever is not there any more needn't be told.
fn say(sender: &Sender<Word>, word: Word) {
    let _ = sender.send(word);
}
