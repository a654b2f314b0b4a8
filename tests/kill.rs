//! kill -9 at any time, of the controller or the agent: the next run completes, sends nothing again that
//! was staged, and leaves nothing behind.

use std::fs;
use std::path::Path;
use std::time::Duration;

use release_tests::proxy::{Direction, ProxyOptions};
use release_tests::scene::{Scene, write};
use release_tests::soak::shift;
use release_tests::tree;

/// New content of each round: so many files of so many bytes, none of which compress.
const FILES: u64 = 40;
const FILE: usize = 100 << 10;
const ROUND: u64 = FILES * FILE as u64;

/// Without retries: what is to be seen is what one session leaves.
fn scene() -> Scene {
    let mut scene = Scene::deployed(100, 500_000);
    scene.cli.add("[sync]\nretries = 0\n");
    scene
}

fn next(scene: &Scene, round: u64) {
    tree::next_release(&scene.source(), round);
    let mut random = tree::Random::new(round + 1);
    for number in 0..FILES {
        write(
            &scene.source(),
            &format!("new/{number}"),
            random.bytes(FILE),
        );
    }
}

/// A network that is slow enough for a moment to be met: a round takes about a second.
fn slow(scene: &mut Scene) -> release_tests::proxy::Proxy {
    let rate = Some(4 << 20);
    scene.through(ProxyOptions {
        rate,
        ..Default::default()
    })
}

/// Bytes of whole files that are staged, somewhere below `.release`.
fn staged(scene: &Scene) -> u64 {
    let stage = scene.host().tree().join(".release/stage");
    files(&stage)
        .into_iter()
        .filter(|&size| size == FILE as u64)
        .sum()
}

fn files(dir: &Path) -> Vec<u64> {
    let mut sizes = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        match entry.metadata() {
            Ok(meta) if meta.is_dir() => sizes.extend(files(&entry.path())),
            Ok(meta) => sizes.push(meta.len()),
            Err(_) => {}
        }
    }
    sizes
}

/// The next run, with nothing in its way: it completes, sends what was not staged, and cleans up.
fn completes(scene: &mut Scene, staged: u64) {
    scene.reach_directly();
    let run = scene.deploy_and_judge();
    let host = run.host("alpha");
    let rest = ROUND.saturating_sub(staged);
    assert!(
        host.bytes_sent < rest + 200_000,
        "{staged} bytes were staged: {host:#?}"
    );
    let stage = scene.host().tree().join(".release/stage");
    assert_eq!(files(&stage), [0; 0], "left behind in {}", stage.display());
    assert!(scene.host().agents().is_empty());
}

#[test]
fn of_the_controller_at_any_byte() {
    const MOMENTS: u64 = 10;
    let mut scene = scene();
    for moment in 0..MOMENTS {
        next(&scene, moment);
        let before = scene.snapshots();
        let proxy = slow(&mut scene);
        let mut running = scene.cli.start(&[]);
        let bytes = ROUND * moment / MOMENTS + shift(moment, ROUND / MOMENTS);
        assert!(proxy.wait_for(Direction::Up, bytes, Duration::from_secs(60)));
        running.kill();
        running.finish();
        drop(proxy);
        scene.host().wait_for_the_end_of_agents();
        scene.assert_unchanged(&before);
        let staged = staged(&scene);
        // All but what was still under way, or was not whole yet, is kept.
        assert!(
            staged + (2 << 20) >= bytes,
            "{staged} of {bytes} bytes were kept"
        );
        completes(&mut scene, staged);
    }
}

#[test]
fn of_the_controller_in_any_state() {
    let mut scene = scene();
    for (round, state) in ["connecting", "scanning", "staging", "staged", "committing"]
        .into_iter()
        .enumerate()
    {
        next(&scene, round as u64);
        let mut running = scene.cli.start(&[]);
        assert!(running.wait_for_state(state), "no host was ever `{state}`");
        running.kill();
        running.finish();
        scene.host().wait_for_the_end_of_agents();
        let staged = staged(&scene);
        completes(&mut scene, staged);
    }
}

#[test]
fn of_the_agent_at_any_byte() {
    const MOMENTS: u64 = 8;
    let mut scene = scene();
    for moment in 1..=MOMENTS {
        next(&scene, moment);
        let before = scene.snapshots();
        let proxy = slow(&mut scene);
        let running = scene.cli.start(&[]);
        // Before the last moment all would be there, and committed.
        let bytes = ROUND * moment / (MOMENTS + 1) - shift(moment, ROUND / (MOMENTS + 1));
        assert!(proxy.wait_for(Direction::Up, bytes, Duration::from_secs(60)));
        assert!(scene.host().kill_agents() > 0, "no agent at {bytes} bytes");
        running.finish().assert_failed(1, &["alpha"]);
        drop(proxy);
        scene.assert_unchanged(&before);
        let staged = staged(&scene);
        completes(&mut scene, staged);
    }
}

/// With retries, an agent's death is an episode.
#[test]
fn of_the_agent_is_outlived_by_the_run() {
    let mut scene = Scene::deployed(100, 500_000);
    next(&scene, 1);
    let proxy = slow(&mut scene);
    let running = scene.cli.start(&[]);
    assert!(proxy.wait_for(Direction::Up, ROUND / 2, Duration::from_secs(60)));
    assert!(scene.host().kill_agents() > 0);
    let staged = staged(&scene);
    assert!(staged > 0);
    let run = running.finish();
    run.assert_proven();
    scene.judge();
    // What was staged is not sent again. Literal bytes are those of the session that completed: what was
    // on its way to the dead agent, in buffers of the kernel, was sent for nothing.
    let host = run.host("alpha");
    assert!(
        host.literal_bytes + staged < ROUND + 200_000,
        "{staged}: {host:#?}"
    );
}

/// The moments that hurt most: between the first rename and the last deletion.
#[test]
fn of_the_agent_while_it_commits() {
    let mut scene = scene();
    for round in 0..12 {
        next(&scene, round);
        let mut running = scene.cli.start(&[]);
        assert!(running.wait_for_state("staged"));
        std::thread::sleep(Duration::from_micros(400 * round + shift(round, 400)));
        scene.host().kill_agents();
        let run = running.finish();
        assert!(matches!(run.code, Some(0 | 1 | 3)), "{run:#?}");
        if run.code == Some(0) {
            scene.judge();
        }
        completes(&mut scene, 0);
    }
}

/// Ctrl-C is a request, and is obeyed cleanly.
#[test]
fn an_interrupt_aborts_and_says_so() {
    let mut scene = scene();
    next(&scene, 1);
    let before = scene.snapshots();
    let proxy = slow(&mut scene);
    let mut running = scene.cli.start(&[]);
    assert!(running.wait_for_state("staging"));
    running.interrupt();
    let run = running.finish();
    assert_eq!(run.code, Some(130), "{run:#?}");
    run.finished();
    drop(proxy);
    scene.host().wait_for_the_end_of_agents();
    scene.assert_unchanged(&before);
    completes(&mut scene, 0);
}
