//! What a fleet does besides pushing: planning, probing, pulling, keeping to a limit, trying again.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use release_sync::{
    Cancel, Error, Fleet, Generation, Host, Options, Outcome, ProofClass, Reach, pull, scan,
};

struct Place {
    _directory: tempfile::TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_owned();
        Self {
            _directory: directory,
            path,
        }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// A tree with a little of everything.
    fn source(&self) -> PathBuf {
        let source = self.at("source");
        write(&source.join("bin/start"), "#!/bin/sh\n");
        write(&source.join("lib/a"), &"a".repeat(5000));
        write(&source.join("lib/b"), "b");
        symlink("bin/start", source.join("start")).unwrap();
        source
    }
}

fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn agent(destination: PathBuf) -> Host {
    let program = env!("CARGO_BIN_EXE_release-agent").into();
    Host {
        name: String::from("host"),
        destination,
        reach: Reach::Command(vec![program, "serve".into()]),
    }
}

fn fleet(host: Host, options: Options) -> Fleet {
    Fleet::new(vec![host], options).unwrap()
}

/// Everything in a tree but `.release`, with what tells entries apart.
fn listing(tree: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut stack = vec![tree.to_owned()];
    while let Some(path) = stack.pop() {
        let meta = fs::symlink_metadata(&path).unwrap();
        let content = if meta.is_file() {
            fs::read(&path).unwrap()
        } else {
            Vec::new()
        };
        let name = path.strip_prefix(tree).unwrap().to_owned();
        let modified = meta.modified().unwrap();
        found.push(format!(
            "{name:?} {:o} {modified:?} {content:?}",
            meta.permissions().mode()
        ));
        if meta.is_dir() {
            let inside = fs::read_dir(&path)
                .unwrap()
                .map(|entry| entry.unwrap().path());
            stack.extend(inside.filter(|path| !path.ends_with(".release")));
        }
    }
    found.sort();
    found
}

#[test]
fn a_plan_says_what_a_push_then_does_and_changes_nothing() {
    let place = Place::new();
    let (source, tree) = (place.source(), place.at("tree"));
    let options = Options::default();
    let fleet = fleet(agent(tree.clone()), options.clone());
    let scanned = scan(&source, &options, &()).unwrap();
    let plan = &fleet.plan(&scanned, true, &())[0];
    assert!(plan.error.is_none(), "{plan:?}");
    assert_eq!(
        (plan.files_sent, plan.created, plan.unchanged),
        (3, 7, false),
        "{plan:?}"
    );
    assert!(!tree.exists(), "planning has made the destination");

    fleet.push(&scanned, Generation::new(1), &());
    let plan = &fleet.plan(&scanned, true, &())[0];
    assert!(plan.unchanged && plan.items.is_empty(), "{plan:?}");

    write(&source.join("lib/a"), &"x".repeat(5000));
    write(&source.join("lib/c"), "b");
    fs::remove_file(source.join("lib/b")).unwrap();
    fs::set_permissions(source.join("bin/start"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::remove_file(source.join("start")).unwrap();
    symlink("lib/a", source.join("start")).unwrap();
    let before = listing(&tree);
    let scanned = scan(&source, &options, &()).unwrap();
    let plan = &fleet.plan(&scanned, true, &())[0];
    let items: Vec<String> = plan
        .items
        .iter()
        .map(|item| format!("{} {}", item.flags, item.path))
        .collect();
    // The root's own time changes as well, with the symlink that was made anew in it.
    let expected = [
        ".d..t...... .",
        ".f...p..... bin/start",
        ".d..t...... lib",
        "<fc.t...... lib/a",
        "cf+++++++++ lib/c",
        "cLc.t...... start",
        "*deleting   lib/b",
    ];
    assert_eq!(items, expected, "{items:#?}");
    assert_eq!(listing(&tree), before, "planning has changed the tree");
    let report = fleet.push(&scanned, Generation::new(2), &());
    assert_eq!(report.hosts[0].counts.files_sent, plan.files_sent);
    assert_eq!(report.hosts[0].counts.files_deleted, plan.deleted);
    assert_eq!(listing(&tree), listing(&source));
}

#[test]
fn a_plan_says_what_would_be_refused() {
    let place = Place::new();
    let (source, tree) = (place.source(), place.at("tree"));
    write(&tree.join("old/1"), "");
    write(&tree.join("old/2"), "");
    let options = Options {
        max_delete: Some(2),
        ..Options::default()
    };
    let scanned = scan(&source, &options, &()).unwrap();
    let plan = &fleet(agent(tree), options).plan(&scanned, false, &())[0];
    assert!(
        matches!(plan.error, Some(Error::MaxDelete { would: 3, limit: 2 })),
        "{plan:?}"
    );
}

#[test]
fn a_probe_looks_at_no_tree() {
    let place = Place::new();
    let probe = &fleet(agent(place.at("tree")), Options::default()).probe(&())[0];
    assert!(probe.error.is_none(), "{probe:?}");
    assert_eq!(probe.agent.as_deref(), Some(release_sync::BUILD_ID));
    assert!(probe.clock_ahead.unwrap().abs() < 2.0, "{probe:?}");
    assert!(!place.at("tree").exists());
}

#[test]
fn a_pull_brings_a_host_s_tree_and_leaves_no_trace_there() {
    let place = Place::new();
    let (staging, into) = (place.source(), place.at("into"));
    let before = listing(&staging);
    let options = Options::default();
    for outcome in [Outcome::Committed, Outcome::Unchanged] {
        let report = pull(
            &agent(staging.clone()),
            &into,
            &options,
            &Cancel::default(),
            &(),
        );
        assert!(report.error.is_none(), "{report:?}");
        assert_eq!(report.outcome, outcome);
        assert_eq!(report.proof, Some(ProofClass::Full));
        assert_eq!(listing(&into), before);
        assert_eq!(listing(&staging), before);
        assert!(!staging.join(".release").exists());
    }
    // A delta, a deletion, and something that is protected here.
    write(&staging.join("lib/a"), &format!("{}!", "a".repeat(5000)));
    fs::remove_file(staging.join("lib/b")).unwrap();
    write(&into.join("own/notes"), "mine");
    let options = Options {
        protect: vec![String::from("/own/")],
        ..options
    };
    let report = pull(
        &agent(staging.clone()),
        &into,
        &options,
        &Cancel::default(),
        &(),
    );
    assert_eq!(report.outcome, Outcome::Committed, "{report:?}");
    assert!(report.counts.matched_bytes > 3000, "{report:?}");
    assert!(into.join("own/notes").exists() && !into.join("lib/b").exists());
    assert!(
        scan(&into, &options, &()).is_ok(),
        "what was pulled can be given out"
    );
}

#[test]
fn a_pull_of_nothing_says_why() {
    let place = Place::new();
    let report = pull(
        &agent(place.at("missing")),
        &place.at("into"),
        &Options::default(),
        &Cancel::default(),
        &(),
    );
    let error = report
        .error
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    assert!(error.contains("missing"), "{report:?}");
    fs::create_dir(place.at("empty")).unwrap();
    let report = pull(
        &agent(place.at("empty")),
        &place.at("into"),
        &Options::default(),
        &Cancel::default(),
        &(),
    );
    assert!(
        matches!(report.error, Some(Error::Supply { .. })),
        "{report:?}"
    );
}

#[test]
fn limits_are_kept() {
    let place = Place::new();
    let source = place.at("source");
    fs::create_dir(&source).unwrap();
    let mut state = 1u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    })
    .take(300_000)
    .collect();
    fs::write(source.join("noise"), noise).unwrap();
    for (one, all) in [(200_000, 0), (0, 200_000)] {
        let options = Options {
            bwlimit: one,
            bwlimit_total: all,
            ..Options::default()
        };
        let scanned = scan(&source, &options, &()).unwrap();
        let tree = place.at(&format!("tree-{one}"));
        let started = Instant::now();
        let report = fleet(agent(tree), options).push(&scanned, Generation::new(1), &());
        let sent = report.hosts[0].counts.bytes_sent;
        assert_eq!(report.hosts[0].outcome, Outcome::Committed, "{report:?}");
        assert!(sent >= 300_000, "{report:?}");
        let least = Duration::from_secs_f64(sent as f64 / 200_000.0 - 0.2);
        assert!(
            started.elapsed() >= least,
            "{sent} bytes in {:?}",
            started.elapsed()
        );
    }
}

#[test]
fn what_may_pass_is_tried_again_and_what_may_not_is_not() {
    let place = Place::new();
    let source = place.source();
    // Fails twice, then is an agent.
    let script = format!(
        "n=$(cat {0} 2>/dev/null || echo 0); echo $((n + 1)) > {0}; [ $n -ge 2 ] || exit 1; exec {1} serve",
        place.at("tries").display(),
        env!("CARGO_BIN_EXE_release-agent"),
    );
    let flaky = |tree| Host {
        reach: Reach::Command(vec!["sh".into(), "-c".into(), script.clone().into()]),
        ..agent(tree)
    };
    let options = Options {
        retries: 2,
        ..Options::default()
    };
    let scanned = scan(&source, &options, &()).unwrap();
    let report = fleet(flaky(place.at("tree")), options).push(&scanned, Generation::new(1), &());
    assert_eq!(report.hosts[0].outcome, Outcome::Committed, "{report:?}");
    assert_eq!(fs::read_to_string(place.at("tries")).unwrap().trim(), "3");

    fs::remove_file(place.at("tries")).unwrap();
    let options = Options {
        retries: 1,
        ..Options::default()
    };
    let other = fleet(flaky(place.at("other")), options.clone());
    let report = other.push(&scanned, Generation::new(1), &());
    assert!(
        report.hosts[0]
            .error
            .as_ref()
            .is_some_and(Error::is_retryable),
        "{report:?}"
    );
    assert_eq!(fs::read_to_string(place.at("tries")).unwrap().trim(), "2");

    let stale = fleet(agent(place.at("tree")), options).push(&scanned, Generation::new(0), &());
    assert!(
        matches!(stale.hosts[0].error, Some(Error::Fenced { .. })),
        "{stale:?}"
    );
}

/// Sixteen hosts in one state, and thirty-two of which each lacks another file.
#[test]
fn what_many_hosts_need_is_done_once() {
    let place = Place::new();
    let source = place.source();
    for n in 0..40 {
        write(
            &source.join(format!("small/{n:02}")),
            &format!("file {n} ").repeat(200),
        );
    }
    let large: String = (0..300_000u32)
        .map(|n| char::from(b'a' + (n.wrapping_mul(n) % 23) as u8))
        .collect();
    write(&source.join("large"), &large);
    let options = Options::default();
    let hosts = |prefix: &str, count: usize| -> Vec<Host> {
        (0..count)
            .map(|n| Host {
                name: format!("{prefix}{n}"),
                reach: Reach::Local,
                ..agent(place.at(&format!("{prefix}{n}")))
            })
            .collect()
    };
    let push = |hosts: Vec<Host>, generation| {
        let scanned = scan(&source, &options, &()).unwrap();
        let fleet = Fleet::new(hosts, options.clone()).unwrap();
        let report = fleet.push(&scanned, Generation::new(generation), &());
        for host in &report.hosts {
            assert!(host.error.is_none(), "{host:?}");
        }
        report.work
    };

    let one = push(hosts("alone", 1), 1);
    assert_eq!(one.files_read, 44, "{one:?}");
    assert_eq!(push(hosts("cold", 16), 1), one, "a first copy");

    let edited = large.replacen('a', "A", 1);
    write(&source.join("large"), &edited);
    write(&source.join("small/07"), &"changed ".repeat(300));
    let one = push(hosts("alone", 1), 2);
    assert_eq!(one.files_read, 2, "{one:?}");
    assert_eq!(push(hosts("cold", 16), 2), one, "an update, as deltas");

    let drifting = hosts("drift", 32);
    push(drifting.clone(), 1);
    for (n, host) in drifting.iter().enumerate() {
        fs::write(host.destination.join(format!("small/{n:02}")), "x").unwrap();
    }
    let drifted = push(drifting, 2);
    assert_eq!(drifted.files_read, 32, "each file once: {drifted:?}");

    // Hosts that have drifted by most of a unit share it.
    let drifting = hosts("apart", 16);
    push(drifting.clone(), 1);
    for (n, host) in drifting.iter().enumerate() {
        for file in (0..40).filter(|file| file % 16 != n) {
            fs::write(host.destination.join(format!("small/{file:02}")), "x").unwrap();
        }
    }
    let drifted = push(drifting, 2);
    assert!(drifted.files_read <= 2 * 44, "{drifted:?}");
}

/// What was staged before the connection was lost was done by the attempt that was lost. Bytes cross again
/// and again, and are counted.
#[test]
fn files_are_counted_for_the_attempt_that_counts() {
    const FILES: u64 = 100;
    const SIZE: u64 = 65_536;
    let place = Place::new();
    let source = place.at("source");
    let mut noise = 1u64;
    for number in 0..FILES {
        let mut content = Vec::new();
        while (content.len() as u64) < SIZE {
            noise = noise
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(number | 1);
            content.extend_from_slice(&(noise >> 16).to_le_bytes()[..4]);
        }
        fs::create_dir_all(&source).unwrap();
        fs::write(source.join(format!("f{number:02}")), content).unwrap();
    }
    let program = env!("CARGO_BIN_EXE_release-agent");
    // The first connection ends after some of it, and when the agent has had the time to stage that.
    let script = format!(
        "mkdir {once} 2>/dev/null || exec {program} serve
        {{ dd bs=64k iflag=count_bytes count=3000000 status=none; sleep 2; }} | {program} serve",
        once = place.at("once").display(),
    );
    let host = Host {
        name: String::from("host"),
        destination: place.at("tree"),
        reach: Reach::Command(["sh", "-c", &script].map(Into::into).to_vec()),
    };
    let options = Options::default();
    let scanned = scan(&source, &options, &()).unwrap();
    let report = fleet(host, options).push(&scanned, Generation::new(1), &());
    let report = &report.hosts[0];
    assert_eq!(report.outcome, Outcome::Committed, "{report:?}");
    assert!(place.at("once").exists());
    let counts = report.counts;
    assert!((1..FILES).contains(&counts.files_sent), "{counts:?}");
    assert_eq!(counts.literal_bytes, counts.files_sent * SIZE, "{counts:?}");
    assert!(counts.bytes_sent > FILES * SIZE, "{counts:?}");
}
