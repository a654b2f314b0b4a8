//! A machine that boots: QEMU, with a kernel and an image of the caller's, and disks that are put in and taken out
//! while it runs.
//!
//! It has a network of its own. The host's loopback is 10.0.2.2 in it, and [`Relay`]s bring there what listens
//! elsewhere. Its resolvers, EC2's and the one that DHCP tells, are [`Names`]. `./dev` sees to QEMU, and to a Debian that has the kernel.

mod debian;
mod files;
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

use crate::volumes::Slots;

pub use debian::Debian;
pub use files::Files;
pub use image::Image;
pub use names::Names;
pub use relay::Relay;

use qmp::Qmp;

/// Not KVM: it may be there and yet not work, as in a machine that is a guest itself. Without random numbers from its
/// processor, a machine waits for some.
const MACHINE: [&str; 16] = [
    "-M",
    "q35",
    "-cpu",
    "qemu64,+rdrand",
    "-accel",
    "tcg,thread=multi",
    "-m",
    "1024",
    "-nodefaults",
    "-no-reboot",
    "-display",
    "none",
    "-netdev",
    "user,id=net0",
    "-device",
    "virtio-net-pci,netdev=net0",
];
/// Whom QEMU asks for a guest that asks the resolver which DHCP told it of.
const WITH_RESOLVER: &str = r#"mount --bind "$1" /etc/resolv.conf; shift; exec "$@""#;
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
    /// Starts a machine from an initramfs; the kernel is told `kernel_line` besides where its console is.
    pub fn start(image: &Path, kernel_line: &str) -> Self {
        Self::start_with(image, kernel_line, &[])
    }

    /// The same with a disk in it: an NVMe drive, the first one.
    pub fn start_with_disk(image: &Path, kernel_line: &str, disk: &Path) -> Self {
        let drive = format!("if=none,id=root,format=raw,file={}", disk.display());
        let device = "nvme,serial=vol00000000000000000,drive=root";
        Self::start_with(image, kernel_line, &["-drive", &drive, "-device", device])
    }

    fn start_with(image: &Path, kernel_line: &str, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let console = folder.path().join("console");
        let socket = folder.path().join("qmp");
        let resolver = folder.path().join("resolv.conf");
        fs::write(&resolver, format!("nameserver {}\n", names::ADDRESS))
            .expect("a file can be made");
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--propagation", "private"])
            .args(["sh", "-ec", WITH_RESOLVER, "sh"])
            .arg(resolver)
            .args(["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64"])
            .args(MACHINE)
            .arg("-kernel")
            .arg(debian::kernel())
            .arg("-initrd")
            .arg(image)
            .args([
                "-append",
                &format!("console=ttyS0 quiet panic=-1 {kernel_line}"),
            ])
            .arg("-serial")
            .arg(format!("file:{}", console.display()))
            .arg("-qmp")
            .arg(format!("unix:{},server=on,wait=off", socket.display()))
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(folder.path().join("errors")).expect("a file can be made"));
        for port in 1..=PORTS {
            let device = format!("pcie-root-port,id=rp{port},chassis={port},slot={port}");
            command.args(["-device", &device]);
        }
        let process = command.spawn().expect("unshare comes with util-linux");
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
            let waited = self.ran();
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
            let waited = self.ran();
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

    /// How long it runs, but for the time in which others had the processor that it was waiting for: so that a
    /// limit means the same on a busy machine.
    fn ran(&self) -> Duration {
        let threads = fs::read_dir(format!("/proc/{}/task", self.process.id()));
        let held_up = threads
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|thread| {
                // Nanoseconds on a processor, and waiting for one. See proc(5) of newer kernels.
                let times = fs::read_to_string(thread.path().join("schedstat")).ok()?;
                times
                    .split(' ')
                    .nth(1)?
                    .parse()
                    .ok()
                    .map(Duration::from_nanos)
            });
        // All that takes time is done by one of its threads.
        let held_up = held_up.max().unwrap_or_default();
        self.began.elapsed().saturating_sub(held_up)
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

#[cfg(all(test, feature = "aws"))]
mod tests;
