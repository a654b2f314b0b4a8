//! `pull`: brings a tree from a host into the source.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::Path;

use release_sync::{Cancel, Generation, Host, Reach, Report, pull};

use super::desk::{Deadline, Desk, harmless_path};
use crate::args::PullArgs;
use crate::context::{File, Pulling};
use crate::exit::{Aim, Exit, Verdict};
use crate::failure::Failure;
use crate::state::State;
use crate::ui::{Journey, Started};

pub(super) fn run(args: &PullArgs, config: Option<&Path>, desk: &Desk) -> Result<Exit, Failure> {
    let pulling = File::load(config, &desk.environment)?.pulling(args, &desk.environment)?;
    let deadline = Deadline::after(pulling.lock_wait);
    let state = State::open(&pulling.state)?;
    // A deploy must not give out a tree that is half there.
    let _lock = desk.lock(&state, deadline)?;
    let from = place(&pulling.host);
    if !args.yes && desk.environment.stdin_is_terminal && has_content(&pulling.into) {
        desk.confirm(&question(&pulling, &from))?;
    }
    desk.screen.started(&Started {
        journey: Journey::In,
        source: from,
        hosts: vec![&pulling.host.name],
    });
    let cancel = Cancel::default();
    desk.interrupts.cancels(cancel.clone());
    let Pulling {
        host,
        into,
        options,
        ..
    } = &pulling;
    let host = pull(host, into, options, &cancel, &*desk.screen);
    let report = Report {
        work: Default::default(),
        release: host.release,
        // None is given out.
        generation: Generation::default(),
        seconds: host.seconds,
        hosts: vec![host],
    };
    let interrupted = desk.interrupts.interrupted();
    let verdict = Verdict::of(Aim::Push, interrupted, &report, &HashSet::new());
    Ok(desk.finish(&report, verdict))
}

fn question(pulling: &Pulling, from: &str) -> String {
    let fate = if pulling.options.delete {
        "what only the source has is deleted"
    } else {
        "what only the source has stays"
    };
    format!(
        "{} has content. Make it equal to {from}? Files that differ are replaced, {fate}.",
        harmless_path(&pulling.into)
    )
}

/// As it is typed: `www@10.0.0.5:/srv/app`.
fn place(host: &Host) -> String {
    let path = harmless_path(&host.destination);
    match &host.reach {
        Reach::Ssh(target) => format!("{}@{}:{path}", target.user, target.address),
        _ => format!("{}:{path}", host.name),
    }
}

/// Is there something that could be lost? Where that can't be told, there may be.
pub(crate) fn has_content(directory: &Path) -> bool {
    const OURS: [&str; 2] = [".release", "lost+found"];
    match fs::read_dir(directory) {
        Ok(mut entries) => entries.any(|entry| {
            entry.is_ok_and(|entry| OURS.iter().all(|name| entry.file_name() != **name))
        }),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}
