//! Staging a release: from the plan to files that are all there, and their commit.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use release_core::{Manifest, RelPath, ReleaseId};

use super::Event;
use super::alarm::trip;
use super::ask::{self, Asker, Lacking};
use super::destination::{Destination, observe_after, owners_of};
use super::fault::{Failure, chain};
use super::limits::{Budget, PROGRESS};
use super::streams::Sender;
use super::worker::{FileOutcome, Outcome, Pool, Shared};
use crate::plan::{self, Action, Obstacle, Origin, Plan, Situation};
use crate::scan::{Written, settle_now};
use crate::session::MOST_REFUSALS;
use crate::store::{Commit, Keepsakes, Stage, Undo, WriteError, discard_stages};
use crate::unit::Units;
use crate::wire::{Ask, FaultKind, Payload, Refusal, Settled, Staged, ToController, Want};

/// Longest path in a note, in characters.
const MAX_SHOWN: usize = 300;

/// A release that is being staged.
pub(super) struct Staging {
    destination: Destination,
    release: ReleaseId,
    plan: Plan,
    shared: Arc<Shared>,
    units: Arc<Units>,
    pool: Pool,
    window: Arc<Budget>,
    want_sizes: Arc<Mutex<HashMap<u32, usize>>>,
    /// Units of which files came since their last answer ended.
    coming: HashSet<u32>,
    may_ask: bool,
    /// Files that are neither staged nor refused yet.
    pending: HashSet<u32>,
    /// Is every want sent?
    asked: bool,
    complete: bool,
    /// Files whose content comes from another entry, by that entry.
    twins: HashMap<u32, Vec<u32>>,
    written: Written,
    refused: u64,
    progress: (u64, u64),
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
        let lacking = lacking(&plan);
        let shared = Arc::new(Shared {
            tree: Arc::new(std::mem::take(&mut scan.found)),
            root: destination.store.tree.try_clone().map_err(unusable)?,
            manifest: Arc::new(manifest),
            stage,
            keepsakes,
            owners,
            lacking: lacking
                .iter()
                .map(|lacking| (lacking.entry, lacking.basis))
                .collect(),
            retried: Mutex::default(),
            given_up: AtomicBool::new(false),
            budget: Arc::clone(budget),
        });
        let units = Arc::new(Units::of(&shared.manifest));
        let mut staging = Self {
            staged: destination.nothing_to_do(release),
            pool: Pool::start(&shared, events),
            window: Arc::new(ask::window()),
            want_sizes: Arc::default(),
            coming: HashSet::new(),
            pending: HashSet::new(),
            asked: false,
            complete: false,
            twins: HashMap::new(),
            written: Written::default(),
            refused: 0,
            progress: (0, 0),
            told: Instant::now(),
            destination,
            release,
            plan,
            shared,
            units,
            may_ask,
        };
        staging.set_to_work(lacking, events, sender)?;
        Ok(staging)
    }

    fn set_to_work(
        &mut self,
        lacking: Vec<Lacking>,
        events: &mpsc::Sender<Event>,
        sender: &Sender,
    ) -> Result<(), Failure> {
        self.staged.unchanged = self.plan.is_empty();
        self.staged.deletions = self.plan.deleted();
        self.note_kept();
        if !self.plan.obstacles.is_empty() {
            for (entry, obstacle) in std::mem::take(&mut self.plan.obstacles) {
                self.refuse(entry, &describe(&obstacle), sender);
            }
            self.asked = true;
            return Ok(());
        }
        if !self.may_ask && !lacking.is_empty() {
            for lacking in &lacking {
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
            } => {
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
            let (files, bytes) = self.progress;
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
        let Some((size, digest)) = entry.file().filter(|_| self.pending.contains(&index)) else {
            return Err(Failure::new(
                FaultKind::Protocol,
                "a file that was there already",
            ));
        };
        trip(&entry.path, "panics in the session");
        match result {
            Ok(staged) => {
                self.pending.remove(&index);
                self.staged.literal_bytes += staged.literal;
                self.staged.matched_bytes += staged.matched;
                self.staged.local_bytes += staged.local;
                self.written
                    .insert(staged.inode, staged.size, staged.mtime, digest);
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

    /// Makes it current, and proves it.
    pub(super) fn commit(mut self, release: ReleaseId) -> Result<Settled, Failure> {
        if release != self.release || !self.complete || self.refused > 0 {
            return Err(Failure::new(
                FaultKind::Protocol,
                "a commit of what is not staged",
            ));
        }
        self.pool.join();
        let failed = |doing: &'static str| {
            move |error: io::Error| Failure::io(FaultKind::Commit, doing, &error)
        };
        let Shared {
            manifest,
            stage,
            tree,
            owners,
            ..
        } = &*self.shared;
        let store = &self.destination.store;
        store
            .sync()
            .map_err(failed("writing back what is staged"))?;
        let undo = self.begin_undo().map_err(failed("beginning the undo"))?;
        let commit = Commit {
            store,
            stage,
            manifest,
            tree,
            plan: &self.plan,
            owners: owners.as_ref(),
            undo,
        };
        let committed = commit
            .run()
            .map_err(|error| Failure::new(FaultKind::Commit, chain(&error)))?;
        for &(old, entry) in &committed.untouched {
            let (old, entry) = (&tree[old as usize], &manifest.entries()[entry as usize]);
            if let Some((size, digest)) = old.file() {
                self.written
                    .insert(old.stamp.inode, size, entry.meta.mtime, digest);
            }
        }
        settle_now();
        let scan = observe_after(&self.destination, &self.written)
            .map_err(failed("scanning the new tree"))?;
        self.destination
            .names
            .prefer(manifest.users(), manifest.groups());
        let spared = self.spared();
        let counts = |path: &RelPath| !spared(path) || manifest.find(path).is_some();
        let observed = scan
            .manifest_of(&self.destination.names, counts)
            .map_err(|error| Failure::new(FaultKind::Commit, chain(&error)))?;
        let proof = self.destination.proof_of(release, &observed);
        if !self.is_proof(&proof) {
            return Ok(Settled {
                proof,
                deleted: committed.deleted,
                notes: Vec::new(),
            });
        }
        self.destination
            .record(release, Some(manifest), &scan)
            .and_then(|()| self.conclude(commit))
            .map_err(failed("writing the marker"))?;
        Ok(Settled {
            proof,
            deleted: committed.deleted,
            notes: Vec::new(),
        })
    }

    /// What may stand in the tree beside the release: everything where nothing is deleted, else
    /// directories with something in them that is to stay.
    fn spared(&self) -> impl Fn(&RelPath) -> bool {
        let kept = self
            .plan
            .kept
            .iter()
            .map(|&old| self.shared.tree[old as usize].path.clone());
        let kept: HashSet<RelPath> = kept.collect();
        let delete = self.destination.begin.delete;
        move |path| !delete || kept.contains(path)
    }

    fn begin_undo(&self) -> io::Result<Option<Undo>> {
        if !self.destination.begin.keep_undo || self.plan.is_empty() {
            return Ok(None);
        }
        let Some(old) = self.destination.standing() else {
            return Ok(None);
        };
        // Only going back asks for nothing.
        let restored = (!self.may_ask).then_some(self.release);
        let Destination { store, marker, .. } = &self.destination;
        Undo::begin(store, &old, marker.as_ref(), restored).map(Some)
    }

    /// Clears away what a proven tree needs no more. One that needed no change keeps its undo.
    fn conclude(&self, commit: Commit<'_>) -> io::Result<()> {
        if !self.plan.is_empty() {
            return commit.clean_up();
        }
        let standing = self
            .destination
            .standing()
            .map_or(self.release, |tree| tree.release_id());
        self.destination.conclude(standing)
    }

    fn is_proof(&self, proof: &release_core::Proof) -> bool {
        *proof == self.shared.manifest.proof(proof.class)
    }

    /// The disk fails us. If it is full, what is staged gives its room back.
    fn disk(&mut self, error: &io::Error) -> Failure {
        let failure = Failure::io(FaultKind::Internal, "staging", error);
        self.pool.give_up(&self.shared);
        if failure.kind == FaultKind::NoSpace {
            // If that fails as well the next run sifts what is left.
            let _ = discard_stages(&self.destination.store.private);
        }
        failure
    }

    fn note_kept(&mut self) {
        for &old in self.plan.kept.iter().take(10) {
            let path = &self.shared.tree[old as usize].path;
            // A path can be as long as a frame; all that it is for here is to be read by people.
            let path: String = path.to_string().chars().take(MAX_SHOWN).collect();
            let note = format!("`{path}` stays: something in it is excluded or protected");
            self.staged.notes.push(note);
        }
        if !self.destination.superuser {
            let note = "owners were left alone: only root can set them";
            self.staged.notes.push(note.to_owned());
        }
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

fn lacking(plan: &Plan) -> Vec<Lacking> {
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

fn describe(obstacle: &Obstacle) -> String {
    match obstacle {
        Obstacle::Mount(mount) => format!("it lies in the mount at `{mount}`"),
        Obstacle::Directory => {
            String::from("a directory is in its way, with something in it that is to stay")
        }
    }
}

/// Trouble that the next file would have as well.
fn is_disk_trouble(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(
        Errno::from_io_error(error),
        Some(Errno::NOSPC | Errno::DQUOT | Errno::ROFS | Errno::IO)
    )
}
