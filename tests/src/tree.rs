//! Generators of trees. What they make depends on their arguments alone.

mod make;
mod mutation;
mod oddities;
mod random;
mod release;

pub use make::{delete, replace, set_mtime};
pub use mutation::mutate;
pub use oddities::{deep, oddities};
pub use random::Random;
pub use release::{next_release, release};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge;
    use crate::snapshot::Snapshot;

    fn made(make: impl Fn(&std::path::Path)) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        make(dir.path());
        dir
    }

    #[test]
    fn a_seed_decides_a_release() {
        let one = made(|dir| release(dir, 7, 200, 1 << 20));
        let two = made(|dir| release(dir, 7, 200, 1 << 20));
        judge::assert_equal(one.path(), two.path());
        next_release(one.path(), 8);
        assert!(!judge::rsync_lines(one.path(), two.path()).is_empty());
        next_release(two.path(), 8);
        judge::assert_equal(one.path(), two.path());
    }

    #[test]
    fn a_release_has_the_size_that_was_asked_for() {
        let dir = made(|dir| release(dir, 1, 300, 3 << 20));
        let snapshot = Snapshot::of(dir.path());
        assert_eq!(snapshot.files(), 300);
        let bytes = snapshot.bytes();
        assert!((2 << 20..4 << 20).contains(&bytes), "{bytes}");
    }

    #[test]
    fn a_next_release_changes_little() {
        let dir = made(|dir| release(dir, 1, 1000, 4 << 20));
        let before = Snapshot::of(dir.path());
        next_release(dir.path(), 2);
        let changed = before.content_differences(&Snapshot::of(dir.path()));
        assert!((20..200).contains(&changed), "{changed}");
    }

    #[test]
    fn mutations_go_on_and_on() {
        let dir = made(oddities);
        for seed in 0..4 {
            let before = Snapshot::of(dir.path());
            mutate(dir.path(), seed);
            let changes = before.differences(&Snapshot::of(dir.path()));
            for what in [
                "Directory instead of File",
                "Symlink",
                "mode is",
                "owner is",
                "mtime is",
                "is missing",
            ] {
                assert!(
                    changes.iter().any(|line| line.contains(what)),
                    "round {seed}: nothing about `{what}`"
                );
            }
        }
    }
}
