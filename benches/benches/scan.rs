//! Scanning a source: with everything known, and with everything to be read.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use release_benches::corpus::DOCUMENTATION;
use release_sync::{Options, scan};

/// A tenth of W1's tree.
const FILES: usize = 5_200;
const BYTES: u64 = 79_000_000;

fn scans(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("tree");
    DOCUMENTATION.sized(FILES, BYTES).make(&tree);
    let options = Options::default();
    scan(&tree, &options, &()).unwrap();
    let mut group = criterion.benchmark_group("scan");
    group.throughput(Throughput::Elements(FILES as u64));
    group.bench_function("W1 known, 5,200 files", |bencher| {
        bencher.iter(|| scan(&tree, &options, &()).unwrap());
    });
    group.throughput(Throughput::Bytes(BYTES));
    group.bench_function("W2 unknown, 79 MB", |bencher| {
        bencher.iter_batched(
            || std::fs::remove_dir_all(tree.join(".release")).unwrap(),
            |()| scan(&tree, &options, &()).unwrap(),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, scans);
criterion_main!(benches);
