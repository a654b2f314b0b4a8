//! Against a local cloud, which does what it is told.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::sync::Arc;

use release_core::cloud::local::{Delays, Effect, Fault, LocalCloud, SystemClock};
use release_core::cloud::{
    Action, ClientToken, CloudFault, Encryption, NewVolume, SnapshotQuery, VolumeKind,
    VolumeSource, tagged_generation, tagged_publication,
};
use release_core::{Digest, FileSystem, Label, Pointer, ReleaseId};
use release_sync::{Options, scan};
use tempfile::TempDir;

use super::*;
use crate::cloud::{Place, Wishes};
use crate::ui::silent;

/// A release server with a volume in a folder.
struct Server {
    folder: TempDir,
    cloud: OpenCloud,
    state: State,
    screen: Arc<dyn Screen>,
    interrupts: Interrupts,
    settings: SnapshotSettings,
    volume: SourceVolume,
}

impl Server {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("fleet");
        let local = LocalCloud::create(&root, Arc::new(SystemClock)).unwrap();
        local.set_delays(delays(20)).unwrap();
        let wishes = Wishes {
            groups: Vec::new(),
            address: Default::default(),
            settle: Duration::from_millis(100),
        };
        let cloud = OpenCloud::open(&Place::Local(root), wishes).unwrap();
        let id = cloud
            .run(cloud.port().create_volume(&new_volume()))
            .unwrap()
            .id;
        let source = cloud.local().unwrap().volume_directory(&id);
        fs::write(source.join("index.html"), "hello").unwrap();
        let settings = SnapshotSettings {
            volume: VolumeSettings {
                volume: id,
                verify: true,
                sys: "/sys".into(),
            },
            stillness: Stillness::Synced(Duration::from_secs(5)),
            elsewhere: Vec::new(),
            retention: Retention {
                keep: 2,
                boot_deadline: Duration::ZERO,
            },
        };
        let volume = SourceVolume::find(&cloud, &source, &settings.volume).unwrap();
        Self {
            state: State::open(&folder.path().join("state")).unwrap(),
            folder,
            cloud,
            screen: silent(),
            interrupts: Interrupts::default(),
            settings,
            volume,
        }
    }

    fn snapshots<'a>(&'a self, lock: &'a DeployLock<'a>, generation: u64) -> Snapshots<'a> {
        Snapshots {
            cloud: &self.cloud,
            state: &self.state,
            lock,
            screen: &*self.screen,
            interrupts: &self.interrupts,
            settings: &self.settings,
            volume: &self.volume,
            who: "ada (1)@build/1",
            generation: Generation::new(generation),
            pace: Pace {
                pause: Duration::from_millis(1),
                look: Duration::from_millis(5),
                ..Pace::default()
            },
        }
    }

    fn scan(&self) -> Source {
        scan(&self.volume.top, &Options::default(), &()).unwrap()
    }

    /// How long a snapshot takes, in milliseconds.
    fn take_so_long(&self, millis: u64) {
        self.cloud
            .local()
            .unwrap()
            .set_delays(delays(millis))
            .unwrap();
    }

    fn inject(&self, action: Action, effect: Effect, times: u32) {
        let action = Some(action);
        let fault = Fault {
            action,
            effect,
            times,
        };
        self.cloud.local().unwrap().inject(fault).unwrap();
    }

    fn all(&self) -> Vec<Snapshot> {
        let query = SnapshotQuery::OwnTagged(Tags::new());
        self.cloud.run(self.cloud.port().snapshots(&query)).unwrap()
    }

    fn pointer(&self, shot: &Shot) -> Pointer {
        let identity = self.cloud.identity().unwrap();
        Pointer {
            generation: Generation::new(7),
            release: ReleaseId::new(Digest::of(b"tree")),
            snapshot: shot.snapshot.id.clone(),
            region: identity.region.clone(),
            account: identity.account.clone(),
            volume_gib: 1,
            file_system: FileSystem::Folder,
            label: None,
            created: now(),
            previous: None,
            who: Label::cut("ada"),
        }
    }
}

fn delays(snapshot: u64) -> Delays {
    Delays {
        volume: 0,
        snapshot,
        ..Delays::default()
    }
}

fn new_volume() -> NewVolume {
    NewVolume {
        source: VolumeSource::Blank { size_gib: 1 },
        zone: "local-a".parse().unwrap(),
        kind: VolumeKind::Gp3,
        throughput: None,
        iops: None,
        initialization_rate: None,
        encryption: Encryption::Inherited,
        tags: Tags::from([(TAG_FLEET.to_owned(), "web".to_owned())]),
        token: ClientToken::of("source"),
    }
}

#[test]
fn a_snapshot_is_the_release_and_says_so() {
    let server = Server::new();
    let lock = server.state.lock("ada").unwrap();
    let snapshots = server.snapshots(&lock, 7);
    let source = server.scan();
    source.mark(Generation::new(7)).unwrap();
    let shot = snapshots.start(&source).unwrap();
    assert_eq!(server.state.begun().unwrap().len(), 1);
    let shot = snapshots.finish(shot, &source).unwrap();
    assert_eq!(shot.snapshot.state, SnapshotState::Completed);
    assert_eq!(shot.held, None, "a folder can't be frozen");
    snapshots
        .published(&shot, Generation::new(7), now())
        .unwrap();
    assert_eq!(server.state.begun().unwrap(), []);

    let [snapshot] = &server.all()[..] else {
        unreachable!("there is one")
    };
    assert_eq!(tagged_generation(&snapshot.tags), Some(Generation::new(7)));
    assert!(tagged_publication(&snapshot.tags).is_some());
    assert_eq!(snapshot.tags[TAG_RELEASE], source.release().to_string());
    assert_eq!(snapshot.tags[TAG_FLEET], "web");
    let tag = &snapshot.tags[TAG_DEPLOY];
    assert!(tag.starts_with("7/ada--1-@build-1/"), "{tag}");
    let copy = server.folder.path().join("fleet/snapshots");
    let copy = copy.join(snapshot.id.as_str());
    assert_eq!(fs::read(copy.join("index.html")).unwrap(), b"hello");
    assert!(copy.join(".release/marker").exists());
}

/// Whatever goes wrong with the call: one snapshot that is the release, or none.
#[test]
fn nothing_is_left_lying_about() {
    let server = Server::new();
    let lock = server.state.lock("ada").unwrap();
    for (effect, times, made) in [
        (Effect::Throttle, 3, true),
        (Effect::Throttle, 4, false),
        (Effect::LoseRequest, 2, true),
        (Effect::LoseRequest, 4, false),
        // Adopted: it was made between call and answer.
        (Effect::LoseAnswer, 1, true),
        (Effect::Fail, 1, true),
        (Effect::Deny, 1, false),
        (Effect::Spoil, 2, true),
        (Effect::Spoil, 4, false),
    ] {
        let snapshots = server.snapshots(&lock, 7);
        let source = server.scan();
        server.inject(Action::CreateSnapshot, effect, times);
        let shot = snapshots.start(&source);
        let shot = shot.and_then(|shot| snapshots.finish(shot, &source));
        let found = server.all();
        match shot {
            Ok(shot) => {
                assert!(made, "{effect:?} {times}");
                assert_eq!(found.len(), 1, "{effect:?} {times}");
                assert_eq!(found[0].id, shot.snapshot.id);
                snapshots.discard(&shot).unwrap();
            }
            Err(failure) => {
                assert!(!made, "{effect:?} {times}: {failure}");
                assert_eq!(found, [], "{effect:?} {times}");
            }
        }
        // Only a request of which nothing was heard may still be on its way.
        let waiting = server.state.begun().unwrap();
        let unheard = matches!(effect, Effect::LoseRequest | Effect::Fail);
        assert_eq!(waiting.is_empty(), !unheard, "{effect:?}: {waiting:?}");
        for begun in waiting {
            lock.strike(&begun.tag).unwrap();
        }
    }
}

#[test]
fn a_source_that_was_changed_is_named_and_its_snapshot_deleted() {
    let server = Server::new();
    let lock = server.state.lock("ada").unwrap();
    let snapshots = server.snapshots(&lock, 7);
    let source = server.scan();
    fs::write(server.volume.top.join("late.txt"), "late").unwrap();
    let failure = snapshots.start(&source).unwrap_err();
    let Failure::Snapshot(SnapshotError::SourceChanged { path }) = failure else {
        unreachable!("{failure:?}")
    };
    assert_eq!(path.to_string(), "late.txt");
    assert_eq!(server.all(), []);
    assert_eq!(server.state.begun().unwrap(), []);
}

#[test]
fn what_a_dead_deploy_left_is_deleted_unless_it_is_published() {
    let server = Server::new();
    let lock = server.state.lock("ada").unwrap();
    let source = server.scan();
    let begin = || server.snapshots(&lock, 7).start(&source).unwrap();
    let (dead, published) = (begin(), begin());
    let pointer = server.pointer(&published);
    let (cloud, state) = (&server.cloud, &server.state);
    let clean_up = || clean_up(cloud, state, &lock, Some(&pointer)).unwrap();
    let done = clean_up();
    let tagged = LeftOver::Tagged(published.snapshot.id.clone());
    assert_eq!(done, [LeftOver::Deleted(dead.snapshot.id), tagged]);
    assert_eq!(clean_up(), []);
    assert_eq!(server.all().len(), 1);
    assert_eq!(state.begun().unwrap(), []);
    let left = &server.all()[0];
    assert_eq!(tagged_generation(&left.tags), Some(pointer.generation));
    assert_eq!(tagged_publication(&left.tags), Some(pointer.created));
}

#[test]
fn what_cannot_be_seen_yet_is_remembered() {
    let server = Server::new();
    let lock = server.state.lock("ada").unwrap();
    let start = now().unix_millis();
    let entry = |minutes: i64| Begun {
        tag: format!("{minutes}"),
        fleet: "web".into(),
        volume: server.volume.id.clone(),
        region: "local".parse().unwrap(),
        at: Moment::from_unix_millis(start - 60_000 * minutes),
    };
    let elsewhere = Begun {
        region: "us-east-1".parse().unwrap(),
        ..entry(99)
    };
    for begun in [&entry(1), &entry(60), &elsewhere] {
        lock.enter(begun).unwrap();
    }
    clean_up(&server.cloud, &server.state, &lock, None).unwrap();
    assert_eq!(server.state.begun().unwrap(), [entry(1), elsewhere]);
}

#[test]
fn retention_deletes_what_is_not_needed() {
    let server = Server::new();
    let lock = server.state.lock("ada").unwrap();
    let source = server.scan();
    let mut last = None;
    for generation in 4..=7 {
        let snapshots = server.snapshots(&lock, generation);
        let shot = snapshots.start(&source).unwrap();
        let number = Generation::new(generation);
        snapshots.published(&shot, number, now()).unwrap();
        last = Some(shot);
    }
    let pointer = server.pointer(&last.unwrap());
    let retention = server.settings.retention;
    let looked = prune(&server.cloud, "web", &pointer, retention, true).unwrap();
    assert_eq!(server.all().len(), 4);
    let pruned = prune(&server.cloud, "web", &pointer, retention, false).unwrap();
    let kept =
        |fates: &[release_core::Fate]| fates.iter().map(|fate| fate.kept).collect::<Vec<_>>();
    assert_eq!(kept(&looked), kept(&pruned));
    let mut left = generations(&server.cloud, "web").unwrap();
    left.sort();
    assert_eq!(left, [6, 7].map(Generation::new));
    assert_eq!(generations(&server.cloud, "db").unwrap(), []);
}

#[test]
fn a_source_elsewhere_is_refused() {
    let server = Server::new();
    let elsewhere = server.folder.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let find = |settings: &VolumeSettings| SourceVolume::find(&server.cloud, &elsewhere, settings);
    let settings = &server.settings.volume;
    let refused = find(settings).unwrap_err();
    assert!(refused.is_refusal(), "{refused}");
    let unverified = VolumeSettings {
        verify: false,
        ..settings.clone()
    };
    assert_eq!(find(&unverified).unwrap().fleet, "web");
    let unknown = VolumeSettings {
        volume: "vol-99999999".parse().unwrap(),
        ..settings.clone()
    };
    assert!(matches!(find(&unknown), Err(SnapshotError::NoVolume(_))));
    let untagged = NewVolume {
        tags: Tags::new(),
        token: ClientToken::of("nobody's"),
        ..new_volume()
    };
    let cloud = &server.cloud;
    let nobodys = cloud.run(cloud.port().create_volume(&untagged)).unwrap();
    let nobodys = VolumeSettings {
        volume: nobodys.id,
        ..settings.clone()
    };
    assert!(matches!(
        find(&nobodys),
        Err(SnapshotError::NobodysVolume(_))
    ));
}

#[test]
fn denial_is_an_error_at_once() {
    let server = Server::new();
    let lock = server.state.lock("ada").unwrap();
    server.inject(Action::CreateSnapshot, Effect::Deny, 1);
    let failure = server
        .snapshots(&lock, 7)
        .start(&server.scan())
        .unwrap_err();
    let Failure::Cloud(error) = failure else {
        unreachable!("{failure:?}")
    };
    assert_eq!(error.fault, CloudFault::Denied);
}

#[test]
fn an_interrupt_ends_the_waiting_and_what_was_begun_is_remembered() {
    let server = Server::new();
    server.take_so_long(60_000);
    let lock = server.state.lock("ada").unwrap();
    let snapshots = server.snapshots(&lock, 7);
    let source = server.scan();
    let shot = snapshots.start(&source).unwrap();
    server.interrupts.interrupt_now();
    let failure = snapshots.finish(shot, &source).unwrap_err();
    assert!(matches!(failure, Failure::Interrupted), "{failure:?}");
    assert_eq!(server.state.begun().unwrap().len(), 1);
}
