//! From a device to a release that is mounted and proved.

use super::clear::{Chore, Then};
use super::job::{Held, Job, Place, Task};
use super::{Answer, Boot, Fault, Mounted, Opened, Phase, Reason, Source, Standing};
use crate::Verify;

impl Boot {
    pub(super) fn opened(&mut self, job: Job, held: Held, answer: Answer) -> Phase {
        let opened = match answer {
            Answer::Opened(opened) => opened,
            // It went away since it was found.
            Answer::Failed(Fault::Missing) => return self.work(job.at(Task::Stalled(held))),
            other => return self.unusable(job, held, "mount the volume", other),
        };
        let Opened { marker, identified } = opened;
        // Without an identity nothing but a marker that can be held against something tells what it is.
        if !identified && (marker.is_none() || job.target.release.is_none()) {
            let refused = Answer::Failed(Fault::Unidentified);
            return self.unusable(job, held, "mount the volume", refused);
        }
        match job.target.standing(marker.as_ref(), held.of.as_ref()) {
            Standing::Current | Standing::Newer => self.take(job, held, opened),
            standing => self.reject(job, held, opened, standing),
        }
    }

    fn take(&mut self, job: Job, held: Held, opened: Opened) -> Phase {
        let place = Place {
            volume: held,
            marker: opened.marker,
        };
        if place.volume.dies || place.volume.source != Source::Attached {
            self.prove(job, place)
        } else {
            self.work(job.at(Task::MarkFound(place)))
        }
    }

    /// What is on the volume is not what is current. That is a fault of one that was made of the very
    /// snapshot, and to be expected of others.
    fn reject(&mut self, mut job: Job, held: Held, opened: Opened, standing: Standing) -> Phase {
        let is_of_it = held.of.as_ref() == Some(&job.target.snapshot);
        let is_pushed_back = standing == Standing::Stale;
        if held.source != Source::Attached || is_of_it && held.mine && !is_pushed_back {
            let reason = Reason::Proof {
                volume: held.id.clone(),
                found: opened.marker,
                expected: job.target.release,
            };
            return self.give_up(job.at(Task::Open(held)), reason);
        }
        job.stale.extend(held.mine.then(|| held.id.clone()));
        self.skip(job, held)
    }

    /// A volume that can't be used. One that was made is a failure; one that was found is passed over.
    pub(super) fn unusable(
        &mut self,
        mut job: Job,
        held: Held,
        step: &'static str,
        answer: Answer,
    ) -> Phase {
        if held.source == Source::Attached {
            job.stale.extend(held.mine.then(|| held.id.clone()));
            return self.skip(job, held);
        }
        let reason = match answer {
            Answer::Failed(Fault::Unidentified) => Reason::Identity(held.id.clone()),
            other => Reason::of(step, &other),
        };
        self.give_up(job, reason)
    }

    fn skip(&mut self, job: Job, held: Held) -> Phase {
        self.clear(vec![Chore::Close(held.id)], Then::Job(Box::new(job)))
    }

    /// Proves the open tree as far as was ordered, then shows it.
    pub(super) fn prove(&mut self, job: Job, place: Place) -> Phase {
        match self.orders.verify {
            Verify::Full => self.work(job.at(Task::Verify(place))),
            Verify::Marker => self.make_room(job, place),
        }
    }

    pub(super) fn verified(&mut self, job: Job, place: Place, answer: Answer) -> Phase {
        match answer {
            Answer::Done => self.make_room(job, place),
            Answer::Failed(Fault::Refused) => {
                let reason = Reason::Content(place.volume.id);
                self.give_up(job, reason)
            }
            other => self.failed_in(job, "compare the files", other),
        }
    }

    fn make_room(&mut self, job: Job, place: Place) -> Phase {
        match self.mounted {
            Some(_) => {
                // Noted before it is hidden, since the deadline may pass before that is told.
                let old = self.mounted.as_ref().and_then(|old| old.volume.clone());
                self.displaced = old.or(self.displaced.take());
                self.work(job.at(Task::Hide(place)))
            }
            None => self.work(job.at(Task::Show(place))),
        }
    }

    pub(super) fn hidden(&mut self, job: Job, place: Place, answer: Answer) -> Phase {
        match answer {
            Answer::Done => {
                self.mounted = None;
                self.work(job.at(Task::Show(place)))
            }
            Answer::Failed(Fault::Busy) => {
                self.displaced = None;
                self.give_up(job, Reason::Busy)
            }
            other => self.failed_in(job, "unmount the old release", other),
        }
    }

    pub(super) fn shown(&mut self, job: Job, place: Place, answer: Answer) -> Phase {
        match answer {
            Answer::Done => {
                self.mounted = Some(Mounted {
                    volume: Some(place.volume.id.clone()),
                    marker: place.marker,
                });
                self.work(job.at(Task::Confirm(place)))
            }
            other => self.failed_in(job, "show the release", other),
        }
    }
}
