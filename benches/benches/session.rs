//! Whole sessions inside this process, over memory: a host is a folder here.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use release_benches::corpus::{APPLICATION, QUARTER_REBUILT};
use release_sync::{Fleet, Generation, Host, Options, Outcome, Reach, Source, scan};

const FILES: usize = 1_600;
const BYTES: u64 = 26_750_000;

/// Hosts, and who pushes to them.
struct Stage {
    fleet: Fleet,
    destinations: Vec<PathBuf>,
    generation: Cell<u64>,
}

impl Stage {
    fn new(folder: &Path, hosts: usize) -> Self {
        let destination = |number| folder.join(format!("host-{number}"));
        let destinations: Vec<PathBuf> = (0..hosts).map(destination).collect();
        let host = |destination: &PathBuf| Host {
            name: destination.display().to_string(),
            destination: destination.clone(),
            reach: Reach::Local,
        };
        let hosts = destinations.iter().map(host).collect();
        Self {
            fleet: Fleet::new(hosts, Options::default()).unwrap(),
            destinations,
            generation: Cell::new(0),
        }
    }

    fn push(&self, source: &Source, outcome: Outcome) {
        self.generation.set(self.generation.get() + 1);
        let generation = Generation::new(self.generation.get());
        let report = self.fleet.push(source, generation, &());
        for host in &report.hosts {
            assert_eq!(host.outcome, outcome, "{host:#?}");
        }
    }

    fn empty(&self) {
        for destination in &self.destinations {
            let _ = fs::remove_dir_all(destination);
        }
    }

    /// Back to the old release, and nothing kept of the new one.
    fn back(&self, old: &Source) {
        self.push(old, Outcome::Committed);
        for destination in &self.destinations {
            fs::remove_dir_all(destination.join(".release/undo")).unwrap();
        }
    }
}

fn sessions(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (folder.path().join("old"), folder.path().join("new"));
    let shape = APPLICATION.sized(FILES, BYTES);
    shape.make(&old);
    shape.make_updated(&new, &QUARTER_REBUILT);
    let source = |tree: &Path| scan(tree, &Options::default(), &()).unwrap();
    let (old, new) = (source(&old), source(&new));
    let mut group = criterion.benchmark_group("session");
    group.sample_size(10);
    for hosts in [1, 8] {
        let stage = Stage::new(folder.path(), hosts);
        group.throughput(Throughput::Elements(hosts as u64));
        group.bench_function(format!("W2 cold, {hosts} hosts"), |bencher| {
            bencher.iter_batched(
                || stage.empty(),
                |()| stage.push(&new, Outcome::Committed),
                BatchSize::PerIteration,
            );
        });
        stage.empty();
        stage.push(&new, Outcome::Committed);
        group.bench_function(format!("W3 update, {hosts} hosts"), |bencher| {
            bencher.iter_batched(
                || stage.back(&old),
                |()| stage.push(&new, Outcome::Committed),
                BatchSize::PerIteration,
            );
        });
        group.bench_function(format!("W1 nothing changed, {hosts} hosts"), |bencher| {
            bencher.iter(|| stage.push(&new, Outcome::Unchanged));
        });
        stage.empty();
    }
    group.finish();
}

criterion_group!(benches, sessions);
criterion_main!(benches);
