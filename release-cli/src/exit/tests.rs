use release_sync::{Counts, Digest, Generation, ReleaseId};

use super::*;

fn report(hosts: impl IntoIterator<Item = (Outcome, Option<Error>)>) -> Report {
    let hosts = hosts.into_iter().enumerate();
    Report {
        work: Default::default(),
        release: Some(ReleaseId::new(Digest::of(b"tree"))),
        generation: Generation::new(7),
        hosts: hosts
            .map(|(number, (outcome, error))| HostReport {
                host: format!("web-{number}"),
                outcome,
                proof: None,
                release: None,
                generation: None,
                counts: Counts::default(),
                seconds: 0.0,
                notes: Vec::new(),
                error,
            })
            .collect(),
        seconds: 0.0,
    }
}

fn verdict<const N: usize>(hosts: [(Outcome, Option<Error>); N]) -> (Exit, Overall) {
    let verdict = Verdict::of(Aim::Push, false, &report(hosts), &HashSet::new());
    (verdict.exit, verdict.overall)
}

fn committed() -> (Outcome, Option<Error>) {
    (Outcome::Committed, None)
}

fn unchanged() -> (Outcome, Option<Error>) {
    (Outcome::Unchanged, None)
}

fn failed(error: Error) -> (Outcome, Option<Error>) {
    (Outcome::Failed, Some(error))
}

fn no_space() -> Error {
    Error::NoSpace {
        destination: "/release".into(),
    }
}

fn locked() -> Error {
    Error::Locked {
        destination: "/release".into(),
        holder: "ada".into(),
    }
}

fn refused() -> Error {
    Error::MaxDelete { would: 9, limit: 3 }
}

fn usage() -> Error {
    Error::NoSshOptions("web".into())
}

/// What happened apart from hosts counts too; an interrupt stays one, and is not said to have gone well.
#[test]
fn what_happened_apart_from_hosts_counts() {
    use Overall::{Failed, Ok, Partial};
    let of = |exit, overall, is_changed, is_whole| {
        let verdict = Verdict { exit, overall }.with(None, is_changed, is_whole);
        (verdict.exit, verdict.overall)
    };
    let interrupted = Exit::Interrupted;
    assert_eq!(of(Exit::Done, Ok, true, true), (Exit::Done, Ok));
    assert_eq!(of(interrupted, Ok, true, true), (interrupted, Ok));
    assert_eq!(of(interrupted, Ok, true, false), (interrupted, Partial));
    assert_eq!(of(interrupted, Failed, false, false), (interrupted, Failed));
    assert_eq!(of(Exit::Done, Ok, true, false), (Exit::Partial, Partial));
    assert_eq!(of(Exit::Done, Ok, false, false), (Exit::Failed, Failed));
    for exit in [Exit::Failed, Exit::Refused] {
        assert_eq!(of(exit, Failed, true, true), (Exit::Partial, Partial));
        assert_eq!(of(exit, Failed, false, true), (exit, Failed));
    }
    assert_eq!(
        of(Exit::Locked, Failed, true, true),
        (Exit::Locked, Partial)
    );
}

#[test]
fn each_kind_alone() {
    use Overall::{Failed, Ok, Partial};
    assert_eq!(verdict([committed(), unchanged()]), (Exit::Done, Ok));
    let elsewhere = [Outcome::Asleep, Outcome::Booting, Outcome::Gone];
    assert_eq!(
        verdict(elsewhere.map(|outcome| (outcome, None))),
        (Exit::Done, Ok)
    );
    assert_eq!(
        verdict([unchanged(), failed(no_space())]),
        (Exit::Failed, Failed)
    );
    assert_eq!(
        verdict([committed(), failed(no_space())]),
        (Exit::Partial, Partial)
    );
    assert_eq!(
        verdict([unchanged(), failed(locked())]),
        (Exit::Locked, Failed)
    );
    assert_eq!(
        verdict([failed(refused()), unchanged()]),
        (Exit::Refused, Failed)
    );
    assert_eq!(verdict([failed(usage())]), (Exit::Usage, Failed));
    assert_eq!(
        verdict([failed(Error::Cancelled)]),
        (Exit::Interrupted, Failed)
    );
}

/// What came of one host.
type Fate = fn() -> (Outcome, Option<Error>);

/// What may come of a run's hosts, apart from being as asked; any of it together with any other.
const FAULTS: [(&str, Fate); 6] = [
    ("interrupted", || failed(Error::Cancelled)),
    ("usage", || failed(usage())),
    ("locked", || failed(locked())),
    ("refused", || failed(refused())),
    ("failed", || failed(no_space())),
    ("changed", committed),
];

/// The sentence of the promise, word for word: "130, then 2, then 4; then 3 if any host changed and not all
/// is well; then 5 if all that went wrong are refusals; else 1".
fn promised(happened: &[&str]) -> u8 {
    let did = |what: &str| happened.contains(&what);
    let faults = happened.iter().filter(|what| **what != "changed").count();
    match faults {
        0 => 0,
        _ if did("interrupted") => 130,
        _ if did("usage") => 2,
        _ if did("locked") => 4,
        _ if did("changed") => 3,
        1 if did("refused") => 5,
        _ => 1,
    }
}

#[test]
fn precedence_whatever_applies_together() {
    let mut seen = HashSet::new();
    for number in 0..1 << FAULTS.len() {
        let chosen = FAULTS.iter().enumerate();
        let chosen = chosen.filter(|(index, _)| number >> index & 1 == 1);
        let (happened, mut hosts): (Vec<_>, Vec<_>) =
            chosen.map(|(_, (name, host))| (*name, host())).unzip();
        hosts.push(unchanged());
        // Which host comes first makes no difference.
        hosts.reverse();
        let verdict = Verdict::of(Aim::Push, false, &report(hosts), &HashSet::new());
        let code = verdict.exit.code();
        assert_eq!(code, promised(&happened), "{happened:?}");
        let overall = match (code, happened.contains(&"changed")) {
            (0, _) => Overall::Ok,
            (_, true) => Overall::Partial,
            (_, false) => Overall::Failed,
        };
        assert_eq!(verdict.overall, overall, "{happened:?}");
        seen.insert(code);
    }
    assert_eq!(seen.len(), 7, "each code comes up: {seen:?}");
}

#[test]
fn a_host_that_is_late_or_read_only_is_not_as_asked() {
    assert_eq!(
        verdict([committed(), (Outcome::Deferred, None)]).0,
        Exit::Partial
    );
    assert_eq!(verdict([(Outcome::Deferred, None)]).0, Exit::Failed);
    assert_eq!(verdict([(Outcome::ReadOnly, None)]).0, Exit::Failed);
}

#[test]
fn an_interrupt_is_told_even_if_all_went_well() {
    let verdict = Verdict::of(Aim::Push, true, &report([committed()]), &HashSet::new());
    assert_eq!(
        (verdict.exit, verdict.overall),
        (Exit::Interrupted, Overall::Ok)
    );
}

#[test]
fn what_may_have_changed_counts_as_changed() {
    let lost = || {
        failed(Error::Disconnected {
            doing: "committing",
            stderr: String::new(),
        })
    };
    assert_eq!(verdict([lost()]).0, Exit::Failed);
    let begun = HashSet::from(["web-0".to_owned()]);
    let verdict_begun = Verdict::of(Aim::Push, false, &report([lost()]), &begun);
    assert_eq!(verdict_begun.exit, Exit::Partial);

    let half = Error::Commit {
        reason: "input/output error".into(),
    };
    assert_eq!(verdict([failed(half)]), (Exit::Partial, Overall::Partial));
}

#[test]
fn going_back_is_what_undo_asks_and_push_does_not() {
    let of = |aim| {
        Verdict::of(
            aim,
            false,
            &report([(Outcome::Undone, None)]),
            &HashSet::new(),
        )
    };
    assert_eq!(of(Aim::Undo).exit, Exit::Done);
    // Whoever is there already is as was asked, and was not changed.
    let rest = [unchanged(), failed(no_space())];
    let again = Verdict::of(Aim::Undo, false, &report(rest), &HashSet::new());
    assert_eq!((again.exit, again.overall), (Exit::Failed, Overall::Failed));
    let all = Verdict::of(Aim::Undo, false, &report([unchanged()]), &HashSet::new());
    assert_eq!(all.exit, Exit::Done);
    assert_eq!(of(Aim::Push).exit, Exit::Failed);
}

#[test]
fn a_drifted_host_is_not_well() {
    let status = |intact, error| HostStatus {
        host: "web".into(),
        marker: None,
        intact,
        proof: None,
        files: 0,
        bytes: 0,
        seconds: 0.0,
        error,
    };
    let exit = |hosts: &[HostStatus]| Exit::of_statuses(false, hosts);
    assert_eq!(
        exit(&[status(Some(true), None), status(None, None)]),
        Exit::Done
    );
    assert_eq!(
        exit(&[status(Some(true), None), status(Some(false), None)]),
        Exit::Failed
    );
    assert_eq!(exit(&[status(None, Some(no_space()))]), Exit::Failed);
    assert_eq!(Exit::of_statuses(true, &[]), Exit::Interrupted);
}

#[test]
fn failures_before_a_run() {
    let of = |failure| Exit::of_failure(&failure).code();
    assert_eq!(of(Failure::NoHosts), 2);
    assert_eq!(of(Failure::Interrupted), 130);
    assert_eq!(of(Failure::ClaimsBroken { count: 1 }), 1);
    let path = std::path::PathBuf::from("/s");
    assert_eq!(of(Error::SourceEmpty { path: path.clone() }.into()), 5);
    assert_eq!(of(usage().into()), 2);
    assert_eq!(
        of(Failure::Locked {
            path,
            holder: String::new()
        }),
        4
    );
}

/// Each of the things that can be so at one time, and what they come to: the first in this order that
/// is. Scripts rely on it.
#[test]
fn the_whole_table_of_precedence() {
    for case in 0..1_u32 << 6 {
        let [interrupted, usage_error, lock, change, failure, refusal] =
            std::array::from_fn(|bit| case & (1 << bit) != 0);
        let hosts = [
            (usage_error, failed(usage())),
            (lock, failed(locked())),
            (change, committed()),
            (failure, failed(no_space())),
            (refusal, failed(refused())),
        ];
        let hosts = hosts
            .into_iter()
            .filter_map(|(is, host)| is.then_some(host));
        let report = report(hosts.chain([unchanged()]));
        let verdict = Verdict::of(Aim::Push, interrupted, &report, &HashSet::new());
        let expected = [
            (interrupted, 130),
            (usage_error, 2),
            (lock, 4),
            (change && (failure || refusal), 3),
            (refusal && !failure, 5),
            (failure, 1),
            (true, 0),
        ];
        let expected = expected
            .into_iter()
            .find(|(is, _)| *is)
            .map(|(_, code)| code);
        assert_eq!(Some(verdict.exit.code()), expected, "{report:?}");
        let is_whole = !(usage_error || lock || failure || refusal);
        assert_eq!(verdict.overall == Overall::Ok, is_whole);
        assert_eq!(verdict.overall == Overall::Partial, !is_whole && change);
    }
}

#[test]
fn a_plan_ends_as_the_deploy_would() {
    let plan = |error| HostPlan {
        host: "web".into(),
        marker: None,
        unchanged: false,
        created: 1,
        changed: 0,
        attributes: 0,
        deleted: 0,
        files_sent: 1,
        bytes_wanted: 1,
        local_bytes: 0,
        items: Vec::new(),
        seconds: 0.0,
        error,
    };
    let exit = |errors: [Option<Error>; 2]| Exit::of_plans(false, &errors.map(plan)).code();
    assert_eq!(exit([None, None]), 0);
    assert_eq!(exit([None, Some(no_space())]), 1);
    assert_eq!(exit([None, Some(refused())]), 5);
    assert_eq!(exit([Some(no_space()), Some(refused())]), 1);
    assert_eq!(exit([Some(locked()), Some(refused())]), 4);
    assert_eq!(exit([Some(Error::Cancelled), None]), 130);
}

#[test]
fn only_faults_make_an_examination_end_badly() {
    let exit = |interrupted, faults| {
        let health = Health {
            faults,
            warnings: 3,
            seconds: 0.0,
        };
        Exit::of_health(interrupted, &health).code()
    };
    assert_eq!((exit(false, 0), exit(false, 1), exit(true, 0)), (0, 1, 130));
}
