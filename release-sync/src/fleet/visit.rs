//! One host's part in a run, from reaching it to its report.

use std::time::Instant;

use release_core::Generation;

use super::Fleet;
use super::cancel::Cancel;
use super::drive::{Drive, Verdict};
use super::gate::Gate;
use super::payload_cache::PayloadCache;
use super::reach::{self, Agents, Reached};
use super::slots::Slots;
use crate::session::{Controller, Goal, Step};
use crate::transport::Waker;
use crate::wire::{Begin, Have, Purpose, Settled};
use crate::{
    Counts, Error, Event, Host, HostReport, HostState, HostStatus, Monitor, Options, Outcome,
};

/// Notes of a host that are passed on.
const MOST_NOTES: usize = 20;

/// A host that is being visited.
pub(super) struct Visit<'a> {
    host: &'a Host,
    options: &'a Options,
    agents: &'a Agents,
    cancel: &'a Cancel,
    monitor: &'a dyn Monitor,
    started: Instant,
}

/// What a session has shown, as far as it came.
#[derive(Default)]
struct Findings {
    have: Option<Have>,
    unchanged: bool,
    undone: bool,
    settled: Option<Settled>,
    release: Option<release_core::ReleaseId>,
    notes: Vec<String>,
    counts: Counts,
}

impl<'a> Visit<'a> {
    pub(super) fn new(
        host: &'a Host,
        fleet: &'a Fleet,
        agents: &'a Agents,
        monitor: &'a dyn Monitor,
    ) -> Self {
        let Fleet {
            options, cancel, ..
        } = fleet;
        Self {
            host,
            options,
            agents,
            cancel,
            monitor,
            started: Instant::now(),
        }
    }

    /// Stages, waits for the others, commits.
    pub(super) fn change(
        &self,
        goal: &Goal,
        cache: Option<&PayloadCache>,
        generation: Generation,
        gate: &Gate,
        slots: &Slots,
    ) -> HostReport {
        let undone = matches!(goal, Goal::Undo);
        let mut findings = Findings {
            undone,
            ..Findings::default()
        };
        let waker = match Waker::new() {
            Ok(waker) => waker,
            Err(source) => {
                let error = Error::Transport {
                    doing: "starting",
                    source,
                };
                return self.report(findings, generation, Err(error));
            }
        };
        let mut slot = Some(slots.take());
        let mut arrived = false;
        let mut result = self.converse(
            goal,
            cache,
            self.begin(Purpose::Push, generation, self.options.checksum),
            &waker,
            &mut findings,
            &mut || {
                // The transfer is over: the next host may have the place.
                drop(slot.take());
                if !std::mem::replace(&mut arrived, true) {
                    gate.arrive(&waker);
                    cache.into_iter().for_each(PayloadCache::leave);
                }
                gate.verdict()
            },
        );
        if !arrived {
            gate.arrive(&waker);
            cache.into_iter().for_each(PayloadCache::leave);
        }
        // What the host can only call a failed file is a changed one, as seen from here.
        if let (Err(Error::Files { .. }), Some(path)) =
            (&result, cache.and_then(PayloadCache::changed))
        {
            result = Err(Error::SourceChanged { path });
        }
        self.report(findings, generation, result)
    }

    /// Looks, and changes nothing.
    pub(super) fn inspect(&self, verify: bool) -> HostStatus {
        let mut findings = Findings::default();
        let begin = self.begin(Purpose::Inspect, Generation::default(), verify);
        let result = Waker::new()
            .map_err(|source| Error::Transport {
                doing: "starting",
                source,
            })
            .and_then(|waker| {
                let decide = &mut || Verdict::Abort;
                self.converse(&Goal::Inspect, None, begin, &waker, &mut findings, decide)
            });
        let have = findings.have;
        let marker = have.as_ref().and_then(|have| have.marker);
        let (files, bytes) = have
            .as_ref()
            .map_or((0, 0), |have| (have.files, have.bytes));
        let proof = have.as_ref().and_then(|have| have.intact);
        HostStatus {
            host: self.host.name.clone(),
            marker,
            intact: marker.map(|_| proof.is_some()),
            proof,
            files,
            bytes,
            seconds: self.started.elapsed().as_secs_f64(),
            error: result.err(),
        }
    }

    fn converse(
        &self,
        goal: &Goal,
        cache: Option<&PayloadCache>,
        begin: Begin,
        waker: &Waker,
        findings: &mut Findings,
        decide: &mut dyn FnMut() -> Verdict,
    ) -> Result<(), Error> {
        self.state(HostState::Connecting);
        let silence = self.options.silence;
        let mut session = Controller::new(goal.clone(), begin, silence, Instant::now());
        let opening = session.opening();
        let Reached {
            mut transport,
            agent_bytes,
            opened,
        } = reach::reach(self.host, self.options, self.agents, &opening)?;
        session.handle_connected(opened, Instant::now());
        let mut drive = Drive {
            transport: transport.as_mut(),
            session: &mut session,
            cache,
            waker,
            cancel: self.cancel,
        };
        let result = drive.run(
            &mut |step, session| self.note(step, session, findings),
            decide,
        );
        findings.counts = Counts {
            agent_bytes,
            ..session.counts()
        };
        transport.close();
        result
    }

    fn note(&self, step: Step, session: &Controller, findings: &mut Findings) {
        match step {
            Step::State(state) => self.state(state),
            Step::Found(have) => findings.have = Some(have),
            Step::Progress { files, bytes } => {
                let (files_wanted, bytes_wanted) = session.wanted();
                self.monitor.event(Event::Progress {
                    host: &self.host.name,
                    files_done: files,
                    files_wanted,
                    bytes_done: bytes,
                    bytes_wanted,
                });
            }
            Step::Staged(staged) => {
                findings.unchanged = staged.unchanged;
                findings.release = Some(staged.release);
                let notes = staged.notes.iter().map(|note| harmless(note));
                for text in notes.take(MOST_NOTES) {
                    self.monitor.event(Event::Note {
                        host: &self.host.name,
                        text: &text,
                    });
                    findings.notes.push(text);
                }
            }
            Step::Done(settled) => findings.settled = Some(settled),
        }
    }

    fn state(&self, state: HostState) {
        self.monitor.event(Event::State {
            host: &self.host.name,
            state,
        });
    }

    fn begin(&self, purpose: Purpose, generation: Generation, checksum: bool) -> Begin {
        use std::os::unix::ffi::OsStrExt;
        let options = self.options;
        Begin {
            purpose,
            destination: self.host.destination.as_os_str().as_bytes().to_vec(),
            generation,
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

    fn report(
        &self,
        findings: Findings,
        generation: Generation,
        result: Result<(), Error>,
    ) -> HostReport {
        let (outcome, error) = match result {
            Ok(()) if findings.settled.is_some() && findings.unchanged => {
                (Outcome::Unchanged, None)
            }
            Ok(()) if findings.settled.is_some() && findings.undone => (Outcome::Undone, None),
            Ok(()) if findings.settled.is_some() => (Outcome::Committed, None),
            Ok(()) => (Outcome::Failed, Some(Error::Cancelled)),
            Err(error @ Error::ReadOnly { .. }) => (Outcome::ReadOnly, Some(error)),
            Err(error @ (Error::NotMounted { .. } | Error::Connect { .. })) => {
                (Outcome::Deferred, Some(error))
            }
            Err(error) => (Outcome::Failed, Some(error)),
        };
        let settled = findings.settled.as_ref();
        let before = findings
            .have
            .as_ref()
            .and_then(|have| have.marker)
            .map(|(marker, _)| marker);
        HostReport {
            host: self.host.name.clone(),
            outcome,
            proof: settled.map(|settled| settled.proof.class),
            release: match settled {
                Some(_) => findings.release,
                None => before.map(|marker| marker.release),
            },
            generation: match settled {
                Some(_) => Some(generation),
                None => before.map(|marker| marker.generation),
            },
            counts: findings.counts,
            seconds: self.started.elapsed().as_secs_f64(),
            notes: findings.notes,
            error,
        }
    }
}

fn harmless(text: &str) -> String {
    release_core::escape(text.chars().take(500).collect::<String>().as_bytes())
}
