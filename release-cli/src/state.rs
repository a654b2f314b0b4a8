//! What is remembered from one deploy to the next: which generation was the last, who is at work, what
//! came of each host, what was left unfinished, and which snapshots were begun.

mod history;
mod ledger;
mod place;
mod record;
mod unfinished;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use release_core::{Generation, escape};
use rustix::fs::{FlockOperation, flock};

use crate::failure::Failure;
#[cfg(test)]
pub(crate) use history::HostEntry;
pub(crate) use history::{Deed, Doing, Entry};
pub(crate) use ledger::Begun;
pub(crate) use place::Places;
pub(crate) use record::Deploy;
pub(crate) use unfinished::Unfinished;

/// A host's word moves the generation by no more than this at a time. Otherwise one hostile host could
/// use up all generations by naming the last.
const LONGEST_LEAP: u64 = 1_000_000;

/// Longest part of a lock file that is read.
const MAX_HOLDER: u64 = 300;

/// The state directory. It holds `generation`, the last one that was given out, `deploy.lock`, what is
/// remembered of deploys (`last-deploy.json`, `history.jsonl`), and what is not at its end:
/// `unfinished.json`, `snapshots.json`.
#[derive(Debug)]
pub(crate) struct State {
    directory: PathBuf,
}

impl State {
    /// For those who only read. Nothing is made.
    pub(crate) fn at(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
        }
    }

    /// Makes the directory if it is missing.
    pub(crate) fn open(directory: &Path) -> Result<Self, Failure> {
        let state = Self::at(directory);
        let mut builder = DirBuilder::new();
        let made = builder.recursive(true).mode(0o700).create(directory);
        made.map_err(state.fault())?;
        Ok(state)
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Takes the lock that lets one deploy run at a time. It is the kernel's lock, so that it ends with
    /// its holder; what the file says is for people.
    pub(crate) fn lock(&self, holder: &str) -> Result<DeployLock<'_>, Failure> {
        let path = self.directory.join("deploy.lock");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(self.fault())?;
        let locked = flock(&file, FlockOperation::NonBlockingLockExclusive);
        let found = read_holder(&mut file).map_err(self.fault())?;
        match locked {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                // Whoever took it a moment ago may not have written the name yet.
                let holder = found.unwrap_or_else(|| "another process".to_owned());
                return Err(Failure::Locked { path, holder });
            }
            Err(error) => return Err(self.fault()(error.into())),
        }
        write_holder(&mut file, holder).map_err(self.fault())?;
        Ok(DeployLock {
            state: self,
            file,
            left_behind_by: found,
        })
    }

    /// Who has the lock, or had it and died. To ask the kernel which of both would be to take it.
    pub(crate) fn holder(&self) -> Option<String> {
        let mut file = File::open(self.directory.join("deploy.lock")).ok()?;
        read_holder(&mut file).ok()?
    }

    /// The generation that a deploy would get which asks nobody else for it.
    pub(crate) fn next_generation(&self) -> Result<Generation, Failure> {
        let last = self.read_generation()?;
        last.next().ok_or(Failure::Exhausted(last))
    }

    fn read_generation(&self) -> Result<Generation, Failure> {
        let path = self.directory.join("generation");
        match fs::read(&path) {
            Ok(content) => {
                let number = std::str::from_utf8(&content).ok();
                let number = number.and_then(|text| text.trim().parse().ok());
                number
                    .map(Generation::new)
                    .ok_or_else(|| Failure::StateDamaged {
                        path,
                        content: escape(&content[..content.len().min(40)]),
                    })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Generation::default()),
            Err(error) => Err(self.fault()(error)),
        }
    }

    /// On the disk before it is used: a generation must never be given out twice.
    fn write_generation(&self, generation: Generation) -> Result<(), Failure> {
        self.replace("generation", format!("{generation}\n").as_bytes())
    }

    /// Written beside and renamed. The name beside is always the same, so that what a crash leaves is
    /// written over; only whoever holds the lock comes here.
    fn replace(&self, name: &str, content: &[u8]) -> Result<(), Failure> {
        let write = || {
            let beside = self.directory.join(format!("{name}.new"));
            let mut file = File::create(&beside)?;
            file.write_all(content)?;
            file.sync_all()?;
            fs::rename(&beside, self.directory.join(name))?;
            File::open(&self.directory)?.sync_all()
        };
        write().map_err(self.fault())
    }

    /// Removes a file, if it is there.
    fn remove(&self, name: &str) -> Result<(), Failure> {
        let remove = || match fs::remove_file(self.directory.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(()) => File::open(&self.directory)?.sync_all(),
        };
        remove().map_err(self.fault())
    }

    fn fault(&self) -> impl Fn(io::Error) -> Failure + use<> {
        let path = self.directory.clone();
        move |source| Failure::State {
            path: path.clone(),
            source,
        }
    }
}

fn read_holder(file: &mut File) -> io::Result<Option<String>> {
    let mut content = Vec::new();
    file.take(MAX_HOLDER).read_to_end(&mut content)?;
    let holder = escape(content.trim_ascii());
    Ok((!holder.is_empty()).then_some(holder))
}

fn write_holder(file: &mut File, holder: &str) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{holder}")
}

/// Says that no other deploy with this state is running, for as long as it lives.
#[derive(Debug)]
pub(crate) struct DeployLock<'s> {
    state: &'s State,
    file: File,
    left_behind_by: Option<String>,
}

impl DeployLock<'_> {
    /// Who held the lock before and ended without giving it back.
    pub(crate) fn left_behind_by(&self) -> Option<&str> {
        self.left_behind_by.as_deref()
    }

    /// A generation that was never used.
    pub(crate) fn allocate(&self) -> Result<Generation, Failure> {
        self.allocate_after([])
    }

    /// The same, which is higher than all that were seen: by the pointer that is published, on tags of
    /// snapshots. These are our own words, and believed however far they leap.
    pub(crate) fn allocate_after(
        &self,
        seen: impl IntoIterator<Item = Generation>,
    ) -> Result<Generation, Failure> {
        let last = self.state.read_generation()?;
        let last = seen.into_iter().fold(last, Generation::max);
        let generation = last.next().ok_or(Failure::Exhausted(last))?;
        self.state.write_generation(generation)?;
        Ok(generation)
    }

    /// Takes note that a host has seen a generation, so that the next one is higher: `true` if it will
    /// be. `false`, and nothing noted, if `seen` is further away than honest hosts get.
    pub(crate) fn raise(&self, seen: Generation) -> Result<bool, Failure> {
        let last = self.state.read_generation()?;
        if seen <= last {
            return Ok(true);
        }
        let near = seen.get() - last.get() <= LONGEST_LEAP;
        if near {
            self.state.write_generation(seen)?;
        }
        Ok(near)
    }
}

impl Drop for DeployLock<'_> {
    /// An empty file tells the next deploy that this one ended in good order. If that can't be written,
    /// the next one is told of a dead holder, which does no harm.
    fn drop(&mut self) {
        let _ = self.file.set_len(0);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn state() -> (tempfile::TempDir, State) {
        let directory = tempfile::tempdir().unwrap();
        let state = State::open(&directory.path().join("a/b")).unwrap();
        (directory, state)
    }

    #[test]
    fn generations_only_grow() {
        let (_directory, state) = state();
        let lock = state.lock("ada").unwrap();
        assert_eq!(state.next_generation().unwrap(), Generation::new(1));
        assert_eq!(lock.allocate().unwrap(), Generation::new(1));
        assert_eq!(state.next_generation().unwrap(), Generation::new(2));
        assert_eq!(lock.allocate().unwrap(), Generation::new(2));
        assert!(lock.raise(Generation::new(41)).unwrap());
        assert!(lock.raise(Generation::new(7)).unwrap());
        assert_eq!(lock.allocate().unwrap(), Generation::new(42));
        let seen = [7, 4_000_000, 9].map(Generation::new);
        let next = Generation::new(4_000_001);
        assert_eq!(lock.allocate_after(seen).unwrap(), next);
        assert_eq!(lock.allocate().unwrap(), Generation::new(4_000_002));
        let names: Vec<_> = fs::read_dir(&state.directory).unwrap().collect();
        assert_eq!(names.len(), 2, "no temporary file is left: {names:?}");
    }

    #[test]
    fn one_host_cannot_use_up_all_generations() {
        let (_directory, state) = state();
        let lock = state.lock("ada").unwrap();
        assert!(!lock.raise(Generation::new(u64::MAX)).unwrap());
        assert_eq!(lock.allocate().unwrap(), Generation::new(1));
    }

    #[test]
    fn a_damaged_generation_is_not_taken_for_the_first() {
        let (_directory, state) = state();
        let lock = state.lock("ada").unwrap();
        for content in [&b"seven\n"[..], b"", b"-1", b"\xff"] {
            fs::write(state.directory.join("generation"), content).unwrap();
            let allocated = lock.allocate();
            assert!(
                matches!(allocated, Err(Failure::StateDamaged { .. })),
                "{allocated:?}"
            );
        }
    }

    #[test]
    fn the_last_generation_is_the_last() {
        let (_directory, state) = state();
        fs::write(state.directory.join("generation"), u64::MAX.to_string()).unwrap();
        let lock = state.lock("ada").unwrap();
        assert!(matches!(lock.allocate(), Err(Failure::Exhausted(_))));
    }

    #[test]
    fn the_lock_names_its_holder_and_is_given_back() {
        let (_directory, state) = state();
        let lock = state.lock("ada@build-1").unwrap();
        assert_eq!(lock.left_behind_by(), None);
        match state.lock("bob@build-2") {
            Err(Failure::Locked { path, holder }) => {
                assert_eq!(path, state.directory.join("deploy.lock"));
                assert_eq!(holder, "ada@build-1");
            }
            other => unreachable!("{other:?}"),
        }
        drop(lock);
        assert_eq!(state.lock("bob@build-2").unwrap().left_behind_by(), None);
    }

    #[test]
    fn a_dead_holder_is_told_of() {
        let (_directory, state) = state();
        fs::write(state.directory.join("deploy.lock"), "ada\x1b[2J\n").unwrap();
        let lock = state.lock("bob").unwrap();
        assert_eq!(lock.left_behind_by(), Some("ada\\x1b[2J"));
    }
}
