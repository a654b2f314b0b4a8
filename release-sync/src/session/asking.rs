//! What a host has asked for, and whether it may.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::release::Release;
use crate::unit::{LARGE_FILE, MOST_TOGETHER};
use crate::wire::{WANT_WINDOW, Want};

/// Wants whose answers are prepared before they are due.
const LOOKAHEAD: usize = 8;
/// An agent may ask twice for a file: once for a delta, once for the whole.
const MOST_ASKS: u8 = 2;

/// What became of a file that was asked for.
#[derive(Debug, Default)]
struct Asked {
    times: u8,
    is_answered: bool,
}

/// The wants of one host.
#[derive(Debug, Default)]
pub(super) struct Asking {
    /// Those without a full answer, in the order in which they came.
    open: VecDeque<Arc<Want>>,
    /// How many of them, from the front, were handed out for encoding.
    started: usize,
    bytes: usize,
    asked: HashMap<u32, Asked>,
    /// Files that were asked for, and their bytes.
    pub(super) wanted: (u64, u64),
}

impl Asking {
    /// Takes a want, if it is one that an agent may have.
    pub(super) fn take(&mut self, want: Want, release: &Release) -> Result<(), &'static str> {
        let range = release
            .units
            .reach(want.unit)
            .ok_or("it asked for no unit")?;
        let (Some(first), Some(last)) = (want.asks.first(), want.asks.last()) else {
            return Err("it asked for nothing");
        };
        let own = release.units.range(want.unit).unwrap_or(0..0);
        let is_own = own.contains(&first.entry) && own.contains(&last.entry);
        let mut together = 0u64;
        for ask in &want.asks {
            let entry = release.manifest.entries().get(ask.entry as usize);
            let file = entry.and_then(|entry| entry.file());
            let Some((size, _)) = file.filter(|_| range.contains(&ask.entry)) else {
                return Err("it asked for what is no file of the lot");
            };
            together = together.saturating_add(size);
            if !is_own && (size > LARGE_FILE || together > MOST_TOGETHER) {
                return Err("it asked for more than it may together");
            }
            let asked = self.asked.entry(ask.entry).or_default();
            asked.times += 1;
            match asked.times {
                1 => {
                    self.wanted.0 += 1;
                    self.wanted.1 = self.wanted.1.saturating_add(size);
                }
                MOST_ASKS => {}
                _ => return Err("it asked for a file over and over"),
            }
        }
        self.bytes += want.length();
        if self.bytes > WANT_WINDOW && !self.open.is_empty() {
            return Err("it asked for more than it may at one time");
        }
        self.open.push_back(Arc::new(want));
        Ok(())
    }

    /// The next want whose answer should be prepared.
    pub(super) fn start(&mut self) -> Option<Arc<Want>> {
        let want = self
            .open
            .get(self.started)
            .filter(|_| self.started < LOOKAHEAD)?;
        self.started += 1;
        Some(Arc::clone(want))
    }

    /// Is the oldest want being answered?
    pub(super) fn is_started(&self) -> bool {
        self.started > 0
    }

    /// The oldest want has its answer. How many files are in it that had none before?
    pub(super) fn answered(&mut self) -> u64 {
        let Some(want) = self.open.pop_front() else {
            return 0;
        };
        self.started = self.started.saturating_sub(1);
        self.bytes -= want.length();
        let mut files = 0;
        for ask in &want.asks {
            let asked = self.asked.entry(ask.entry).or_default();
            files += u64::from(!std::mem::replace(&mut asked.is_answered, true));
        }
        files
    }

    /// Has every want its answer?
    pub(super) fn is_satisfied(&self) -> bool {
        self.open.is_empty()
    }
}
