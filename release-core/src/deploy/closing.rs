//! The end, whatever led to it: nothing under way, nothing left over, and said what is left undone.

use super::{Deploy, Ending, Listing, Record, Retention, Shot, Step};

impl<H: Ord + Clone> Deploy<H> {
    pub(super) fn close(&mut self) -> Option<Step<H>> {
        let ending = self.ending?;
        if self.is_under_way() {
            let is_first = !self.is_stopped;
            self.is_stopped = true;
            return is_first.then_some(Step::Stop);
        }
        self.discard()
            .or_else(|| self.settle_record(ending))
            .or_else(|| self.retain(ending))
            .or_else(|| self.finish(ending))
    }

    fn is_under_way(&self) -> bool {
        self.is_any_at(|_| true)
            || self.publishing
            || self.listing == Listing::UnderWay
            || matches!(self.shot, Shot::Starting | Shot::Awaited)
            || self.record == Record::Writing
    }

    /// A snapshot that no pointer names is of no use to anybody.
    fn discard(&mut self) -> Option<Step<H>> {
        let is_there = matches!(self.shot, Shot::Taken | Shot::Usable | Shot::Spoiled);
        if self.published.is_some() || !is_there {
            return None;
        }
        self.shot = Shot::Discarding;
        Some(Step::Discard)
    }

    fn settle_record(&mut self, ending: Ending) -> Option<Step<H>> {
        if self.record == Record::None || self.record == Record::Last {
            return None;
        }
        if self.shot == Shot::Discarding || self.is_waiting() {
            return None;
        }
        if self.is_whole(ending) {
            self.record = Record::Clearing;
            return Some(Step::Forget);
        }
        self.record = Record::WritingLast;
        Some(Step::Record(self.unproven()))
    }

    /// Is nothing left undone that the report does not name? A deadline is no crash: who was late is in the
    /// report, if everybody who may have been late was seen.
    fn is_whole(&self, ending: Ending) -> bool {
        match ending {
            Ending::Complete => true,
            Ending::Late => self.is_settled,
            _ => !self.has_committed && self.published.is_none(),
        }
    }

    fn retain(&mut self, ending: Ending) -> Option<Step<H>> {
        let is_wanted = self.published.is_some() && ending != Ending::Interrupted;
        if self.is_waiting() || !is_wanted || self.retention != Retention::Due {
            return None;
        }
        self.retention = Retention::UnderWay;
        Some(Step::Retain)
    }

    fn finish(&mut self, ending: Ending) -> Option<Step<H>> {
        if self.is_waiting() {
            return None;
        }
        self.is_finished = true;
        Some(Step::Finish(ending))
    }

    /// Is a step of the end not answered yet?
    fn is_waiting(&self) -> bool {
        self.shot == Shot::Discarding
            || matches!(self.record, Record::WritingLast | Record::Clearing)
            || self.retention == Retention::UnderWay
    }
}
