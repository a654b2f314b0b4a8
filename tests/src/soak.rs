//! `./dev soak` runs tests again and again, and each round gives them other numbers.

use crate::tree::Random;

/// A number below `bound` (not 0) that this round of a soak, by `RELEASE_SOAK`, gives to the `number`th time that a test
/// asks; 0 where no soak is on.
pub fn shift(number: u64, bound: u64) -> u64 {
    let Ok(round) = std::env::var("RELEASE_SOAK") else {
        return 0;
    };
    let round: u64 = round.parse().expect("RELEASE_SOAK is a number");
    Random::new(round << 32 | number).below(bound)
}
