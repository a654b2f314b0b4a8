//! Putting a file together from literal bytes and pieces of an old one, and proving it.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use release_core::Digest;

use crate::delta::{Op, OpReader};
use crate::effort::Effort;

/// Zeros are left out of a file in blocks of this size, in bytes: that is how it becomes sparse.
const HOLE: usize = 4096;

/// Bytes of an old file that are in memory at one time.
const COPY_BUFFER: usize = 256 << 10;

/// A file that is being written.
#[derive(Debug)]
pub(crate) struct FileWriter {
    file: File,
    basis: Option<(File, u64)>,
    size: u64,
    position: u64,
    /// Where the file ends by what was written: zeros after it were left out.
    end: u64,
    hasher: blake3::Hasher,
    buffer: Vec<u8>,
    effort: Effort,
    /// Bytes that came as they are.
    pub(crate) literal: u64,
    /// Bytes taken from the old file.
    pub(crate) matched: u64,
    /// Bytes of other files of this machine.
    pub(crate) local: u64,
}

/// Why a file did not come about.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    /// Its content is not what the manifest says: the way back to the whole file.
    #[error("the content is not what the manifest says")]
    Mismatch,
    /// The operations don't parse, or lead out of the old file or the new one.
    #[error("the delta is damaged")]
    Damaged,
    /// The disk.
    #[error("writing failed")]
    Io(#[from] io::Error),
}

impl FileWriter {
    /// Writes into `file`, which is empty, what is to be `size` bytes in the end. `basis` is the file
    /// that copies refer to, with the length that its signature was made of.
    pub(crate) fn new(file: File, size: u64, basis: Option<(File, u64)>) -> Self {
        Self {
            file,
            basis,
            size,
            position: 0,
            end: 0,
            hasher: blake3::Hasher::new(),
            buffer: Vec::new(),
            effort: Effort::default(),
            literal: 0,
            matched: 0,
            local: 0,
        }
    }

    /// Counts the bytes that it writes there.
    pub(crate) fn counted_by(self, effort: &Effort) -> Self {
        let effort = effort.clone();
        Self { effort, ..self }
    }

    /// How much of the file there is.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Carries out a part's operations.
    pub(crate) fn push(&mut self, ops: &[u8]) -> Result<(), WriteError> {
        let basis_size = self.basis.as_ref().map_or(0, |(_, size)| *size);
        for op in OpReader::new(ops, basis_size) {
            match op.map_err(|_| WriteError::Damaged)? {
                Op::Literal(bytes) => {
                    self.literal += bytes.len() as u64;
                    self.append(bytes)?;
                }
                Op::Copy { offset, length } => {
                    self.matched += length;
                    self.copy(offset, length)?;
                }
            }
        }
        Ok(())
    }

    /// Appends the whole of another file, in pieces. Its length is checked at the end.
    pub(crate) fn push_file(&mut self, source: &File) -> Result<(), WriteError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(COPY_BUFFER, 0);
        let mut offset = 0;
        loop {
            let count =
                rustix::io::pread(source, &mut buffer[..], offset).map_err(io::Error::from)?;
            if count == 0 {
                break;
            }
            self.append(&buffer[..count])?;
            offset += count as u64;
        }
        self.local += offset;
        self.buffer = buffer;
        Ok(())
    }

    /// The finished file, if it is what it should be.
    pub(crate) fn finish(self, digest: &Digest) -> Result<File, WriteError> {
        if self.position != self.size || Digest::from(self.hasher.finalize()) != *digest {
            return Err(WriteError::Mismatch);
        }
        if self.end < self.size {
            rustix::fs::ftruncate(&self.file, self.size).map_err(io::Error::from)?;
        }
        Ok(self.file)
    }

    fn copy(&mut self, mut offset: u64, mut length: u64) -> Result<(), WriteError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(COPY_BUFFER, 0);
        while length > 0 {
            let piece = length.min(COPY_BUFFER as u64) as usize;
            let (basis, _) = self.basis.as_ref().ok_or(WriteError::Damaged)?;
            let count =
                rustix::io::pread(basis, &mut buffer[..piece], offset).map_err(io::Error::from)?;
            if count == 0 {
                // The old file was cut off behind our back: the digest would not come out right.
                return Err(WriteError::Mismatch);
            }
            self.append(&buffer[..count])?;
            offset += count as u64;
            length -= count as u64;
        }
        self.buffer = buffer;
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        if bytes.len() as u64 > self.size - self.position {
            return Err(WriteError::Mismatch);
        }
        self.hasher.update(bytes);
        if let Some(end) = write_sparse(self.file.as_fd(), bytes, self.position)? {
            self.end = end;
        }
        self.position += bytes.len() as u64;
        self.effort.add(bytes.len() as u64);
        Ok(())
    }
}

/// Writes bytes at an offset of a file that has only zeros from there on, and leaves whole blocks of
/// zeros out. Where what was written ends, if anything was.
fn write_sparse(file: impl AsFd, bytes: &[u8], position: u64) -> io::Result<Option<u64>> {
    let to_border = (HOLE - (position % HOLE as u64) as usize) % HOLE;
    let mut end = None;
    let mut write = |from: usize, to: usize| {
        if from < to {
            write_all_at(&file, &bytes[from..to], position + from as u64)?;
            end = Some(position + to as u64);
        }
        io::Result::Ok(())
    };
    let mut pending = 0; // start of what is not written yet
    let mut at = to_border.min(bytes.len());
    while at + HOLE <= bytes.len() {
        if is_zero(&bytes[at..at + HOLE]) {
            write(pending, at)?;
            pending = at + HOLE;
        }
        at += HOLE;
    }
    write(pending, bytes.len())?;
    Ok(end)
}

fn is_zero(block: &[u8]) -> bool {
    // The first bytes tell for nearly every block that has something in it.
    block[..8] == [0; 8] && block.iter().all(|&byte| byte == 0)
}

fn write_all_at(file: impl AsFd, mut bytes: &[u8], mut position: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::pwrite(&file, bytes, position) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                bytes = &bytes[count..];
                position += count as u64;
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
