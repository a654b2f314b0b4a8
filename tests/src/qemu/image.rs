//! An initramfs with little in it: BusyBox, a few modules, and what a test puts in.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What virtio's network card takes, each after what it needs.
const MODULES: [&str; 8] = [
    "virtio_ring",
    "virtio",
    "virtio_pci_modern_dev",
    "virtio_pci_legacy_dev",
    "virtio_pci",
    "failover",
    "net_failover",
    "virtio_net",
];

/// Brings the machine as far as any initramfs does. There is no `resolv.conf`, no certificate, and loopback is down.
const BEGINNING: &str = r#"#!/bin/busybox sh
/bin/busybox mkdir -p /bin /proc /sys /dev /run /etc
/bin/busybox --install -s /bin
export PATH=/bin:/sbin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in $(cat /modules/order); do insmod "/modules/$module.ko"; done
ip addr add 10.0.2.15/24 dev eth0
ip link set eth0 up
ip route add default via 10.0.2.2
"#;

/// An image in the making.
#[derive(Debug)]
pub struct Image {
    folder: tempfile::TempDir,
}

impl Image {
    /// With an init that, once there is a network, does what `script` says and switches the machine off.
    pub fn new(script: &str) -> Self {
        let image = Self {
            folder: tempfile::tempdir().expect("a temporary folder can be made"),
        };
        let busybox = Path::new("/bin/busybox");
        assert!(
            busybox.exists(),
            "{} is missing: `./dev boot` installs it",
            busybox.display()
        );
        image.add(busybox, "bin/busybox", 0o755);
        let order = MODULES.map(|module| {
            image.add(&module_of(module), &format!("modules/{module}.ko"), 0o644);
            module
        });
        image.write("modules/order", &order.join(" "), 0o644);
        image.write(
            "init",
            &format!("{BEGINNING}{script}\npoweroff -f\n"),
            0o755,
        );
        image
    }

    /// Puts a file in.
    pub fn add(&self, file: &Path, place: &str, mode: u32) {
        let content = fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        self.put(place, &content, mode);
    }

    /// Puts a text in.
    pub fn write(&self, place: &str, text: &str, mode: u32) {
        self.put(place, text.as_bytes(), mode);
    }

    fn put(&self, place: &str, content: &[u8], mode: u32) {
        let path = self.folder.path().join("tree").join(place);
        let parent = path.parent().expect("a file is in a folder");
        fs::create_dir_all(parent).expect("a folder can be made");
        fs::write(&path, content).expect("a file can be written");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("it is ours");
    }

    /// Packs it. The file goes with this.
    pub fn pack(&self) -> PathBuf {
        let file = self.folder.path().join("image.cpio");
        let pack = "cd \"$1\" && find . -print0 | cpio --null --quiet -H newc -o >\"$2\"";
        let status = Command::new("sh")
            .args(["-c", pack, "sh"])
            .arg(self.folder.path().join("tree"))
            .arg(&file)
            .status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "cpio can't pack the image"
        );
        file
    }
}

/// Where a module is among those of the kernel.
fn module_of(name: &str) -> PathBuf {
    let found = Command::new("find")
        .arg(super::kernel().join("modules"))
        .args(["-name", &format!("{name}.ko")])
        .output()
        .expect("find is there");
    let found = String::from_utf8_lossy(&found.stdout);
    let first = found.lines().next();
    first
        .unwrap_or_else(|| panic!("the kernel has no module {name}"))
        .into()
}
