#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::cloud::{SnapshotState, TAG_GENERATION, TAG_PUBLISHED, TAG_RELEASE, Tags};
use crate::{Digest, FileSystem, Label, Previous, ReleaseId, SnapshotId};

const MINUTE: u64 = 60;

fn at(seconds: u64) -> Moment {
    Moment::from_unix_millis(1_700_000_000_000).after(Duration::from_secs(seconds))
}

fn release() -> ReleaseId {
    ReleaseId::new(Digest::of(b"tree"))
}

fn id(number: u64) -> SnapshotId {
    format!("snap-{number:08x}").parse().unwrap()
}

/// The snapshot of a generation that was published at its number of minutes.
fn snapshot(generation: u64) -> Snapshot {
    let tags = [
        (TAG_FLEET, "web".to_owned()),
        (TAG_GENERATION, generation.to_string()),
        (TAG_RELEASE, release().to_string()),
        (TAG_PUBLISHED, at(generation * MINUTE).to_string()),
    ];
    Snapshot {
        id: id(generation),
        owner: "123456789012".parse().unwrap(),
        volume: "vol-00000001".parse().unwrap(),
        state: SnapshotState::Completed,
        progress: 100,
        started: at(generation * MINUTE - 30),
        size_gib: 8,
        encrypted: false,
        description: String::new(),
        tags: Tags::from(tags.map(|(key, value)| (key.to_owned(), value))),
    }
}

fn pointer(generation: u64, names: u64, previous: u64) -> Pointer {
    Pointer {
        generation: Generation::new(generation),
        release: release(),
        snapshot: id(names),
        region: "us-east-1".parse().unwrap(),
        account: "123456789012".parse().unwrap(),
        volume_gib: 8,
        file_system: FileSystem::Ext4,
        label: None,
        created: at(generation * MINUTE),
        previous: Some(Previous {
            generation: Generation::new(previous),
            release: release(),
            snapshot: id(previous),
        }),
        who: Label::cut("ada"),
    }
}

fn retention(keep: u64) -> Retention {
    Retention {
        keep,
        boot_deadline: Duration::from_secs(5 * MINUTE),
    }
}

/// The generations that go.
fn gone(fates: &[Fate]) -> Vec<u64> {
    let gone = fates.iter().filter(|fate| fate.kept.is_none());
    gone.map(|fate| fate.generation.get()).collect()
}

#[test]
fn the_oldest_go() {
    let all: Vec<_> = (1..=10).map(snapshot).collect();
    let later = at(1000 * MINUTE);
    let plan = |keep| retention(keep).plan("web", &pointer(10, 10, 9), &all, later);
    assert_eq!(gone(&plan(10)), [0; 0]);
    assert_eq!(gone(&plan(4)), [6, 5, 4, 3, 2, 1]);
    // The previous one is not counted among the recent only where it isn't one.
    assert_eq!(gone(&plan(1)), [8, 7, 6, 5, 4, 3, 2, 1]);
    assert_eq!(gone(&plan(0)), gone(&plan(1)));
    let kept: Vec<_> = plan(4).into_iter().map(|fate| fate.kept).collect();
    let expected = [Kept::Current, Kept::Previous, Kept::Recent, Kept::Recent];
    assert_eq!(kept[..4], expected.map(Some));
}

/// A release that was published again and again, to reach a host that was down say: what was there before it is
/// what can be gone back to.
#[test]
fn the_latest_of_another_release_stays() {
    let mut all: Vec<_> = (1..=10).map(snapshot).collect();
    let other = ReleaseId::new(Digest::of(b"another tree")).to_string();
    for older in &mut all[..5] {
        older.tags.insert(TAG_RELEASE.to_owned(), other.clone());
    }
    let later = at(1000 * MINUTE);
    let plan = retention(2).plan("web", &pointer(10, 10, 9), &all, later);
    assert_eq!(gone(&plan), [8, 7, 6, 4, 3, 2, 1]);
    assert_eq!(plan[5].kept, Some(Kept::Previous));
    // Where the pointer names another release as the one before, that is what is gone back to.
    let mut back = pointer(10, 10, 9);
    if let Some(previous) = &mut back.previous {
        previous.release = ReleaseId::new(Digest::of(b"a third tree"));
    }
    assert_eq!(
        gone(&retention(2).plan("web", &back, &all, later)),
        [8, 7, 6, 5, 4, 3, 2, 1]
    );
}

#[test]
fn what_was_current_a_moment_ago_stays() {
    let all: Vec<_> = (1..=10).map(snapshot).collect();
    // Generation 7 was superseded at minute 8, generation 5 at minute 6.
    let now = at(12 * MINUTE);
    let plan = retention(1).plan("web", &pointer(10, 10, 9), &all, now);
    assert_eq!(gone(&plan), [6, 5, 4, 3, 2, 1]);
    let young: Vec<_> = plan
        .iter()
        .filter(|fate| fate.kept == Some(Kept::JustSuperseded))
        .map(|fate| fate.generation.get())
        .collect();
    assert_eq!(young, [8, 7]);
    // When 8 was published is known no more: it may have been as late as 9 was.
    let some: Vec<_> = all
        .iter()
        .filter(|one| one.id != id(8) && one.id != id(6))
        .cloned()
        .collect();
    let plan = retention(1).plan("web", &pointer(10, 10, 9), &some, at(13 * MINUTE + 30));
    assert_eq!(gone(&plan), [5, 4, 3, 2, 1]);
}

#[test]
fn a_generation_that_names_an_older_snapshot_keeps_it() {
    let mut all: Vec<_> = (1..=10).map(snapshot).collect();
    // Going back from 10 to what 3 was, as generation 11.
    let back = &mut all[2];
    back.tags.insert(TAG_GENERATION.into(), "11".into());
    back.tags
        .insert(TAG_PUBLISHED.into(), at(11 * MINUTE).to_string());
    let plan = retention(2).plan("web", &pointer(11, 3, 10), &all, at(1000 * MINUTE));
    assert_eq!(plan[0].snapshot.id, id(3));
    assert_eq!(plan[0].kept, Some(Kept::Current));
    assert_eq!(gone(&plan), [9, 8, 7, 6, 5, 4, 2, 1]);
    // The tag may not have been written yet.
    all[2] = snapshot(3);
    let plan = retention(2).plan("web", &pointer(11, 3, 10), &all, at(1000 * MINUTE));
    assert_eq!(gone(&plan), [8, 7, 6, 5, 4, 2, 1]);
}

#[test]
fn what_is_not_ours_or_was_never_published_is_not_looked_at() {
    let mut others: Vec<_> = (1..=4).map(snapshot).collect();
    others[0].tags.insert(TAG_FLEET.into(), "db".into());
    others[1].tags.remove(TAG_FLEET);
    others[2].tags.remove(TAG_GENERATION);
    others[3].tags.insert(TAG_RELEASE.into(), "x".into());
    let plan = retention(1).plan("web", &pointer(10, 10, 9), &others, at(1000 * MINUTE));
    assert_eq!(plan, []);
    let later = [snapshot(11)];
    let plan = retention(1).plan("web", &pointer(10, 10, 9), &later, at(1000 * MINUTE));
    assert_eq!(plan[0].kept, Some(Kept::Later));
}

proptest! {
    /// Whatever there is: what the pointer names stays, so do the latest, and nothing young goes.
    #[test]
    fn what_may_be_needed_stays(
        generations in proptest::collection::btree_set(1_u64..60, 1..40),
        untold in proptest::collection::btree_set(1_u64..60, 0..20),
        keep in 0_u64..8,
        now in 0_u64..120,
    ) {
        let current = *generations.last().unwrap();
        let previous = generations.iter().rev().nth(1).copied().unwrap_or(current);
        let all: Vec<_> = generations.iter().map(|&generation| {
            let mut snapshot = snapshot(generation);
            if untold.contains(&generation) {
                snapshot.tags.remove(TAG_PUBLISHED);
            }
            snapshot
        }).collect();
        let plan = retention(keep).plan("web", &pointer(current, current, previous), &all, at(now * MINUTE));
        prop_assert_eq!(plan.len(), all.len());
        let gone = gone(&plan);
        for &generation in &gone {
            prop_assert!(generation != current && generation != previous);
            let later = generations.iter().filter(|later| **later > generation).count() as u64;
            prop_assert!(later >= keep.max(1));
            let next = generations.iter().find(|later| **later > generation).unwrap();
            prop_assert!(now >= next + 5, "{} was superseded at {}, and it is {}", generation, next, now);
        }
    }
}
