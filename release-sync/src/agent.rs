//! The process on a host: serves one session on a pair of streams.
//!
//! ```text
//! input → reader thread → events → the session's thread → tasks → writer threads → stage
//!                                        ↑ results ←──────────────────┘
//! output ← sender thread ← frames ←──────┴── asker thread (signatures of old files)
//! ```
//! The session's thread never blocks on the input or the output, so both directions flow at once
//! whatever the network does.

mod ask;
mod destination;
mod fault;
mod limits;
mod stage;
mod streams;
mod worker;

use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use release_core::{Manifest, ReleaseId};

use self::destination::Destination;
use self::fault::Failure;
use self::limits::Budget;
use self::stage::Staging;
use self::streams::Sender;
use crate::session::{self, Order};
use crate::wire::{FaultKind, Settled, ToController};

/// What the session's thread is told.
#[derive(Debug)]
enum Event {
    /// Bytes from the controller.
    Bytes(Vec<u8>),
    /// The controller's stream ended.
    End,
    /// The asker has sent every want.
    Asked(ToController),
    /// A writer has done something.
    Worked(worker::Outcome),
}

/// Serves one session, from the greeting to its end.
///
/// `limit` confines it to a directory: a forced command's `--root`. Returns when the controller has
/// what it came for, has gone, or has been silent for too long; whatever happened was said to it.
pub fn serve(
    input: impl Read + Send + 'static,
    output: impl Write + Send + 'static,
    limit: Option<PathBuf>,
) {
    let (events, received) = std::sync::mpsc::channel();
    let budget = Arc::new(Budget::new(limits::INPUT_BYTES));
    let sender = Sender::start(output);
    streams::start_reader(input, events.clone(), Arc::clone(&budget));
    let mut server = Server {
        session: session::Agent::new(),
        sender,
        budget,
        events,
        limit,
        silence: limits::SILENCE_BEFORE_BEGIN,
        state: State::Idle,
    };
    if let Err(failure) = server.run(&received) {
        server
            .sender
            .send(&ToController::Fault(failure.into_fault()));
    }
    server.sender.finish();
}

struct Server {
    session: session::Agent,
    sender: Sender,
    budget: Arc<Budget>,
    events: std::sync::mpsc::Sender<Event>,
    limit: Option<PathBuf>,
    silence: Duration,
    state: State,
}

enum State {
    Idle,
    Open(Box<Destination>),
    Staging(Box<Staging>),
    /// The tree is the release already.
    Same(Box<Destination>, ReleaseId),
    Over,
}

impl Server {
    fn run(&mut self, received: &Receiver<Event>) -> Result<(), Failure> {
        let mut heard = Instant::now();
        while !matches!(self.state, State::Over) {
            match received.recv_timeout(limits::TICK) {
                Ok(Event::Bytes(bytes)) => {
                    heard = Instant::now();
                    self.session.handle_bytes(&bytes);
                    self.budget.give_back(bytes.len());
                    while let Some(order) = self.session.poll_order()? {
                        self.obey(order)?;
                    }
                }
                // The lock goes, the stage stays.
                Ok(Event::End) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Ok(Event::Asked(end)) => self.with_staging(|staging, sender| {
                    sender.send(&end);
                    staging.asked();
                    Ok(())
                })?,
                Ok(Event::Worked(outcome)) => {
                    self.with_staging(|staging, sender| staging.note(outcome, sender))?;
                }
                Err(RecvTimeoutError::Timeout) if heard.elapsed() > self.silence => return Ok(()),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        Ok(())
    }

    fn obey(&mut self, order: Order) -> Result<(), Failure> {
        match (order, std::mem::replace(&mut self.state, State::Over)) {
            (Order::Begin(begin), State::Idle) => {
                self.silence = Duration::from_secs(begin.silence_seconds.max(1).into());
                let limit = self.limit.as_deref();
                if let Some(destination) = Destination::open(begin, limit, &self.sender)? {
                    self.session.handle_scanned();
                    self.state = State::Open(Box::new(destination));
                }
                Ok(())
            }
            (Order::Same(release), State::Open(destination)) => {
                self.sender
                    .send(&ToController::Staged(destination.nothing_to_do(release)));
                self.session.handle_staged();
                self.state = State::Same(destination, release);
                Ok(())
            }
            (Order::Stage(bytes), State::Open(destination)) => {
                let manifest = Manifest::decode(&bytes).map_err(|error| {
                    Failure::new(FaultKind::Protocol, format!("the manifest is bad: {error}"))
                })?;
                self.stage(*destination, manifest, true)
            }
            (Order::Undo, State::Open(destination)) => {
                let manifest = destination.undo_manifest()?;
                self.stage(*destination, manifest, false)
            }
            (Order::Payload(body), State::Staging(staging)) => {
                staging.payload(body)?;
                self.state = State::Staging(staging);
                Ok(())
            }
            (Order::Commit(release), State::Same(destination, same)) if release == same => {
                let settled = destination.confirm(release)?;
                self.done(settled)
            }
            (Order::Commit(release), State::Staging(staging)) => {
                let settled = staging.commit(release)?;
                self.done(settled)
            }
            // A payload that crossed our last word, or the controller's goodbye.
            (Order::Payload(_) | Order::Abort, _) => Ok(()),
            _ => Err(Failure::new(
                FaultKind::Protocol,
                "a message out of its turn",
            )),
        }
    }

    fn stage(
        &mut self,
        destination: Destination,
        manifest: Manifest,
        may_ask: bool,
    ) -> Result<(), Failure> {
        let staging = Staging::start(
            destination,
            manifest,
            may_ask,
            &self.events,
            &self.budget,
            &self.sender,
        )?;
        self.state = State::Staging(Box::new(staging));
        self.with_staging(|_, _| Ok(()))
    }

    fn with_staging(
        &mut self,
        act: impl FnOnce(&mut Staging, &Sender) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let State::Staging(staging) = &mut self.state else {
            return Ok(());
        };
        act(staging, &self.sender)?;
        if let Some(staged) = staging.complete() {
            self.sender.send(&ToController::Staged(staged));
            self.session.handle_staged();
        }
        Ok(())
    }

    fn done(&mut self, settled: Settled) -> Result<(), Failure> {
        self.sender.send(&ToController::Done(settled));
        Ok(())
    }
}
