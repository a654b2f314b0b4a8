//! Real releases reach three hosts that share a path: cold, updated, repeated, and back again.

use std::path::Path;

use release_tests::corpora::{self, Corpus};
use release_tests::proxy::{Direction, ProxyOptions};
use release_tests::scene::Scene;
use release_tests::tree;

/// What a deploy that has nothing to do may cost, both ways together, a host.
const REPEAT: u64 = 20_000;

fn there_and_back(old: &Path, new: &Path) {
    let scene = Scene::new(3);
    let source = scene.source();
    let deploy = |release: &Path| {
        tree::replace(&source, release);
        scene.deploy_and_judge()
    };
    let cold = deploy(old);
    let update = deploy(new);
    let repeat = scene.deploy_and_judge();
    let back = deploy(old);

    let id = |run: &release_tests::cli::Run| run.finished().release.clone();
    assert_ne!(id(&cold), id(&update));
    assert_eq!(id(&update), id(&repeat));
    assert_eq!(id(&cold), id(&back));
    let generations = [&cold, &update, &repeat, &back].map(|run| run.finished().generation);
    assert!(generations.is_sorted_by(|a, b| a < b), "{generations:?}");

    for (cold, update) in cold.finished().hosts.iter().zip(&update.finished().hosts) {
        assert_eq!([&*cold.outcome, &*update.outcome], ["committed"; 2]);
        assert!(
            update.bytes_sent < cold.bytes_sent / 2,
            "{update:#?} after {cold:#?}"
        );
    }
    for host in &repeat.finished().hosts {
        assert_eq!(host.outcome, "unchanged");
        assert_eq!((host.files_sent, host.files_deleted), (0, 0));
        assert!(host.bytes_sent + host.bytes_received < REPEAT, "{host:#?}");
    }
}

fn corpus(corpus: Corpus) {
    let [old, new] = corpus.fetch();
    there_and_back(&old, &new);
}

#[test]
fn a_python_framework() {
    corpus(corpora::DJANGO);
}

#[test]
fn large_documents() {
    corpus(corpora::BOTOCORE);
}

#[test]
fn a_crate_with_its_dependencies() {
    corpus(corpora::REGEX);
}

#[test]
fn a_generated_one() {
    let [old, new] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    tree::release(old.path(), 42, 3000, 40 << 20);
    tree::release(new.path(), 42, 3000, 40 << 20);
    tree::next_release(new.path(), 43);
    there_and_back(old.path(), new.path());
}

/// What is counted is what a network sees: SSH adds little, and nothing goes another way.
#[test]
fn counted_bytes_are_those_of_the_network() {
    const LOG_IN: u64 = 16_000;
    let mut scene = Scene::deployed(200, 1 << 20);
    let proxy = scene.through(ProxyOptions::default());
    tree::next_release(&scene.source(), 2);
    let update = scene.deploy_and_judge();
    let counted = update.host("alpha");
    for (direction, counted) in [
        (Direction::Up, counted.bytes_sent),
        (Direction::Down, counted.bytes_received),
    ] {
        let seen = proxy.bytes(direction);
        assert!(
            counted > 0 && counted <= seen,
            "{direction:?}: {counted} of {seen}"
        );
        assert!(
            seen < counted + counted / 10 + LOG_IN,
            "{direction:?}: {counted} of {seen}"
        );
    }
}

#[test]
fn a_directory_that_moved_is_not_sent() {
    let scene = Scene::deployed(500, 10 << 20);
    let source = scene.source();
    std::fs::rename(source.join("area-1"), source.join("elsewhere")).unwrap();
    let run = scene.deploy_and_judge();
    let host = run.host("alpha");
    assert_eq!((host.files_sent, host.literal_bytes), (0, 0), "{host:#?}");
    assert!(host.local_bytes > 100_000, "{host:#?}");
    assert!(host.bytes_sent < 200_000, "{host:#?}");
}

#[test]
fn an_insertion_into_a_large_file_costs_little() {
    let scene = Scene::deployed(1, 10);
    let mut content = tree::Random::new(5).bytes(32 << 20);
    release_tests::scene::write(&scene.source(), "large", &content);
    scene.deploy_and_judge();
    content.splice(10_000_000..10_000_000, [7; 1000]);
    release_tests::scene::write(&scene.source(), "large", &content);
    let run = scene.deploy_and_judge();
    let host = run.host("alpha");
    assert!(host.bytes_sent < 1 << 20, "{host:#?}");
    assert!(host.matched_bytes > 31 << 20, "{host:#?}");
}
