//! A real boot: a kernel, an initramfs with the static release-boot and little else, and NVMe disks that are put in
//! when the volume is attached. One at a time: each takes both cores, and EC2's resolver has one address.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use release_core::SecretKey;
use release_tests::ec2::{Delays, Fault};
use release_tests::qemu::{Image, Names, Qemu, Relay};
use release_tests::volumes::Content;

use crate::scene::Scene;
use crate::web::Web;

/// Longest time of one boot, from switching on to switching off.
const LONGEST: Duration = Duration::from_secs(30);
static TURN: Mutex<()> = Mutex::new(());

const ONCE: &str = "release-boot";
/// Killed when it has begun to make a volume, and started again.
const TWICE: &str = r#"release-boot >/killed 2>&1 &
first=$!
until grep -q 'list volumes of earlier tries' /killed; do sleep 0.05; done
kill -9 $first
wait $first
echo "KILLED $?"
release-boot"#;

/// What a machine printed.
struct Booted {
    console: String,
    code: String,
}

impl Booted {
    #[track_caller]
    fn assert_says(&self, words: &str) {
        assert!(self.console.contains(words), "{words}:\n{}", self.console);
    }

    #[track_caller]
    fn assert_mounted(&self, scene: &Scene, generation: u64) {
        assert_eq!(self.code, "0", "{}", self.console);
        self.assert_says(&format!("APP release {generation}"));
        self.assert_says("/release ext4 rw,nosuid,nodev");
        assert_eq!(scene.ec2.inventory().volumes(), 3, "{}", self.console);
    }

    #[track_caller]
    fn assert_refused(&self, scene: &Scene, words: &str) {
        assert_eq!(self.code, "5", "{}", self.console);
        self.assert_says(words);
        assert!(!self.console.contains("APP"), "{}", self.console);
        assert_eq!(scene.ec2.inventory().volumes(), 2, "{}", self.console);
    }
}

/// Boots the scene's instance. `meanwhile` is done while it runs.
fn boot(scene: &Scene, run: &str, meanwhile: impl FnOnce(&Qemu)) -> Booted {
    let web = Web::published(scene);
    let _names = Names::serve("release.internal", Ipv4Addr::new(10, 0, 2, 2));
    let imds = scene.imds.endpoint().replace("127.0.0.1", "10.0.2.2");
    let ec2 = Relay::to(&scene.ec2.endpoint()).port();
    let image = Image::new(&format!(
        "export AWS_EC2_METADATA_SERVICE_ENDPOINT={imds} AWS_ENDPOINT_URL=http://10.0.2.2:{ec2}\n\
         {run}\n\
         echo \"BOOT $?.\"\n\
         [ ! -e /release/app ] || echo \"APP $(cat /release/app)\"\n\
         grep ' /release ' /proc/mounts"
    ));
    let program = std::env::var_os("RELEASE_BOOT_STATIC").map(PathBuf::from);
    let program =
        program.expect("`./dev boot` builds the static release-boot and says where it is");
    image.add(&program, "sbin/release-boot", 0o755);
    image.add(&scene.path("release.pub"), "etc/release/release.pub", 0o644);
    let config = format!(
        "pointer = \"http://release.internal:{}/release.json\"\n\
         public_key = \"/etc/release/release.pub\"\n\
         interval = \"2s\"\n\
         deadline = \"25s\"\n",
        web.http_port()
    );
    image.write("etc/release/boot.toml", &config, 0o644);
    let machine = Qemu::start(&image.pack(), "");
    scene.machine.set_slots(Some(machine.slots()));
    meanwhile(&machine);
    let (console, _) = machine.wait(LONGEST);
    scene.machine.set_slots(None);
    let code = console
        .split("BOOT ")
        .nth(1)
        .and_then(|rest| rest.split('.').next());
    Booted {
        code: code.unwrap_or("no end").to_owned(),
        console,
    }
}

fn turn() -> std::sync::MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
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
