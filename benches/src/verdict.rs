//! What was measured, against its target.

use serde::Serialize;

use crate::side::{OURS, Order, Side};
use crate::trial::Samples;

/// What a target is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Time by the clock.
    Wall,
    /// Processor time on the controller's side.
    ControllerCpu,
    /// Bytes to the hosts: those of the TCP connection, or what the programs say where there are several.
    BytesSent,
    /// Peak of the controller's anonymous memory.
    ControllerMemory,
    /// Peak of the agent's.
    AgentMemory,
    /// The larger of the two.
    EitherMemory,
    /// Round trips after the agent was started.
    RoundTrips,
}

/// What ours is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Against {
    /// The rsync that needs the least of it.
    Best,
    /// rsync with just these flags.
    Flags(&'static str),
    /// `xargs -P8 rsync` with just these flags.
    Eight(&'static str),
    /// Nothing: the target is a figure.
    Nothing,
}

/// A target.
#[derive(Clone, Copy, Debug)]
pub struct Goal {
    /// Of the design: `W6`.
    pub name: &'static str,
    /// What is to be small.
    pub measure: Measure,
    /// In comparison with what.
    pub against: Against,
    /// The largest ratio or figure that will do; infinite for what is only told.
    pub bound: f64,
}

/// A median, and the least and the most that went into it.
#[derive(Clone, Copy, Debug, Serialize)]
#[allow(missing_docs)]
pub struct Stat {
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

/// What a figure is a number of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Unit {
    Seconds,
    Bytes,
    Count,
}

/// One line of the table.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// Of the target: `W6`.
    pub name: String,
    /// What it is about, in words.
    pub what: String,
    /// Of all figures.
    pub unit: Unit,
    /// Ours.
    pub ours: Stat,
    /// What it is compared with, and how it is called.
    pub peer: Option<(String, Stat)>,
    /// Ours by the peer's, or ours.
    pub value: f64,
    /// The largest value that will do; `None`: for information.
    pub target: Option<f64>,
    /// Is it reached?
    pub met: Option<bool>,
}

impl Stat {
    /// Of some samples, at least one.
    pub fn of(samples: &[f64]) -> Self {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let median = if sorted.len().is_multiple_of(2) {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        } else {
            sorted[middle]
        };
        Self {
            median,
            least: sorted[0],
            most: sorted[sorted.len() - 1],
        }
    }
}

impl Measure {
    fn unit(self) -> Unit {
        match self {
            Self::Wall | Self::ControllerCpu => Unit::Seconds,
            Self::RoundTrips => Unit::Count,
            _ => Unit::Bytes,
        }
    }

    fn in_words(self) -> &'static str {
        match self {
            Self::Wall => "time",
            Self::ControllerCpu => "controller's processor time",
            Self::BytesSent => "bytes to the hosts",
            Self::ControllerMemory => "controller's memory",
            Self::AgentMemory => "agent's memory",
            Self::EitherMemory => "memory of either side",
            Self::RoundTrips => "round trips after the start of the agent, at most",
        }
    }

    fn of(self, samples: &Samples) -> Stat {
        let counted = &samples.counted;
        let one = |number: u64| Stat::of(&[number as f64]);
        match self {
            Self::Wall => Stat::of(&samples.wall),
            Self::ControllerCpu => Stat::of(&samples.controller_cpu),
            Self::BytesSent => one(counted.tcp.unwrap_or(counted.said)[0]),
            Self::ControllerMemory => one(counted.memory.controller),
            Self::AgentMemory => one(counted.memory.host),
            Self::EitherMemory => one(counted.memory.controller.max(counted.memory.host)),
            Self::RoundTrips => one(counted.round_trips.expect("it was counted")),
        }
    }
}

impl Against {
    fn admits(self, side: &Side) -> bool {
        let Side::Rsync {
            flags: of, order, ..
        } = side
        else {
            return false;
        };
        match self {
            Self::Best => true,
            Self::Flags(flags) => flags == *of && *order == Order::Loop,
            Self::Eight(flags) => flags == *of && *order == Order::Eight,
            Self::Nothing => false,
        }
    }
}

/// Compares what a deploy needs unasked with a target, and, for information, what it needs otherwise.
pub fn judge(title: &str, goal: &Goal, all: &[Samples]) -> Vec<Verdict> {
    let peers = all
        .iter()
        .filter(|samples| goal.against.admits(&samples.who));
    let peers = peers.map(|samples| (samples.side.clone(), goal.measure.of(samples)));
    let peer = peers.min_by(|a, b| a.1.median.total_cmp(&b.1.median));
    let ours = all.iter().filter(|samples| samples.who.is_ours());
    ours.map(|samples| {
        let ours = goal.measure.of(samples);
        let value = peer
            .as_ref()
            .map_or(ours.median, |(_, peer)| ours.median / peer.median);
        let (what, met) = if samples.who == OURS {
            let met = value <= goal.bound;
            (String::new(), goal.bound.is_finite().then_some(met))
        } else {
            (format!(" ({})", samples.side), None)
        };
        Verdict {
            name: goal.name.to_owned(),
            what: format!("{title}: {}{what}", goal.measure.in_words()),
            unit: goal.measure.unit(),
            ours,
            peer: peer.clone(),
            value,
            target: met.map(|_| goal.bound),
            met,
        }
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::side::{OURS_AES, rsync, rsync_by_eight};
    use crate::trial::Counted;

    fn samples(who: Side, wall: [f64; 3]) -> Samples {
        Samples {
            side: who.label(),
            who,
            wall: wall.to_vec(),
            controller_cpu: vec![1.0],
            hosts_cpu: vec![1.0],
            counted: Counted::default(),
        }
    }

    #[test]
    fn ours_is_compared_with_the_best_and_with_whom_it_was_asked_for() {
        let all = [
            samples(OURS, [1.0, 9.0, 2.0]),
            samples(OURS_AES, [3.0, 3.0, 3.0]),
            samples(rsync("-a"), [10.0, 10.0, 10.0]),
            samples(rsync("-az"), [4.0, 3.0, 5.0]),
            samples(rsync_by_eight("-a"), [6.0, 6.0, 6.0]),
        ];
        let goal = |against, bound| Goal {
            name: "W0",
            measure: Measure::Wall,
            against,
            bound,
        };
        let met = |against, bound| {
            let verdicts = judge("t", &goal(against, bound), &all);
            assert_eq!(verdicts.len(), 2, "one for each way of ours");
            assert_eq!(verdicts[1].met, None, "only the first is judged");
            (verdicts[0].value, verdicts[0].met)
        };
        assert_eq!(met(Against::Best, 0.5), (0.5, Some(true)));
        assert_eq!(met(Against::Best, 0.49), (0.5, Some(false)));
        assert_eq!(met(Against::Flags("-a"), 0.3), (0.2, Some(true)));
        assert_eq!(met(Against::Eight("-a"), 0.3).1, Some(false));
        assert_eq!(met(Against::Nothing, 2.0), (2.0, Some(true)));
        assert_eq!(met(Against::Best, f64::INFINITY), (0.5, None));
    }

    #[test]
    fn a_stat_has_the_middle_and_the_ends() {
        let stat = Stat::of(&[4.0, 1.0, 3.0, 2.0]);
        assert_eq!((stat.median, stat.least, stat.most), (2.5, 1.0, 4.0));
    }
}
