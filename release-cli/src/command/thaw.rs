//! `thaw`: thaws what was left frozen.

use std::path::Path;
use std::time::Instant;

use super::desk::{Desk, harmless_path};
use crate::args::ThawArgs;
use crate::context::File;
use crate::exit::{Exit, of_failure};
use crate::failure::Failure;
use crate::freeze::{self, FreezeError, LeftBehind, Thaw};
use crate::ui::{Done, one_line};

pub(super) fn run(args: &ThawArgs, config: Option<&Path>, desk: &Desk) -> Result<Exit, Failure> {
    let begin = Instant::now();
    let state = || {
        let file = File::load(config, &desk.environment)?;
        file.state(&desk.environment).ok_or(Failure::NoStateHome)
    };
    let Some(path) = &args.path else {
        return of_state(&state()?, desk, begin);
    };
    let path = desk.environment.directory.join(path);
    let thaw = freeze::thaw(&path)?;
    let what = format!("the file system at {}", harmless_path(&path));
    desk.screen.note(&said(&what, thaw));
    // What is written down is out of date now, if anything is. Without a configuration nothing is known.
    if let Ok(state) = state() {
        let _ = freeze::thaw_left_behind(&state);
    }
    done(thaw == Thaw::Thawed, desk, begin)
}

fn of_state(state: &Path, desk: &Desk, begin: Instant) -> Result<Exit, Failure> {
    let thawed = match freeze::thaw_left_behind(state)? {
        LeftBehind::Nothing => {
            desk.screen.note("nothing was left frozen");
            false
        }
        LeftBehind::Thawed(record, thaw) => {
            desk.screen.note(&said(&record.to_string(), thaw));
            thaw == Thaw::Thawed
        }
        LeftBehind::AtWork(by) => {
            return Err(Failure::Freeze(FreezeError::AtWork {
                path: by.mount.clone().into(),
                by: Box::new(by),
            }));
        }
    };
    done(thawed, desk, begin)
}

fn done(thawed: bool, desk: &Desk, begin: Instant) -> Result<Exit, Failure> {
    let seconds = begin.elapsed().as_secs_f64();
    desk.screen.done(&Done::Thaw { thawed }, seconds);
    Ok(Exit::Done)
}

/// What every command begins with. It doesn't fail by this: what it can't do says so itself.
pub(super) fn left_behind(config: Option<&Path>, desk: &Desk) {
    // A configuration that can't be read is the command's own affair.
    let Ok(file) = File::load(config, &desk.environment) else {
        return;
    };
    let Some(state) = file.state(&desk.environment) else {
        return;
    };
    match freeze::thaw_left_behind(&state) {
        Ok(LeftBehind::Nothing | LeftBehind::AtWork(_)) => {}
        Ok(LeftBehind::Thawed(record, thaw)) => {
            let said = said(&record.to_string(), thaw);
            desk.screen
                .note(&format!("a deploy ended too early: {said}"));
        }
        Err(error) => {
            let failure = Failure::Freeze(error);
            let hint = of_failure(&failure).hint.unwrap_or_default();
            desk.screen.note(&format!("{}; {hint}", one_line(&failure)));
        }
    }
}

fn said(what: &str, thaw: Thaw) -> String {
    match thaw {
        Thaw::Thawed => format!("{what} was frozen, and is thawed now"),
        Thaw::WasNot => format!("{what} is not frozen"),
    }
}
