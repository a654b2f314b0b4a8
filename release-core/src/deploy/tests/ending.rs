//! Ends that come too early: what is left, and what is said of it.

use super::*;

/// All steps up to the end, with every step of the end answered.
fn close(play: &mut Play, mut steps: Vec<Step<Host>>) -> Vec<Step<Host>> {
    let mut all = Vec::new();
    while !steps.is_empty() {
        let mut next = Vec::new();
        for step in &steps {
            next.extend(match step {
                Step::Discard => play.tell(Event::Discarded),
                Step::Record(_) => play.tell(Event::Recorded),
                Step::Forget => play.tell(Event::Forgotten),
                Step::Retain => play.tell(Event::Retained),
                _ => Vec::new(),
            });
        }
        all.append(&mut steps);
        steps = next;
    }
    all
}

#[test]
fn without_a_list_nothing_is_begun() {
    let mut play = Play::new(rules(), &["static"]);
    play.steps();
    let end = [Step::Finish(Ending::NotListed)];
    assert_eq!(play.tell(Event::NotListed), end);
    assert_eq!(play.steps(), []);
}

#[test]
fn a_snapshot_that_cannot_be_begun_changes_no_host() {
    let mut play = Play::new(rules(), &[]);
    play.steps();
    play.list(&[old("a"), old("b")]);
    play.tell(Event::Staged("a"));
    assert_eq!(play.tell(Event::NotTaken), [Step::Stop]);
    assert_eq!(play.end("a", Attempt::Later), []);
    let steps = play.end("b", Attempt::Later);
    assert_eq!(steps, [Step::Finish(Ending::NoSnapshot)]);
    assert!(!play.deploy.has_committed());
}

#[test]
fn hosts_that_all_fail_leave_nothing_behind() {
    let mut play = Play::new(rules(), &[]);
    play.steps();
    play.list(&[old("a"), old("b")]);
    play.tell(Event::Taken);
    play.end("a", Attempt::Failed);
    let steps = play.end("b", Attempt::Failed);
    assert_eq!(steps, [Step::Stop]);
    // The wait for the snapshot is given up.
    let steps = play.tell(Event::NotUsable);
    let rest = [Step::Discard, Step::Finish(Ending::NotStaged)];
    assert_eq!(close(&mut play, steps), rest);
}

#[test]
fn more_failures_than_are_borne_stop_the_rest() {
    let rules = Rules {
        max_failures: Share::Count(1),
        ..rules()
    };
    for (failures, goes_on) in [(1, true), (2, false)] {
        let mut play = Play::new(rules, &[]);
        play.steps();
        play.list(&[old("a"), old("b"), old("c")]);
        play.tell(Event::Taken);
        play.tell(Event::Usable);
        let mut steps = Vec::new();
        for (number, host) in ["a", "b", "c"].into_iter().enumerate() {
            steps = match number < failures {
                true => play.end(host, Attempt::Failed),
                false => play.tell(Event::Staged(host)),
            };
        }
        assert_eq!(matches!(steps[..], [Step::Record(_)]), goes_on, "{steps:?}");
        assert_eq!(steps == [Step::Stop], !goes_on, "{steps:?}");
    }
}

#[test]
fn nothing_is_committed_that_no_record_speaks_of() {
    let mut play = Play::new(rules(), &[]);
    play.staged(&[old("a")]);
    assert_eq!(play.tell(Event::NotRecorded), [Step::Stop]);
    play.end("a", Attempt::Later);
    let steps = play.tell(Event::NotUsable);
    let rest = [Step::Discard, Step::Finish(Ending::NotRecorded)];
    assert_eq!(close(&mut play, steps), rest);
}

#[test]
fn without_a_snapshot_after_the_commit_it_is_unfinished() {
    let mut play = Play::new(rules(), &[]);
    play.staged(&[old("a")]);
    play.tell(Event::Recorded);
    play.end("a", Attempt::Proven);
    for _ in 0..rules().snapshots - 1 {
        assert_eq!(play.tell(Event::NotUsable), [Step::Discard]);
        assert_eq!(play.tell(Event::Discarded), [Step::Snapshot]);
        play.tell(Event::Taken);
    }
    let steps = play.tell(Event::NotUsable);
    let rest = [
        Step::Discard,
        Step::Record(Vec::new()),
        Step::Finish(Ending::NoSnapshot),
    ];
    assert_eq!(close(&mut play, steps), rest);
    assert!(play.deploy.has_committed() && play.deploy.published().is_none());
}

#[test]
fn a_pointer_that_cannot_be_written_leaves_a_record_and_no_snapshot() {
    let mut play = Play::new(rules(), &[]);
    play.staged(&[old("a"), seen("b", Standing::Starting, -9)]);
    play.tell(Event::Recorded);
    play.end("a", Attempt::Proven);
    play.tell(Event::Usable);
    let steps = play.tell(Event::NotPublished);
    let rest = [
        Step::Discard,
        Step::Record(vec!["b"]),
        Step::Finish(Ending::NotPublished),
    ];
    assert_eq!(close(&mut play, steps), rest);
}

#[test]
fn an_interrupt_before_the_commit_changes_nothing() {
    let mut play = Play::new(rules(), &[]);
    play.steps();
    play.list(&[old("a")]);
    play.tell(Event::Staged("a"));
    assert_eq!(play.tell(Event::Interrupted), [Step::Stop]);
    assert_eq!(play.end("a", Attempt::Later), []);
    // It is frozen still; what comes of that is waited for.
    let steps = play.tell(Event::Taken);
    let rest = [Step::Discard, Step::Finish(Ending::Interrupted)];
    assert_eq!(close(&mut play, steps), rest);
}

#[test]
fn an_interrupt_after_the_commit_leaves_a_record() {
    let mut play = Play::new(rules(), &[]);
    play.staged(&[old("a"), old("b")]);
    play.tell(Event::Recorded);
    assert_eq!(play.tell(Event::Interrupted), [Step::Stop]);
    play.end("a", Attempt::Proven);
    play.end("b", Attempt::Later);
    let steps = play.tell(Event::NotUsable);
    let rest = [
        Step::Discard,
        Step::Record(vec!["b"]),
        Step::Finish(Ending::Interrupted),
    ];
    assert_eq!(close(&mut play, steps), rest);
}

#[test]
fn an_interrupt_while_catching_up_keeps_the_snapshot_and_deletes_none() {
    let mut play = Play::new(rules(), &[]);
    play.published(&[old("a")]);
    assert_eq!(play.tell(Event::Interrupted), [Step::Stop]);
    let steps = play.list(&[old("a"), seen("late", Standing::Ready, -1)]);
    let rest = [
        Step::Record(vec!["late"]),
        Step::Finish(Ending::Interrupted),
    ];
    assert_eq!(close(&mut play, steps), rest);
}

#[test]
fn a_deadline_without_a_list_of_everybody_keeps_the_record() {
    let mut play = Play::new(rules(), &[]);
    play.published(&[old("a")]);
    play.tell(Event::NotListed);
    play.second = DEADLINE;
    let steps = play.steps();
    let rest = [
        Step::Record(Vec::new()),
        Step::Retain,
        Step::Finish(Ending::Late),
    ];
    assert_eq!(close(&mut play, steps), rest);
}
