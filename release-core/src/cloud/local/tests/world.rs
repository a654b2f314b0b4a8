//! A local fleet whose time goes on when a test says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::cloud::contract::{Step, World};
use crate::cloud::local::{Clock, Fault, Launch, LocalCloud};
use crate::cloud::{
    ClientToken, Cloud, Encryption, NewSnapshot, NewVolume, Snapshot, SnapshotQuery, SnapshotState,
    Tags, Volume, VolumeKind, VolumeQuery, VolumeSource,
};
use crate::testing::block_on;
use crate::{GroupName, HookName, InstanceId, Moment, SnapshotId, VolumeId, Zone};

/// A clock that goes on when it is told to.
pub(super) struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Moment {
        Moment::from_unix_millis(self.0.load(Ordering::Relaxed))
    }
}

pub(super) struct LocalWorld {
    pub(super) cloud: LocalCloud,
    pub(super) clock: Arc<TestClock>,
    pub(super) folder: tempfile::TempDir,
}

impl LocalWorld {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(TestClock(AtomicI64::new(1_769_860_800_000)));
        let cloud = LocalCloud::create(&folder.path().join("fleet"), clock.clone()).unwrap();
        Self {
            cloud,
            clock,
            folder,
        }
    }

    pub(super) fn wait(&self, millis: i64) {
        self.clock.0.fetch_add(millis, Ordering::Relaxed);
    }

    /// A running instance of no group.
    pub(super) fn instance(&self) -> InstanceId {
        let id = self.cloud.launch(Launch::default()).unwrap();
        self.wait(300);
        id
    }

    pub(super) fn request(&self, token: &str, source: VolumeSource) -> NewVolume {
        NewVolume {
            source,
            zone: "local-a".parse().unwrap(),
            kind: VolumeKind::Gp3,
            throughput: None,
            iops: None,
            initialization_rate: None,
            encryption: Encryption::Inherited,
            tags: Tags::new(),
            token: ClientToken::of(token),
        }
    }

    /// An available volume without anything on it.
    pub(super) fn blank(&self, token: &str) -> VolumeId {
        let request = self.request(token, VolumeSource::Blank { size_gib: 1 });
        let volume = block_on(self.cloud.create_volume(&request)).unwrap();
        self.wait(100);
        volume.id
    }

    pub(super) fn volume(&self, id: &VolumeId) -> Option<Volume> {
        let query = VolumeQuery::Ids(vec![id.clone()]);
        block_on(self.cloud.volumes(&query)).unwrap().pop()
    }

    pub(super) fn snapshot(&self, volume: &VolumeId) -> Snapshot {
        let request = NewSnapshot {
            volume: volume.clone(),
            description: String::new(),
            tags: Tags::new(),
        };
        block_on(self.cloud.create_snapshot(&request)).unwrap()
    }

    pub(super) fn state_of(&self, id: &SnapshotId) -> (SnapshotState, u8) {
        let query = SnapshotQuery::Ids(vec![id.clone()]);
        let found = block_on(self.cloud.snapshots(&query))
            .unwrap()
            .pop()
            .unwrap();
        (found.state, found.progress)
    }
}

fn done<T: Send + 'static>(value: T) -> Step<'static, T> {
    Box::pin(std::future::ready(value))
}

impl World for LocalWorld {
    fn cloud(&self) -> &dyn Cloud {
        &self.cloud
    }

    fn zones(&self) -> (Zone, Zone) {
        ("local-a".parse().unwrap(), "local-b".parse().unwrap())
    }

    fn make_group<'a>(
        &'a self,
        name: &'a GroupName,
        tags: &'a Tags,
        hook: Option<&'a HookName>,
    ) -> Step<'a, ()> {
        let hook = hook.map(|hook| (hook.clone(), Duration::from_secs(3600)));
        self.cloud.make_group(name, tags.clone(), hook).unwrap();
        done(())
    }

    fn launch<'a>(&'a self, group: &'a GroupName) -> Step<'a, InstanceId> {
        let launch = Launch {
            group: Some(group.clone()),
            ..Launch::default()
        };
        done(self.cloud.launch(launch).unwrap())
    }

    fn terminate<'a>(&'a self, instance: &'a InstanceId) -> Step<'a, ()> {
        self.cloud.terminate(instance).unwrap();
        done(())
    }

    fn inject(&self, fault: Fault) -> Step<'_, ()> {
        self.cloud.inject(fault).unwrap();
        done(())
    }

    fn pause(&self) -> Step<'_, ()> {
        self.wait(50);
        done(())
    }
}
