//! What went wrong, in words, on standard error.

use std::error::Error as StdError;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use release_sync::Error;

use super::paint::{Paint, Tone};
use super::words::{harmless, list, width, wrap};
use crate::exit::{of_error, of_failure};
use crate::failure::Failure;

/// Standard error.
#[derive(Debug)]
pub(super) struct Errors<E> {
    err: Mutex<E>,
    pub(super) paint: Paint,
    /// Of the terminal, if it is one.
    columns: fn() -> Option<usize>,
}

impl<E: Write> Errors<E> {
    pub(super) fn new(err: E, paint: Paint) -> Self {
        Self {
            err: Mutex::new(err),
            paint,
            columns: || None,
        }
    }

    /// From now on long texts are broken where the terminal ends.
    pub(super) fn on(self, columns: fn() -> Option<usize>) -> Self {
        Self { columns, ..self }
    }

    /// A line, whole even when several threads speak.
    pub(super) fn line(&self, text: &str) {
        let mut err = self.err.lock().unwrap_or_else(PoisonError::into_inner);
        // In one write, so that nothing comes between. Nobody is left to be told that nobody listens.
        let _ = err.write_all(format!("{text}\n").as_bytes());
    }

    /// A question, broken where the terminal ends.
    pub(super) fn question(&self, text: &str) {
        let text = harmless(text);
        match (self.columns)() {
            None => self.line(&text),
            Some(columns) => self.line(&wrap(&text, columns, 0).join("\n")),
        }
    }

    /// Lines that begin with a word in colour, broken where the terminal ends.
    fn say(&self, tone: Tone, word: &str, text: &str) {
        const INDENT: &str = "  ";
        let text = harmless(text);
        let painted = self.paint.apply(tone, word);
        let lines = match (self.columns)() {
            None => vec![text.into_owned()],
            Some(columns) => wrap(&text, columns.saturating_sub(INDENT.len()), width(word) + 1),
        };
        self.line(&format!("{painted} {}", lines.join(&format!("\n{INDENT}"))));
    }

    /// An error, its causes, and what to do about it.
    pub(super) fn failure(&self, failure: &Failure) {
        self.say(Tone::Bad, "error:", &failure.to_string());
        let mut cause = failure.source();
        while let Some(error) = cause {
            self.say(Tone::Plain, "  caused by:", &error.to_string());
            cause = error.source();
        }
        if let Some(hint) = of_failure(failure).hint {
            self.hint(&hint);
        }
    }

    /// What happened to one host.
    pub(super) fn host(&self, host: &str, error: &Error) {
        self.say(Tone::Bad, "error:", &format!("{host}: {}", one_line(error)));
    }

    /// One hint for all hosts that it helps.
    pub(super) fn hints<'e>(&self, faults: impl Iterator<Item = (&'e str, &'e Error)>) {
        let mut hints: Vec<(String, Vec<&str>)> = Vec::new();
        for (host, error) in faults {
            let Some(hint) = of_error(error).hint else {
                continue;
            };
            match hints.iter_mut().find(|(known, _)| *known == hint) {
                Some((_, hosts)) => hosts.push(host),
                None => hints.push((hint, vec![host])),
            }
        }
        for (hint, hosts) in hints {
            self.hint(&format!("{}: {hint}", list(&hosts)));
        }
    }

    #[cfg(test)]
    pub(super) fn into_inner(self) -> E {
        self.err
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn hint(&self, text: &str) {
        self.say(Tone::Warning, "hint:", text);
    }
}

/// An error and its causes in one line, from the outside in.
pub(crate) fn one_line(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io;
    use std::path::PathBuf;

    use release_core::Config;

    use super::*;
    use crate::ui::samples;

    fn said(speak: impl FnOnce(&Errors<Vec<u8>>)) -> String {
        let errors = Errors::new(Vec::new(), Paint(false));
        speak(&errors);
        String::from_utf8(errors.into_inner()).unwrap()
    }

    #[test]
    fn failures_have_a_chain_and_a_hint() {
        let path = PathBuf::from("/etc/release/release.toml");
        let failures = [
            Failure::Config {
                path: path.clone(),
                source: Config::parse("[sync]\nparalel = 4").unwrap_err(),
            },
            Failure::ConfigUnreadable {
                path: path.clone(),
                source: io::ErrorKind::PermissionDenied.into(),
            },
            Failure::NoConfig {
                looked_for: vec!["/srv/release.toml".into(), path],
            },
            Failure::Unsaid {
                what: "which tree to deploy",
                flag: "--source DIR",
                key: "source",
            },
            Failure::UnknownHost {
                name: "web1".into(),
                nearest: "web-1".into(),
            },
            Failure::NothingToSnapshot,
            Failure::Locked {
                path: "/var/lib/release/deploy.lock".into(),
                holder: "ada@build-1 (process 42)".into(),
            },
            Failure::Engine(Error::SourceEmpty {
                path: "/srv/app".into(),
            }),
            Failure::Interrupted,
        ];
        let texts = failures
            .iter()
            .map(|failure| said(|errors| errors.failure(failure)));
        insta::assert_snapshot!(texts.collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn errors_of_hosts_have_a_chain_and_a_hint() {
        let texts = samples::errors().into_iter().map(|error| {
            said(|errors| {
                errors.host("web-1", &error);
                errors.hints([("web-1", &error)].into_iter());
            })
        });
        insta::assert_snapshot!(texts.collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn a_terminal_is_not_written_beyond() {
        let errors = Errors::new(Vec::new(), Paint(false)).on(|| Some(60));
        for error in samples::errors() {
            errors.host("web-1.production.example.internal", &error);
            errors.hints([("web-1", &error)].into_iter());
        }
        errors.question(&"Is that meant? ".repeat(9));
        let text = String::from_utf8(errors.into_inner()).unwrap();
        assert!(text.lines().count() > 50);
        for line in text.lines() {
            let is_one_word = line.trim().split(' ').count() <= 2;
            assert!(width(line) <= 60 || is_one_word, "{line}");
        }
    }

    #[test]
    fn hosts_share_a_hint() {
        let full = Error::NoSpace {
            destination: "/release".into(),
        };
        let locked = samples::locked();
        let names: Vec<_> = (1..=7).map(|number| format!("web-{number}")).collect();
        let mut faults: Vec<_> = names.iter().map(|name| (name.as_str(), &full)).collect();
        faults.push(("db-1", &locked));
        insta::assert_snapshot!(said(|errors| errors.hints(faults.into_iter())));
    }
}
