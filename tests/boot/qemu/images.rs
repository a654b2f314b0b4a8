//! Images that are made as an image builder makes them: by the real mkinitramfs and the real dracut, with what is in
//! release-boot/dist, as docs/boot.md says. The machine has a root on a disk, and goes on to it.

use std::path::{Path, PathBuf};

use release_core::Pointer;
use release_tests::qemu::{Debian, Files, Qemu};
use release_tests::volumes::Content;

use super::machine::{Around, Booted, turn};
use crate::scene::{Scene, static_program};

/// What the machine does that goes on to its root.
const ROOT: &str = r#"#!/bin/busybox sh
do="/bin/busybox"
echo "ROOT reached."
echo "APP $($do cat /release/app)"
$do grep ' /release ' /proc/mounts
$do grep ' / ' /proc/mounts | $do sed 's/^/AT /'
echo "SEEN $($do cat /var/lib/release/generation)."
$do poweroff -f
"#;

/// Where images are made.
const IMAGE: &str = "/boot/image";

/// The ways in which images are made.
#[derive(Clone, Copy, Debug)]
enum Way {
    InitramfsTools,
    /// With systemd in the image, as on most machines that have dracut.
    Dracut,
    /// With dracut's own init, its own way to a network, and nothing that is not needed.
    DracutAlone,
}

impl Way {
    /// dracut's configuration.
    const fn config(self) -> &'static str {
        match self {
            Self::DracutAlone => {
                "dracutmodules+=\" base fs-lib kernel-modules network-legacy release-boot rootfs-block udev-rules \"\n"
            }
            _ => "add_dracutmodules+=\" release-boot \"\n",
        }
    }
}

/// An image that was made.
struct Made {
    debian: Debian,
    root: Files,
}

impl Made {
    /// Makes one in a Debian that is made ready for it, as docs/boot.md says.
    fn by(way: Way, scene: &Scene) -> Self {
        let debian = Debian::new();
        debian.add(&static_program(), "usr/local/sbin/release-boot", 0o755);
        debian.add(&scene.path("release.pub"), "etc/release/release.pub", 0o644);
        let config = "public_key = \"/etc/release/release.pub\"\n\
             mount = \"/release\"\n\
             interval = \"2s\"\n\
             deadline = \"100s\"\n";
        debian.write("etc/release/boot.toml", config, 0o644);
        let version = debian.version();
        match way {
            Way::InitramfsTools => {
                for place in ["hooks/release-boot", "scripts/local-bottom/release-boot"] {
                    let there = format!("etc/initramfs-tools/{place}");
                    debian.add(&dist("initramfs-tools").join(place), &there, 0o755);
                }
                debian.run(&["mkinitramfs", "-o", IMAGE, &version]);
            }
            Way::Dracut | Way::DracutAlone => {
                for file in dist("dracut/90release-boot").read_dir().unwrap() {
                    let file = file.unwrap();
                    let name = file.file_name().into_string().unwrap();
                    let there = format!("usr/lib/dracut/modules.d/90release-boot/{name}");
                    debian.add(&file.path(), &there, 0o755);
                }
                debian.write("etc/dracut.conf.d/release.conf", way.config(), 0o644);
                // To unpack it would take such a machine longer than to read it.
                let command = ["dracut", "--no-compress", "--no-hostonly", "--kver"];
                debian.run(&[&command[..], &[&version, IMAGE]].concat());
            }
        }
        Self {
            debian,
            root: root(),
        }
    }

    /// Boots the scene's instance from it, with a fresh root.
    fn boot(&self, scene: &Scene) -> Booted {
        let around = Around::of(scene);
        let [imds, ec2] = &around.environment;
        // systemd wants to be told, the others find it in their environment.
        let line = format!(
            "root=/dev/nvme0n1 ro rd.shell=0 rd.emergency=poweroff release.pointer={} \
             {imds} {ec2} systemd.setenv={imds} systemd.setenv={ec2}",
            around.pointer()
        );
        let image = self.debian.path(&IMAGE[1..]);
        let disk = self.root.disk(64 << 20);
        Booted::run(scene, Qemu::start_with_disk(&image, &line, &disk), |_| ())
    }
}

fn dist(part: &str) -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.join("../release-boot/dist").join(part)
}

/// The machine's root: little more than an init that says what it finds.
fn root() -> Files {
    let files = Files::new();
    files.add_busybox();
    files.write("sbin/init", ROOT, 0o755);
    // By this, what switches to it knows a system.
    files.write("etc/os-release", "ID=test\n", 0o644);
    for folder in ["dev", "proc", "run", "sys", "tmp", "usr", "var/lib"] {
        files.folder(folder);
    }
    files
}

/// Without a release the machine does not get any further. With one, that is there when the machine's own init
/// starts, and the root is as it was to be.
fn brings_the_release_or_ends(way: Way, content: Content) {
    let _turn = turn();
    let scene = Scene::with(content, |_| ());
    let image = Made::by(way, &scene);
    let next = scene.prepare(2);
    scene.announce(&Pointer {
        region: "eu-west-1".parse().unwrap(),
        ..next.clone()
    });
    let booted = image.boot(&scene);
    booted.assert_says("of region eu-west-1");
    booted.assert_says("release-boot ended with 5");
    for words in ["ROOT", "APP"] {
        assert!(!booted.console.contains(words), "{}", booted.console);
    }
    assert_eq!(scene.ec2.inventory().volumes(), 2, "{}", booted.console);
    scene.announce(&next);
    let booted = image.boot(&scene);
    for words in [
        "ROOT reached.",
        "APP release 2",
        &format!("/release {} rw,nosuid,nodev", next.file_system),
        "AT /dev/nvme0n1 / ext4 ro",
        "SEEN 2.",
    ] {
        booted.assert_says(words);
    }
    assert_eq!(scene.ec2.inventory().volumes(), 3, "{}", booted.console);
}

#[test]
fn an_image_of_initramfs_tools_brings_the_release_or_ends() {
    brings_the_release_or_ends(Way::InitramfsTools, Content::Btrfs);
}

#[test]
fn an_image_of_dracut_brings_the_release_or_ends() {
    brings_the_release_or_ends(Way::Dracut, Content::Xfs);
}

#[test]
fn an_image_of_dracut_without_systemd_brings_the_release_or_ends() {
    brings_the_release_or_ends(Way::DracutAlone, Content::Ext4);
}

#[test]
fn systemd_finds_nothing_amiss_in_the_units() {
    let debian = Debian::new();
    debian.add(&static_program(), "usr/local/sbin/release-boot", 0o755);
    for unit in dist("systemd").read_dir().unwrap() {
        let unit = unit.unwrap();
        let name = unit.file_name().into_string().unwrap();
        debian.add(&unit.path(), &format!("etc/systemd/system/{name}"), 0o644);
    }
    let verify = "exec systemd-analyze verify --man=no /etc/systemd/system/release-*.* 2>&1";
    let said = debian.run(&["sh", "-c", verify]);
    assert_eq!(said, "");
    // One that can't be enabled would not start at all.
    let units = "release-boot.service release-reconcile.timer release-reconcile-resume.service";
    let enable = format!("exec systemctl --quiet enable {units} 2>&1");
    assert_eq!(debian.run(&["sh", "-c", &enable]), "");
    let wanted = debian.path("etc/systemd/system/multi-user.target.wants/release-boot.service");
    assert!(wanted.symlink_metadata().is_ok());
}
