//! What is excluded is neither sent nor deleted; what is protected is not deleted.

use std::fs;

use release_tests::scene::{Scene, write};

fn scene(sync: &str) -> Scene {
    let mut scene = Scene::new(1);
    scene.cli.add(&format!("[sync]\n{sync}"));
    for name in [
        "app.py",
        "app.pyc",
        "lib/mod.py",
        "lib/mod.pyc",
        "tmp/cache",
        "lib/tmp/kept",
    ] {
        write(&scene.source(), name, name);
    }
    scene
}

fn has(scene: &Scene, name: &str) -> bool {
    scene.host().tree().join(name).exists()
}

#[test]
fn what_is_excluded_is_left_alone_on_both_sides() {
    let scene = scene("exclude = [\"*.pyc\", \"/tmp/\"]");
    write(&scene.host().tree(), "tmp/of-the-host", "stays");
    write(&scene.host().tree(), "lib/other.pyc", "stays");
    write(&scene.host().tree(), "lib/other.py", "goes");
    scene.cli.deploy().assert_proven();
    for name in [
        "app.py",
        "lib/mod.py",
        "lib/tmp/kept",
        "tmp/of-the-host",
        "lib/other.pyc",
    ] {
        assert!(has(&scene, name), "{name}");
    }
    for name in ["app.pyc", "lib/mod.pyc", "tmp/cache", "lib/other.py"] {
        assert!(!has(&scene, name), "{name}");
    }
    let repeat = scene.cli.deploy();
    assert_eq!(repeat.assert_proven().host("alpha").outcome, "unchanged");
}

#[test]
fn what_is_protected_survives_deletion() {
    let scene = scene("protect = [\"/shared/\"]");
    write(&scene.host().tree(), "shared/upload", "of a user");
    write(&scene.host().tree(), "old", "goes");
    scene.cli.deploy().assert_proven();
    assert!(has(&scene, "shared/upload") && has(&scene, "tmp/cache") && !has(&scene, "old"));
}

#[test]
fn nothing_is_deleted_unless_it_is_asked_for() {
    let scene = scene("");
    write(&scene.host().tree(), "old", "stays");
    assert_eq!(scene.cli.deploy_with(&["--no-delete"]).code, Some(0));
    assert!(has(&scene, "old") && has(&scene, "app.py"));
    scene.deploy_and_judge();
    assert!(!has(&scene, "old"));
}

#[test]
fn a_limit_on_deletions_refuses_the_host_untouched() {
    let scene = scene("");
    for number in 0..10 {
        write(&scene.host().tree(), &format!("old/{number}"), "");
    }
    let before = scene.snapshots();
    let run = scene.cli.deploy_with(&["--max-delete", "5"]);
    run.assert_failed(5, &["alpha", "11", "5"]);
    scene.assert_unchanged(&before);
    let run = scene.cli.deploy_with(&["--max-delete", "11"]);
    assert_eq!(run.assert_proven().host("alpha").files_deleted, 11);
    scene.judge();
}

/// The quick check of the source can be overruled.
#[test]
fn a_checksum_run_finds_nothing_more_to_do() {
    let scene = scene("checksum = true");
    scene.deploy_and_judge();
    let repeat = scene.deploy_and_judge();
    assert_eq!(repeat.host("alpha").outcome, "unchanged");
    fs::write(scene.host().tree().join("app.py"), "APP.PY").unwrap();
    assert_eq!(scene.deploy_and_judge().host("alpha").outcome, "committed");
}
