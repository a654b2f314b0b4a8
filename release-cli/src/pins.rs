//! Host keys of instances, taken from their consoles and written down.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use release_core::InstanceId;
use release_core::cloud::{CloudError, CloudFault, console_host_keys};

use crate::cloud::OpenCloud;

const NAME: &str = "instance_keys";
/// Longest file that is read: the keys of some ten thousand instances.
const MAX: u64 = 16 << 20;

/// A `known_hosts` of our own, in which instances have their ids for names. Lines are only ever added.
#[derive(Clone, Debug)]
pub(crate) struct Pins {
    path: PathBuf,
}

impl Pins {
    pub(crate) fn in_state(directory: &Path) -> Self {
        Self {
            path: directory.join(NAME),
        }
    }

    /// Is it such a file?
    pub(crate) fn is_at(path: &Path) -> bool {
        path.file_name().is_some_and(|name| name == NAME)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes note of the keys of those that are not known yet. One that isn't to be had is no error: a console
    /// shows nothing for minutes, and whoever's key is not known is refused when it is connected to.
    ///
    /// # Errors
    /// When consoles may not be read at all, which is no matter of time.
    pub(crate) async fn learn(
        &self,
        cloud: &OpenCloud,
        instances: impl Iterator<Item = &InstanceId>,
    ) -> Result<(), CloudError> {
        let known = self.known();
        let (mut lines, mut denial) = (String::new(), None);
        for id in instances.filter(|id| !known.contains(id.as_str())) {
            match cloud.port().console_output(id).await {
                Ok(Some(console)) => {
                    for key in console_host_keys(&console) {
                        lines.push_str(&format!("{id} {key}\n"));
                    }
                }
                Err(error) if error.fault == CloudFault::Denied => {
                    denial = Some(error);
                    break;
                }
                Ok(None) | Err(_) => {}
            }
        }
        let _ = self.add(&lines);
        denial.map_or(Ok(()), Err)
    }

    /// The ids that have a key.
    fn known(&self) -> BTreeSet<String> {
        let is_short = fs::metadata(&self.path).is_ok_and(|file| file.len() <= MAX);
        let text = is_short.then(|| fs::read_to_string(&self.path));
        let text = text.and_then(Result::ok).unwrap_or_default();
        let names = text.lines().filter_map(|line| line.split(' ').next());
        names.map(str::to_owned).collect()
    }

    /// Written beside and renamed: a reader finds whole lines. What another process added at the same moment
    /// may be lost, and is learned again.
    fn add(&self, lines: &str) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let mut text = match fs::read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            text => text?,
        };
        text.extend_from_slice(lines.as_bytes());
        let directory = self.path.parent().unwrap_or(Path::new("/"));
        let mut beside = tempfile::NamedTempFile::new_in(directory)?;
        beside.write_all(&text)?;
        beside.as_file().sync_all()?;
        beside.persist(&self.path)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_added_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let pins = Pins::in_state(folder.path());
        assert!(pins.known().is_empty());
        pins.add("i-1 ssh-ed25519 AAAA\ni-1 ssh-rsa AAAA\n")
            .unwrap();
        pins.add("i-2 ssh-ed25519 AAAA\n").unwrap();
        assert_eq!(pins.known(), ["i-1", "i-2"].map(str::to_owned).into());
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(names.len(), 1, "no temporary file is left: {names:?}");
    }
}
