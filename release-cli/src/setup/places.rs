//! Directories and keys.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::Path;

use super::{Setup, SetupError, Standing};
use crate::command::{KeyNames, make_key};
use crate::failure::Failure;

impl Setup<'_> {
    /// Where is published, where is remembered, and what signs.
    pub(super) fn places(&self) -> Result<(), Failure> {
        let publication = &self.wanted.publication;
        self.directory("publish-directory", &publication.directory, 0o755)?;
        self.directory("state-directory", &self.wanted.state, 0o700)?;
        let names = KeyNames::of(&publication.key);
        let standing = if names.secret.exists() {
            Standing::Found
        } else if self.only_looks {
            Standing::ToDo
        } else {
            if let Some(parent) = names.secret.parent() {
                make_directory(parent, 0o755)?;
            }
            names.check()?;
            make_key(&names, None)?;
            Standing::Done
        };
        let text = format!(
            "{}, and {} for instances",
            names.secret.display(),
            names.public.display()
        );
        self.tell("key", standing, &text);
        Ok(())
    }

    /// The source leads to the directory that is the volume.
    pub(super) fn link_source(&self, directory: &Path) -> Result<(), Failure> {
        let source = &self.wanted.source;
        let make = |error| SetupError::Make {
            path: source.clone(),
            source: error,
        };
        let directory = fs::canonicalize(directory).map_err(make)?;
        let standing = match fs::canonicalize(source) {
            Ok(found) if found == directory => Standing::Found,
            Ok(_) => {
                return Err(SetupError::Taken {
                    path: source.clone(),
                    what: "something else".into(),
                }
                .into());
            }
            Err(_) if self.only_looks => Standing::ToDo,
            Err(_) => {
                symlink(&directory, source).map_err(make)?;
                Standing::Done
            }
        };
        let text = format!("{} leads to the volume", source.display());
        self.tell("source", standing, &text);
        Ok(())
    }

    fn directory(&self, step: &'static str, path: &Path, mode: u32) -> Result<(), Failure> {
        let standing = if path.is_dir() {
            Standing::Found
        } else if self.only_looks {
            Standing::ToDo
        } else {
            make_directory(path, mode)?;
            Standing::Done
        };
        self.tell(step, standing, &path.display().to_string());
        Ok(())
    }
}

fn make_directory(path: &Path, mode: u32) -> Result<(), SetupError> {
    let mut builder = DirBuilder::new();
    let made = builder.recursive(true).mode(mode).create(path);
    made.map_err(|source| SetupError::Make {
        path: path.to_owned(),
        source,
    })
}
