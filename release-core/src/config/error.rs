//! What can be wrong in a configuration file, and where.

/// Something in the file is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {fault}")]
pub struct ConfigError {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// What is wrong there.
    pub fault: ConfigFault,
}

/// What is wrong in the file. Keys are named from the top of the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigFault {
    /// It is not TOML.
    #[error("{0}")]
    Syntax(String),
    /// There is no such key.
    #[error("there is no key `{key}`; the nearest is `{nearest}`")]
    UnknownKey {
        /// As it was written.
        key: String,
        /// The known key that is spelt most like it.
        nearest: String,
    },
    /// A value of another type.
    #[error("`{key}` is {expected}, not {found}")]
    Type {
        /// The key.
        key: String,
        /// What it should be.
        expected: &'static str,
        /// TOML's name for what it is.
        found: &'static str,
    },
    /// A value that makes no sense.
    #[error("`{key}` can't be {value}: {reason}")]
    Value {
        /// The key.
        key: String,
        /// As it was written.
        value: String,
        /// What would be right.
        reason: String,
    },
    /// A value that means something, though not to this build.
    #[error("this version can't do `{what}` yet")]
    NotHere {
        /// The key and its value.
        what: String,
    },
    /// A table lacks a key that it needs.
    #[error("`{0}` is missing")]
    Missing(String),
    /// Two keys that contradict each other.
    #[error("`{0}` and `{1}` exclude each other")]
    Contradiction(&'static str, &'static str),
    /// Two hosts have one name.
    #[error("two hosts are called `{0}`; give one of them another `host.name`")]
    DoubledHost(String),
}

impl ConfigError {
    /// `offset` is in bytes of `text`.
    pub(super) fn at(text: &str, offset: usize, fault: ConfigFault) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            fault,
        }
    }
}
