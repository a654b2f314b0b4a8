//! The agent's half of a session: which message may come when, and what it asks of the host.

use release_core::{Manifest, ReleaseId};

use crate::wire::{self, Begin, Decoder, Frame, FrameKind, Supply, ToAgent, VERSION, WireError};

/// What the controller wants done. The agent does it, says what came of it, and tells the session by
/// [`Agent::handle_scanned`] and [`Agent::handle_staged`] where there is something to go on with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Open the destination and scan it.
    Begin(Begin),
    /// The tree is this release already.
    Same(ReleaseId),
    /// Stage this release: the manifest's canonical bytes, not yet decoded.
    Stage(Vec<u8>),
    /// The same, packed against the manifest of the tree as it was shown.
    StageFrom {
        /// What that one describes.
        base: ReleaseId,
        /// Bytes of the canonical form, within bounds.
        length: u64,
        /// The zstd frame.
        packed: Vec<u8>,
    },
    /// Stage what the last commit displaced; with a release, only if that is what the tree claims to be.
    Undo(Option<ReleaseId>),
    /// A payload frame's body.
    Payload(Vec<u8>),
    /// Make current what is staged.
    Commit(ReleaseId),
    /// The session is over.
    Abort,
    /// Give a tree out: what is left of the input belongs to the session in which that is done.
    Supply(Supply),
    /// The other side can't give its tree out.
    Refused(String),
}

/// Why a session with a controller can't go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Violation {
    /// Bytes that are no message.
    #[error("{0}")]
    Wire(#[from] WireError),
    /// A version that this agent does not speak.
    #[error("this agent speaks version {VERSION} of the protocol, not {0}")]
    Version(u16),
    /// A message out of its turn.
    #[error("a message out of its turn: {0}")]
    Turn(&'static str),
    /// A manifest that is too large, or not what was announced.
    #[error("the manifest is not what was announced")]
    Manifest,
}

#[derive(Debug)]
enum Phase {
    Greeting,
    Opening,
    Scanning,
    /// `Have` was said; manifest, `Same` or `Undo` come next.
    Comparing,
    Receiving {
        base: Option<ReleaseId>,
        length: u64,
        packed: u64,
        bytes: Vec<u8>,
    },
    Staging,
    Staged,
    Over,
}

const MAX_MANIFEST: u64 = Manifest::MAX_BYTES as u64;

/// The agent's half of a session.
#[derive(Debug)]
pub(crate) struct Agent {
    phase: Phase,
    decoder: Decoder,
    /// Frames after which there is one less to come.
    steps: u64,
    /// What the other side says that it has done.
    done: u64,
}

impl Agent {
    /// Waits for a controller's greeting.
    pub(crate) fn new() -> Self {
        Self {
            phase: Phase::Greeting,
            decoder: Decoder::default(),
            steps: 0,
            done: 0,
        }
    }

    /// How far the other side has brought the session: a number that grows with each message that leads
    /// on, of which there are so many and no more. Payload does not count: what is in it does.
    pub(crate) fn steps(&self) -> u64 {
        self.steps
    }

    /// How much the other side says that it has done.
    pub(crate) fn done(&self) -> u64 {
        self.done
    }

    /// Bytes of a frame that is not whole yet.
    pub(crate) fn unread(&self) -> usize {
        self.decoder.unread()
    }

    /// Bytes came from the controller.
    pub(crate) fn handle_bytes(&mut self, bytes: &[u8]) {
        self.decoder.push(bytes);
    }

    /// What to do next; `None` until more bytes are there.
    pub(crate) fn poll_order(&mut self) -> Result<Option<Order>, Violation> {
        if let Phase::Greeting = self.phase {
            match self.decoder.greeting()? {
                None => return Ok(None),
                Some(VERSION) => self.phase = Phase::Opening,
                Some(other) => return Err(Violation::Version(other)),
            }
        }
        // What follows an exchange of roles is not for this session.
        if let Phase::Over = self.phase {
            return Ok(None);
        }
        while let Some(frame) = self.decoder.frame()? {
            if let Some(order) = self.handle_frame(frame)? {
                return Ok(Some(order));
            }
        }
        Ok(None)
    }

    /// The scan that [`Order::Begin`] asked for is done, and `Have` was said.
    pub(crate) fn handle_scanned(&mut self) {
        self.phase = Phase::Comparing;
    }

    /// Everything is staged, and that was said.
    pub(crate) fn handle_staged(&mut self) {
        self.phase = Phase::Staged;
    }

    /// Bytes that came and belong to no frame that was read. After [`Order::Supply`] they are the
    /// beginning of the other session.
    pub(crate) fn into_rest(self) -> Vec<u8> {
        self.decoder.into_rest()
    }

    fn handle_frame(&mut self, frame: Frame) -> Result<Option<Order>, Violation> {
        match frame.kind {
            FrameKind::Control => self.handle_message(ToAgent::decode(&frame.body)?),
            FrameKind::Manifest => self.handle_manifest(&frame.body),
            FrameKind::Payload => match self.phase {
                Phase::Staging => Ok(Some(Order::Payload(frame.body))),
                Phase::Over => Ok(None),
                _ => Err(Violation::Turn("payload")),
            },
            FrameKind::Want => Err(Violation::Turn("want")),
        }
    }

    fn handle_message(&mut self, message: ToAgent) -> Result<Option<Order>, Violation> {
        let (phase, order) = match (&self.phase, message) {
            (_, ToAgent::KeepAlive) => return Ok(None),
            (_, ToAgent::Working { done }) => {
                self.done = done;
                return Ok(None);
            }
            (_, ToAgent::Abort) => (Phase::Over, Order::Abort),
            (_, ToAgent::Refuse(reason)) => (Phase::Over, Order::Refused(reason)),
            (Phase::Opening, ToAgent::Supply(supply)) => (Phase::Over, Order::Supply(supply)),
            (Phase::Opening, ToAgent::Begin(begin)) => (Phase::Scanning, Order::Begin(begin)),
            (Phase::Comparing, ToAgent::Same(release)) => (Phase::Staging, Order::Same(release)),
            (Phase::Comparing, ToAgent::Undo) => (Phase::Staging, Order::Undo(None)),
            (Phase::Comparing, ToAgent::UndoFrom(from)) => {
                (Phase::Staging, Order::Undo(Some(from)))
            }
            (Phase::Comparing, ToAgent::Manifest { length, packed }) => {
                return self.receive(None, length, packed);
            }
            (
                Phase::Comparing,
                ToAgent::ManifestFrom {
                    base,
                    length,
                    packed,
                },
            ) => return self.receive(Some(base), length, packed),
            (Phase::Staged, ToAgent::Commit(release)) => (Phase::Over, Order::Commit(release)),
            (_, ToAgent::Begin(_)) => return Err(Violation::Turn("begin")),
            (_, ToAgent::Commit(_)) => return Err(Violation::Turn("commit")),
            _ => return Err(Violation::Turn("manifest, same or undo")),
        };
        self.phase = phase;
        self.steps += 1;
        Ok(Some(order))
    }

    /// A manifest is announced.
    fn receive(
        &mut self,
        base: Option<ReleaseId>,
        length: u64,
        packed: u64,
    ) -> Result<Option<Order>, Violation> {
        if length > MAX_MANIFEST || packed > MAX_MANIFEST {
            return Err(Violation::Manifest);
        }
        self.phase = Phase::Receiving {
            base,
            length,
            packed,
            bytes: Vec::new(),
        };
        self.steps += 1;
        Ok(None)
    }

    fn handle_manifest(&mut self, part: &[u8]) -> Result<Option<Order>, Violation> {
        let Phase::Receiving {
            base,
            length,
            packed,
            bytes,
        } = &mut self.phase
        else {
            return Err(Violation::Turn("manifest"));
        };
        bytes.extend_from_slice(part);
        self.steps += u64::from(!part.is_empty());
        let (length, received) = (*length, bytes.len() as u64);
        if received < *packed {
            return Ok(None);
        }
        if received != *packed {
            return Err(Violation::Manifest);
        }
        let order = match *base {
            None => Order::Stage(wire::unpack(bytes, length).ok_or(Violation::Manifest)?),
            Some(base) => Order::StageFrom {
                base,
                length,
                packed: std::mem::take(bytes),
            },
        };
        self.phase = Phase::Staging;
        Ok(Some(order))
    }
}
