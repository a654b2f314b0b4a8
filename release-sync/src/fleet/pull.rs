//! Bringing a tree from a host: a push with the roles exchanged.
//!
//! The host's agent gives its tree out, as a controller does; here an agent's thread receives it into a
//! local directory, staged, verified and committed as everywhere. This thread carries bytes between that
//! one and the transport.

mod carrier;

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Instant;

use release_core::{Generation, escape};

use self::carrier::Carrier;
use super::reach::{self, Means, Reached};
use crate::agent::{Latch, Received, Receiver};
use crate::session::error_of;
use crate::wire::{self, Begin, Purpose, Supply, ToAgent, control};
use crate::{Cancel, Counts, Error, Event, Host, HostReport, HostState, Monitor, Options, Outcome};

/// What errors say that was being done.
const DOING: &str = "receiving";

/// Makes a local directory equal to a tree on a host: a push with the roles exchanged. The host's
/// `destination` is the tree that is read; nothing is changed there. `into` is made if it is missing.
///
/// Of the options, `delete`, `protect`, `max_delete` and `keep_undo` hold for the local directory, the
/// others for both. What was there before is kept in its `.release/undo`.
///
/// A cancelled pull leaves the local directory as it was, unless its commit was begun: that is completed.
/// The directory may stay locked for a moment, until a thread that is reading in it has found out.
pub fn pull(
    host: &Host,
    into: &Path,
    options: &Options,
    cancel: &Cancel,
    monitor: &dyn Monitor,
) -> HostReport {
    let started = Instant::now();
    let (mut counts, mut notes) = (Counts::default(), Vec::new());
    let pull = Pull {
        host,
        options,
        cancel,
        monitor,
    };
    let result = pull.bring(into, &mut counts, &mut notes);
    let mut report = HostReport {
        host: host.name.clone(),
        outcome: Outcome::Failed,
        proof: None,
        release: None,
        generation: None,
        counts,
        seconds: started.elapsed().as_secs_f64(),
        notes,
        error: None,
    };
    match result {
        Ok(Received {
            staged: Some(staged),
            settled: Some(settled),
            files,
            ..
        }) => {
            report.outcome = if staged.unchanged {
                Outcome::Unchanged
            } else {
                Outcome::Committed
            };
            report.proof = Some(settled.proof.class);
            report.release = Some(staged.release);
            report.notes.extend(staged.notes);
            report.counts.files_sent = files;
            report.counts.files_deleted = settled.deleted;
            report.counts.literal_bytes = staged.literal_bytes;
            report.counts.matched_bytes = staged.matched_bytes;
            report.counts.local_bytes = staged.local_bytes;
        }
        Ok(_) => {
            let stderr = String::new();
            report.error = Some(Error::Disconnected {
                doing: DOING,
                stderr,
            });
        }
        Err(error) => report.error = Some(error),
    }
    for text in &report.notes {
        let host = &host.name;
        monitor.event(Event::Note { host, text });
    }
    monitor.event(Event::Finished { report: &report });
    report
}

struct Pull<'a> {
    host: &'a Host,
    options: &'a Options,
    cancel: &'a Cancel,
    monitor: &'a dyn Monitor,
}

impl Pull<'_> {
    fn bring(
        &self,
        into: &Path,
        counts: &mut Counts,
        notes: &mut Vec<String>,
    ) -> Result<Received, Error> {
        let Self {
            host,
            options,
            cancel,
            ..
        } = self;
        super::check(options)?;
        options.ssh_of(host)?;
        self.tell(HostState::Connecting);
        let mut opening = wire::greeting();
        opening.extend(control(&ToAgent::Supply(supply(host, options))));
        let reached = reach::reach(host, options, &Means::to_work(), &opening, cancel)?;
        notes.extend(reached.remark());
        let Reached {
            mut transport,
            agent_bytes,
            opened,
            ..
        } = reached;
        self.tell(HostState::Staging);
        let begin = begin(into, options);
        let receiver = Receiver {
            begin: begin.clone(),
            stall: options.stall,
            latch: Latch::default(),
        };
        let mut carrier = Carrier::start(receiver, if opened { Vec::new() } else { opening })?;
        let carried = carrier.carry(transport.as_mut(), options.silence, cancel, &|received| {
            self.progress(received);
        });
        (counts.bytes_sent, counts.bytes_received) = (carrier.sent, carrier.received);
        counts.agent_bytes = agent_bytes;
        transport.close();
        if let Err(error @ Error::Cancelled) = carried {
            carrier.leave();
            return Err(error);
        }
        self.judge(carrier.finish(), carried, &begin)
    }

    /// What the receiver has to say is better than what was seen of the connection.
    fn judge(
        &self,
        received: Received,
        carried: Result<(), Error>,
        begin: &Begin,
    ) -> Result<Received, Error> {
        if let Some(reason) = &received.refused {
            return Err(Error::Supply {
                reason: escape(reason.as_bytes()),
            });
        }
        if let Some(fault) = &received.fault {
            return Err(error_of(fault.clone(), begin));
        }
        if received.stalled {
            return Err(Error::Stalled {
                doing: DOING,
                patience: self.options.stall,
            });
        }
        if received.settled.is_none() {
            carried?;
        }
        Ok(received)
    }

    /// How much there is to come only the receiver knows.
    fn progress(&self, bytes_done: u64) {
        self.monitor.event(Event::Progress {
            host: &self.host.name,
            files_done: 0,
            files_wanted: 0,
            bytes_done,
            bytes_wanted: 0,
        });
    }

    fn tell(&self, state: HostState) {
        self.monitor.event(Event::State {
            host: &self.host.name,
            state,
        });
    }
}

fn supply(host: &Host, options: &Options) -> Supply {
    Supply {
        source: host.destination.as_os_str().as_bytes().to_vec(),
        exclude: options.exclude.clone(),
        checksum: options.checksum,
        numeric_owner: options.numeric_owner,
        allow_empty: options.allow_empty,
        silence_seconds: options.silence.as_secs().clamp(1, 3600) as u32,
    }
}

fn begin(into: &Path, options: &Options) -> Begin {
    Begin {
        purpose: Purpose::Pull,
        destination: into.as_os_str().as_bytes().to_vec(),
        generation: Generation::default(),
        delete: options.delete,
        checksum: options.checksum,
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
