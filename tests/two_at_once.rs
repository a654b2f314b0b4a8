//! Two deploys at once: the second is refused, and told who holds the place.

use release_tests::cli::{Cli, Run};
use release_tests::proxy::ProxyOptions;
use release_tests::scene::{Scene, write};
use release_tests::tree;

/// Runs `second` while the scene's own operator is in the middle of a deploy, which then completes.
fn while_another_deploys(scene: &mut Scene, second: impl FnOnce(&Scene) -> Run) -> Run {
    let content = tree::Random::new(1).bytes(3 << 20);
    write(&scene.source(), "new", content);
    let rate = Some(1 << 20);
    let proxy = scene.through(ProxyOptions {
        rate,
        ..Default::default()
    });
    let mut first = scene.cli.start(&[]);
    assert!(first.wait_for_state("staging"));
    let before = scene.snapshots();
    let run = second(scene);
    scene.assert_unchanged(&before);
    first.finish().assert_proven();
    scene.judge();
    drop(proxy);
    scene.reach_directly();
    run
}

fn machine() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    name.trim().to_owned()
}

#[test]
fn an_operator_elsewhere_is_told_who_holds_the_host() {
    let mut scene = Scene::deployed(20, 20_000);
    let run = while_another_deploys(&mut scene, |scene| scene.colleague().deploy());
    let destination = scene.rack.destination();
    run.assert_failed(
        4,
        &["alpha", destination.to_str().unwrap(), "locked", &machine()],
    );
    scene.deploy_and_judge();
}

#[test]
fn the_same_operator_is_told_so_too() {
    let mut scene = Scene::deployed(20, 20_000);
    let run = while_another_deploys(&mut scene, |scene| scene.cli.deploy());
    run.assert_failed(4, &["lock"]);
    scene.deploy_and_judge();
}

/// Whoever has counted less far is refused, also with the very number that the host has; and a plan knows.
#[test]
fn an_operator_elsewhere_who_has_counted_less_is_out_of_date() {
    let scene = Scene::deployed(20, 20_000);
    tree::next_release(&scene.source(), 1);
    let colleague = scene.colleague();
    let before = scene.snapshots();
    let plan = colleague.output(&["plan"]);
    assert_eq!(plan.status.code(), Some(5), "{plan:?}");
    assert!(
        String::from_utf8_lossy(&plan.stdout).contains("\"fenced\""),
        "{plan:?}"
    );
    colleague
        .deploy()
        .assert_failed(5, &["alpha", "generation 1"]);
    scene.assert_unchanged(&before);
    colleague.deploy().assert_proven();
    scene.judge();
}

/// Two that start at the same moment: one of them, or one after the other, never a mixture.
#[test]
fn a_photo_finish_has_a_winner() {
    let scene = Scene::deployed(20, 20_000);
    for round in 0..5 {
        tree::next_release(&scene.source(), round);
        let colleague: Cli = scene.colleague();
        let runs = [scene.cli.start(&[]), colleague.start(&[])].map(|running| running.finish());
        let [mine, theirs] = [&runs[0], &runs[1]].map(|run| run.code);
        // A colleague whose generation is older than what the host has seen is out of date: 5.
        assert!(matches!(mine, Some(0 | 4)), "{runs:#?}");
        assert!(matches!(theirs, Some(0 | 4 | 5)), "{runs:#?}");
        assert!(mine == Some(0) || theirs == Some(0), "{runs:#?}");
        scene.judge();
    }
}
