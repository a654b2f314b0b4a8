//! A source that was scanned is told from one that was touched since.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use release_sync::{Fleet, Generation, Host, Options, Outcome, Source, scan};

use crate::common::*;

struct Quiet;

impl release_sync::Monitor for Quiet {
    fn event(&self, _: release_sync::Event<'_>) {}
}

fn source() -> (Scratch, Source) {
    let scratch = Scratch::new();
    let root = scratch.at("source");
    for name in ["a", "dir/b", "dir/c", "skipped/d", "z"] {
        write(root.join(name), name);
    }
    symlink("a", root.join("link"));
    let options = Options {
        exclude: vec!["/skipped/".into()],
        ..Options::default()
    };
    let source = scan(&root, &options, &Quiet).unwrap();
    (scratch, source)
}

/// The path that is named after `change` was done to the source's directory.
fn after(change: impl FnOnce(&Path)) -> Option<String> {
    let (_scratch, source) = source();
    assert_eq!(source.changed_since().unwrap(), None);
    change(source.directory());
    let path = source.changed_since().unwrap()?;
    Some(String::from_utf8(path.as_bytes().to_vec()).unwrap())
}

#[test]
fn what_was_touched_is_named() {
    let named = |path: &str| Some(path.to_owned());
    assert_eq!(after(|root| write(root.join("dir/b"), "B")), named("dir/b"));
    assert_eq!(after(|root| write(root.join("z"), "other")), named("z"));
    assert_eq!(after(|root| write(root.join("zz"), "")), named("zz"));
    assert_eq!(
        after(|root| write(root.join("dir/bb"), "")),
        named("dir/bb")
    );
    let remove = |root: &Path| std::fs::remove_file(root.join("dir/c")).unwrap();
    assert_eq!(after(remove), named("dir/c"));
    assert_eq!(after(|root| chmod(root.join("a"), 0o600)), named("a"));
    let relink = |root: &Path| {
        std::fs::remove_file(root.join("link")).unwrap();
        symlink("z", root.join("link"));
    };
    assert_eq!(after(relink), named("link"));
}

#[test]
fn content_that_was_put_back_with_its_times_is_found() {
    let path = after(|root| {
        let file = root.join("dir/b");
        let modified = std::fs::metadata(&file).unwrap().modified().unwrap();
        std::fs::write(&file, "dir/x").unwrap();
        let file = std::fs::File::options().write(true).open(&file).unwrap();
        file.set_modified(modified).unwrap();
    });
    assert_eq!(path.as_deref(), Some("dir/b"));
}

#[test]
fn our_own_records_and_what_is_left_out_change_nothing() {
    let untouched = after(|root| {
        write(root.join(".release/marker"), "a marker");
        write(root.join("skipped/d"), "other");
        std::fs::read(root.join("a")).unwrap();
    });
    assert_eq!(untouched, None);
}

#[test]
fn a_release_directory_that_is_made_later_changes_nothing() {
    let (_scratch, source) = source();
    let root = source.directory();
    let before = std::fs::metadata(root).unwrap();
    std::fs::remove_dir_all(root.join(".release")).unwrap();
    std::fs::create_dir(root.join(".release")).unwrap();
    let handle = std::fs::File::open(root).unwrap();
    handle.set_modified(before.modified().unwrap()).unwrap();
    assert_ne!(
        std::fs::metadata(root).unwrap().ctime_nsec(),
        before.ctime_nsec()
    );
    assert_eq!(source.changed_since().unwrap(), None);
    let mode = before.permissions().mode();
    chmod(root, mode ^ 0o001);
    assert!(source.changed_since().unwrap().is_some());
}

/// What a snapshot is taken of claims what a host claims after a commit, and is no other tree by that.
#[test]
fn a_source_can_say_what_it_is() {
    let (_scratch, source) = source();
    source.mark(Generation::new(41)).unwrap();
    source.mark(Generation::new(42)).unwrap();
    assert_eq!(source.changed_since().unwrap(), None);
    let host = Host::local("copy", source.directory());
    let options = Options {
        exclude: vec!["/skipped/".into()],
        ..Options::default()
    };
    let fleet = Fleet::new(vec![host], options).unwrap();
    let status = &fleet.status(true, &Quiet)[0];
    let (marker, _) = status.marker.unwrap();
    assert_eq!(marker.release, source.release());
    assert_eq!(marker.generation, Generation::new(42));
    let report = fleet.push(&source, Generation::new(42), &Quiet);
    assert_eq!(report.hosts[0].outcome, Outcome::Unchanged, "{report:?}");
}
