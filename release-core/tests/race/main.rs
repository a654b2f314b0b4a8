//! The race between a deploy and the instances that boot meanwhile, with every order of events tried.
//!
//! What runs here are the machines that the programs run, [`release_core::deploy`] and
//! [`release_core::boot`], in a world in which everything else may happen at any moment: instances come, lists
//! lag, the deploy is killed and begun again. What must hold is in `promises.rs`; that it would be found out if it
//! didn't, in `weakened.rs`. The argument in words is `docs/race.md`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod controller;
mod instance;
mod model;
mod promises;
mod things;
mod weakened;
mod world;

use std::time::Duration;

use model::Race;
use stateright::{Checker, Model, UniformChooser};

/// Tries everything that can happen, and fails with the way to whatever must not.
fn try_everything(race: Race) {
    let checker = race.checker().threads(2).spawn_bfs().join();
    checker.assert_properties();
}

/// The way to whatever is said not to be possible, if there is one.
fn find(race: Race, promise: &'static str) -> Option<String> {
    let checker = race.checker().threads(2).spawn_bfs().join();
    let path = checker.discovery(promise)?;
    Some(format!("{:#?}", path.into_actions()))
}

/// One tick of the model's clock.
const TICK: Duration = Duration::from_secs(1);

#[test]
fn nobody_is_left_behind_when_all_goes_well() {
    try_everything(Race {
        late: 1,
        ..Race::calm()
    });
}

/// The round of `./dev soak` that this is, by `RELEASE_SOAK`; 0 in any other run.
fn round() -> u64 {
    let round = std::env::var("RELEASE_SOAK");
    round.map_or(0, |round| round.parse().expect("RELEASE_SOAK is a number"))
}

/// More than can be tried whole: by walks that chance leads, the same each time but for a soak, which goes further on
/// others.
#[test]
fn nobody_is_left_behind_when_everything_comes_together() {
    let race = Race {
        late: 3,
        crashes: 1,
        reconciles: 1,
        faults: 3,
        interrupts: 1,
        ..Race::calm()
    };
    let (seed, walked) = match round() {
        0 => (1, WALKED),
        round => (round + 1, 5 * WALKED),
    };
    let walks = race.clone().checker().target_state_count(walked);
    let checker = walks.spawn_simulation(seed, UniformChooser).join();
    assert!(checker.state_count() >= walked);
    for promise in promises::kept(&race) {
        checker.assert_no_discovery(promise);
    }
}

/// States on those walks.
const WALKED: usize = 300_000;

#[test]
fn nobody_is_left_behind_when_the_snapshot_comes_first() {
    try_everything(Race {
        late: 1,
        snapshot_first: true,
        ..Race::calm()
    });
}

#[test]
fn nobody_is_left_behind_when_the_deploy_is_killed_and_begun_again() {
    try_everything(Race {
        late: 1,
        crashes: 1,
        ..Race::calm()
    });
}

#[test]
fn nobody_is_left_behind_while_the_timer_reconciles() {
    try_everything(Race {
        late: 1,
        last: 1,
        reconciles: 1,
        ..Race::calm()
    });
}

#[test]
fn nobody_is_left_behind_when_things_fail() {
    try_everything(Race {
        late: 1,
        faults: 1,
        ..Race::calm()
    });
}

#[test]
fn nobody_is_left_behind_when_somebody_interrupts() {
    try_everything(Race {
        late: 1,
        interrupts: 1,
        ..Race::calm()
    });
}
