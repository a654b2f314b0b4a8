//! Many hosts: what more of them take on the controller's side.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use release_sync::{Fleet, Generation, Host, Options, Outcome, Reach, Source, scan};

use crate::corpus::{APPLICATION, QUARTER, QUARTER_REBUILT, REBUILT};
use crate::field::{Field, Trees};
use crate::meter;
use crate::side::OURS;
use crate::trial::{self, Plan};
use crate::verdict::{Stat, Unit, Verdict};
use crate::workload::Result;

/// Fleets of W10.
const FLEETS: [usize; 3] = [8, 32, 128];

/// What a host may cost the controller in memory, in bytes.
const MEMORY_A_HOST: f64 = (1 << 20) as f64;

/// What the controller may hold.
const MEMORY: f64 = 300e6;

/// Fleets of W13, and how many times the processor time of the small one the large one may take.
const CROWDS: [usize; 2] = [100, 1_000];
const CROWDS_RATIO: f64 = 11.0;

/// Peaks are looked at, not measured exactly: a few runs show how much they vary.
const RUNS: usize = 3;

/// W10: the controller's peak memory by the number of hosts, with real `sshd` on each. The release is a
/// quarter of W6's, so that all trees fit into memory; W6 says what the whole one takes.
pub fn memory(program: &Path, tell: &dyn Fn(&str)) -> Result {
    let peaks: Vec<Stat> = FLEETS
        .iter()
        .map(|&hosts| {
            tell(&format!("{hosts} hosts"));
            let field = Field::new(program, hosts, |folder| {
                let (old, new) = (folder.join("old"), folder.join("new"));
                QUARTER.make(&old);
                QUARTER.make_updated(&new, &QUARTER_REBUILT);
                Trees {
                    old: Some(old),
                    new,
                }
            });
            let plan = Plan::default();
            let peak = |_| trial::count(&field, &OURS, &plan).memory.controller as f64;
            let peaks: Vec<f64> = (0..RUNS).map(peak).collect();
            field.judge(&OURS);
            Stat::of(&peaks)
        })
        .collect();
    let title = "a quarter of W6's release";
    let of = |what: String, ours: Stat, target: Option<f64>| Verdict {
        name: String::from("W10"),
        what: format!("{title}: {what}"),
        unit: Unit::Bytes,
        ours,
        peer: None,
        value: ours.median,
        target,
        met: target.map(|target| ours.median <= target),
    };
    let [first, last] = [0, FLEETS.len() - 1];
    let mut verdicts: Vec<Verdict> = FLEETS
        .iter()
        .zip(&peaks)
        .map(|(hosts, peak)| {
            let target = (*hosts == FLEETS[last]).then_some(MEMORY);
            of(
                format!("controller's memory at {hosts} hosts"),
                *peak,
                target,
            )
        })
        .collect();
    let more = (peaks[last].median - peaks[first].median).max(0.0);
    let each = Stat::of(&[more / (FLEETS[last] - FLEETS[first]) as f64]);
    let what = format!(
        "for each host more, from {} to {}",
        FLEETS[first], FLEETS[last]
    );
    verdicts.push(of(what, each, Some(MEMORY_A_HOST)));
    Result::of_verdicts("W10", title, FLEETS[last], RUNS, verdicts)
}

/// W13: the controller's processor time by the number of hosts, over pipes to processes that say again what an
/// agent said. The scan of the source is not in it, the encoding is.
pub fn processor_time(program: &Path, runs: usize, tell: &dyn Fn(&str)) -> Result {
    raise_limits();
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let place = |name: &str| folder.path().join(name);
    let (old, new, script) = (place("old"), place("new"), place("script"));
    tell("making trees, and writing a session down");
    APPLICATION.make(&old);
    APPLICATION.make_updated(&new, &REBUILT);
    let this = std::env::current_exe().expect("a program knows where it is");
    let agent = program.with_file_name("release-agent").into_os_string();
    let serve = vec![agent, OsString::from("serve")];
    let crowd = Crowd {
        destination: place("destination"),
    };
    let scan = |tree: &Path| scan(tree, &Options::default(), &()).expect("it can be scanned");
    crowd.push(&scan(&old), 1, 1, &serve);
    let new = scan(&new);
    let words = |verb: &str| {
        vec![
            this.clone().into(),
            OsString::from(verb),
            script.clone().into(),
        ]
    };
    crowd.push(&new, 2, 1, &[words("record"), serve].concat());
    let mut times = [Vec::new(), Vec::new()];
    for round in 1..=runs {
        for (hosts, times) in CROWDS.into_iter().zip(&mut times) {
            tell(&format!("round {round} of {runs}: {hosts} hosts"));
            let before = meter::own_cpu();
            crowd.push(&new, 2, hosts, &words("replay"));
            times.push(meter::own_cpu() - before);
        }
    }
    let [few, many] = times.map(|times| Stat::of(&times));
    let [small, large] = CROWDS;
    let title = "W3's release, agents that say a session again";
    let ratio = many.median / few.median;
    let verdict = Verdict {
        name: String::from("W13"),
        what: format!("{title}: controller's processor time, {large} hosts against {small}"),
        unit: Unit::Seconds,
        ours: many,
        peer: Some((format!("release-sync, {small} hosts"), few)),
        value: ratio,
        target: Some(CROWDS_RATIO),
        met: Some(ratio <= CROWDS_RATIO),
    };
    Result::of_verdicts("W13", title, large, runs, vec![verdict])
}

struct Crowd {
    destination: PathBuf,
}

impl Crowd {
    /// Gives a source to so many hosts, each reached by these words. Fails unless all have committed.
    fn push(&self, source: &Source, generation: u64, hosts: usize, words: &[OsString]) {
        let host = |number: usize| Host {
            name: format!("h{number}"),
            destination: self.destination.clone(),
            reach: Reach::Command(words.to_vec()),
        };
        let hosts = (0..hosts).map(host).collect();
        let fleet = Fleet::new(hosts, Options::default()).expect("hosts and options are sound");
        let report = fleet.push(source, Generation::new(generation), &());
        for host in &report.hosts {
            assert_eq!(host.outcome, Outcome::Committed, "{host:#?}");
        }
    }
}

/// Each host is three pipes.
fn raise_limits() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let most = getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit {
        current: most,
        maximum: most,
    };
    setrlimit(Resource::Nofile, limit).expect("a soft limit can be raised to the hard one");
}
