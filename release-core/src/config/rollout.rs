//! `[rollout]`: in which order hosts get a release, and when that stops.

use std::time::Duration;

use super::reader::Reader;
use super::value::Share;
use super::{ConfigError, period};

/// `[rollout]`. The defaults are one wave of all hosts, of which any number may fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RolloutConfig {
    /// How many hosts have the release after each wave; the last is the rest. Default: `["100%"]`.
    pub waves: Vec<Share>,
    /// How many hosts may fail before the rollout stops. Default: `"100%"`.
    pub max_failures: Share,
    /// A command that says on each host whether it is well. Default: none.
    pub health: Option<String>,
    /// Longest time for that command. Default: 30 s.
    pub health_timeout: Duration,
    /// Whether the hosts or the snapshot come first. Default: the hosts.
    pub order: Order,
    /// Longest time of the catch-up with instances that came meanwhile. Default: 15 min.
    pub deadline: Duration,
    /// Longest time from an instance's launch until it has read the pointer for the last time: what
    /// release-boot has as its `deadline`. Default: 5 min.
    pub boot_deadline: Duration,
}

/// Whether the hosts or the snapshot come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// Hosts commit while the snapshot is made.
    #[default]
    PushFirst,
    /// No host commits before the snapshot is usable.
    SnapshotFirst,
}

impl RolloutConfig {
    pub(super) fn read(table: &Reader<'_>) -> Result<Self, ConfigError> {
        let waves = table.parse_all("waves")?;
        if waves.as_ref().is_some_and(Vec::is_empty) {
            return Err(table.refuse("waves", "there is at least one"));
        }
        let health = table.string("health")?.unwrap_or_default();
        let orders = [
            ("push-first", Some(Order::PushFirst)),
            ("snapshot-first", Some(Order::SnapshotFirst)),
        ];
        Ok(Self {
            waves: waves.unwrap_or_else(|| vec![Share::Percent(100)]),
            max_failures: table.parse("max_failures")?.unwrap_or(Share::Percent(100)),
            // The empty text stands for "none", so that a file can show the key.
            health: Some(health.to_owned()).filter(|command| !command.is_empty()),
            health_timeout: period(table, "health_timeout", Duration::from_secs(30))?,
            order: table.choice("order", &orders)?.unwrap_or_default(),
            deadline: period(table, "deadline", Duration::from_secs(15 * 60))?,
            boot_deadline: period(table, "boot_deadline", Duration::from_secs(5 * 60))?,
        })
    }
}
