//! The verbs, one file each.

mod demo;
mod deploy;
mod desk;
mod doctor;
mod freeze;
mod history;
mod keygen;
mod manual;
mod password;
mod plan;
mod prune;
mod pull;
mod rollback;
mod serve;
mod setup;
mod snapshot;
mod status;
mod thaw;
mod unfinished;

use std::ffi::OsString;
use std::io;
use std::sync::Arc;

use clap::error::{Error as ClapError, ErrorKind};
use clap::{CommandFactory, Parser};

use crate::args::{Args, Color, Global, Verb, mistake};
use crate::context::Environment;
use crate::descriptors;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupts;
use crate::ui::{Screen, screen};
use desk::Desk;
pub(crate) use keygen::{Names as KeyNames, make as make_key};
pub(crate) use pull::has_content;

/// Does what was typed.
pub(crate) fn run(argv: impl Iterator<Item = OsString>, environment: Environment) -> Exit {
    let argv: Vec<_> = argv.collect();
    let args = match Args::try_parse_from(&argv) {
        Ok(args) => args,
        Err(error) => return not_understood(&error, &argv, &environment),
    };
    if let Verb::Watchdog { limit } = args.verb {
        // It has no screen, and nobody waits for its end.
        return freeze::watch(limit);
    }
    descriptors::raise_limit();
    let screen = screen(&args.global, &environment, matches!(args.verb, Verb::Demo));
    let _last_words = LastWords(Arc::clone(&screen));
    let exit = do_verb(&args, environment, &screen).unwrap_or_else(|failure| {
        screen.failed(&failure);
        Exit::of_failure(&failure)
    });
    match screen.lost() {
        Some(source) => {
            screen.failed(&Failure::Output { source });
            exit.without_output(false)
        }
        None => exit,
    }
}

fn do_verb(
    args: &Args,
    environment: Environment,
    screen: &Arc<dyn Screen>,
) -> Result<Exit, Failure> {
    let desk = Desk {
        interrupts: Interrupts::listen(screen)?,
        screen: Arc::clone(screen),
        environment,
    };
    let config = args.global.config.as_deref();
    if args.global.json && is_text(&args.verb) {
        return Err(Failure::NoEvents);
    }
    if !is_apart(&args.verb) {
        thaw::left_behind(config, &desk);
        unfinished::tell(config, &desk);
    }
    match &args.verb {
        Verb::Deploy(args) => deploy::run(args, config, &desk),
        Verb::Plan(args) => plan::run(args, config, &desk),
        Verb::Status(args) => status::run(args, config, &desk),
        Verb::Pull(args) => pull::run(args, config, &desk),
        Verb::Snapshot(args) => snapshot::run(args, config, &desk),
        Verb::Rollback(args) => rollback::run(args, config, &desk),
        Verb::History(args) => history::run(args, config, &desk),
        Verb::Prune(args) => prune::run(args, config, &desk),
        Verb::Serve(args) => serve::run(args, config, &desk),
        Verb::Setup(args) => setup::run(args, config, &desk),
        Verb::Keygen(args) => keygen::run(args, config, &desk),
        Verb::Doctor(args) => doctor::run(args, config, &desk),
        Verb::Thaw(args) => thaw::run(args, config, &desk),
        Verb::Freeze(args) => freeze::run(args, config, &desk),
        Verb::Watchdog { limit } => Ok(freeze::watch(*limit)),
        Verb::Demo => demo::run(&desk),
        Verb::Completions { shell } => manual::completions(*shell),
        Verb::Man { dir: None } => manual::print(),
        Verb::Man { dir: Some(dir) } => manual::write(dir, &desk),
    }
}

/// Has the verb nothing to do with a release server's state, or sees to it itself?
fn is_apart(verb: &Verb) -> bool {
    matches!(
        verb,
        Verb::Demo
            | Verb::Completions { .. }
            | Verb::Man { .. }
            | Verb::Thaw(_)
            | Verb::Watchdog { .. }
    )
}

/// Is all that it has to say a text that is no list of events?
fn is_text(verb: &Verb) -> bool {
    matches!(verb, Verb::Completions { .. } | Verb::Man { dir: None })
}

/// Whatever way a command ends, a reader of events gets the last one.
struct LastWords(Arc<dyn Screen>);

impl Drop for LastWords {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// Help and the version are errors in clap's eyes, too.
fn not_understood(error: &ClapError, argv: &[OsString], environment: &Environment) -> Exit {
    let json = argv.iter().any(|argument| argument == "--json");
    let is_help = error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand && !json;
    if error.use_stderr() && !is_help {
        let global = Global {
            config: None,
            json,
            verbose: false,
            quiet: false,
            color: Color::Auto,
        };
        let failure = mistake(error, verb(argv).as_deref());
        screen(&global, environment, false).failed(&failure);
        return Exit::Usage;
    }
    match error.print() {
        _ if error.use_stderr() => Exit::Usage,
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Exit::Failed,
        // Whoever doesn't read to the end misses nothing that they want.
        _ => Exit::Done,
    }
}

/// The command that was typed, if any was.
fn verb(argv: &[OsString]) -> Option<String> {
    let words = argv.iter().skip(1).filter_map(|word| word.to_str());
    let command = Args::command();
    let is_verb = |word: &&str| command.find_subcommand(word).is_some();
    words.into_iter().find(is_verb).map(str::to_owned)
}
