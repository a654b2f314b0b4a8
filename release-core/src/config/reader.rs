//! A table of the file, read key by key.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::schema::{Standing, full_name, standing};
use super::{ConfigError, ConfigFault};

/// One table. A table that is missing in the file reads as one without keys.
pub(super) struct Reader<'t> {
    text: &'t str,
    name: &'static str,
    span: Range<usize>,
    table: Option<&'t DeTable<'t>>,
}

impl<'t> Reader<'t> {
    /// The file's top. `text` is what `table` was parsed from.
    pub(super) fn top(text: &'t str, table: &'t DeTable<'t>) -> Result<Self, ConfigError> {
        Self::open(text, "", 0..0, table)
    }

    /// Unknown keys are looked for before anything is read: `adress = "…"` is a misspelt key, and not a
    /// host without an address.
    fn open(
        text: &'t str,
        name: &'static str,
        span: Range<usize>,
        table: &'t DeTable<'t>,
    ) -> Result<Self, ConfigError> {
        for (key, _) in table.iter() {
            let full = full_name(name, key.get_ref());
            let fault = match standing(name, key.get_ref()) {
                Standing::Known => continue,
                Standing::Unknown(nearest) => ConfigFault::UnknownKey { key: full, nearest },
            };
            return Err(ConfigError::at(text, key.span().start, fault));
        }
        Ok(Self {
            text,
            name,
            span,
            table: Some(table),
        })
    }

    pub(super) fn table(&self, key: &'static str) -> Result<Reader<'t>, ConfigError> {
        match self.value(key) {
            None => Ok(Reader {
                text: self.text,
                name: key,
                span: self.span.clone(),
                table: None,
            }),
            Some(value) => self.open_value(key, value),
        }
    }

    /// The tables of an array: `[[key]]`, any number of times.
    pub(super) fn tables(&self, key: &'static str) -> Result<Vec<Reader<'t>>, ConfigError> {
        let Some(value) = self.value(key) else {
            return Ok(Vec::new());
        };
        let array = value.get_ref().as_array();
        let array =
            array.ok_or_else(|| self.wrong_type(key, "an array of tables ([[…]])", value))?;
        array
            .iter()
            .map(|element| self.open_value(key, element))
            .collect()
    }

    fn open_value(
        &self,
        key: &'static str,
        value: &'t Spanned<DeValue<'t>>,
    ) -> Result<Reader<'t>, ConfigError> {
        match value.get_ref().as_table() {
            Some(table) => Reader::open(self.text, key, value.span(), table),
            None => Err(self.wrong_type(key, "a table", value)),
        }
    }

    /// A text that is not empty.
    pub(super) fn text(&self, key: &str) -> Result<Option<String>, ConfigError> {
        match self.string(key)? {
            Some("") => Err(self.refuse(key, "it is empty")),
            text => Ok(text.map(str::to_owned)),
        }
    }

    /// A text, as it stands.
    pub(super) fn string(&self, key: &str) -> Result<Option<&'t str>, ConfigError> {
        self.read(key, "a text in quotes", DeValue::as_str)
    }

    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>, ConfigError> {
        self.read(key, "true or false", DeValue::as_bool)
    }

    pub(super) fn number(
        &self,
        key: &str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, ConfigError> {
        let Some(integer) = self.read(key, "a whole number", DeValue::as_integer)? else {
            return Ok(None);
        };
        match u64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(number) if range.contains(&number) => Ok(Some(number)),
            _ => {
                let (low, high) = range.into_inner();
                let reason = if high == u64::MAX {
                    format!("it is at least {low}")
                } else {
                    format!("it is between {low} and {high}")
                };
                Err(self.refuse(key, reason))
            }
        }
    }

    pub(super) fn texts(&self, key: &str) -> Result<Vec<String>, ConfigError> {
        const SHAPE: &str = "an array of texts";
        let array = self.read(key, SHAPE, DeValue::as_array)?;
        array
            .into_iter()
            .flat_map(|array| array.iter())
            .map(|element| match element.get_ref().as_str() {
                Some("") => Err(self.refuse(key, "one of them is empty")),
                Some(text) => Ok(text.to_owned()),
                None => Err(self.wrong_type(key, SHAPE, element)),
            })
            .collect()
    }

    /// A table whose keys are anything, and whose values are texts.
    pub(super) fn text_map(&self, key: &str) -> Result<BTreeMap<String, String>, ConfigError> {
        const SHAPE: &str = "a table of texts";
        let table = self.read(key, SHAPE, DeValue::as_table)?;
        table
            .into_iter()
            .flat_map(|table| table.iter())
            .map(|(name, value)| match value.get_ref().as_str() {
                Some(text) => Ok((name.get_ref().to_string(), text.to_owned())),
                None => Err(self.wrong_type(key, SHAPE, value)),
            })
            .collect()
    }

    /// Texts that say something more exact; `None` where there is no such key.
    pub(super) fn parse_all<T>(&self, key: &str) -> Result<Option<Vec<T>>, ConfigError>
    where
        T: FromStr<Err: Display>,
    {
        if self.value(key).is_none() {
            return Ok(None);
        }
        let texts = self.texts(key)?;
        let values: Result<Vec<T>, _> = texts.iter().map(|text| text.parse()).collect();
        values
            .map(Some)
            .map_err(|reason| self.refuse(key, reason.to_string()))
    }

    /// A text that says something more exact.
    pub(super) fn parse<T>(&self, key: &str) -> Result<Option<T>, ConfigError>
    where
        T: FromStr<Err: Display>,
    {
        self.string(key)?
            .map(|text| {
                text.parse()
                    .map_err(|reason: T::Err| self.refuse(key, reason.to_string()))
            })
            .transpose()
    }

    /// One of some words; `None` beside a word is one that this build can't do.
    pub(super) fn choice<T: Copy>(
        &self,
        key: &str,
        words: &[(&str, Option<T>)],
    ) -> Result<Option<T>, ConfigError> {
        let Some(text) = self.string(key)? else {
            return Ok(None);
        };
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, Some(meaning))) => Ok(Some(*meaning)),
            Some((_, None)) => Err(self.not_here(key)),
            None => {
                let words: Vec<_> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
                Err(self.refuse(key, format!("it is one of {}", words.join(", "))))
            }
        }
    }

    /// The value of `key` is nothing that makes sense.
    pub(super) fn refuse(&self, key: &str, reason: impl Into<String>) -> ConfigError {
        let fault = ConfigFault::Value {
            key: full_name(self.name, key),
            value: self.written(key),
            reason: reason.into(),
        };
        self.fault(key, fault)
    }

    /// The value of `key` makes sense, but not to this build.
    pub(super) fn not_here(&self, key: &str) -> ConfigError {
        let what = format!("{} = {}", full_name(self.name, key), self.written(key));
        self.fault(key, ConfigFault::NotHere { what })
    }

    /// A fault of the value of `key`, or of the whole table where it has no such key.
    pub(super) fn fault(&self, key: &str, fault: ConfigFault) -> ConfigError {
        let span = self.value(key).map_or(self.span.clone(), Spanned::span);
        ConfigError::at(self.text, span.start, fault)
    }

    fn read<T>(
        &self,
        key: &str,
        shape: &'static str,
        read: impl Fn(&'t DeValue<'t>) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        self.value(key)
            .map(|value| read(value.get_ref()).ok_or_else(|| self.wrong_type(key, shape, value)))
            .transpose()
    }

    fn value(&self, key: &str) -> Option<&'t Spanned<DeValue<'t>>> {
        debug_assert_eq!(
            standing(self.name, key),
            Standing::Known,
            "a key that is read is in the schema"
        );
        self.table?.get(key)
    }

    /// The value of `key` as it stands in the file, cut to what fits a line.
    fn written(&self, key: &str) -> String {
        let span = self.value(key).map_or(0..0, Spanned::span);
        let text = self.text.get(span).unwrap_or_default();
        let line = text.lines().next().unwrap_or_default();
        line.chars().take(60).collect()
    }

    fn wrong_type(
        &self,
        key: &str,
        expected: &'static str,
        value: &Spanned<DeValue<'_>>,
    ) -> ConfigError {
        let fault = ConfigFault::Type {
            key: full_name(self.name, key),
            expected,
            found: value.get_ref().type_str(),
        };
        ConfigError::at(self.text, value.span().start, fault)
    }
}
