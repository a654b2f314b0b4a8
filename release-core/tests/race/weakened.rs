//! Each rule is needed: without it, somebody is left behind.

use crate::find;
use crate::model::{Race, Weakness};
use crate::promises::NOBODY_LEFT_BEHIND;

#[track_caller]
fn is_needed(weakness: Weakness) {
    let race = Race {
        late: 1,
        weakness: Some(weakness),
        ..Race::calm()
    };
    let way = find(race, NOBODY_LEFT_BEHIND);
    let way = way.expect("without the rule somebody is left behind");
    // There is no way that does without the publication.
    assert!(way.contains("Publish"), "{way}");
}

#[test]
fn without_waiting_for_lists_to_settle() {
    is_needed(Weakness::NoSettle);
}

#[test]
fn with_proofs_from_before_the_publication() {
    is_needed(Weakness::EarlyProofs);
}

#[test]
fn with_a_pointer_that_is_not_read_again() {
    is_needed(Weakness::CachedPointer);
}
