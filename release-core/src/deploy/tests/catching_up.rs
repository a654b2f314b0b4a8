//! Who counts as proven, and when it is over.

use super::*;

#[test]
fn whoever_came_between_the_list_and_the_publication_is_brought_up() {
    let mut play = Play::new(rules(), &[]);
    play.second = 10;
    assert_eq!(play.published(&[old("a")]), [Step::List]);
    let late = seen("late", Standing::Ready, 5);
    let steps = play.list(&[old("a"), late.clone()]);
    assert_eq!(steps, [Step::Push(vec!["late"])]);
    assert_eq!(play.end("late", Attempt::Proven), []);
    assert_eq!(play.fate("late"), Fate::Proven);
    assert_eq!(play.wait(SETTLE), [Step::List]);
    assert_eq!(play.list(&[old("a"), late]), [Step::Forget]);
}

#[test]
fn a_proof_from_before_does_not_count_for_who_may_have_mounted_over_it() {
    let mut play = Play::new(rules(), &["static"]);
    play.second = 10;
    let young = seen("young", Standing::Ready, 10 - BOOT);
    let grown = seen("grown", Standing::Ready, 10 - BOOT - 1);
    play.steps();
    play.list(&[young.clone(), grown.clone()]);
    for host in ["young", "grown", "static"] {
        play.tell(Event::Staged(host));
    }
    play.tell(Event::Taken);
    play.tell(Event::Recorded);
    for host in ["young", "grown", "static"] {
        play.end(host, Attempt::Proven);
        assert_eq!(play.fate(host), Fate::Proven);
    }
    play.tell(Event::Usable);
    let published = Event::Published(Publication::at(at(10)));
    // Even without a new list it is known who has to be asked again.
    let steps = play.tell(published);
    assert_eq!(steps, [Step::Push(vec!["young"]), Step::List]);
    assert_eq!(play.fate("young"), Fate::Unproven);
    assert_eq!(play.fate("grown"), Fate::Proven);
    assert_eq!(play.fate("static"), Fate::Proven);
    play.end("young", Attempt::Proven);
    assert_eq!(play.fate("young"), Fate::Proven);
}

#[test]
fn a_proof_is_as_old_as_its_connection_however_late_it_is_given() {
    let mut play = Play::new(rules(), &[]);
    let young = seen("young", Standing::Ready, -1);
    play.staged(std::slice::from_ref(&young));
    // The snapshot takes longer than any boot, and the session waits.
    play.second = 10 * BOOT;
    play.tell(Event::Recorded);
    play.end("young", Attempt::Proven);
    play.tell(Event::Usable);
    let published = Event::Published(Publication::at(at(play.second)));
    let steps = play.tell(published);
    assert_eq!(steps, [Step::Push(vec!["young"]), Step::List]);
}

#[test]
fn whoever_was_starting_once_needs_a_proof_from_after_the_publication() {
    let mut play = Play::new(rules(), &[]);
    let starting = seen("b", Standing::Starting, -10_000);
    assert_eq!(
        play.published(&[old("a"), starting]),
        [Step::Push(vec!["b"]), Step::List]
    );
    assert_eq!(play.fate("b"), Fate::Unproven);
}

#[test]
fn whoever_is_launched_after_the_publication_is_left_to_its_own_boot() {
    let mut play = Play::new(rules(), &[]);
    assert_eq!(play.published(&[old("a")]), [Step::List]);
    play.second = 2;
    let after = seen("after", Standing::Starting, 1);
    assert_eq!(play.list(&[old("a"), after.clone()]), []);
    assert_eq!(play.fate("after"), Fate::Booting);
    play.second = SETTLE;
    assert_eq!(play.steps(), [Step::List]);
    assert_eq!(play.list(&[old("a"), after]), [Step::Forget]);
}

#[test]
fn clocks_that_may_differ_are_no_reason_to_leave_somebody_alone() {
    let mut play = Play::new(rules(), &[]);
    play.staged(&[]);
    play.tell(Event::Recorded);
    play.tell(Event::Usable);
    let published = Event::Published(Publication {
        at: at(0),
        earliest: at(-4),
        latest: at(4),
    });
    assert_eq!(play.tell(published), [Step::List]);
    let steps = play.list(&[
        seen("perhaps", Standing::Ready, 4),
        seen("surely", Standing::Ready, 5),
    ]);
    assert_eq!(steps, [Step::Push(vec!["perhaps"])]);
    assert_eq!(play.fate("surely"), Fate::Booting);
}

#[test]
fn it_is_not_over_before_a_list_shows_everybody() {
    let mut play = Play::new(rules(), &[]);
    assert_eq!(play.published(&[old("a")]), [Step::List]);
    for _ in 0..SETTLE / PAUSE {
        assert_eq!(play.list(&[old("a")]), []);
        assert_eq!(play.sleep(), [Step::List]);
    }
    assert_eq!(play.second, SETTLE);
    // Begun in time, but only just.
    let begun = at(SETTLE - 1);
    let seen = vec![old("a")];
    let steps = play.tell(Event::Listed { begun, seen });
    assert_eq!(steps, [Step::List]);
    assert_eq!(play.list(&[old("a")]), [Step::Forget]);
}

#[test]
fn whoever_is_out_of_reach_is_tried_again_less_and_less_often() {
    let mut play = Play::new(rules(), &["static"]);
    play.steps();
    play.list(&[]);
    play.tell(Event::Taken);
    play.end("static", Attempt::Later);
    assert_eq!(play.tell(Event::Recorded), []);
    assert!(!play.deploy.has_committed());
    assert_eq!(play.tell(Event::Usable), [Step::Publish]);
    let published = Event::Published(Publication::at(at(0)));
    assert_eq!(play.tell(published), [Step::List]);
    let mut tried = Vec::new();
    while play.second < 200 {
        for step in play.sleep() {
            match step {
                Step::List => assert_eq!(play.list(&[]), []),
                Step::Push(hosts) => {
                    assert_eq!(hosts, ["static"]);
                    tried.push(play.second);
                    play.end("static", Attempt::Later);
                }
                other => panic!("{other:?}"),
            }
        }
        if play.deploy.listing == Listing::UnderWay {
            play.list(&[]);
        }
    }
    let pauses: Vec<_> = tried.windows(2).map(|two| two[1] - two[0]).collect();
    assert_eq!(pauses[..4], [10, 20, 40, 40]);
}

#[test]
fn whoever_ends_or_sleeps_meanwhile_is_no_fault() {
    let mut play = Play::new(rules(), &[]);
    let young = |host, standing| seen(host, standing, -1);
    play.published(&[
        young("ends", Standing::Starting),
        young("sleeps", Standing::Starting),
        young("vanishes", Standing::Starting),
    ]);
    for host in ["ends", "sleeps", "vanishes"] {
        play.end(host, Attempt::Later);
    }
    let later = [
        young("ends", Standing::Gone),
        young("sleeps", Standing::Asleep),
    ];
    play.list(&later);
    assert_eq!(play.fate("ends"), Fate::Gone);
    assert_eq!(play.fate("sleeps"), Fate::Asleep);
    // It may only be missing from this list.
    assert_eq!(play.fate("vanishes"), Fate::Unproven);
    play.second = SETTLE;
    assert_eq!(play.steps(), [Step::Push(vec!["vanishes"]), Step::List]);
    play.list(&later);
    assert_eq!(play.end("vanishes", Attempt::Later), [Step::Forget]);
    assert_eq!(play.fate("vanishes"), Fate::Gone);
}

#[test]
fn whoever_wakes_is_a_new_instance() {
    let mut play = Play::new(rules(), &[]);
    let steps = play.published(&[seen("a", Standing::Asleep, -900)]);
    assert_eq!(steps, [Step::List]);
    // Woken before the publication, and not seen as such.
    let steps = play.list(&[seen("a", Standing::Ready, -1)]);
    assert_eq!(steps, [Step::Push(vec!["a"])]);
    play.end("a", Attempt::Failed);
    assert_eq!(play.fate("a"), Fate::Failed);
    play.second = SETTLE;
    play.steps();
    play.list(&[seen("a", Standing::Ready, 9)]);
    assert_eq!(play.fate("a"), Fate::Booting);
}

#[test]
fn at_the_deadline_what_is_missing_is_named() {
    let mut play = Play::new(rules(), &[]);
    play.published(&[]);
    let stuck = seen("stuck", Standing::Ready, -1);
    play.list(std::slice::from_ref(&stuck));
    play.end("stuck", Attempt::Later);
    play.second = SETTLE;
    play.steps();
    play.list(std::slice::from_ref(&stuck));
    play.second = DEADLINE;
    assert_eq!(play.steps(), [Step::Stop]);
    assert_eq!(play.end("stuck", Attempt::Later), [Step::Forget]);
    play.tell(Event::Forgotten);
    assert_eq!(play.tell(Event::Retained), [Step::Finish(Ending::Late)]);
    assert_eq!(play.fate("stuck"), Fate::Unproven);
}

#[test]
fn a_deploy_that_was_cut_off_goes_on_with_its_catch_up() {
    let mut play = Play {
        deploy: Deploy::resumed(rules(), ["static"], at(0)),
        second: 0,
    };
    assert_eq!(play.steps(), [Step::Push(vec!["static"]), Step::List]);
    play.end("static", Attempt::Proven);
    let steps = play.list(&[old("a")]);
    assert_eq!(steps, [Step::Push(vec!["a"])]);
    play.end("a", Attempt::Proven);
    play.second = SETTLE;
    assert_eq!(play.steps(), [Step::List]);
    assert_eq!(play.list(&[old("a")]), [Step::Forget]);
}
