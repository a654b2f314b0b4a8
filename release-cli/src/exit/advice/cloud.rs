//! What is to be said about the cloud, snapshots and publication.

use release_core::PointerError;
use release_core::SigningError;
use release_core::cloud::{Action, CloudError, CloudFault};

use super::{Advice, advice, no_advice};
use crate::exit::policy;
use crate::publish::PublishError;
use crate::serve::ServeError;
use crate::setup::SetupError;
use crate::snapshot::SnapshotError;

pub(super) fn of_cloud(error: &CloudError) -> Advice {
    match error.fault {
        CloudFault::Credentials => advice(
            "credentials",
            "keys are looked for where every AWS tool does: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, \
             ~/.aws, the role of this instance; also check the clock",
        ),
        CloudFault::Denied => of_denial(denied(error)),
        CloudFault::NotFound => not_found(error.action),
        CloudFault::Throttled => advice(
            "throttled",
            "others make many calls with this account, too: wait a little",
        ),
        CloudFault::Lost => advice(
            "no-answer",
            "check `cloud.region`, AWS_ENDPOINT_URL, and that this machine reaches it",
        ),
        CloudFault::Limit => advice("limit", "ask AWS for more, or delete what isn't needed"),
        CloudFault::Unavailable => advice("unavailable", "wait a little"),
        CloudFault::IncorrectState
        | CloudFault::InUse
        | CloudFault::AlreadyExists
        | CloudFault::Invalid
        | CloudFault::Other => no_advice("cloud"),
    }
}

/// What is not allowed: a call may take more than the permission that is called like it, as a snapshot with tags
/// takes that to tag it. EC2 says so in its message.
fn denied(error: &CloudError) -> Action {
    const BEFORE: &str = "not authorized to perform: ";
    let named = error.message.split_once(BEFORE);
    let named = named.and_then(|(_, rest)| rest.split_whitespace().next());
    let named = named.and_then(|name| name.trim_end_matches(['.', ',']).parse().ok());
    named.unwrap_or(error.action)
}

fn of_denial(action: Action) -> Advice {
    match policy::place(action) {
        Some(place) => advice(
            "denied",
            format!("the policy of the role that is used has to allow {action}: {place}"),
        ),
        None => no_advice("denied"),
    }
}

fn not_found(action: Action) -> Advice {
    match action {
        Action::DescribeAutoScalingGroups => advice(
            "not-found",
            "check `cloud.groups` and --group, and that they are in this region and account",
        ),
        _ => advice(
            "not-found",
            "check `snapshot.volume`, and that it is in this region and account",
        ),
    }
}

pub(super) fn of_snapshot(error: &SnapshotError) -> Advice {
    match error {
        SnapshotError::Cloud(error) => of_cloud(error),
        SnapshotError::NoVolume(_) => advice(
            "no-volume",
            "check `snapshot.volume`, and that it is in this region and account",
        ),
        SnapshotError::NobodysVolume(_) => advice(
            "nobodys-volume",
            "`release-cli setup` gives it one; policies and other fleets go by it",
        ),
        SnapshotError::ElsewhereFolder { .. } | SnapshotError::OtherVolume { .. } => advice(
            "other-volume",
            "correct `source` or `snapshot.volume`: a snapshot of something else would be booted by all new \
             instances",
        ),
        SnapshotError::UnknownVolume { .. } => advice(
            "unknown-volume",
            "on Xen devices don't say which volume they are: if you are sure, set `snapshot.verify_volume = \
             false`",
        ),
        SnapshotError::Look { .. } | SnapshotError::Device(_) => no_advice("volume"),
        SnapshotError::FileSystem(_) => advice(
            "file-system",
            "the source has to be the top of an ext4, xfs or btrfs volume",
        ),
        SnapshotError::SourceChanged { .. } => advice(
            "source-changed",
            "let whatever writes to the source end, then try again",
        ),
        SnapshotError::GivenUp { .. } => advice("snapshot", "try again a little later"),
        SnapshotError::Spoilt { .. } | SnapshotError::Gone(_) => advice(
            "snapshot",
            "try again; if it stays so, ask AWS what is wrong with the volume",
        ),
    }
}

pub(super) fn of_setup(error: &SetupError) -> Advice {
    match error {
        SetupError::Cloud(error) => of_cloud(error),
        SetupError::NoInstance => advice("no-instance", "name it with --instance"),
        SetupError::UnknownInstance(_) => advice(
            "no-instance",
            "check `cloud.region`, and whose the keys are",
        ),
        SetupError::NoVolume(_) => advice(
            "no-volume",
            "check `snapshot.volume`; without it one is looked for by its tags, or made",
        ),
        SetupError::OthersVolume { .. } => advice("others-volume", "name its fleet with --fleet"),
        SetupError::Ambiguous { .. } => advice(
            "ambiguous",
            "name the one that is meant in `snapshot.volume`",
        ),
        SetupError::AttachedElsewhere { .. } => {
            advice("attached-elsewhere", "detach it there, if that is meant")
        }
        SetupError::NoName | SetupError::Late { .. } => advice("attach", "run it again"),
        SetupError::NotEmpty { .. } => advice(
            "not-empty",
            "if that is the release's file system, say --keep-file-system; if it can go, `wipefs --all` it",
        ),
        SetupError::Taken { .. } => advice(
            "taken",
            "name another directory in `source`, or move away what is there",
        ),
        SetupError::Program { .. } => advice(
            "program",
            "it is in Debian's util-linux, e2fsprogs or xfsprogs",
        ),
        SetupError::Partitions(_) => advice("partitions", "take a volume with one file system"),
        SetupError::Mount { .. } | SetupError::Make { .. } | SetupError::Change { .. } => {
            advice("setup", "run it as root")
        }
        SetupError::Sysfs(_) | SetupError::Device { .. } | SetupError::Failed { .. } => {
            no_advice("setup")
        }
    }
}

pub(super) fn of_serving(error: &ServeError) -> Advice {
    match error {
        ServeError::Directory { .. } => advice(
            "serve",
            "check `publish.directory`; `release-cli setup` makes it",
        ),
        ServeError::Listen { .. } => advice(
            "serve",
            "name another address or port in `publish.listen`, or with --listen; below 1024 only root may",
        ),
    }
}

pub(super) fn of_publication(error: &PublishError) -> Advice {
    match error {
        PublishError::Directory { .. } => advice(
            "publish",
            "check `publish.directory`; `release-cli setup` makes it",
        ),
        PublishError::Read { .. } | PublishError::Write { .. } => advice(
            "publish",
            "the pointer is as it was: make room in `publish.directory`, or run as a user who may write there",
        ),
        PublishError::Unfit { source, .. } => match **source {
            PointerError::OtherKey => advice(
                "pointer-foreign",
                "if the key was replaced on purpose, remove release.json and its signature there, and give \
                 the new public key to the instances",
            ),
            _ => advice(
                "pointer-foreign",
                "find out who writes there; then remove release.json and its signature",
            ),
        },
        PublishError::NotNewer { .. } => advice(
            "not-newer",
            "another server publishes there, too: only one may",
        ),
        PublishError::KeyUnreadable { .. } => {
            advice("key", "check `publish.key`; `release-cli keygen` makes one")
        }
        PublishError::BadKey { source, .. } => match source {
            SigningError::PasswordNeeded => advice(
                "key-password",
                "it is asked for on a terminal only; where nobody is, use a key without a password",
            ),
            SigningError::Password(_) => advice("key-password", "try again"),
            _ => advice(
                "key",
                "`publish.key` names the secret key, not the public one",
            ),
        },
        PublishError::Key(_) => no_advice("key"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn hint(message: &str) -> String {
        let error = CloudError::new(Action::CreateSnapshot, CloudFault::Denied, message);
        of_cloud(&error).hint.unwrap()
    }

    #[test]
    fn what_a_call_lacks_may_be_another_permission() {
        let lacks = |action| {
            format!(
                "Not allowed. User: arn:aws:sts::1:a is not authorized to perform: {action} on resource: b"
            )
        };
        assert!(hint("").contains("ec2:CreateSnapshot: `SnapshotOurVolume`"));
        let tags = hint(&lacks("ec2:CreateTags"));
        assert!(
            tags.contains("ec2:CreateTags: `TagThemWhileMakingThem`"),
            "{tags}"
        );
        // One that nothing here knows of.
        let other = hint(&lacks("ec2:Dance"));
        assert!(other.contains("ec2:CreateSnapshot"), "{other}");
    }
}
