//! `keygen`: makes a key that signs what is published.

use std::fs::{File as Opened, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Instant;

use release_core::SecretKey;

use super::desk::{Desk, harmless_path};
use crate::args::KeygenArgs;
use crate::context::File;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::publish::public_file;
use crate::ui::Done;

pub(super) fn run(args: &KeygenArgs, config: Option<&Path>, desk: &Desk) -> Result<Exit, Failure> {
    let begin = Instant::now();
    let environment = &desk.environment;
    let path = match &args.key {
        Some(path) => environment.directory.join(path),
        None => File::load(config, environment)?
            .signing_key()
            .ok_or(Failure::Unsaid {
                what: "where the key goes",
                flag: "--key FILE",
                key: "publish.key",
            })?,
    };
    let names = Names::of(&path);
    names.check()?;
    let password = match args.password {
        true => Some(desk.new_password()?),
        false => None,
    };
    let public = make(&names, password.as_deref())?;
    let [secret, file] = [&names.secret, &names.public].map(|path| harmless_path(path));
    desk.screen.note(&format!(
        "the secret key is in {secret}, the public one in {file}:"
    ));
    let key = public.lines().nth(1).unwrap_or_default();
    desk.screen.note(key);
    let done = Done::Keys {
        secret: &secret,
        public: &file,
        key,
    };
    desk.screen.done(&done, begin.elapsed().as_secs_f64());
    Ok(Exit::Done)
}

/// The files of a pair of keys.
pub(crate) struct Names {
    pub(crate) secret: PathBuf,
    pub(crate) public: PathBuf,
    /// `release.key.pub`, which is where one looks who knows ssh-keygen: a link; `None` where that is the
    /// file itself.
    link: Option<PathBuf>,
}

impl Names {
    pub(crate) fn of(secret: &Path) -> Self {
        let public = public_file(secret);
        let mut appended = secret.as_os_str().to_owned();
        appended.push(".pub");
        let appended = PathBuf::from(appended);
        Self {
            secret: secret.to_owned(),
            link: (appended != public).then_some(appended),
            public,
        }
    }

    /// Nothing may be there: also a link that leads nowhere is something.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let names = [&self.secret, &self.public].into_iter().chain(&self.link);
        for path in names {
            match path.symlink_metadata() {
                Ok(_) => return Err(Failure::KeyExists(path.clone())),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(source) => {
                    let path = path.clone();
                    return Err(Failure::KeyUnwritable { path, source });
                }
            }
        }
        Ok(())
    }
}

/// Makes the pair. Returns the public file's content.
pub(crate) fn make(names: &Names, password: Option<&str>) -> Result<String, Failure> {
    let (key, secret) = SecretKey::generate(password).map_err(Failure::KeyMaking)?;
    let public = key.public_file().map_err(Failure::KeyMaking)?;
    write(&names.secret, 0o600, secret.as_bytes())?;
    write(&names.public, 0o644, public.as_bytes())?;
    if let (Some(link), Some(target)) = (&names.link, names.public.file_name()) {
        symlink(target, link).map_err(|source| unwritable(link, source))?;
    }
    Ok(public)
}

/// Writes a file that was not there. It is on the disk when this returns.
fn write(path: &Path, mode: u32, content: &[u8]) -> Result<(), Failure> {
    let write = || -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(mode);
        let mut file = options.open(path)?;
        file.write_all(content)?;
        file.sync_all()?;
        let parent = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        Opened::open(parent.unwrap_or(Path::new(".")))?.sync_all()
    };
    write().map_err(|source| unwritable(path, source))
}

fn unwritable(path: &Path, source: io::Error) -> Failure {
    let path = path.to_owned();
    match source.kind() {
        ErrorKind::AlreadyExists => Failure::KeyExists(path),
        _ => Failure::KeyUnwritable { path, source },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::publish::read_key;

    #[test]
    fn a_pair_is_made_and_nothing_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let secret = directory.path().join("release.key");
        let names = Names::of(&secret);
        names.check().unwrap();
        let public = make(&names, None).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&secret), 0o600);
        for name in ["release.pub", "release.key.pub"] {
            let text = fs::read_to_string(directory.path().join(name)).unwrap();
            assert_eq!(text, public);
        }
        let key = read_key(&secret, || None).unwrap();
        assert_eq!(key.public_file().unwrap(), public);

        for taken in ["release.key", "release.pub", "release.key.pub"] {
            let other = tempfile::tempdir().unwrap();
            symlink("/nowhere", other.path().join(taken)).unwrap();
            let names = Names::of(&other.path().join("release.key"));
            assert!(
                matches!(names.check(), Err(Failure::KeyExists(_))),
                "{taken}"
            );
        }
        assert!(matches!(make(&names, None), Err(Failure::KeyExists(_))));
        assert_eq!(
            read_key(&secret, || None).unwrap().public_file().unwrap(),
            public
        );
    }

    #[test]
    fn a_name_without_an_ending_needs_no_link() {
        let names = Names::of(Path::new("/etc/release/signing"));
        assert_eq!(names.public, Path::new("/etc/release/signing.pub"));
        assert_eq!(names.link, None);
    }
}
