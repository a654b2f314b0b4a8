//! What is shown, and in which form: lines and tables for people, events for programs.
//!
//! No policy: a screen is told facts and shows them. What can't be shown changes nothing about what is
//! being done, so nothing here fails; at the end [`Screen::lost`] tells of it.

mod board;
mod canvas;
mod check;
mod errors;
mod examination;
mod json;
mod lines;
mod live;
mod paint;
mod sink;
mod snapshots;
mod summary;
mod table;
mod words;

use std::io::{self, stderr, stdout};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use release_core::Pointer;
use release_core::cloud::Snapshot;
use release_sync::{Generation, HostPlan, HostStatus, Monitor, ReleaseId, Report};

use crate::args::{Color, Global};
use crate::context::Environment;
use crate::exit::{Exit, Verdict};
use crate::failure::Failure;
use crate::serve::Served;
use crate::setup::Standing;
use crate::state::Entry;
use canvas::Extent;
pub(crate) use check::{Check, Finding, Health};
use errors::Errors;
pub(crate) use errors::one_line;
use json::Json;
use lines::{Lines, Volume};
use live::Live;
use paint::Paint;
pub(crate) use snapshots::{Conclusion, Pruned};
pub(crate) use words::{bytes, count, entries};

/// Shows what happens. Told by several threads at once.
pub(crate) trait Screen: Monitor + Send {
    /// Something worth knowing that belongs to no host.
    fn note(&self, text: &str);

    /// An instance of which nothing is to be had now, and what it is, in a word: a host of what is shown next, of
    /// which nothing else is known.
    fn absent(&self, host: &str, standing: &'static str);

    /// Something worth knowing of what is given out, which is no fault.
    fn remark(&self, text: &str);

    /// Asks something that is answered on standard input.
    fn ask(&self, question: &str);

    /// A run begins. From here on [`Screen::finished`] or [`Screen::abandon`] is the last that is said.
    fn started(&self, run: &Started<'_>);

    /// The run that was started is over.
    fn finished(&self, report: &Report, verdict: Verdict);

    /// A snapshot was begun, or has got further. `held` is told once, when it was begun: how long nobody could
    /// write to the file system meanwhile.
    fn snapshot(&self, snapshot: &Snapshot, held: Option<Duration>);

    /// A pointer was published: new instances boot what it names.
    fn published(&self, pointer: &Pointer);

    /// A run that was started is over, and had nothing to do with hosts. In place of [`Screen::finished`].
    fn concluded(&self, conclusion: &Conclusion<'_>);

    /// How a step of a setup stands.
    fn prepared(&self, step: &'static str, standing: Standing, text: &str);

    /// All steps of a setup were taken, or looked at.
    fn setup_over(&self, only_looked: bool, seconds: f64);

    /// A command is over that people were told of in notes: this is for programs.
    fn done(&self, done: &Done<'_>, seconds: f64);

    /// From now on a directory is served at an address.
    fn serving(&self, address: &str, directory: &str);

    /// A request was answered.
    fn served(&self, served: &Served);

    /// What was deployed, the latest last.
    fn history(&self, entries: &[Entry]);

    /// What became of snapshots.
    fn pruned(&self, pruned: &Pruned<'_>);

    /// If a run is under way, it ends here, and what is known of it is all there is. Else nothing.
    fn abandon(&self);

    /// Why not all that was to be shown on standard output is there, if so.
    fn lost(&self) -> Option<io::Error>;

    /// The command failed, apart from anything that happened on hosts.
    fn failed(&self, failure: &Failure);

    /// What hosts were found to have.
    fn statuses(&self, hosts: &[HostStatus]);

    /// What a deploy would do.
    fn plans(&self, plans: &Plans<'_>);

    /// What was found at a place: a host, or this machine.
    fn checked(&self, host: Option<&str>, checks: &[Check]);

    /// All places were looked at.
    fn examined(&self, health: &Health);

    /// A chapter of a story begins.
    fn chapter(&self, chapter: &Chapter<'_>);

    /// A chapter is over: what was done, and what it was to show.
    fn told(&self, chapter: &Chapter<'_>, report: &Report, verdict: Verdict, claims: &[Claim]);

    /// The story is over; `report` is that of its last chapter. In place of [`Screen::finished`].
    fn closed(&self, closing: &str, report: &Report, verdict: Verdict);
}

/// What a command did that has neither hosts nor a release.
#[derive(Debug)]
pub(crate) enum Done<'a> {
    /// A pair of keys was made.
    Keys {
        /// The file with the secret one.
        secret: &'a str,
        /// The file with the public one.
        public: &'a str,
        /// The public one.
        key: &'a str,
    },
    /// It was looked for what is frozen. Was anything, and so is thawed now?
    Thaw { thawed: bool },
}

/// What is known when a run begins.
#[derive(Debug)]
pub(crate) struct Started<'a> {
    pub(crate) journey: Journey,
    /// Where the release comes from, made harmless.
    pub(crate) source: String,
    /// The hosts' names.
    pub(crate) hosts: Vec<&'a str>,
}

/// Which way a release travels.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Journey {
    /// To hosts.
    Out(Travelling),
    /// To here: nobody knows what it is before it is there.
    In,
    /// From what a host keeps to its tree.
    Back(ReleaseId),
}

/// A release that is given out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Travelling {
    pub(crate) id: ReleaseId,
    pub(crate) generation: Generation,
    /// Regular files in the release.
    pub(crate) files: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
}

/// What a deploy would do.
#[derive(Debug)]
pub(crate) struct Plans<'a> {
    pub(crate) release: ReleaseId,
    pub(crate) hosts: &'a [HostPlan],
    /// Show each path?
    pub(crate) itemize: bool,
    pub(crate) exit: Exit,
    pub(crate) seconds: f64,
}

/// A part of the demo's story.
#[derive(Debug)]
pub(crate) struct Chapter<'a> {
    /// Counted from 1.
    pub(crate) number: usize,
    pub(crate) title: &'a str,
    /// Lines for people, broken where they should be.
    pub(crate) story: &'a str,
}

/// Something that the demo says is so.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) text: String,
    /// What was found instead.
    pub(crate) fault: Option<String>,
}

impl Claim {
    /// `fault` says what was found instead; it is asked only if the claim does not hold.
    pub(crate) fn new(
        text: impl Into<String>,
        holds: bool,
        fault: impl FnOnce() -> String,
    ) -> Self {
        Self {
            text: text.into(),
            fault: (!holds).then(fault),
        }
    }
}

/// The screen that was asked for. `terse` leaves out the lines of progress, unless more is asked for.
pub(crate) fn screen(global: &Global, environment: &Environment, terse: bool) -> Arc<dyn Screen> {
    let paint = |is_terminal| {
        Paint(match global.color {
            Color::Auto => is_terminal && !environment.no_color,
            Color::Always => true,
            Color::Never => false,
        })
    };
    let columns = || Extent::of(stderr()).map(|extent| extent.columns);
    let errors = Errors::new(stderr(), paint(environment.stderr_is_terminal)).on(columns);
    if global.json {
        return Arc::new(Json::new(stdout(), errors, Timestamp::now));
    }
    let volume = match (global.quiet, global.verbose, terse) {
        (true, _, _) => Volume::Quiet,
        (_, true, _) => Volume::Verbose,
        (_, _, true) => Volume::Terse,
        _ => Volume::Normal,
    };
    let results = paint(environment.stdout_is_terminal);
    let extent = || Extent::of(stdout());
    if volume == Volume::Normal && environment.stderr_is_terminal && !environment.is_dumb {
        let paint = paint(true);
        let live = Live::new(paint);
        let errors = Errors::new(live.above(), paint).on(columns);
        return Arc::new(Lines::new(stdout(), results, extent, errors, volume).drawing(live));
    }
    Arc::new(Lines::new(stdout(), results, extent, errors, volume))
}

/// A screen that nobody looks at.
#[cfg(test)]
pub(crate) fn silent() -> Arc<dyn Screen> {
    let errors = Errors::new(io::sink(), Paint(false));
    Arc::new(Json::new(io::sink(), errors, Timestamp::now))
}

#[cfg(test)]
pub(crate) mod samples;
