//! Visits that change nothing: status, plan, probe.

use std::sync::Arc;
use std::time::SystemTime;

use release_core::{RelPath, escape};

use super::{Findings, Visit};
use crate::drive::Verdict;
use crate::session::{Goal, Release};
use crate::transport::Waker;
use crate::wire::{Item, Planned, Purpose};
use crate::{Error, HostPlan, HostProbe, HostStatus, PlanItem};

impl Visit<'_> {
    /// Finds out what the host has. `verify` hashes every file anew.
    pub(crate) fn status(&self, verify: bool) -> HostStatus {
        let (findings, result) = self.look(&Goal::Inspect, Purpose::Inspect, verify);
        let have = findings.have;
        let marker = have.as_ref().and_then(|have| have.marker);
        let intact = have.as_ref().and_then(|have| have.intact);
        HostStatus {
            host: self.host.name.clone(),
            marker,
            intact: marker.map(|_| intact.is_some()),
            proof: intact,
            files: have.as_ref().map_or(0, |have| have.files),
            bytes: have.as_ref().map_or(0, |have| have.bytes),
            seconds: self.seconds(),
            error: result.err(),
        }
    }

    /// Finds out what a push would do.
    pub(crate) fn plan(&self, release: &Arc<Release>, itemize: bool) -> HostPlan {
        let goal = Goal::Plan(Arc::clone(release));
        let checksum = self.run.options.checksum;
        let (findings, result) = self.look(&goal, Purpose::Plan { itemize }, checksum);
        let marker = findings.have.as_ref().and_then(|have| have.marker);
        let (planned, refused) = findings.planned.unwrap_or_default();
        let error = result.err();
        let error = error
            .or_else(|| self.too_many_deletions(&planned))
            .or(refused);
        HostPlan {
            host: self.host.name.clone(),
            marker: marker.map(|(marker, _)| marker),
            unchanged: error.is_none() && planned.is_nothing(),
            created: planned.created,
            changed: planned.changed,
            attributes: planned.attributes,
            deleted: planned.deleted,
            files_sent: planned.files_sent,
            bytes_wanted: planned.bytes_wanted,
            local_bytes: planned.local_bytes,
            items: findings.items.into_iter().filter_map(item).collect(),
            seconds: self.seconds(),
            error,
        }
    }

    /// Finds out whether the host can be worked on.
    pub(crate) fn probe(&self) -> HostProbe {
        let (findings, result) = self.look(&Goal::Inspect, Purpose::Probe, false);
        let welcome = findings.welcome.as_ref().map(|(welcome, _)| welcome);
        HostProbe {
            host: self.host.name.clone(),
            agent: welcome.map(|welcome| escape(welcome.build.as_bytes())),
            superuser: welcome.map(|welcome| welcome.superuser),
            free: welcome.map(|welcome| welcome.free),
            clock_ahead: clock_ahead(&findings),
            agent_bytes: findings.counts.agent_bytes,
            seconds: self.seconds(),
            error: result.err(),
        }
    }

    fn look(&self, goal: &Goal, purpose: Purpose, checksum: bool) -> (Findings, Result<(), Error>) {
        let mut findings = Findings::default();
        let result = Waker::new()
            .map_err(|source| Error::Transport {
                doing: "starting",
                source,
            })
            .and_then(|waker| {
                let begin = self.begin(purpose, checksum);
                self.converse(goal, begin, &waker, &mut findings, &mut || Verdict::Abort)
            });
        (findings, result)
    }

    fn too_many_deletions(&self, planned: &Planned) -> Option<Error> {
        let limit = self.run.options.max_delete?;
        let would = planned.deleted;
        (would > limit).then_some(Error::MaxDelete { would, limit })
    }
}

/// A path from a host is taken for one only if it is one.
fn item(item: Item) -> Option<PlanItem> {
    let flags = escape(item.flags.chars().take(11).collect::<String>().as_bytes());
    Some(PlanItem {
        flags,
        path: RelPath::parse(&item.path).ok()?,
    })
}

/// The host read its clock about half-way between our asking and its answer.
fn clock_ahead(findings: &Findings) -> Option<f64> {
    let (welcome, heard) = findings.welcome.as_ref()?;
    let age = heard.elapsed() + heard.duration_since(findings.asked?) / 2;
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .ok()?;
    Some(welcome.clock as f64 / 1e9 - (now.as_secs_f64() - age.as_secs_f64()))
}
