//! A machine that boots in a scene, and what it printed. One at a time: each takes both cores, and EC2's resolver has
//! one address.

use std::net::Ipv4Addr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use release_tests::qemu::{Image, Names, Qemu, Relay};

use crate::scene::{Scene, static_program};
use crate::web::Web;

/// Longest time of one boot, from switching on to switching off.
pub(crate) const LONGEST: Duration = Duration::from_secs(30);

static TURN: Mutex<()> = Mutex::new(());

pub(crate) fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a machine of a scene finds around it.
pub(crate) struct Around {
    web: Web,
    _names: Names,
    /// For its environment: `NAME=VALUE`.
    pub(crate) environment: [String; 2],
}

impl Around {
    pub(crate) fn of(scene: &Scene) -> Self {
        let imds = scene.imds.endpoint().replace("127.0.0.1", "10.0.2.2");
        let ec2 = Relay::to(&scene.ec2.endpoint()).port();
        Self {
            web: Web::published(scene),
            _names: Names::serve("release.internal", Ipv4Addr::new(10, 0, 2, 2)),
            environment: [
                format!("AWS_EC2_METADATA_SERVICE_ENDPOINT={imds}"),
                format!("AWS_ENDPOINT_URL=http://10.0.2.2:{ec2}"),
            ],
        }
    }

    /// Where it finds the pointer.
    pub(crate) fn pointer(&self) -> String {
        format!(
            "http://release.internal:{}/release.json",
            self.web.http_port()
        )
    }
}

/// What a machine printed.
pub(crate) struct Booted {
    pub(crate) console: String,
    /// What release-boot ended with.
    code: String,
}

impl Booted {
    /// Lets a machine run to its end. `meanwhile` is done while it runs.
    // How long it took is worth a line.
    #[allow(clippy::print_stdout)]
    pub(crate) fn run(scene: &Scene, machine: Qemu, meanwhile: impl FnOnce(&Qemu)) -> Self {
        scene.machine.set_slots(Some(machine.slots()));
        meanwhile(&machine);
        let (console, time) = machine.wait(LONGEST);
        println!("a boot took {:.1} s", time.as_secs_f64());
        scene.machine.set_slots(None);
        let code = console
            .split("BOOT ")
            .nth(1)
            .and_then(|rest| rest.split('.').next());
        Self {
            code: code.unwrap_or("no end").to_owned(),
            console,
        }
    }

    #[track_caller]
    pub(crate) fn assert_says(&self, words: &str) {
        assert!(self.console.contains(words), "{words}:\n{}", self.console);
    }

    #[track_caller]
    pub(crate) fn assert_mounted(&self, scene: &Scene, generation: u64) {
        assert_eq!(self.code, "0", "{}", self.console);
        self.assert_says(&format!("APP release {generation}"));
        self.assert_says("/release ext4 rw,nosuid,nodev");
        assert_eq!(scene.ec2.inventory().volumes(), 3, "{}", self.console);
    }

    #[track_caller]
    pub(crate) fn assert_refused(&self, scene: &Scene, words: &str) {
        assert_eq!(self.code, "5", "{}", self.console);
        self.assert_says(words);
        assert!(!self.console.contains("APP"), "{}", self.console);
        assert_eq!(scene.ec2.inventory().volumes(), 2, "{}", self.console);
    }
}

/// Boots the scene's instance with little in its image: `run` is a script that starts release-boot.
pub(crate) fn boot(scene: &Scene, run: &str, meanwhile: impl FnOnce(&Qemu)) -> Booted {
    let around = Around::of(scene);
    let image = Image::new(&format!(
        "export {}\n\
         {run}\n\
         echo \"BOOT $?.\"\n\
         [ ! -e /release/app ] || echo \"APP $(cat /release/app)\"\n\
         grep ' /release ' /proc/mounts",
        around.environment.join(" ")
    ));
    image.add(&static_program(), "sbin/release-boot", 0o755);
    image.add(&scene.path("release.pub"), "etc/release/release.pub", 0o644);
    let config = format!(
        "pointer = \"{}\"\n\
         public_key = \"/etc/release/release.pub\"\n\
         interval = \"2s\"\n\
         deadline = \"100s\"\n",
        around.pointer()
    );
    image.write("etc/release/boot.toml", &config, 0o644);
    Booted::run(scene, Qemu::start(&image.pack(), ""), meanwhile)
}
