//! The highest generation that this machine ever took from a pointer: one number in a file.
//!
//! It keeps an old pointer, though rightly signed, from being taken for a new one. A machine whose root can't be
//! written has no such memory; the tags of the snapshots stand in for it.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use release_core::Generation;

const FILE: &str = "generation";
const NEW: &str = "generation.new";
/// More than any number of 64 bits is long.
const MAX_LEN: u64 = 64;

/// The memory can't be read, written, or understood.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MemoryError {
    #[error("{} can't be used", .path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{} holds no generation", .0.display())]
    Damaged(PathBuf),
}

/// What is remembered; `None`: nothing yet.
pub(crate) fn read(state: &Path) -> Result<Option<Generation>, MemoryError> {
    let path = state.join(FILE);
    let mut text = String::new();
    let read = File::open(&path).and_then(|file| file.take(MAX_LEN).read_to_string(&mut text));
    match read {
        Ok(_) => match text.trim_ascii().parse() {
            Ok(number) => Ok(Some(Generation::new(number))),
            Err(_) => Err(MemoryError::Damaged(path)),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(MemoryError::Io { path, source }),
    }
}

/// Remembers a generation. What is higher already, or damaged by no more than a crash, is left or replaced.
pub(crate) fn write(state: &Path, generation: Generation) -> Result<(), MemoryError> {
    if matches!(read(state), Ok(Some(known)) if known >= generation) {
        return Ok(());
    }
    let path = state.join(FILE);
    let write = || {
        fs::create_dir_all(state)?;
        let new = state.join(NEW);
        let mut file = File::create(&new)?;
        writeln!(file, "{generation}")?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        File::open(state)?.sync_all()
    };
    write().map_err(|source| MemoryError::Io {
        path: path.clone(),
        source,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn it_only_grows() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("var/lib/release");
        assert_eq!(read(&state).unwrap(), None);
        for (written, remembered) in [(5, 5), (3, 5), (7, 7)] {
            write(&state, Generation::new(written)).unwrap();
            assert_eq!(read(&state).unwrap(), Some(Generation::new(remembered)));
        }
    }

    #[test]
    fn damage_is_named_and_mended_by_the_next() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), "7x").unwrap();
        let error = read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("holds no generation"), "{error}");
        write(folder.path(), Generation::new(3)).unwrap();
        assert_eq!(read(folder.path()).unwrap(), Some(Generation::new(3)));
    }
}
