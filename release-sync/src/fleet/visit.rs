//! One host's part in a run: reaching it, and a session with it.

mod change;
mod look;

use std::os::unix::ffi::OsStrExt;
use std::time::Instant;

use release_core::{Generation, ReleaseId, escape};

use super::Run;
use super::reach::{self, Reached};
use crate::drive::{Drive, Verdict};
use crate::session::{Controller, Goal, Patience, Step};
use crate::transport::Waker;
use crate::wire::{Begin, Have, Item, Planned, Purpose, Settled, Welcome};
use crate::{Counts, Error, Event, Host, HostState};

/// Notes of a host that are passed on.
const MOST_NOTES: usize = 20;

/// A host that is being visited.
pub(super) struct Visit<'a> {
    host: &'a Host,
    /// Its place among the hosts of the run.
    number: usize,
    run: &'a Run<'a>,
    started: Instant,
}

/// What sessions have shown, as far as they came.
#[derive(Default)]
pub(super) struct Findings {
    welcome: Option<(Welcome, Instant)>,
    have: Option<Have>,
    /// What it claimed to be when it was first heard of.
    had: Option<ReleaseId>,
    items: Vec<Item>,
    /// What a push would do, and why it would be refused.
    planned: Option<(Planned, Option<Error>)>,
    pub(super) unchanged: bool,
    committing: bool,
    settled: Option<Settled>,
    release: Option<ReleaseId>,
    notes: Vec<String>,
    pub(super) counts: Counts,
    /// When the session's first bytes were ready to go.
    asked: Option<Instant>,
}

impl<'a> Visit<'a> {
    pub(super) fn new((number, host): (usize, &'a Host), run: &'a Run<'a>) -> Self {
        Self {
            host,
            number,
            run,
            started: Instant::now(),
        }
    }

    /// Reaches the host and holds one session with it.
    fn converse(
        &self,
        goal: &Goal,
        begin: Begin,
        waker: &Waker,
        findings: &mut Findings,
        decide: &mut dyn FnMut() -> Verdict,
    ) -> Result<(), Error> {
        let Run {
            options,
            means,
            cancel,
            awaited,
            pace,
            ..
        } = self.run;
        let sleeper = waker.clone();
        let _listening = cancel.listen(move || sleeper.wake());
        self.state(HostState::Connecting);
        let mut session =
            Controller::new(goal.clone(), begin, Patience::of(options), Instant::now());
        let opening = session.opening();
        let reached = reach::reach(self.host, options, means, &opening, cancel)?;
        if let Some(text) = reached.remark() {
            self.remark(findings, text);
        }
        let Reached {
            mut transport,
            agent_bytes,
            opened,
            ..
        } = reached;
        findings.asked = Some(Instant::now());
        // Said of this session alone, once it has staged.
        findings.unchanged = false;
        let did_commit = findings.committing;
        session.handle_connected(opened, Instant::now());
        let paces = [pace.clone(), self.run.pace_of_one()];
        let mut drive = Drive {
            transport: transport.as_mut(),
            session: &mut session,
            awaited,
            reader: self.number,
            waker,
            cancel,
            paces: &paces,
        };
        let result = drive.run(
            &mut |step, session| self.note(step, session, findings),
            decide,
        );
        findings.add(session.counts(), agent_bytes, did_commit);
        transport.close();
        result
    }

    fn note(&self, step: Step, session: &Controller, findings: &mut Findings) {
        match step {
            Step::State(state) => {
                findings.committing |= state == HostState::Committing;
                self.state(state);
            }
            Step::Welcome(welcome) => findings.welcome = Some((welcome, Instant::now())),
            Step::Found(have) => {
                let had = have.marker.map(|(marker, _)| marker.release);
                findings.had = findings.had.or(had);
                findings.have = Some(have);
            }
            Step::Items(items) => findings.items.extend(items),
            Step::Planned(planned, refused) => findings.planned = Some((planned, refused)),
            Step::Progress { files, bytes } => {
                let (files_wanted, bytes_wanted) = session.wanted();
                self.run.monitor.event(Event::Progress {
                    host: &self.host.name,
                    // A host's word, which is not believed beyond what it has asked for.
                    files_done: files.min(files_wanted),
                    files_wanted,
                    bytes_done: bytes.min(bytes_wanted),
                    bytes_wanted,
                });
            }
            Step::Staged(staged) => {
                findings.unchanged = staged.unchanged;
                findings.release = Some(staged.release);
                for note in staged.notes.iter().take(MOST_NOTES) {
                    self.remark(findings, harmless(note));
                }
            }
            Step::Done(settled) => findings.settled = Some(settled),
        }
    }

    fn remark(&self, findings: &mut Findings, text: String) {
        self.run.monitor.event(Event::Note {
            host: &self.host.name,
            text: &text,
        });
        findings.notes.push(text);
    }

    fn state(&self, state: HostState) {
        self.run.monitor.event(Event::State {
            host: &self.host.name,
            state,
        });
    }

    fn begin(&self, purpose: Purpose, checksum: bool) -> Begin {
        let options = self.run.options;
        Begin {
            purpose,
            destination: self.host.destination.as_os_str().as_bytes().to_vec(),
            generation: self.run.generation,
            delete: options.delete,
            checksum,
            exclude: options.exclude.clone(),
            protect: options.protect.clone(),
            max_delete: options.max_delete,
            keep_undo: options.keep_undo,
            require_mount: options.require_mount,
            numeric_owner: options.numeric_owner,
            holder: options.holder.clone(),
            silence_seconds: options.silence.as_secs().clamp(1, 3600) as u32,
        }
    }

    fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }
}

impl Findings {
    /// Adds what one more session has cost. What was done for the host is what this session did; unless
    /// it only found that an earlier one, which was lost while it committed, had done it all.
    pub(super) fn add(&mut self, session: Counts, agent_bytes: u64, did_commit: bool) {
        let before = self.counts;
        let deeds = match did_commit && self.unchanged {
            true => before,
            false => session,
        };
        self.counts = Counts {
            bytes_sent: before.bytes_sent + session.bytes_sent,
            bytes_received: before.bytes_received + session.bytes_received,
            agent_bytes: before.agent_bytes + agent_bytes,
            ..deeds
        };
    }

    /// The generation of this run, if the host is known to have it.
    fn generation(&self, of_run: Generation) -> Option<Generation> {
        match &self.settled {
            Some(_) => Some(of_run),
            None => self
                .have
                .as_ref()?
                .marker
                .map(|(marker, _)| marker.generation),
        }
    }
}

fn harmless(text: &str) -> String {
    escape(text.chars().take(500).collect::<String>().as_bytes())
}
