//! What to go back to.

use release_core::cloud::{Snapshot, SnapshotState, tagged_generation, tagged_release};
use release_core::{Generation, Pointer, SnapshotId};
use release_sync::ReleaseId;

use crate::cloud::OpenCloud;
use crate::failure::Failure;
use crate::snapshot::all_snapshots;
use crate::state::{Deed, Entry, Places};

/// So many entries of the history are looked at.
pub(super) const FAR_BACK: usize = 1000;

/// A release that was current once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// The generation that it was given out as.
    pub(super) generation: Generation,
    pub(super) release: ReleaseId,
    /// What hosts go back from.
    pub(super) from: ReleaseId,
    /// What new instances boot, and its size in GiB; `None` without a cloud.
    pub(super) snapshot: Option<(SnapshotId, u32)>,
    /// It is what is published: only hosts have still to go back.
    pub(super) is_current: bool,
}

impl Target {
    /// Is something published, now or before?
    pub(super) fn is_published(&self) -> bool {
        self.snapshot.is_some()
    }

    /// Without a cloud: what was pushed to these hosts before the last push. They keep that one and no other.
    pub(super) fn of_history(
        history: &[Entry],
        places: &Places,
        wanted: Option<Generation>,
    ) -> Result<Self, Failure> {
        let releases = pushed(history, places);
        let mut latest = releases.iter().rev();
        let last = latest.next().ok_or(Failure::NothingToGoBackTo)?;
        let before = latest.find(|(_, release)| *release != last.1);
        let before = before.ok_or(Failure::NothingToGoBackTo)?;
        let (target, from) = match wanted {
            None => (before, last),
            Some(wanted) => {
                let named = releases
                    .iter()
                    .find(|(generation, _)| *generation == wanted);
                let named = named.ok_or(Failure::UnknownGeneration(wanted))?;
                match named.1 {
                    // Again, for hosts that did not go back the first time.
                    release if release == last.1 => (named, before),
                    release if release == before.1 => (named, last),
                    _ => return Err(Failure::NotKept(wanted)),
                }
            }
        };
        Ok(Self {
            generation: target.0,
            release: target.1,
            from: from.1,
            snapshot: None,
            is_current: false,
        })
    }

    /// With a cloud: what the pointer names as the previous one, or a generation whose snapshot is there.
    pub(super) fn of_cloud(
        cloud: &OpenCloud,
        fleet: &str,
        current: &Pointer,
        history: &[Entry],
        wanted: Option<Generation>,
    ) -> Result<Self, Failure> {
        let ours = all_snapshots(cloud, fleet)?;
        let previous = current.previous.as_ref();
        let found = match wanted {
            None => {
                let previous = previous.ok_or(Failure::NothingToGoBackTo)?;
                let snapshot = ours.iter().find(|one| one.id == previous.snapshot);
                snapshot.map(|snapshot| (previous.generation, snapshot))
            }
            Some(wanted) => named(&ours, history, wanted).map(|snapshot| (wanted, snapshot)),
        };
        let generation = wanted.or(previous.map(|previous| previous.generation));
        let generation = generation.unwrap_or_default();
        let (generation, snapshot) = found.ok_or(Failure::UnknownGeneration(generation))?;
        let account = &cloud.identity()?.account;
        let release = tagged_release(&snapshot.tags);
        let release = release
            .filter(|_| snapshot.state == SnapshotState::Completed && snapshot.owner == *account);
        let release = release.ok_or_else(|| Failure::UnusableSnapshot(snapshot.id.clone()))?;
        let is_current = snapshot.id == current.snapshot;
        let from = match (is_current, previous) {
            (false, _) => current.release,
            (true, Some(previous)) => previous.release,
            (true, None) => return Err(Failure::NothingToGoBackTo),
        };
        Ok(Self {
            generation,
            release,
            from,
            snapshot: Some((snapshot.id.clone(), snapshot.size_gib)),
            is_current,
        })
    }
}

/// A generation's snapshot. One that was gone back to has another generation's tag by now, and the history
/// knows its release.
fn named<'s>(ours: &'s [Snapshot], history: &[Entry], wanted: Generation) -> Option<&'s Snapshot> {
    let by_tag = |snapshot: &&Snapshot| tagged_generation(&snapshot.tags) == Some(wanted);
    if let Some(snapshot) = ours.iter().find(by_tag) {
        return Some(snapshot);
    }
    let entry = history
        .iter()
        .find(|entry| entry.generation == wanted.get())?;
    let id = entry.snapshot.as_ref()?;
    ours.iter().find(|snapshot| snapshot.id == *id)
}

/// What these hosts were given, in its order.
fn pushed(history: &[Entry], places: &Places) -> Vec<(Generation, ReleaseId)> {
    let entries = history.iter().filter(|entry| entry.deed != Deed::Snapshot);
    entries
        .filter(|entry| entry.concerns(places))
        .filter(|entry| entry.outcome != "failed")
        .filter_map(|entry| {
            Some((
                Generation::new(entry.generation),
                entry.release.parse().ok()?,
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use release_core::Digest;

    use super::*;
    use crate::state::HostEntry;
    use crate::ui::samples;

    fn release(name: &str) -> ReleaseId {
        ReleaseId::new(Digest::of(name.as_bytes()))
    }

    fn entry(generation: u64, name: &str, deed: Deed, outcome: &str) -> Entry {
        Entry {
            at: String::new(),
            by: String::new(),
            deed,
            source: String::new(),
            release: release(name).to_string(),
            generation,
            snapshot: None,
            outcome: outcome.into(),
            exit: 0,
            seconds: 0.0,
            hosts: vec![HostEntry {
                host: "web-1".into(),
                place: samples::places().get("web-1").map(str::to_owned),
                outcome: String::new(),
                error: None,
            }],
        }
    }

    fn target(history: &[Entry], wanted: Option<u64>) -> Result<(ReleaseId, ReleaseId), Failure> {
        let target = Target::of_history(history, &samples::places(), wanted.map(Generation::new))?;
        Ok((target.from, target.release))
    }

    #[test]
    fn without_a_cloud_the_one_before_is_kept_and_no_other() {
        let history = [
            entry(1, "a", Deed::Deploy, "ok"),
            entry(2, "b", Deed::Deploy, "ok"),
            entry(3, "x", Deed::Deploy, "failed"),
            entry(4, "c", Deed::Deploy, "partial"),
            // The same again, for who was deferred.
            entry(5, "c", Deed::Deploy, "ok"),
            entry(6, "s", Deed::Snapshot, "ok"),
        ];
        let back = (release("c"), release("b"));
        assert_eq!(target(&history, None).unwrap(), back);
        assert_eq!(target(&history, Some(2)).unwrap(), back);
        assert!(matches!(
            target(&history, Some(1)),
            Err(Failure::NotKept(_))
        ));
        for unknown in [3, 6, 9] {
            assert!(matches!(
                target(&history, Some(unknown)),
                Err(Failure::UnknownGeneration(_))
            ));
        }
        // Again, by name: those that went back stay, and the others follow.
        let again = [&history[..], &[entry(7, "b", Deed::Rollback, "partial")]].concat();
        assert_eq!(target(&again, Some(2)).unwrap(), back);
    }

    /// Two applications that have one state directory: neither goes back to the other's release.
    #[test]
    fn what_other_directories_were_given_does_not_count() {
        let mut other = entry(2, "x", Deed::Deploy, "ok");
        other.hosts[0].place = samples::places_at("/srv/other")
            .get("web-1")
            .map(str::to_owned);
        let history = [entry(1, "a", Deed::Deploy, "ok"), other.clone()];
        assert!(matches!(
            target(&history, None),
            Err(Failure::NothingToGoBackTo)
        ));
        let history = [&history[..], &[entry(3, "b", Deed::Deploy, "ok"), other]].concat();
        let back = (release("b"), release("a"));
        assert_eq!(target(&history, None).unwrap(), back);
        assert!(matches!(
            target(&history, Some(2)),
            Err(Failure::UnknownGeneration(_))
        ));
        // Lines of before there were places go by the names of hosts.
        let mut old = history;
        for entry in &mut old {
            entry.hosts[0].place = None;
        }
        assert_eq!(target(&old, None).unwrap(), (release("x"), release("b")));
    }

    #[test]
    fn a_first_release_has_none_before_it() {
        for history in [&[][..], &[entry(1, "a", Deed::Deploy, "ok")]] {
            assert!(matches!(
                target(history, None),
                Err(Failure::NothingToGoBackTo)
            ));
        }
    }
}
