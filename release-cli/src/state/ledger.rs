//! `snapshots.json`: snapshots that were begun, and are neither published nor deleted.
//!
//! A line is written before the snapshot is asked for and goes when it has its place or is gone. So whatever is
//! killed, the next one knows what to look for, by a tag that nothing else has.

use std::fs;
use std::io;

use release_core::{Moment, Region, VolumeId};
use serde::{Deserialize, Serialize};

use super::{DeployLock, State};
use crate::failure::Failure;

const NAME: &str = "snapshots.json";
/// Longest ledger that is read.
const MAX: u64 = 1 << 20;

/// A snapshot that was asked for, or was about to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Begun {
    /// The value of its tag `release-deploy`.
    pub(crate) tag: String,
    /// That of `release-fleet`.
    pub(crate) fleet: String,
    pub(crate) volume: VolumeId,
    pub(crate) region: Region,
    /// When.
    pub(crate) at: Moment,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Ledger {
    begun: Vec<Begun>,
}

impl State {
    /// What was begun. While a deploy has the lock, it is at work on the last of them.
    ///
    /// # Errors
    /// When there is a ledger that can't be read.
    pub(crate) fn begun(&self) -> Result<Vec<Begun>, Failure> {
        let path = self.directory.join(NAME);
        let read = || {
            if fs::metadata(&path)?.len() > MAX {
                return Err(io::Error::other("the ledger is longer than it can be"));
            }
            fs::read(&path)
        };
        match read() {
            Ok(content) => serde_json::from_slice(&content)
                .map(|ledger: Ledger| ledger.begun)
                .map_err(|source| Failure::LedgerDamaged { path, source }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(self.fault()(error)),
        }
    }
}

impl DeployLock<'_> {
    /// Takes note that a snapshot will be asked for. It is on the disk when this returns.
    pub(crate) fn enter(&self, begun: &Begun) -> Result<(), Failure> {
        let mut all = self.state.begun()?;
        all.push(begun.clone());
        self.write_ledger(all)
    }

    /// Takes note that one has its place, or is gone, or never was.
    pub(crate) fn strike(&self, tag: &str) -> Result<(), Failure> {
        let mut all = self.state.begun()?;
        let before = all.len();
        all.retain(|begun| begun.tag != tag);
        if all.len() == before {
            return Ok(());
        }
        self.write_ledger(all)
    }

    fn write_ledger(&self, begun: Vec<Begun>) -> Result<(), Failure> {
        if begun.is_empty() {
            return self.state.remove(NAME);
        }
        let content = serde_json::to_vec_pretty(&Ledger { begun });
        let mut content = content.map_err(|error| self.state.fault()(error.into()))?;
        content.push(b'\n');
        self.state.replace(NAME, &content)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn begun(tag: &str) -> Begun {
        Begun {
            tag: tag.into(),
            fleet: "web".into(),
            volume: "vol-0123456789abcdef0".parse().unwrap(),
            region: "us-east-1".parse().unwrap(),
            at: Moment::from_unix_millis(1_700_000_000_123),
        }
    }

    #[test]
    fn what_is_entered_stays_until_it_is_struck() {
        let directory = tempfile::tempdir().unwrap();
        let state = State::open(directory.path()).unwrap();
        let lock = state.lock("ada").unwrap();
        assert_eq!(state.begun().unwrap(), []);
        lock.enter(&begun("a")).unwrap();
        lock.enter(&begun("b")).unwrap();
        lock.strike("c").unwrap();
        assert_eq!(state.begun().unwrap(), [begun("a"), begun("b")]);
        lock.strike("a").unwrap();
        assert_eq!(state.begun().unwrap(), [begun("b")]);
        lock.strike("b").unwrap();
        assert!(!directory.path().join(NAME).exists());
        std::fs::write(directory.path().join(NAME), "{").unwrap();
        assert!(state.begun().is_err() && lock.enter(&begun("a")).is_err());
    }
}
