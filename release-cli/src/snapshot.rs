//! A snapshot that *is* the release: begun while the file system is frozen, kept only if nothing was changed
//! meanwhile, and never left lying about.
//!
//! It has two parts, so that hosts can be seen to at the same time: [`Snapshots::start`] returns when the file
//! system is thawed and the source was found unchanged; [`Snapshots::finish`] waits until the snapshot is
//! usable. After its publication comes [`Snapshots::published`], or else [`Snapshots::discard`].
//!
//! | what comes of CreateSnapshot | what is done |
//! |---|---|
//! | an answer, and we thawed | it is ours |
//! | an answer, but somebody thawed before us | it may hold half of a change: deleted, begun again |
//! | no answer | searched by its tag: adopted if its time lies within the freeze, else deleted and begun again |
//! | a refusal that may pass | begun again, a little later |
//! | a refusal | the error |
//!
//! Each attempt has a tag of its own, and stands in a ledger from before it is asked for until it is published
//! or gone ([`clean_up`]).

mod calls;
mod error;
mod label;
mod left_over;
mod prune;
mod rules;
#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
mod volume;
mod wait;

use std::cell::Cell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

use release_core::cloud::{
    CloudError, NewSnapshot, Snapshot, SnapshotState, TAG_DEPLOY, TAG_FLEET, TAG_RELEASE, Tags,
};
use release_core::{Generation, Moment, Retention, SnapshotId};
use release_sync::Source;

pub(crate) use calls::tag_published;
use calls::{Deletion, delete, find, tag_character};
pub(crate) use error::SnapshotError;
pub(crate) use left_over::{LeftOver, clean_up};
pub(crate) use prune::{all_snapshots, generations, prune};
use rules::{Answer, Verdict};
pub(crate) use volume::{SourceVolume, VolumeSettings, fleet_of};

use crate::cloud::{OpenCloud, moment, now};
use crate::failure::Failure;
use crate::freeze::{self, Request, Tenant};
use crate::interrupt::Interrupts;
use crate::state::{Begun, DeployLock, State};
use crate::ui::Screen;

/// So often a snapshot is begun at most, whatever comes of it.
const ATTEMPTS: u32 = 4;
/// How the file system is kept still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stillness {
    /// It is frozen, no longer than this.
    Frozen(Duration),
    /// What is in memory is written to the disk, and that is all. It is waited so long for an answer.
    Synced(Duration),
}

/// What snapshots are made with, from the configuration.
#[derive(Clone, Debug)]
pub(crate) struct SnapshotSettings {
    pub(crate) volume: VolumeSettings,
    pub(crate) stillness: Stillness,
    /// What must not be on the volume.
    pub(crate) elsewhere: Vec<Tenant>,
    /// Which generations are kept.
    pub(crate) retention: Retention,
}

/// What makes snapshots of a source's volume, for one generation.
pub(crate) struct Snapshots<'a> {
    pub(crate) cloud: &'a OpenCloud,
    pub(crate) state: &'a State,
    pub(crate) lock: &'a DeployLock<'a>,
    pub(crate) screen: &'a dyn Screen,
    pub(crate) interrupts: &'a Interrupts,
    pub(crate) settings: &'a SnapshotSettings,
    pub(crate) volume: &'a SourceVolume,
    /// Who makes them, as in `ada@build-1`.
    pub(crate) who: &'a str,
    pub(crate) generation: Generation,
    pub(crate) pace: Pace,
}

/// How patient it is; the default suits a cloud.
#[derive(Debug)]
pub(crate) struct Pace {
    /// How long to wait before a snapshot is begun again, at first; later twice as long each time. EC2 wants
    /// 15 s between two of a volume.
    pause: Duration,
    /// How often a list is asked whether something is on it.
    look: Duration,
    /// How many were begun.
    begun: AtomicU32,
    /// What was last told.
    told: Mutex<Option<(SnapshotId, u8, SnapshotState)>>,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            pause: Duration::from_secs(5),
            look: Duration::from_millis(500),
            begun: AtomicU32::new(0),
            told: Mutex::default(),
        }
    }
}

/// A snapshot that was begun, and shows the source as it was scanned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shot {
    pub(crate) snapshot: Snapshot,
    /// How long nobody could write, if the file system was frozen.
    pub(crate) held: Option<Duration>,
    /// From when to when its making was waited for, by this machine's clock: the snapshot says when that was
    /// by the cloud's.
    pub(crate) asked: (Moment, Moment),
    /// Its tag in the ledger.
    tag: String,
}

impl Snapshots<'_> {
    /// Begins a snapshot of the source, whose marker was written. Comes back when the file system is thawed,
    /// and never before. Nothing else in this process may write to it meanwhile.
    ///
    /// # Errors
    /// Then there is no snapshot, or it stands in the ledger. If something in the source was changed, it is
    /// named, and the snapshot was [discarded](Self::discard).
    pub(crate) fn start(&self, source: &Source) -> Result<Shot, Failure> {
        let mut pause = self.pace.pause;
        for attempt in 1.. {
            let why = match self.attempt(source)? {
                Attempt::Done(shot) => return Ok(shot),
                Attempt::Again(why) => why,
            };
            if attempt >= ATTEMPTS {
                return Err(Failure::Snapshot(SnapshotError::GivenUp {
                    attempts: attempt,
                    last: why,
                }));
            }
            self.screen
                .note(&format!("the snapshot is begun again: {why}"));
            self.interrupts.wait(pause)?;
            pause *= 2;
        }
        unreachable!("attempts are counted")
    }

    /// Waits until the snapshot can be used. One that turns out not to be usable is deleted and made again, so
    /// long as the source is as it was.
    ///
    /// # Errors
    /// When it can't be made, and when interrupted; then it goes on being made, and stands in the ledger.
    pub(crate) fn finish(&self, mut shot: Shot, source: &Source) -> Result<Shot, Failure> {
        loop {
            let error = match self.wait(&shot.snapshot.id) {
                Ok(snapshot) => return Ok(Shot { snapshot, ..shot }),
                Err(Failure::Snapshot(error)) if error.is_retryable() => error,
                Err(failure) => return Err(failure),
            };
            self.discard(&shot)?;
            if self.pace.begun.load(Ordering::Relaxed) >= ATTEMPTS {
                return Err(error.into());
            }
            self.screen.note(&format!("{error}: it is made again"));
            shot = self.start(source)?;
        }
    }

    /// Says on the snapshot which generation it is since when, and strikes it out of the ledger.
    pub(crate) fn published(
        &self,
        shot: &Shot,
        generation: Generation,
        at: Moment,
    ) -> Result<(), Failure> {
        tag_published(self.cloud, &shot.snapshot.id, generation, at)?;
        self.lock.strike(&shot.tag)
    }

    /// Deletes a snapshot that will not be published. One that can't be seen yet stays in the ledger.
    pub(crate) fn discard(&self, shot: &Shot) -> Result<(), Failure> {
        self.delete(&shot.snapshot.id, &shot.tag)
    }

    /// One snapshot: asked for, judged, and deleted if it won't do.
    fn attempt(&self, source: &Source) -> Result<Attempt, Failure> {
        let begun = self.entry()?;
        self.lock.enter(&begun)?;
        let taken = match self.take(&begun, source) {
            Ok(taken) => taken,
            Err((failure, false)) => {
                self.lock.strike(&begun.tag)?;
                return Err(failure);
            }
            Err((failure, true)) => {
                // It was asked for, and can't be relied on. What is not found now, the next command finds.
                if let Err(other) = self.sweep(&begun) {
                    self.screen.failed(&other);
                }
                return Err(failure);
            }
        };
        let answer = match taken.answer {
            Some(Ok(snapshot)) => Answer::Snapshot(snapshot),
            Some(Err(error)) if !error.may_have_happened() => {
                self.lock.strike(&begun.tag)?;
                return match error.is_retryable() {
                    true => Ok(Attempt::Again(error.to_string())),
                    false => Err(error.into()),
                };
            }
            // Also where nobody waited for the answer any longer.
            _ => Answer::Found(self.search(&begun)?),
        };
        match rules::judge(answer, taken.is_sound, (taken.since, taken.until)) {
            Verdict::Keep(snapshot) => {
                let shot = Shot {
                    snapshot,
                    held: taken.held,
                    asked: (taken.since, taken.until),
                    tag: begun.tag,
                };
                self.compare(shot, source).map(Attempt::Done)
            }
            Verdict::Delete(snapshot, why) => {
                self.delete(&snapshot.id, &begun.tag)?;
                Ok(Attempt::Again(why.to_owned()))
            }
            // It may yet come into sight: the ledger keeps it.
            Verdict::Nothing(why) => Ok(Attempt::Again(why.to_owned())),
        }
    }

    /// A snapshot of a source that is not what was scanned is of no release.
    fn compare(&self, shot: Shot, source: &Source) -> Result<Shot, Failure> {
        let failure = match source.changed_since() {
            Ok(None) => {
                self.show(&shot.snapshot, shot.held);
                return Ok(shot);
            }
            Ok(Some(path)) => Failure::from(SnapshotError::SourceChanged { path }),
            Err(error) => Failure::from(error),
        };
        self.discard(&shot)?;
        Err(failure)
    }

    /// Holds the file system still, and asks once. The error says whether it was asked for.
    fn take(&self, begun: &Begun, source: &Source) -> Result<Taken, (Failure, bool)> {
        let request = NewSnapshot {
            volume: self.volume.id.clone(),
            description: format!(
                "release {}, generation {}, by {}",
                source.release().short(),
                self.generation,
                self.who
            ),
            tags: self.tags(begun, source),
        };
        let (Stillness::Frozen(limit) | Stillness::Synced(limit)) = self.settings.stillness;
        let purpose = format!("the snapshot of generation {}", self.generation);
        let frozen = Request {
            path: &self.volume.top,
            state: self.state.directory(),
            elsewhere: &self.settings.elsewhere,
            purpose: &purpose,
            limit,
        };
        let longest = frozen.limit_of_action();
        let asked = Cell::new(false);
        let ask = || {
            asked.set(true);
            let since = SystemTime::now();
            let answer = self.cloud.port().create_snapshot(&request);
            let answer = self.cloud.run_for(longest, answer);
            (answer, since, SystemTime::now())
        };
        match self.settings.stillness {
            Stillness::Frozen(_) => match freeze::freeze(&frozen, ask) {
                Ok(outcome) => Ok(Taken {
                    answer: outcome.value.0,
                    is_sound: outcome.is_sound,
                    held: Some(outcome.held),
                    since: moment(outcome.since),
                    until: moment(outcome.until),
                }),
                Err(error) => Err((error.into(), asked.get())),
            },
            Stillness::Synced(_) => {
                freeze::sync(&self.volume.top).map_err(|error| (error.into(), false))?;
                let (answer, since, until) = ask();
                Ok(Taken {
                    answer,
                    is_sound: true,
                    held: None,
                    since: moment(since),
                    until: moment(until),
                })
            }
        }
    }

    fn tags(&self, begun: &Begun, source: &Source) -> Tags {
        let tags = [
            (TAG_FLEET, begun.fleet.clone()),
            (TAG_DEPLOY, begun.tag.clone()),
            (TAG_RELEASE, source.release().to_string()),
        ];
        Tags::from(tags.map(|(key, value)| (key.to_owned(), value)))
    }

    /// What stands in the ledger of the next attempt.
    fn entry(&self) -> Result<Begun, Failure> {
        let at = now();
        let attempt = self.pace.begun.fetch_add(1, Ordering::Relaxed) + 1;
        let who: String = self.who.chars().map(tag_character).take(100).collect();
        let process = std::process::id();
        Ok(Begun {
            tag: format!("{}/{who}/{process}/{at}/{attempt}", self.generation),
            fleet: self.volume.fleet.clone(),
            volume: self.volume.id.clone(),
            region: self.cloud.identity()?.region.clone(),
            at,
        })
    }

    /// Looks for what was begun, until it is seen or nobody need look any longer.
    fn search(&self, begun: &Begun) -> Result<Option<Snapshot>, Failure> {
        let start = Instant::now();
        loop {
            let mut found = find(self.cloud, begun)?;
            if let Some(snapshot) = found.pop() {
                return Ok(Some(snapshot));
            }
            if start.elapsed() >= self.cloud.wishes.settle {
                return Ok(None);
            }
            self.interrupts.wait(self.pace.look)?;
        }
    }

    fn delete(&self, id: &SnapshotId, tag: &str) -> Result<(), Failure> {
        match delete(self.cloud, id)? {
            Deletion::Done => self.lock.strike(tag),
            Deletion::NotSeen => Ok(()),
        }
    }
}

/// What came of an attempt.
enum Attempt {
    Done(Shot),
    Again(String),
}

/// A file system that was held still while a snapshot was asked for.
struct Taken {
    /// `None`: nobody waited for it any longer.
    answer: Option<Result<Snapshot, CloudError>>,
    is_sound: bool,
    held: Option<Duration>,
    since: Moment,
    until: Moment,
}
