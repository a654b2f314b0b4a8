//! Bringing a tree from a host: a push with the roles exchanged.
//!
//! The host's agent gives its tree out, as a controller does; here an agent's thread receives it into a
//! local directory, staged, verified and committed as everywhere. This thread carries bytes between that
//! one and the transport.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use release_core::{Generation, escape};

use super::reach::{self, Agents, Reached};
use crate::agent::{Received, receive};
use crate::session::error_of;
use crate::transport::{Transport, Waker};
use crate::wire::{self, Begin, Purpose, Supply, ToAgent, control};
use crate::{Counts, Error, Event, Host, HostReport, HostState, Monitor, Options, Outcome};

/// Bytes from the host that the receiver has not taken yet, at most.
const BACKLOG: usize = 8 << 20;

/// Longest sleep.
const NAP: Duration = Duration::from_millis(500);

/// Makes a local directory equal to a tree on a host: a push with the roles exchanged. The host's
/// `destination` is the tree that is read; nothing is changed there. `into` is made if it is missing.
///
/// Of the options, `delete`, `protect`, `max_delete` and `keep_undo` hold for the local directory, the
/// others for both. What was there before is kept in its `.release/undo`.
pub fn pull(host: &Host, into: &Path, options: &Options, monitor: &dyn Monitor) -> HostReport {
    let started = Instant::now();
    let mut counts = Counts::default();
    let result = bring(host, into, options, monitor, &mut counts);
    let mut report = HostReport {
        host: host.name.clone(),
        outcome: Outcome::Failed,
        proof: None,
        release: None,
        generation: None,
        counts,
        seconds: started.elapsed().as_secs_f64(),
        notes: Vec::new(),
        error: None,
    };
    match result {
        Ok(Received {
            staged: Some(staged),
            settled: Some(settled),
            ..
        }) => {
            report.outcome = if staged.unchanged {
                Outcome::Unchanged
            } else {
                Outcome::Committed
            };
            report.proof = Some(settled.proof.class);
            report.release = Some(staged.release);
            report.notes = staged.notes;
            report.counts.files_deleted = settled.deleted;
            report.counts.literal_bytes = staged.literal_bytes;
            report.counts.matched_bytes = staged.matched_bytes;
            report.counts.local_bytes = staged.local_bytes;
        }
        Ok(_) => {
            let stderr = String::new();
            report.error = Some(Error::Disconnected {
                doing: "receiving",
                stderr,
            });
        }
        Err(error) => report.error = Some(error),
    }
    monitor.event(Event::Finished { report: &report });
    report
}

fn bring(
    host: &Host,
    into: &Path,
    options: &Options,
    monitor: &dyn Monitor,
    counts: &mut Counts,
) -> Result<Received, Error> {
    super::check_patterns(options)?;
    options.ssh_of(host)?;
    let tell = |state| {
        monitor.event(Event::State {
            host: &host.name,
            state,
        })
    };
    tell(HostState::Connecting);
    let mut opening = wire::greeting();
    opening.extend(control(&ToAgent::Supply(supply(host, options))));
    let Reached {
        mut transport,
        agent_bytes,
        opened,
        ..
    } = reach::reach(host, options, &Agents::default(), &opening)?;
    tell(HostState::Staging);
    let begin = begin(into, options);
    let mut carrier = Carrier::start(begin.clone(), if opened { Vec::new() } else { opening })?;
    let carried = carrier.carry(transport.as_mut(), options.silence);
    (counts.bytes_sent, counts.bytes_received) = (carrier.sent, carrier.received);
    counts.agent_bytes = agent_bytes;
    transport.close();
    let received = carrier.finish();
    if let Some(reason) = &received.refused {
        return Err(Error::Supply {
            reason: escape(reason.as_bytes()),
        });
    }
    if let Some(fault) = &received.fault {
        return Err(error_of(fault.clone(), &begin));
    }
    if received.settled.is_none() {
        carried?;
    }
    Ok(received)
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

/// Carries bytes between the receiver's thread and a transport.
struct Carrier {
    waker: Waker,
    to_receiver: Option<mpsc::Sender<Vec<u8>>>,
    backlog: Arc<AtomicUsize>,
    from_receiver: Arc<Mutex<Outgoing>>,
    thread: Option<std::thread::JoinHandle<Received>>,
    sent: u64,
    received: u64,
}

#[derive(Default)]
struct Outgoing {
    bytes: VecDeque<u8>,
    ended: bool,
}

impl Carrier {
    fn start(begin: Begin, opening: Vec<u8>) -> Result<Self, Error> {
        let waker = Waker::new().map_err(|source| Error::Transport {
            doing: "starting",
            source,
        })?;
        let (to_receiver, pieces) = mpsc::channel();
        let backlog = Arc::new(AtomicUsize::new(0));
        let outgoing = Outgoing {
            bytes: opening.into(),
            ended: false,
        };
        let from_receiver = Arc::new(Mutex::new(outgoing));
        let input = Input {
            pieces,
            piece: VecDeque::new(),
            backlog: Arc::clone(&backlog),
            waker: waker.clone(),
        };
        let output = Output {
            outgoing: Arc::clone(&from_receiver),
            waker: waker.clone(),
        };
        let thread = Some(std::thread::spawn(move || receive(input, output, begin)));
        let to_receiver = Some(to_receiver);
        Ok(Self {
            waker,
            to_receiver,
            backlog,
            from_receiver,
            thread,
            sent: 0,
            received: 0,
        })
    }

    /// Until the host's stream ends, or the receiver is done.
    fn carry(&mut self, transport: &mut dyn Transport, silence: Duration) -> Result<(), Error> {
        let broken = |source| Error::Transport {
            doing: "receiving",
            source,
        };
        let mut buffer = vec![0; 256 << 10];
        let mut heard = Instant::now();
        loop {
            let mut ended = false;
            while self.backlog.load(Ordering::Relaxed) < BACKLOG {
                match transport.read(&mut buffer) {
                    Ok(0) => {
                        ended = true;
                        break;
                    }
                    Ok(count) => {
                        heard = Instant::now();
                        self.received += count as u64;
                        self.hand_over(&buffer[..count]);
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(broken(error)),
                }
            }
            let blocked = self.send(transport).map_err(broken)?;
            if ended {
                return Ok(());
            }
            if self.is_done() {
                return Ok(());
            }
            if heard.elapsed() > silence {
                return Err(Error::Silence {
                    doing: "receiving",
                    silence,
                });
            }
            transport.wait(blocked, &self.waker, NAP).map_err(broken)?;
        }
    }

    fn hand_over(&self, bytes: &[u8]) {
        if let Some(to_receiver) = &self.to_receiver {
            self.backlog.fetch_add(bytes.len(), Ordering::Relaxed);
            // An error means that the receiver is done; that is seen in a moment.
            let _ = to_receiver.send(bytes.to_vec());
        }
    }

    fn send(&mut self, transport: &mut dyn Transport) -> io::Result<bool> {
        let mut outgoing = lock(&self.from_receiver);
        while !outgoing.bytes.is_empty() {
            match transport.write(outgoing.bytes.as_slices().0) {
                Ok(count) => {
                    self.sent += count as u64;
                    outgoing.bytes.drain(..count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    fn is_done(&self) -> bool {
        let outgoing = lock(&self.from_receiver);
        outgoing.ended && outgoing.bytes.is_empty()
    }

    /// Waits for what came of it.
    fn finish(mut self) -> Received {
        self.to_receiver = None;
        self.thread
            .take()
            .and_then(|thread| thread.join().ok())
            .unwrap_or_default()
    }
}

/// What the receiver reads.
struct Input {
    pieces: Receiver<Vec<u8>>,
    piece: VecDeque<u8>,
    backlog: Arc<AtomicUsize>,
    waker: Waker,
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.piece.is_empty() {
            match self.pieces.recv() {
                Ok(piece) => self.piece = piece.into(),
                Err(_) => return Ok(0),
            }
        }
        let count = self.piece.read(buffer)?;
        if self.backlog.fetch_sub(count, Ordering::Relaxed) >= BACKLOG {
            self.waker.wake();
        }
        Ok(count)
    }
}

/// What the receiver writes to.
struct Output {
    outgoing: Arc<Mutex<Outgoing>>,
    waker: Waker,
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(&self.outgoing).bytes.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.waker.wake();
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        lock(&self.outgoing).ended = true;
        self.waker.wake();
    }
}

fn lock(outgoing: &Mutex<Outgoing>) -> std::sync::MutexGuard<'_, Outgoing> {
    outgoing.lock().unwrap_or_else(PoisonError::into_inner)
}
