//! Which files are read, and what their digests are worth.

use std::collections::BTreeSet;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use release_core::{Kind, Manifest};

use super::*;

#[test]
fn a_second_scan_reads_nothing() {
    let tree = Tree::new();
    for number in 0..200 {
        tree.write(
            format!("d{}/f{number}", number % 7).as_bytes(),
            vec![7; number],
        );
    }
    settle_now();
    let (first, read) = scan_with(&tree, &[], None);
    assert_eq!(read, (0..200).sum::<u64>());
    assert!(!first.index_is_current);
    let index = Index::decode(first.index().as_bytes().to_vec()).unwrap();
    let (second, read) = scan_with(&tree, &[], Some(&index));
    assert_eq!(read, 0);
    assert!(second.index_is_current);
    assert_eq!(second.found, first.found);

    // One file more and one less: only the new one is read, and the index has to be written anew.
    tree.write(b"d3/more", "more");
    let (third, read) = scan_with(&tree, &[], Some(&index));
    assert_eq!((read, third.index_is_current), (4, false));
    std::fs::remove_file(tree.at(b"d3/more")).unwrap();
    std::fs::remove_file(tree.at(b"d6/f6")).unwrap();
    let (fourth, read) = scan_with(&tree, &[], Some(&index));
    assert_eq!((read, fourth.index_is_current), (0, false));
}

#[test]
fn checksum_reads_everything_again() {
    let tree = Tree::new();
    tree.write(b"file", "content");
    let rig = Rig::new(&[]);
    let options = ScanOptions {
        checksum: true,
        index: Some(&settled_index(&tree)),
        ..rig.options()
    };
    let scan = scan_tree(&tree.root(), &options).unwrap();
    assert_eq!(rig.bytes_hashed(), 7);
    assert!(!scan.index_is_current);
}

#[test]
fn an_edit_that_keeps_size_and_mtime_is_found() {
    let tree = Tree::new();
    tree.write(b"file", "old content");
    set_mtime(&tree, "file", Duration::from_secs(1_000_000_000));
    let index = settled_index(&tree);
    tree.write(b"file", "new content");
    set_mtime(&tree, "file", Duration::from_secs(1_000_000_000));
    let (scan, read) = scan_with(&tree, &[], Some(&index));
    assert_eq!(
        at(&scan, b"file").file(),
        Some((11, Digest::of(b"new content")))
    );
    assert_eq!(read, 11);
}

#[test]
fn a_file_as_young_as_its_index_is_not_trusted() {
    let tree = Tree::new();
    tree.write(b"file", "content");
    let found = scan(&tree);
    let ctime = at(&found, b"file").stamp.ctime;
    let later = Timestamp {
        seconds: ctime.seconds + 1,
        nanos: ctime.nanos,
    };
    for (scanned_at, expected) in [(ctime, 7), (later, 0)] {
        let aged = Scan {
            scanned_at,
            found: found.found.clone(),
            ..scan(&tree)
        };
        let (_, read) = scan_with(&tree, &[], Some(&aged.index()));
        assert_eq!(
            read, expected,
            "scanned at {scanned_at:?}, changed at {ctime:?}"
        );
    }
}

/// The same with another digest in each file.
fn with_digests(manifest: &Manifest, digest: Digest) -> Manifest {
    let mut entries = manifest.entries().to_vec();
    for entry in &mut entries {
        if let Kind::File { digest: known, .. } = &mut entry.kind {
            *known = digest;
        }
    }
    Manifest::new(
        manifest.users().to_vec(),
        manifest.groups().to_vec(),
        entries,
    )
    .unwrap()
}

#[test]
fn what_was_written_just_now_is_known() {
    let tree = Tree::new();
    tree.write(b"same", "content");
    tree.write(b"other", "changed");
    let first = scan(&tree);
    // As a manifest has it that is not quite what was written: so that it shows where a digest is from.
    let mut manifest = first.manifest(&Names::system(true)).unwrap();
    manifest = with_digests(&manifest, Digest::of(b"as written"));
    let mut written = Written::new(Arc::new(manifest.clone()));
    for found in &first.found {
        if found.file().is_some() {
            let (index, _) = manifest.find(&found.path).unwrap();
            written.insert(found.stamp.inode, index as u32);
        }
    }
    set_mtime(&tree, "other", Duration::from_secs(1));
    std::fs::rename(tree.at(b"same"), tree.at(b"renamed")).unwrap();
    let rig = Rig::new(&[]);
    let options = ScanOptions {
        written: Some(&written),
        ..rig.options()
    };
    let second = scan_tree(&tree.root(), &options).unwrap();
    let known = Digest::of(b"as written");
    assert_eq!(at(&second, b"renamed").file(), Some((7, known)));
    assert_eq!(
        at(&second, b"other").file(),
        Some((7, Digest::of(b"changed")))
    );
    assert_eq!(rig.bytes_hashed(), 7);
}

#[test]
fn large_and_sparse_files_have_their_digest() {
    let tree = Tree::new();
    let large: Vec<u8> = (0..20_000_001_u32).map(|n| (n % 251) as u8).collect();
    tree.write(b"large", &large);
    let sparse = File::create(tree.at(b"sparse")).unwrap();
    sparse.set_len(10 << 20).unwrap();
    tree.write(b"medium", &large[..1 << 20]);
    let (scan, read) = scan_with(&tree, &[], None);
    assert_eq!(at(&scan, b"large").file().unwrap().1, Digest::of(&large));
    assert_eq!(
        at(&scan, b"sparse").file().unwrap().1,
        Digest::of(&vec![0; 10 << 20])
    );
    assert_eq!(
        at(&scan, b"medium").file().unwrap().1,
        Digest::of(&large[..1 << 20])
    );
    assert_eq!(read, 20_000_001 + (11 << 20));
}

#[test]
fn a_digest_is_that_of_one_moment() {
    const PART: usize = 1 << 20;
    let mut content = vec![0; 4 * PART];
    let tree = Tree::new();
    tree.write(b"file", &content);
    // The states that the file goes through: a mark is set at the start of each part in turn.
    let mut states = BTreeSet::from([Digest::of(&content)]);
    for mark in 1..=8 {
        for part in 0..4 {
            content[part * PART] = mark % 8;
            states.insert(Digest::of(&content));
        }
    }
    let file = File::options().write(true).open(tree.at(b"file")).unwrap();
    let turn = AtomicU64::new(0);
    let change = || {
        let mark = (turn.fetch_add(1, Ordering::Relaxed) % 8 + 1) % 8;
        for part in 0..4 {
            file.write_all_at(&[mark as u8], part * PART as u64)
                .unwrap();
            std::thread::sleep(Duration::from_micros(100));
        }
        std::thread::sleep(Duration::from_millis(15));
    };
    let scans = while_running(100, change, || scan(&tree));
    let (refused, read): (Vec<_>, Vec<_>) = scans
        .into_iter()
        .partition(|scan| !scan.unreadable.is_empty());
    assert!(!read.is_empty(), "some scans meet the file at rest");
    for scan in read {
        assert!(states.contains(&at(&scan, b"file").file().unwrap().1));
    }
    for scan in refused {
        assert_eq!(scan.unreadable[0].1.kind(), io::ErrorKind::ResourceBusy);
        assert_eq!(at(&scan, b"file").file(), None);
    }
}

#[test]
fn a_file_that_never_rests_is_given_up() {
    let tree = Tree::new();
    // Long enough that a writer gets its turn each time it is read; all of it a hole.
    let file = File::create(tree.at(b"file")).unwrap();
    file.set_len(256 << 20).unwrap();
    let change = || {
        file.write_all_at(b"x", 0).unwrap();
        std::thread::sleep(Duration::from_millis(1));
    };
    let scans = while_running(4, change, || scan(&tree));
    let refused: Vec<_> = scans.iter().flat_map(|scan| &scan.unreadable).collect();
    assert!(!refused.is_empty());
    for (at, error) in refused {
        assert_eq!(
            (at, error.kind()),
            (&path("file"), io::ErrorKind::ResourceBusy)
        );
    }
}
