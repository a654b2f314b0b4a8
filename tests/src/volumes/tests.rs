//! What a volume has to be before anything is booted from it.

use std::time::{Duration, Instant};

use super::*;

const SIZE: u64 = 64 << 20;

fn write_and_freeze(folder: &Path, text: &str) {
    fs::write(folder.join("file"), text).unwrap();
    succeed(Command::new("fsfreeze").arg("-f").arg(folder));
}

fn thaw(folder: &Path) {
    succeed(Command::new("fsfreeze").arg("-u").arg(folder));
}

/// Waits until no loop device has an image in this folder. The number of a device would not tell: it is the
/// next test's as soon as it is free. And the kernel lets go a moment after a mount has gone.
fn wait_until_no_image_is_in_use(folder: &Path) {
    let end = Instant::now() + Duration::from_secs(20);
    while let Some(left) = loops::all()
        .iter()
        .find(|(_, image)| image.starts_with(folder))
    {
        assert!(Instant::now() < end, "still in use: {left:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_snapshot_is_what_was_there_when_it_was_frozen() {
    for (content, size) in [
        (Content::Ext4, SIZE),
        (Content::Xfs, 320 << 20),
        (Content::Btrfs, 128 << 20),
    ] {
        let volumes = Volumes::new();
        volumes.create("vol-1", size, content);
        let source = volumes.mount("vol-1");
        write_and_freeze(&source, "old");
        volumes.snapshot("vol-1", "snap-1");
        thaw(&source);
        fs::write(source.join("file"), "new").unwrap();
        volumes.detach("vol-1");
        volumes.restore("snap-1", "vol-2", Some(size * 2));
        let restored = volumes.mount("vol-2");
        assert_eq!(fs::read_to_string(restored.join("file")).unwrap(), "old");
        let bytes = succeed(
            Command::new("blockdev")
                .arg("--getsize64")
                .arg(volumes.device("vol-2").unwrap()),
        );
        assert_eq!(bytes.trim(), (size * 2).to_string());
    }
}

#[test]
fn an_attached_volume_is_found_by_its_serial() {
    let volumes = Volumes::new();
    let machine = volumes.machine("i-1");
    machine.insert("vol0decoy", 0);
    volumes.create("vol-0a1b", SIZE, Content::Ext4);
    volumes.attach("vol-0a1b", &machine);
    let block = volumes.machine("i-1").sys().join("block/nvme1n1");
    let serial = fs::read_to_string(block.join("device/serial")).unwrap();
    assert_eq!(serial, "vol0a1b             \n");
    let node = machine.dev().join("nvme1n1");
    let point = tempfile::tempdir().unwrap();
    succeed(Command::new("mount").arg(&node).arg(point.path()));
    assert!(point.path().join("lost+found").exists());
    // Detached like a disk that is pulled out: whatever is mounted.
    volumes.detach("vol-0a1b");
    assert!(!point.path().join("lost+found").exists());
    assert!(!block.exists() && !node.exists());
    wait_until_no_image_is_in_use(&volumes.image("vol-0a1b"));
    assert_eq!(volumes.device("vol-0a1b"), None);
}

#[test]
fn on_xen_a_volume_is_found_by_its_name_alone() {
    let volumes = Volumes::new();
    let machine = volumes.machine("i-1");
    machine.set_xen();
    volumes.create("vol-0a1b", SIZE, Content::Ext4);
    volumes.attach_as("vol-0a1b", &machine, "/dev/sdf");
    let block = machine.sys().join("block/xvdf");
    assert!(block.join("dev").exists());
    assert!(!block.join("device/serial").exists());
    let node = machine.dev().join("xvdf");
    assert!(node.exists());
    volumes.detach("vol-0a1b");
    assert!(!block.exists() && !node.exists());
}

#[test]
fn a_partition_is_a_device_of_its_own_and_a_part_of_the_disk() {
    let volumes = Volumes::new();
    let machine = volumes.machine("i-1");
    volumes.create("vol-1", SIZE, Content::Partitioned);
    let source = volumes.mount("vol-1");
    write_and_freeze(&source, "old");
    volumes.snapshot("vol-1", "snap-1");
    thaw(&source);
    volumes.restore("snap-1", "vol-2", None);
    volumes.attach("vol-2", &machine);
    let part = machine.sys().join("block/nvme0n1/nvme0n1p1");
    let number = fs::read_to_string(part.join("dev")).unwrap();
    let link = machine.sys().join("dev/block").join(number.trim_end());
    assert_eq!(
        fs::canonicalize(link).unwrap(),
        fs::canonicalize(part).unwrap()
    );
    let point = tempfile::tempdir().unwrap();
    let mount = |name: &str| {
        let mut command = Command::new("mount");
        command.arg(machine.dev().join(name)).arg(point.path());
        command.output().unwrap().status.success()
    };
    // The whole disk is a table, and no file system.
    assert!(!mount("nvme0n1"));
    assert!(mount("nvme0n1p1"));
    assert_eq!(
        fs::read_to_string(point.path().join("file")).unwrap(),
        "old"
    );
    volumes.detach("vol-2");
    assert!(!point.path().join("file").exists());
    assert!(!machine.dev().join("nvme0n1p1").exists());
}

#[test]
fn nothing_is_left_of_a_place_even_frozen() {
    for (content, size) in [(Content::Ext4, SIZE), (Content::Btrfs, 128 << 20)] {
        let volumes = Volumes::new();
        volumes.create("vol-1", size, content);
        let source = volumes.mount("vol-1");
        write_and_freeze(&source, "x");
        let folder = volumes.0.folder.path().to_owned();
        drop(volumes);
        assert!(!source.exists());
        wait_until_no_image_is_in_use(&folder);
    }
}

#[test]
fn the_next_run_sweeps_what_a_killed_one_left() {
    let volumes = Volumes::new();
    volumes.create("vol-1", SIZE, Content::Ext4);
    let source = volumes.mount("vol-1");
    fs::write(source.join("file"), "x").unwrap();
    let folder = volumes.0.folder.path().to_owned();
    // Another run leaves what is in use alone.
    drop(Volumes::new());
    assert!(source.join("file").exists());
    // As the kernel does with the lock of a process that is killed.
    flock(&volumes.0._alive, FlockOperation::Unlock).unwrap();
    drop(Volumes::new());
    assert!(!folder.exists());
    wait_until_no_image_is_in_use(&folder);
    // This one's own end has nothing left to do, and must not end what has the device now.
    std::mem::forget(volumes);
}
