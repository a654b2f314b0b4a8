//! `history`: what was deployed.

use std::path::Path;

use super::desk::Desk;
use crate::args::HistoryArgs;
use crate::context::File;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::state::State;
use crate::ui::count;

pub(super) fn run(args: &HistoryArgs, config: Option<&Path>, desk: &Desk) -> Result<Exit, Failure> {
    let file = File::load(config, &desk.environment)?;
    let directory = file.state(&desk.environment).ok_or(Failure::NoStateHome)?;
    let history =
        State::at(&directory).history(usize::try_from(args.last).unwrap_or(usize::MAX))?;
    if history.damaged > 0 {
        let lines = count(history.damaged as u64, "line");
        desk.screen.note(&format!(
            "warning: {lines} of the history can't be read, and are left out"
        ));
    }
    if history.entries.is_empty() {
        desk.screen.note("nothing was deployed so far");
    }
    desk.screen.history(&history.entries);
    Ok(Exit::Done)
}
