//! `prune`: retention, now.

use std::path::Path;
use std::time::{Duration, Instant};

use release_core::Retention;

use super::desk::{Deadline, Desk};
use crate::args::PruneArgs;
use crate::context::{CloudFlags, File};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::snapshot::{fleet_of, prune};
use crate::state::State;
use crate::ui::Pruned;

pub(super) fn run(args: &PruneArgs, config: Option<&Path>, desk: &Desk) -> Result<Exit, Failure> {
    let begin = Instant::now();
    let environment = &desk.environment;
    let file = File::load(config, environment)?;
    let flags = CloudFlags {
        region: args.cloud.region.as_deref(),
        ..CloudFlags::default()
    };
    let cloud = file.some_cloud(flags, environment)?;
    let publication = file.publication()?;
    let settings = file.snapshots(&publication, &args.cloud.sys)?;
    let state = State::open(&file.state(environment).ok_or(Failure::NoStateHome)?)?;
    let wait = args.lock_wait.map(Duration::from_secs);
    let wait = wait.unwrap_or_else(|| file.lock_wait());
    // A deploy may be about to publish what would be deleted.
    let lock = desk.lock(&state, Deadline::after(wait))?;
    let publisher = desk.publisher(&publication)?;
    let Some(pointer) = publisher.current()? else {
        // Without it nobody knows what instances boot from.
        return Err(Failure::NothingPublished(publication.directory));
    };
    if !args.plan {
        desk.clean_up(&cloud, &state, &lock, Some(&pointer))?;
    }
    let fleet = fleet_of(&cloud, &settings.volume.volume)?;
    let retention = Retention {
        keep: args.keep.unwrap_or(settings.retention.keep),
        ..settings.retention
    };
    let fates = prune(&cloud, &fleet, &pointer, retention, args.plan)?;
    desk.screen.pruned(&Pruned {
        fates: &fates,
        only_looked: args.plan,
        seconds: begin.elapsed().as_secs_f64(),
    });
    Ok(Exit::Done)
}
