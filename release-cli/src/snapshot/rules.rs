//! What to make of an answer, or of none.

use release_core::Moment;
use release_core::cloud::Snapshot;

/// What is known of a snapshot that was asked for.
#[derive(Debug)]
pub(super) enum Answer {
    /// The service said that it began this one.
    Snapshot(Snapshot),
    /// It said nothing; this is what was found by the tag, if anything was.
    Found(Option<Snapshot>),
}

/// What to do.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    Keep(Snapshot),
    Delete(Snapshot, &'static str),
    Nothing(&'static str),
}

/// `is_sound`: the file system was still until we let it go. `held` is from when to when that was, by this
/// machine's clock.
///
/// A snapshot whose making was answered shows a moment between call and answer, and both were within. One that was
/// only found has nothing but its own word for that.
pub(super) fn judge(answer: Answer, is_sound: bool, held: (Moment, Moment)) -> Verdict {
    const EARLY: &str = "the file system was thawed before its time";
    match answer {
        Answer::Snapshot(snapshot) if is_sound => Verdict::Keep(snapshot),
        Answer::Snapshot(snapshot) => Verdict::Delete(snapshot, EARLY),
        Answer::Found(None) => Verdict::Nothing("nobody knows whether it was made"),
        Answer::Found(Some(snapshot)) if !is_sound => Verdict::Delete(snapshot, EARLY),
        Answer::Found(Some(snapshot)) => {
            let is_within = held.0 <= snapshot.started && snapshot.started <= held.1;
            match is_within {
                true => Verdict::Keep(snapshot),
                false => Verdict::Delete(
                    snapshot,
                    "it may show another moment than the one it was asked for in",
                ),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use release_core::cloud::{SnapshotState, Tags};

    use super::*;

    fn at(millis: i64) -> Moment {
        Moment::from_unix_millis(millis)
    }

    fn snapshot(started: i64) -> Snapshot {
        Snapshot {
            id: "snap-00000001".parse().unwrap(),
            owner: "123456789012".parse().unwrap(),
            volume: "vol-00000001".parse().unwrap(),
            state: SnapshotState::Pending,
            progress: 0,
            started: at(started),
            size_gib: 8,
            encrypted: false,
            description: String::new(),
            tags: Tags::new(),
        }
    }

    #[test]
    fn what_was_answered_is_kept_unless_somebody_thawed() {
        let held = (at(100), at(200));
        // Whatever its clock says: it was made between call and answer.
        for started in [0, 150, 999] {
            let answer = || Answer::Snapshot(snapshot(started));
            assert_eq!(
                judge(answer(), true, held),
                Verdict::Keep(snapshot(started))
            );
            assert!(matches!(judge(answer(), false, held), Verdict::Delete(..)));
        }
    }

    #[test]
    fn what_was_found_is_kept_only_if_it_is_from_within_the_freeze() {
        let held = (at(100), at(200));
        for (started, is_sound, is_kept) in [
            (99, true, false),
            (100, true, true),
            (200, true, true),
            (201, true, false),
            (150, false, false),
        ] {
            let verdict = judge(Answer::Found(Some(snapshot(started))), is_sound, held);
            assert_eq!(
                matches!(verdict, Verdict::Keep(_)),
                is_kept,
                "{started} {is_sound}"
            );
            assert!(!matches!(verdict, Verdict::Nothing(_)));
        }
        for is_sound in [true, false] {
            let verdict = judge(Answer::Found(None), is_sound, held);
            assert!(matches!(verdict, Verdict::Nothing(_)));
        }
    }
}
