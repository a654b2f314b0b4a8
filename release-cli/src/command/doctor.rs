//! `doctor`: what would keep a deploy from working, and how to mend it.

mod cloud;
mod host;
mod key;
mod local;

use std::path::Path;
use std::time::Instant;

use release_sync::Fleet;

use super::desk::Desk;
use crate::args::DoctorArgs;
use crate::context::File;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::ui::{Check, Finding, Health};

pub(super) fn run(args: &DoctorArgs, config: Option<&Path>, desk: &Desk) -> Result<Exit, Failure> {
    let begin = Instant::now();
    let file = File::load(config, &desk.environment)?;
    let checkup = file.checkup(&args.hosts, &desk.environment)?;
    let mut all = Vec::new();
    let mut tell = |place: Option<&str>, checks: Vec<Check>| {
        desk.screen.checked(place, &checks);
        all.extend(checks.iter().map(|check| check.finding));
    };
    let mut here = local::checks(&checkup);
    here.extend(cloud::checks(&file, &checkup, &args.sys, &desk.environment));
    tell(None, here);
    desk.note_absent(&checkup.absent);

    let fleet = Fleet::new(checkup.hosts.clone(), checkup.options.clone())?;
    desk.interrupts.cancels(fleet.cancel_handle());
    for (probe, host) in fleet.probe(&*desk.screen).iter().zip(&checkup.hosts) {
        tell(Some(&probe.host), host::checks(probe, host));
    }
    let number = |finding| all.iter().filter(|found| **found == finding).count();
    let health = Health {
        faults: number(Finding::Fault),
        warnings: number(Finding::Warning),
        seconds: begin.elapsed().as_secs_f64(),
    };
    desk.screen.examined(&health);
    Ok(Exit::of_health(desk.interrupts.interrupted(), &health))
}
