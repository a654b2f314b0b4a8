//! `.release` in any state: damaged, foreign, or not what it should be.

use std::path::PathBuf;

use release_sync::{Error, Outcome};

use crate::common::*;

struct Scene {
    scratch: Scratch,
    one: PathBuf,
    two: PathBuf,
    host: release_sync::Host,
}

/// A host that has its second release.
fn scene() -> Scene {
    let scratch = Scratch::new();
    let (one, two) = (scratch.directory("one"), scratch.directory("two"));
    for number in 0..20 {
        write(one.join(format!("d/{number}")), noise(number, 2_000));
        write(
            two.join(format!("d/{number}")),
            noise(number + number % 2, 2_000),
        );
    }
    write(one.join("only in one"), noise(99, 9_000));
    write(two.join("only in two"), noise(98, 9_000));
    let host = local(&scratch.at("host"));
    assert_ended(&push_one(&one, &host, options(), 1), Outcome::Committed);
    assert_ended(&push_one(&two, &host, options(), 2), Outcome::Committed);
    Scene {
        scratch,
        one,
        two,
        host,
    }
}

type Damage = (&'static str, fn(Vec<u8>) -> Vec<u8>);

const DAMAGES: [Damage; 5] = [
    ("emptied", |_| Vec::new()),
    ("cut off", |bytes| bytes[..bytes.len() / 2].to_vec()),
    ("grown", |bytes| [bytes, vec![0; 10_000]].concat()),
    ("zeroed", |bytes| vec![0; bytes.len()]),
    ("garbled", |mut bytes| {
        for (index, byte) in bytes
            .iter_mut()
            .enumerate()
            .filter(|(index, _)| index % 7 == 3)
        {
            *byte ^= index as u8 | 1;
        }
        bytes
    }),
];

/// Whatever is damaged in it, `.release` is made good, and the tree is what it should be.
#[test]
fn damaged_records_are_made_good() {
    for name in ["index", "marker", "manifest", "lock"] {
        let Scene {
            one,
            two,
            host,
            scratch: _scratch,
        } = scene();
        let file = host.destination.join(".release").join(name);
        for (number, (how, damage)) in DAMAGES.iter().enumerate() {
            let whole = std::fs::read(&file).unwrap();
            std::fs::write(&file, damage(whole.clone())).unwrap();
            let generation = 10 + number as u64;
            let repeat = push_one(&two, &host, options(), generation);
            assert_ended(&repeat, Outcome::Unchanged);
            let fleet = release_sync::Fleet::new(vec![host.clone()], options()).unwrap();
            let status = fleet.status(false, &()).remove(0);
            assert_eq!(status.intact, Some(true), "{name} {how}: {status:?}");
            if name == "manifest" {
                assert_eq!(
                    std::fs::read(&file).unwrap(),
                    whole,
                    "the manifest was {how}"
                );
            }
            assert_same(&tree(&two), &tree(&host.destination));
        }
        std::fs::remove_file(&file).unwrap();
        assert_ended(&push_one(&one, &host, options(), 20), Outcome::Committed);
        assert_same(&tree(&one), &tree(&host.destination));
        assert_tidy(&host.destination);
    }
}

#[test]
fn a_source_with_a_damaged_index_is_read_anew() {
    let Scene {
        one,
        host,
        scratch: _scratch,
        ..
    } = scene();
    let index = one.join(".release/index");
    for (_, damage) in DAMAGES {
        std::fs::write(&index, damage(std::fs::read(&index).unwrap())).unwrap();
        push_one(&one, &host, options(), 3);
        assert_same(&tree(&one), &tree(&host.destination));
    }
}

/// Content that was kept for going back is believed by nobody: where it is damaged the file is sent.
#[test]
fn damaged_keepsakes_are_sent_instead() {
    let Scene {
        one,
        host,
        scratch: _scratch,
        ..
    } = scene();
    let undo = host.destination.join(".release/undo");
    let mut damaged = 0;
    for release in std::fs::read_dir(&undo).unwrap() {
        let content = release.unwrap().path().join("content");
        for kept in std::fs::read_dir(content).unwrap() {
            std::fs::write(kept.unwrap().path(), "not what its name says").unwrap();
            damaged += 1;
        }
    }
    assert!(damaged > 5);
    // Without a source there is nothing to be done, and nothing is.
    let before = tree(&host.destination);
    let undone = undo_one(&host, 3);
    assert!(
        matches!(undone.error, Some(Error::Files { .. })),
        "{undone:?}"
    );
    assert_same(&before, &tree(&host.destination));
    let report = push_one(&one, &host, options(), 4);
    assert_ended(&report, Outcome::Committed);
    assert_eq!(report.counts.files_sent, damaged);
    assert_same(&tree(&one), &tree(&host.destination));
    assert_tidy(&host.destination);
}

#[test]
fn damaged_undo_manifests_are_an_error_and_no_more() {
    let Scene {
        one,
        two,
        host,
        scratch: _scratch,
    } = scene();
    let undo = host.destination.join(".release/undo");
    let release = std::fs::read_dir(&undo)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let whole = std::fs::read(release.join("manifest")).unwrap();
    for (how, damage) in DAMAGES {
        std::fs::write(release.join("manifest"), damage(whole.clone())).unwrap();
        let undone = undo_one(&host, 3);
        assert_eq!(undone.outcome, Outcome::Failed, "{how}: {undone:?}");
        assert_same(&tree(&two), &tree(&host.destination));
    }
    assert_ended(&push_one(&one, &host, options(), 4), Outcome::Committed);
}

/// What stands in our place and is not ours is not followed, not filled and not removed.
#[test]
fn something_else_in_the_place_of_the_private_directory_is_refused() {
    let Scene { scratch, one, .. } = scene();
    let elsewhere = scratch.directory("elsewhere");
    let makers: [(&str, &dyn Fn(PathBuf)); 3] = [
        ("file", &|at| write(at, "precious")),
        ("link", &|at| symlink(&elsewhere, at)),
        ("dangling", &|at| symlink("nowhere", at)),
    ];
    for (name, make) in makers {
        let host = local(&scratch.directory(name));
        write(host.destination.join("old"), "old");
        make(host.destination.join(".release"));
        let before = tree(&host.destination);
        let report = push_one(&one, &host, options(), 1);
        assert!(
            matches!(report.error, Some(Error::Destination { .. })),
            "{name}: {report:?}"
        );
        assert_same(&before, &tree(&host.destination));
        assert!(host.destination.join(".release").symlink_metadata().is_ok());
    }
    assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 0);
}

/// The same one level deeper, where a link would lead our own writing astray.
#[test]
fn links_inside_the_private_directory_are_not_followed() {
    let Scene {
        scratch,
        one,
        two,
        host,
    } = scene();
    let outside = scratch.directory("outside");
    write(outside.join("file"), "precious");
    let before = tree(&outside);
    for name in [
        "index", "marker", "manifest", "lock", "stage", "undo", "commit",
    ] {
        let at = host.destination.join(".release").join(name);
        let _ = std::fs::remove_file(&at);
        let _ = std::fs::remove_dir_all(&at);
        let target = if ["stage", "undo"].contains(&name) {
            outside.clone()
        } else {
            outside.join("file")
        };
        symlink(target, &at);
        for (directory, generation) in [(&one, 5), (&two, 6)] {
            let report = push_one(directory, &host, options(), generation);
            if report.error.is_none() {
                assert_same(&tree(directory), &tree(&host.destination));
            }
            assert_same(&before, &tree(&outside));
        }
        let _ = std::fs::remove_file(&at);
    }
    assert_ended(&push_one(&one, &host, options(), 7), Outcome::Committed);
}

/// What a killed run was about to put in place is swept away even by a run that has nothing to write.
#[test]
fn temporaries_are_swept_away() {
    let Scene {
        two,
        host,
        scratch: _scratch,
        ..
    } = scene();
    for name in ["marker", "manifest", "index", "commit"] {
        write(
            host.destination
                .join(".release")
                .join(format!("{name}.new")),
            "half of it",
        );
    }
    assert_ended(&push_one(&two, &host, options(), 2), Outcome::Unchanged);
    assert_tidy(&host.destination);
}

/// Making `.release` leaves no trace in the tree.
#[test]
fn the_root_keeps_its_time() {
    let scratch = Scratch::new();
    let from = scratch.directory("source");
    write(from.join("file"), "x");
    let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::new(12_345, 678);
    std::fs::File::open(&from)
        .unwrap()
        .set_modified(time)
        .unwrap();
    let before = tree(&from);
    source(&from);
    assert_same(&before, &tree(&from));
    assert_eq!(private(&from), ["index", "recent"]);
    let host = local(&scratch.at("host"));
    copy(&from, &host.destination);
    std::fs::remove_dir_all(host.destination.join(".release")).unwrap();
    std::fs::File::open(&host.destination)
        .unwrap()
        .set_modified(time)
        .unwrap();
    assert_ended(&push_one(&from, &host, options(), 1), Outcome::Unchanged);
    assert_same(&before, &tree(&host.destination));
}
