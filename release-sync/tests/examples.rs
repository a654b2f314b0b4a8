//! The examples do what they say.
#![allow(clippy::expect_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Runs an example, which cargo has built beside this test.
fn example(name: &str, arguments: &[&Path]) -> Output {
    let test = std::env::current_exe().expect("a test knows its own file");
    let built = test
        .ancestors()
        .nth(2)
        .expect("it lies in target/PROFILE/deps");
    let program: PathBuf = built.join("examples").join(name);
    let output = Command::new(&program).args(arguments).output();
    output
        .unwrap_or_else(|error| panic!("{} (`cargo build --examples`): {error}", program.display()))
}

fn said(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

/// A source with one file, and a place for what comes of it.
fn place() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let place = tempfile::tempdir().expect("a directory can be made");
    let (source, destination) = (
        place.path().join("source"),
        place.path().join("destination"),
    );
    fs::create_dir(&source).expect("it is not there");
    fs::write(source.join("file"), "content").expect("it can be written");
    (place, source, destination)
}

#[test]
fn pushing_ones_make_the_destination_equal() {
    for name in ["local", "monitor", "custom_transport", "under_tokio"] {
        let (_place, source, destination) = place();
        let output = example(name, &[&source, &destination]);
        assert!(output.status.success(), "{name}: {}", said(&output));
        let content = fs::read(destination.join("file")).expect("it was pushed");
        assert_eq!(content, b"content", "{name}");
    }
}

#[test]
fn plan_changes_nothing_and_verify_sees_an_edit() {
    let (_place, source, destination) = place();
    let planned = said(&example("plan", &[&source, &destination]));
    assert!(planned.contains("<f+++++++++ file"), "{planned}");
    assert!(!destination.exists());

    assert!(example("local", &[&source, &destination]).status.success());
    let intact = example("verify", &[&destination]);
    assert!(intact.status.success(), "{}", said(&intact));
    fs::write(destination.join("file"), "edited!").expect("it can be written");
    let edited = example("verify", &[&destination]);
    assert!(!edited.status.success(), "{}", said(&edited));
}

#[test]
fn pull_brings_a_tree() {
    let (_place, source, destination) = place();
    let agent = Path::new(env!("CARGO_BIN_EXE_release-agent"));
    let output = example("pull", &[&destination, &source, agent, Path::new("serve")]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(
        fs::read(destination.join("file")).expect("it was brought"),
        b"content"
    );
}

#[test]
fn push_to_hosts_says_what_it_needs() {
    let output = example("push_to_hosts", &[]);
    assert!(!output.status.success());
    assert!(said(&output).contains("USER@ADDRESS"), "{}", said(&output));
}
