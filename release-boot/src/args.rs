//! What was typed.
//!
//! The options are the keys of the configuration, so that there is nothing to keep in step: `--KEY VALUE`,
//! `--KEY=VALUE`, and `--KEY` alone where the value is yes or no. No library for it, since each
//! would be a tenth of the program.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use release_core::{BootError, BootSettings, PublicKey, escape};

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
    #[error(transparent)]
    Key(#[from] BootError),
}

/// Keys whose value is yes or no.
const FLAGS: [&str; 3] = ["allow-unsigned", "fstab", "json"];

impl Args {
    /// `directory` is what a key's file is relative to.
    pub(crate) fn parse(
        typed: impl Iterator<Item = OsString>,
        directory: &Path,
    ) -> Result<Self, ArgsError> {
        let mut args = Self::default();
        let typed: Result<Vec<String>, _> = typed.map(OsString::into_string).collect();
        let mut words = typed.map_err(|_| ArgsError::NotText)?.into_iter();
        let mut has_verb = false;
        while let Some(word) = words.next() {
            match word.strip_prefix("--") {
                Some(option) => args.option(option, &mut words, directory)?,
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
        directory: &Path,
    ) -> Result<(), ArgsError> {
        match option {
            "help" => self.verb = Verb::Help,
            "version" => self.verb = Verb::Version,
            _ => {
                let (key, value) = match option.split_once('=') {
                    Some((key, value)) => (key, value.to_owned()),
                    None if FLAGS.contains(&option) => (option, "true".to_owned()),
                    None => match words.next() {
                        Some(value) => (option, value),
                        None => return Err(no_value(option)),
                    },
                };
                match key {
                    "config" => self.config = Some(value.into()),
                    "public-key" | "public_key" => {
                        self.settings.set(key, &key_or_file(value, directory))?;
                    }
                    _ => self.settings.set(key, &value)?,
                }
            }
        }
        Ok(())
    }
}

/// What is said of the last word, if it is an option; a key that there isn't needs no value.
fn no_value(option: &str) -> ArgsError {
    match BootSettings::default().set(option, "") {
        Err(error @ BootError::UnknownKey { .. }) if option != "config" => error.into(),
        _ => ArgsError::NoValue(format!("--{}", shown(option))),
    }
}

/// A key as it is; else the file with it, which in a shell may be named from where one is.
fn key_or_file(value: String, directory: &Path) -> String {
    let is_key = || value.parse::<PublicKey>().is_ok();
    if value.is_empty() || value.starts_with('/') || is_key() {
        return value;
    }
    let path = directory.join(&value);
    // Without `..`, if it is there.
    let path = path.canonicalize().unwrap_or(path);
    path.into_os_string().into_string().unwrap_or(value)
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
        Args::parse(typed, Path::new("/here")).map_err(|error| error.to_string())
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
            (&["--config"], "`--config` needs a value"),
            (
                &["--moutn"],
                "there is no key `moutn`; the nearest is `mount`",
            ),
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
    fn a_keys_file_may_be_relative() {
        const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
        for (typed, meant) in [
            ("release.pub", "/here/release.pub"),
            ("/etc/release.pub", "/etc/release.pub"),
            (KEY, KEY),
        ] {
            let args = parse(&["--public-key", typed]).unwrap();
            let mut expected = BootSettings::default();
            expected.set("public_key", meant).unwrap();
            assert_eq!(args.settings, expected, "{typed}");
        }
        assert!(parse(&["--public-key="]).is_err());
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
