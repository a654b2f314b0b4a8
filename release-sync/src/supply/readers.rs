//! Sets of hosts, by number.

/// Which hosts have had a frame, or are yet to come.
#[derive(Clone, Debug, Default)]
pub(super) struct Readers(Vec<u64>);

impl Readers {
    /// The hosts from 0 to below `count`.
    pub(super) fn first(count: usize) -> Self {
        let mut all = Self::default();
        (0..count).for_each(|reader| all.insert(reader));
        all
    }

    pub(super) fn insert(&mut self, reader: usize) {
        let word = reader / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (reader % 64);
    }

    pub(super) fn remove(&mut self, reader: usize) {
        if let Some(word) = self.0.get_mut(reader / 64) {
            *word &= !(1 << (reader % 64));
        }
    }

    /// Is each of them among the others?
    pub(super) fn are_all_in(&self, others: &Self) -> bool {
        let others = others.0.iter().copied().chain(std::iter::repeat(0));
        self.0
            .iter()
            .zip(others)
            .all(|(own, other)| own & !other == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_in_when_the_last_is() {
        let mut yet_to_come = Readers::first(130);
        let mut had = Readers::default();
        (0..129).for_each(|reader| had.insert(reader));
        assert!(!yet_to_come.are_all_in(&had));
        yet_to_come.remove(129);
        assert!(yet_to_come.are_all_in(&had));
    }
}
