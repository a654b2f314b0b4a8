//! What a snapshot and its publication need: the cloud, the volume, the right to freeze, the pointer.

use std::error::Error;
use std::path::Path;

use release_core::cloud::{Action, TAG_DEPLOY, TAG_FLEET, Tags, Target, Verdict};
use release_core::{InstanceId, PublicKey, VolumeId};

use crate::cloud::OpenCloud;
use crate::context::{Checkup, CloudFlags, Environment, File, Publication};
use crate::exit::{of_failure, policy_place};
use crate::failure::Failure;
use crate::publish::{PublishError, public_file, published, read_key};
use crate::snapshot::{SourceVolume, Stillness, all_snapshots, fleet_of};
use crate::ui::{Check, one_line};

/// What a deploy asks for. What changes something can be asked about only where there is something that it might
/// change.
const ACTIONS: [Action; 8] = [
    Action::DescribeAutoScalingGroups,
    Action::DescribeInstances,
    Action::DescribeVolumes,
    Action::DescribeSnapshots,
    Action::CreateSnapshot,
    Action::CreateTags,
    Action::DeleteSnapshot,
    Action::GetConsoleOutput,
];

/// One of each part; none where no cloud is configured.
pub(super) fn checks(
    file: &File,
    checkup: &Checkup,
    sys: &Path,
    environment: &Environment,
) -> Vec<Check> {
    let cloud = match file.cloud(CloudFlags::default(), environment) {
        Ok(None) => return Vec::new(),
        Ok(Some(cloud)) => cloud,
        Err(failure) => return vec![fault("cloud", &failure)],
    };
    let mut checks = Vec::new();
    let is_known = match cloud.identity() {
        Ok(identity) => {
            let text = format!("account {}, region {}", identity.account, identity.region);
            checks.push(Check::ok("cloud", text));
            true
        }
        Err(error) => {
            checks.push(fault("cloud", &Failure::Cloud(error)));
            false
        }
    };
    let volume = file.volume();
    if is_known {
        let instance = first_instance(file, checkup);
        checks.extend(permissions(&cloud, volume.as_ref().ok(), instance));
        let unlisted = checkup.unlisted.as_ref();
        checks.extend(unlisted.map(|failure| fault("instances", failure)));
    }
    match file.publication() {
        Err(failure) => checks.push(fault("pointer", &failure)),
        Ok(publication) => {
            if is_known {
                checks.extend(volume_and_freeze(
                    file,
                    &cloud,
                    &publication,
                    sys,
                    environment,
                ));
            }
            checks.extend([key(&publication), pointer(&publication)]);
        }
    }
    checks
}

/// An instance whose console might be read, where that is wanted.
fn first_instance(file: &File, checkup: &Checkup) -> Option<InstanceId> {
    let hosts = checkup.hosts.iter().filter(|_| file.reads_consoles());
    hosts.filter_map(|host| host.name.parse().ok()).next()
}

/// Asks for each action whether it would be allowed; nothing is done.
fn permissions(
    cloud: &OpenCloud,
    volume: Option<&VolumeId>,
    instance: Option<InstanceId>,
) -> Vec<Check> {
    let fleet = volume.and_then(|volume| fleet_of(cloud, volume).ok());
    let (mut tags, mut snapshot) = (Tags::new(), None);
    if let Some(fleet) = fleet {
        let ours = all_snapshots(cloud, &fleet).unwrap_or_default();
        snapshot = ours.into_iter().next().map(|snapshot| snapshot.id);
        tags.insert(TAG_FLEET.to_owned(), fleet);
        tags.insert(TAG_DEPLOY.to_owned(), "doctor".to_owned());
    }
    let target = Target {
        volume: volume.cloned(),
        snapshot,
        instance,
        tags,
        ..Target::default()
    };
    let mut allowed = Vec::new();
    let mut checks = Vec::new();
    for action in ACTIONS {
        match cloud.run(cloud.port().permission(action, &target)) {
            Ok(Verdict::Allowed) => allowed.push(action.as_str()),
            // Nothing to try it on: it is not known to be wrong.
            Ok(Verdict::Untold) => {}
            Ok(Verdict::Denied) => checks.push(Check::fault(
                "permission",
                format!("{action} is not allowed"),
                policy_place(action).map(|place| format!("let the role's policy have {place}")),
            )),
            Err(error) => checks.push(fault("permission", &Failure::Cloud(error))),
        }
    }
    if !allowed.is_empty() {
        checks.insert(0, Check::ok("permission", allowed.join(", ")));
    }
    checks
}

fn volume_and_freeze(
    file: &File,
    cloud: &OpenCloud,
    publication: &Publication,
    sys: &Path,
    environment: &Environment,
) -> Vec<Check> {
    let settings = match file.snapshots(publication, sys) {
        Ok(settings) => settings,
        Err(failure) => return vec![fault("volume", &failure)],
    };
    let Some(source) = file.source(None, environment) else {
        return Vec::new();
    };
    let volume = match SourceVolume::find(cloud, &source, &settings.volume) {
        Ok(volume) => {
            let (id, kind, fleet) = (&volume.id, volume.file_system, &volume.fleet);
            let text = format!("{id}, {kind}, of the fleet `{fleet}`");
            Check::ok("volume", text)
        }
        Err(error) => fault("volume", &Failure::Snapshot(error)),
    };
    let freeze = match settings.stillness {
        Stillness::Synced(_) => Check::ok("freeze", "not asked for: what is in memory is written"),
        Stillness::Frozen(_) if environment.is_root => Check::ok("freeze", "as root"),
        Stillness::Frozen(_) => Check::fault(
            "freeze",
            "only root can freeze a file system",
            Some("run deploys and snapshots as root, or set `snapshot.freeze = \"off\"`".into()),
        ),
    };
    vec![volume, freeze]
}

/// Nobody is asked for a password here.
fn key(publication: &Publication) -> Check {
    let shown = publication.key.display();
    match read_key(&publication.key, || None) {
        Ok(_) => Check::ok("signing-key", shown.to_string()),
        Err(PublishError::BadKey {
            source: release_core::SigningError::PasswordNeeded,
            ..
        }) => Check::ok("signing-key", format!("{shown}, behind a password")),
        Err(error) => fault("signing-key", &Failure::Publish(error)),
    }
}

/// What is published, checked as an instance does: with the public key.
fn pointer(publication: &Publication) -> Check {
    let path = public_file(&publication.key);
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let Ok(key) = text.parse::<PublicKey>() else {
        return Check::warning(
            "pointer",
            format!(
                "{} is no public key, so it can't be checked",
                path.display()
            ),
            Some("`release-cli keygen` writes it beside the secret one".into()),
        );
    };
    match published(&publication.directory, &key) {
        Ok(Some(pointer)) => Check::ok(
            "pointer",
            format!(
                "generation {}, release {}, {}",
                pointer.generation,
                pointer.release.short(),
                pointer.snapshot
            ),
        ),
        Ok(None) => Check::warning(
            "pointer",
            format!(
                "nothing is published in {}",
                publication.directory.display()
            ),
            Some("a deploy or `release-cli snapshot` publishes".into()),
        ),
        Err(error) => fault("pointer", &Failure::Publish(error)),
    }
}

fn fault(name: &'static str, failure: &Failure) -> Check {
    let error: &dyn Error = failure;
    Check::fault(name, one_line(error), of_failure(failure).hint)
}
