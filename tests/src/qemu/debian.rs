//! A Debian as an image builder has it: a kernel, and what makes images for it. `./dev` unpacks it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::files::{put, put_file, succeed};
use crate::target;

/// What its tools expect around them, in a mount namespace that goes with them.
const INSIDE: &str = r#"
mount --rbind /dev "$1/dev"
mount -t proc proc "$1/proc"
mount -t sysfs sys "$1/sys"
mount -t tmpfs tmp "$1/tmp"
mount -t tmpfs tmp "$1/var/tmp"
root=$1
shift
exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "$@""#;

/// A copy of it, which may be changed and goes with this. Its files are shared, so that it costs nothing; none is
/// written to where it lies.
#[derive(Debug)]
pub struct Debian(PathBuf);

impl Debian {
    /// A fresh one.
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        sweep();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let copy = folder().join(format!("{PREFIX}{}-{number}", std::process::id()));
        let mut command = Command::new("cp");
        command.arg("-alT").arg(root()).arg(&copy);
        succeed(&mut command);
        Self(copy)
    }

    /// The kernel's version.
    pub fn version(&self) -> String {
        version()
    }

    /// Where a file of it is.
    pub fn path(&self, place: &str) -> PathBuf {
        self.0.join(place)
    }

    /// Puts a file in.
    pub fn add(&self, file: &Path, place: &str, mode: u32) {
        put_file(&self.0, file, place, mode);
    }

    /// Puts a text in.
    pub fn write(&self, place: &str, text: &str, mode: u32) {
        put(&self.0, place, text.as_bytes(), mode);
    }

    /// Runs a command in it, as root, and returns what it says. A failure is a panic.
    pub fn run(&self, command: &[&str]) -> String {
        let mut inside = Command::new("unshare");
        inside
            .args(["--mount", "--propagation", "private"])
            .args(["sh", "-ec", INSIDE, "sh"])
            .arg(&self.0)
            .args(command);
        succeed(&mut inside)
    }
}

impl Default for Debian {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Debian {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What copies are called, before the number of the process whose they are.
const PREFIX: &str = "copy-";

/// Takes away what runs left that were killed.
fn sweep() {
    for entry in fs::read_dir(folder()).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split('-').next());
        if owner.is_some_and(|owner| !Path::new("/proc").join(owner).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The kernel.
pub(super) fn kernel() -> PathBuf {
    root().join(format!("boot/vmlinuz-{}", version()))
}

/// A module of the kernel.
pub(super) fn module(name: &str) -> PathBuf {
    let mut find = Command::new("find");
    find.arg(root().join("lib/modules"))
        .args(["-name", &format!("{name}.ko")]);
    let found = succeed(&mut find);
    let first = found.lines().next();
    first
        .unwrap_or_else(|| panic!("the kernel has no module {name}"))
        .into()
}

fn version() -> String {
    let modules = fs::read_dir(root().join("lib/modules")).expect("it is a folder");
    let only = modules.flatten().next().expect("there is a kernel");
    only.file_name().into_string().expect("versions are text")
}

fn root() -> PathBuf {
    folder().join("root")
}

fn folder() -> PathBuf {
    let folder = target::directory().join("debian");
    let there = folder.join("packages.txt").exists();
    assert!(
        there,
        "{} is missing: `./dev boot` makes it",
        folder.display()
    );
    folder
}
