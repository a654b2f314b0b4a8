//! `snapshot`: makes a snapshot of the source and publishes it, without pushing.

use std::path::Path;
use std::time::Instant;

use jiff::Timestamp;
use release_core::{Label, Pointer};
use release_sync::Generation;

use super::desk::{Deadline, Desk, harmless_path};
use crate::args::SnapshotArgs;
use crate::cloud::{OpenCloud, now};
use crate::context::{CloudFlags, File, Snapshotting};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::publish::{Published, Publisher};
use crate::snapshot::{
    LeftOver, Pace, Shot, Snapshots, SourceVolume, clean_up, generations, prune,
};
use crate::state::{Deed, DeployLock, Doing, State};
use crate::ui::Conclusion;

pub(super) fn run(
    args: &SnapshotArgs,
    config: Option<&Path>,
    desk: &Desk,
) -> Result<Exit, Failure> {
    let begin = Instant::now();
    let environment = &desk.environment;
    let file = File::load(config, environment)?;
    let flags = CloudFlags {
        region: args.cloud.region.as_deref(),
        ..CloudFlags::default()
    };
    let cloud = file.some_cloud(flags, environment)?;
    let sys = &args.cloud.sys;
    let job = file.snapshotting(args.source.as_deref(), args.lock_wait, sys, environment)?;
    let state = State::open(&job.state)?;
    let lock = desk.lock(&state, Deadline::after(job.lock_wait))?;
    let publisher = desk.publisher(&job.publication)?;
    let current = publisher.current()?;
    desk.clean_up(&cloud, &state, &lock, current.as_ref())?;
    let volume = SourceVolume::find(&cloud, &job.source, &job.snapshots.volume)?;
    let source = desk.scan(&job.source, &job.options)?;
    let seen = generations(&cloud, &volume.fleet)?;
    let seen = seen.into_iter().chain(current.map(|it| it.generation));
    let generation = lock.allocate_after(seen)?;
    source.mark(generation)?;
    desk.start(&source, generation, &[]);
    let who = environment.operator();
    let snapshots = Snapshots {
        cloud: &cloud,
        state: &state,
        lock: &lock,
        screen: &*desk.screen,
        interrupts: &desk.interrupts,
        settings: &job.snapshots,
        volume: &volume,
        who: &who,
        generation,
        pace: Pace::default(),
    };
    let shot = snapshots.start(&source)?;
    let shot = snapshots.finish(shot, &source)?;
    let pointer = pointer(&cloud, &volume, &shot, source.release(), generation, &who)?;
    let published = match publisher.publish(pointer) {
        Ok(published) => published,
        Err(error) => {
            // Nobody will ever look for it.
            snapshots.discard(&shot)?;
            return Err(error.into());
        }
    };
    desk.screen.published(&published.pointer);
    let is_well = afterwards(desk, &snapshots, &shot, &published, &job);
    let doing = Doing {
        deed: Deed::Snapshot,
        release: source.release(),
        generation,
        source: &harmless_path(&job.source),
        by: &who,
        snapshot: Some(&shot.snapshot.id),
    };
    let seconds = begin.elapsed().as_secs_f64();
    lock.append(&doing.without_hosts(seconds, Timestamp::now()))?;
    desk.screen.concluded(&Conclusion {
        release: source.release(),
        generation,
        snapshot: &shot.snapshot.id,
        held: shot.held,
        seconds,
    });
    Ok(match is_well {
        true => Exit::Done,
        false => Exit::Partial,
    })
}

/// What instances are told of a snapshot.
pub(super) fn pointer(
    cloud: &OpenCloud,
    volume: &SourceVolume,
    shot: &Shot,
    release: release_sync::ReleaseId,
    generation: Generation,
    who: &str,
) -> Result<Pointer, Failure> {
    let identity = cloud.identity()?;
    Ok(Pointer {
        generation,
        release,
        snapshot: shot.snapshot.id.clone(),
        region: identity.region.clone(),
        account: identity.account.clone(),
        volume_gib: shot.snapshot.size_gib,
        file_system: volume.file_system,
        label: volume.label.clone(),
        created: now(),
        // Whoever publishes it knows.
        previous: None,
        who: Label::cut(who),
    })
}

/// What comes after the moment p, and changes nothing about it: each is tried, and told if it fails.
fn afterwards(
    desk: &Desk,
    snapshots: &Snapshots<'_>,
    shot: &Shot,
    published: &Published,
    job: &Snapshotting,
) -> bool {
    let pointer = &published.pointer;
    let fault = published.fault.as_ref().map(|fault| {
        let text = crate::ui::one_line(fault);
        desk.screen.note(&format!("warning: {text}"));
    });
    let tagged = snapshots.published(shot, pointer.generation, published.at);
    let retention = job.snapshots.retention;
    let fleet = &snapshots.volume.fleet;
    let pruned = prune(snapshots.cloud, fleet, pointer, retention, false).map(drop);
    let mut is_well = fault.is_none();
    for failure in [tagged, pruned].into_iter().filter_map(Result::err) {
        desk.screen.failed(&failure);
        is_well = false;
    }
    is_well
}

impl Desk {
    /// Opens where the pointer is published. A password of the key is asked for, if somebody is there.
    pub(super) fn publisher(
        &self,
        publication: &crate::context::Publication,
    ) -> Result<Publisher, Failure> {
        let mut asked = None;
        let key = crate::publish::read_key(&publication.key, || {
            let question = format!("password of {}", harmless_path(&publication.key));
            match self.password(&question) {
                Ok(password) => Some(password),
                Err(failure) => {
                    asked = Some(failure);
                    None
                }
            }
        });
        if let Some(failure @ Failure::Interrupted) = asked {
            return Err(failure);
        }
        Ok(Publisher::open(&publication.directory, key?)?)
    }

    /// Sees to what dead deploys left in the cloud, and tells of it.
    pub(super) fn clean_up(
        &self,
        cloud: &OpenCloud,
        state: &State,
        lock: &DeployLock<'_>,
        pointer: Option<&Pointer>,
    ) -> Result<(), Failure> {
        for left in clean_up(cloud, state, lock, pointer)? {
            self.screen.note(&match left {
                LeftOver::Deleted(id) => {
                    format!("a deploy ended too early: its snapshot {id} was deleted")
                }
                LeftOver::Tagged(id) => {
                    format!(
                        "a deploy ended too early: its snapshot {id} is published, and tagged now"
                    )
                }
            });
        }
        Ok(())
    }
}
