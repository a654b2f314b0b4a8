//! A real boot: a kernel, an initramfs with the static release-boot and little else, and NVMe disks that are put in
//! when the volume is attached.

mod images;
mod machine;

use std::time::Duration;

use release_core::SecretKey;
use release_tests::ec2::{Delays, Fault};
use release_tests::volumes::Content;

use crate::scene::Scene;
use machine::{LONGEST, boot, turn};

const ONCE: &str = "release-boot";
/// Killed when it has begun to make a volume, and started again.
const TWICE: &str = r#"release-boot >/killed 2>&1 &
first=$!
until grep -q 'list volumes of earlier tries' /killed; do sleep 0.05; done
kill -9 $first
wait $first
echo "KILLED $?"
release-boot"#;

/// The network comes up some seconds after it was started.
const TOO_EARLY: &str = r#"ip link set eth0 down
ip addr flush dev eth0
(sleep 3; ip addr add 10.0.2.15/24 dev eth0; ip link set eth0 up; ip route add default via 10.0.2.2) &
release-boot"#;

#[test]
fn a_network_that_comes_late_is_waited_for() {
    let _turn = turn();
    let scene = Scene::new();
    let booted = boot(&scene, TOO_EARLY, |_| ());
    booted.assert_says("ask who this is");
    booted.assert_says("Network is unreachable");
    booted.assert_mounted(&scene, 1);
}

#[test]
fn a_machine_boots_with_what_is_current_and_not_with_a_decoy() {
    let _turn = turn();
    let scene = Scene::new();
    scene
        .volumes
        .create("vol-0dec0ydec0ydec0y0", 64 << 20, Content::Ext4);
    let booted = boot(&scene, ONCE, |_| {
        scene
            .volumes
            .attach("vol-0dec0ydec0ydec0y0", &scene.machine);
    });
    booted.assert_mounted(&scene, 1);
    booted.assert_says("ready in ");
}

#[test]
fn what_is_pending_throttled_and_published_meanwhile_is_come_by() {
    let _turn = turn();
    let scene = Scene::new();
    scene.ec2.add_fault(Fault::throttle().one_in(4));
    scene.ec2.set_delays(Delays {
        snapshot: Duration::from_secs(4),
        volume: Duration::from_secs(1),
        ..Delays::default()
    });
    scene.publish(2);
    let next = scene.prepare(3);
    let booted = boot(&scene, ONCE, |machine| {
        // The third is published while the second is waited for.
        machine.wait_for("read the pointer", LONGEST);
        scene.announce(&next);
    });
    booted.assert_mounted(&scene, 3);
}

#[test]
fn a_machine_refuses_forged_and_old_pointers() {
    let _turn = turn();
    let scene = Scene::new();
    let first = scene.publish(1);
    let second = scene.prepare(2);
    scene.announce_by(&SecretKey::generate(None).unwrap().0, &second);
    let booted = boot(&scene, ONCE, |_| ());
    booted.assert_refused(&scene, "signed with another key");
    scene.announce(&second);
    scene.announce(&first);
    // What announced the first last tagged it with its number, and the second keeps its own.
    let booted = boot(&scene, ONCE, |_| ());
    booted.assert_refused(&scene, "tagged with 2");
}

#[test]
fn killed_once_and_started_again_it_boots() {
    let _turn = turn();
    let scene = Scene::new();
    scene.ec2.set_delays(Delays {
        volume: Duration::from_secs(2),
        ..Delays::default()
    });
    let booted = boot(&scene, TWICE, |_| ());
    booted.assert_says("KILLED 137");
    booted.assert_mounted(&scene, 1);
}

#[test]
fn a_volume_may_be_a_disk_with_partitions() {
    let _turn = turn();
    let scene = Scene::with(Content::Partitioned, |_| ());
    let booted = boot(&scene, ONCE, |_| ());
    booted.assert_mounted(&scene, 1);
}
