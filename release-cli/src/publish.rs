//! Publication: the pointer and its signature, put where new instances look for them.
//!
//! Three files, each replaced in one step: the signature, then the document, then the bare snapshot id. The
//! rename of the document is *the moment p*: whoever reads before it gets the old pointer, whoever reads after
//! it the new one. Between the first two renames a reader gets document and signature of two pointers, and
//! reads again.
//!
//! All that can fail for want of room happens before the first rename. A process that is killed between the
//! first two leaves what no reader accepts; the old signature is kept beside until the document is there, and
//! the next one who opens the directory puts it back.

mod error;
mod folder;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use release_core::{Moment, Pointer, PointerError, PublicKey, SecretKey};

pub(crate) use error::PublishError;
use folder::Folder;
pub(crate) use folder::Shelf;

/// Where the pointer is published, and the key that signs it.
#[derive(Debug)]
pub(crate) struct Publisher {
    folder: Folder,
    key: SecretKey,
    public: PublicKey,
}

/// A pointer that is out.
#[derive(Debug)]
pub(crate) struct Published {
    /// As it was signed, what was current before included.
    pub(crate) pointer: Pointer,
    /// The moment p, or a little later: from here on everybody reads this pointer.
    pub(crate) at: Moment,
    /// What could not be done after it: `snap.txt` still has the old snapshot, say. The next publication
    /// sees to it.
    pub(crate) fault: Option<PublishError>,
}

/// Where the old signature waits while there are a new one and an old document.
const KEPT: &str = ".release.json.minisig.old";

impl Publisher {
    /// Opens a directory that exists, and puts right what a killed process left in it. Only for whoever has
    /// the lock of deploys.
    ///
    /// # Errors
    /// When the directory can't be opened or put right.
    pub(crate) fn open(directory: &Path, key: SecretKey) -> Result<Self, PublishError> {
        let public = key.public_key().map_err(PublishError::Key)?;
        let folder = Folder::open(directory)?;
        let publisher = Self {
            folder,
            key,
            public,
        };
        publisher.put_right()?;
        Ok(publisher)
    }

    /// What is published now; `None` where nothing is.
    ///
    /// # Errors
    /// When it can't be read, or is not signed by our key: then nobody can say which generation it is.
    pub(crate) fn current(&self) -> Result<Option<Pointer>, PublishError> {
        current(&self.folder, &self.public)
    }

    /// The moment from which on everybody is to read this pointer. `previous` is filled in here.
    ///
    /// # Errors
    /// Where nothing has been published; the old pointer is as it was. After the moment p there are no errors,
    /// but perhaps a [`Published::fault`].
    pub(crate) fn publish(&self, mut pointer: Pointer) -> Result<Published, PublishError> {
        let current = self.current()?;
        if let Some(current) = &current
            && pointer.generation <= current.generation
        {
            return Err(PublishError::NotNewer {
                current: current.generation,
                new: pointer.generation,
            });
        }
        pointer.previous = current.as_ref().map(Pointer::as_previous);
        let (document, signature) = self.key.sign(&pointer).map_err(PublishError::Key)?;
        let names = [
            (Pointer::SIGNATURE_FILE, signature),
            (Pointer::FILE, document),
            (Pointer::SNAPSHOT_FILE, pointer.snapshot_file()),
        ];
        for (name, content) in &names {
            self.folder.prepare(name, content)?;
        }
        if current.is_some()
            && let Some(old) = self.signature(Pointer::SIGNATURE_FILE)?
        {
            self.folder.prepare(KEPT, &old)?;
            self.folder.place(KEPT)?;
        }
        self.folder.place(Pointer::SIGNATURE_FILE)?;
        if let Err(error) = self.folder.place(Pointer::FILE) {
            // What is not put back here is the next one's.
            let _ = self.put_right();
            return Err(error);
        }
        let at = now();
        let rest = self.folder.place(Pointer::SNAPSHOT_FILE);
        let rest = rest.and_then(|()| self.folder.remove(KEPT));
        Ok(Published {
            pointer,
            at,
            fault: rest.err(),
        })
    }

    /// Ends what a killed process has begun: before p as if it had never been, after it as it was meant.
    fn put_right(&self) -> Result<(), PublishError> {
        match self.current() {
            Ok(None) => {}
            Ok(Some(pointer)) => self.show_snapshot(&pointer)?,
            Err(PublishError::Unfit { .. }) => self.go_back()?,
            Err(error) => return Err(error),
        }
        self.folder.remove(KEPT)?;
        for name in [
            Pointer::SIGNATURE_FILE,
            Pointer::FILE,
            Pointer::SNAPSHOT_FILE,
            KEPT,
        ] {
            self.folder.discard(name)?;
        }
        Ok(())
    }

    /// The old signature takes the place of a new one whose document never came.
    fn go_back(&self) -> Result<(), PublishError> {
        let document = self.folder.read(Pointer::FILE, Pointer::MAX_LEN)?;
        if let (Some(document), Some(kept)) = (document, self.signature(KEPT)?)
            && Pointer::open(&document, &kept, &self.public).is_ok()
        {
            self.folder.restore(KEPT, Pointer::SIGNATURE_FILE)?;
        }
        Ok(())
    }

    fn show_snapshot(&self, pointer: &Pointer) -> Result<(), PublishError> {
        let name = Pointer::SNAPSHOT_FILE;
        let content = pointer.snapshot_file();
        // What is too long, or no file at all, is not it.
        let shown = self.folder.read(name, Pointer::MAX_SNAPSHOT_LEN);
        if shown.ok().flatten().as_ref() == Some(&content) {
            return Ok(());
        }
        self.folder.prepare(name, &content)?;
        self.folder.place(name)
    }

    fn signature(&self, name: &str) -> Result<Option<Vec<u8>>, PublishError> {
        self.folder.read(name, Pointer::MAX_SIGNATURE_LEN)
    }
}

/// What is published in a directory, for who only looks. Nothing is put right.
///
/// # Errors
/// As [`Publisher::current`].
pub(crate) fn published(
    directory: &Path,
    key: &PublicKey,
) -> Result<Option<Pointer>, PublishError> {
    current(&Folder::open(directory)?, key)
}

fn current(folder: &Folder, key: &PublicKey) -> Result<Option<Pointer>, PublishError> {
    let Some(document) = folder.read(Pointer::FILE, Pointer::MAX_LEN)? else {
        return Ok(None);
    };
    let signature = folder.read(Pointer::SIGNATURE_FILE, Pointer::MAX_SIGNATURE_LEN)?;
    let opened = match &signature {
        Some(signature) => Pointer::open(&document, signature, key),
        None => Err(PointerError::NoSignature),
    };
    opened.map(Some).map_err(|source| PublishError::Unfit {
        path: folder.path_of(Pointer::FILE),
        source: Box::new(source),
    })
}

/// Reads a signing key. `password` is asked for one where the key is behind one; `None` from it: there is nobody
/// to ask.
///
/// # Errors
/// When the file can't be read, is no key, or the password is wrong or missing.
pub(crate) fn read_key(
    path: &Path,
    password: impl FnOnce() -> Option<String>,
) -> Result<SecretKey, PublishError> {
    let fault = |source| PublishError::KeyUnreadable {
        path: path.to_owned(),
        source,
    };
    let text = folder::read_file(path, SecretKey::MAX_LEN).map_err(fault)?;
    let text = String::from_utf8_lossy(&text);
    let key = match SecretKey::read(&text, None) {
        Err(release_core::SigningError::PasswordNeeded) => match password() {
            Some(password) => SecretKey::read(&text, Some(&password)),
            None => Err(release_core::SigningError::PasswordNeeded),
        },
        key => key,
    };
    key.map_err(|source| PublishError::BadKey {
        path: path.to_owned(),
        source,
    })
}

/// The file with the public half of a key: `NAME.pub` beside `NAME.key`.
pub(crate) fn public_file(key: &Path) -> PathBuf {
    key.with_extension("pub")
}

fn now() -> Moment {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Moment::from_unix_millis(0).after(since.unwrap_or_default())
}
