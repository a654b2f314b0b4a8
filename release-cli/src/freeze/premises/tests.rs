#![allow(clippy::unwrap_used)]

use super::facts::{is_for_writing, swap_files};
use super::*;

fn place(device: &str, mount: u64, superblock: &str) -> Place {
    Place {
        device: device.parse().unwrap(),
        mount: Some(mount),
        superblock: Some(superblock.parse().unwrap()),
    }
}

/// A release at `/release`, which is the top of a disk of its own.
fn facts(tenants: &[(&'static str, Place)]) -> Facts {
    let tenants = tenants.iter();
    Facts {
        path: "/release".into(),
        place: place("259:1", 36, "259:1"),
        mount: Some(("/release".into(), "/".into())),
        tenants: tenants
            .map(|&(what, place)| (Tenant::new(what, "/x"), place))
            .collect(),
    }
}

#[test]
fn a_disk_that_holds_nothing_else_may_be_frozen() {
    let elsewhere = place("259:0", 1, "259:0");
    assert_eq!(facts(&[("the root", elsewhere)]).judge(), Ok(()));
}

#[test]
fn whatever_shares_the_file_system_is_named() {
    let facts = facts(&[
        ("same device", place("259:1", 7, "259:7")),
        ("elsewhere", place("259:0", 1, "259:0")),
        ("same mount, as a subvolume", place("0:50", 36, "0:7")),
        ("another mount of it", place("0:51", 8, "259:1")),
    ]);
    let error = facts.judge().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the file system at /release holds more than the release: same device (/x), \
         same mount, as a subvolume (/x), another mount of it (/x)"
    );
}

#[test]
fn what_is_unknown_is_not_the_same() {
    let unknown = Place {
        device: "259:0".parse().unwrap(),
        mount: None,
        superblock: None,
    };
    let mut facts = facts(&[("unknown", unknown)]);
    facts.place.mount = None;
    facts.place.superblock = None;
    assert_eq!(facts.judge(), Ok(()));
}

#[test]
fn only_the_top_of_a_file_system_may_be_frozen() {
    let said = |path: &str, mount: Option<(&str, &str)>| {
        let mut facts = facts(&[]);
        facts.path = path.into();
        facts.mount = mount.map(|(point, root)| (point.into(), root.into()));
        facts.judge().unwrap_err().to_string()
    };
    assert_eq!(
        said("/release/app", Some(("/release", "/"))),
        "/release/app is not the top of its file system, which is mounted at /release"
    );
    assert_eq!(
        said("/release", Some(("/release", "/app"))),
        "/release is not the top of its file system: what is mounted at /release is its /app"
    );
    assert_eq!(
        said("/release", None),
        "/release is not the top of its file system"
    );
}

#[test]
fn swap_files_are_told_from_partitions() {
    let text = b"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n\
        /dev/sda2                               partition\t1048572\t\t0\t\t-2\n\
        /my\\040swap                             file\t\t1048572\t\t0\t\t-3\n";
    assert_eq!(swap_files(text), [Tenant::new("a swap file", "/my swap")]);
    assert!(swap_files(b"").is_empty());
}

#[test]
fn descriptors_for_writing_are_told_from_others() {
    assert!(is_for_writing("pos:\t0\nflags:\t0100001\nmnt_id:\t26\n"));
    assert!(is_for_writing("pos:\t0\nflags:\t0100002\n"));
    assert!(!is_for_writing("pos:\t0\nflags:\t0100000\n"));
    assert!(!is_for_writing("nonsense"));
}
