//! `setup`: prepares the release server.

use std::path::Path;
use std::time::Instant;

use super::desk::Desk;
use crate::args::SetupArgs;
use crate::context::{CloudFlags, File};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::setup::{Setup, Standing};

pub(super) fn run(args: &SetupArgs, config: Option<&Path>, desk: &Desk) -> Result<Exit, Failure> {
    let begin = Instant::now();
    let environment = &desk.environment;
    let file = File::load(config, environment)?;
    let wanted = file.setup(args, environment)?;
    if let Some(root) = file.local_root()
        && let Some(standing) = make_fleet(&root, args.plan)?
    {
        let text = root.display().to_string();
        desk.screen.prepared("fleet", standing, &text);
        if standing == Standing::ToDo {
            // There is nothing to ask yet.
            desk.screen.setup_over(true, begin.elapsed().as_secs_f64());
            return Ok(Exit::Done);
        }
    }
    let flags = CloudFlags {
        region: args.cloud.region.as_deref(),
        ..CloudFlags::default()
    };
    let cloud = file.some_cloud(flags, environment)?;
    let setup = Setup {
        cloud: &cloud,
        screen: &*desk.screen,
        interrupts: &desk.interrupts,
        wanted: &wanted,
        only_looks: args.plan,
    };
    let volume = setup.run()?;
    desk.screen
        .setup_over(args.plan, begin.elapsed().as_secs_f64());
    if let Some(volume) = volume.filter(|_| wanted.volume.is_none()) {
        desk.screen.note(&format!(
            "write into the configuration, below `[snapshot]`: volume = \"{volume}\""
        ));
    }
    Ok(Exit::Done)
}

/// A local cloud is made, too.
fn make_fleet(root: &Path, only_looks: bool) -> Result<Option<Standing>, Failure> {
    use release_core::cloud::local::{LocalCloud, SystemClock};
    use std::sync::Arc;
    if LocalCloud::open(root, Arc::new(SystemClock)).is_ok() {
        return Ok(Some(Standing::Found));
    }
    if only_looks {
        return Ok(Some(Standing::ToDo));
    }
    LocalCloud::create(root, Arc::new(SystemClock))?;
    Ok(Some(Standing::Done))
}
