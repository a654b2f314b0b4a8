//! What a host may do to whoever drives its session.
#![allow(clippy::unwrap_used)]

use release_core::Generation;

use super::*;
use crate::session::{Goal, Patience};
use crate::supply::Supplied;
use crate::transport::sleep;
use crate::wire::{self, Ask, Begin, Have, Purpose, ToController, Want, Welcome, control};
use crate::{Options, scan};

/// A host that has greeted and says that it is there, faster than anybody could listen.
struct Flood {
    greeted: bool,
    frames: Vec<u8>,
}

impl Transport for Flood {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let said = match std::mem::replace(&mut self.greeted, true) {
            false => wire::greeting(),
            true => self.frames.clone(),
        };
        buffer[..said.len()].copy_from_slice(&said);
        Ok(said.len())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn wait(&mut self, _: bool, _: &Waker, _: Duration) -> io::Result<()> {
        Ok(())
    }

    fn unread(&mut self, _: &[u8]) {}

    fn stderr(&self) -> &[u8] {
        &[]
    }

    fn exit_status(&mut self) -> Option<i32> {
        None
    }

    fn close(&mut self) {}
}

fn begin(purpose: Purpose) -> Begin {
    Begin::plain(purpose, b"/destination", Generation::default())
}

#[test]
fn a_host_that_floods_can_be_left() {
    let cancel = Cancel::default();
    let stop = cancel.clone();
    let (ended, end) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let patience = Patience::of(&Options::default());
        let mut session = Controller::new(
            Goal::Inspect,
            begin(Purpose::Inspect),
            patience,
            Instant::now(),
        );
        let mut drive = Drive {
            transport: &mut Flood {
                greeted: false,
                frames: control(&ToController::KeepAlive).repeat(1000),
            },
            session: &mut session,
            awaited: &Awaited::default(),
            reader: 0,
            waker: &Waker::new().unwrap(),
            cancel: &cancel,
            paces: &[],
        };
        let result = drive.run(&mut |_, _| {}, &mut || Verdict::Wait);
        // The other end is gone when this comes too late.
        let _ = ended.send(result);
    });
    stop.cancel();
    let result = end.recv_timeout(Duration::from_secs(10)).unwrap();
    // Cancelled, or found out as a flood before: left, either way.
    let is_left = matches!(result, Err(Error::Cancelled | Error::Protocol { .. }));
    assert!(is_left, "{result:?}");
}

/// A host that says its part whenever it is waited for, takes all that it is sent, and says nothing more until
/// it has it.
struct Eager {
    says: VecDeque<Vec<u8>>,
    heard: Vec<u8>,
    taken: usize,
    expects: usize,
    rested: bool,
    naps: u32,
}

impl Transport for Eager {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.taken >= self.expects {
            return Ok(0);
        }
        if self.heard.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = self.heard.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.heard[..count]);
        self.heard.drain(..count);
        Ok(count)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Meanwhile all that was asked for is encoded.
        if self.says.is_empty() && !std::mem::replace(&mut self.rested, true) {
            std::thread::sleep(NAP);
        }
        self.taken += bytes.len();
        Ok(bytes.len())
    }

    fn wait(&mut self, _: bool, waker: &Waker, timeout: Duration) -> io::Result<()> {
        if self.taken >= self.expects {
            return Ok(());
        }
        if let Some(said) = self.says.pop_front() {
            self.heard = said;
            return Ok(());
        }
        let begun = Instant::now();
        sleep(&[], waker, timeout)?;
        self.naps += u32::from(begun.elapsed() >= timeout);
        Ok(())
    }

    fn unread(&mut self, _: &[u8]) {}

    fn stderr(&self) -> &[u8] {
        &[]
    }

    fn exit_status(&mut self) -> Option<i32> {
        None
    }

    fn close(&mut self) {}
}

/// Bytes that don't compress.
fn noise(length: usize, seed: u8) -> Vec<u8> {
    let mut noise = vec![0; length];
    blake3::Hasher::new()
        .update(&[seed])
        .finalize_xof()
        .fill(&mut noise);
    noise
}

#[test]
fn answers_that_are_there_are_sent_without_a_nap() {
    let place = tempfile::tempdir().unwrap();
    let (files, length) = (24u8, 300 << 10);
    for file in 0..files {
        let path = place.path().join(format!("{file:02}"));
        std::fs::write(path, noise(length, file)).unwrap();
    }
    let source = scan(place.path(), &Options::default(), &()).unwrap();
    let release = source.shared();
    let wants = (0u32..)
        .zip(release.manifest.entries())
        .filter(|(_, entry)| entry.file().is_some());
    let wants = wants.flat_map(|(entry, _)| {
        let unit = release.units.of_entry(entry).unwrap();
        Want::encode(unit, &[Ask { entry, basis: None }])
    });
    let end = ToController::WantEnd {
        files: files.into(),
        bytes: files as u64 * length as u64,
    };
    let welcome = Welcome {
        build: String::from("test"),
        superuser: true,
        free: 1 << 40,
        clock: 0,
    };
    let have = Have {
        marker: None,
        proofs: Vec::new(),
        intact: None,
        files: 0,
        bytes: 0,
    };
    let opening = [
        control(&ToController::Welcome(welcome)),
        control(&ToController::Have(have)),
    ];
    let mut transport = Eager {
        says: VecDeque::from([
            wire::greeting(),
            opening.concat(),
            wants.chain(control(&end)).collect(),
        ]),
        heard: Vec::new(),
        taken: 0,
        expects: usize::from(files) * length,
        rested: false,
        naps: 0,
    };
    let goal = Goal::Push(Arc::clone(&release));
    let patience = Patience::of(&Options::default());
    let mut session = Controller::new(goal, begin(Purpose::Push), patience, Instant::now());
    let mut drive = Drive {
        transport: &mut transport,
        session: &mut session,
        awaited: &Awaited::known(Supplied::of(&source, 1)),
        reader: 0,
        waker: &Waker::new().unwrap(),
        cancel: &Cancel::default(),
        paces: &[],
    };
    // The host hangs up when it has all.
    drive
        .run(&mut |_, _| {}, &mut || Verdict::Wait)
        .unwrap_err();
    assert!(
        transport.taken >= transport.expects,
        "{} bytes",
        transport.taken
    );
    assert_eq!(transport.naps, 0);
}
