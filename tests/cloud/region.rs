//! A region of its own for each test, and the adapter to it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use release_core::VolumeId;
use release_core::cloud::aws::{AwsCloud, AwsCredentials, AwsKeys, AwsLimits, AwsOptions};
use release_core::cloud::{
    ClientToken, Encryption, NewSnapshot, NewVolume, Tags, VolumeKind, VolumeSource,
};
use release_tests::ec2::{Ec2, REGION};

/// Attempts at a call, in all these tests.
pub(crate) const ATTEMPTS: u32 = 5;

/// How the adapter reaches the rig: patiently, but with waits that suit a test.
pub(crate) fn options(ec2: &Ec2) -> AwsOptions {
    let keys = AwsKeys {
        id: "rig".to_owned(),
        secret: "rig".to_owned(),
        token: None,
        expires: None,
    };
    AwsOptions {
        endpoint: Some(ec2.endpoint()),
        credentials: AwsCredentials::Of(Arc::new(keys)),
        limits: AwsLimits {
            attempts: ATTEMPTS,
            first_wait: Duration::from_millis(10),
            adaptive: false,
            ..AwsLimits::default()
        },
        ..AwsOptions::new(REGION.parse().unwrap())
    }
}

/// A region and its adapter.
pub(crate) struct Region {
    pub(crate) ec2: Ec2,
    pub(crate) cloud: AwsCloud,
    runtime: tokio::runtime::Runtime,
}

impl Region {
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    /// With other options.
    pub(crate) fn with(change: impl FnOnce(&mut AwsOptions)) -> Self {
        let ec2 = Ec2::start();
        let mut options = options(&ec2);
        change(&mut options);
        let runtime = runtime();
        let cloud = runtime.block_on(AwsCloud::new(&options));
        Self {
            ec2,
            cloud,
            runtime,
        }
    }

    /// Waits for an answer.
    pub(crate) fn run<T>(&self, reply: impl Future<Output = T>) -> T {
        self.runtime.block_on(reply)
    }
}

/// Of one thread, as release-boot's.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

pub(crate) fn tags(pairs: &[(&str, &str)]) -> Tags {
    let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    pairs.iter().map(own).collect()
}

/// A blank volume to make.
pub(crate) fn blank(token: &str) -> NewVolume {
    NewVolume {
        source: VolumeSource::Blank { size_gib: 1 },
        zone: format!("{REGION}a").parse().unwrap(),
        kind: VolumeKind::Gp3,
        throughput: None,
        iops: None,
        initialization_rate: None,
        encryption: Encryption::Inherited,
        tags: tags(&[("release-fleet", "web")]),
        token: ClientToken::of(token),
    }
}

/// A snapshot to make.
pub(crate) fn snapshot_of(volume: &VolumeId) -> NewSnapshot {
    NewSnapshot {
        volume: volume.clone(),
        description: "of a test".to_owned(),
        tags: tags(&[("release-fleet", "web"), ("release-deploy", "d1")]),
    }
}
