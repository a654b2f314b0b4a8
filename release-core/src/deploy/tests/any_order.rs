//! Whatever happens, in whatever order: what must hold for every step, and that it ends.

use proptest::prelude::*;

use super::*;

/// Chance, as proptest gives it: so that a failure is made small.
struct Chance(Vec<u8>, usize);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        // Where chance has run out, everything has its turn: a multiplication scatters the numbers.
        let scattered = || (self.1.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) & 0xff;
        let drawn = self
            .0
            .get(self.1)
            .map_or_else(scattered, |byte| usize::from(*byte));
        self.1 += 1;
        drawn % bound.max(1)
    }
}

const NAMES: [Host; 5] = ["a", "b", "c", "d", "e"];

/// Everything around the machine, with a notebook.
struct Around {
    play: Play,
    chance: Chance,
    under_way: Vec<(Step<Host>, Moment)>,
    busy: BTreeMap<Host, bool>,
    instances: BTreeMap<Host, Sighting<Host>>,
    is_taken: bool,
    is_usable: bool,
    is_recorded: bool,
    published: Option<Moment>,
    /// Whether the last proof was of a push after the publication.
    proofs: BTreeMap<Host, bool>,
    pushed: BTreeMap<Host, bool>,
    last_list: Option<(Moment, BTreeMap<Host, Sighting<Host>>)>,
    ending: Option<Ending>,
}

impl Around {
    fn new(bytes: Vec<u8>) -> Self {
        let mut chance = Chance(bytes, 0);
        let order = match chance.below(2) {
            0 => Order::PushFirst,
            _ => Order::SnapshotFirst,
        };
        let rules = Rules {
            has_groups: chance.below(4) > 0,
            order,
            ..rules()
        };
        let fixed = &NAMES[..chance.below(3)];
        let instances = match rules.has_groups {
            true => (2..2 + chance.below(3))
                .map(|number| (NAMES[number], old(NAMES[number])))
                .collect(),
            false => BTreeMap::new(),
        };
        Self {
            play: Play::new(rules, fixed),
            chance,
            under_way: Vec::new(),
            busy: BTreeMap::new(),
            instances,
            is_taken: false,
            is_usable: false,
            is_recorded: false,
            published: None,
            proofs: BTreeMap::new(),
            pushed: BTreeMap::new(),
            last_list: None,
            ending: None,
        }
    }

    fn now(&self) -> Moment {
        at(self.play.second)
    }

    fn begin(&mut self, steps: Vec<Step<Host>>) {
        for step in steps {
            assert_eq!(self.ending, None, "{step:?} after the end");
            match &step {
                Step::Stage(hosts) | Step::Push(hosts) => {
                    for host in hosts {
                        let is_new = self.busy.insert(host, false).is_none();
                        assert!(is_new, "{host} is at work already");
                        self.pushed.insert(host, matches!(step, Step::Push(_)));
                    }
                }
                Step::Commit => {
                    assert!(self.is_recorded && self.is_taken);
                    let is_first = self.play.deploy.rules.order == Order::PushFirst;
                    assert!(is_first || self.is_usable);
                    self.busy
                        .values_mut()
                        .for_each(|may_commit| *may_commit = true);
                }
                Step::Publish => assert!(self.is_usable && self.published.is_none()),
                Step::Discard => assert!(self.published.is_none()),
                Step::Finish(ending) => {
                    assert!(self.busy.is_empty() && self.under_way.is_empty());
                    self.ending = Some(*ending);
                }
                _ => {}
            }
            if matches!(step, Step::Push(_)) {
                assert!(self.published.is_some());
            }
            if !matches!(
                step,
                Step::Stage(_) | Step::Push(_) | Step::Commit | Step::Stop | Step::Finish(_)
            ) {
                let now = self.now();
                self.under_way.push((step, now));
            }
        }
    }

    /// One of all the things that may happen next.
    fn go_on(&mut self) {
        let choices = self.under_way.len() + self.busy.len() + 2;
        let choice = self.chance.below(choices);
        let steps = if choice < self.under_way.len() {
            let (step, begun) = self.under_way.remove(choice);
            let event = self.answer(step, begun);
            self.play.tell(event)
        } else if choice < choices - 2 {
            let number = choice - self.under_way.len();
            let host = *self.busy.keys().nth(number).unwrap();
            self.work(host)
        } else if choice == choices - 2 && self.chance.below(12) == 11 {
            self.play.tell(Event::Interrupted)
        } else {
            self.change_world();
            let seconds = [1, 5, 30, 120][self.chance.below(4)];
            self.play.wait(seconds)
        };
        self.begin(steps);
    }

    fn work(&mut self, host: Host) -> Vec<Step<Host>> {
        let is_pushed = self.published.is_some();
        let may_commit = self.busy[host] || is_pushed;
        match self.chance.below(4) {
            0 if !may_commit => self.play.tell(Event::Staged(host)),
            1 => self.ended(host, Attempt::Failed),
            2 => self.ended(host, Attempt::Later),
            _ if may_commit => self.ended(host, Attempt::Proven),
            _ => self.play.tell(Event::Staged(host)),
        }
    }

    fn ended(&mut self, host: Host, attempt: Attempt) -> Vec<Step<Host>> {
        self.busy.remove(host);
        if attempt == Attempt::Proven {
            self.proofs.insert(host, self.pushed[host]);
        }
        self.play.end(host, attempt)
    }

    fn answer(&mut self, step: Step<Host>, begun: Moment) -> Event<Host> {
        let is_well = self.chance.below(8) != 7;
        match step {
            Step::List if is_well => {
                let seen = self.instances.values().cloned().collect();
                self.last_list = Some((begun, self.instances.clone()));
                Event::Listed { begun, seen }
            }
            Step::List => Event::NotListed,
            Step::Snapshot if is_well => {
                self.is_taken = true;
                Event::Taken
            }
            Step::Snapshot => Event::NotTaken,
            Step::Await if is_well => {
                self.is_usable = true;
                Event::Usable
            }
            Step::Await => Event::NotUsable,
            Step::Record(_) if is_well => {
                self.is_recorded = true;
                Event::Recorded
            }
            Step::Record(_) => Event::NotRecorded,
            Step::Publish if is_well => {
                let now = self.now();
                self.published = Some(now);
                Event::Published(Publication::at(now))
            }
            Step::Publish => Event::NotPublished,
            Step::Discard => {
                (self.is_taken, self.is_usable) = (false, false);
                Event::Discarded
            }
            Step::Forget => Event::Forgotten,
            Step::Retain => Event::Retained,
            other => panic!("{other:?} is not answered"),
        }
    }

    /// Instances come, go, sleep and wake.
    fn change_world(&mut self) {
        if !self.play.deploy.rules.has_groups {
            return;
        }
        let host = NAMES[2 + self.chance.below(3)];
        let standing = match self.chance.below(6) {
            0 => Standing::Starting,
            1 => Standing::Asleep,
            2 => Standing::Gone,
            3 => Standing::Ready,
            _ => return,
        };
        let second = self.play.second;
        let known = self.instances.entry(host);
        let known = known.or_insert_with(|| seen(host, Standing::Starting, second));
        if known.standing == Standing::Asleep && standing == Standing::Ready {
            known.launched = Some(at(second));
        }
        known.standing = standing;
    }

    /// What an end must be able to say for itself.
    fn judge(&self) {
        let deploy = &self.play.deploy;
        let ending = self.ending.unwrap();
        assert_eq!(
            ending == Ending::Complete || ending == Ending::Late,
            deploy.published.is_some() && ending != Ending::Interrupted
        );
        if ending == Ending::Late {
            return;
        }
        if ending != Ending::Complete {
            let is_said = matches!(deploy.record, Record::Last | Record::None);
            assert!(is_said, "{:?}", deploy.record);
            let is_changed = deploy.has_committed || deploy.published.is_some();
            assert_eq!(deploy.record == Record::Last, is_changed);
            return;
        }
        assert_eq!(deploy.record, Record::None);
        let published = self.published.unwrap();
        if !deploy.rules.has_groups {
            return;
        }
        let (begun, list) = self.last_list.as_ref().unwrap();
        assert!(*begun >= published.after(deploy.rules.settle));
        for (host, one) in list {
            let launched = one.launched.unwrap();
            // Whatever was connected to before the publication was so at the staging.
            let is_late = launched.after(deploy.rules.boot_deadline) >= deploy.staged.unwrap();
            let is_excused = matches!(one.standing, Standing::Asleep | Standing::Gone)
                || launched > published
                || self.play.fate(host) == Fate::Failed;
            let is_proven = self
                .proofs
                .get(host)
                .is_some_and(|was_pushed| !is_late || *was_pushed);
            assert!(is_excused || is_proven, "{host}: {one:?}");
        }
    }
}

proptest! {
    #![proptest_config(crate::testing::cases(4_000))]

    #[test]
    fn every_deploy_ends_and_keeps_its_word(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut around = Around::new(bytes);
        let steps = around.play.steps();
        around.begin(steps);
        for _ in 0..2_000 {
            if around.ending.is_some() {
                break;
            }
            around.go_on();
        }
        prop_assert!(around.ending.is_some(), "it does not end: {:?}", around.play.deploy);
        around.judge();
    }
}
