#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use release_core::{Digest, FileSystem, Generation, Label, ReleaseId};

use super::*;

struct Place {
    directory: tempfile::TempDir,
    key: SecretKey,
}

impl Place {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            key: SecretKey::generate(None).unwrap().0,
        }
    }

    fn open(&self) -> Publisher {
        Publisher::open(self.directory.path(), self.key.clone()).unwrap()
    }

    fn read(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.directory.path().join(name)).ok()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    /// All is as after the publication of this generation, and nothing else is there.
    #[track_caller]
    fn assert_shows(&self, generation: u64) {
        let shown = published(self.directory.path(), &self.key.public_key().unwrap());
        let shown = shown.unwrap().unwrap();
        assert_eq!(shown.generation, Generation::new(generation));
        assert_eq!(
            self.read("snap.txt"),
            Some(format!("snap-{generation:08x}\n").into_bytes())
        );
        let names = ["release.json", "release.json.minisig", "snap.txt"];
        assert_eq!(self.names(), names);
    }
}

fn pointer(generation: u64) -> Pointer {
    Pointer {
        generation: Generation::new(generation),
        release: ReleaseId::new(Digest::of(b"tree")),
        snapshot: format!("snap-{generation:08x}").parse().unwrap(),
        region: "us-east-1".parse().unwrap(),
        account: "123456789012".parse().unwrap(),
        volume_gib: 8,
        file_system: FileSystem::Ext4,
        label: None,
        created: now(),
        previous: None,
        who: Label::cut("ada"),
    }
}

#[test]
fn each_publication_names_the_one_before() {
    let place = Place::new();
    let publisher = place.open();
    assert_eq!(publisher.current().unwrap(), None);
    let first = publisher.publish(pointer(3)).unwrap();
    assert!(first.fault.is_none());
    assert_eq!(first.pointer.previous, None);
    place.assert_shows(3);
    let second = place.open().publish(pointer(7)).unwrap();
    place.assert_shows(7);
    let previous = second.pointer.previous.unwrap();
    assert_eq!(previous, first.pointer.as_previous());
    assert!(second.at >= first.at);
    for name in place.names() {
        let mode = fs::metadata(place.directory.path().join(name)).unwrap();
        assert_eq!(mode.permissions().mode() & 0o7777, 0o644);
    }
}

#[test]
fn what_is_not_newer_is_refused() {
    let place = Place::new();
    let publisher = place.open();
    publisher.publish(pointer(7)).unwrap();
    for old in [6, 7] {
        let refused = publisher.publish(pointer(old)).unwrap_err();
        assert!(
            matches!(refused, PublishError::NotNewer { .. }) && refused.is_refusal(),
            "{refused}"
        );
        place.assert_shows(7);
    }
}

#[test]
fn what_somebody_else_signed_is_neither_believed_nor_replaced() {
    let (place, other) = (Place::new(), Place::new());
    other.open().publish(pointer(9)).unwrap();
    for name in other.names() {
        let from = other.directory.path().join(&name);
        fs::copy(from, place.directory.path().join(&name)).unwrap();
    }
    let publisher = place.open();
    assert!(publisher.current().is_err());
    let refused = publisher.publish(pointer(10)).unwrap_err();
    assert!(refused.is_refusal(), "{refused}");
    assert_eq!(place.read("release.json"), other.read("release.json"));
}

/// The files of a directory after each of the steps in which a publication of 8 over 7 may be killed.
#[test]
fn whoever_is_killed_leaves_the_old_pointer_or_the_new_one() {
    const STEPS: [&str; 6] = [
        "nothing",
        "prepared",
        "kept",
        "signature",
        "document",
        "snapshot",
    ];
    for (number, step) in STEPS.iter().enumerate() {
        let place = Place::new();
        let publisher = place.open();
        publisher.publish(pointer(7)).unwrap();
        let folder = &publisher.folder;
        let (document, signature) = place.key.sign(&pointer(8)).unwrap();
        let old = folder.read(Pointer::SIGNATURE_FILE, 4096).unwrap().unwrap();
        let steps: [&dyn Fn() -> Result<(), PublishError>; 5] = [
            &|| {
                folder.prepare(Pointer::SIGNATURE_FILE, &signature)?;
                folder.prepare(Pointer::FILE, &document)?;
                folder.prepare(Pointer::SNAPSHOT_FILE, &pointer(8).snapshot_file())
            },
            &|| {
                folder.prepare(KEPT, &old)?;
                folder.place(KEPT)
            },
            &|| folder.place(Pointer::SIGNATURE_FILE),
            &|| folder.place(Pointer::FILE),
            &|| folder.place(Pointer::SNAPSHOT_FILE),
        ];
        for step in &steps[..number] {
            step().unwrap();
        }
        // A reader between the renames finds that the two don't fit, and never an odd pointer.
        let seen = published(place.directory.path(), &place.key.public_key().unwrap());
        match (*step, &seen) {
            ("signature", Err(PublishError::Unfit { source, .. })) => {
                assert!(source.is_retryable())
            }
            ("signature", other) => unreachable!("{other:?}"),
            (_, seen) => assert!(seen.is_ok(), "{step}: {seen:?}"),
        }
        drop(publisher);
        let publisher = place.open();
        place.assert_shows(if number < 4 { 7 } else { 8 });
        publisher.publish(pointer(9)).unwrap();
        place.assert_shows(9);
    }
}

#[test]
fn what_cannot_be_written_leaves_the_old_pointer() {
    for name in ["release.json.minisig", "release.json", "snap.txt"] {
        let place = Place::new();
        let publisher = place.open();
        publisher.publish(pointer(7)).unwrap();
        // No file can be made where a directory is.
        let obstacle = place.directory.path().join(format!(".{name}.new"));
        fs::create_dir(&obstacle).unwrap();
        let failed = publisher.publish(pointer(8)).unwrap_err();
        assert!(matches!(failed, PublishError::Write { .. }), "{failed}");
        fs::remove_dir(&obstacle).unwrap();
        place.open();
        place.assert_shows(7);
    }
}

#[test]
fn no_link_is_followed() {
    let place = Place::new();
    let publisher = place.open();
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().join("target");
    fs::write(&target, "theirs").unwrap();
    for name in [".release.json.new", "release.json.minisig", "snap.txt"] {
        std::os::unix::fs::symlink(&target, place.directory.path().join(name)).unwrap();
    }
    publisher.publish(pointer(1)).unwrap();
    place.assert_shows(1);
    assert_eq!(fs::read(&target).unwrap(), b"theirs");
    // Nor to be read.
    let document = place.directory.path().join("release.json");
    fs::rename(&document, outside.path().join("moved")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("moved"), &document).unwrap();
    assert!(matches!(
        publisher.current(),
        Err(PublishError::Read { .. })
    ));
}

#[test]
fn a_snapshot_that_is_shown_wrong_is_put_right() {
    let place = Place::new();
    place.open().publish(pointer(7)).unwrap();
    for wrong in [
        Some("snap-00000001\n".to_owned()),
        Some("x".repeat(5000)),
        None,
    ] {
        let path = place.directory.path().join("snap.txt");
        match wrong {
            Some(text) => fs::write(path, text).unwrap(),
            None => fs::remove_file(path).unwrap(),
        }
        place.open();
        place.assert_shows(7);
    }
}

#[test]
fn keys_are_read_with_and_without_a_password() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("release.key");
    let read = |password: Option<&str>| read_key(&path, || password.map(str::to_owned));
    let missing = read(None).unwrap_err();
    assert!(matches!(missing, PublishError::KeyUnreadable { .. }));
    fs::write(&path, SecretKey::generate(None).unwrap().1).unwrap();
    read_key(&path, || unreachable!("nobody is asked")).unwrap();
    fs::write(&path, "x").unwrap();
    assert!(matches!(read(None), Err(PublishError::BadKey { .. })));
    fs::write(&path, vec![b'x'; 5000]).unwrap();
    assert!(matches!(
        read(None),
        Err(PublishError::KeyUnreadable { .. })
    ));
}
