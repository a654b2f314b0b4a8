//! Things to show in tests.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use release_core::cloud::{Snapshot, SnapshotState, Tags};
use release_core::{Fate, Kept, Marker, Moment};
use release_sync::{
    Counts, Digest, Error, Generation, Host, HostPlan, HostReport, HostStatus, Outcome, PlanItem,
    ProofClass, RelPath, ReleaseId, Report, SshTarget,
};

use super::{Chapter, Check, Claim, Journey, Started, Travelling};
use crate::state::{Deed, Entry, HostEntry, Places};

pub(super) fn release() -> ReleaseId {
    ReleaseId::new(Digest::of(b"tree"))
}

/// What was deployed.
pub(super) fn history() -> Vec<Entry> {
    let entry = |generation: u64, deed, outcome: &str, exit, hosts: &[(&str, &str)]| Entry {
        at: format!("2026-01-31T12:{:02}:05Z", generation),
        by: "ada@build-1".to_owned(),
        deed,
        source: "/srv/app".to_owned(),
        release: release().to_string(),
        generation,
        snapshot: (generation > 10).then(|| {
            format!("snap-{generation:017x}")
                .parse()
                .unwrap_or_else(|_| unreachable!())
        }),
        outcome: outcome.to_owned(),
        exit,
        seconds: 7.25 * generation as f64,
        hosts: hosts
            .iter()
            .map(|(host, outcome)| HostEntry {
                host: (*host).to_owned(),
                place: None,
                outcome: (*outcome).to_owned(),
                error: None,
            })
            .collect(),
    };
    let hosts = [("web-1", "committed"), ("web-2", "unchanged")];
    let deferred = [("web-1", "committed"), ("web-2", "deferred")];
    vec![
        entry(10, Deed::Deploy, "ok", 0, &hosts),
        entry(11, Deed::Deploy, "partial", 3, &deferred),
        entry(12, Deed::Snapshot, "ok", 0, &[]),
        entry(13, Deed::Rollback, "failed", 1, &[("web-1", "failed")]),
    ]
}

/// What becomes of snapshots.
pub(super) fn fates() -> Vec<Fate> {
    let fate = |number: u64, kept| Fate {
        snapshot: Snapshot {
            id: format!("snap-{number:017x}")
                .parse()
                .unwrap_or_else(|_| unreachable!()),
            owner: "123456789012".parse().unwrap_or_else(|_| unreachable!()),
            volume: "vol-00000001".parse().unwrap_or_else(|_| unreachable!()),
            state: SnapshotState::Completed,
            progress: 100,
            started: Moment::from_unix_millis(1_769_860_000_000 + 60_000 * number as i64),
            size_gib: 8,
            encrypted: false,
            description: String::new(),
            tags: Tags::new(),
        },
        generation: Generation::new(number),
        kept,
    };
    vec![
        fate(12, Some(Kept::Current)),
        fate(11, Some(Kept::Previous)),
        fate(10, Some(Kept::Recent)),
        fate(9, Some(Kept::JustSuperseded)),
        fate(8, None),
        fate(7, None),
    ]
}

pub(super) fn started() -> Started<'static> {
    Started {
        journey: Journey::Out(Travelling {
            id: release(),
            generation: Generation::new(12),
            files: 1_412,
            bytes: 34_120_000,
        }),
        source: "/srv/app".to_owned(),
        hosts: vec!["web-1", "web-2", "worker-10"],
    }
}

/// Where the hosts of [`report`] are.
pub(crate) fn places() -> Places {
    places_at("/srv/app")
}

pub(crate) fn places_at(destination: &str) -> Places {
    let hosts = ["db-1", "web-1", "web-2", "worker-10"];
    let hosts = hosts.map(|name| Host::ssh(SshTarget::new("www", name), destination));
    Places::of(&hosts)
}

pub(crate) fn report() -> Report {
    let host = |name: &str, outcome, counts, seconds, error: Option<Error>| HostReport {
        host: name.to_owned(),
        outcome,
        proof: error.is_none().then_some(ProofClass::Full),
        release: error.is_none().then(release),
        generation: error.is_none().then_some(Generation::new(12)),
        counts,
        seconds,
        notes: Vec::new(),
        error,
    };
    let counts = Counts {
        files_sent: 1_050,
        files_deleted: 3,
        bytes_sent: 812_345,
        bytes_received: 40_000,
        literal_bytes: 2_000_000,
        matched_bytes: 30_000_000,
        local_bytes: 2_120_000,
        agent_bytes: 1_900_000,
    };
    let small = Counts {
        bytes_sent: 512,
        bytes_received: 4_096,
        ..Counts::default()
    };
    Report {
        work: Default::default(),
        release: Some(release()),
        generation: Generation::new(12),
        hosts: vec![
            host("web-1", Outcome::Committed, counts, 1.234, None),
            host("web-2", Outcome::Unchanged, small, 0.21, None),
            host(
                "worker-10",
                Outcome::Failed,
                Counts::default(),
                10.0,
                Some(unreachable()),
            ),
        ],
        seconds: 10.04,
    }
}

/// A run over hosts with long names, two of which are not well.
pub(super) fn many() -> Report {
    let mut few = report();
    let spare = few.hosts.pop().map(|host| host.counts).unwrap_or_default();
    let host = |number: usize| {
        let (outcome, error) = match number {
            4 => (Outcome::Failed, Some(unreachable())),
            9 => (Outcome::Deferred, Some(locked())),
            number if number % 3 == 0 => (Outcome::Unchanged, None),
            _ => (Outcome::Committed, None),
        };
        HostReport {
            host: format!("web-{number:03}.production.eu-west-1.compute.internal"),
            outcome,
            proof: error.is_none().then_some(ProofClass::WithoutOwner),
            release: error.is_none().then(release),
            generation: error.is_none().then_some(Generation::new(12)),
            counts: match outcome {
                Outcome::Committed => few.hosts[0].counts,
                _ => spare,
            },
            seconds: 30.0 * number as f64 + 0.5,
            notes: Vec::new(),
            error,
        }
    };
    let hosts = (1..=12).map(host).collect();
    few.hosts = hosts;
    few
}

pub(super) fn plans() -> Vec<HostPlan> {
    let item = |flags: &str, path: &[u8]| PlanItem {
        flags: flags.to_owned(),
        path: RelPath::parse(path).unwrap_or_else(|_| RelPath::root()),
    };
    let marker = Marker {
        release: release(),
        generation: Generation::new(11),
    };
    let plan = |name: &str, error: Option<Error>| HostPlan {
        host: name.to_owned(),
        marker: Some(marker),
        unchanged: false,
        created: 2,
        changed: 1_050,
        attributes: 4,
        deleted: 1,
        files_sent: 1_051,
        bytes_wanted: 34_120_000,
        local_bytes: 1_200,
        items: vec![
            item("<fcst......", b"app/index.php"),
            item("<f+++++++++", b"app/new\x1b[2J"),
            item("cd+++++++++", b"app/pages"),
            item("*deleting  ", b"app/old.php"),
        ],
        seconds: 0.5,
        error,
    };
    let nothing = |name: &str, error: Option<Error>| HostPlan {
        created: 0,
        changed: 0,
        attributes: 0,
        deleted: 0,
        files_sent: 0,
        bytes_wanted: 0,
        local_bytes: 0,
        items: Vec::new(),
        ..plan(name, error)
    };
    let refusal = Error::MaxDelete {
        would: 900,
        limit: 100,
    };
    vec![
        plan("web-1", None),
        plan("web-2", None),
        HostPlan {
            unchanged: true,
            ..nothing("web-3", None)
        },
        HostPlan {
            marker: None,
            ..nothing("web-4", None)
        },
        HostPlan {
            deleted: 900,
            ..nothing("web-5", Some(refusal))
        },
        nothing("worker-10", Some(unreachable())),
    ]
}

pub(super) fn statuses() -> Vec<HostStatus> {
    let marker = Marker {
        release: release(),
        generation: Generation::new(12),
    };
    let status = |name: &str, marker, intact, error| HostStatus {
        host: name.to_owned(),
        marker,
        intact,
        proof: Some(ProofClass::WithoutOwner),
        files: 1_412,
        bytes: 34_120_000,
        seconds: 0.5,
        error,
    };
    let then = 1_799_000_000;
    vec![
        status("web-1", Some((marker, then)), Some(true), None),
        status("web-2", Some((marker, then)), Some(false), None),
        status("web-3", Some((marker, i64::MAX)), None, None),
        status("web-4", None, None, None),
        status("worker-10", None, None, Some(unreachable())),
    ]
}

/// Of this machine, and of a host.
pub(super) fn checks() -> (Vec<Check>, Vec<Check>) {
    let local = vec![
        Check::ok("configuration", "/etc/release/release.toml: 2 hosts"),
        Check::warning(
            "key",
            "/etc/release/id_ed25519 is not its owner's alone: its mode is 0644",
            Some("chmod 600 /etc/release/id_ed25519".to_owned()),
        ),
    ];
    let host = vec![
        Check::ok("ssh", "10.0.0.5 port 22, as www"),
        Check::fault(
            "agent",
            "the agent can't be started on the host: noexec",
            Some("name another place in `ssh.agent_directory`".to_owned()),
        ),
        Check::warning(
            "clock",
            "61.0 s behind",
            Some("set the clock there".to_owned()),
        ),
    ];
    (local, host)
}

pub(super) fn chapter() -> Chapter<'static> {
    Chapter {
        number: 2,
        title: "The same again",
        story: "Nothing was changed, so nothing should travel.\nEach host proves what it has.",
    }
}

pub(super) fn claims() -> Vec<Claim> {
    vec![
        Claim {
            text: "all trees are equal".into(),
            fault: None,
        },
        Claim {
            text: "each host was sent less than 20 kB".into(),
            fault: Some("web-1 was sent 812.3 kB".into()),
        },
    ]
}

pub(crate) fn unreachable() -> Error {
    Error::Connect {
        address: "10.0.0.7:22".into(),
        source: io::ErrorKind::ConnectionRefused.into(),
    }
}

pub(crate) fn locked() -> Error {
    Error::Locked {
        destination: "/release".into(),
        holder: "ada@build-1 (process 42)".into(),
    }
}

/// One of each kind that hosts bring about.
pub(super) fn errors() -> Vec<Error> {
    let address = || "10.0.0.5:22".to_owned();
    let destination = || "/release".to_owned();
    let fingerprint = || "ssh-ed25519 SHA256:abc".to_owned();
    let known_hosts = || PathBuf::from("/etc/release/known_hosts");
    vec![
        unreachable(),
        Error::Ssh {
            address: address(),
            doing: "exchanging keys",
            source: io::Error::other("no common algorithm"),
        },
        Error::HostKeyUnknown {
            address: address(),
            fingerprint: fingerprint(),
            known_hosts: known_hosts(),
            is_missing: false,
        },
        Error::HostKeyChanged {
            address: address(),
            fingerprint: fingerprint(),
            known_hosts: known_hosts(),
        },
        Error::HostKeyRevoked {
            address: address(),
            fingerprint: fingerprint(),
            known_hosts: known_hosts(),
        },
        Error::KnownHosts {
            path: known_hosts(),
            source: io::ErrorKind::PermissionDenied.into(),
        },
        Error::Identity {
            path: "/etc/release/id_ed25519".into(),
            source: io::ErrorKind::NotFound.into(),
        },
        Error::IdentityLocked {
            path: "/etc/release/id_ed25519".into(),
        },
        Error::Spawn {
            program: "nc".into(),
            source: io::ErrorKind::NotFound.into(),
        },
        Error::Authentication {
            address: address(),
            user: "www".into(),
            identity: "/etc/release/id_ed25519".into(),
            source: io::Error::other("publickey"),
        },
        Error::NoAgent {
            architecture: "riscv64".into(),
            looked_for: "/opt/release/agents/release-agent-riscv64".into(),
        },
        Error::NoCommand {
            reason:
                "it ended with status 1; the host said: This account is currently not available."
                    .into(),
        },
        Error::Bootstrap {
            reason: "permission denied".into(),
        },
        Error::Silence {
            doing: "staging",
            silence: Duration::from_secs(30),
        },
        Error::Stalled {
            doing: "scanning the destination",
            patience: Duration::from_secs(600),
        },
        Error::Disconnected {
            doing: "staging",
            stderr: "killed".into(),
        },
        Error::Transport {
            doing: "staging",
            source: io::ErrorKind::BrokenPipe.into(),
        },
        Error::Protocol {
            what: "frame of type 77".into(),
        },
        Error::NewerAgent { theirs: 2, ours: 1 },
        Error::OlderAgent { theirs: 1, ours: 2 },
        Error::Cancelled,
        locked(),
        Error::Fenced {
            seen: Generation::new(13),
            ours: Generation::new(12),
        },
        Error::Fenced {
            seen: Generation::new(12),
            ours: Generation::new(12),
        },
        Error::NotMounted {
            destination: destination(),
        },
        Error::ReadOnly {
            destination: destination(),
        },
        Error::Forbidden {
            destination: "/".into(),
            reason: "it is the root of the whole file system".into(),
        },
        Error::Destination {
            destination: destination(),
            reason: "not a directory".into(),
        },
        Error::NoSpace {
            destination: destination(),
        },
        Error::MaxDelete {
            would: 900,
            limit: 100,
        },
        Error::Supply {
            reason: "no such directory".into(),
        },
        Error::NoUndo {
            destination: destination(),
        },
        Error::Files {
            count: 2,
            first: RelPath::parse(b"app/a").unwrap_or_else(|_| RelPath::root()),
            reason: "operation not permitted".into(),
        },
        Error::Commit {
            reason: "input/output error".into(),
        },
        Error::OtherUndo {
            kept: release(),
            wanted: ReleaseId::new(Digest::of(b"another")),
        },
        Error::NotProven { release: release() },
    ]
}
