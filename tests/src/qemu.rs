//! A machine that boots: QEMU, with a kernel and an image of the caller's, and disks that are put in and taken out
//! while it runs.
//!
//! It has a network of its own. The host's loopback is 10.0.2.2 in it, and [`Relay`]s bring there what listens
//! elsewhere. `./dev` sees to QEMU and the kernel.

mod image;
mod names;
mod qmp;
mod relay;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::target;
use crate::volumes::Slots;

pub use image::Image;
pub use names::Names;
pub use relay::Relay;

use qmp::Qmp;

/// Ports that a disk can be put into.
const PORTS: usize = 6;

/// A machine that runs. It ends when it is dropped.
#[derive(Debug)]
pub struct Qemu {
    process: Child,
    console: PathBuf,
    slots: Arc<Ports>,
    began: Instant,
    _folder: tempfile::TempDir,
}

/// The ports of a machine.
#[derive(Debug)]
struct Ports {
    qmp: Mutex<Qmp>,
    /// Serial numbers of what is in them. A port is used once: letting go of a disk takes the guest a while.
    used: Mutex<Vec<String>>,
}

impl Qemu {
    /// Starts a machine.
    pub fn start(image: &Path, kernel_line: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let console = folder.path().join("console");
        let socket = folder.path().join("qmp");
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "qemu-system-x86_64"])
            .args([
                "-M",
                "q35",
                "-m",
                "512",
                "-nodefaults",
                "-no-reboot",
                "-display",
                "none",
            ])
            // Not KVM: it may be there and yet not work, as in a machine that is a guest itself.
            .args(["-accel", "tcg,thread=multi"])
            .arg("-kernel")
            .arg(kernel().join("vmlinuz"))
            .arg("-initrd")
            .arg(image)
            .args([
                "-append",
                &format!("console=ttyS0 quiet panic=-1 {kernel_line}"),
            ])
            .args([
                "-netdev",
                "user,id=net0",
                "-device",
                "virtio-net-pci,netdev=net0",
            ])
            .arg("-serial")
            .arg(format!("file:{}", console.display()))
            .arg("-qmp")
            .arg(format!("unix:{},server=on,wait=off", socket.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(folder.path().join("errors")).expect("a file can be made"));
        for port in 1..=PORTS {
            let device = format!("pcie-root-port,id=rp{port},chassis={port},slot={port}");
            command.args(["-device", &device]);
        }
        let process = command.spawn().expect("setpriv comes with util-linux");
        let qmp = Qmp::connect(&socket).unwrap_or_else(|| {
            let errors = fs::read_to_string(folder.path().join("errors")).unwrap_or_default();
            panic!("QEMU does not start; `./dev boot` installs it: {errors}")
        });
        Self {
            process,
            console,
            slots: Arc::new(Ports {
                qmp: Mutex::new(qmp),
                used: Mutex::default(),
            }),
            began: Instant::now(),
            _folder: folder,
        }
    }

    /// Where its disks are put in.
    pub fn slots(&self) -> Arc<dyn Slots> {
        self.slots.clone()
    }

    /// What it printed so far.
    pub fn console(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.console).unwrap_or_default()).into_owned()
    }

    /// Waits until it has printed something.
    #[track_caller]
    pub fn wait_for(&self, words: &str, longest: Duration) {
        while !self.console().contains(words) {
            let waited = self.began.elapsed();
            assert!(
                waited < longest,
                "no `{words}` in {waited:?}:\n{}",
                self.console()
            );
            sleep(Duration::from_millis(50));
        }
    }

    /// Waits until it is switched off. Returns what it printed, and how long it ran.
    #[track_caller]
    pub fn wait(mut self, longest: Duration) -> (String, Duration) {
        loop {
            let waited = self.began.elapsed();
            if self.process.try_wait().expect("it is our child").is_some() {
                return (self.console(), waited);
            }
            assert!(
                waited < longest,
                "still running after {waited:?}:\n{}",
                self.console()
            );
            sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Slots for Ports {
    fn insert(&self, serial: &str, node: &Path) {
        let mut used = self.used.lock().unwrap();
        used.push(serial.to_owned());
        let port = used.len();
        assert!(port <= PORTS, "all ports are used");
        self.qmp.lock().unwrap().insert(serial, node, port);
    }

    fn remove(&self, serial: &str) {
        self.qmp.lock().unwrap().remove(serial);
    }
}

/// Where `./dev` keeps a kernel and its modules.
fn kernel() -> PathBuf {
    let folder = target::directory().join("kernel");
    let there = folder.join("vmlinuz").exists();
    assert!(
        there,
        "{} is missing: `./dev boot` makes it",
        folder.display()
    );
    folder
}

#[cfg(all(test, feature = "images"))]
mod tests;
