//! Which snapshots are not needed any more.
//!
//! A plan, made of what is known: nothing is deleted here, and no clock is read.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::cloud::{Snapshot, TAG_FLEET, tagged_generation, tagged_publication, tagged_release};
use crate::{Generation, Moment, Pointer};

/// What is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// So many generations, the current one included; at least one is kept.
    pub keep: u64,
    /// Longest time from an instance's launch until it has read the pointer for the last time. What was current
    /// so long ago may still be on its way to some instance.
    pub boot_deadline: Duration,
}

/// What is to be done about one snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fate {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// The generation that it was published as.
    pub generation: Generation,
    /// Why it stays; `None`: it goes.
    pub kept: Option<Kept>,
}

/// Why a snapshot stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kept {
    /// The pointer names it.
    Current,
    /// The pointer names it as what was current before; or that is the same release, and it is the latest of
    /// another one: what a rollback goes to.
    Previous,
    /// It is one of the latest generations, as many as are kept.
    Recent,
    /// It was superseded less than a boot deadline ago.
    JustSuperseded,
    /// It is later than the pointer: somebody is about to publish it, or the pointer was lost.
    Later,
}

impl Kept {
    /// In a word or two; does not change from build to build.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Previous => "previous",
            Self::Recent => "recent",
            Self::JustSuperseded => "just superseded",
            Self::Later => "later than the pointer",
        }
    }
}

impl Retention {
    /// Says of each snapshot whether it goes, in the order of generations, the latest first.
    ///
    /// `snapshots` may hold anything. Only those are looked at that carry the fleet's tag, a generation and a
    /// release, which ours do once they were published; all others are nobody's business here. Of two with one
    /// generation both are treated alike.
    ///
    /// A generation was superseded when the next one was published, which that one's snapshot has as a tag.
    /// Where this is not known, it counts as just now.
    pub fn plan(
        &self,
        fleet: &str,
        pointer: &Pointer,
        snapshots: &[Snapshot],
        now: Moment,
    ) -> Vec<Fate> {
        let mut ours: Vec<(Generation, &Snapshot)> = snapshots
            .iter()
            .filter(|one| one.tags.get(TAG_FLEET).is_some_and(|own| own == fleet))
            .filter(|one| tagged_release(&one.tags).is_some())
            .filter_map(|one| Some((tagged_generation(&one.tags)?, one)))
            .collect();
        ours.sort_by(|(a, one), (b, other)| b.cmp(a).then_with(|| one.id.cmp(&other.id)));
        let published = Published::of(&ours, pointer);
        let until_now: BTreeSet<Generation> = ours
            .iter()
            .map(|(generation, _)| *generation)
            .filter(|generation| *generation <= pointer.generation)
            .collect();
        let keep = usize::try_from(self.keep.max(1)).unwrap_or(usize::MAX);
        let recent: BTreeSet<Generation> = until_now.into_iter().rev().take(keep).collect();
        let previous = pointer.previous.as_ref();
        // One release may have been published several times, and what was before it is older than all of these.
        let repeated = previous.is_none_or(|previous| previous.release == pointer.release);
        let other = ours.iter().filter(|_| repeated).find(|(generation, one)| {
            *generation <= pointer.generation && tagged_release(&one.tags) != Some(pointer.release)
        });
        let other = other.map(|(generation, _)| *generation);
        let kept = |snapshot: &Snapshot, generation: Generation| {
            if pointer.snapshot == snapshot.id {
                Some(Kept::Current)
            } else if previous.is_some_and(|previous| previous.snapshot == snapshot.id)
                || other == Some(generation)
            {
                Some(Kept::Previous)
            } else if generation > pointer.generation {
                Some(Kept::Later)
            } else if recent.contains(&generation) {
                Some(Kept::Recent)
            } else {
                let is_young = published.age(generation, now) < self.boot_deadline;
                is_young.then_some(Kept::JustSuperseded)
            }
        };
        ours.into_iter()
            .map(|(generation, snapshot)| Fate {
                kept: kept(snapshot, generation),
                generation,
                snapshot: snapshot.clone(),
            })
            .collect()
    }
}

/// When generations were published.
struct Published(BTreeMap<Generation, Moment>);

impl Published {
    fn of(ours: &[(Generation, &Snapshot)], pointer: &Pointer) -> Self {
        let tagged = ours.iter();
        let tagged = tagged.filter_map(|(generation, snapshot)| {
            Some((*generation, tagged_publication(&snapshot.tags)?))
        });
        let mut published: BTreeMap<_, _> = tagged.collect();
        // Signed a moment before, and the second's beginning: the tag is later, where it is there.
        let current = published.entry(pointer.generation);
        current
            .and_modify(|at| *at = (*at).max(pointer.created))
            .or_insert(pointer.created);
        Self(published)
    }

    /// How long ago a generation was superseded, at least: a generation in between that is not known any
    /// more makes it seem younger. Nothing, where no later one is known.
    fn age(&self, generation: Generation, now: Moment) -> Duration {
        let mut later = self.0.iter().filter(|(later, _)| **later > generation);
        later
            .next()
            .map_or(Duration::ZERO, |(_, at)| now.since(*at))
    }
}

#[cfg(test)]
mod tests;
