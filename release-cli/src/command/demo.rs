//! `demo`: a release, tampering, an edit and a way back, on this machine and in a temporary folder; and then the
//! same in a cloud that is a folder, too.
//!
//! Three folders play the hosts, each behind an agent process of its own; what pushes to them is what
//! `deploy` uses. The demo believes nobody: it compares trees itself, and fails if one of its claims
//! does not hold.

mod app;
mod claims;
mod cloud;
mod picture;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use release_sync::{Fleet, Host, HostReport, Options, Outcome, Reach, ReleaseId, Report, Source};

use super::desk::{Deadline, Desk, Watch};
use crate::exit::{Aim, Exit, Overall, Verdict};
use crate::failure::Failure;
use crate::state::{DeployLock, State};
use crate::ui::{Chapter, Claim, bytes, count};
use claims::{all_are, all_proven, most_sent, outcomes_of, small_talk};
use picture::Picture;

const NAMES: [&str; 3] = ["web-1", "web-2", "web-3"];

pub(super) fn run(desk: &Desk) -> Result<Exit, Failure> {
    let begin = Instant::now();
    let agent = desk.environment.beside_executable().join("release-agent");
    if !agent.is_file() {
        return Err(Failure::NoAgent(agent));
    }
    let temporary = &desk.environment.temporary;
    let folder = tempfile::Builder::new()
        .prefix("release-demo-")
        .tempdir_in(temporary)
        .map_err(broken(temporary))?;
    let state = State::open(&folder.path().join("state"))?;
    let mut demo = Demo::set_up(desk, folder.path(), &agent, &state)?;
    let first = demo.first_release()?;
    demo.same_again()?;
    demo.tampering()?;
    demo.second_release()?;
    let (report, verdict) = demo.way_back(&first)?;
    cloud::tell(&mut demo, folder.path())?;
    Ok(demo.close(&report, verdict, begin))
}

/// The first release, to come back to.
struct First {
    release: ReleaseId,
    picture: Picture,
}

struct Demo<'d> {
    desk: &'d Desk,
    source: PathBuf,
    hosts: Vec<Host>,
    options: Options,
    fleet: Fleet,
    lock: DeployLock<'d>,
    claims: usize,
    broken: usize,
}

impl<'d> Demo<'d> {
    fn set_up(
        desk: &'d Desk,
        folder: &Path,
        agent: &Path,
        state: &'d State,
    ) -> Result<Self, Failure> {
        let source = folder.join("app");
        app::make(&source).map_err(broken(&source))?;
        let hosts: Vec<_> = NAMES
            .iter()
            .map(|name| host(name, &folder.join(name), agent))
            .collect();
        for host in &hosts {
            fs::create_dir(&host.destination).map_err(broken(&host.destination))?;
        }
        let options = Options {
            holder: desk.environment.holder(),
            ..Options::default()
        };
        let fleet = Fleet::new(hosts.clone(), options.clone())?;
        desk.interrupts.cancels(fleet.cancel_handle());
        Ok(Self {
            lock: desk.lock(state, Deadline::after(Default::default()))?,
            desk,
            source,
            hosts,
            options,
            fleet,
            claims: 0,
            broken: 0,
        })
    }

    fn first_release(&mut self) -> Result<First, Failure> {
        let source = self.scan()?;
        let generation = self.lock.allocate()?;
        self.desk.start(&source, generation, &self.hosts);
        let (files, size) = source.manifest().totals();
        let story = format!(
            "A web application of {}, {}, goes to three hosts that have nothing.\n\
             Folders play the hosts, each behind an agent process of its own, with a pipe where SSH\n\
             would be. Each host lays everything down beside the current tree and proves it; only\n\
             when all have, it is made current.",
            count(files, "file"),
            bytes(size),
        );
        let chapter = self.open(1, "A first release", &story);
        let watch = Watch::new(&*self.desk.screen);
        let report = self.fleet.push(&source, generation, &watch);
        let picture = self.picture(&self.source)?;
        let claims = [
            all_are(&report, Outcome::Committed),
            self.all_equal(&picture, "the source")?,
            all_proven(&report, source.release()),
        ];
        self.tell(&chapter, &report, watch, claims)?;
        Ok(First {
            release: source.release(),
            picture,
        })
    }

    fn same_again(&mut self) -> Result<(), Failure> {
        let chapter = self.open(
            2,
            "The same again",
            "Nothing has changed, so nothing should travel. Still every file on every host is looked at.",
        );
        let (report, watch) = self.push()?;
        let claims = [all_are(&report, Outcome::Unchanged), small_talk(&report)];
        self.tell(&chapter, &report, watch, claims)
    }

    fn tampering(&mut self) -> Result<(), Failure> {
        let victim = self.hosts[1].destination.clone();
        let tampered = app::tamper(&victim).map_err(broken(&victim))?;
        let story = format!(
            "On {}, somebody edits {} so that its size stays, and sets its time back. A\n\
             check of size and time, as rsync's, passes over it. The same release is deployed again.",
            NAMES[1], tampered.name
        );
        let chapter = self.open(3, "Somebody tampers", &story);
        let (report, watch) = self.push()?;
        let outcomes: Vec<_> = report.hosts.iter().map(|host| host.outcome).collect();
        let mended = [Outcome::Unchanged, Outcome::Committed, Outcome::Unchanged];
        let picture = self.picture(&self.source)?;
        let claims = [
            Claim::new(
                "to a check of size and time the file looked untouched",
                tampered.looks_untouched,
                || "its size or time had changed".to_owned(),
            ),
            Claim::new(
                format!("{} was mended, the others were left alone", NAMES[1]),
                outcomes == mended,
                || outcomes_of(&report),
            ),
            self.all_equal(&picture, "the source")?,
        ];
        self.tell(&chapter, &report, watch, claims)
    }

    fn second_release(&mut self) -> Result<(), Failure> {
        let edit = app::edit(&self.source).map_err(broken(&self.source))?;
        let story = format!(
            "A few lines change in {} and in a large catalogue, a folder of {} is\n\
             renamed, another is deleted, a new one comes.",
            count(edit.files_edited, "file"),
            bytes(edit.bytes_renamed),
        );
        let chapter = self.open(4, "A second release", &story);
        let (report, watch) = self.push()?;
        let picture = self.picture(&self.source)?;
        let whole = picture.bytes();
        let least = |field: fn(&HostReport) -> u64| report.hosts.iter().map(field).min();
        let found = least(|host| host.counts.local_bytes).unwrap_or(0);
        let matched = least(|host| host.counts.matched_bytes).unwrap_or(0);
        let sent = most_sent(&report);
        let claims = [
            all_are(&report, Outcome::Committed),
            self.all_equal(&picture, "the source")?,
            Claim::new(
                "the renamed folder was not sent: each host had its content already",
                found >= edit.bytes_renamed,
                || format!("only {} were found there", bytes(found)),
            ),
            Claim::new(
                format!(
                    "of changed files only the changes were sent: {} came from the old ones",
                    bytes(matched)
                ),
                matched > 0,
                || "they were sent whole".to_owned(),
            ),
            Claim::new(
                format!(
                    "each host was sent {} for a tree of {}",
                    bytes(sent),
                    bytes(whole)
                ),
                sent > 0 && sent < whole / 10,
                || "that is more than a tenth".to_owned(),
            ),
        ];
        self.tell(&chapter, &report, watch, claims)
    }

    fn way_back(&mut self, first: &First) -> Result<(Report, Verdict), Failure> {
        let chapter = self.open(
            5,
            "The way back",
            "The second release was a mistake. What it displaced is still on each host, so going back\n\
             needs no transfer.",
        );
        let generation = self.lock.allocate()?;
        let watch = Watch::new(&*self.desk.screen);
        let report = self.fleet.undo(generation, &watch);
        let claims = [
            all_are(&report, Outcome::Undone),
            self.all_equal(&first.picture, "the first release")?,
            all_proven(&report, first.release),
            small_talk(&report),
        ];
        let verdict = self.verdict(Aim::Undo, &report, watch);
        self.end(&chapter, &report, verdict, &claims)?;
        Ok((report, verdict))
    }

    fn close(self, report: &Report, verdict: Verdict, begin: Instant) -> Exit {
        let screen = &self.desk.screen;
        if self.broken > 0 {
            screen.failed(&Failure::ClaimsBroken { count: self.broken });
            let verdict = Verdict {
                exit: Exit::Failed,
                overall: Overall::Failed,
            };
            screen.closed("Not all went as told.", report, verdict);
            return verdict.exit;
        }
        let closing = format!(
            "All went as told: {} held, in {:.1} s. The folders are gone again.\n\
             A first real deploy: write a release.toml, then `release-cli deploy`, or with hosts of your own and\n\
             no cloud `release-cli deploy --no-snapshot`.",
            count(self.claims as u64, "claim"),
            begin.elapsed().as_secs_f64(),
        );
        screen.closed(&closing, report, verdict);
        verdict.exit
    }

    fn open<'c>(&self, number: usize, title: &'c str, story: &'c str) -> Chapter<'c> {
        let chapter = Chapter {
            number,
            title,
            story,
        };
        self.desk.screen.chapter(&chapter);
        chapter
    }

    fn scan(&self) -> Result<Source, Failure> {
        self.desk.scan(&self.source, &self.options)
    }

    fn push(&self) -> Result<(Report, Watch<'d>), Failure> {
        let source = self.scan()?;
        let generation = self.lock.allocate()?;
        let watch = Watch::new(&*self.desk.screen);
        let report = self.fleet.push(&source, generation, &watch);
        Ok((report, watch))
    }

    fn tell<const N: usize>(
        &mut self,
        chapter: &Chapter<'_>,
        report: &Report,
        watch: Watch<'_>,
        claims: [Claim; N],
    ) -> Result<(), Failure> {
        let verdict = self.verdict(Aim::Push, report, watch);
        self.end(chapter, report, verdict, &claims)
    }

    fn verdict(&self, aim: Aim, report: &Report, watch: Watch<'_>) -> Verdict {
        let interrupted = self.desk.interrupts.interrupted();
        Verdict::of(aim, interrupted, report, &watch.begun())
    }

    fn end(
        &mut self,
        chapter: &Chapter<'_>,
        report: &Report,
        verdict: Verdict,
        claims: &[Claim],
    ) -> Result<(), Failure> {
        if self.desk.interrupts.interrupted() {
            return Err(Failure::Interrupted);
        }
        self.claims += claims.len();
        self.broken += claims.iter().filter(|claim| claim.fault.is_some()).count();
        self.desk.screen.told(chapter, report, verdict, claims);
        Ok(())
    }

    fn picture(&self, directory: &Path) -> Result<Picture, Failure> {
        Picture::take(directory).map_err(broken(directory))
    }

    /// The demo's own judgement: entries, content, modes and times.
    fn all_equal(&self, expected: &Picture, what: &str) -> Result<Claim, Failure> {
        let mut differences = Vec::new();
        for host in &self.hosts {
            let found = self.picture(&host.destination)?;
            let first = expected.first_difference(&found);
            differences.extend(first.map(|difference| format!("{}: {difference}", host.name)));
        }
        let text = format!("all three trees are equal to {what}: every byte, mode and time");
        Ok(Claim::new(text, differences.is_empty(), || {
            differences.join("; ")
        }))
    }
}

fn host(name: &str, destination: &Path, agent: &Path) -> Host {
    let command = [
        agent.as_os_str(),
        "serve".as_ref(),
        "--root".as_ref(),
        destination.as_os_str(),
    ];
    Host {
        name: name.to_owned(),
        destination: destination.to_owned(),
        reach: Reach::Command(command.map(ToOwned::to_owned).to_vec()),
    }
}

fn broken(path: &Path) -> impl Fn(io::Error) -> Failure + use<> {
    let path = path.to_owned();
    move |source| Failure::Demo {
        path: path.clone(),
        source,
    }
}
