//! EC2 and Auto Scaling: the port by way of AWS's own SDK, which nothing else in this workspace touches.
//!
//! | method | calls |
//! |---|---|
//! | `identity` | `sts:GetCallerIdentity`, which needs no permission |
//! | `groups` | `autoscaling:DescribeAutoScalingGroups`; for each group with a warm pool also `autoscaling:DescribeWarmPool`, and the first once more |
//! | `instances` | `ec2:DescribeInstances` |
//! | `console_output` | `ec2:GetConsoleOutput` |
//! | `volumes` | `ec2:DescribeVolumes` |
//! | `create_volume` | `ec2:CreateVolume`, and `ec2:CreateTags` as part of it; for an encrypted one the service uses KMS in the caller's name |
//! | `attach_volume`, `detach_volume`, `delete_volume` | `ec2:AttachVolume`, `ec2:DetachVolume`, `ec2:DeleteVolume` |
//! | `set_delete_on_termination` | `ec2:ModifyInstanceAttribute` |
//! | `create_snapshot` | `ec2:CreateSnapshot`, and `ec2:CreateTags` as part of it |
//! | `snapshots`, `delete_snapshot` | `ec2:DescribeSnapshots`, `ec2:DeleteSnapshot` |
//! | `tag` | `ec2:CreateTags` |
//! | `complete_lifecycle`, `heartbeat` | `autoscaling:CompleteLifecycleAction`, `autoscaling:RecordLifecycleActionHeartbeat` |
//! | `permission` | the action itself, as a dry run where it does more than read |
//!
//! Calls are repeated as the SDK does it: after failures that may pass, with growing and random waits, and
//! in its adaptive mode more slowly from the start once the service has complained. All but
//! [`create_snapshot`](crate::cloud::Cloud::create_snapshot), which is sent once. So what comes back may be
//! the answer to a second attempt: that a volume is gone which the first one deleted, or in use by the
//! instance that it was attached to.
//!
//! It runs on a tokio runtime with time and I/O, of one thread or several.

mod credentials;
mod fault;
mod groups;
mod listing;
mod options;
mod permission;
mod port;
mod request;
mod show;
mod trust;

pub use credentials::{AwsCredentials, AwsKeys, KeySource, Keys};
pub use options::{AwsLimits, AwsOptions, Resolve, Resolved};
pub use trust::{Trust, TrustError};

use aws_sdk_autoscaling as scaling;
use aws_sdk_ec2 as ec2;
use aws_sdk_ec2::config::retry::RetryPartition;
use aws_sdk_sts as sts;

use crate::Region;

/// A region of AWS, seen by one account.
#[derive(Clone, Debug)]
pub struct AwsCloud {
    region: Region,
    ec2: ec2::Client,
    scaling: scaling::Client,
    sts: sts::Client,
}

impl AwsCloud {
    /// Makes ready to call. Nothing is called yet: whether the keys are any good, the first call shows.
    pub async fn new(options: &AwsOptions) -> Self {
        let config = options.config().await;
        // Of its own: what slows this one down, because the service complained, slows down no other one.
        let partition = || RetryPartition::custom("release").build();
        let ec2 = ec2::config::Builder::from(&config).retry_partition(partition());
        let scaling = scaling::config::Builder::from(&config).retry_partition(partition());
        let sts = sts::config::Builder::from(&config).retry_partition(partition());
        Self {
            region: options.region.clone(),
            ec2: ec2::Client::from_conf(ec2.build()),
            scaling: scaling::Client::from_conf(scaling.build()),
            sts: sts::Client::from_conf(sts.build()),
        }
    }
}
