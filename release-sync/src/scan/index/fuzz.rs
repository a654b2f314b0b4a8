//! An index, for fuzzers (see [`crate::fuzz`]): where users of a host can write to the tree, they can write one.

use release_core::Digest;

use super::{CHECKSUM, Index, MAGIC, VERSION, Writer};

const GOLDEN: &[u8] = include_bytes!("../fixtures/index-v1.bin");

/// What stands between an index's version and its checksum: what is read of it can be written, and is read again.
pub fn index(bytes: &[u8]) {
    let _ = Index::decode(bytes.to_vec());
    let mut whole = [&MAGIC[..], &[VERSION], bytes].concat();
    let checksum = Digest::of(&whole);
    whole.extend_from_slice(checksum.as_bytes());
    let Some(index) = Index::decode(whole) else {
        return;
    };
    let mut records = index.records();
    let mut writer = Writer::new(index.scanned_at(), 0);
    let mut read = Vec::new();
    while let Some(record) = records.advance() {
        assert!(records.path().len() <= bytes.len());
        writer.add(records.path(), &record);
        read.push((records.path().to_vec(), record));
    }
    let again = Index::decode(writer.finish().as_bytes().to_vec());
    let again = again.unwrap_or(index);
    let mut records = again.records();
    for (path, record) in read {
        assert_eq!(records.advance(), Some(record));
        assert_eq!(records.path(), path);
    }
    assert_eq!(records.advance(), None);
}

pub(crate) fn indexes() -> Vec<Vec<u8>> {
    vec![GOLDEN[MAGIC.len() + 1..GOLDEN.len() - CHECKSUM].to_vec()]
}
