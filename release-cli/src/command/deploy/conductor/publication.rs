//! Steps that are done at once, and by nobody else meanwhile: the record, the pointer, what is left over.

use std::time::Duration;

use release_core::Moment;
use release_core::deploy::{Event, Publication};

use super::{Conductor, Means};
use crate::cloud::now;
use crate::command::snapshot::pointer;
use crate::failure::Failure;
use crate::snapshot::{Shot, prune};
use crate::state::Unfinished;
use crate::ui::one_line;

/// EC2 tells times in whole seconds.
const GRAIN: Duration = Duration::from_secs(1);

impl Conductor<'_> {
    pub(super) fn record(&mut self, hosts: Vec<String>) {
        let means = self.means;
        let written = means.lock.set_unfinished(&Unfinished {
            generation: means.snapshots.generation,
            release: means.source.release(),
            snapshot: self.shot.as_ref().map(|shot| shot.snapshot.id.clone()),
            published: self.machine.published().map(|publication| publication.at),
            by: means.snapshots.who.to_owned(),
            since: self.since,
            hosts,
        });
        let event = match written {
            Ok(()) => Event::Recorded,
            Err(failure) => {
                self.fail(failure);
                Event::NotRecorded
            }
        };
        self.machine.handle(event, now());
    }

    pub(super) fn publish(&mut self) {
        let event = match self.try_to_publish() {
            Ok(at) => Event::Published(publication(at, self.shot.as_ref())),
            Err(failure) => {
                self.fail(failure);
                Event::NotPublished
            }
        };
        self.machine.handle(event, now());
    }

    fn try_to_publish(&mut self) -> Result<Moment, Failure> {
        let Means {
            desk,
            snapshots,
            source,
            publisher,
            ..
        } = self.means;
        let shot = self.shot.as_ref().ok_or(Failure::Interrupted)?;
        let pointer = pointer(
            snapshots.cloud,
            snapshots.volume,
            shot,
            source.release(),
            snapshots.generation,
            snapshots.who,
        )?;
        let published = publisher.publish(pointer)?;
        desk.screen.published(&published.pointer);
        if let Some(fault) = &published.fault {
            desk.screen.note(&format!("warning: {}", one_line(fault)));
            self.is_tidy = false;
        }
        if let Err(failure) = snapshots.published(shot, snapshots.generation, published.at) {
            desk.screen.failed(&failure);
            self.is_tidy = false;
        }
        self.pointer = Some(published.pointer);
        // The record that is there says that nothing was published: a crash from here on is to be resumed.
        self.rewrite_record(published.at);
        Ok(published.at)
    }

    /// What can't be written now leaves a record that says less, and the next deploy does more than it has to.
    fn rewrite_record(&self, at: Moment) {
        let Ok(Some(record)) = self.means.snapshots.state.unfinished() else {
            return;
        };
        let record = Unfinished {
            published: Some(at),
            ..record
        };
        if let Err(failure) = self.means.lock.set_unfinished(&record) {
            self.means.desk.screen.failed(&failure);
        }
    }

    pub(super) fn discard(&mut self) {
        if let Some(shot) = self.shot.take()
            && let Err(failure) = self.means.snapshots.discard(&shot)
        {
            // It stands in the ledger: the next command sees to it.
            self.means.desk.screen.failed(&failure);
        }
        self.machine.handle(Event::Discarded, now());
    }

    pub(super) fn forget(&mut self) {
        // Not before it stands in the history what became of each host.
        self.is_settled = true;
        self.machine.handle(Event::Forgotten, now());
    }

    pub(super) fn retain(&mut self) {
        let Means {
            rollout, snapshots, ..
        } = self.means;
        if let Some(pointer) = &self.pointer {
            let retention = rollout.job.snapshots.retention;
            let fleet = &snapshots.volume.fleet;
            if let Err(failure) = prune(snapshots.cloud, fleet, pointer, retention, false) {
                self.means.desk.screen.failed(&failure);
                self.is_tidy = false;
            }
        }
        self.machine.handle(Event::Retained, now());
    }
}

/// The moment p by both clocks. The snapshot was begun while it was waited for here; how far what it says of that
/// lies outside is how far the clocks are apart for sure. What is left, a second, is less than any boot takes.
fn publication(at: Moment, shot: Option<&Shot>) -> Publication {
    let Some(Shot {
        snapshot, asked, ..
    }) = shot
    else {
        return Publication::at(at);
    };
    let ahead = snapshot.started.since(asked.1);
    let behind = asked.0.since(snapshot.started.after(GRAIN));
    Publication {
        at,
        earliest: at.before(behind),
        latest: at.after(ahead),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::snapshot::samples;

    fn at(second: i64) -> Moment {
        Moment::from_unix_millis(second * 1000)
    }

    #[test]
    fn clocks_that_differ_are_seen_by_the_snapshot() {
        for (started, earliest, latest) in [
            (100, 200, 200),
            // In whole seconds, it was begun at 100.4 say.
            (99, 200, 200),
            (90, 191, 200),
            (110, 200, 209),
        ] {
            let shot = samples::shot(at(started), (at(100), at(101)));
            let publication = publication(at(200), Some(&shot));
            assert_eq!(publication.earliest, at(earliest), "{started}");
            assert_eq!(publication.latest, at(latest), "{started}");
        }
        assert_eq!(publication(at(200), None), Publication::at(at(200)));
    }
}
