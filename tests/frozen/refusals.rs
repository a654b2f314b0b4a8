//! What must not be frozen is not.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use release_tests::disk::{Disk, Kind};

use super::{Operator, assert_says};

#[test]
fn a_disk_that_holds_more_than_the_release_is_refused() {
    let disk = Disk::new(Kind::Ext4);
    let refused = |operator: &Operator, what: &str| {
        let said = operator.try_to_freeze(disk.path());
        assert_says(said, 5, &["holds more than the release", what]);
        disk.write("not frozen").assert_done();
    };
    let operator = Operator::new();
    operator.keep_state_in(&disk.path().join("state"));
    refused(&operator, "the state directory");

    let mut operator = Operator::new();
    operator.directory = disk.path().to_owned();
    refused(&operator, "the working directory");

    let mut operator = Operator::new();
    let program = disk.path().join("release-cli");
    fs::copy(&operator.program, &program).unwrap();
    operator.program = program;
    refused(&operator, "this program");

    let operator = Operator::new();
    let log = File::create(disk.path().join("log")).unwrap();
    let path = disk.path().to_str().unwrap();
    let mut command = operator.command(&["freeze", path, "--", "true"]);
    let output = command.stdout(log).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_says((output.status.code(), said), 5, &["written to", "/log"]);
}

#[test]
fn a_disk_that_others_live_on_is_refused() {
    let (disk, operator) = (Disk::new(Kind::Ext4), Operator::new());
    let image = disk.path().join("image");
    fs::write(&image, vec![0; 1 << 20]).unwrap();
    let prepare = |program: &str, words: &[&str]| {
        let status = Command::new(program).args(words).arg(&image).status();
        assert!(status.unwrap().success(), "{program}");
    };
    // The disk's rescuer undoes both, should we not come to it.
    prepare("losetup", &["--find"]);
    let refusal = operator.try_to_freeze(disk.path());
    let device = Command::new("losetup")
        .arg("-j")
        .arg(&image)
        .output()
        .unwrap();
    let device = String::from_utf8(device.stdout).unwrap();
    let device = device.split(':').next().unwrap();
    let freed = Command::new("losetup").args(["-d", device]).status();
    assert!(freed.unwrap().success());
    assert_says(refusal, 5, &["the disk of another file system", "/image"]);

    fs::set_permissions(&image, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    prepare("mkswap", &["-q"]);
    prepare("swapon", &[]);
    let refusal = operator.try_to_freeze(disk.path());
    prepare("swapoff", &[]);
    assert_says(refusal, 5, &["a swap file", "/image"]);
    assert_says(operator.try_to_freeze(disk.path()), 0, &[]);
}

#[test]
fn only_the_top_of_a_disk_is_frozen() {
    let (disk, operator) = (Disk::new(Kind::Ext4), Operator::new());
    let below = disk.path().join("app");
    fs::create_dir(&below).unwrap();
    assert_says(operator.try_to_freeze(&below), 5, &["not the top", "/app"]);

    let bound = disk.path().join("bound");
    fs::create_dir(&bound).unwrap();
    let mount = Command::new("mount")
        .arg("--bind")
        .args([&below, &bound])
        .status();
    assert!(mount.unwrap().success());
    let refusal = operator.try_to_freeze(&bound);
    assert!(
        Command::new("umount")
            .arg(&bound)
            .status()
            .unwrap()
            .success()
    );
    assert_says(refusal, 5, &["not the top", "is its /app"]);
    disk.write("not frozen").assert_done();

    let refusal = operator.try_to_freeze(Path::new("/"));
    assert_says(refusal, 5, &["the root directory (/)", "this program"]);
}

#[test]
fn a_file_system_that_cannot_be_frozen_is_refused() {
    let operator = Operator::new();
    let at = operator.at("memory");
    fs::create_dir(&at).unwrap();
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "none"])
        .arg(&at)
        .status();
    assert!(mount.unwrap().success());
    let refusal = operator.try_to_freeze(&at);
    assert!(Command::new("umount").arg(&at).status().unwrap().success());
    assert_says(refusal, 5, &["can't be frozen", "snapshot.freeze"]);
    let record = fs::read(operator.at("state/freeze.lock")).unwrap();
    assert_eq!(record, b"");
}
