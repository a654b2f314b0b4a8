use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

#[test]
fn seeds_are_taken() {
    for (name, run, seeds) in TARGETS {
        let seeds = seeds();
        assert!(!seeds.is_empty(), "{name}");
        seeds.iter().for_each(|seed| run(seed));
    }
}

proptest! {
    #[test]
    fn what_chance_makes_of_a_seed_is_taken(
        (_, run, seeds) in prop::sample::select(TARGETS),
        seed: Index,
        bytes in prop::collection::vec((any::<Index>(), any::<u8>()), 0..4),
        end in prop::option::of(any::<Index>()),
    ) {
        let mut input = seed.get(&seeds()).clone();
        for (at, byte) in bytes {
            *at.get_mut(&mut input) = byte;
        }
        input.truncate(end.map_or(usize::MAX, |end| end.index(input.len())));
        run(&input);
    }
}
