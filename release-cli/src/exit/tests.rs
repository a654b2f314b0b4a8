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

#[test]
fn precedence_when_several_apply() {
    let exit = |hosts: [_; 3]| verdict(hosts).0;
    assert_eq!(
        exit([failed(Error::Cancelled), failed(usage()), failed(locked())]),
        Exit::Interrupted
    );
    assert_eq!(
        exit([failed(locked()), failed(usage()), committed()]),
        Exit::Usage
    );
    assert_eq!(
        exit([failed(locked()), failed(refused()), committed()]),
        Exit::Locked
    );
    assert_eq!(
        exit([failed(refused()), committed(), unchanged()]),
        Exit::Partial
    );
    assert_eq!(
        exit([failed(refused()), failed(refused()), unchanged()]),
        Exit::Refused
    );
    assert_eq!(
        exit([failed(refused()), failed(no_space()), unchanged()]),
        Exit::Failed
    );
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
