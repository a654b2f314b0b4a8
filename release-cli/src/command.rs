//! The verbs, one file each.

mod demo;
mod deploy;
mod desk;
mod doctor;
mod freeze;
mod manual;
mod plan;
mod pull;
mod status;
mod thaw;

use std::ffi::OsString;
use std::sync::Arc;

use clap::Parser;
use clap::error::Error as ClapError;

use crate::args::{Args, Color, Global, Verb};
use crate::context::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupts;
use crate::ui::{Screen, screen};
use desk::Desk;

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
    let screen = screen(&args.global, &environment, matches!(args.verb, Verb::Demo));
    let _last_words = LastWords(Arc::clone(&screen));
    do_verb(&args, environment, &screen).unwrap_or_else(|failure| {
        screen.failed(&failure);
        Exit::of_failure(&failure)
    })
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
    if !is_apart(&args.verb) {
        thaw::left_behind(config, &desk);
    }
    match &args.verb {
        Verb::Deploy(args) => deploy::run(args, config, &desk),
        Verb::Plan(args) => plan::run(args, config, &desk),
        Verb::Status(args) => status::run(args, config, &desk),
        Verb::Pull(args) => pull::run(args, config, &desk),
        Verb::Doctor(args) => doctor::run(args, config, &desk),
        Verb::Thaw(args) => thaw::run(args, config, &desk),
        Verb::Freeze(args) => freeze::run(args, config, &desk),
        Verb::Watchdog { limit } => Ok(freeze::watch(*limit)),
        Verb::Demo => demo::run(&desk),
        Verb::Completions { shell } => Ok(manual::completions(*shell)),
        Verb::Man { dir: None } => Ok(manual::print()),
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

/// Whatever way a command ends, a reader of events gets the last one.
struct LastWords(Arc<dyn Screen>);

impl Drop for LastWords {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// Help and the version are errors in clap's eyes, too.
fn not_understood(error: &ClapError, argv: &[OsString], environment: &Environment) -> Exit {
    if !error.use_stderr() {
        // Nobody reads it: nothing is lost.
        let _ = error.print();
        return Exit::Done;
    }
    if argv.iter().any(|argument| argument == "--json") {
        let global = Global {
            config: None,
            json: true,
            verbose: false,
            quiet: false,
            color: Color::Auto,
        };
        screen(&global, environment, false).failed(&Failure::Typed(first_paragraph(error)));
    } else {
        let _ = error.print();
    }
    Exit::Usage
}

fn first_paragraph(error: &ClapError) -> String {
    let text = error.render().to_string();
    let paragraph = text.split("\n\n").next().unwrap_or_default();
    let words: Vec<_> = paragraph.split_whitespace().collect();
    words.join(" ").trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_not_understood_is_said_in_one_line() {
        for (argv, message) in [
            (
                &["release-cli", "deploy", "--hots", "a"][..],
                "unexpected argument '--hots' found",
            ),
            (
                &["release-cli", "deploy", "--parallel", "0"],
                "invalid value '0' for '--parallel <N>': 0 is not in 1..=4096",
            ),
            (
                &["release-cli", "depoly"],
                "unrecognized subcommand 'depoly'",
            ),
            (
                &["release-cli", "status", "-q", "-v"],
                "the argument '--quiet' cannot be used with '--verbose'",
            ),
        ] {
            let error = Args::try_parse_from(argv).unwrap_err();
            assert_eq!(first_paragraph(&error), message);
        }
    }
}
