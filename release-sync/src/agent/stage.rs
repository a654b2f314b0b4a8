//! Staging a release: from the plan to files that are all there, and their commit.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use release_core::{Manifest, ReleaseId};

use super::Event;
use super::alarm::trip;
use super::ask::{self, Asker, Lacking};
use super::beside::Beside;
use super::destination::{Destination, owners_of};
use super::fault::{Failure, chain, is_disk_trouble};
use super::limits::{Budget, PROGRESS};
use super::streams::Sender;
use super::times;
use super::worker::{FileOutcome, Outcome, Pool, Shared};
use crate::plan::{self, Action, Obstacle, Origin, Plan, Situation};
use crate::scan::Written;
use crate::session::MOST_REFUSALS;
use crate::store::{Keepsakes, Stage, WriteError, discard_stages};
use crate::unit::Units;
use crate::wire::{Ask, FaultKind, Payload, Refusal, Staged, ToController, Want};

/// A release that is being staged.
pub(super) struct Staging {
    pub(super) destination: Destination,
    pub(super) release: ReleaseId,
    pub(super) plan: Plan,
    /// What the commit leaves that is not the release's.
    pub(super) beside: Beside,
    pub(super) shared: Arc<Shared>,
    units: Arc<Units>,
    pub(super) pool: Pool,
    window: Arc<Budget>,
    want_sizes: Arc<Mutex<HashMap<u32, usize>>>,
    /// Units of which files came since their last answer ended.
    coming: HashSet<u32>,
    pub(super) may_ask: bool,
    /// Files that are neither staged nor refused yet.
    pending: HashSet<u32>,
    /// Is every want sent?
    asked: bool,
    pub(super) complete: bool,
    /// Files whose content comes from another entry, by that entry.
    twins: HashMap<u32, Vec<u32>>,
    pub(super) written: Written,
    pub(super) refused: u64,
    progress: (u64, u64),
    /// What there is of files that are not all there yet.
    growing: HashMap<u32, u64>,
    told: Instant,
    staged: Staged,
}

impl Staging {
    /// Plans, asks, and sets the writers to work.
    pub(super) fn start(
        destination: Destination,
        manifest: Manifest,
        may_ask: bool,
        events: &mpsc::Sender<Event>,
        budget: &Arc<Budget>,
        sender: &Sender,
    ) -> Result<Self, Failure> {
        let unusable = |error: io::Error| Failure::io(FaultKind::Destination, "staging", &error);
        let mut destination = destination;
        destination.look_for(&manifest)?;
        let release = manifest.release_id();
        let owners = destination
            .superuser
            .then(|| owners_of(&manifest, &destination.names));
        let stage = Stage::open(&destination.store.private, release).map_err(unusable)?;
        let leftovers = stage.sift(&manifest).map_err(unusable)?;
        let keepsakes = Keepsakes::gather(&destination.store, release).map_err(unusable)?;
        let scan = &mut destination.scan;
        let plan = plan::plan(&Situation {
            manifest: &manifest,
            tree: &scan.found,
            holding: &scan.excluded_in,
            mounts: &scan.mounts,
            kept: &keepsakes.digests,
            staged: &leftovers,
            owners: owners.as_ref(),
            delete: destination.begin.delete,
        });
        check_deletions(&plan, destination.begin.max_delete)?;
        times::check(&stage, &manifest, &plan)?;
        let beside = Beside::of(&plan, &scan.found, &scan.mounts, destination.begin.delete);
        let lacking = lacking(&plan);
        let shared = Arc::new(Shared {
            tree: Arc::new(std::mem::take(&mut scan.found)),
            root: destination.store.tree.try_clone().map_err(unusable)?,
            manifest: Arc::new(manifest),
            stage,
            keepsakes,
            owners,
            lacking,
            retried: Mutex::default(),
            given_up: AtomicBool::new(false),
            budget: Arc::clone(budget),
        });
        let units = Arc::new(Units::of(&shared.manifest));
        let mut staging = Self {
            staged: Staged {
                unchanged: plan.is_empty(),
                deletions: plan.deleted(),
                notes: notes(&beside, destination.superuser),
                ..destination.nothing_to_do(release)
            },
            pool: Pool::start(&shared, events),
            window: Arc::new(ask::window()),
            want_sizes: Arc::default(),
            coming: HashSet::new(),
            pending: HashSet::new(),
            asked: false,
            complete: false,
            twins: HashMap::new(),
            written: Written::new(Arc::clone(&shared.manifest)),
            refused: 0,
            progress: (0, 0),
            growing: HashMap::new(),
            told: Instant::now(),
            destination,
            release,
            plan,
            beside,
            shared,
            units,
            may_ask,
        };
        staging.set_to_work(events, sender)?;
        Ok(staging)
    }

    fn set_to_work(
        &mut self,
        events: &mpsc::Sender<Event>,
        sender: &Sender,
    ) -> Result<(), Failure> {
        if !self.plan.obstacles.is_empty() {
            for (entry, obstacle) in std::mem::take(&mut self.plan.obstacles) {
                self.refuse(entry, &describe(&obstacle), sender);
            }
            self.asked = true;
            return Ok(());
        }
        let lacking = Arc::clone(&self.shared.lacking);
        if !self.may_ask && !lacking.is_empty() {
            for lacking in &*lacking {
                self.refuse(lacking.entry, "its content was not kept", sender);
            }
            self.asked = true;
            return Ok(());
        }
        let asker = Asker {
            manifest: Arc::clone(&self.shared.manifest),
            units: Arc::clone(&self.units),
            tree: Arc::clone(&self.shared.tree),
            root: self
                .shared
                .root
                .try_clone()
                .map_err(|error| self.disk(&error))?,
            lacking,
            window: Arc::clone(&self.window),
            sizes: Arc::clone(&self.want_sizes),
        };
        asker.start(sender.clone(), events.clone());
        let Shared {
            manifest,
            stage,
            owners,
            ..
        } = &*self.shared;
        stage
            .prepare(manifest, &self.plan, owners.as_ref())
            .map_err(|error| self.disk(&error))?;
        for step in &self.plan.steps {
            let Action::File(origin) = step.action else {
                continue;
            };
            self.pending.insert(step.entry);
            match origin {
                Origin::Wanted { .. } => {}
                Origin::Twin(other) => self.twins.entry(other).or_default().push(step.entry),
                _ => self.pool.local(step.entry, origin),
            }
        }
        Ok(())
    }

    /// A payload frame came.
    pub(super) fn payload(&self, body: Vec<u8>) -> Result<(), Failure> {
        let unit = Payload::unit(&body)
            .map_err(|error| Failure::new(FaultKind::Protocol, error.to_string()))?;
        self.shared.budget.take_now(body.len());
        self.pool.payload(unit, body);
        Ok(())
    }

    /// Every want was sent.
    pub(super) fn asked(&mut self) {
        self.asked = true;
    }

    /// A writer has done something.
    pub(super) fn note(&mut self, outcome: Outcome, sender: &Sender) -> Result<(), Failure> {
        match outcome {
            Outcome::Nonsense(what) => return Err(Failure::new(FaultKind::Protocol, what)),
            Outcome::Local(file) => self.note_file(file, false, sender)?,
            Outcome::Payload {
                unit,
                answered,
                files,
                growing,
            } => {
                self.growing.extend(growing);
                if answered {
                    let size = self
                        .want_sizes
                        .lock()
                        .ok()
                        .and_then(|mut s| s.remove(&unit));
                    self.window.give_back(size.unwrap_or(0));
                }
                self.note_answer(unit, answered, !files.is_empty())?;
                for file in files {
                    self.note_file(file, true, sender)?;
                }
            }
        }
        if self.told.elapsed() >= PROGRESS {
            self.told = Instant::now();
            let (files, done) = self.progress;
            let bytes = self
                .growing
                .values()
                .fold(done, |sum, part| sum.saturating_add(*part));
            sender.send(&ToController::Progress { files, bytes });
        }
        Ok(())
    }

    /// An answer with no file in it leaves us waiting for ever.
    fn note_answer(&mut self, unit: u32, ends: bool, has_files: bool) -> Result<(), Failure> {
        if has_files {
            self.coming.insert(unit);
        }
        if ends && !self.coming.remove(&unit) {
            let what = "an answer without a file that was asked for";
            return Err(Failure::new(FaultKind::Protocol, what));
        }
        Ok(())
    }

    fn note_file(
        &mut self,
        file: FileOutcome,
        asked: bool,
        sender: &Sender,
    ) -> Result<(), Failure> {
        let FileOutcome {
            entry: index,
            result,
        } = file;
        let manifest = Arc::clone(&self.shared.manifest);
        let entry = &manifest.entries()[index as usize];
        let Some((size, _)) = entry.file().filter(|_| self.pending.contains(&index)) else {
            return Err(Failure::new(
                FaultKind::Protocol,
                "a file that was there already",
            ));
        };
        trip(&entry.path, "panics in the session");
        self.growing.remove(&index);
        match result {
            Ok(staged) => {
                self.pending.remove(&index);
                self.staged.literal_bytes += staged.literal;
                self.staged.matched_bytes += staged.matched;
                self.staged.local_bytes += staged.local;
                self.written.insert(staged.inode, index);
                if asked {
                    self.progress.0 += 1;
                    self.progress.1 += size;
                }
                for twin in self.twins.remove(&index).unwrap_or_default() {
                    self.pool.local(twin, Origin::Twin(index));
                }
            }
            Err(WriteError::Io(error)) if is_disk_trouble(&error) => {
                return Err(self.disk(&error));
            }
            // What was here is not what it was taken for, or the delta did not come out right.
            Err(_) if self.may_ask && self.shared.retry(index) => {
                self.ask_again(index, sender);
            }
            Err(error) => {
                self.pending.remove(&index);
                self.refuse(index, &chain(&error), sender);
                for twin in self.twins.remove(&index).unwrap_or_default() {
                    self.pending.remove(&twin);
                    self.refuse(twin, "the file with the same content failed", sender);
                }
            }
        }
        Ok(())
    }

    fn ask_again(&self, entry: u32, sender: &Sender) {
        if let Some(unit) = self.units.of_entry(entry) {
            sender.send_frame(Want::encode(unit, &[Ask { entry, basis: None }]));
        }
    }

    fn refuse(&mut self, entry: u32, reason: &str, sender: &Sender) {
        self.refused += 1;
        if self.refused <= MOST_REFUSALS as u64 {
            let reason = reason.chars().take(500).collect();
            sender.send(&ToController::Refusal(Refusal { entry, reason }));
        }
    }

    /// Files whose content came from the other side.
    pub(super) fn files_received(&self) -> u64 {
        self.progress.0
    }

    /// What to say when all is staged or refused; only once.
    pub(super) fn complete(&mut self) -> Option<Staged> {
        if self.complete || !self.asked || !self.pending.is_empty() {
            return None;
        }
        self.complete = true;
        self.pool.join();
        self.staged.refused = self.refused;
        Some(self.staged.clone())
    }

    /// The disk fails us. If it is full, what is staged gives its room back.
    fn disk(&mut self, error: &io::Error) -> Failure {
        let failure = Failure::io(FaultKind::Internal, "staging", error);
        self.pool.give_up(&self.shared);
        if failure.kind == FaultKind::NoSpace {
            // If that fails as well the next run sifts what is left.
            let _ = self.give_room();
        }
        failure
    }

    fn give_room(&self) -> io::Result<()> {
        let private = &self.destination.store.private;
        self.destination
            .rescue(&Stage::others(private, self.release)?)?;
        discard_stages(private)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // Whoever still asks or writes has nobody left to do it for.
        self.window.close();
        self.shared.given_up.store(true, Ordering::Relaxed);
        // The lock goes with the destination, after this: whoever takes it next is alone in the stage.
        self.pool.join();
    }
}

fn notes(beside: &Beside, superuser: bool) -> Vec<String> {
    let owners = "owners were left alone: only root can set them";
    let owners = (!superuser).then(|| owners.to_owned());
    beside.notes.iter().cloned().chain(owners).collect()
}

/// In the order of the manifest.
fn lacking(plan: &Plan) -> Arc<[Lacking]> {
    let wanted = plan.steps.iter().filter_map(|step| match step.action {
        Action::File(Origin::Wanted { basis }) => Some(Lacking {
            entry: step.entry,
            basis,
        }),
        _ => None,
    });
    wanted.collect()
}

fn check_deletions(plan: &Plan, limit: Option<u64>) -> Result<(), Failure> {
    match limit {
        Some(limit) if plan.deleted() > limit => Err(Failure::new(
            FaultKind::MaxDelete {
                would: plan.deleted(),
            },
            "",
        )),
        _ => Ok(()),
    }
}

/// Why an entry can't be put in place; short enough for a message.
pub(super) fn describe(obstacle: &Obstacle) -> String {
    let reason = match obstacle {
        Obstacle::Mount(mount) => format!("it lies in the mount at `{mount}`"),
        Obstacle::Directory => {
            String::from("a directory is in its way, with something in it that is to stay")
        }
        Obstacle::Unlisted => String::from("something is in its way that is excluded or protected"),
        Obstacle::Unreadable => String::from(
            "its owner may not read it, so whoever receives it without being root can't prove what is in it",
        ),
    };
    reason.chars().take(500).collect()
}
