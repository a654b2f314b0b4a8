//! `freeze.lock` in the state directory: what is frozen, and by whom.
//!
//! Whoever freezes holds the kernel's lock on it, which ends with the process however that ends. What is
//! written in it when nobody holds it was left behind. An empty file says that all is well.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use release_core::{DeviceNumber, escape};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::FreezeError;

const NAME: &str = "freeze.lock";
/// Longest record that is read.
const MAX: u64 = 64 << 10;
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// Something frozen, as it is written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Where it was mounted, made harmless: for people.
    pub(crate) mount: String,
    /// The file system's number, `major:minor`: by this it is found again.
    pub(super) device: String,
    /// Which start of the machine this was in. Nothing stays frozen across one, and numbers change.
    pub(super) boot: String,
    /// Who froze it: for people.
    pub(super) process: u32,
    /// What for.
    pub(super) purpose: String,
    /// When, RFC 3339.
    pub(super) since: String,
}

impl Record {
    pub(super) fn new(mount: &Path, device: DeviceNumber, purpose: &str) -> io::Result<Self> {
        Ok(Self {
            mount: escape(mount.as_os_str().as_encoded_bytes()),
            device: device.to_string(),
            boot: boot()?,
            process: std::process::id(),
            purpose: purpose.to_owned(),
            since: jiff::Timestamp::now().to_string(),
        })
    }

    /// Can it still be frozen?
    pub(super) fn is_of_this_boot(&self) -> bool {
        // A boot that can't be told from this one is taken for it: to thaw what isn't frozen does no harm.
        boot().map_or(true, |boot| boot == self.boot)
    }

    pub(super) fn device(&self) -> Option<DeviceNumber> {
        self.device.parse().ok()
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Everything in it was read from a file.
        let shown = |text: &str| escape(text.as_bytes());
        write!(
            f,
            "the file system at {} (device {}, frozen by process {} for {} at {})",
            shown(&self.mount),
            shown(&self.device),
            self.process,
            shown(&self.purpose),
            shown(&self.since)
        )
    }
}

fn boot() -> io::Result<String> {
    Ok(std::fs::read_to_string(BOOT)?.trim().to_owned())
}

/// The file, which nobody else can take while this lives.
#[derive(Debug)]
pub(super) struct Taken {
    file: File,
    path: PathBuf,
    /// What was left behind in it.
    pub(super) left: Option<Record>,
}

/// What stands in the file, and whether its holder is at work.
#[derive(Debug)]
pub(super) enum Standing {
    Free(Taken),
    /// With what its holder has written, if that was there yet.
    Held(Option<Record>),
}

impl Taken {
    /// Takes the file, and makes it if it is missing.
    pub(super) fn make(state: &Path) -> Result<Standing, FreezeError> {
        let mut options = OpenOptions::new();
        options.create(true).truncate(false);
        Self::open(state, &mut options)
    }

    /// The same, of a file that has something in it; else `None`. Whoever may only read learns that nothing
    /// was left behind, which is nearly always so.
    pub(super) fn find(state: &Path) -> Result<Option<Standing>, FreezeError> {
        let path = state.join(NAME);
        match std::fs::metadata(&path) {
            Ok(meta) if meta.len() > 0 => Self::open(state, &mut OpenOptions::new()).map(Some),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(FreezeError::Record { path, source }),
        }
    }

    fn open(state: &Path, options: &mut OpenOptions) -> Result<Standing, FreezeError> {
        let path = state.join(NAME);
        let fault = |source| FreezeError::Record {
            path: path.clone(),
            source,
        };
        let file = options.read(true).write(true).open(&path);
        let mut file = file.map_err(fault)?;
        let locked = flock(&file, FlockOperation::NonBlockingLockExclusive);
        let left = read(&mut file).map_err(fault)?;
        match locked {
            Ok(()) => Ok(Standing::Free(Self { file, path, left })),
            Err(Errno::WOULDBLOCK) => Ok(Standing::Held(left)),
            Err(error) => Err(fault(error.into())),
        }
    }

    /// Writes it down. It is on the disk when this returns.
    pub(super) fn write(&mut self, record: &Record) -> Result<(), FreezeError> {
        self.replace(&serde_json::to_vec(record).unwrap_or_default())
    }

    /// All is well.
    pub(super) fn clear(&mut self) -> Result<(), FreezeError> {
        self.replace(b"")
    }

    /// In place: a write that is cut off leaves what is no record, and nothing was frozen yet.
    fn replace(&mut self, content: &[u8]) -> Result<(), FreezeError> {
        let mut write = || {
            self.file.set_len(0)?;
            self.file.rewind()?;
            self.file.write_all(content)?;
            self.file.sync_all()
        };
        write().map_err(|source| FreezeError::Record {
            path: self.path.clone(),
            source,
        })
    }
}

/// What is no record was cut off before anything was frozen.
fn read(file: &mut File) -> io::Result<Option<Record>> {
    let mut content = Vec::new();
    file.take(MAX).read_to_end(&mut content)?;
    Ok(serde_json::from_slice(&content).ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn record() -> Record {
        let device = DeviceNumber { major: 7, minor: 3 };
        Record::new(Path::new("/re\x1blease"), device, "generation 7").unwrap()
    }

    fn take(state: &Path) -> Taken {
        match Taken::make(state).unwrap() {
            Standing::Free(taken) => taken,
            held => unreachable!("{held:?}"),
        }
    }

    #[test]
    fn what_is_held_is_not_taken_for_left_behind() {
        let state = tempfile::tempdir().unwrap();
        assert!(Taken::find(state.path()).unwrap().is_none());
        let mut taken = take(state.path());
        assert!(Taken::find(state.path()).unwrap().is_none());
        taken.write(&record()).unwrap();
        let Some(Standing::Held(Some(seen))) = Taken::find(state.path()).unwrap() else {
            unreachable!("it is held, and written")
        };
        assert_eq!(seen.device(), record().device());
        assert!(matches!(
            Taken::make(state.path()).unwrap(),
            Standing::Held(Some(_))
        ));
        drop(taken);
        let Some(Standing::Free(mut taken)) = Taken::find(state.path()).unwrap() else {
            unreachable!("its holder is gone")
        };
        assert!(taken.left.as_ref().unwrap().is_of_this_boot());
        taken.clear().unwrap();
        drop(taken);
        assert!(Taken::find(state.path()).unwrap().is_none());
        assert_eq!(take(state.path()).left, None);
    }

    #[test]
    fn what_was_cut_off_is_no_record() {
        let state = tempfile::tempdir().unwrap();
        let whole = serde_json::to_vec(&record()).unwrap();
        for cut in [1, whole.len() / 2, whole.len() - 1] {
            std::fs::write(state.path().join(NAME), &whole[..cut]).unwrap();
            assert_eq!(take(state.path()).left, None);
        }
    }

    #[test]
    fn another_boot_is_told_apart_and_nothing_odd_is_shown() {
        let mut record = record();
        record.boot.push('x');
        assert!(!record.is_of_this_boot());
        record.purpose = "\x1b[2J".into();
        assert!(!record.to_string().contains('\x1b'), "{record}");
        assert!(
            record
                .to_string()
                .contains("(device 7:3, frozen by process")
        );
    }
}
