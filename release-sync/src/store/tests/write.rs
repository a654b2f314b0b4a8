//! Files put together from literal bytes and old pieces.

use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};

use proptest::prelude::*;
use release_core::Digest;

use crate::delta::OpWriter;
use crate::store::{FileWriter, WriteError};

fn scratch(content: &[u8]) -> File {
    let file = tempfile::tempfile().unwrap();
    file.write_all_at(content, 0).unwrap();
    file
}

fn ops(write: impl FnOnce(&mut OpWriter<'_>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = OpWriter::new(&mut bytes);
    write(&mut writer);
    writer.finish();
    bytes
}

fn read(file: &File) -> Vec<u8> {
    let mut content = vec![0; file.metadata().unwrap().len() as usize];
    file.read_exact_at(&mut content, 0).unwrap();
    content
}

#[derive(Clone, Debug)]
enum Piece {
    Literal(Vec<u8>),
    Copy(usize, usize),
}

const BASIS: usize = 40_000;

/// Zeros in long runs, so that blocks of zeros begin and end anywhere.
fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    let literal = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..50).prop_map(Piece::Literal),
        (0..20_000usize).prop_map(|zeros| Piece::Literal(vec![0; zeros])),
    ];
    let copy = (0..BASIS, 1..BASIS)
        .prop_map(|(offset, length)| Piece::Copy(offset, length.min(BASIS - offset)));
    prop::collection::vec(prop_oneof![literal, copy], 0..8)
}

proptest! {
    #[test]
    fn a_file_is_what_its_pieces_are(pieces in pieces(), cut in 0..8usize) {
        let basis: Vec<u8> =
            (0..BASIS).map(|at| if at / 9_000 % 2 == 0 { 0 } else { at as u8 }).collect();
        let mut expected = Vec::new();
        let (mut literal, mut matched) = (0, 0);
        for piece in &pieces {
            match piece {
                Piece::Literal(bytes) => {
                    expected.extend_from_slice(bytes);
                    literal += bytes.len() as u64;
                }
                Piece::Copy(offset, length) => {
                    expected.extend_from_slice(&basis[*offset..][..*length]);
                    matched += *length as u64;
                }
            }
        }
        let old = scratch(&basis);
        let size = expected.len() as u64;
        let mut writer = FileWriter::new(scratch(b""), size, Some((old, BASIS as u64)));
        for part in [&pieces[..cut.min(pieces.len())], &pieces[cut.min(pieces.len())..]] {
            let ops = ops(|out| for piece in part {
                match piece {
                    Piece::Literal(bytes) => out.literal(bytes),
                    Piece::Copy(offset, length) => out.copy(*offset as u64, *length as u64),
                }
            });
            writer.push(&ops).unwrap();
        }
        prop_assert_eq!((writer.literal, writer.matched), (literal, matched));
        let file = writer.finish(&Digest::of(&expected)).unwrap();
        prop_assert!(read(&file) == expected);
    }

    #[test]
    fn any_bytes_make_a_file_or_an_error(ops in prop::collection::vec(any::<u8>(), 0..60)) {
        let old = scratch(&[7; 100]);
        let mut writer = FileWriter::new(scratch(b""), 50, Some((old, 100)));
        let _ = writer.push(&ops);
        prop_assert!(writer.finish(&Digest::of(b"another")).is_err());
    }
}

#[test]
fn blocks_of_zeros_take_no_room() {
    const SIZE: usize = 8 << 20;
    let mut content = vec![0; SIZE];
    content[3 << 20] = 1;
    let mut writer = FileWriter::new(scratch(b""), SIZE as u64, None);
    for piece in content.chunks(960 << 10) {
        writer.push(&ops(|out| out.literal(piece))).unwrap();
    }
    let file = writer.finish(&Digest::of(&content)).unwrap();
    assert!(read(&file) == content);
    assert!(file.metadata().unwrap().blocks() * 512 < 1 << 18);
    // A local copy keeps the holes.
    let mut copy = FileWriter::new(scratch(b""), SIZE as u64, None);
    copy.push_file(&file).unwrap();
    let copy = copy.finish(&Digest::of(&content)).unwrap();
    assert!(copy.metadata().unwrap().blocks() * 512 < 1 << 18);
}

#[test]
fn what_is_not_the_file_is_refused() {
    let writer = |size, basis: Option<(File, u64)>| FileWriter::new(scratch(b""), size, basis);
    let literal = |bytes: &[u8]| ops(|out| out.literal(bytes));
    let copy = |offset, length| ops(|out| out.copy(offset, length));
    let old = || Some((scratch(b"0123456789"), 10));

    let mut other = writer(4, None);
    other.push(&literal(b"abcx")).unwrap();
    let digest = Digest::of(b"abcd");
    assert!(matches!(other.finish(&digest), Err(WriteError::Mismatch)));

    let mut short = writer(4, None);
    short.push(&literal(b"abc")).unwrap();
    assert!(matches!(
        short.finish(&Digest::of(b"abc")),
        Err(WriteError::Mismatch)
    ));

    let mut long = writer(4, None);
    assert!(matches!(
        long.push(&literal(b"abcde")),
        Err(WriteError::Mismatch)
    ));

    let mut without_basis = writer(4, None);
    assert!(matches!(
        without_basis.push(&copy(0, 4)),
        Err(WriteError::Damaged)
    ));

    let mut beyond = writer(4, old());
    assert!(matches!(beyond.push(&copy(8, 4)), Err(WriteError::Damaged)));

    // The old file was cut off after its signature was made.
    let mut cut_off = writer(4, Some((scratch(b"01"), 10)));
    assert!(matches!(
        cut_off.push(&copy(0, 4)),
        Err(WriteError::Mismatch)
    ));
    let mut grown = writer(4, None);
    assert!(matches!(
        grown.push_file(&scratch(b"12345")),
        Err(WriteError::Mismatch)
    ));
}
