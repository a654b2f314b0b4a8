//! `.release/index`: what was last known of each file.
//!
//! ```text
//! index      "RLS-INDEX" version:u8 scanned_at record* checksum[32]
//! record     shared length suffix        path, as bytes shared with the path before, and the rest
//!            size mtime ctime inode digest[32]
//! time       seconds nanos
//! ```
//! Unmarked numbers are LEB128 varints; seconds are zigzag-coded. Records are in [`RelPath`] order. The
//! checksum is the BLAKE3 digest of all that is before it: a torn index is no index, and costs no more
//! than reading the files again.
//!
//! [`RelPath`]: release_core::RelPath

#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod fuzz;

use release_core::{Digest, Timestamp};

use crate::tree::Stamp;

const MAGIC: &[u8; 9] = b"RLS-INDEX";
const VERSION: u8 = 1;
const CHECKSUM: usize = 32;

/// What was known of files when they were scanned, as the bytes that are kept on the disk.
#[derive(Debug)]
pub(crate) struct Index {
    bytes: Vec<u8>,
    /// Where the records start in `bytes`.
    start: usize,
    scanned_at: Timestamp,
}

/// What was known of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) size: u64,
    pub(super) mtime: Timestamp,
    pub(super) stamp: Stamp,
    pub(super) digest: Digest,
}

impl Index {
    /// Reads the bytes of an index. `None` for what is torn, from another version, or no index at all.
    pub(crate) fn decode(bytes: Vec<u8>) -> Option<Self> {
        let content = bytes.len().checked_sub(CHECKSUM)?;
        let (content, checksum) = bytes.split_at(content);
        let mut reader = Reader(content);
        let known = reader.take(MAGIC.len())? == MAGIC && reader.byte()? == VERSION;
        if !known || Digest::of(content).as_bytes() != checksum {
            return None;
        }
        let scanned_at = reader.time()?;
        let start = content.len() - reader.0.len();
        Some(Self {
            bytes,
            start,
            scanned_at,
        })
    }

    /// The bytes to be kept on the disk.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// When the scan that made this index began, by the clock that inodes are stamped with.
    pub(super) fn scanned_at(&self) -> Timestamp {
        self.scanned_at
    }

    /// All records, in order.
    pub(super) fn records(&self) -> Records<'_> {
        Records {
            reader: Reader(&self.bytes[self.start..self.bytes.len() - CHECKSUM]),
            path: Vec::new(),
        }
    }
}

/// Makes an index, record by record.
pub(super) struct Writer {
    bytes: Vec<u8>,
    start: usize,
    scanned_at: Timestamp,
    before: Vec<u8>,
}

impl Writer {
    /// Starts an index that will have about `records` records.
    pub(super) fn new(scanned_at: Timestamp, records: usize) -> Self {
        let mut bytes = Vec::with_capacity(64 + records * 80);
        bytes.extend_from_slice(MAGIC);
        bytes.push(VERSION);
        put_time(&mut bytes, scanned_at);
        Self {
            start: bytes.len(),
            bytes,
            scanned_at,
            before: Vec::new(),
        }
    }

    /// Adds a file. Paths come in order.
    pub(super) fn add(&mut self, path: &[u8], record: &Record) {
        let common = self.before.iter().zip(path);
        let shared = common.take_while(|(a, b)| a == b).count();
        let out = &mut self.bytes;
        put(out, shared as u64);
        put(out, (path.len() - shared) as u64);
        out.extend_from_slice(&path[shared..]);
        put(out, record.size);
        put_time(out, record.mtime);
        put_time(out, record.stamp.ctime);
        put(out, record.stamp.inode);
        out.extend_from_slice(record.digest.as_bytes());
        self.before.truncate(shared);
        self.before.extend_from_slice(&path[shared..]);
    }

    pub(super) fn finish(mut self) -> Index {
        let checksum = Digest::of(&self.bytes);
        self.bytes.extend_from_slice(checksum.as_bytes());
        Index {
            bytes: self.bytes,
            start: self.start,
            scanned_at: self.scanned_at,
        }
    }
}

fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put_time(out: &mut Vec<u8>, time: Timestamp) {
    put(out, (time.seconds << 1 ^ time.seconds >> 63) as u64);
    put(out, time.nanos.into());
}

/// Goes through an index without unpacking it.
pub(super) struct Records<'a> {
    reader: Reader<'a>,
    path: Vec<u8>,
}

impl Records<'_> {
    /// The next record; [`Records::path`] is its path then. Ends at anything that is not a record.
    pub(super) fn advance(&mut self) -> Option<Record> {
        let record = self.reader.record(&mut self.path);
        if record.is_none() {
            self.reader = Reader(&[]);
        }
        record
    }

    /// The path of the record that was given last.
    pub(super) fn path(&self) -> &[u8] {
        &self.path
    }
}

/// What is left to be read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(byte)
    }

    fn number(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    fn time(&mut self) -> Option<Timestamp> {
        let zigzag = self.number()?;
        Some(Timestamp {
            seconds: (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64),
            nanos: u32::try_from(self.number()?).ok()?,
        })
    }

    fn record(&mut self, path: &mut Vec<u8>) -> Option<Record> {
        let shared = self.length()?;
        let suffix = self.length()?;
        let suffix = self.take(suffix)?;
        if shared > path.len() {
            return None;
        }
        path.truncate(shared);
        path.extend_from_slice(suffix);
        Some(Record {
            size: self.number()?,
            mtime: self.time()?,
            stamp: Stamp {
                ctime: self.time()?,
                inode: self.number()?,
            },
            digest: Digest::from_bytes(self.take(32)?.try_into().ok()?),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use proptest::prelude::*;

    use super::*;

    /// Version 1 as it was first written. Never edited: old indexes must stay readable.
    const GOLDEN: &[u8] = include_bytes!("fixtures/index-v1.bin");

    fn time(seconds: i64, nanos: u32) -> Timestamp {
        Timestamp { seconds, nanos }
    }

    fn golden() -> (Timestamp, Vec<(&'static [u8], Record)>) {
        let record = |size, mtime, ctime, inode, content| Record {
            size,
            mtime,
            stamp: Stamp { inode, ctime },
            digest: Digest::of(content),
        };
        let now = time(1_700_000_000, 4_000_000);
        let records = vec![
            (
                &b"a/b"[..],
                record(0, now, time(0, 999_999_999), 1, &b""[..]),
            ),
            (b"a/bc", record(1 << 40, time(-1, 5), now, u64::MAX, b"x")),
            (
                b"a\xff\n",
                record(300, time(i64::MIN, 0), time(i64::MAX, 1), 12, b"y"),
            ),
        ];
        (now, records)
    }

    fn write(scanned_at: Timestamp, records: &[(impl AsRef<[u8]>, Record)]) -> Index {
        let mut writer = Writer::new(scanned_at, records.len());
        for (path, record) in records {
            writer.add(path.as_ref(), record);
        }
        writer.finish()
    }

    fn read(index: &Index) -> Vec<(Vec<u8>, Record)> {
        let mut records = index.records();
        let mut all = Vec::new();
        while let Some(record) = records.advance() {
            all.push((records.path().to_vec(), record));
        }
        all
    }

    #[test]
    fn the_format_stays_what_it_is() {
        let (scanned_at, records) = golden();
        assert_eq!(write(scanned_at, &records).as_bytes(), GOLDEN);
        let index = Index::decode(GOLDEN.to_vec()).unwrap();
        assert_eq!(index.scanned_at(), scanned_at);
        let expected: Vec<_> = records
            .iter()
            .map(|(path, r)| (path.to_vec(), *r))
            .collect();
        assert_eq!(read(&index), expected);
    }

    #[test]
    fn torn_or_foreign_bytes_are_no_index() {
        for length in 0..GOLDEN.len() {
            assert!(Index::decode(GOLDEN[..length].to_vec()).is_none());
        }
        for at in 0..GOLDEN.len() {
            let mut flipped = GOLDEN.to_vec();
            flipped[at] ^= 4;
            assert!(Index::decode(flipped).is_none(), "byte {at}");
        }
        let mut newer = GOLDEN[..GOLDEN.len() - CHECKSUM].to_vec();
        newer[MAGIC.len()] += 1;
        let checksum = Digest::of(&newer);
        newer.extend_from_slice(checksum.as_bytes());
        assert!(Index::decode(newer).is_none());
    }

    fn any_time() -> impl Strategy<Value = Timestamp> {
        (any::<i64>(), 0..1_000_000_000_u32).prop_map(|(seconds, nanos)| time(seconds, nanos))
    }

    fn any_record() -> impl Strategy<Value = (Vec<u8>, Record)> {
        let path = proptest::collection::vec(any::<u8>(), 1..30);
        let numbers = (any::<u64>(), any::<u64>(), any::<[u8; 32]>());
        (path, numbers, any_time(), any_time()).prop_map(|(path, numbers, mtime, ctime)| {
            let (size, inode, digest) = numbers;
            let record = Record {
                size,
                mtime,
                stamp: Stamp { inode, ctime },
                digest: Digest::from_bytes(digest),
            };
            (path, record)
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            at in any_time(),
            records in proptest::collection::vec(any_record(), 0..20),
        ) {
            let written = write(at, &records);
            let index = Index::decode(written.as_bytes().to_vec()).unwrap();
            prop_assert_eq!(index.scanned_at(), at);
            prop_assert_eq!(read(&index), records);
        }

        /// Even bytes with a good checksum need not be records.
        #[test]
        fn any_bytes_can_be_gone_through(noise in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut bytes = GOLDEN[..12].to_vec();
            bytes.extend_from_slice(&noise);
            let checksum = Digest::of(&bytes);
            bytes.extend_from_slice(checksum.as_bytes());
            if let Some(index) = Index::decode(bytes) {
                prop_assert!(read(&index).len() <= noise.len() / 38);
            }
        }
    }
}
