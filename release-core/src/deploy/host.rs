//! What is known of one host, and what it takes to be sure of it.

use std::time::Duration;

use super::{Attempt, Fate, Publication, Rules, Sighting};
use crate::Moment;
use crate::cloud::Standing;

/// What is being done with a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Task {
    Staging,
    /// It waits for the commit.
    Staged,
    Committing,
    Pushing,
}

/// Where the last proof comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Proof {
    /// From a connection that may be as old as the staging.
    Early,
    /// From one that was made after the publication: nobody is pushed to earlier.
    Late,
}

/// What a host is judged by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms<'a> {
    pub(super) rules: &'a Rules,
    /// When connections began to be made for the staging.
    pub(super) staged: Option<Moment>,
    pub(super) published: Option<Publication>,
}

impl Terms<'_> {
    /// The same by the cloud's clock, and not after it.
    fn staged_by_cloud(self, publication: Publication) -> Option<Moment> {
        let ahead = publication.at.since(publication.earliest);
        Some(self.staged?.before(ahead))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Host {
    /// It is in the file and not in a group: never listed, and it does not boot by the pointer.
    is_fixed: bool,
    standing: Standing,
    launched: Option<Moment>,
    /// Was it starting in any list?
    was_starting: bool,
    task: Option<Task>,
    proof: Option<Proof>,
    has_failed: bool,
    /// How often it could not be reached, one after the other.
    misses: u32,
    rests_until: Option<Moment>,
}

/// A host's pause is doubled no more often than this.
const DOUBLINGS: u32 = 3;

impl Host {
    pub(super) fn fixed() -> Self {
        Self {
            is_fixed: true,
            standing: Standing::Ready,
            ..Self::unseen()
        }
    }

    /// One that is about to be [seen](Self::see).
    pub(super) fn unseen() -> Self {
        Self {
            is_fixed: false,
            standing: Standing::Starting,
            launched: None,
            was_starting: false,
            task: None,
            proof: None,
            has_failed: false,
            misses: 0,
            rests_until: None,
        }
    }

    pub(super) fn see<H>(&mut self, sighting: &Sighting<H>) {
        if self.is_fixed {
            return;
        }
        if self.launched.is_some() && self.launched != sighting.launched {
            // It was started again, which may mend what failed.
            self.has_failed = false;
        }
        self.standing = sighting.standing;
        self.launched = sighting.launched;
        self.was_starting |= sighting.standing == Standing::Starting;
    }

    pub(super) fn assume_gone(&mut self) {
        if !self.is_fixed {
            self.standing = Standing::Gone;
        }
    }

    pub(super) fn task(&self) -> Option<Task> {
        self.task
    }

    pub(super) fn begin(&mut self, task: Task) {
        self.task = Some(task);
    }

    pub(super) fn staged(&mut self) {
        if self.task == Some(Task::Staging) {
            self.task = Some(Task::Staged);
        }
    }

    /// Whoever waits may go on.
    pub(super) fn commit(&mut self) {
        if self.task == Some(Task::Staged) {
            self.task = Some(Task::Committing);
        }
    }

    pub(super) fn ended(&mut self, attempt: Attempt, now: Moment, pause: Duration) {
        let Some(task) = self.task.take() else {
            return;
        };
        match attempt {
            Attempt::Proven => {
                self.proof = Some(match task {
                    Task::Pushing => Proof::Late,
                    _ => Proof::Early,
                });
                self.misses = 0;
                self.rests_until = None;
            }
            Attempt::Later => {
                let rest = pause.saturating_mul(1 << self.misses.min(DOUBLINGS));
                self.misses = self.misses.saturating_add(1).min(DOUBLINGS);
                self.rests_until = Some(now.after(rest));
            }
            Attempt::Failed => self.has_failed = true,
        }
    }

    /// May it be staged before anything is published? Whoever is starting may mount over what is pushed.
    pub(super) fn is_ready(&self) -> bool {
        self.standing == Standing::Ready
    }

    pub(super) fn has_failed(&self) -> bool {
        self.has_failed
    }

    pub(super) fn fate(&self, terms: Terms<'_>) -> Fate {
        if self.is_proven(terms) {
            return Fate::Proven;
        }
        let boots_it = |publication| self.boots_it(publication);
        match self.standing {
            Standing::Gone => Fate::Gone,
            Standing::Asleep => Fate::Asleep,
            Standing::Starting if terms.published.is_none() => Fate::Booting,
            _ if terms.published.is_some_and(boots_it) => Fate::Booting,
            _ if self.has_failed => Fate::Failed,
            _ => Fate::Unproven,
        }
    }

    /// Was it launched after p? Then every look that its boot takes at the pointer finds this release.
    fn boots_it(&self, publication: Publication) -> bool {
        let later = |launched| launched > publication.latest;
        !self.is_fixed && self.launched.is_some_and(later)
    }

    fn is_proven(&self, terms: Terms<'_>) -> bool {
        match (self.proof, terms.published) {
            (None, _) => false,
            (Some(Proof::Late), _) | (Some(Proof::Early), None) => true,
            (Some(Proof::Early), Some(publication)) => {
                self.is_fixed || self.had_booted(terms, publication)
            }
        }
    }

    /// Was its boot over for sure when it was connected to? If not, what was pushed may lie under a mount that
    /// came later: a connection keeps the directory that it opened, however long it waits for the commit.
    fn had_booted(&self, terms: Terms<'_>, publication: Publication) -> bool {
        let over = self
            .launched
            .map(|launched| launched.after(terms.rules.boot_deadline));
        match (over, terms.staged_by_cloud(publication)) {
            (Some(over), Some(staged)) => !self.was_starting && over < staged,
            _ => false,
        }
    }

    /// Is a push to be begun?
    pub(super) fn is_due(&self, terms: Terms<'_>, now: Moment) -> bool {
        self.is_wanting(terms) && self.rests_until.is_none_or(|until| until <= now)
    }

    /// When a push is to be begun, if that is only a matter of time.
    pub(super) fn due(&self, terms: Terms<'_>) -> Option<Moment> {
        self.is_wanting(terms).then_some(self.rests_until)?
    }

    fn is_wanting(&self, terms: Terms<'_>) -> bool {
        self.task.is_none() && self.fate(terms) == Fate::Unproven
    }
}
