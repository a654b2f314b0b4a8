//! `unfinished.json`: a deploy that has changed hosts, and has not come to its end.
//!
//! It is written before the first commit and goes when all instances are proven. What a killed process leaves is
//! shown by every command and resumed by the next deploy.

use std::fs;
use std::io;

use release_core::{Moment, SnapshotId, escape};
use release_sync::{Generation, ReleaseId};
use serde::{Deserialize, Serialize};

use super::{DeployLock, State};
use crate::failure::Failure;

const NAME: &str = "unfinished.json";
/// Longest record that is read: the names of tens of thousands of hosts.
const MAX: u64 = 16 << 20;

/// A deploy that ended between its first commit and the end of its catch-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unfinished {
    pub(crate) generation: Generation,
    pub(crate) release: ReleaseId,
    /// The snapshot that was, or was to be, published; `None` while there was none.
    pub(crate) snapshot: Option<SnapshotId>,
    /// The moment p, if it was published.
    pub(crate) published: Option<Moment>,
    /// Who deployed.
    pub(crate) by: String,
    /// When it began.
    pub(crate) since: Moment,
    /// The hosts that have not proven that they have the release, by the names that reports have for them.
    pub(crate) hosts: Vec<String>,
}

/// As it is written.
#[derive(Serialize, Deserialize)]
struct Document {
    generation: u64,
    release: String,
    snapshot: Option<SnapshotId>,
    published: Option<Moment>,
    by: String,
    since: Moment,
    hosts: Vec<String>,
}

impl State {
    /// The deploy that was left unfinished, if there is one. While another deploy has the lock, it is that
    /// one's.
    ///
    /// # Errors
    /// When there is a record that can't be read: hosts may be unproven, and nobody knows which.
    pub(crate) fn unfinished(&self) -> Result<Option<Unfinished>, Failure> {
        let path = self.directory.join(NAME);
        let read = || {
            if fs::metadata(&path)?.len() > MAX {
                return Err(io::Error::other("the record is longer than it can be"));
            }
            fs::read(&path)
        };
        let content = match read() {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.fault()(error)),
        };
        let document: Document =
            serde_json::from_slice(&content).map_err(|source| Failure::UnfinishedDamaged {
                path: path.clone(),
                source,
            })?;
        let Ok(release) = document.release.parse() else {
            return Err(Failure::StateDamaged {
                path,
                content: escape(document.release.as_bytes()),
            });
        };
        Ok(Some(Unfinished {
            release,
            generation: Generation::new(document.generation),
            snapshot: document.snapshot,
            published: document.published,
            by: document.by,
            since: document.since,
            hosts: document.hosts,
        }))
    }
}

impl DeployLock<'_> {
    /// Writes the record, or what has changed about it. It is on the disk when this returns.
    pub(crate) fn set_unfinished(&self, unfinished: &Unfinished) -> Result<(), Failure> {
        let document = Document {
            generation: unfinished.generation.get(),
            release: unfinished.release.to_string(),
            snapshot: unfinished.snapshot.clone(),
            published: unfinished.published,
            by: unfinished.by.clone(),
            since: unfinished.since,
            hosts: unfinished.hosts.clone(),
        };
        let mut content = serde_json::to_vec_pretty(&document)
            .map_err(|error| self.state.fault()(error.into()))?;
        content.push(b'\n');
        self.state.replace(NAME, &content)
    }

    /// All is proven, or it is no longer to be.
    pub(crate) fn clear_unfinished(&self) -> Result<(), Failure> {
        self.state.remove(NAME)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn unfinished() -> Unfinished {
        Unfinished {
            generation: Generation::new(12),
            release: ReleaseId::new(release_sync::Digest::from_bytes([7; 32])),
            snapshot: Some("snap-0123456789abcdef0".parse().unwrap()),
            published: Some(Moment::from_unix_millis(1_700_000_000_123)),
            by: "ada@build-1".into(),
            since: Moment::from_unix_millis(1_700_000_000_000),
            hosts: vec!["web-1".into(), "i-0123456789abcdef0".into()],
        }
    }

    #[test]
    fn it_stays_until_it_is_cleared() {
        let directory = tempfile::tempdir().unwrap();
        let state = State::open(directory.path()).unwrap();
        assert_eq!(state.unfinished().unwrap(), None);
        let lock = state.lock("ada").unwrap();
        lock.set_unfinished(&unfinished()).unwrap();
        let fewer = Unfinished {
            hosts: Vec::new(),
            published: None,
            snapshot: None,
            ..unfinished()
        };
        lock.set_unfinished(&fewer).unwrap();
        assert_eq!(state.unfinished().unwrap(), Some(fewer));
        lock.set_unfinished(&unfinished()).unwrap();
        drop(lock);
        assert_eq!(state.unfinished().unwrap(), Some(unfinished()));
        let lock = state.lock("bob").unwrap();
        lock.clear_unfinished().unwrap();
        lock.clear_unfinished().unwrap();
        assert_eq!(state.unfinished().unwrap(), None);
    }

    #[test]
    fn a_damaged_record_is_not_taken_for_none() {
        let directory = tempfile::tempdir().unwrap();
        let state = State::open(directory.path()).unwrap();
        let lock = state.lock("ada").unwrap();
        lock.set_unfinished(&unfinished()).unwrap();
        let path = directory.path().join(NAME);
        let whole = fs::read_to_string(&path).unwrap();
        for damaged in [
            "",
            "{",
            &whole[..whole.len() / 2],
            &whole.replace("0707", "x"),
        ] {
            fs::write(&path, damaged).unwrap();
            assert!(state.unfinished().is_err(), "{damaged}");
        }
    }
}
