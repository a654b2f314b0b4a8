//! The workloads of the design, and what they have to reach.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::corpus;
use crate::field::{Field, Trees};
use crate::side::{OURS, OURS_AES, OURS_UNKNOWN, Side, rsync, rsync_by_eight, rsync_by_stock_ssh};
use crate::trial::{self, Plan, Samples, Tampered};
use crate::verdict::{self, Against, Goal, Measure, Verdict};

/// Something that both programs are asked to do.
#[derive(Debug)]
pub struct Workload {
    /// Of the design. The first of its targets; others may be reached on the way.
    pub name: &'static str,
    /// In a few words.
    pub title: String,
    /// Who does it.
    pub sides: Vec<Side>,
    /// What has to be reached.
    pub goals: Vec<Goal>,
    /// Timed runs, where they are fewer than is asked for.
    pub most_runs: usize,
    hosts: usize,
    latency: Duration,
    make: Make,
    tampers: bool,
}

#[derive(Clone, Debug)]
enum Make {
    Documentation { there: bool },
    Application,
    Site,
    Insertions,
    Unrelated,
    Moved,
    Given { old: Option<PathBuf>, new: PathBuf },
}

/// What came of a workload.
#[derive(Debug, serde::Serialize)]
pub struct Result {
    /// Of the workload.
    pub name: &'static str,
    /// In a few words.
    pub title: String,
    /// How many hosts.
    pub hosts: usize,
    /// Timed runs of each side.
    pub runs: usize,
    /// Each side's samples.
    pub sides: Vec<Samples>,
    /// Each target.
    pub verdicts: Vec<Verdict>,
    /// What came of an edit behind our back, where there was one.
    pub tampered: Option<Tampered>,
}

impl Result {
    /// Of something that has no sides.
    pub(crate) fn of_verdicts(
        name: &'static str,
        title: &str,
        hosts: usize,
        runs: usize,
        verdicts: Vec<Verdict>,
    ) -> Self {
        Self {
            name,
            title: title.to_owned(),
            hosts,
            runs,
            sides: Vec::new(),
            verdicts,
            tampered: None,
        }
    }
}

impl Workload {
    /// Does it all.
    pub fn run(&self, program: &Path, runs: usize, tell: &dyn Fn(&str)) -> Result {
        tell("making trees and hosts");
        let field = Field::new(program, self.hosts, |folder| self.make.trees(folder));
        let plan = Plan {
            runs: runs.min(self.most_runs),
            latency: self.latency,
        };
        let sides = trial::run(&field, &self.sides, &plan, tell);
        let judge = |goal| verdict::judge(&self.title, goal, &sides);
        Result {
            name: self.name,
            title: self.title.clone(),
            hosts: self.hosts,
            runs: plan.runs,
            verdicts: self.goals.iter().flat_map(judge).collect(),
            tampered: self.tampers.then(|| trial::tamper(&field)),
            sides,
        }
    }

    /// To one host, without latency.
    fn new(name: &'static str, title: &str, make: Make, sides: Vec<Side>) -> Self {
        Self {
            name,
            title: title.to_owned(),
            sides,
            goals: Vec::new(),
            most_runs: usize::MAX,
            hosts: 1,
            latency: Duration::ZERO,
            make,
            tampers: false,
        }
    }

    fn goal(self, measure: Measure, against: Against, bound: f64) -> Self {
        let name = self.name;
        self.named_goal(name, measure, against, bound)
    }

    fn named_goal(
        mut self,
        name: &'static str,
        measure: Measure,
        against: Against,
        bound: f64,
    ) -> Self {
        self.goals.push(Goal {
            name,
            measure,
            against,
            bound,
        });
        self
    }
}

/// W1–W9 and W11, in their order. W7 comes with W6, and W11 with W2.
pub fn all() -> Vec<Workload> {
    vec![
        unchanged(),
        cold(),
        update(),
        insertions(),
        unrelated(),
        fleet(),
        moved(),
        far(),
    ]
}

/// What two trees of somebody's own come to: all of the second, nothing changed, from the first to the second.
pub fn of_pair(old: &Path, new: &Path) -> Vec<Workload> {
    let given = |title: &str, before: Option<&Path>| {
        let make = Make::Given {
            old: before.map(Path::to_owned),
            new: new.to_owned(),
        };
        let sides = vec![OURS, OURS_AES, rsync("-a"), rsync("-az"), rsync("-aW")];
        let information = f64::INFINITY;
        Workload::new("pair", title, make, sides)
            .goal(Measure::Wall, Against::Best, information)
            .goal(Measure::BytesSent, Against::Best, information)
            .goal(Measure::AgentMemory, Against::Nothing, information)
    };
    vec![
        given("cold", None),
        given("nothing changed", Some(new)),
        given("update", Some(old)),
    ]
}

fn unchanged() -> Workload {
    let make = Make::Documentation { there: true };
    let sides = vec![OURS, OURS_AES, rsync("-a"), rsync_by_stock_ssh("-a")];
    let mut workload = Workload::new("W1", "nothing changed, 52,000 files", make, sides);
    workload.tampers = true;
    workload.goal(Measure::Wall, Against::Best, 0.30)
}

fn cold() -> Workload {
    let make = Make::Documentation { there: false };
    let sides = vec![
        OURS,
        OURS_AES,
        OURS_UNKNOWN,
        rsync("-a"),
        rsync("-az"),
        rsync("-az --compress-level=1"),
    ];
    Workload::new("W2", "cold, 52,000 files", make, sides)
        .goal(Measure::Wall, Against::Best, 0.75)
        .named_goal("W11", Measure::AgentMemory, Against::Nothing, 64e6)
}

fn update() -> Workload {
    let sides = vec![
        OURS,
        OURS_AES,
        rsync("-a"),
        rsync("-az"),
        rsync("-az --compress-level=1"),
        rsync("-azW"),
    ];
    Workload::new(
        "W3",
        "release update, 6,400 files",
        Make::Application,
        sides,
    )
    .goal(Measure::Wall, Against::Best, 0.45)
    .goal(Measure::BytesSent, Against::Best, 0.85)
}

fn insertions() -> Workload {
    let sides = vec![
        OURS,
        OURS_AES,
        rsync("-a"),
        rsync("-az"),
        rsync("-az --compress-choice=lz4"),
    ];
    Workload::new("W4", "16 insertions into 1 GiB", Make::Insertions, sides)
        .goal(Measure::Wall, Against::Best, 0.60)
        .goal(Measure::EitherMemory, Against::Nothing, 256e6)
}

fn unrelated() -> Workload {
    let sides = vec![OURS, OURS_AES, rsync("-a"), rsync("-aW")];
    let title = "1 GiB over an unrelated 1 GiB";
    let mut workload = Workload::new("W5", title, Make::Unrelated, sides);
    workload.most_runs = 3;
    workload
        .goal(Measure::Wall, Against::Flags("-a"), 0.30)
        .goal(Measure::Wall, Against::Flags("-aW"), 1.1)
}

fn fleet() -> Workload {
    let sides = vec![OURS, OURS_AES, rsync_by_eight("-az"), rsync("-az")];
    let mut workload = Workload::new("W6", "release update to 32 hosts", Make::Application, sides);
    workload.hosts = 32;
    let eight = Against::Eight("-az");
    workload
        .goal(Measure::ControllerCpu, eight, 0.15)
        .named_goal("W7", Measure::Wall, eight, 0.45)
        .named_goal("W10", Measure::ControllerMemory, Against::Nothing, 300e6)
}

fn moved() -> Workload {
    let sides = vec![OURS, rsync("-az"), rsync("-az --fuzzy")];
    let mut workload = Workload::new("W8", "tree renamed, 6,400 files", Make::Moved, sides);
    workload.most_runs = 3;
    workload.goal(Measure::BytesSent, Against::Best, 0.05)
}

fn far() -> Workload {
    let sides = vec![OURS, rsync("-a"), rsync("-az")];
    let title = "1,000 small files changed, 100 ms away";
    let mut workload = Workload::new("W9", title, Make::Site, sides);
    workload.latency = Duration::from_millis(50);
    workload.goal(Measure::Wall, Against::Best, 0.75).goal(
        Measure::RoundTrips,
        Against::Nothing,
        4.0,
    )
}

impl Make {
    fn trees(&self, folder: &Path) -> Trees {
        let (old, new) = (folder.join("old"), folder.join("new"));
        match self {
            Self::Documentation { there } => {
                corpus::DOCUMENTATION.make(&new);
                let old = there.then(|| new.clone());
                return Trees { old, new };
            }
            Self::Application => {
                corpus::APPLICATION.make(&old);
                corpus::APPLICATION.make_updated(&new, &corpus::REBUILT);
            }
            Self::Site => {
                corpus::SITE.make(&old);
                corpus::SITE.make_updated(&new, &corpus::THOUSAND);
            }
            Self::Insertions => {
                corpus::large(&old, 4);
                corpus::large_with_insertions(&new, 4);
            }
            Self::Unrelated => {
                corpus::large(&old, 5);
                corpus::large(&new, 55);
            }
            Self::Moved => {
                corpus::APPLICATION.make(&old);
                corpus::APPLICATION.moved("application").make(&new);
            }
            Self::Given { old: from, new: to } => {
                copy(to, &new);
                let Some(from) = from else {
                    return Trees { old: None, new };
                };
                if from == to {
                    let old = Some(new.clone());
                    return Trees { old, new };
                }
                copy(from, &old);
            }
        }
        Trees {
            old: Some(old),
            new,
        }
    }
}

/// Somebody's own tree is read, and nothing is left in it.
fn copy(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp")
        .args(["-a", "--"])
        .args([from, to])
        .status()
        .expect("cp is there");
    assert!(
        copied.success(),
        "{} can't be copied: {copied}",
        from.display()
    );
    let _ = std::fs::remove_dir_all(to.join(".release"));
}
