//! Settings out of a file, and out of the kernel's command line.

use std::borrow::Cow;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::settings::unknown;
use super::{BootError, BootSettings};
use crate::config::{ConfigError, ConfigFault};

/// What a parameter of ours begins with.
const PREFIX: &str = "release.";

impl BootSettings {
    /// Reads the content of `boot.toml`. The empty text sets nothing.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let document = DeTable::parse(text).map_err(|error| {
            let offset = error.span().map_or(text.len(), |span| span.start);
            ConfigError::at(
                text,
                offset,
                ConfigFault::Syntax(error.message().to_owned()),
            )
        })?;
        let mut settings = Self::default();
        for (key, value) in document.get_ref().iter() {
            let name = key.get_ref();
            if !Self::KEYS.contains(&name.as_ref()) {
                let fault = fault_of(unknown(name));
                return Err(ConfigError::at(text, key.span().start, fault));
            }
            for value in one_or_more(name, value) {
                let set = as_text(name, value)
                    .and_then(|value| settings.set(name, &value).map_err(fault_of));
                set.map_err(|fault| ConfigError::at(text, value.span().start, fault))?;
            }
        }
        Ok(settings)
    }

    /// Reads the kernel's command line: of it, `release.KEY=VALUE`, and `release.KEY` for `true`. A value in
    /// double quotes may have blanks in it, and what follows `--` is not the kernel's.
    pub fn parse_kernel_line(line: &str) -> Result<Self, BootError> {
        let mut settings = Self::default();
        for parameter in parameters(line).take_while(|parameter| parameter != "--") {
            if let Some(ours) = parameter.strip_prefix(PREFIX) {
                let (key, value) = ours.split_once('=').unwrap_or((ours, "true"));
                settings.set(key, value)?;
            }
        }
        Ok(settings)
    }
}

/// The words of a kernel's command line, without their quotes. As the kernel has it, a quote is no
/// part of a value, and a backslash nothing special.
fn parameters(line: &str) -> impl Iterator<Item = String> {
    let mut quoted = false;
    let words = line.split(move |character: char| {
        quoted ^= character == '"';
        !quoted && character.is_ascii_whitespace()
    });
    words
        .filter(|word| !word.is_empty())
        .map(|word| word.replace('"', ""))
}

/// Only `pointer` may be an array.
fn one_or_more<'t>(
    key: &str,
    value: &'t Spanned<DeValue<'t>>,
) -> Box<dyn Iterator<Item = &'t Spanned<DeValue<'t>>> + 't> {
    match value.get_ref().as_array() {
        Some(array) if key == "pointer" => Box::new(array.iter()),
        _ => Box::new(std::iter::once(value)),
    }
}

/// A value as it would be written elsewhere.
fn as_text<'t>(key: &str, value: &'t Spanned<DeValue<'t>>) -> Result<Cow<'t, str>, ConfigFault> {
    match value.get_ref() {
        DeValue::String(text) => Ok(text.as_ref().into()),
        DeValue::Boolean(flag) => Ok(flag.to_string().into()),
        DeValue::Integer(number) if number.radix() == 10 => Ok(number.as_str().into()),
        other => Err(ConfigFault::Type {
            key: key.to_owned(),
            expected: "a text, a decimal number, true or false",
            found: other.type_str(),
        }),
    }
}

fn fault_of(error: BootError) -> ConfigFault {
    match error {
        BootError::UnknownKey { key, nearest } => ConfigFault::UnknownKey {
            key,
            nearest: nearest.to_owned(),
        },
        BootError::Value { key, value, reason } => ConfigFault::Value {
            key: key.to_owned(),
            value,
            reason,
        },
        BootError::Missing(key) => ConfigFault::Missing(key.to_owned()),
    }
}
