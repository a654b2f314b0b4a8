//! `plan`: what `deploy` would do.

use std::path::Path;
use std::time::Instant;

use release_sync::{Fleet, HostPlan};

use super::desk::{Desk, check_places, retain_failed};
use crate::args::PlanArgs;
use crate::context::File;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::state::State;
use crate::ui::{Plans, entries};

pub(super) fn run(args: &PlanArgs, config: Option<&Path>, desk: &Desk) -> Result<Exit, Failure> {
    let begin = Instant::now();
    let file = File::load(config, &desk.environment)?;
    let mut deployment = file.plan(&args.deploy, &desk.environment)?;
    check_places(&deployment.hosts)?;
    desk.note_doubts(&deployment);
    desk.note_absent(&deployment.absent);
    if args.deploy.retry_failed {
        retain_failed(desk, &State::at(deployment.state()?), &mut deployment.hosts)?;
    }
    let fleet = Fleet::new(deployment.hosts, deployment.options.clone())?;
    let source = desk.scan(&deployment.source, &deployment.options)?;
    desk.note_source(&source);
    desk.interrupts.cancels(fleet.cancel_handle());
    let hosts = fleet.plan(&source, args.itemize, &*desk.screen);
    for host in hosts.iter().filter(|host| is_first(host)) {
        desk.screen.note(&format!(
            "warning: {}: nothing was deployed there yet, and what is there is not the release's: {} would be \
             deleted",
            host.host,
            entries(host.deleted)
        ));
    }
    let exit = Exit::of_plans(desk.interrupts.interrupted(), &hosts);
    desk.screen.plans(&Plans {
        release: source.release(),
        hosts: &hosts,
        itemize: args.itemize,
        exit,
        seconds: begin.elapsed().as_secs_f64(),
    });
    Ok(exit)
}

/// Would a first deploy delete what somebody else has put there?
fn is_first(host: &HostPlan) -> bool {
    host.error.is_none() && host.marker.is_none() && host.deleted > 0
}
