//! Asking for what is lacking: unit by unit, with signatures of the old files.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::mpsc;

use rayon::prelude::*;
use release_core::Manifest;

use super::Event;
use super::alarm::{Alarm, trip};
use super::limits::Budget;
use super::streams::Sender;
use crate::confine::Root;
use crate::delta::{Blocks, Signature};
use crate::effort::Effort;
use crate::tree::{Found, FoundKind};
use crate::unit::{Lack, Units};
use crate::wire::{Ask, Basis, ToController, WANT_WINDOW, Want};

/// A file to ask for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lacking {
    /// Its entry in the manifest.
    pub(super) entry: u32,
    /// The file of the tree that a delta may refer to.
    pub(super) basis: Option<u32>,
}

/// Pieces of an old file that are signed at the same time: this bounds memory where processors are many.
const AT_ONCE: usize = 8;

thread_local! {
    /// What this thread reads pieces into.
    static PIECE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Bytes of wants that may be on their way. Half of what the controller allows, so that a single large
/// one still fits.
pub(super) fn window() -> Budget {
    Budget::new(WANT_WINDOW / 2)
}

/// What the asker reads.
pub(super) struct Asker {
    pub(super) manifest: Arc<Manifest>,
    pub(super) units: Arc<Units>,
    pub(super) tree: Arc<Vec<Found>>,
    pub(super) root: Root,
    pub(super) lacking: Arc<[Lacking]>,
    pub(super) window: Arc<Budget>,
    /// Bytes of the want for each unit, for whoever gives them back when it is answered.
    pub(super) sizes: Arc<std::sync::Mutex<std::collections::HashMap<u32, usize>>>,
}

impl Asker {
    /// Asks in a thread of its own, since the window may make it wait.
    pub(super) fn start(self, sender: Sender, events: mpsc::Sender<Event>) {
        std::thread::spawn(move || {
            let _alarm = Alarm::new(&events);
            self.ask(&sender);
            let sizes = self.lacking.iter().filter_map(|lacking| {
                self.manifest.entries()[lacking.entry as usize]
                    .file()
                    .map(|(size, _)| size)
            });
            let end = ToController::WantEnd {
                files: self.lacking.len() as u64,
                bytes: total(sizes),
            };
            // An error means that the session is over.
            let _ = events.send(Event::Asked(end));
        });
    }

    fn ask(&self, sender: &Sender) {
        let lack = |lacking: &Lacking| {
            let file = self.manifest.entries()[lacking.entry as usize].file();
            Lack {
                entry: lacking.entry,
                size: file.map_or(0, |(size, _)| size),
                has_old: lacking.basis.is_some(),
            }
        };
        let files: Vec<Lack> = self.lacking.iter().map(lack).collect();
        for (unit, part) in self.units.lots(&files) {
            let lot = &self.lacking[part];
            let asks: Vec<Ask> = lot.iter().map(|lacking| self.ask_for(lacking)).collect();
            let frame = Want::encode(unit, &asks);
            if !self.window.take(frame.len()) {
                return;
            }
            if let Ok(mut sizes) = self.sizes.lock() {
                sizes.insert(unit, frame.len());
            }
            sender.send_frame(frame);
        }
    }

    fn ask_for(&self, lacking: &Lacking) -> Ask {
        let entry = &self.manifest.entries()[lacking.entry as usize];
        trip(&entry.path, "panics in the asker");
        let basis = lacking
            .basis
            .zip(entry.file())
            .and_then(|(basis, (size, _))| self.basis(&self.tree[basis as usize], size));
        Ask {
            entry: lacking.entry,
            basis,
        }
    }

    /// The signature of the old file for a new one of `new_size` bytes; none if it can't be read, is not
    /// as it was, or would not pay: then the whole file is asked for.
    fn basis(&self, found: &Found, new_size: u64) -> Option<Basis> {
        let FoundKind::File { size, .. } = found.kind else {
            return None;
        };
        let blocks = Blocks::of(size).filter(|&blocks| pays(blocks, new_size))?;
        let file = self.root.file(&found.path).ok()?;
        let signature = signature(&file, blocks, self.root.effort(), || {
            self.window.is_closed()
        })
        .ok()?;
        Some(Basis { size, signature })
    }
}

/// Sparse files can claim to be more together than can be counted.
fn total(sizes: impl Iterator<Item = u64>) -> u64 {
    sizes.fold(0, u64::saturating_add)
}

/// Is the signature half as long as the file that it is to spare, or less? A log that was cut down from a gigabyte
/// would need more to ask for than to send. It also keeps the signatures of a lot below half of its files' bytes,
/// so that a want fits its frame.
fn pays(blocks: Blocks, new_size: u64) -> bool {
    (Signature::size_for(blocks) as u64) <= new_size / 2
}

/// Reads and signs a few pieces at a time, in parallel, as long as anybody wants them.
fn signature(
    file: &File,
    blocks: Blocks,
    effort: &Effort,
    is_over: impl Fn() -> bool,
) -> io::Result<Vec<u8>> {
    let (size, length) = (blocks.basis_size(), Signature::piece_length(blocks) as u64);
    let sign = |start: u64| {
        PIECE.with_borrow_mut(|piece| {
            piece.resize(length.min(size - start) as usize, 0);
            file.read_exact_at(piece, start)?;
            effort.add(piece.len() as u64);
            Ok(Signature::of_piece(piece, blocks))
        })
    };
    if size <= length {
        return sign(0);
    }
    let mut signed = Vec::with_capacity(Signature::size_for(blocks));
    let mut starts = (0..size.div_ceil(length)).map(|number| number * length);
    loop {
        let lot: Vec<u64> = starts.by_ref().take(AT_ONCE).collect();
        if lot.is_empty() {
            return Ok(signed);
        }
        if is_over() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let sums: io::Result<Vec<Vec<u8>>> = lot.into_par_iter().map(sign).collect();
        signed.extend(sums?.into_iter().flatten());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Write;

    use super::*;

    #[test]
    fn sizes_beyond_counting_are_counted_as_the_most() {
        assert_eq!(total([1, 2].into_iter()), 3);
        assert_eq!(total([i64::MAX as u64; 3].into_iter()), u64::MAX);
    }

    #[test]
    fn a_signature_longer_than_the_new_file_does_not_pay() {
        let pays = |old, new| pays(Blocks::of(old).unwrap(), new);
        assert!(pays(1 << 30, 1 << 30));
        assert!(pays(1024, 1024));
        assert!(!pays(1 << 30, 1 << 18));
        assert!(!pays(1024, 18));
        assert!(!pays(Blocks::MAX_BASIS, 1 << 20));
    }
    #[test]
    fn a_file_of_several_pieces_is_signed_as_a_whole() {
        let mut noise = vec![0; 20 * (1 << 20) + 12_345];
        blake3::Hasher::new().finalize_xof().fill(&mut noise);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&noise).unwrap();
        let blocks = Blocks::of(noise.len() as u64).unwrap();
        let effort = Effort::default();
        let signed = signature(&file, blocks, &effort, || false).unwrap();
        assert!(signed == Signature::of_piece(&noise, blocks));
        assert_eq!(effort.total(), noise.len() as u64);
        assert!(signature(&file, blocks, &effort, || true).is_err());
        file.set_len(noise.len() as u64 - 1).unwrap();
        assert!(signature(&file, blocks, &effort, || false).is_err());
    }
}
