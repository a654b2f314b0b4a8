//! `status`: shows which release each host has.

use std::path::Path;

use release_sync::Fleet;

use super::desk::Desk;
use crate::args::StatusArgs;
use crate::context::File;
use crate::exit::Exit;
use crate::failure::Failure;

pub(super) fn run(args: &StatusArgs, config: Option<&Path>, desk: &Desk) -> Result<Exit, Failure> {
    let inquiry = File::load(config, &desk.environment)?.inquiry(args, &desk.environment)?;
    desk.note_absent(&inquiry.absent);
    let fleet = Fleet::new(inquiry.hosts, inquiry.options)?;
    desk.interrupts.cancels(fleet.cancel_handle());
    let hosts = fleet.status(inquiry.verify, &*desk.screen);
    desk.screen.statuses(&hosts);
    Ok(Exit::of_statuses(desk.interrupts.interrupted(), &hosts))
}
