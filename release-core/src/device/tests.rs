#![allow(clippy::unwrap_used)]

use std::os::unix::fs::symlink;

use super::*;

const VOLUME: &str = "vol-0123456789abcdef0";
const SERIAL: &str = "vol0123456789abcdef0";

/// A `/sys` of our own, laid out as the kernel's.
struct Sys(tempfile::TempDir);

impl Sys {
    fn new() -> Self {
        let sys = Self(tempfile::tempdir().unwrap());
        for directory in ["block", "dev/block", "devices"] {
            fs::create_dir_all(sys.root().join(directory)).unwrap();
        }
        sys
    }

    fn root(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, path: &str, content: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// A disk below `devices/`, with its number and the links to it.
    fn disk(&self, place: &str, number: &str) {
        let place = format!("devices/{place}");
        self.write(&format!("{place}/dev"), &format!("{number}\n"));
        let name = place.rsplit('/').next().unwrap();
        symlink(format!("../{place}"), self.root().join("block").join(name)).unwrap();
        self.number(&place, number);
    }

    fn partition(&self, place: &str, partition: u32, number: &str) {
        let place = format!("devices/{place}");
        self.write(&format!("{place}/dev"), &format!("{number}\n"));
        self.write(&format!("{place}/partition"), &format!("{partition}\n"));
        self.number(&place, number);
    }

    fn number(&self, place: &str, number: &str) {
        let link = self.root().join("dev/block").join(number);
        symlink(format!("../../{place}"), link).unwrap();
    }

    /// A drive `nvmeNn1` with a partition, whose controller says this serial number.
    fn nvme(&self, number: u32, serial: &str) {
        let controller = format!("pci0000:00/nvme/nvme{number}");
        self.write(&format!("devices/{controller}/serial"), serial);
        let disk = format!("{controller}/nvme{number}n1");
        self.disk(&disk, &format!("259:{}", 10 * number));
        symlink(
            format!("../../nvme{number}"),
            self.root().join(format!("devices/{disk}/device")),
        )
        .unwrap();
        let part = format!("{disk}/nvme{number}n1p1");
        self.partition(&part, 1, &format!("259:{}", 10 * number + 1));
    }

    fn of(&self, number: &str) -> Result<BlockDevice, DeviceError> {
        BlockDevice::of(self.root(), number.parse().unwrap())
    }

    fn names_of(&self, volume: &str) -> Vec<String> {
        let devices = BlockDevice::all_of(self.root(), volume).unwrap();
        devices.into_iter().map(|device| device.name).collect()
    }
}

#[test]
fn a_disk_and_its_partition_are_the_volume_that_the_serial_names() {
    let sys = Sys::new();
    sys.nvme(0, "vol0aaaaaaaaaaaaaaaa\n");
    sys.nvme(1, &format!("{SERIAL}  \n"));
    let disk = sys.of("259:10").unwrap();
    assert_eq!(disk.identity(VOLUME), Identity::Same);
    assert_eq!((disk.name.as_str(), disk.partition), ("nvme1n1", None));
    let part = sys.of("259:11").unwrap();
    assert_eq!(part.identity(VOLUME), Identity::Same);
    assert_eq!((part.name.as_str(), part.partition), ("nvme1n1p1", Some(1)));
    assert_eq!(part.disk, "nvme1n1");
    let other = Identity::Other("vol0aaaaaaaaaaaaaaaa".into());
    assert_eq!(sys.of("259:1").unwrap().identity(VOLUME), other);
    assert_eq!(sys.names_of(VOLUME), ["nvme1n1", "nvme1n1p1"]);
    assert!(sys.names_of("vol-0bbbbbbbbbbbbbbbb").is_empty());
}

#[test]
fn several_paths_to_a_drive_are_one_drive() {
    for serial_of_subsystem in [true, false] {
        let sys = Sys::new();
        let subsystem = "virtual/nvme-subsystem/nvme-subsys0";
        if serial_of_subsystem {
            sys.write(&format!("devices/{subsystem}/serial"), SERIAL);
        }
        let disk = format!("{subsystem}/nvme0n1");
        sys.disk(&disk, "259:0");
        symlink(
            "../../nvme-subsys0",
            sys.root().join(format!("devices/{disk}/device")),
        )
        .unwrap();
        // The path itself is listed as a disk, and has no node.
        let controller = "pci0000:00/nvme/nvme0";
        sys.write(&format!("devices/{controller}/serial"), SERIAL);
        sys.write(&format!("devices/{controller}/nvme0c0n1/hidden"), "1\n");
        sys.write(&format!("devices/{controller}/nvme0c0n1/dev"), "259:9\n");
        symlink(
            format!("../devices/{controller}/nvme0c0n1"),
            sys.root().join("block/nvme0c0n1"),
        )
        .unwrap();
        symlink(
            "../..",
            sys.root()
                .join(format!("devices/{controller}/nvme0c0n1/device")),
        )
        .unwrap();
        symlink(
            "../../../pci0000:00/nvme/nvme0",
            sys.root().join(format!("devices/{subsystem}/nvme0")),
        )
        .unwrap();
        assert_eq!(sys.of("259:0").unwrap().identity(VOLUME), Identity::Same);
        assert_eq!(sys.names_of(VOLUME), ["nvme0n1"]);
    }
}

#[test]
fn paths_that_say_different_things_say_nothing() {
    let sys = Sys::new();
    sys.disk("virtual/nvme-subsystem/s/nvme0n1", "259:0");
    for (controller, serial) in [("nvme0", SERIAL), ("nvme1", "vol0ffffffffffffffff")] {
        let drive = "devices/virtual/nvme-subsystem/s/nvme0n1/device";
        sys.write(&format!("{drive}/{controller}/serial"), serial);
    }
    assert_eq!(sys.of("259:0").unwrap().identity(VOLUME), Identity::Unknown);
}

#[test]
fn a_device_that_says_nothing_is_unknown() {
    let sys = Sys::new();
    sys.disk("vbd-51792/block/xvdf", "202:80");
    sys.write("devices/vbd-51792/devtype", "vbd\n");
    let drive = sys.root().join("devices/vbd-51792/block/xvdf/device");
    symlink("../..", drive).unwrap();
    sys.partition("vbd-51792/block/xvdf/xvdf1", 1, "202:81");
    sys.disk("virtual/block/loop0", "7:0");
    sys.write("devices/virtual/block/loop0/loop/backing_file", "/a\n");
    for (number, name) in [("202:80", "xvdf"), ("202:81", "xvdf1"), ("7:0", "loop0")] {
        let device = sys.of(number).unwrap();
        assert_eq!(device.identity(VOLUME), Identity::Unknown);
        assert_eq!(device.name, name);
        assert_eq!(device.number.to_string(), number);
    }
    assert!(sys.names_of(VOLUME).is_empty());
}

#[test]
fn what_has_no_device_is_told_apart() {
    let sys = Sys::new();
    let error = sys.of("0:42").unwrap_err();
    assert!(matches!(error, DeviceError::NoBlockDevice { .. }));
    assert!(!error.is_retryable());
    let nowhere = BlockDevice::all_of(Path::new("/nonexistent"), VOLUME);
    assert!(matches!(nowhere, Err(DeviceError::Unreadable { .. })));
}

#[test]
fn odd_attributes_are_no_serial_numbers() {
    let sys = Sys::new();
    sys.nvme(1, "\0  \n");
    assert_eq!(sys.of("259:10").unwrap().serial, None);
    let sys = Sys::new();
    sys.nvme(1, &"x".repeat(100_000));
    assert_eq!(sys.of("259:10").unwrap().serial.unwrap().len(), 256);
    sys.partition("pci0000:00/nvme/nvme1/nvme1n1/odd", 1, "259:77");
    sys.write("devices/pci0000:00/nvme/nvme1/nvme1n1/odd/partition", "one");
    assert!(matches!(
        sys.of("259:77"),
        Err(DeviceError::Malformed { .. })
    ));
}

#[test]
fn only_a_whole_id_is_one() {
    for (serial, volume, is_same) in [
        (SERIAL, VOLUME, true),
        ("vol", "vol-", false),
        (SERIAL, SERIAL, false),
        (SERIAL, "vol-0123456789abcdef", false),
        ("vol0123456789abcdef0 1", VOLUME, false),
        ("", "", false),
        ("S4EV0123", "vol-S4EV0123", false),
    ] {
        assert_eq!(same(serial, volume), is_same, "{serial} {volume}");
    }
}

#[test]
fn numbers_are_parsed_strictly() {
    assert_eq!(
        "259:1".parse(),
        Ok(DeviceNumber {
            major: 259,
            minor: 1
        })
    );
    for text in [
        "",
        ":",
        "1",
        "1:",
        ":1",
        "+1:2",
        "1:2:3",
        "1:99999999999",
        " 1:2",
    ] {
        assert!(text.parse::<DeviceNumber>().is_err(), "{text:?}");
    }
}

#[test]
fn a_disk_is_found_by_its_name_and_no_name_leads_elsewhere() {
    let sys = Sys::new();
    sys.disk("vbd-51792/block/xvdf", "202:80");
    sys.partition("vbd-51792/block/xvdf/xvdf1", 1, "202:81");
    let names = |disk| -> Vec<String> {
        let found = BlockDevice::named(sys.root(), disk).unwrap();
        found.into_iter().map(|device| device.name).collect()
    };
    assert_eq!(names("xvdf"), ["xvdf", "xvdf1"]);
    for other in [
        "xvdg",
        "",
        ".",
        "..",
        "../devices/vbd-51792/block/xvdf",
        "xvdf/xvdf1",
    ] {
        assert_eq!(names(other), [""; 0], "{other}");
    }
}
