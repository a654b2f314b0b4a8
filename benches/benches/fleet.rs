//! One host and several over real `sshd` on loopback. Needs root.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use release_benches::corpus::{QUARTER, QUARTER_REBUILT};
use release_benches::field::{Field, Trees};
use release_benches::side::OURS;

const HOSTS: [usize; 2] = [1, 4];

fn fleets(criterion: &mut Criterion) {
    let program = program();
    let mut group = criterion.benchmark_group("ssh");
    group.sample_size(10);
    for hosts in HOSTS {
        let field = Field::new(&program, hosts, update);
        let addresses = field.addresses();
        group.throughput(Throughput::Elements(hosts as u64));
        group.bench_function(format!("W6 update, {hosts} hosts"), |bencher| {
            bencher.iter_batched(
                || field.reset(&OURS),
                |()| {
                    let output = field.command(&OURS, &addresses).output().unwrap();
                    assert!(output.status.success(), "{output:#?}");
                },
                BatchSize::PerIteration,
            );
        });
        field.judge(&OURS);
        group.bench_function(format!("W1 nothing changed, {hosts} hosts"), |bencher| {
            bencher.iter(|| {
                let output = field.command(&OURS, &addresses).output().unwrap();
                assert!(output.status.success(), "{output:#?}");
            });
        });
    }
    group.finish();
}

fn update(folder: &Path) -> Trees {
    let (old, new) = (folder.join("old"), folder.join("new"));
    QUARTER.make(&old);
    QUARTER.make_updated(&new, &QUARTER_REBUILT);
    Trees {
        old: Some(old),
        new,
    }
}

/// What `./dev bench` has built, or `./dev test`.
fn program() -> PathBuf {
    let variable = "RELEASE_CLI";
    let program = std::env::var_os(variable).map(PathBuf::from);
    let program = program
        .unwrap_or_else(|| panic!("{variable} says where release-cli is: see `./dev bench`"));
    assert!(program.is_file(), "there is no {}", program.display());
    program
}

criterion_group!(benches, fleets);
criterion_main!(benches);
