//! Some of release-boot's keys, with values that were checked.

use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use super::{BootCloud, BootConfig, KeySource, OnFailure, Verify};
use crate::cloud::VolumeKind;
use crate::config::{Period, nearest};
use crate::escape;

/// Why release-boot can't do what it was told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BootError {
    /// There is no such key.
    #[error("there is no key `{key}`; the nearest is `{nearest}`")]
    UnknownKey {
        /// As it was written.
        key: String,
        /// The known key that is spelt most like it.
        nearest: &'static str,
    },
    /// A value that makes no sense.
    #[error("`{key}` can't be `{value}`: {reason}")]
    Value {
        /// The key.
        key: &'static str,
        /// As it was written, cut to what fits a line.
        value: String,
        /// What would be right.
        reason: String,
    },
    /// Something that is needed.
    #[error("`{0}` is missing")]
    Missing(&'static str),
}

/// Where a pointer is: a URL that begins with `http://`, `https://` or `file:///`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PointerUrl(String);

impl PointerUrl {
    /// The URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PointerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Declares the keys, each with the setter of its type.
macro_rules! settings {
    ($($key:ident: $type:ty = $parse:expr,)*) => {
        /// Some of the keys. What is put over it later wins, key by key.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct BootSettings {
            pointers: Vec<PointerUrl>,
            $($key: Option<$type>,)*
        }

        impl BootSettings {
            /// The keys, as they stand in the file.
            pub const KEYS: &'static [&'static str] = &["pointer", $(stringify!($key),)*];

            /// Sets one key, from text. `-` and `_` are the same in a key. `pointer` may be set more than once,
            /// and adds to what is there.
            pub fn set(&mut self, key: &str, value: &str) -> Result<(), BootError> {
                match key.replace('-', "_").as_str() {
                    "pointer" => self.pointers.push(read("pointer", value, url)?),
                    $(stringify!($key) => {
                        self.$key = Some(read(stringify!($key), value, $parse)?);
                    })*
                    _ => return Err(unknown(key)),
                }
                Ok(())
            }

            /// These, and `under` for the keys that these don't have.
            #[must_use]
            pub fn over(self, under: Self) -> Self {
                Self {
                    pointers: if self.pointers.is_empty() { under.pointers } else { self.pointers },
                    $($key: self.$key.or(under.$key),)*
                }
            }
        }
    };
}

settings! {
    public_key: KeySource = public_key,
    allow_unsigned: bool = flag,
    mount: PathBuf = path,
    root: PathBuf = path,
    options: String = options,
    attempts: u32 = |text| number(text, 1, 1_000),
    interval: Duration = period,
    deadline: Duration = period,
    on_failure: OnFailure = |text| choice(text, &[
        ("continue", OnFailure::Continue),
        ("fail", OnFailure::Fail),
        ("abandon", OnFailure::Abandon),
    ]),
    lifecycle_hook: crate::HookName = parsed,
    fstab: bool = flag,
    verify: Verify = |text| choice(text, &[("marker", Verify::Marker), ("full", Verify::Full)]),
    cloud: BootCloud = cloud,
    volume_type: VolumeKind = volume_type,
    throughput: u32 = |text| number(text, 125, 2_000),
    iops: u32 = |text| number(text, 100, 256_000),
    initialization_rate: u32 = |text| number(text, 100, 300),
    kms_key: String = line,
    authorities: PathBuf = path,
    state: PathBuf = path,
    json: bool = flag,
    sys: PathBuf = path,
    dev: PathBuf = path,
}

impl BootSettings {
    /// Fills in the defaults.
    ///
    /// # Errors
    /// Where it is not said where the pointer is, or what it is checked with.
    pub fn resolve(self) -> Result<BootConfig, BootError> {
        if self.pointers.is_empty() {
            return Err(BootError::Missing("pointer"));
        }
        if self.public_key.is_none() && !self.allow_unsigned.unwrap_or(false) {
            return Err(BootError::Missing("public_key"));
        }
        Ok(self.without_pointer())
    }

    /// The same for what reads no pointer, as hashing what is mounted: there may be none, and no key.
    pub fn without_pointer(self) -> BootConfig {
        let or = |path: Option<PathBuf>, default: &str| path.unwrap_or_else(|| default.into());
        BootConfig {
            pointers: self.pointers,
            public_key: self.public_key,
            allow_unsigned: self.allow_unsigned.unwrap_or(false),
            mount: or(self.mount, "/release"),
            root: or(self.root, "/"),
            options: self.options.unwrap_or_else(|| "rw,nodev,nosuid".to_owned()),
            attempts: self.attempts.unwrap_or(10),
            interval: self.interval.unwrap_or(Duration::from_secs(5)),
            deadline: self.deadline.unwrap_or(Duration::from_secs(300)),
            on_failure: self.on_failure.unwrap_or_default(),
            lifecycle_hook: self.lifecycle_hook,
            fstab: self.fstab.unwrap_or(false),
            verify: self.verify.unwrap_or_default(),
            cloud: self.cloud.unwrap_or_default(),
            volume_type: self.volume_type.unwrap_or(VolumeKind::Gp3),
            throughput: self.throughput,
            iops: self.iops,
            initialization_rate: self.initialization_rate,
            kms_key: self.kms_key,
            authorities: self.authorities,
            state: or(self.state, "/var/lib/release"),
            json: self.json.unwrap_or(false),
            sys: or(self.sys, "/sys"),
            dev: or(self.dev, "/dev"),
        }
    }
}

/// A value, or the reason why a text is none.
type Read<T> = Result<T, String>;

fn read<T>(key: &'static str, text: &str, parse: impl Fn(&str) -> Read<T>) -> Result<T, BootError> {
    parse(text).map_err(|reason| BootError::Value {
        key,
        value: shown(text),
        reason,
    })
}

pub(super) fn unknown(key: &str) -> BootError {
    let known = BootSettings::KEYS.iter().copied();
    BootError::UnknownKey {
        key: shown(key),
        nearest: nearest(&key.replace('-', "_"), known).unwrap_or_default(),
    }
}

fn shown(text: &str) -> String {
    let cut: String = text.chars().take(60).collect();
    escape(cut.as_bytes())
}

fn url(text: &str) -> Read<PointerUrl> {
    let scheme = ["http://", "https://", "file:///"].iter().any(|scheme| {
        text.strip_prefix(scheme)
            .is_some_and(|rest| !rest.is_empty())
    });
    let odd = |character: char| character.is_control() || character.is_whitespace();
    if scheme && text.len() <= 2_048 && !text.contains(odd) {
        Ok(PointerUrl(text.to_owned()))
    } else {
        Err("it is a URL that begins with `http://`, `https://` or `file:///`".to_owned())
    }
}

fn public_key(text: &str) -> Read<KeySource> {
    match text.parse() {
        Ok(key) => Ok(KeySource::Key(key)),
        Err(_) if text.starts_with('/') => path(text).map(KeySource::File),
        Err(_) => Err("it is a minisign public key, or the absolute path of one".to_owned()),
    }
}

/// An absolute path that leads nowhere else than it seems to.
fn path(text: &str) -> Read<PathBuf> {
    let path = Path::new(text);
    let plain = path
        .components()
        .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if path.is_absolute() && plain && !text.contains(char::is_control) {
        Ok(path.to_owned())
    } else {
        Err("it is a path that begins with `/`, without `..`".to_owned())
    }
}

/// What stands in fstab too: nothing that would end the field.
fn options(text: &str) -> Read<String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-=.,:/+".contains(&byte);
    if !text.is_empty() && text.len() <= 1_024 && text.bytes().all(allowed) {
        Ok(text.to_owned())
    } else {
        Err("mount options are separated by commas, as in `rw,nodev,nosuid`".to_owned())
    }
}

fn line(text: &str) -> Read<String> {
    let label: Read<crate::Label> = parsed(text);
    label.map(|label| label.as_str().to_owned())
}

fn flag(text: &str) -> Read<bool> {
    choice(text, &[("true", true), ("false", false)])
}

fn number(text: &str, low: u32, high: u32) -> Read<u32> {
    match text.parse() {
        Ok(number) if (low..=high).contains(&number) => Ok(number),
        _ => Err(format!("it is a whole number between {low} and {high}")),
    }
}

fn period(text: &str) -> Read<Duration> {
    match parsed(text)? {
        Period(Duration::ZERO) => Err("it is longer than nothing".to_owned()),
        Period(duration) => Ok(duration),
    }
}

fn cloud(text: &str) -> Read<BootCloud> {
    match text.split_once(':') {
        None if text == "aws" => Ok(BootCloud::Aws),
        Some(("local", folder)) if !folder.is_empty() => Ok(BootCloud::Local(folder.into())),
        _ => Err("it is `aws`, or `local:` and a folder".to_owned()),
    }
}

fn volume_type(text: &str) -> Read<VolumeKind> {
    match VolumeKind::from(text) {
        VolumeKind::Unknown(_) => Err("it is one of gp3, gp2, io2, io1".to_owned()),
        kind => Ok(kind),
    }
}

fn choice<T: Copy>(text: &str, words: &[(&str, T)]) -> Read<T> {
    let found = words.iter().find(|(word, _)| *word == text);
    found.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        format!("it is one of {}", words.join(", "))
    })
}

fn parsed<T: FromStr<Err: fmt::Display>>(text: &str) -> Read<T> {
    text.parse().map_err(|error: T::Err| error.to_string())
}
