//! What makes a pointer one to act on.

use std::fmt;
use std::str::FromStr;

use minisign_verify::{Error as MinisignError, Signature};

use super::{Pointer, PointerFormatError};
use crate::{AccountId, Generation, Region};

/// The public half of a signing key, as minisign writes it: its file, or that file's second line.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(minisign_verify::PublicKey);

/// A text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "that is no minisign public key: it is 56 letters and digits, alone or as the second line of a file"
)]
pub struct KeyError;

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut lines = text.trim().lines();
        let key = match (lines.next(), lines.next(), lines.next()) {
            (Some(key), None, None) => key,
            (Some(comment), Some(key), None) if comment.starts_with("untrusted comment:") => key,
            _ => return Err(KeyError),
        };
        minisign_verify::PublicKey::from_base64(key.trim())
            .map(Self)
            .map_err(|_| KeyError)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey(…)")
    }
}

/// What the reader of a pointer knows by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// The account that it belongs to.
    pub account: AccountId,
    /// The region that it is in.
    pub region: Region,
    /// The highest generation that this machine has seen, if any.
    pub seen: Option<Generation>,
    /// The highest generation among the tags of our snapshots, if they were looked at: what keeps a machine
    /// that has seen nothing from being fed an old pointer.
    pub tagged: Option<Generation>,
}

/// Why a pointer is not acted on. Each of these is a refusal for safety, and none of them a failure.
#[derive(Debug, thiserror::Error)]
pub enum PointerError {
    /// The signature is no prehashed minisign signature.
    #[error(
        "refused for safety: `{}` is no minisign signature (prehashed Ed25519)",
        Pointer::SIGNATURE_FILE
    )]
    NoSignature,
    /// Signed by somebody else.
    #[error("refused for safety: the pointer is signed with another key")]
    OtherKey,
    /// The signature is not of these bytes. While a pointer is being replaced, document and signature of two
    /// generations may be read: reading both again helps then.
    #[error("refused for safety: the signature does not fit the pointer")]
    Signature,
    /// It has our signature, and yet makes no sense here.
    #[error("refused for safety: the pointer can't be read")]
    Format(#[from] PointerFormatError),
    /// It is for another account.
    #[error(
        "refused for safety: the pointer is of account {found}, and this machine is of {expected}"
    )]
    Account {
        /// The pointer's.
        found: AccountId,
        /// Ours.
        expected: AccountId,
    },
    /// It is for another region.
    #[error(
        "refused for safety: the pointer is of region {found}, and this machine is in {expected}"
    )]
    Region {
        /// The pointer's.
        found: Region,
        /// Ours.
        expected: Region,
    },
    /// This machine has seen a later one.
    #[error(
        "refused for safety: the pointer is of generation {found}, and this machine has seen {seen}"
    )]
    OlderThanSeen {
        /// The pointer's.
        found: Generation,
        /// The highest that was seen.
        seen: Generation,
    },
    /// A snapshot carries the tag of a later one.
    #[error(
        "refused for safety: the pointer is of generation {found}, and a snapshot is tagged with {tagged}"
    )]
    OlderThanTagged {
        /// The pointer's.
        found: Generation,
        /// The highest among the tags.
        tagged: Generation,
    },
}

impl PointerError {
    /// Whether reading document and signature again may help, since they were perhaps being replaced.
    pub const fn is_retryable(&self) -> bool {
        // One of two keys that take turns is told from a forger's only by not lasting.
        matches!(self, Self::Signature | Self::NoSignature | Self::OtherKey)
    }
}

impl Pointer {
    /// Reads a pointer that came from anywhere: `document` and its detached `signature`, both whole.
    ///
    /// The document is looked into only after its signature was found to be `key`'s, so that nobody else's
    /// bytes reach the parser.
    pub fn verify(
        document: &[u8],
        signature: &[u8],
        key: &PublicKey,
        expectation: &Expectation,
    ) -> Result<Self, PointerError> {
        let pointer = Self::open(document, signature, key)?;
        pointer.check(expectation)?;
        Ok(pointer)
    }

    /// Checks the signature alone, then reads: for who has nothing to expect of it, like an operator who
    /// looks at what is published.
    pub fn open(document: &[u8], signature: &[u8], key: &PublicKey) -> Result<Self, PointerError> {
        if document.len() > Self::MAX_LEN {
            return Err(PointerFormatError::TooLong.into());
        }
        let signature = Some(signature)
            .filter(|bytes| bytes.len() <= Self::MAX_SIGNATURE_LEN)
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .and_then(|text| Signature::decode(text).ok())
            .ok_or(PointerError::NoSignature)?;
        key.0
            .verify(document, &signature, false)
            .map_err(|error| match error {
                MinisignError::UnexpectedKeyId => PointerError::OtherKey,
                MinisignError::UnexpectedAlgorithm => PointerError::NoSignature,
                _ => PointerError::Signature,
            })?;
        Ok(Self::decode(document)?)
    }

    /// Whether it is for this machine, and no older than what is known already. To be asked again when more
    /// is known.
    pub fn check(&self, expectation: &Expectation) -> Result<(), PointerError> {
        let found = self.generation;
        if self.account != expectation.account {
            return Err(PointerError::Account {
                found: self.account.clone(),
                expected: expectation.account.clone(),
            });
        }
        if self.region != expectation.region {
            return Err(PointerError::Region {
                found: self.region.clone(),
                expected: expectation.region.clone(),
            });
        }
        if let Some(seen) = expectation.seen.filter(|seen| found < *seen) {
            return Err(PointerError::OlderThanSeen { found, seen });
        }
        if let Some(tagged) = expectation.tagged.filter(|tagged| found < *tagged) {
            return Err(PointerError::OlderThanTagged { found, tagged });
        }
        Ok(())
    }
}
