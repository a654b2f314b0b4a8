//! `status`: shows which release each host has.

use std::collections::BTreeMap;
use std::path::Path;

use release_sync::{Fleet, Host, Options};

use super::desk::Desk;
use crate::args::StatusArgs;
use crate::context::{File, Inquiry};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::state::{Places, State};

pub(super) fn run(args: &StatusArgs, config: Option<&Path>, desk: &Desk) -> Result<Exit, Failure> {
    let inquiry = File::load(config, &desk.environment)?.inquiry(args, &desk.environment)?;
    desk.note_absent(&inquiry.absent);
    // Made first, since it checks what was configured.
    Fleet::new(inquiry.hosts.clone(), inquiry.options.clone())?;
    let names: Vec<_> = inquiry.hosts.iter().map(|host| host.name.clone()).collect();
    let mut hosts = Vec::new();
    for (exclude, alike) in by_patterns(&inquiry) {
        let options = Options {
            exclude,
            ..inquiry.options.clone()
        };
        let fleet = Fleet::new(alike, options)?;
        desk.interrupts.cancels(fleet.cancel_handle());
        hosts.extend(fleet.status(inquiry.verify, &*desk.screen));
    }
    hosts.sort_by_key(|host| names.iter().position(|name| *name == host.host));
    desk.screen.statuses(&hosts);
    Ok(Exit::of_statuses(desk.interrupts.interrupted(), &hosts))
}

/// Hosts by the patterns of what their last deploy left alone: what is there besides is no drift. Of a host that
/// nothing is known of, they are the file's.
fn by_patterns(inquiry: &Inquiry) -> BTreeMap<Vec<String>, Vec<Host>> {
    let state = inquiry.state.as_deref().map(State::at);
    // Whoever may not read the state can look at hosts for all that.
    let fates = state.and_then(|state| state.fates(&Places::of(&inquiry.hosts)).ok().flatten());
    let mut fates = fates.unwrap_or_default();
    let mut groups: BTreeMap<_, Vec<Host>> = BTreeMap::new();
    for host in &inquiry.hosts {
        let known = fates.remove(&host.name).and_then(|fate| fate.exclude);
        let exclude = known.unwrap_or_else(|| inquiry.options.exclude.clone());
        groups.entry(exclude).or_default().push(host.clone());
    }
    groups
}
