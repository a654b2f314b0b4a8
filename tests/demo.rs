//! The demo, as whoever tries the program out runs it.

use std::process::Command;

use release_tests::cli::agent;
use serde_json::Value;

#[test]
fn all_that_the_demo_says_is_so() {
    let home = tempfile::tempdir().unwrap();
    let run = Command::new(agent().with_file_name("release-cli"))
        .args(["--json", "demo"])
        .env("HOME", home.path())
        .env("TMPDIR", home.path())
        .output()
        .unwrap();
    assert_eq!(run.status.code(), Some(0), "{run:#?}");
    let text = String::from_utf8(run.stdout).unwrap();
    let events = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let events: Vec<Value> = events.collect();
    let steps: Vec<_> = events
        .iter()
        .filter(|event| event["event"] == "step")
        .collect();
    // All of them: release-boot is beside it, so that no chapter is left out.
    let numbers: Vec<_> = steps.iter().map(|step| &step["step"]).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8]);
    for step in &steps {
        let claims = step["claims"].as_array().unwrap();
        assert!(!claims.is_empty() && claims.iter().all(|claim| claim["holds"] == true));
    }
    assert_eq!(events.last().unwrap()["event"], "finished");
    let left: Vec<_> = std::fs::read_dir(home.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}
