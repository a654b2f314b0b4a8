//! What was typed.
//!
//! The options are the keys of the configuration, so that there is nothing to keep in step: `--KEY VALUE`,
//! `--KEY=VALUE`, and `--KEY` alone where the value is yes or no. No library for it, since each
//! would be a tenth of the program.

use std::ffi::OsString;
use std::path::PathBuf;

use release_core::{BootError, BootSettings, escape};

/// Help, as it is printed.
pub(crate) const HELP: &str = include_str!("help.txt");

/// What was typed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Args {
    pub(crate) verb: Verb,
    /// `--config`, where it was given.
    pub(crate) config: Option<PathBuf>,
    pub(crate) settings: BootSettings,
}

/// What to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Bring the release here.
    #[default]
    Boot,
    /// The same, said by a timer: nothing that is mounted is an answer too.
    Reconcile,
    /// Hash every file of what is mounted.
    Verify,
    Help,
    Version,
}

/// What was typed makes no sense.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ArgsError {
    #[error("an argument is not UTF-8")]
    NotText,
    #[error("there is no verb `{0}`: there are `verify` and `reconcile`, or none")]
    Verb(String),
    #[error("`{0}` needs a value")]
    NoValue(String),
    #[error("{0}")]
    Key(#[from] BootError),
}

/// Keys whose value is yes or no.
const FLAGS: [&str; 3] = ["allow-unsigned", "fstab", "json"];

impl Args {
    pub(crate) fn parse(typed: impl Iterator<Item = OsString>) -> Result<Self, ArgsError> {
        let mut args = Self::default();
        let typed: Result<Vec<String>, _> = typed.map(OsString::into_string).collect();
        let mut words = typed.map_err(|_| ArgsError::NotText)?.into_iter();
        let mut has_verb = false;
        while let Some(word) = words.next() {
            match word.strip_prefix("--") {
                Some(option) => args.option(option, &mut words)?,
                None if word == "-h" => args.verb = Verb::Help,
                None if word == "-V" => args.verb = Verb::Version,
                None if has_verb => return Err(ArgsError::Verb(shown(&word))),
                None => {
                    has_verb = true;
                    args.verb = verb(&word).ok_or_else(|| ArgsError::Verb(shown(&word)))?;
                }
            }
        }
        Ok(args)
    }

    fn option(
        &mut self,
        option: &str,
        words: &mut impl Iterator<Item = String>,
    ) -> Result<(), ArgsError> {
        match option {
            "help" => self.verb = Verb::Help,
            "version" => self.verb = Verb::Version,
            _ => {
                let (key, value) = match option.split_once('=') {
                    Some((key, value)) => (key, value.to_owned()),
                    None if FLAGS.contains(&option) => (option, "true".to_owned()),
                    None => {
                        let value = words.next();
                        let missing = || ArgsError::NoValue(format!("--{}", shown(option)));
                        (option, value.ok_or_else(missing)?)
                    }
                };
                if key == "config" {
                    self.config = Some(value.into());
                } else {
                    self.settings.set(key, &value)?;
                }
            }
        }
        Ok(())
    }
}

fn verb(word: &str) -> Option<Verb> {
    match word {
        "verify" => Some(Verb::Verify),
        "reconcile" => Some(Verb::Reconcile),
        _ => None,
    }
}

fn shown(word: &str) -> String {
    let cut: String = word.chars().take(60).collect();
    escape(cut.as_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn parse(words: &[&str]) -> Result<Args, String> {
        let typed = words.iter().map(OsString::from);
        Args::parse(typed).map_err(|error| error.to_string())
    }

    #[test]
    fn options_are_the_configurations_keys() {
        let args = parse(&[
            "--config=/b.toml",
            "--pointer",
            "http://a/release.json",
            "--pointer=file:///p",
            "--allow-unsigned",
            "--on-failure",
            "abandon",
            "--fstab",
            "reconcile",
        ])
        .unwrap();
        assert_eq!(
            (args.verb, args.config),
            (Verb::Reconcile, Some("/b.toml".into()))
        );
        let mut expected = BootSettings::default();
        for (key, value) in [
            ("pointer", "http://a/release.json"),
            ("pointer", "file:///p"),
            ("allow_unsigned", "true"),
            ("on_failure", "abandon"),
            ("fstab", "true"),
        ] {
            expected.set(key, value).unwrap();
        }
        assert_eq!(args.settings, expected);
        assert_eq!(parse(&[]).unwrap(), Args::default());
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (words, message) in [
            (&["boot"][..], "there is no verb `boot`"),
            (&["verify", "verify"], "there is no verb `verify`"),
            (&["--mount"], "`--mount` needs a value"),
            (
                &["--moutn", "/x"],
                "there is no key `moutn`; the nearest is `mount`",
            ),
            (&["--mount", "x"], "`mount` can't be `x`"),
            (&["--fstab=maybe"], "`fstab` can't be `maybe`"),
            (&["-x"], "there is no verb `-x`"),
            (&["\u{1b}[2J"], "there is no verb `\\x1b[2J`"),
        ] {
            let refusal = parse(words).unwrap_err();
            assert!(refusal.contains(message), "{words:?}: {refusal}");
        }
    }

    #[test]
    fn help_names_every_key_and_no_other() {
        for key in BootSettings::KEYS {
            let option = format!("  --{}", key.replace('_', "-"));
            assert!(HELP.contains(&option), "{option}");
        }
        for line in HELP.lines().filter_map(|line| line.strip_prefix("  --")) {
            let key = line.split_whitespace().next().unwrap().replace('-', "_");
            let is_known = BootSettings::KEYS.contains(&key.as_str());
            assert!(
                is_known || ["config", "help", "version"].contains(&key.as_str()),
                "{key}"
            );
        }
        for flag in FLAGS {
            let line = HELP
                .lines()
                .find(|line| line.contains(&format!("--{flag}")));
            assert!(!line.unwrap().contains('<'), "{flag}");
        }
    }
}
