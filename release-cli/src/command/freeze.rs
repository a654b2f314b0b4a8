//! `freeze`: runs a command while a file system is frozen. `watchdog`: the other process that this takes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::desk::Desk;
use crate::args::FreezeArgs;
use crate::context::File;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::freeze::{self, Request};
use crate::state::State;

pub(super) fn run(args: &FreezeArgs, config: Option<&Path>, desk: &Desk) -> Result<Exit, Failure> {
    let file = File::load(config, &desk.environment)?;
    let state = file.state(&desk.environment).ok_or(Failure::NoStateHome)?;
    let state = State::open(&state)?;
    let _lock = state.lock(&desk.environment.holder())?;
    let path = desk.environment.directory.join(&args.path);
    let request = Request {
        path: &path,
        state: state.directory(),
        elsewhere: &[],
        purpose: "a drill",
        limit: Duration::from_millis(args.limit),
    };
    let [program, arguments @ ..] = args.command.as_slice() else {
        return Ok(Exit::Usage);
    };
    let outcome = freeze::freeze(&request, || Command::new(program).args(arguments).status())?;
    let milliseconds = outcome.held.as_millis();
    desk.screen
        .note(&format!("nobody could write there for {milliseconds} ms"));
    let ended = outcome.value.map_err(|source| Failure::Drill {
        command: PathBuf::from(program),
        source,
    })?;
    match outcome.is_sound {
        false => Err(Failure::ThawedEarly),
        true if ended.success() => Ok(Exit::Done),
        true => Ok(Exit::Failed),
    }
}

/// Whoever started it hears what is to be heard.
pub(super) fn watch(milliseconds: u64) -> Exit {
    match freeze::keep_vigil(Duration::from_millis(milliseconds)) {
        Ok(()) => Exit::Done,
        Err(_) => Exit::Failed,
    }
}
