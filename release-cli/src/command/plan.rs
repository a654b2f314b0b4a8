//! `plan`: what `deploy` would do.

use std::path::Path;
use std::time::Instant;

use release_sync::{Error, Fleet, Generation, HostPlan, ReleaseId};

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
    let has_cloud = file.has_cloud();
    let mut deployment = file.plan(&args.deploy, &desk.environment)?;
    check_places(&deployment.hosts)?;
    desk.note_doubts(&deployment);
    desk.note_absent(&deployment.absent);
    if args.deploy.retry_failed {
        retain_failed(desk, &State::at(deployment.state()?), &mut deployment.hosts)?;
    }
    let state = deployment.state().map(Path::to_owned);
    let fleet = Fleet::new(deployment.hosts, deployment.options.clone())?;
    let source = desk.scan(&deployment.source, &deployment.options)?;
    desk.note_source(&source);
    desk.interrupts.cancels(fleet.cancel_handle());
    let mut hosts = fleet.plan(&source, args.itemize, &*desk.screen);
    if let (false, Ok(directory)) = (has_cloud, &state) {
        let next = State::at(directory).next_generation()?;
        fence(&mut hosts, source.release(), next);
    }
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

/// A host that was deployed to with another state directory may have counted further than we have, and refuses
/// what comes from here. With a cloud the next generation is higher than what was published, too, which is not
/// asked for here.
fn fence(hosts: &mut [HostPlan], release: ReleaseId, ours: Generation) {
    for host in hosts.iter_mut().filter(|host| host.error.is_none()) {
        let Some(marker) = host.marker else { continue };
        let seen = marker.generation;
        if seen > ours || (seen == ours && marker.release != release) {
            host.error = Some(Error::Fenced { seen, ours });
            host.unchanged = false;
        }
    }
}

/// Would a first deploy delete what somebody else has put there?
fn is_first(host: &HostPlan) -> bool {
    host.error.is_none() && host.marker.is_none() && host.deleted > 0
}

#[cfg(test)]
mod tests {
    use release_core::{Digest, Marker};

    use super::*;

    fn found(release: ReleaseId, generation: u64) -> HostPlan {
        HostPlan {
            host: String::from("host"),
            marker: Some(Marker {
                release,
                generation: Generation::new(generation),
            }),
            unchanged: true,
            created: 0,
            changed: 0,
            attributes: 0,
            deleted: 0,
            files_sent: 0,
            bytes_wanted: 0,
            local_bytes: 0,
            items: Vec::new(),
            seconds: 0.0,
            error: None,
        }
    }

    #[test]
    fn a_host_that_is_further_is_told_of() {
        let [ours, theirs] = [&b"ours"[..], b"theirs"].map(|it| ReleaseId::new(Digest::of(it)));
        let mut hosts = [
            found(theirs, 6),
            found(ours, 7),
            found(theirs, 7),
            found(ours, 8),
            HostPlan {
                error: Some(Error::Cancelled),
                ..found(theirs, 9)
            },
        ];
        fence(&mut hosts, ours, Generation::new(7));
        let seen = hosts.map(|host| match host.error {
            Some(Error::Fenced { seen, ours }) => Some((seen.get(), ours.get())),
            _ => None,
        });
        assert_eq!(seen, [None, None, Some((7, 7)), Some((8, 7)), None]);
    }
}
