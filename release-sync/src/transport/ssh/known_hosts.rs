//! The file of known host keys, in OpenSSH's format (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT").

#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod fuzz;

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use hmac::{Hmac, Mac};
use rustix::fs::{FlockOperation, flock};
use sha1::Sha1;
use ssh_key::known_hosts::{Entry, HostPatterns, Marker};
use ssh_key::{HashAlg, PublicKey};

use crate::{Error, SshTarget};

/// Key types that we ask a host for, the best first, each with the algorithms that prove one. SHA-1
/// signatures and DSA are not among them.
const KEY_TYPES: [(&str, &[&str]); 5] = [
    ("ssh-ed25519", &["ssh-ed25519"]),
    ("ecdsa-sha2-nistp256", &["ecdsa-sha2-nistp256"]),
    ("ecdsa-sha2-nistp384", &["ecdsa-sha2-nistp384"]),
    ("ecdsa-sha2-nistp521", &["ecdsa-sha2-nistp521"]),
    ("ssh-rsa", &["rsa-sha2-512", "rsa-sha2-256"]),
];

/// What the file says of a host's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is the host's.
    Known,
    /// The file has no key of this host.
    Unknown,
    /// The file has keys of this host, and this is none of them.
    Changed,
    /// It must not be used any more.
    Revoked,
}

/// The keys in a file, as they were when it was read.
#[derive(Debug)]
pub(super) struct KnownHosts {
    path: PathBuf,
    /// Is there no such file?
    is_missing: bool,
    entries: Vec<Entry>,
}

/// What becomes of the key of a host that was unknown and is taken in.
#[derive(Debug)]
pub(crate) enum Newcomers {
    /// It is written into the file, for good.
    Written,
    /// It is remembered as long as this is, by the file and the name that it would have there: for a run that
    /// changes nothing.
    Remembered(Mutex<BTreeMap<(PathBuf, String), Vec<u8>>>),
}

impl Newcomers {
    pub(crate) fn remembered() -> Self {
        Self::Remembered(Mutex::default())
    }

    /// Takes a key in, unless the host has another one by now: hands back what is known of it then.
    pub(super) fn accept(
        &self,
        known: &KnownHosts,
        name: &str,
        key: &[u8],
    ) -> Result<Verdict, Error> {
        let Self::Remembered(keys) = self else {
            return known.accept(name, key);
        };
        let mut keys = keys.lock().unwrap_or_else(PoisonError::into_inner);
        let first = keys.entry((known.path.clone(), String::from(name)));
        Ok(match first.or_insert_with(|| key.to_vec()) == key {
            true => Verdict::Known,
            false => Verdict::Changed,
        })
    }
}

/// The names under which the file may have a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Names {
    /// What it is called, which nobody else is.
    own: Option<String>,
    /// Its address, with the port unless that is SSH's own. It may have been another host's before.
    address: String,
}

impl Names {
    pub(super) fn of(target: &SshTarget) -> Self {
        let address = match target.port {
            22 => target.address.clone(),
            port => format!("[{}]:{port}", target.address),
        };
        Self {
            own: target.key_name.as_deref().map(str::to_ascii_lowercase),
            address: address.to_ascii_lowercase(),
        }
    }

    /// The name that a key is written down under.
    pub(super) fn first(&self) -> &str {
        self.own.as_deref().unwrap_or(&self.address)
    }
}

/// A key's type and fingerprint, as ssh-keygen shows them.
pub(super) fn fingerprint(key: &[u8]) -> String {
    match PublicKey::from_bytes(key) {
        Ok(key) => format!("{} {}", key.algorithm(), key.fingerprint(HashAlg::Sha256)),
        Err(_) => String::from("a key of an unknown type"),
    }
}

impl KnownHosts {
    /// Reads a file; one that is missing has no keys. Lines that make no sense are passed over, as
    /// OpenSSH does.
    pub(super) fn load(path: &Path) -> Result<Self, Error> {
        let read = match std::fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            other => Some(other.map_err(|source| unusable(path, source))?),
        };
        let (text, is_missing) = (read.as_deref().unwrap_or_default(), read.is_none());
        Ok(Self {
            path: path.to_owned(),
            is_missing,
            entries: parse(text),
        })
    }

    /// Was there no such file?
    pub(super) fn is_missing(&self) -> bool {
        self.is_missing
    }

    /// Which proofs to ask the host for, in order. Types of which its key is known come first, lest a
    /// host with several keys show one that happens not to be in the file. The others follow, so that a
    /// changed key can be named.
    pub(super) fn preference(&self, names: &Names) -> String {
        let is_known = |key_type: &str| {
            let own = self.about(names.first());
            own.chain(self.about(&names.address))
                .any(|entry| entry.public_key().algorithm().as_str() == key_type)
        };
        let (known, others): (Vec<_>, Vec<_>) = KEY_TYPES
            .iter()
            .partition(|(key_type, _)| is_known(key_type));
        let algorithms: Vec<&str> = known
            .iter()
            .chain(&others)
            .flat_map(|(_, algorithms)| algorithms.iter().copied())
            .collect();
        algorithms.join(",")
    }

    /// Compares a key that a host has shown, in its wire form, with what the file has of that host: by its own
    /// name, or by its address where it has nothing by that.
    ///
    /// A host that has a name of its own may have got its address from one that is gone. So `newcomers`, which
    /// are to be taken in, are not held against what that one was.
    pub(super) fn check(&self, names: &Names, key: &[u8], newcomers: bool) -> Verdict {
        let first = self.check_name(names.first(), key);
        if first != Verdict::Unknown {
            return first;
        }
        match self.check_name(&names.address, key) {
            Verdict::Changed if newcomers && names.own.is_some() => Verdict::Unknown,
            verdict => verdict,
        }
    }

    fn check_name(&self, name: &str, key: &[u8]) -> Verdict {
        let is_same = |entry: &Entry| {
            entry
                .public_key()
                .to_bytes()
                .is_ok_and(|known| known == key)
        };
        let is_revoked = |entry: &Entry| {
            entry.marker() == Some(&Marker::Revoked)
                && is_named(entry.host_patterns(), name)
                && is_same(entry)
        };
        if self.entries.iter().any(is_revoked) {
            return Verdict::Revoked;
        }
        let mut verdict = Verdict::Unknown;
        for entry in self.about(name) {
            if is_same(entry) {
                return Verdict::Known;
            }
            verdict = Verdict::Changed;
        }
        verdict
    }

    /// Adds the key of a host that was unknown, on disk for good when this returns. Under a lock it looks
    /// again whether that is still so, and hands back what the file says by then.
    fn accept(&self, name: &str, key: &[u8]) -> Result<Verdict, Error> {
        accept(&self.path, name, key).map_err(|source| unusable(&self.path, source))
    }

    /// Entries that say what keys a host has. Those of authorities are for certificates.
    fn about(&self, name: &str) -> impl Iterator<Item = &Entry> {
        self.entries
            .iter()
            .filter(move |entry| entry.marker().is_none() && is_named(entry.host_patterns(), name))
    }
}

fn unusable(path: &Path, source: io::Error) -> Error {
    Error::KnownHosts {
        path: path.to_owned(),
        source,
    }
}

fn parse(text: &[u8]) -> Vec<Entry> {
    let lines = text.split(|&byte| byte == b'\n');
    lines
        .filter_map(|line| std::str::from_utf8(line).ok()?.trim().parse().ok())
        .collect()
}

fn accept(path: &Path, name: &str, key: &[u8]) -> io::Result<Verdict> {
    let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    let key_line = PublicKey::from_bytes(key)
        .and_then(|key| key.to_openssh())
        .map_err(invalid)?;
    if name.contains(|c: char| c.is_whitespace() || c.is_control() || ",*?!|#@".contains(c)) {
        let why = "the host's name can't be written into it";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    let mut file = open_for_appending(path)?;
    flock(&file, FlockOperation::LockExclusive)?;
    file.rewind()?;
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    let now = KnownHosts {
        is_missing: false,
        path: path.to_owned(),
        entries: parse(&text),
    };
    let verdict = now.check_name(name, key);
    if verdict != Verdict::Unknown {
        return Ok(verdict);
    }
    let unfinished = text.last().is_some_and(|&byte| byte != b'\n');
    let line = format!("{}{name} {key_line}\n", if unfinished { "\n" } else { "" });
    // In one write, since others read without the lock.
    file.write_all(line.as_bytes())?;
    file.sync_all()?;
    Ok(Verdict::Known)
}

fn open_for_appending(path: &Path) -> io::Result<File> {
    if let Some(parent) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)?;
    }
    OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}

/// Is the host meant by these patterns? A negated pattern that fits rules out the others.
fn is_named(patterns: &HostPatterns, name: &str) -> bool {
    match patterns {
        HostPatterns::HashedName { salt, hash } => Hmac::<Sha1>::new_from_slice(salt)
            .is_ok_and(|hmac| hmac.chain_update(name).verify_slice(hash).is_ok()),
        HostPatterns::Patterns(patterns) => {
            let mut named = false;
            for pattern in patterns {
                let (negated, pattern) = match pattern.strip_prefix('!') {
                    Some(pattern) => (true, pattern),
                    None => (false, pattern.as_str()),
                };
                if fits(pattern.to_ascii_lowercase().as_bytes(), name.as_bytes()) {
                    if negated {
                        return false;
                    }
                    named = true;
                }
            }
            named
        }
    }
}

/// `*` stands for any bytes, `?` for one. Backtracks to the last star only, which is enough.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut in_pattern, mut in_name) = (0, 0);
    let mut star = None;
    while in_name < name.len() {
        match pattern.get(in_pattern) {
            Some(b'*') => {
                star = Some((in_pattern, in_name));
                in_pattern += 1;
            }
            Some(&byte) if byte == b'?' || byte == name[in_name] => {
                in_pattern += 1;
                in_name += 1;
            }
            _ => {
                let Some((at, from)) = star else {
                    return false;
                };
                star = Some((at, from + 1));
                in_pattern = at + 1;
                in_name = from + 1;
            }
        }
    }
    pattern[in_pattern..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests;
