//! The agents that can be sent to hosts.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::Error;

/// An agent's binary, in memory: it goes out to many hosts.
pub(super) struct AgentFile {
    /// BLAKE3, in hex digits.
    pub(super) digest: String,
    pub(super) bytes: Vec<u8>,
}

impl fmt::Debug for AgentFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "AgentFile({})", self.digest)
    }
}

/// The agents beside a program. Each is read and hashed once, when it is first asked for; a run's hosts
/// share them.
#[derive(Debug)]
pub(crate) struct AgentFiles {
    directory: PathBuf,
    loaded: Mutex<BTreeMap<String, Arc<AgentFile>>>,
}

impl AgentFiles {
    /// Agents in a directory: `release-agent` for this machine's architecture, and
    /// `agents/release-agent-<architecture>` for any. Nothing is read yet.
    pub(crate) fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            loaded: Mutex::default(),
        }
    }

    /// The agent for an architecture, as `uname -m` names it.
    ///
    /// # Errors
    /// [`Error::NoAgent`] where there is none; [`Error::Bootstrap`] where it can't be read.
    pub(super) fn of(&self, architecture: &str) -> Result<Arc<AgentFile>, Error> {
        // Held while reading, so that hosts which ask at the same time wait for one reader. A thread
        // that panicked meanwhile has left the map as it was.
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(agent) = loaded.get(architecture) {
            return Ok(Arc::clone(agent));
        }
        let bytes = self.read(architecture)?;
        let digest = blake3::hash(&bytes).to_hex().to_string();
        let agent = Arc::new(AgentFile { digest, bytes });
        loaded.insert(String::from(architecture), Arc::clone(&agent));
        Ok(agent)
    }

    fn read(&self, architecture: &str) -> Result<Vec<u8>, Error> {
        let any = self
            .directory
            .join(format!("agents/release-agent-{architecture}"));
        let own = self.directory.join("release-agent");
        let is_own = architecture == std::env::consts::ARCH;
        for path in is_own.then_some(&own).into_iter().chain([&any]) {
            match std::fs::read(path) {
                Ok(bytes) => return Ok(bytes),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    let reason = format!("{} can't be read: {error}", path.display());
                    return Err(Error::Bootstrap { reason });
                }
            }
        }
        Err(Error::NoAgent {
            architecture: String::from(architecture),
            looked_for: any,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn agents_are_found_by_architecture_and_read_once() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("agents")).unwrap();
        std::fs::write(folder.path().join("release-agent"), "own").unwrap();
        std::fs::write(folder.path().join("agents/release-agent-vax"), "vax").unwrap();
        let agents = AgentFiles::new(folder.path());
        let own = agents.of(std::env::consts::ARCH).unwrap();
        assert_eq!(own.bytes, b"own");
        assert_eq!(own.digest, blake3::hash(b"own").to_hex().as_str());
        assert_eq!(agents.of("vax").unwrap().bytes, b"vax");
        std::fs::remove_file(folder.path().join("release-agent")).unwrap();
        assert!(Arc::ptr_eq(
            &own,
            &agents.of(std::env::consts::ARCH).unwrap()
        ));
        let Err(Error::NoAgent { looked_for, .. }) = agents.of("pdp11") else {
            panic!("there is no such agent");
        };
        assert!(looked_for.ends_with("agents/release-agent-pdp11"));
    }

    #[test]
    fn the_own_agent_may_lie_with_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = format!("agents/release-agent-{}", std::env::consts::ARCH);
        std::fs::create_dir(folder.path().join("agents")).unwrap();
        std::fs::write(folder.path().join(path), "own").unwrap();
        let agents = AgentFiles::new(folder.path());
        assert_eq!(agents.of(std::env::consts::ARCH).unwrap().bytes, b"own");
    }
}
