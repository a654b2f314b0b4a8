//! An initramfs with little in it: BusyBox, a few modules, and what a test puts in.

use std::path::{Path, PathBuf};

use super::debian;
use super::files::Files;

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
pub struct Image(Files);

impl Image {
    /// With an init that, once there is a network, does what `script` says and switches the machine off.
    pub fn new(script: &str) -> Self {
        let files = Files::new();
        files.add_busybox();
        let order = MODULES.map(|module| {
            files.add(
                &debian::module(module),
                &format!("modules/{module}.ko"),
                0o644,
            );
            module
        });
        files.write("modules/order", &order.join(" "), 0o644);
        files.write(
            "init",
            &format!("{BEGINNING}{script}\npoweroff -f\n"),
            0o755,
        );
        Self(files)
    }

    /// Puts a file in.
    pub fn add(&self, file: &Path, place: &str, mode: u32) {
        self.0.add(file, place, mode);
    }

    /// Puts a text in.
    pub fn write(&self, place: &str, text: &str, mode: u32) {
        self.0.write(place, text, mode);
    }

    /// Packs it. The file goes with this.
    pub fn pack(&self) -> PathBuf {
        self.0.pack()
    }
}
