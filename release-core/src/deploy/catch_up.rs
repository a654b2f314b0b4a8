//! From the publication on: until everybody who may have missed it is proven.

use super::host::{Task, Terms};
use super::{Deploy, Ending, Fate, Listing, Publication, Step};
use crate::Moment;

impl<H: Ord + Clone> Deploy<H> {
    pub(super) fn catch_up(&mut self, publication: Publication, now: Moment) -> Option<Step<H>> {
        if publication.at.after(self.rules.deadline) <= now {
            self.end(Ending::Late);
            return None;
        }
        if let Some(step) = self.push(now) {
            return Some(step);
        }
        if self.is_listing_due(now) {
            self.listing = Listing::UnderWay;
            return Some(Step::List);
        }
        let is_busy = self.is_any_at(|_| true) || self.listing == Listing::UnderWay;
        if self.is_settled && !is_busy && !self.is_any_unproven() {
            self.end(Ending::Complete);
        }
        None
    }

    fn push(&mut self, now: Moment) -> Option<Step<H>> {
        let rules = self.rules;
        let terms = Terms {
            rules: &rules,
            staged: self.staged,
            published: self.published,
        };
        let hosts = self.hosts.iter_mut();
        let due = hosts.filter(|(_, known)| known.is_due(terms, now));
        let hosts: Vec<H> = due
            .map(|(host, known)| {
                known.begin(Task::Pushing);
                host.clone()
            })
            .collect();
        (!hosts.is_empty()).then_some(Step::Push(hosts))
    }

    fn is_listing_due(&self, now: Moment) -> bool {
        let is_due = matches!(self.listing, Listing::Idle(due) if due <= now);
        is_due && self.is_listing_needed()
    }

    fn is_listing_needed(&self) -> bool {
        self.rules.has_groups && (!self.is_settled || self.is_any_unproven())
    }

    /// When the listing after one that has just come in should begin: soon, so that whoever came meanwhile
    /// is found early, and at the moment from which on a list shows everybody.
    pub(super) fn next_listing(&self, now: Moment) -> Moment {
        let soon = now.after(self.rules.pause);
        match self.published {
            Some(publication) if !self.is_settled => {
                let settled = publication.at.after(self.rules.settle);
                soon.min(settled.max(now))
            }
            _ => soon,
        }
    }

    pub(super) fn catch_up_timeout(&self, publication: Publication) -> Option<Moment> {
        let hosts = self.hosts.values();
        let pushes = hosts.filter_map(|known| known.due(self.terms()));
        let listing = match self.listing {
            Listing::Idle(due) if self.is_listing_needed() => Some(due),
            _ => None,
        };
        let deadline = publication.at.after(self.rules.deadline);
        pushes.chain(listing).chain([deadline]).min()
    }

    pub(super) fn is_any_unproven(&self) -> bool {
        self.fates().any(|(_, fate)| fate == Fate::Unproven)
    }

    /// Those of whom a record has to speak. Before a publication, whoever is starting may boot what will
    /// then be the release before.
    pub(super) fn unproven(&self) -> Vec<H> {
        let is_open = |fate| match fate {
            Fate::Unproven | Fate::Failed => true,
            Fate::Booting => self.published.is_none(),
            Fate::Proven | Fate::Asleep | Fate::Gone => false,
        };
        let open = self.fates().filter(|(_, fate)| is_open(*fate));
        open.map(|(host, _)| host.clone()).collect()
    }
}
