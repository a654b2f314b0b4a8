//! What is asked of the cloud.

use std::fmt;
use std::str::FromStr;

/// A call of an AWS API, by the name that policies and logs have for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Who we are.
    GetCallerIdentity,
    /// Which groups there are, and their instances.
    DescribeAutoScalingGroups,
    /// Which instances a group keeps in reserve.
    DescribeWarmPool,
    /// What instances are doing.
    DescribeInstances,
    /// What an instance printed while booting.
    GetConsoleOutput,
    /// Which volumes there are.
    DescribeVolumes,
    /// A new volume.
    CreateVolume,
    /// A volume becomes a device of an instance.
    AttachVolume,
    /// A device goes away.
    DetachVolume,
    /// A volume is deleted.
    DeleteVolume,
    /// A device's delete-on-termination is set.
    ModifyInstanceAttribute,
    /// A new snapshot.
    CreateSnapshot,
    /// Which snapshots there are.
    DescribeSnapshots,
    /// A snapshot is deleted.
    DeleteSnapshot,
    /// Tags are set.
    CreateTags,
    /// A lifecycle hook's wait ends.
    CompleteLifecycleAction,
    /// A lifecycle hook's wait is prolonged.
    RecordLifecycleActionHeartbeat,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::GetCallerIdentity,
        Self::DescribeAutoScalingGroups,
        Self::DescribeWarmPool,
        Self::DescribeInstances,
        Self::GetConsoleOutput,
        Self::DescribeVolumes,
        Self::CreateVolume,
        Self::AttachVolume,
        Self::DetachVolume,
        Self::DeleteVolume,
        Self::ModifyInstanceAttribute,
        Self::CreateSnapshot,
        Self::DescribeSnapshots,
        Self::DeleteSnapshot,
        Self::CreateTags,
        Self::CompleteLifecycleAction,
        Self::RecordLifecycleActionHeartbeat,
    ];

    /// The name in a policy, as in `ec2:CreateSnapshot`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GetCallerIdentity => "sts:GetCallerIdentity",
            Self::DescribeAutoScalingGroups => "autoscaling:DescribeAutoScalingGroups",
            Self::DescribeWarmPool => "autoscaling:DescribeWarmPool",
            Self::DescribeInstances => "ec2:DescribeInstances",
            Self::GetConsoleOutput => "ec2:GetConsoleOutput",
            Self::DescribeVolumes => "ec2:DescribeVolumes",
            Self::CreateVolume => "ec2:CreateVolume",
            Self::AttachVolume => "ec2:AttachVolume",
            Self::DetachVolume => "ec2:DetachVolume",
            Self::DeleteVolume => "ec2:DeleteVolume",
            Self::ModifyInstanceAttribute => "ec2:ModifyInstanceAttribute",
            Self::CreateSnapshot => "ec2:CreateSnapshot",
            Self::DescribeSnapshots => "ec2:DescribeSnapshots",
            Self::DeleteSnapshot => "ec2:DeleteSnapshot",
            Self::CreateTags => "ec2:CreateTags",
            Self::CompleteLifecycleAction => "autoscaling:CompleteLifecycleAction",
            Self::RecordLifecycleActionHeartbeat => "autoscaling:RecordLifecycleActionHeartbeat",
        }
    }

    /// Whether doing it twice leaves the same as doing it once. All but one: reading changes nothing, a
    /// volume is made by its token, a state is set to what it is; but each `CreateSnapshot` makes a snapshot.
    pub const fn is_repeatable(self) -> bool {
        !matches!(self, Self::CreateSnapshot)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// There is no such action here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("that is no action that is used here, as `ec2:CreateSnapshot` is")]
pub struct UnknownAction;

impl FromStr for Action {
    type Err = UnknownAction;

    fn from_str(name: &str) -> Result<Self, UnknownAction> {
        Self::ALL
            .into_iter()
            .find(|action| action.as_str() == name)
            .ok_or(UnknownAction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_by_its_name() {
        for action in Action::ALL {
            assert_eq!(action.as_str().parse(), Ok(action));
        }
        assert_eq!("ec2:RunInstances".parse::<Action>(), Err(UnknownAction));
    }
}
