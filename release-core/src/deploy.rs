//! The deploy as a machine that does nothing: it is told what happened and what time it is, and says what is
//! to be done next.
//!
//! ```text
//!            ┌─ Stage ──────────────┐
//!   List ────┤                      ├─ Record ─ Commit ─┬─ Publish ─┬─ List ─┐
//!            └─ Snapshot ── Await ──┴───────────────────┘     ▲     └─ Push ─┴─ Forget ─ Retain ─ Finish
//!                                                         moment p
//! ```
//!
//! Whoever carries it out asks [`Deploy::poll`] for steps until there is none, does them side by side, and tells
//! each outcome by [`Deploy::handle`]; at [`Deploy::poll_timeout`], if nothing happened before, it asks again.
//! `release-cli` does so with threads, and a test with every order in which things can happen: the argument
//! that no instance is left behind is in `docs/race.md`.
//!
//! Here is only *when* what is done to whom. What staging is, how a file system is frozen, in which order
//! files are published, is that of the steps.

mod before;
mod catch_up;
mod closing;
mod host;
mod rules;
mod step;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use host::{Host, Task, Terms};
pub use rules::Rules;
pub use step::{Attempt, Ending, Event, Fate, Publication, Sighting, Step};

use crate::Moment;

/// A deploy under way; `H` is what hosts are told apart by.
///
/// All moments are by the clock of whoever drives it, but for those of launches, which are the cloud's;
/// [`Publication`] is where both meet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Deploy<H: Ord> {
    rules: Rules,
    hosts: BTreeMap<H, Host>,
    listing: Listing,
    gate: Gate,
    /// When the hosts began to be connected to for the staging.
    staged: Option<Moment>,
    shot: Shot,
    /// Snapshots that may still be begun.
    shots_left: u32,
    record: Record,
    /// Was any host told to commit?
    has_committed: bool,
    publishing: bool,
    published: Option<Publication>,
    /// Is a listing in that shows everything that was there at p?
    is_settled: bool,
    ending: Option<Ending>,
    is_stopped: bool,
    retention: Retention,
    is_finished: bool,
}

/// How far the list of instances is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Listing {
    /// There are no groups.
    Unneeded,
    /// There has been none.
    Never,
    UnderWay,
    /// The next one is due then, if one is needed.
    Idle(Moment),
}

/// What holds staged hosts back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Gate {
    /// Nobody stages yet.
    Unset,
    Held,
    Open,
}

/// How far the snapshot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Shot {
    /// There is none.
    None,
    /// The file system is about to be frozen, or is.
    Starting,
    /// Its point in time is fixed.
    Taken,
    Awaited,
    Usable,
    /// It is of no use.
    Spoiled,
    Discarding,
    /// None could be begun.
    Failed,
}

/// How far the record is that says that the deploy is not finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Record {
    None,
    Writing,
    Written,
    /// It says for good what was left undone.
    WritingLast,
    Last,
    Clearing,
}

/// How far the clearing away of old snapshots is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Retention {
    Due,
    UnderWay,
    Over,
}

impl<H: Ord + Clone> Deploy<H> {
    /// A deploy that begins. `fixed` are the hosts of the file; those of groups are listed.
    pub fn new(rules: Rules, fixed: impl IntoIterator<Item = H>) -> Self {
        Self {
            hosts: fixed
                .into_iter()
                .map(|host| (host, Host::fixed()))
                .collect(),
            listing: match rules.has_groups {
                true => Listing::Never,
                false => Listing::Unneeded,
            },
            gate: Gate::Unset,
            staged: None,
            shot: Shot::None,
            shots_left: rules.snapshots,
            record: Record::None,
            has_committed: false,
            publishing: false,
            published: None,
            is_settled: !rules.has_groups,
            ending: None,
            is_stopped: false,
            retention: Retention::Due,
            is_finished: false,
            rules,
        }
    }

    /// A deploy that was published, and goes on with the catch-up after it was cut off. What was proven
    /// before is proven again, which costs little.
    ///
    /// `now` stands for the moment of its publication, which lies further back: whoever was launched between
    /// the two is not left to its own boot, but pushed to.
    pub fn resumed(rules: Rules, fixed: impl IntoIterator<Item = H>, now: Moment) -> Self {
        let mut deploy = Self::new(rules, fixed);
        deploy.gate = Gate::Open;
        deploy.shot = Shot::Usable;
        deploy.record = Record::Written;
        deploy.has_committed = true;
        deploy.handle_published(Publication::at(now), now);
        deploy
    }

    /// Tells what happened. What concerns nobody that is known, or nothing that was asked for, is let pass.
    pub fn handle(&mut self, event: Event<H>, now: Moment) {
        match event {
            Event::Listed { begun, seen } => self.handle_listed(begun, seen, now),
            Event::NotListed => self.handle_not_listed(now),
            Event::Staged(host) => self.handle_staged(&host),
            Event::Ended(host, attempt) => self.handle_ended(&host, attempt, now),
            Event::Taken => self.shot = Shot::Taken,
            Event::NotTaken => self.shot = Shot::Failed,
            Event::Usable => self.shot = Shot::Usable,
            Event::NotUsable => self.shot = Shot::Spoiled,
            Event::Discarded => self.shot = Shot::None,
            Event::Recorded => self.handle_recorded(),
            Event::NotRecorded => self.handle_not_recorded(),
            Event::Forgotten => self.record = Record::None,
            Event::Published(publication) => self.handle_published(publication, now),
            Event::NotPublished => {
                self.publishing = false;
                self.end(Ending::NotPublished);
            }
            Event::Retained => self.retention = Retention::Over,
            Event::Interrupted => self.end(Ending::Interrupted),
        }
    }

    /// What is to be done now, if there is anything; it counts as begun from here on.
    pub fn poll(&mut self, now: Moment) -> Option<Step<H>> {
        if self.is_finished {
            return None;
        }
        if self.ending.is_none() {
            let step = match self.published {
                None => self.before_publication(now),
                Some(publication) => self.catch_up(publication, now),
            };
            if step.is_some() || self.ending.is_none() {
                return step;
            }
        }
        self.close()
    }

    /// When there may be something to do although nothing happened.
    pub fn poll_timeout(&self) -> Option<Moment> {
        let publication = self.published?;
        if self.ending.is_some() {
            return None;
        }
        self.catch_up_timeout(publication)
    }

    /// What is known of each host.
    pub fn fates(&self) -> impl Iterator<Item = (&H, Fate)> {
        self.hosts
            .iter()
            .map(|(host, known)| (host, known.fate(self.terms())))
    }

    /// When it was published, if it was.
    pub fn published(&self) -> Option<Publication> {
        self.published
    }

    /// Was any host told to make the release current?
    pub fn has_committed(&self) -> bool {
        self.has_committed
    }

    /// How it ends, once that is clear. Some steps may be left to do.
    pub fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// The first reason to end is the one that counts.
    fn end(&mut self, ending: Ending) {
        self.ending.get_or_insert(ending);
    }

    fn handle_listed(&mut self, begun: Moment, seen: Vec<Sighting<H>>, now: Moment) {
        let is_settled = self
            .published
            .is_some_and(|publication| begun >= publication.at.after(self.rules.settle));
        if is_settled {
            // Whoever existed is in this list, so whoever is not in it does not exist.
            self.hosts.values_mut().for_each(Host::assume_gone);
        }
        for sighting in seen {
            let known = self.hosts.entry(sighting.host.clone());
            known.or_insert_with(Host::unseen).see(&sighting);
        }
        self.is_settled |= is_settled;
        self.listing = Listing::Idle(self.next_listing(now));
    }

    fn handle_not_listed(&mut self, now: Moment) {
        if self.published.is_none() {
            self.end(Ending::NotListed);
        }
        self.listing = Listing::Idle(now.after(self.rules.pause));
    }

    fn handle_staged(&mut self, host: &H) {
        if let Some(host) = self.hosts.get_mut(host) {
            host.staged();
        }
    }

    fn handle_ended(&mut self, host: &H, attempt: Attempt, now: Moment) {
        let pause = self.rules.pause;
        if let Some(host) = self.hosts.get_mut(host) {
            host.ended(attempt, now, pause);
        }
    }

    fn handle_recorded(&mut self) {
        self.record = match self.record {
            Record::WritingLast => Record::Last,
            _ => Record::Written,
        };
    }

    /// Before a commit nothing may be done of which no record says that it was begun. Later, an older record
    /// says enough.
    fn handle_not_recorded(&mut self) {
        if self.record == Record::WritingLast {
            self.record = Record::Last;
        } else {
            self.record = Record::None;
            self.end(Ending::NotRecorded);
        }
    }

    fn handle_published(&mut self, publication: Publication, now: Moment) {
        self.publishing = false;
        self.published = Some(publication);
        if self.rules.has_groups {
            self.listing = Listing::Idle(now);
        }
    }

    fn terms(&self) -> Terms<'_> {
        Terms {
            rules: &self.rules,
            staged: self.staged,
            published: self.published,
        }
    }

    fn hosts_at(&self, is: fn(Task) -> bool) -> impl Iterator<Item = &H> {
        self.hosts
            .iter()
            .filter(move |(_, known)| known.task().is_some_and(is))
            .map(|(host, _)| host)
    }

    fn is_any_at(&self, is: fn(Task) -> bool) -> bool {
        self.hosts_at(is).next().is_some()
    }
}
