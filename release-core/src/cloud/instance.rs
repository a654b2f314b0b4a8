//! Groups and their instances.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::Tags;
use super::states::states;
use crate::{GroupName, HookName, InstanceId, Moment, Zone};

/// Which groups to list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum GroupQuery {
    /// These. One that doesn't exist is [`NotFound`](super::CloudFault::NotFound), by name.
    Names(Vec<GroupName>),
    /// Those that carry all of these tags; none, if no group does.
    Tagged(Tags),
}

/// An Auto Scaling group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Group {
    /// Its name.
    pub name: GroupName,
    /// Its instances, those in its warm pool included.
    pub members: Vec<Member>,
    /// Processes that are suspended, as `Launch`.
    pub suspended: Vec<String>,
    /// Its tags.
    pub tags: Tags,
}

/// An instance, as its group sees it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    /// Its id.
    pub id: InstanceId,
    /// Where it stands on its way into service or out of it.
    pub lifecycle: Lifecycle,
}

states!(
    /// Where an instance stands on its way into service or out of it.
    Lifecycle {
        /// Starting.
        Pending = "Pending",
        /// Started, and held by a hook.
        PendingWait = "Pending:Wait",
        /// Past its hooks.
        PendingProceed = "Pending:Proceed",
        /// In service.
        InService = "InService",
        /// On its way to standby.
        EnteringStandby = "EnteringStandby",
        /// Taken out of service by hand, and kept.
        Standby = "Standby",
        /// Leaving the group, but not ending.
        Detaching = "Detaching",
        /// Out of the group.
        Detached = "Detached",
        /// Set apart by the group since it is not healthy.
        Quarantined = "Quarantined",
        /// Ending.
        Terminating = "Terminating",
        /// Ending, and held by a hook.
        TerminatingWait = "Terminating:Wait",
        /// Ending, past its hooks.
        TerminatingProceed = "Terminating:Proceed",
        /// Gone.
        Terminated = "Terminated",
        /// In the warm pool: starting.
        WarmedPending = "Warmed:Pending",
        /// In the warm pool: started, and held by a hook.
        WarmedPendingWait = "Warmed:Pending:Wait",
        /// In the warm pool: past its hooks.
        WarmedPendingProceed = "Warmed:Pending:Proceed",
        /// In the warm pool: running.
        WarmedRunning = "Warmed:Running",
        /// In the warm pool: stopped.
        WarmedStopped = "Warmed:Stopped",
        /// In the warm pool: hibernated.
        WarmedHibernated = "Warmed:Hibernated",
        /// In the warm pool: ending.
        WarmedTerminating = "Warmed:Terminating",
        /// In the warm pool: ending, and held by a hook.
        WarmedTerminatingWait = "Warmed:Terminating:Wait",
        /// In the warm pool: ending, past its hooks.
        WarmedTerminatingProceed = "Warmed:Terminating:Proceed",
        /// In the warm pool: gone.
        WarmedTerminated = "Warmed:Terminated",
    }
);

impl Lifecycle {
    /// Whether it is on its way into service, or into the warm pool.
    pub fn is_pending(&self) -> bool {
        self.stem().starts_with("Pending")
    }

    /// Whether it is on its way out, or gone.
    pub fn is_ending(&self) -> bool {
        self.stem().starts_with("Terminat") || *self == Self::Detached
    }

    /// Whether it is in the group's warm pool.
    pub fn is_warm(&self) -> bool {
        self.as_str().starts_with("Warmed:")
    }

    fn stem(&self) -> &str {
        let word = self.as_str();
        word.strip_prefix("Warmed:").unwrap_or(word)
    }
}

/// An instance, as EC2 sees it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Instance {
    /// Its id.
    pub id: InstanceId,
    /// What it is doing.
    pub state: InstanceState,
    /// When it was last started.
    pub launched: Moment,
    /// Where it is.
    pub zone: Zone,
    /// How it is reached.
    pub addresses: Addresses,
    /// Its tags.
    pub tags: Tags,
}

states!(
    /// What an instance is doing.
    InstanceState {
        /// Starting.
        Pending = "pending",
        /// Running.
        Running = "running",
        /// Ending.
        ShuttingDown = "shutting-down",
        /// Gone.
        Terminated = "terminated",
        /// Being stopped.
        Stopping = "stopping",
        /// Stopped, or hibernated: what it needs to go on is kept.
        Stopped = "stopped",
    }
);

/// How an instance is reached; a kind that it lacks is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Addresses {
    /// Inside its network.
    pub private_ip: Option<Ipv4Addr>,
    /// From everywhere.
    pub public_ip: Option<Ipv4Addr>,
    /// The name of the first.
    pub private_dns: Option<String>,
    /// The name of the second.
    pub public_dns: Option<String>,
    /// IPv6.
    pub ipv6: Option<Ipv6Addr>,
}

/// Which of its addresses an instance is reached by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AddressKind {
    /// `private-ip`, the default.
    #[default]
    PrivateIp,
    /// `public-ip`
    PublicIp,
    /// `private-dns`
    PrivateDns,
    /// `public-dns`
    PublicDns,
    /// `ipv6`
    Ipv6,
}

impl Addresses {
    /// The address of a kind, as text.
    pub fn get(&self, kind: AddressKind) -> Option<String> {
        match kind {
            AddressKind::PrivateIp => self.private_ip.map(|address| address.to_string()),
            AddressKind::PublicIp => self.public_ip.map(|address| address.to_string()),
            AddressKind::PrivateDns => self.private_dns.clone(),
            AddressKind::PublicDns => self.public_dns.clone(),
            AddressKind::Ipv6 => self.ipv6.map(|address| address.to_string()),
        }
    }
}

/// An instance that a lifecycle hook holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HeldInstance {
    /// The instance.
    pub instance: InstanceId,
    /// Its group.
    pub group: GroupName,
    /// The hook.
    pub hook: HookName,
}

/// How a lifecycle hook's wait ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HookResult {
    /// The instance goes into service.
    Continue,
    /// The instance is ended.
    Abandon,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_not_known_is_kept() {
        assert_eq!(InstanceState::from("running"), InstanceState::Running);
        let odd = InstanceState::from("dreaming\n");
        assert_eq!(odd, InstanceState::Unknown("dreaming\n".to_owned()));
        assert_eq!(
            (odd.as_str(), odd.to_string().as_str()),
            ("dreaming\n", "dreaming\\x0a")
        );
        let long = "x".repeat(1000);
        assert_eq!(Lifecycle::from(long.as_str()).as_str().len(), 64);
    }

    #[test]
    fn a_lifecycle_word_says_where_it_leads() {
        let facts = |word| {
            let lifecycle = Lifecycle::from(word);
            (
                lifecycle.is_pending(),
                lifecycle.is_ending(),
                lifecycle.is_warm(),
            )
        };
        for (word, expected) in [
            ("InService", (false, false, false)),
            ("Pending:Wait", (true, false, false)),
            ("Terminating:Proceed", (false, true, false)),
            ("Terminated", (false, true, false)),
            ("Detached", (false, true, false)),
            ("Detaching", (false, false, false)),
            ("Warmed:Stopped", (false, false, true)),
            ("Warmed:Pending:Proceed", (true, false, true)),
            ("Warmed:Terminating", (false, true, true)),
            // A word of a later service is read by its stem.
            ("Pending:Later", (true, false, false)),
        ] {
            assert_eq!(facts(word), expected, "{word}");
        }
    }
}
