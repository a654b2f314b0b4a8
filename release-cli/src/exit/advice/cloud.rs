//! What is to be said about the cloud, snapshots and publication.

use release_core::PointerError;
use release_core::SigningError;
use release_core::cloud::{Action, CloudError, CloudFault};

use super::{Advice, advice, no_advice};
use crate::exit::policy;
use crate::publish::PublishError;
use crate::serve::ServeError;
use crate::snapshot::SnapshotError;

pub(super) fn of_cloud(error: &CloudError) -> Advice {
    match error.fault {
        CloudFault::Credentials => advice(
            "credentials",
            "keys are looked for where every AWS tool does: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, \
             ~/.aws, the role of this instance; also check the clock",
        ),
        CloudFault::Denied => match policy::place(error.action) {
            Some(place) => advice(
                "denied",
                format!(
                    "the policy of the role that is used has to allow {}: {place}",
                    error.action
                ),
            ),
            None => no_advice("denied"),
        },
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
