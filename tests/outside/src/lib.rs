//! A deploy script of somebody who embeds release-sync, with public names only.

use std::path::{Path, PathBuf};

use release_sync::{
    Cancel, Error, Fleet, Generation, Host, Monitor, Options, Outcome, Report, Source, scan,
};

/// Directories that are to be equal to a source.
pub struct Mirror {
    fleet: Fleet,
    source: Source,
}

impl Mirror {
    /// Looks at the source, and touches nothing else.
    pub fn new(
        source: &Path,
        directories: &[PathBuf],
        monitor: &dyn Monitor,
    ) -> Result<Self, Error> {
        let options = Options {
            exclude: vec![String::from("*.tmp")],
            max_delete: Some(10),
            ..Options::default()
        };
        let hosts = directories.iter().enumerate();
        let hosts =
            hosts.map(|(number, directory)| Host::local(format!("mirror-{number}"), directory));
        let source = scan(source, &options, monitor)?;
        let fleet = Fleet::new(hosts.collect(), options)?;
        Ok(Self { fleet, source })
    }

    /// Files that would be sent, to all directories together.
    pub fn pending(&self) -> Result<u64, Error> {
        let plans = self.fleet.plan(&self.source, false, &());
        plans
            .into_iter()
            .map(|plan| plan.error.map_or(Ok(plan.files_sent), Err))
            .sum()
    }

    /// Makes them equal.
    pub fn run(&self, generation: u64, monitor: &dyn Monitor) -> Report {
        self.fleet
            .push(&self.source, Generation::new(generation), monitor)
    }

    /// Takes the last run back.
    pub fn undo(&self, generation: u64) -> Report {
        self.fleet.undo(Generation::new(generation), &())
    }

    /// Are all directories what they were made to be, to the last byte?
    pub fn verify(&self) -> bool {
        let hosts = self.fleet.status(true, &());
        hosts.iter().all(|host| {
            let marker = host.marker.as_ref().map(|(marker, _)| marker.release);
            host.intact == Some(true) && marker == Some(self.source.release())
        })
    }

    /// Stops a run from another thread.
    pub fn cancel_handle(&self) -> Cancel {
        self.fleet.cancel_handle()
    }
}

/// Did every directory end well?
pub fn all_well(report: &Report) -> bool {
    let mut outcomes = report.hosts.iter().map(|host| host.outcome);
    outcomes.all(|outcome| matches!(outcome, Outcome::Committed | Outcome::Unchanged))
}
