//! Signature, diff, apply, encode, wire, plan: what is done in memory, in one thread.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use release_benches::corpus::{APPLICATION, REBUILT};
use release_benches::random::Random;
use release_benches::text::Vocabulary;
use release_sync::bench::{self, PAYLOAD, Searcher};
use release_sync::{Digest, Manifest, Options, scan};

/// A file's length.
const LENGTH: usize = 16 << 20;

fn random(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    Random::new(seed).fill(&mut bytes);
    bytes
}

fn delta(criterion: &mut Criterion) {
    let basis = random(1, LENGTH);
    let unrelated = random(2, LENGTH);
    // One insertion in the middle: everything behind it is elsewhere.
    let mut similar = basis.clone();
    similar.splice(LENGTH / 2..LENGTH / 2, random(3, 64 << 10));
    let signature = bench::sign(&basis);
    let searcher = Searcher::new(signature.clone(), LENGTH as u64);
    let ops = searcher.diff(&similar);
    assert!(ops.len() < 128 << 10, "{}", ops.len());

    let mut group = criterion.benchmark_group("delta");
    group.throughput(Throughput::Bytes(LENGTH as u64));
    group.bench_function("hash", |bencher| {
        bencher.iter(|| Digest::of(black_box(&basis)))
    });
    group.bench_function("signature", |bencher| {
        bencher.iter(|| bench::sign(black_box(&basis)))
    });
    group.bench_function("index", |bencher| {
        bencher.iter(|| Searcher::new(signature.clone(), LENGTH as u64));
    });
    group.bench_function("W4 diff similar", |bencher| {
        bencher.iter(|| searcher.diff(black_box(&similar)))
    });
    group.bench_function("W5 diff unrelated", |bencher| {
        bencher.iter(|| searcher.diff(black_box(&unrelated)));
    });
    let mut out = Vec::with_capacity(similar.len());
    group.bench_function("W4 apply", |bencher| {
        bencher.iter(|| {
            out.clear();
            bench::apply(black_box(&ops), &basis, &mut out);
        });
    });
    assert!(out == similar);
    group.finish();
}

fn wire(criterion: &mut Criterion) {
    let length = PAYLOAD - 64;
    let vocabulary = Vocabulary::new(1);
    let text = vocabulary.page(&mut Random::new(1), length);
    let mut group = criterion.benchmark_group("payload");
    group.throughput(Throughput::Bytes(length as u64));
    for level in [1, 3] {
        group.bench_function(format!("W2 encode text, level {level}"), |bencher| {
            bencher.iter(|| bench::encode(black_box(&text), level));
        });
    }
    let packed = random(4, length);
    group.bench_function("W5 encode random", |bencher| {
        bencher.iter(|| bench::encode(black_box(&packed), 1));
    });
    let frame = bench::encode(&text, 3);
    group.bench_function("W2 decode text", |bencher| {
        bencher.iter(|| assert_eq!(bench::decode(black_box(&frame), 256 << 10), length as u64));
    });
    group.finish();

    let files = 1_000;
    let basis = random(5, 16 << 10);
    let signature = bench::sign(&basis);
    let mut group = criterion.benchmark_group("wire");
    group.throughput(Throughput::Elements(u64::from(files)));
    group.bench_function("W9 want of 1,000 files", |bencher| {
        bencher.iter(|| bench::want(files, black_box(&signature), basis.len() as u64));
    });
    group.finish();
}

fn plan(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (folder.path().join("old"), folder.path().join("new"));
    let shape = APPLICATION.sized(6_400, 4_000_000);
    shape.make(&old);
    shape.make_updated(&new, &REBUILT);
    let manifest = |tree: &Path| -> Manifest {
        let source = scan(tree, &Options::default(), &()).expect("it can be scanned");
        source.manifest().clone()
    };
    let (old, new) = (manifest(&old), manifest(&new));
    let mut group = criterion.benchmark_group("plan");
    group.throughput(Throughput::Elements(new.entries().len() as u64));
    group.bench_function("W1 nothing changed", |bencher| {
        bencher.iter(|| assert_eq!(bench::plan_between(black_box(&new), &new), 0));
    });
    group.bench_function("W3 update", |bencher| {
        bencher.iter(|| assert!(bench::plan_between(black_box(&old), &new) >= REBUILT.touched));
    });
    let bytes = new.encode();
    group.bench_function("W3 manifest encode", |bencher| {
        bencher.iter(|| black_box(&new).encode())
    });
    group.bench_function("W3 manifest decode", |bencher| {
        bencher.iter(|| Manifest::decode(black_box(&bytes)).unwrap());
    });
    group.finish();
}

criterion_group!(benches, delta, wire, plan);
criterion_main!(benches);
