//! What operators ask before a deploy and after it, of real hosts: `status` and `doctor`.

use std::fs;
use std::os::unix::fs::chown;
use std::process::Output;

use release_tests::scene::{Scene, write};
use release_tests::snapshot::Snapshot;
use release_tests::sshd::WWW;
use release_tests::tree;
use serde_json::Value;

fn events(output: &Output) -> Vec<Value> {
    let text = std::str::from_utf8(&output.stdout).unwrap();
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Asks, and fails unless it ends with this code.
#[track_caller]
fn ask(scene: &Scene, words: &[&str], code: i32) -> Vec<Value> {
    let output = scene.cli.output(words);
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    events(&output)
}

/// What `status` says of one host.
#[track_caller]
fn status(scene: &Scene, words: &[&str], code: i32) -> Value {
    let mut events = ask(scene, &[&["status"], words].concat(), code);
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["event"], "host");
    events.remove(0)
}

#[test]
fn a_status_tells_the_release_and_whether_the_tree_is_it() {
    let scene = Scene::new(1);
    tree::release(&scene.source(), 1, 50, 100_000);
    let nothing = status(&scene, &[], 0);
    assert_eq!(nothing["host"], "alpha");
    assert!(nothing["release"].is_null() && nothing["drift"].is_null());
    assert!(!scene.host().tree().exists());

    let release = scene.deploy_and_judge().started().unwrap().release.clone();
    let before = Snapshot::of(&scene.host().tree());
    for words in [&[][..], &["--verify"]] {
        let found = status(&scene, words, 0);
        assert_eq!(found["release"], release.as_str(), "{found}");
        assert_eq!(found["generation"], 1);
        assert_eq!(found["drift"], false);
        assert_eq!(found["proof"], "full");
        assert!(found["since"].is_string() && found["error"].is_null());
    }
    release_tests::judge::assert_unchanged(&before, &scene.host().tree());

    write(&scene.host().tree(), "stranger", "");
    let drifted = status(&scene, &[], 1);
    assert_eq!(drifted["drift"], true);
    assert_eq!(drifted["release"], release.as_str());
    fs::remove_dir_all(scene.host().tree()).unwrap();
    assert!(status(&scene, &[], 0)["release"].is_null());
}

/// What `doctor` says of the host, by the names of its checks: `ok`, or what was found.
fn examine(scene: &Scene, code: i32) -> Vec<(String, String)> {
    let mut events = ask(scene, &["doctor"], code);
    let last = events.pop().unwrap();
    assert_eq!(last["event"], "finished");
    assert_eq!(last["outcome"], if code == 0 { "ok" } else { "failed" });
    let of_host = events.iter().filter(|event| event["host"] == "alpha");
    of_host
        .map(|check| {
            assert_eq!(check["event"], "check");
            let found = match check["result"].as_str().unwrap() {
                "ok" => "ok".to_owned(),
                result => format!("{result}: {}", check["text"].as_str().unwrap()),
            };
            (check["check"].as_str().unwrap().to_owned(), found)
        })
        .collect()
}

/// Fails unless all is well but for the last, which says something with all of these words.
#[track_caller]
fn assert_only_the_last_is_bad(checks: &[(String, String)], name: &str, words: &[&str]) {
    let Some(((last, found), others)) = checks.split_last() else {
        panic!("nothing was looked at");
    };
    assert!(others.iter().all(|(_, found)| found == "ok"), "{checks:?}");
    assert_eq!(last, name, "{checks:?}");
    for word in words {
        assert!(found.contains(word), "`{word}` should be in {found}");
    }
}

const ALL: [&str; 4] = ["ssh", "agent", "clock", "space"];

#[test]
fn a_doctor_finds_nothing_where_a_deploy_will_work() {
    let scene = Scene::new(1);
    write(&scene.source(), "file", "content");
    let all_well = ALL.map(|name| (name.to_owned(), "ok".to_owned()));
    // Before the destination is there, and after.
    assert_eq!(examine(&scene, 0), all_well);
    assert!(!scene.host().tree().exists());
    scene.deploy_and_judge();
    assert_eq!(examine(&scene, 0), all_well);
}

#[test]
fn a_doctor_finds_what_a_deploy_would_fail_at() {
    let mut scene = Scene::new(1);
    write(&scene.source(), "file", "content");
    let shared = scene.rack.shared().to_owned();
    let address = scene.host().address();
    let as_www = |path: &str| format!("user = \"www\"\ndestination = {:?}", shared.join(path));

    // A directory that is root's, and one that would have to be made in it.
    fs::create_dir(scene.host().shared().join("taken")).unwrap();
    for (path, doing) in [("taken", "writing to it"), ("missing/deep", "making it")] {
        scene.cli.reach_with("alpha", address, &as_www(path));
        let words = ["fault: ", path, doing, "Permission denied"];
        assert_only_the_last_is_bad(&examine(&scene, 1), "destination", &words);
        scene.cli.deploy().assert_failed(1, &["alpha"]);
    }
    chown(scene.host().shared().join("taken"), Some(WWW), Some(WWW)).unwrap();
    scene
        .cli
        .reach_with("alpha", address, &as_www("taken/below"));
    let well = examine(&scene, 0);
    assert_eq!(well.len(), ALL.len(), "{well:?}");
    scene.cli.deploy().assert_failed(0, &[]);

    scene.cli.reach("alpha", address);
    scene
        .cli
        .replace("[cloud]", "require_mount = true\n[cloud]");
    let words = ["fault: ", "is not mounted"];
    assert_only_the_last_is_bad(&examine(&scene, 1), "destination", &words);
    scene.cli.replace("require_mount = true\n", "");

    let full = format!("mount -t tmpfs -o size=1M none {}", shared.display());
    scene.host().run(&full);
    let checks = examine(&scene, 0);
    assert_only_the_last_is_bad(&checks, "space", &["warning: ", "MB free at"]);
    let read_only = format!("mount -o remount,ro {}", shared.display());
    scene.host().run(&read_only);
    let words = ["fault: ", "read-only"];
    assert_only_the_last_is_bad(&examine(&scene, 1), "destination", &words);

    scene.cli.reach("alpha", "127.0.10.3:1".parse().unwrap());
    let words = ["fault: ", "can't connect to 127.0.10.3:1"];
    assert_only_the_last_is_bad(&examine(&scene, 1), "ssh", &words);
}
