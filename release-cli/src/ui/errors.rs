//! What went wrong, in words, on standard error.

use std::error::Error as StdError;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use release_sync::Error;

use super::paint::{Paint, Tone};
use super::words::{harmless, list};
use crate::exit::{of_error, of_failure};
use crate::failure::Failure;

/// Standard error.
#[derive(Debug)]
pub(super) struct Errors<E> {
    err: Mutex<E>,
    pub(super) paint: Paint,
}

impl<E: Write> Errors<E> {
    pub(super) fn new(err: E, paint: Paint) -> Self {
        Self {
            err: Mutex::new(err),
            paint,
        }
    }

    /// A line, whole even when several threads speak.
    pub(super) fn line(&self, text: &str) {
        let mut err = self.err.lock().unwrap_or_else(PoisonError::into_inner);
        // In one write, so that nothing comes between. Nobody is left to be told that nobody listens.
        let _ = err.write_all(format!("{text}\n").as_bytes());
    }

    /// An error, its causes, and what to do about it.
    pub(super) fn failure(&self, failure: &Failure) {
        let word = self.paint.apply(Tone::Bad, "error:");
        let mut text = format!("{word} {}", harmless(&failure.to_string()));
        let mut cause = failure.source();
        while let Some(error) = cause {
            text.push_str(&format!("\n  caused by: {}", harmless(&error.to_string())));
            cause = error.source();
        }
        if let Some(hint) = of_failure(failure).hint {
            text.push_str(&format!("\n{} {}", self.hint_word(), harmless(&hint)));
        }
        self.line(&text);
    }

    /// What happened to one host.
    pub(super) fn host(&self, host: &str, error: &Error) {
        let word = self.paint.apply(Tone::Bad, "error:");
        let text = format!("{host}: {}", one_line(error));
        self.line(&format!("{word} {}", harmless(&text)));
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
            let text = format!("{}: {hint}", list(&hosts));
            self.line(&format!("{} {}", self.hint_word(), harmless(&text)));
        }
    }

    #[cfg(test)]
    pub(super) fn into_inner(self) -> E {
        self.err
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn hint_word(&self) -> String {
        self.paint.apply(Tone::Warning, "hint:")
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
