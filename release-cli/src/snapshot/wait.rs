//! Waiting until a snapshot can be used.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use release_core::SnapshotId;
use release_core::cloud::{Snapshot, SnapshotQuery, SnapshotState};

use super::{SnapshotError, Snapshots};
use crate::failure::Failure;

/// How often it is looked at how far a snapshot is: at first, and after a while.
const SOON: Duration = Duration::from_millis(250);
const LATER: Duration = Duration::from_secs(5);
/// So many failed looks in a row are put up with; each was repeated by the adapter already.
const BLINKS: u32 = 5;

impl Snapshots<'_> {
    /// Waits until a snapshot is completed, and tells how far it is.
    pub(super) fn wait(&self, id: &SnapshotId) -> Result<Snapshot, Failure> {
        let (start, mut pause, mut blinks) = (Instant::now(), SOON.min(self.pace.look), 0);
        let query = SnapshotQuery::Ids(vec![id.clone()]);
        loop {
            let found = self.cloud.run(self.cloud.port().snapshots(&query));
            match found {
                Ok(found) => {
                    blinks = 0;
                    let found = found.into_iter().find(|snapshot| snapshot.id == *id);
                    if let Some(snapshot) = self.is_completed(id, found, start.elapsed())? {
                        return Ok(snapshot);
                    }
                }
                Err(error) if error.is_retryable() && blinks < BLINKS => blinks += 1,
                Err(error) => return Err(error.into()),
            }
            self.interrupts.wait(pause)?;
            pause = (pause * 5 / 4).min(LATER);
        }
    }

    fn is_completed(
        &self,
        id: &SnapshotId,
        found: Option<Snapshot>,
        waited: Duration,
    ) -> Result<Option<Snapshot>, Failure> {
        let Some(snapshot) = found else {
            // A list may leave out for a while what was just made.
            return match waited < self.cloud.wishes.settle {
                true => Ok(None),
                false => Err(SnapshotError::Gone(id.clone()).into()),
            };
        };
        self.show(&snapshot, None);
        match &snapshot.state {
            SnapshotState::Completed => Ok(Some(snapshot)),
            SnapshotState::Pending => Ok(None),
            state => Err(SnapshotError::Spoilt {
                id: id.clone(),
                state: state.clone(),
            }
            .into()),
        }
    }

    /// Tells what has changed since it was told last.
    pub(super) fn show(&self, snapshot: &Snapshot, held: Option<Duration>) {
        let now = (
            snapshot.id.clone(),
            snapshot.progress,
            snapshot.state.clone(),
        );
        let mut told = self
            .pace
            .told
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if told.as_ref() != Some(&now) {
            self.screen.snapshot(snapshot, held);
            *told = Some(now);
        }
    }
}
