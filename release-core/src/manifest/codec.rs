//! Canonical bytes of a manifest: one manifest, one encoding.
//!
//! ```text
//! manifest   "RLS-MANIFEST" version:u8 class:u8 users groups count entry*
//! users      count principal*            groups likewise; both absent in class 1
//! principal  id named:u8 [length bytes]
//! entry      shared length suffix        path, as bytes shared with the path before, and the rest
//!            kind:u8 mode [user group] seconds nanos
//!            file: size digest[32]       symlink: length bytes
//! ```
//! Unmarked numbers are LEB128 varints in their shortest form; seconds are zigzag-coded.

use super::{Entry, Kind, Manifest, ManifestError, Meta, Principal, ProofClass, Timestamp};
use crate::{Digest, PathError, RelPath};

/// Bytes that are hashed at one time: BLAKE3 is at its best, and they stay in the cache.
const PIECE: usize = 64 << 10;
const MAGIC: &[u8; 12] = b"RLS-MANIFEST";
const VERSION: u8 = 1;
const DIRECTORY: u8 = 0;
const FILE: u8 = 1;
const SYMLINK: u8 = 2;

/// Why bytes are not a manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The bytes don't start as a manifest does.
    #[error("not a manifest")]
    Magic,
    /// A version of the format that this build does not read.
    #[error("manifest format {0} is not known here; this build reads format {VERSION}")]
    Version(u8),
    /// The bytes end inside something.
    #[error("the manifest is cut off at byte {0}")]
    Truncated(usize),
    /// Bytes that `encode` would not have made.
    #[error("{what} at byte {at} of the manifest is not canonical")]
    NotCanonical {
        /// Offset from the start.
        at: usize,
        /// What stands there.
        what: &'static str,
    },
    /// A path that could lead out of the tree.
    #[error("a path in the manifest is bad")]
    Path(#[from] PathError),
    /// Entries that make no tree.
    #[error("the manifest describes no tree")]
    Manifest(#[from] ManifestError),
}

/// The digest of what [`encode`] gives, and its length, without all of it in memory: a million entries
/// are 80 MB.
pub(super) fn digest(manifest: &Manifest, class: ProofClass) -> (Digest, u64) {
    let mut hasher = blake3::Hasher::new();
    let mut piece = Vec::with_capacity(PIECE + 8192);
    write(manifest, class, &mut piece, |piece| {
        if piece.len() >= PIECE {
            hasher.update(piece);
            piece.clear();
        }
    });
    hasher.update(&piece);
    (hasher.finalize().into(), hasher.count())
}

pub(super) fn encode(manifest: &Manifest, class: ProofClass) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + manifest.entries.len() * 72);
    write(manifest, class, &mut out, |_| {});
    out
}

/// Appends the canonical bytes to `out`, and lets it be looked at after each entry.
fn write(
    manifest: &Manifest,
    class: ProofClass,
    out: &mut Vec<u8>,
    mut after_entry: impl FnMut(&mut Vec<u8>),
) {
    out.extend_from_slice(MAGIC);
    out.push(VERSION);
    out.push(class as u8);
    if class == ProofClass::Full {
        put_principals(out, &manifest.users);
        put_principals(out, &manifest.groups);
    }
    put(out, manifest.entries.len() as u64);
    let mut before: &[u8] = &[];
    for entry in &manifest.entries {
        put_entry(out, before, entry, class);
        before = entry.path.as_bytes();
        after_entry(out);
    }
}

fn put_principals(out: &mut Vec<u8>, principals: &[Principal]) {
    put(out, principals.len() as u64);
    for principal in principals {
        put(out, principal.id.into());
        out.push(principal.name.is_some().into());
        if let Some(name) = &principal.name {
            put_bytes(out, name);
        }
    }
}

fn put_entry(out: &mut Vec<u8>, before: &[u8], entry: &Entry, class: ProofClass) {
    let path = entry.path.as_bytes();
    let shared = shared_prefix(before, path);
    put(out, shared as u64);
    put_bytes(out, &path[shared..]);
    out.push(match entry.kind {
        Kind::Directory => DIRECTORY,
        Kind::File { .. } => FILE,
        Kind::Symlink { .. } => SYMLINK,
    });
    put(out, entry.meta.mode.into());
    if class == ProofClass::Full {
        put(out, entry.meta.user.into());
        put(out, entry.meta.group.into());
    }
    let seconds = entry.meta.mtime.seconds;
    put(out, (seconds << 1 ^ seconds >> 63) as u64);
    put(out, entry.meta.mtime.nanos.into());
    match &entry.kind {
        Kind::Directory => {}
        Kind::File { size, digest } => {
            put(out, *size);
            out.extend_from_slice(digest.as_bytes());
        }
        Kind::Symlink { target } => put_bytes(out, target),
    }
}

fn shared_prefix(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Reads canonical bytes of a manifest whose paths have at most `room` bytes together: since each path
/// is written as what differs from the one before, few bytes can name many.
pub(super) fn decode(bytes: &[u8], mut room: usize) -> Result<Manifest, CodecError> {
    let mut reader = Reader { bytes, at: 0 };
    let (users, groups) = reader.head()?;
    let count = reader.count(MIN_ENTRY)?;
    if count > Manifest::MAX_ENTRIES {
        return Err(ManifestError::TooMany(count).into());
    }
    let mut entries: Vec<Entry> = Vec::with_capacity(count);
    for _ in 0..count {
        let before = entries
            .last()
            .map_or(&[][..], |entry| entry.path.as_bytes());
        let entry = reader.entry(before)?;
        room = room
            .checked_sub(entry.path.as_bytes().len())
            .ok_or(ManifestError::Paths)?;
        entries.push(entry);
    }
    if reader.at != bytes.len() {
        return Err(reader.not_canonical("trailing data"));
    }
    let tables = (users.clone(), groups.clone());
    let manifest = Manifest::new(users, groups, entries)?;
    if (&manifest.users, &manifest.groups) != (&tables.0, &tables.1) {
        return Err(reader.not_canonical("the table of owners"));
    }
    Ok(manifest)
}

pub(super) fn decode_principals(
    bytes: &[u8],
) -> Result<(Vec<Principal>, Vec<Principal>), CodecError> {
    Reader { bytes, at: 0 }.head()
}

/// The fewest bytes of an entry and of a principal: what a count is checked against before anything
/// is allocated for it.
const MIN_ENTRY: usize = 8;
const MIN_PRINCIPAL: usize = 2;

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], CodecError> {
        let rest = &self.bytes[self.at..];
        let taken = rest
            .get(..length)
            .ok_or(CodecError::Truncated(self.bytes.len()))?;
        self.at += length;
        Ok(taken)
    }

    /// Magic, version, class, and the tables of owners.
    fn head(&mut self) -> Result<(Vec<Principal>, Vec<Principal>), CodecError> {
        if self.take(MAGIC.len()).ok() != Some(&MAGIC[..]) {
            return Err(CodecError::Magic);
        }
        match self.byte()? {
            VERSION => {}
            other => return Err(CodecError::Version(other)),
        }
        if self.byte()? != ProofClass::Full as u8 {
            return Err(self.not_canonical("class"));
        }
        Ok((self.principals()?, self.principals()?))
    }

    fn byte(&mut self) -> Result<u8, CodecError> {
        Ok(self.take(1)?[0])
    }

    fn not_canonical(&self, what: &'static str) -> CodecError {
        CodecError::NotCanonical { at: self.at, what }
    }

    fn number(&mut self) -> Result<u64, CodecError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            if shift == 63 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                if byte == 0 && shift > 0 {
                    break;
                }
                return Ok(value);
            }
        }
        Err(self.not_canonical("a number"))
    }

    fn small(&mut self) -> Result<u32, CodecError> {
        u32::try_from(self.number()?).map_err(|_| self.not_canonical("a number"))
    }

    /// A count of things of which each takes at least `least` bytes of what is left.
    fn count(&mut self, least: usize) -> Result<usize, CodecError> {
        let count = self.number()?;
        let room = (self.bytes.len() - self.at) / least;
        match usize::try_from(count) {
            Ok(count) if count <= room => Ok(count),
            _ => Err(CodecError::Truncated(self.bytes.len())),
        }
    }

    fn block(&mut self) -> Result<&'a [u8], CodecError> {
        let length = self.count(1)?;
        self.take(length)
    }

    fn principals(&mut self) -> Result<Vec<Principal>, CodecError> {
        let count = self.count(MIN_PRINCIPAL)?;
        (0..count).map(|_| self.principal()).collect()
    }

    fn principal(&mut self) -> Result<Principal, CodecError> {
        let id = self.small()?;
        let name = match self.byte()? {
            0 => None,
            1 => Some(self.block()?),
            _ => return Err(self.not_canonical("a name's mark")),
        };
        let principal = Principal {
            id,
            name: name.map(Into::into),
        };
        if !principal.is_valid() {
            return Err(self.not_canonical("a name's length"));
        }
        Ok(principal)
    }

    fn entry(&mut self, before: &[u8]) -> Result<Entry, CodecError> {
        let shared = self.small()? as usize;
        let suffix = self.block()?;
        let prefix = before
            .get(..shared)
            .ok_or_else(|| self.not_canonical("a prefix"))?;
        let path = [prefix, suffix].concat();
        if shared_prefix(before, &path) != shared {
            return Err(self.not_canonical("a prefix"));
        }
        let path = RelPath::parse(&path)?;
        let kind = self.byte()?;
        let mode = u16::try_from(self.number()?).map_err(|_| self.not_canonical("a mode"))?;
        let (user, group) = (self.small()?, self.small()?);
        let zigzag = self.number()?;
        let seconds = (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
        let mtime = Timestamp {
            seconds,
            nanos: self.small()?,
        };
        let kind = match kind {
            DIRECTORY => Kind::Directory,
            FILE => {
                let size = self.number()?;
                let mut digest = [0; 32];
                digest.copy_from_slice(self.take(32)?);
                Kind::File {
                    size,
                    digest: Digest::from_bytes(digest),
                }
            }
            SYMLINK => Kind::Symlink {
                target: self.block()?.into(),
            },
            _ => return Err(self.not_canonical("a kind")),
        };
        Ok(Entry {
            path,
            meta: Meta {
                mode,
                user,
                group,
                mtime,
            },
            kind,
        })
    }
}
