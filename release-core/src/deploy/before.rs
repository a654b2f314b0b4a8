//! Up to the publication: everything is prepared side by side, then made current, then published.

use super::host::{Host, Task};
use super::{Deploy, Ending, Gate, Listing, Record, Shot, Step};
use crate::{Moment, Order};

impl<H: Ord + Clone> Deploy<H> {
    pub(super) fn before_publication(&mut self, now: Moment) -> Option<Step<H>> {
        match self.listing {
            Listing::Never => {
                self.listing = Listing::UnderWay;
                return Some(Step::List);
            }
            Listing::UnderWay => return None,
            Listing::Unneeded | Listing::Idle(_) => {}
        }
        self.stage(now)
            .or_else(|| self.shoot())
            .or_else(|| self.commit())
            .or_else(|| self.publish())
    }

    /// All that run, at once. Whoever is starting has to wait until there is something published that it may
    /// boot.
    fn stage(&mut self, now: Moment) -> Option<Step<H>> {
        if self.gate != Gate::Unset {
            return None;
        }
        self.gate = Gate::Held;
        self.staged = Some(now);
        let ready = self.hosts.iter_mut().filter(|(_, known)| known.is_ready());
        let hosts: Vec<H> = ready
            .map(|(host, known)| {
                known.begin(Task::Staging);
                host.clone()
            })
            .collect();
        (!hosts.is_empty()).then_some(Step::Stage(hosts))
    }

    fn shoot(&mut self) -> Option<Step<H>> {
        match self.shot {
            Shot::None if self.shots_left == 0 => self.end(Ending::NoSnapshot),
            Shot::None => {
                self.shots_left -= 1;
                self.shot = Shot::Starting;
                return Some(Step::Snapshot);
            }
            Shot::Taken => {
                self.shot = Shot::Awaited;
                return Some(Step::Await);
            }
            Shot::Spoiled => {
                self.shot = Shot::Discarding;
                return Some(Step::Discard);
            }
            Shot::Failed => self.end(Ending::NoSnapshot),
            Shot::Starting | Shot::Awaited | Shot::Usable | Shot::Discarding => {}
        }
        None
    }

    fn commit(&mut self) -> Option<Step<H>> {
        let is_shot = match self.rules.order {
            Order::PushFirst => matches!(self.shot, Shot::Awaited | Shot::Usable),
            Order::SnapshotFirst => self.shot == Shot::Usable,
        };
        let is_staging = self.is_any_at(|task| task == Task::Staging);
        if self.ending.is_some() || self.gate != Gate::Held || !is_shot || is_staging {
            return None;
        }
        if !self.may_commit() {
            self.end(Ending::NotStaged);
            return None;
        }
        if self.record == Record::None {
            self.record = Record::Writing;
            return Some(Step::Record(self.unproven()));
        }
        if self.record != Record::Written {
            return None;
        }
        self.gate = Gate::Open;
        self.hosts.values_mut().for_each(Host::commit);
        self.has_committed = self.is_any_at(|task| task == Task::Committing);
        self.has_committed.then_some(Step::Commit)
    }

    /// Is it borne what went wrong so far? Hosts that are out of reach have not failed: they are caught up
    /// with.
    fn may_commit(&self) -> bool {
        let ready = self.hosts.values().filter(|known| known.is_ready());
        let (all, failed) = ready.fold((0, 0), |(all, failed), known| {
            (all + 1, failed + usize::from(known.has_failed()))
        });
        failed <= self.rules.max_failures.of(all) && (all == 0 || failed < all)
    }

    fn publish(&mut self) -> Option<Step<H>> {
        let is_committing = self.is_any_at(|task| task == Task::Committing);
        let is_due = self.gate == Gate::Open && self.shot == Shot::Usable;
        if self.ending.is_some() || !is_due || is_committing || self.publishing {
            return None;
        }
        self.publishing = true;
        Some(Step::Publish)
    }
}
