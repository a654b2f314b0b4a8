//! What a host says, one method a message: whether it may say it, and what follows from it.

use std::sync::Arc;

use release_core::{Proof, ProofClass, RelPath, escape};

use super::phase::Phase;
use super::{Controller, Goal, Step};
use crate::session::fault::error_of;
use crate::wire::{
    Frame, FrameKind, Have, Item, Planned, Purpose, Refusal, Settled, Staged, ToAgent,
    ToController, Want, Welcome, WireError, control,
};
use crate::{Error, HostState};

/// Refusals that a host may name one by one; it counts the others.
pub(crate) const MOST_REFUSALS: usize = 100;

/// Changes that a host may list: bounds what a hostile one can fill memory with.
const MOST_ITEMS: u64 = 4_000_000;

/// Bytes of their paths and letters, together.
const MOST_ITEM_BYTES: u64 = 512 << 20;

impl Controller {
    pub(super) fn handle_frame(&mut self, frame: Frame) -> Result<(), Error> {
        match frame.kind {
            FrameKind::Want => self.handle_want(Want::decode(frame.body).map_err(protocol)?),
            FrameKind::Control => {
                self.handle_message(ToController::decode(&frame.body).map_err(protocol)?)
            }
            FrameKind::Manifest | FrameKind::Payload => {
                Err(broken("it sent what only a controller sends"))
            }
        }
    }

    fn handle_message(&mut self, message: ToController) -> Result<(), Error> {
        let now = self.liveness.heard;
        match message {
            ToController::KeepAlive => return self.liveness.handle_small_talk(),
            ToController::Working { done } => {
                self.liveness.headway.claim(done, now);
                return self.liveness.handle_small_talk();
            }
            ToController::Progress { files, bytes } if self.phase == Phase::Staging => {
                self.liveness.handle_staged(files, bytes);
                self.steps.push_back(Step::Progress { files, bytes });
                return self.liveness.handle_small_talk();
            }
            // Nothing more is expected of a session that is over.
            _ if self.phase == Phase::Over => {}
            _ => self.liveness.headway.note(now),
        }
        match (self.phase, message) {
            (_, ToController::Fault(fault)) => Err(error_of(fault, &self.begin)),
            (Phase::Opening, ToController::Welcome(welcome)) => {
                self.handle_welcome(welcome);
                Ok(())
            }
            (Phase::Scanning, ToController::Have(have)) => self.handle_have(have),
            (Phase::Staging, ToController::WantEnd { .. }) => self.handle_want_end(),
            (Phase::Staging, ToController::Refusal(refusal)) => self.handle_refusal(refusal),
            (Phase::Staging, ToController::Staged(staged)) => self.handle_staged(staged),
            (Phase::Staging, ToController::Items(items)) => self.handle_items(items),
            (Phase::Staging, ToController::Planned(planned)) => self.handle_planned(planned),
            (Phase::Committing, ToController::Done(settled)) => self.handle_done(settled),
            // An agent that was told to stop may have said something before it heard of it.
            (Phase::Over, _) => Ok(()),
            (phase, _) => Err(broken(format!(
                "an unexpected message while {}",
                phase.doing()
            ))),
        }
    }

    /// Once only: whatever could be repeated for ever would pass for work.
    fn handle_want_end(&mut self) -> Result<(), Error> {
        match std::mem::replace(&mut self.has_asked, true) {
            true => Err(broken("it ended its wants twice")),
            false => Ok(()),
        }
    }

    fn handle_refusal(&mut self, refusal: Refusal) -> Result<(), Error> {
        self.refusals.push(refusal);
        match self.refusals.len() > MOST_REFUSALS {
            true => Err(broken("it refused more files than it may name")),
            false => Ok(()),
        }
    }

    fn handle_welcome(&mut self, welcome: Welcome) {
        self.superuser = welcome.superuser;
        self.steps.push_back(Step::Welcome(welcome));
        if self.begin.purpose == Purpose::Probe {
            self.part();
        } else {
            self.enter(Phase::Scanning, Some(HostState::Scanning));
        }
    }

    fn handle_have(&mut self, have: Have) -> Result<(), Error> {
        if have.proofs.len() > 2 {
            return Err(broken("it has more proofs than there are classes"));
        }
        self.offer(have);
        Ok(())
    }

    /// Answers what the host has, as the goal says.
    pub(super) fn offer(&mut self, have: Have) {
        match &self.goal {
            Goal::Await => {
                self.found = Some(have);
                self.phase = Phase::Scanned;
                return;
            }
            Goal::Push(release) => {
                self.target = Some(release.id);
                // Without owners a tree may be a release whose manifest the host has never seen, and against
                // which nobody could hold it later: then it gets that.
                let claimed = have.marker.map(|(marker, _)| marker.release);
                let knows =
                    |proof: &Proof| proof.class == ProofClass::Full || claimed == Some(release.id);
                if have
                    .proofs
                    .iter()
                    .any(|proof| release.is_proven_by(proof, self.superuser) && knows(proof))
                {
                    self.outbox.push(control(&ToAgent::Same(release.id)));
                } else {
                    let frames = release.frames_for(&have.proofs);
                    frames
                        .iter()
                        .for_each(|f| self.outbox.push_shared(Arc::clone(f)));
                }
                self.enter(Phase::Staging, Some(HostState::Staging));
            }
            Goal::Undo { from, .. } => {
                let undo = from.map_or(ToAgent::Undo, ToAgent::UndoFrom);
                self.outbox.push(control(&undo));
                self.enter(Phase::Staging, Some(HostState::Staging));
            }
            Goal::Inspect => self.part(),
            Goal::Plan(release) => {
                release
                    .frames()
                    .iter()
                    .for_each(|f| self.outbox.push_shared(Arc::clone(f)));
                self.enter(Phase::Staging, None);
            }
        }
        self.steps.push_back(Step::Found(have));
    }

    /// The agent has said its last word and ends by itself: a goodbye would find nobody.
    fn part(&mut self) {
        self.phase = Phase::Over;
    }

    pub(super) fn handle_items(&mut self, items: Vec<Item>) -> Result<(), Error> {
        self.items += items.len() as u64;
        let bytes = |item: &Item| (item.path.len() + item.flags.len()) as u64;
        self.item_bytes += items.iter().map(bytes).sum::<u64>();
        let Purpose::Plan { itemize: true } = self.begin.purpose else {
            return Err(broken("it listed changes that nobody asked for"));
        };
        if items.is_empty() {
            return Err(broken("it listed no changes at all"));
        }
        if self.items > MOST_ITEMS || self.item_bytes > MOST_ITEM_BYTES {
            return Err(broken("it listed more changes than there can be"));
        }
        self.steps.push_back(Step::Items(items));
        Ok(())
    }

    fn handle_planned(&mut self, planned: Planned) -> Result<(), Error> {
        if !matches!(self.goal, Goal::Plan(_)) {
            return Err(broken("it planned what it was to do"));
        }
        let refused = match planned.refused {
            0 => None,
            count => Some(self.refused(count)),
        };
        self.steps.push_back(Step::Planned(planned, refused));
        self.part();
        Ok(())
    }

    fn handle_want(&mut self, want: Want) -> Result<(), Error> {
        let Goal::Push(release) = &self.goal else {
            return Err(broken("it asked for files that there are none of"));
        };
        if self.phase != Phase::Staging {
            return Err(broken(format!(
                "it asked for files while {}",
                self.phase.doing()
            )));
        }
        self.asking.take(want, release).map_err(broken)?;
        self.liveness.headway.note(self.liveness.heard);
        Ok(())
    }

    fn handle_staged(&mut self, staged: Staged) -> Result<(), Error> {
        if !self.asking.is_satisfied() {
            return Err(broken("it was done before it had what it asked for"));
        }
        if staged.refused > 0 {
            self.abort();
            return Err(self.refused(staged.refused));
        }
        match &self.goal {
            Goal::Push(release) if staged.release != release.id => {
                return Err(broken("it staged another release"));
            }
            Goal::Undo { to: Some(to), .. } if staged.release != *to => {
                let (kept, wanted) = (staged.release, *to);
                self.abort();
                return Err(Error::OtherUndo { kept, wanted });
            }
            Goal::Push(_) | Goal::Undo { .. } => self.target = Some(staged.release),
            Goal::Await | Goal::Inspect | Goal::Plan(_) => {
                return Err(broken("it staged what it was only to look at"));
            }
        }
        self.counts.literal_bytes = staged.literal_bytes;
        self.counts.matched_bytes = staged.matched_bytes;
        self.counts.local_bytes = staged.local_bytes;
        self.enter(Phase::Staged, Some(HostState::Staged));
        self.steps.push_back(Step::Staged(staged));
        Ok(())
    }

    fn refused(&self, count: u64) -> Error {
        let entries = match &self.goal {
            Goal::Push(release) | Goal::Plan(release) => release.manifest.entries(),
            _ => &[],
        };
        let first = self.refusals.first();
        let entry = first.and_then(|refusal| entries.get(refusal.entry as usize));
        Error::Files {
            count,
            first: entry.map_or_else(RelPath::root, |entry| entry.path.clone()),
            reason: first.map_or_else(String::new, |refusal| escape(refusal.reason.as_bytes())),
        }
    }

    fn handle_done(&mut self, settled: Settled) -> Result<(), Error> {
        let proven = match &self.goal {
            Goal::Push(release) => release.is_proven_by(&settled.proof, self.superuser),
            // The agent has compared with the manifest that it kept.
            _ => true,
        };
        self.phase = Phase::Over;
        if !proven {
            return match self.target {
                Some(release) => Err(Error::NotProven { release }),
                None => Err(broken("it committed what was never staged")),
            };
        }
        self.counts.files_deleted = settled.deleted;
        self.steps.push_back(Step::Done(settled));
        Ok(())
    }
}

pub(super) fn broken(what: impl Into<String>) -> Error {
    Error::Protocol { what: what.into() }
}

pub(super) fn protocol(error: WireError) -> Error {
    broken(error.to_string())
}
