#![allow(clippy::unwrap_used)]

mod any_order;
mod catching_up;
mod ending;

use std::time::Duration;

use super::*;
use crate::cloud::Standing;
use crate::{Order, Share};

const START: i64 = 1_000_000_000;
const SETTLE: i64 = 30;
const BOOT: i64 = 300;
const DEADLINE: i64 = 900;
const PAUSE: i64 = 5;

fn rules() -> Rules {
    let seconds = |seconds: i64| Duration::from_secs(seconds as u64);
    Rules {
        has_groups: true,
        order: Order::PushFirst,
        max_failures: Share::Percent(100),
        snapshots: 2,
        settle: seconds(SETTLE),
        boot_deadline: seconds(BOOT),
        deadline: seconds(DEADLINE),
        pause: seconds(PAUSE),
    }
}

/// So many seconds after the tests' beginning of time.
fn at(second: i64) -> Moment {
    Moment::from_unix_millis((START + second) * 1000)
}

type Host = &'static str;

/// An instance in a list, launched at that second.
fn seen(host: Host, standing: Standing, launched: i64) -> Sighting<Host> {
    Sighting {
        host,
        standing,
        launched: Some(at(launched)),
    }
}

/// One that has long been running.
fn old(host: Host) -> Sighting<Host> {
    seen(host, Standing::Ready, -10_000)
}

/// A deploy, and a clock that goes on when it is told to.
struct Play {
    deploy: Deploy<Host>,
    second: i64,
}

impl Play {
    fn new(rules: Rules, fixed: &[Host]) -> Self {
        Self {
            deploy: Deploy::new(rules, fixed.iter().copied()),
            second: 0,
        }
    }

    /// All steps that are to be done now.
    fn steps(&mut self) -> Vec<Step<Host>> {
        std::iter::from_fn(|| self.deploy.poll(at(self.second))).collect()
    }

    fn tell(&mut self, event: Event<Host>) -> Vec<Step<Host>> {
        self.deploy.handle(event, at(self.second));
        self.steps()
    }

    fn end(&mut self, host: Host, attempt: Attempt) -> Vec<Step<Host>> {
        self.tell(Event::Ended(host, attempt))
    }

    /// A list that was begun now.
    fn list(&mut self, seen: &[Sighting<Host>]) -> Vec<Step<Host>> {
        self.tell(Event::Listed {
            begun: at(self.second),
            seen: seen.to_vec(),
        })
    }

    fn wait(&mut self, seconds: i64) -> Vec<Step<Host>> {
        self.second += seconds;
        self.steps()
    }

    /// Sleeps as long as it says.
    fn sleep(&mut self) -> Vec<Step<Host>> {
        let until = self.deploy.poll_timeout().unwrap();
        self.second = (until.unix_millis() / 1000 - START).max(self.second);
        self.steps()
    }

    fn fate(&self, host: Host) -> Fate {
        let mut fates = self.deploy.fates();
        fates.find(|(known, _)| **known == host).unwrap().1
    }

    /// Up to the moment at which these instances are staged and the snapshot is begun.
    fn staged(&mut self, instances: &[Sighting<Host>]) -> Vec<Step<Host>> {
        assert_eq!(self.steps(), [Step::List]);
        let mut steps = self.list(instances);
        if let Some(Step::Stage(hosts)) = steps.first().cloned() {
            for host in hosts {
                assert_eq!(self.tell(Event::Staged(host)), []);
            }
            steps.remove(0);
        }
        assert_eq!(steps, [Step::Snapshot]);
        self.tell(Event::Taken)
    }

    /// Up to the publication, when all goes well.
    fn published(&mut self, instances: &[Sighting<Host>]) -> Vec<Step<Host>> {
        let steps = self.staged(instances);
        assert!(matches!(&steps[..], [Step::Await, Step::Record(_)]));
        let steps = self.tell(Event::Recorded);
        let mut ready = instances.iter();
        if ready.any(|one| one.standing == Standing::Ready) {
            assert_eq!(steps, [Step::Commit]);
        }
        for one in instances {
            self.end(one.host, Attempt::Proven);
        }
        assert_eq!(self.tell(Event::Usable), [Step::Publish]);
        self.tell(Event::Published(Publication::at(at(self.second))))
    }
}

#[test]
fn all_at_once_then_current_then_published() {
    let mut play = Play::new(rules(), &["static"]);
    assert_eq!(play.steps(), [Step::List]);
    let steps = play.list(&[old("a"), old("b")]);
    let all = vec!["a", "b", "static"];
    assert_eq!(steps, [Step::Stage(all.clone()), Step::Snapshot]);
    assert_eq!(play.tell(Event::Staged("a")), []);
    assert_eq!(play.tell(Event::Taken), [Step::Await]);
    assert_eq!(play.tell(Event::Staged("b")), []);
    assert_eq!(play.tell(Event::Staged("static")), [Step::Record(all)]);
    assert_eq!(play.tell(Event::Recorded), [Step::Commit]);
    assert_eq!(play.tell(Event::Usable), []);
    assert_eq!(play.end("a", Attempt::Proven), []);
    assert_eq!(play.end("b", Attempt::Proven), []);
    assert_eq!(play.end("static", Attempt::Proven), [Step::Publish]);
    let published = Event::Published(Publication::at(at(0)));
    assert_eq!(play.tell(published), [Step::List]);
    assert_eq!(play.list(&[old("a"), old("b")]), []);
    assert_eq!(play.wait(SETTLE), [Step::List]);
    assert_eq!(play.list(&[old("a"), old("b")]), [Step::Forget]);
    assert_eq!(play.tell(Event::Forgotten), [Step::Retain]);
    assert_eq!(play.tell(Event::Retained), [Step::Finish(Ending::Complete)]);
    assert!(play.deploy.fates().all(|(_, fate)| fate == Fate::Proven));
}

#[test]
fn snapshot_first_commits_nowhere_before_it_can_be_used() {
    let rules = Rules {
        order: Order::SnapshotFirst,
        ..rules()
    };
    let mut play = Play::new(rules, &[]);
    assert_eq!(play.staged(&[old("a")]), [Step::Await]);
    assert_eq!(play.tell(Event::Usable), [Step::Record(vec!["a"])]);
    assert_eq!(play.tell(Event::Recorded), [Step::Commit]);
    assert_eq!(play.end("a", Attempt::Proven), [Step::Publish]);
}

#[test]
fn without_groups_nothing_is_listed_or_waited_for() {
    let rules = Rules {
        has_groups: false,
        ..rules()
    };
    let mut play = Play::new(rules, &["a"]);
    let steps = play.steps();
    assert_eq!(steps, [Step::Stage(vec!["a"]), Step::Snapshot]);
    play.tell(Event::Staged("a"));
    play.tell(Event::Taken);
    assert_eq!(play.tell(Event::Recorded), [Step::Commit]);
    play.tell(Event::Usable);
    assert_eq!(play.end("a", Attempt::Proven), [Step::Publish]);
    let published = Event::Published(Publication::at(at(0)));
    assert_eq!(play.tell(published), [Step::Forget]);
}

#[test]
fn a_group_without_instances_is_published_for_all_the_same() {
    let mut play = Play::new(rules(), &[]);
    assert_eq!(play.published(&[]), [Step::List]);
    assert!(!play.deploy.has_committed());
    assert_eq!(play.list(&[]), []);
    assert_eq!(play.wait(SETTLE), [Step::List]);
    assert_eq!(play.list(&[]), [Step::Forget]);
}

#[test]
fn only_what_runs_is_staged() {
    let mut play = Play::new(rules(), &[]);
    play.steps();
    let steps = play.list(&[
        old("ready"),
        seen("starting", Standing::Starting, -20),
        seen("asleep", Standing::Asleep, -900),
        seen("gone", Standing::Gone, -900),
    ]);
    assert_eq!(steps, [Step::Stage(vec!["ready"]), Step::Snapshot]);
    play.tell(Event::Staged("ready"));
    // The record speaks of whoever may be left with the release before.
    assert_eq!(
        play.tell(Event::Taken),
        [Step::Await, Step::Record(vec!["ready", "starting"])]
    );
    assert_eq!(play.fate("asleep"), Fate::Asleep);
    assert_eq!(play.fate("gone"), Fate::Gone);
}

#[test]
fn a_snapshot_that_spoils_is_made_again_even_after_the_commit() {
    let mut play = Play::new(rules(), &[]);
    play.staged(&[old("a")]);
    assert_eq!(play.tell(Event::Recorded), [Step::Commit]);
    assert_eq!(play.end("a", Attempt::Proven), []);
    assert_eq!(play.tell(Event::NotUsable), [Step::Discard]);
    assert_eq!(play.tell(Event::Discarded), [Step::Snapshot]);
    assert_eq!(play.tell(Event::Taken), [Step::Await]);
    assert_eq!(play.tell(Event::Usable), [Step::Publish]);
}

#[test]
fn nothing_is_committed_while_a_snapshot_is_made_again() {
    let mut play = Play::new(rules(), &[]);
    play.steps();
    play.list(&[old("a")]);
    play.tell(Event::Taken);
    assert_eq!(play.tell(Event::NotUsable), [Step::Discard]);
    assert_eq!(play.tell(Event::Discarded), [Step::Snapshot]);
    assert_eq!(play.tell(Event::Staged("a")), []);
    let steps = play.tell(Event::Taken);
    assert_eq!(steps, [Step::Await, Step::Record(vec!["a"])]);
}
