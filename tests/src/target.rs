//! The target directory, and what `./dev` keeps there for the rigs.

use std::path::PathBuf;

/// The target directory that this test was built in.
pub(crate) fn directory() -> PathBuf {
    let this = std::env::current_exe().expect("a test knows where it is");
    let target = (this.ancestors().nth(3)).expect("a test is in target/PROFILE/deps");
    target.to_owned()
}

/// A program of the Python environment that `./dev` makes.
pub(crate) fn python(program: &str) -> PathBuf {
    let path = directory().join("python/bin").join(program);
    let there = path.exists();
    assert!(
        there,
        "{} is missing: `./dev rigs` makes it",
        path.display()
    );
    path
}
