//! Giving a tree out from a host: the roles exchanged, on the same streams.
//!
//! The session in which that is done is an ordinary one whose controller is here. It is driven over a
//! pair of sockets inside this process; one thread carries what comes from the other side to it, another
//! one what it says.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use release_core::Generation;

use super::Event;
use super::destination::open_tree;
use super::fault::chain;
use super::limits::{Budget, TICK};
use super::streams::Sender;
use crate::cancel::Cancel;
use crate::drive::{Drive, Verdict};
use crate::effort::Effort;
use crate::session::{Controller, Goal, Patience};
use crate::supply::{Awaited, PayloadCache, Source, Supplied};
use crate::transport::{Waker, memory_pair};
use crate::wire::{self, Begin, Purpose, Supply, ToAgent, control};
use crate::{Error, Options};

/// Bytes on their way between the threads, in each direction.
const MEMORY: usize = 1 << 20;

/// Gives a tree out to the other side. `rest` is what came from it already. What goes wrong before the
/// session is said in it; what goes wrong in it is the other side's to say.
pub(super) fn give_out(
    supply: &Supply,
    limit: Option<&Path>,
    rest: Vec<u8>,
    queue: &Receiver<Event>,
    budget: &Budget,
    sender: &Sender,
) {
    let failed = |source| Error::Transport {
        doing: "giving out",
        source,
    };
    sender.exchange_roles();
    let result = scan(supply, limit, sender.effort()).and_then(|source| {
        let (transport, mut heard, said) = memory_pair(MEMORY).map_err(failed)?;
        std::thread::scope(|scope| {
            let session = scope.spawn(|| converse(supply, &source, transport));
            let voice = scope.spawn(move || {
                // This process has greeted at its start.
                let mut greeting = wire::greeting();
                let greeted = heard.read_exact(&mut greeting);
                let mut buffer = vec![0; 64 << 10];
                while greeted.is_ok()
                    && let Ok(count @ 1..) = heard.read(&mut buffer)
                {
                    sender.send_frame(buffer[..count].to_vec());
                }
            });
            carry(rest, queue, budget, said, || {
                session.is_finished() || sender.has_ended()
            });
            let _ = voice.join();
            session.join().unwrap_or(Err(Error::Cancelled))
        })
    });
    if let Err(error) = result {
        sender.send_frame(control(&ToAgent::Refuse(
            chain(&error).chars().take(2000).collect(),
        )));
    }
}

fn scan(supply: &Supply, limit: Option<&Path>, effort: &Effort) -> Result<Source, Error> {
    use std::os::unix::ffi::OsStrExt;
    let path = PathBuf::from(std::ffi::OsStr::from_bytes(&supply.source));
    let root = open_tree(&supply.source, limit, false)
        .map_err(|source| Error::Source {
            path: path.clone(),
            source,
        })?
        .counted_by(effort);
    let options = Options {
        exclude: supply.exclude.clone(),
        checksum: supply.checksum,
        numeric_owner: supply.numeric_owner,
        allow_empty: supply.allow_empty,
        ..Options::default()
    };
    Source::of(root, path, &options, &(), false)
}

/// Hands what comes from the other side to the session, until that is over.
fn carry(
    rest: Vec<u8>,
    queue: &Receiver<Event>,
    budget: &Budget,
    mut to: impl Write,
    is_over: impl Fn() -> bool,
) {
    if to.write_all(&rest).is_err() {
        return;
    }
    while !is_over() {
        match queue.recv_timeout(TICK / 20) {
            Ok(Event::Bytes(bytes)) => {
                let carried = to.write_all(&bytes);
                budget.give_back(bytes.len());
                if carried.is_err() {
                    return;
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Ok(_) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn converse(
    supply: &Supply,
    source: &Source,
    mut transport: impl crate::transport::Transport,
) -> Result<(), Error> {
    let failed = |source| Error::Transport {
        doing: "giving out",
        source,
    };
    let patience = Patience {
        silence: Duration::from_secs(supply.silence_seconds.max(1).into()),
        stall: Options::default().stall,
    };
    let mut session = Controller::new(Goal::Await, begin(supply), patience, Instant::now());
    let awaited = Awaited::known(Supplied::of(source, 1));
    let waker = Waker::new().map_err(failed)?;
    let mut drive = Drive {
        transport: &mut transport,
        session: &mut session,
        awaited: &awaited,
        reader: 0,
        waker: &waker,
        cancel: &Cancel::default(),
        paces: &[],
    };
    // The other side decides by itself what it does with what it is given, and tells its people.
    let result = drive.run(&mut |_, _| {}, &mut || Verdict::Commit);
    transport.close();
    match (result, awaited.cache().and_then(PayloadCache::changed)) {
        (Err(Error::Files { .. }), Some(path)) => Err(Error::SourceChanged { path }),
        _ => Ok(()),
    }
}

/// What the other side listens to is only that there is a beginning.
fn begin(supply: &Supply) -> Begin {
    Begin {
        numeric_owner: supply.numeric_owner,
        silence_seconds: supply.silence_seconds,
        ..Begin::plain(Purpose::Push, [], Generation::default())
    }
}
