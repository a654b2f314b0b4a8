//! How much travels, and that it arrives.

use std::os::unix::fs::{FileExt, MetadataExt};

use release_sync::Outcome;

use crate::common::*;

#[test]
fn a_folder_that_moved_costs_next_to_nothing() {
    let scratch = Scratch::new();
    let (from, host) = (scratch.directory("source"), local(&scratch.at("host")));
    let mut bytes = 0;
    for number in 0..200 {
        let content = noise(number, 3_000 + number as usize);
        bytes += content.len() as u64;
        write(
            from.join(format!("lib-1.0/d{}/f{number}", number % 7)),
            content,
        );
    }
    assert_ended(&push_one(&from, &host, options(), 1), Outcome::Committed);
    std::fs::rename(from.join("lib-1.0"), from.join("lib-1.1")).unwrap();
    let moved = push_one(&from, &host, options(), 2);
    assert_ended(&moved, Outcome::Committed);
    assert_same(&tree(&from), &tree(&host.destination));
    assert_eq!(
        (moved.counts.files_sent, moved.counts.local_bytes),
        (0, bytes),
        "{moved:?}"
    );
    assert!(moved.counts.bytes_sent < bytes / 20, "{moved:?}");
}

#[test]
fn the_same_content_is_sent_once() {
    let scratch = Scratch::new();
    let (from, host) = (scratch.directory("source"), local(&scratch.at("host")));
    for name in ["a/one", "b/two", "c/three", "a/four"] {
        write(from.join(name), noise(1, 400_000));
    }
    let report = push_one(&from, &host, options(), 1);
    assert_ended(&report, Outcome::Committed);
    assert_same(&tree(&from), &tree(&host.destination));
    let counts = report.counts;
    assert_eq!(
        (counts.files_sent, counts.literal_bytes, counts.local_bytes),
        (1, 400_000, 1_200_000)
    );
}

#[test]
fn an_edit_that_keeps_size_and_time_is_found_and_mended() {
    let scratch = Scratch::new();
    let (from, host) = (scratch.directory("source"), local(&scratch.at("host")));
    write(from.join("dir/file"), "the content");
    write(from.join("other"), "other");
    push_one(&from, &host, options(), 1);
    let edited = host.destination.join("dir/file");
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(&edited)
        .unwrap();
    let modified = file.metadata().unwrap().modified().unwrap();
    file.write_all_at(b"THE", 0).unwrap();
    file.set_modified(modified).unwrap();
    let mended = push_one(&from, &host, options(), 1);
    assert_ended(&mended, Outcome::Committed);
    assert_eq!(mended.counts.files_sent, 1);
    assert_same(&tree(&from), &tree(&host.destination));
}

#[test]
fn drift_of_every_kind_is_mended() {
    let scratch = Scratch::new();
    let (from, host) = (scratch.directory("source"), local(&scratch.at("host")));
    for name in ["a", "d/b", "d/c", "e/f"] {
        write(from.join(name), name);
    }
    symlink("a", from.join("link"));
    push_one(&from, &host, options(), 1);
    let at = &host.destination;
    let drifts: [&dyn Fn(); 8] = [
        &|| std::fs::remove_file(at.join("a")).unwrap(),
        &|| chmod(at.join("d/b"), 0o777),
        &|| chmod(at.join("d"), 0o700),
        &|| write(at.join("d/stranger"), "x"),
        &|| std::fs::rename(at.join("d"), at.join("e/d")).unwrap(),
        &|| {
            std::fs::remove_file(at.join("link")).unwrap();
            symlink("b", at.join("link"));
        },
        &|| {
            std::fs::remove_dir_all(at.join("e")).unwrap();
            symlink("/etc", at.join("e"));
        },
        // Two names of one inode: what one of them gets, the other would get as well.
        &|| {
            std::fs::remove_file(at.join("d/c")).unwrap();
            std::fs::hard_link(at.join("d/b"), at.join("d/c")).unwrap();
        },
    ];
    for (number, drift) in drifts.iter().enumerate() {
        drift();
        assert_ne!(tree(&from), tree(at), "drift {number}");
        assert_ended(&push_one(&from, &host, options(), 1), Outcome::Committed);
        assert_same(&tree(&from), &tree(at));
        assert_ended(&push_one(&from, &host, options(), 1), Outcome::Unchanged);
    }
}

/// Names of one inode that are to differ in their attributes, and names of one inode that are all to go.
#[test]
fn hard_links_of_a_source_are_told_of() {
    let scratch = Scratch::new();
    let from = scratch.directory("source");
    write(from.join("a"), "a");
    write(from.join("d/b"), "b");
    assert!(source(&from).notes().is_empty());
    std::fs::hard_link(from.join("a"), scratch.at("elsewhere")).unwrap();
    assert!(source(&from).notes()[0].starts_with("1 file has another name"));
    std::fs::hard_link(from.join("d/b"), from.join("d/c")).unwrap();
    assert!(source(&from).notes()[0].starts_with("3 files have other names"));
}

#[test]
fn hard_links_on_the_host_do_not_tie_files_together() {
    let scratch = Scratch::new();
    let (from, host) = (
        scratch.directory("source"),
        local(&scratch.directory("host")),
    );
    write(from.join("a"), "same");
    write(from.join("b"), "same");
    chmod(from.join("a"), 0o755);
    let at = &host.destination;
    write(at.join("a"), "same");
    write(at.join("x/gone"), "to be deleted");
    std::fs::hard_link(at.join("a"), at.join("b")).unwrap();
    std::fs::hard_link(at.join("x/gone"), at.join("x/gone, too")).unwrap();
    std::fs::hard_link(at.join("x/gone"), at.join("gone as well")).unwrap();
    assert_ended(&push_one(&from, &host, options(), 1), Outcome::Committed);
    assert_same(&tree(&from), &tree(at));
}

/// 300 MiB of which nearly nothing is on the disk: neither here nor there.
#[test]
fn a_sparse_file_stays_sparse() {
    let scratch = Scratch::new();
    let (from, host) = (scratch.directory("source"), local(&scratch.at("host")));
    const SIZE: u64 = 300 << 20;
    let file = std::fs::File::create(from.join("disk.img")).unwrap();
    file.set_len(SIZE).unwrap();
    for offset in [0, 100 << 20, (200 << 20) + 4095, SIZE - 3] {
        file.write_all_at(b"abc", offset).unwrap();
    }
    let report = push_one(&from, &host, options(), 1);
    assert_ended(&report, Outcome::Committed);
    assert!(report.counts.bytes_sent < 1 << 20, "{report:?}");
    let arrived = host.destination.join("disk.img");
    assert!(
        std::fs::metadata(&arrived).unwrap().blocks() * 512 < 1 << 20,
        "holes were filled"
    );
    let same = std::process::Command::new("cmp")
        .arg(from.join("disk.img"))
        .arg(&arrived)
        .status();
    assert!(same.unwrap().success());
    // And again as a delta: what is copied from the old file keeps its holes.
    file.write_all_at(b"changed", 150 << 20).unwrap();
    let report = push_one(&from, &host, options(), 2);
    assert_ended(&report, Outcome::Committed);
    assert!(report.counts.bytes_sent < 4 << 20, "{report:?}");
    assert!(
        std::fs::metadata(&arrived).unwrap().blocks() * 512 < 1 << 20,
        "holes were filled"
    );
    let same = std::process::Command::new("cmp")
        .arg(from.join("disk.img"))
        .arg(&arrived)
        .status();
    assert!(same.unwrap().success());
}

#[test]
fn insertions_into_a_large_file_are_all_that_travels() {
    let scratch = Scratch::new();
    let (from, host) = (scratch.directory("source"), local(&scratch.at("host")));
    let mut content = noise(7, 20 << 20);
    write(from.join("large"), &content);
    push_one(&from, &host, options(), 1);
    for number in (0..8).rev() {
        let at = number * (5 << 19) + 12_345;
        content.splice(at..at, noise(100 + number as u64, 10_000));
    }
    write(from.join("large"), &content);
    let report = push_one(&from, &host, options(), 2);
    assert_ended(&report, Outcome::Committed);
    assert!(std::fs::read(host.destination.join("large")).unwrap() == content);
    assert!(
        report.counts.matched_bytes > content.len() as u64 * 9 / 10,
        "{report:?}"
    );
    assert!(report.counts.bytes_sent < 1 << 20, "{report:?}");
}
