//! What to go back to.

use release_core::cloud::{Snapshot, SnapshotState, tagged_generation, tagged_release};
use release_core::{Generation, Pointer, SnapshotId};
use release_sync::ReleaseId;

use crate::cloud::OpenCloud;
use crate::failure::Failure;
use crate::snapshot::all_snapshots;
use crate::state::{Deed, Entry, Places, State};

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
    /// It is what is published, and what was given out last: only hosts have still to go back.
    pub(super) is_current: bool,
}

impl Target {
    /// Is it still to be published?
    pub(super) fn is_to_publish(&self) -> bool {
        self.snapshot.is_some() && !self.is_current
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

    /// With a cloud: the latest generation that was published and is another release than what was given out
    /// last, or a named one. `given` is what hosts had besides, published or not.
    pub(super) fn of_cloud(
        cloud: &OpenCloud,
        fleet: &str,
        current: &Pointer,
        given: &[Given],
        history: &[Entry],
        wanted: Option<Generation>,
    ) -> Result<Self, Failure> {
        let ours = all_snapshots(cloud, fleet)?;
        let published = published(current, &ours);
        let all: Vec<Given> = published.iter().map(|one| one.given).collect();
        let all = [given, &all].concat();
        let (generation, id) = match wanted {
            None => {
                let found = before_the_last(&all, &published);
                let found = found.ok_or(Failure::NothingToGoBackTo)?;
                (found.given.0, Some(found.snapshot))
            }
            Some(wanted) => (wanted, named(&published, history, wanted)),
        };
        let snapshot = id.and_then(|id| ours.iter().find(|snapshot| snapshot.id == id));
        let snapshot = snapshot.ok_or(Failure::UnknownGeneration(generation))?;
        let account = &cloud.identity()?.account;
        let release = tagged_release(&snapshot.tags);
        let release = release
            .filter(|_| snapshot.state == SnapshotState::Completed && snapshot.owner == *account);
        let release = release.ok_or_else(|| Failure::UnusableSnapshot(snapshot.id.clone()))?;
        // Of what was only pushed the generation is higher than the pointer's: an instance that sleeps with that
        // heeds no pointer before a still higher one.
        let is_last = latest(all.iter()).is_some_and(|(_, last)| last == release);
        let from = latest(all.iter().filter(|(_, other)| *other != release));
        let (_, from) = from.ok_or(Failure::NothingToGoBackTo)?;
        Ok(Self {
            generation,
            release,
            from,
            snapshot: Some((snapshot.id.clone(), snapshot.size_gib)),
            is_current: is_last && snapshot.id == current.snapshot,
        })
    }
}

/// A release, and the generation that it was given out as.
pub(super) type Given = (Generation, ReleaseId);

/// Something that can be booted.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Published {
    given: Given,
    snapshot: SnapshotId,
}

/// What was published, as far as it is known. The pointer knows of generations whose snapshots could not be
/// tagged.
fn published(current: &Pointer, ours: &[Snapshot]) -> Vec<Published> {
    let tagged = ours.iter().filter_map(|snapshot| {
        let tags = &snapshot.tags;
        Some(Published {
            given: (tagged_generation(tags)?, tagged_release(tags)?),
            snapshot: snapshot.id.clone(),
        })
    });
    let pointed = [Some(current.as_previous()), current.previous.clone()];
    let pointed = pointed.into_iter().flatten().map(|one| Published {
        given: (one.generation, one.release),
        snapshot: one.snapshot,
    });
    tagged.chain(pointed).collect()
}

/// The latest that was published, and is another release than the last of all. A release that was given out
/// twice, to a host that was down say, is one release; and one that only hosts have is gone back from to what is
/// published.
fn before_the_last(all: &[Given], published: &[Published]) -> Option<Published> {
    let (_, last) = latest(all.iter())?;
    let others = published.iter().filter(|one| one.given.1 != last);
    others.max_by_key(|one| one.given.0).cloned()
}

fn latest<'g>(given: impl Iterator<Item = &'g Given>) -> Option<Given> {
    given.max_by_key(|(generation, _)| *generation).copied()
}

/// A generation's snapshot. One that was gone back to has another generation's tag by now, and the history
/// knows it.
fn named(published: &[Published], history: &[Entry], wanted: Generation) -> Option<SnapshotId> {
    let published = published.iter().find(|one| one.given.0 == wanted);
    if let Some(published) = published {
        return Some(published.snapshot.clone());
    }
    let entry = history
        .iter()
        .find(|entry| entry.generation == wanted.get())?;
    entry.snapshot.clone()
}

/// What these hosts were given, published or not: as the history has it, and by a deploy that did not come to its
/// end.
pub(super) fn given(
    state: &State,
    history: &[Entry],
    places: &Places,
) -> Result<Vec<Given>, Failure> {
    let mut given = pushed(history, places);
    if let Some(unfinished) = state.unfinished()? {
        let fates = state.fates(places)?.unwrap_or_default();
        // With one state directory for several applications it may be another one's.
        let mut fates = fates.values();
        if fates.any(|fate| fate.generation == unfinished.generation.get()) {
            given.push((unfinished.generation, unfinished.release));
        }
    }
    Ok(given)
}

/// What these hosts were given, in its order.
fn pushed(history: &[Entry], places: &Places) -> Vec<Given> {
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

    fn given(generation: u64, name: &str) -> Given {
        (Generation::new(generation), release(name))
    }

    fn published_as(generation: u64, name: &str) -> Published {
        Published {
            given: given(generation, name),
            snapshot: format!("snap-{generation:08}").parse().unwrap(),
        }
    }

    /// The generation that is gone back to, where these were published, and hosts were given the others.
    fn back(published: &[(u64, &str)], only_given: &[(u64, &str)]) -> Option<u64> {
        let published = published.iter();
        let published: Vec<_> = published
            .map(|(at, name)| published_as(*at, name))
            .collect();
        let only_given = only_given.iter().map(|(at, name)| given(*at, name));
        let all = published.iter().map(|one| one.given).chain(only_given);
        let all: Vec<_> = all.collect();
        let found = before_the_last(&all, &published);
        found.map(|one| one.given.0.get())
    }

    #[test]
    fn with_a_cloud_it_is_another_release_than_the_last() {
        assert_eq!(back(&[(1, "a"), (2, "b")], &[]), Some(1));
        assert_eq!(back(&[(1, "a"), (2, "b"), (3, "b")], &[]), Some(1));
        assert_eq!(back(&[(1, "a"), (2, "a")], &[]), None);
        // The older one was gone back to: its snapshot is the latest now.
        assert_eq!(back(&[(3, "a"), (2, "b")], &[]), Some(2));
    }

    /// Pushed and not published: what is published is what was there before.
    #[test]
    fn with_a_cloud_what_only_hosts_have_is_gone_back_from() {
        assert_eq!(back(&[(1, "a"), (2, "b")], &[(3, "c")]), Some(2));
        assert_eq!(back(&[(1, "a"), (2, "b")], &[(3, "c"), (4, "c")]), Some(2));
        // What hosts had before the last publication is of no concern.
        assert_eq!(back(&[(1, "a"), (4, "b")], &[(3, "c")]), Some(1));
        // The same release, but not published again.
        assert_eq!(back(&[(1, "a"), (2, "b")], &[(3, "b")]), Some(1));
    }

    #[test]
    fn a_deploy_that_was_cut_off_counts_if_it_was_to_these_hosts() {
        let directory = tempfile::tempdir().unwrap();
        let state = State::open(directory.path()).unwrap();
        let lock = state.lock("ada").unwrap();
        let deploy = crate::state::Deploy {
            release: release("c"),
            generation: Generation::new(3),
            source: "/srv/app",
            by: "ada",
            snapshot: None,
            exclude: &[],
        };
        let places = samples::places();
        lock.begin(deploy, &places, ["web-1"].into_iter()).unwrap();
        lock.set_unfinished(&crate::state::Unfinished {
            generation: deploy.generation,
            release: deploy.release,
            snapshot: None,
            published: None,
            by: String::new(),
            since: release_core::Moment::from_unix_millis(0),
            hosts: vec!["web-1".into()],
        })
        .unwrap();
        let history = [entry(2, "b", Deed::Deploy, "ok")];
        let of = |places: &Places| super::given(&state, &history, places).unwrap();
        assert_eq!(of(&places), [given(2, "b"), given(3, "c")]);
        assert_eq!(of(&samples::places_at("/srv/other")), []);
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
