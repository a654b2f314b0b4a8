//! What is given out, where sessions begin before it is known.

use std::sync::{Arc, Mutex, OnceLock};

use super::encode::Supply;
use super::shelf::lock;
use super::{CACHE_BUDGET, PayloadCache, Source};
use crate::session::Release;
use crate::transport::Waker;

/// A release, and where answers about it come from.
#[derive(Debug)]
pub(crate) struct Supplied {
    pub(crate) release: Arc<Release>,
    /// `None` where the source can't be opened again: nothing can be answered.
    pub(crate) cache: Option<PayloadCache>,
}

/// What is given out, once it is there. Sessions that wait for it are woken then.
#[derive(Debug, Default)]
pub(crate) struct Awaited {
    supplied: OnceLock<Supplied>,
    early: Mutex<Early>,
}

/// What happened before it was there.
#[derive(Debug, Default)]
struct Early {
    waiting: Vec<Waker>,
    left: Vec<usize>,
}

impl Supplied {
    /// A source that was scanned, for so many hosts.
    pub(crate) fn of(source: &Source, hosts: usize) -> Self {
        let release = source.shared();
        let root = source.root().try_clone().ok();
        let supply = root.map(|root| Supply::new(root, Arc::clone(&release), source.trace()));
        let cache = supply.map(|supply| PayloadCache::new(supply, CACHE_BUDGET, hosts));
        Self { release, cache }
    }
}

impl Awaited {
    /// What is there already.
    pub(crate) fn known(supplied: Supplied) -> Self {
        let awaited = Self::default();
        awaited.fulfil(supplied);
        awaited
    }

    /// Tells what it is. Once only; what comes later is not heard.
    pub(crate) fn fulfil(&self, supplied: Supplied) {
        let mut early = lock(&self.early);
        let supplied = self.supplied.get_or_init(|| supplied);
        if let Some(cache) = &supplied.cache {
            early.left.drain(..).for_each(|reader| cache.leave(reader));
        }
        early.waiting.drain(..).for_each(|waker| waker.wake());
    }

    /// What it is, if that is known.
    pub(crate) fn get(&self) -> Option<&Supplied> {
        self.supplied.get()
    }

    /// Where answers come from, if it is known and can be read.
    pub(crate) fn cache(&self) -> Option<&PayloadCache> {
        self.get()?.cache.as_ref()
    }

    /// Has a waker woken once it is known, if it isn't yet.
    pub(crate) fn wake_then(&self, waker: &Waker) {
        let mut early = lock(&self.early);
        if self.get().is_none() {
            early.waiting.push(waker.clone());
        }
    }

    /// A host will not ask any more.
    pub(crate) fn leave(&self, reader: usize) {
        let mut early = lock(&self.early);
        match self.get() {
            Some(supplied) => supplied.cache.iter().for_each(|cache| cache.leave(reader)),
            None => early.left.push(reader),
        }
    }
}
