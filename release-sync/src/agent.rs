//! The process on a host: serves one session on a pair of streams.
//!
//! ```text
//! input → reader thread → events → the session's thread → tasks → writer threads → stage
//!                                        ↑ results ←──────────────────┘
//! output ← sender thread ← frames ←──────┴── asker thread (signatures of old files)
//! ```
//! The session's thread never blocks on the input or the output, so both directions flow at once
//! whatever the network does.

mod alarm;
mod ask;
mod beside;
mod claim;
mod commit;
mod destination;
mod fault;
mod latch;
mod limits;
mod look;
mod premises;
mod probe;
mod seen;
mod stage;
mod streams;
mod supply;
#[cfg(test)]
mod tests;
mod times;
mod worker;

use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use release_core::{Manifest, ReleaseId};

pub(crate) use self::latch::Latch;

use self::destination::Destination;
use self::fault::Failure;
use self::limits::Budget;
use self::look::Sight;
use self::stage::Staging;
use self::streams::Sender;
use crate::session::{self, Headway, Order};
use crate::wire::{Begin, Fault, FaultKind, Purpose, Settled, Staged, Supply, ToController};

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
    /// A thread of the session is no more.
    Panicked,
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
    Server::run(input, output, Role::Host { limit });
}

/// Receives a tree from whoever is at the other end.
pub(crate) fn receive(
    input: impl Read + Send + 'static,
    output: impl Write + Send + 'static,
    receiver: Receiver,
) -> Received {
    Server::run(input, output, Role::Receiver(receiver))
}

/// How a tree is received.
#[derive(Debug)]
pub(crate) struct Receiver {
    /// Destination and options are ours to say: what the other side says of them is not listened to.
    pub(crate) begin: Begin,
    /// Longest time in which neither side gets any further.
    pub(crate) stall: Duration,
    /// Closed before the commit begins.
    pub(crate) latch: Latch,
}

/// What came of receiving a tree.
#[derive(Debug, Default)]
pub(crate) struct Received {
    /// What was staged.
    pub(crate) staged: Option<Staged>,
    /// Files whose content came from the other side.
    pub(crate) files: u64,
    /// What was committed.
    pub(crate) settled: Option<Settled>,
    /// Why it ended early, by us.
    pub(crate) fault: Option<Fault>,
    /// Why it ended early, by the other side.
    pub(crate) refused: Option<String>,
    /// Did the other side get no further, and was given up?
    pub(crate) stalled: bool,
}

enum Role {
    /// On a host, for any controller.
    Host { limit: Option<PathBuf> },
    /// On the release server, for a host that gives a tree out.
    Receiver(Receiver),
}

struct Server {
    session: session::Agent,
    sender: Sender,
    budget: Arc<Budget>,
    events: mpsc::Sender<Event>,
    role: Role,
    silence: Duration,
    state: State,
    received: Received,
}

enum State {
    Idle,
    Open(Box<Destination>),
    Seen(Box<Sight>),
    Staging(Box<Staging>),
    /// The tree is the release already.
    Same(Box<Destination>, ReleaseId),
    Over,
}

impl Server {
    fn run(
        input: impl Read + Send + 'static,
        output: impl Write + Send + 'static,
        role: Role,
    ) -> Received {
        let (events, queue) = mpsc::channel();
        let budget = Arc::new(Budget::new(limits::INPUT_BYTES));
        let sender = Sender::start(output);
        streams::start_reader(input, events.clone(), Arc::clone(&budget));
        let mut server = Self {
            session: session::Agent::new(),
            sender,
            budget,
            events,
            role,
            silence: limits::SILENCE_BEFORE_BEGIN,
            state: State::Idle,
            received: Received::default(),
        };
        // In a program of its own an agent ends with a panic; as a thread of another it has to say so.
        let conversation = AssertUnwindSafe(|| server.converse(&queue));
        let conversed = catch_unwind(conversation).unwrap_or_else(|_| Err(Failure::panicked()));
        // Whoever hears of the end may come back at once: the lock goes first. And a controller that reads
        // no more must not keep the destination locked.
        server.state = State::Over;
        if let Err(failure) = conversed {
            let fault = failure.into_fault();
            server.sender.send(&ToController::Fault(fault.clone()));
            server.received.fault = Some(fault);
        }
        server.budget.close();
        server.sender.finish();
        server.received
    }

    fn converse(&mut self, queue: &mpsc::Receiver<Event>) -> Result<(), Failure> {
        let mut heard = Instant::now();
        let mut headway = match &self.role {
            Role::Host { .. } => None,
            Role::Receiver(receiver) => Some(Headway::new(receiver.stall, heard)),
        };
        while !matches!(self.state, State::Over) {
            match queue.recv_timeout(limits::TICK) {
                Ok(Event::Bytes(bytes)) => {
                    heard = Instant::now();
                    self.session.handle_bytes(&bytes);
                    self.budget.give_back(bytes.len());
                    while let Some(order) = self.session.poll_order()? {
                        if let Order::Supply(supply) = order {
                            return self.supply(&supply, queue);
                        }
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
                Ok(Event::Panicked) => return Err(Failure::panicked()),
                Err(RecvTimeoutError::Timeout) if heard.elapsed() > self.silence => return Ok(()),
                // Only now: what was said before, a commit say, is done.
                Err(RecvTimeoutError::Timeout) if self.sender.has_ended() => return Ok(()),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if headway
                .as_mut()
                .is_some_and(|headway| self.is_stalled(headway))
            {
                self.received.stalled = true;
                return Ok(());
            }
        }
        Ok(())
    }

    /// Whose turn it is is not asked: whatever either side does counts.
    fn is_stalled(&self, headway: &mut Headway) -> bool {
        let now = Instant::now();
        let theirs = self.session.done().saturating_add(self.session.steps());
        headway.claim(theirs.saturating_add(self.sender.effort().total()), now);
        headway.begin(self.session.unread() as u64, now);
        headway.stalled(now).is_some()
    }

    /// Gives a tree out, on what is left of the streams.
    fn supply(&mut self, supply: &Supply, queue: &mpsc::Receiver<Event>) -> Result<(), Failure> {
        let Role::Host { limit } = &self.role else {
            return Err(Failure::new(
                FaultKind::Protocol,
                "both sides want to receive",
            ));
        };
        let session = std::mem::replace(&mut self.session, session::Agent::new());
        supply::give_out(
            supply,
            limit.as_deref(),
            session.into_rest(),
            queue,
            &self.budget,
            &self.sender,
        );
        Ok(())
    }

    fn obey(&mut self, order: Order) -> Result<(), Failure> {
        if let (Order::Commit(_), Role::Receiver(receiver)) = (&order, &self.role)
            && !receiver.latch.commit()
        {
            self.state = State::Over;
            return Ok(());
        }
        match (order, std::mem::replace(&mut self.state, State::Over)) {
            (Order::Begin(theirs), State::Idle) => self.begin(theirs),
            (Order::Stage(bytes), State::Seen(sight)) => sight.plan(&decode(&bytes)?, &self.sender),
            (Order::Refused(reason), _) => {
                self.received.refused = Some(reason);
                Ok(())
            }
            (Order::Same(release), State::Open(destination)) => {
                if !destination.may_be(release) {
                    let what = "the tree is not that release";
                    return Err(Failure::new(FaultKind::Protocol, what));
                }
                destination.admit(release)?;
                let staged = destination.nothing_to_do(release);
                self.received.staged = Some(staged.clone());
                self.sender.send(&ToController::Staged(staged));
                self.session.handle_staged();
                self.state = State::Same(destination, release);
                Ok(())
            }
            (Order::Stage(bytes), State::Open(destination)) => {
                self.stage(*destination, decode(&bytes)?, true)
            }
            (
                Order::StageFrom {
                    base,
                    length,
                    packed,
                },
                State::Open(destination),
            ) => {
                let manifest = destination.unpack(base, &packed, length)?;
                self.stage(*destination, decode(&manifest)?, true)
            }
            (Order::Undo(from), State::Open(destination)) => {
                let manifest = destination.undo_manifest(from)?;
                self.stage(*destination, manifest, false)
            }
            (Order::Payload(body), State::Staging(staging)) => {
                staging.payload(body)?;
                self.state = State::Staging(staging);
                Ok(())
            }
            (Order::Commit(release), State::Same(destination, same)) if release == same => {
                let settled = destination.confirm(release)?;
                // Whoever hears of the end may come back at once: the lock goes first.
                drop(destination);
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

    fn begin(&mut self, theirs: Begin) -> Result<(), Failure> {
        let (begin, limit) = match &self.role {
            Role::Host { limit } => (theirs, limit.as_deref()),
            Role::Receiver(receiver) => (receiver.begin.clone(), None),
        };
        self.silence = Duration::from_secs(begin.silence_seconds.max(1).into());
        self.state = match begin.purpose {
            Purpose::Push | Purpose::Pull => {
                State::Open(Box::new(Destination::open(begin, limit, &self.sender)?))
            }
            Purpose::Inspect | Purpose::Plan { .. } | Purpose::Probe => {
                match Sight::look(begin, limit, &self.sender)? {
                    Some(sight) => State::Seen(Box::new(sight)),
                    None => State::Over,
                }
            }
        };
        self.session.handle_scanned();
        Ok(())
    }

    fn stage(
        &mut self,
        destination: Destination,
        manifest: Manifest,
        may_ask: bool,
    ) -> Result<(), Failure> {
        destination.admit(manifest.release_id())?;
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
            self.received.staged = Some(staged.clone());
            self.received.files = staging.files_received();
            self.sender.send(&ToController::Staged(staged));
            self.session.handle_staged();
        }
        Ok(())
    }

    fn done(&mut self, settled: Settled) -> Result<(), Failure> {
        self.received.settled = Some(settled.clone());
        self.sender.send(&ToController::Done(settled));
        Ok(())
    }
}

fn decode(manifest: &[u8]) -> Result<Manifest, Failure> {
    Manifest::decode(manifest)
        .map_err(|error| Failure::new(FaultKind::Protocol, format!("the manifest is bad: {error}")))
}
