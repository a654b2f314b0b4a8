//! EBS on loop devices: volumes and snapshots are image files, an attached volume is a loop device that
//! shows up where a [`Machine`] looks for its devices.
//!
//! Whatever a test leaves behind goes when its [`Volumes`] do; what a killed run left behind goes when the
//! next one starts. Needs root.

mod loops;
mod machine;
mod table;

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard};

use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

use loops::Loop;
pub use machine::{Machine, Slots};

/// A place with images. Clones are the same place.
#[derive(Clone, Debug)]
pub struct Volumes(Arc<Place>);

#[derive(Debug)]
struct Place {
    state: Mutex<State>,
    folder: TempDir,
    /// Held while this process lives: see [`sweep`].
    _alive: OwnedFd,
}

#[derive(Debug, Default)]
struct State {
    machines: Vec<Machine>,
    devices: Vec<Device>,
    /// How large the image of a volume is that has none when it is attached; without it, none is made.
    blank: Option<u64>,
}

/// A volume that is a device just now.
#[derive(Debug)]
struct Device {
    volume: String,
    /// Where it shows up, if it does.
    machine: Option<(Machine, String)>,
    mount: Option<PathBuf>,
    /// Its partition, if it has one. The kernel of this machine may not know of partitions.
    part: Option<Loop>,
    // Last: it is let go of when all else is.
    node: Loop,
}

/// What is on a volume at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Zeros.
    Blank,
    /// An empty file system.
    Ext4,
    /// An empty file system; takes 300 MB at least.
    Xfs,
    /// An empty file system; takes 110 MB at least.
    Btrfs,
    /// A table of partitions, with an empty ext4 in the only one.
    Partitioned,
}

impl Volumes {
    /// An empty place; what killed runs left is swept away first.
    pub fn new() -> Self {
        sweep();
        let folder = tempfile::Builder::new()
            .prefix(PREFIX)
            .tempdir()
            .expect("a temporary folder can be made");
        // Before the lock's name appears it is locked, so that no sweep sees it unlocked.
        let unnamed = folder.path().join("unnamed");
        let alive = fs::File::create(&unnamed).expect("a file can be made");
        flock(&alive, FlockOperation::LockExclusive).expect("a new file can be locked");
        fs::rename(unnamed, folder.path().join(LOCK)).expect("a file can be renamed");
        fs::create_dir(folder.path().join("mounts")).expect("a folder can be made");
        Self(Arc::new(Place {
            state: Mutex::default(),
            folder,
            _alive: alive.into(),
        }))
    }

    /// Makes an image of a volume of so many bytes; those that are not written take no space.
    pub fn create(&self, volume: &str, bytes: u64, content: Content) {
        let image = self.image(volume);
        let file = fs::File::create_new(&image).expect("an image can be made");
        file.set_len(bytes).expect("an image can grow");
        let mut command = match content {
            Content::Blank => return,
            Content::Ext4 | Content::Partitioned => Command::new("mkfs.ext4"),
            Content::Xfs => Command::new("mkfs.xfs"),
            Content::Btrfs => Command::new("mkfs.btrfs"),
        };
        command.arg("-q");
        if content == Content::Partitioned {
            table::write(&file).expect("an image can be written");
            command.arg("-F").arg("-E");
            command.arg(format!("offset={}", table::START));
            let kibibytes = format!("{}k", (bytes - table::START) >> 10);
            succeed(command.arg(&image).arg(kibibytes));
        } else {
            succeed(command.arg(&image));
        }
    }

    /// Copies a volume's image as it is on its device now, as the snapshot's. A file system that is
    /// mounted has to be frozen, or the copy is of a disk that was pulled out.
    pub fn snapshot(&self, volume: &str, snapshot: &str) {
        copy(&self.image(volume), &self.image(snapshot));
    }

    /// Makes a volume of a snapshot, of so many bytes if it is to be larger.
    pub fn restore(&self, snapshot: &str, volume: &str, bytes: Option<u64>) {
        let image = self.image(volume);
        copy(&self.image(snapshot), &image);
        let file = fs::OpenOptions::new().write(true).open(&image);
        let file = file.expect("an image can be opened");
        let length = file.metadata().expect("an image has a length").len();
        let wanted = bytes.unwrap_or(0).max(length);
        file.set_len(wanted).expect("an image can grow");
    }

    /// From now on a volume that has no image gets a blank one of so many bytes when it is attached.
    pub fn fill_in(&self, bytes: u64) {
        self.state().blank = Some(bytes);
    }

    /// Makes the image that is missing, if any is to be.
    pub(crate) fn complete(&self, volume: &str) {
        let blank = self.state().blank;
        if let Some(bytes) = blank.filter(|_| !self.has(volume)) {
            self.create(volume, bytes, Content::Blank);
        }
    }

    /// Is there an image of this volume or snapshot?
    pub fn has(&self, id: &str) -> bool {
        self.image(id).exists()
    }

    /// Removes an image, if there is one.
    pub fn remove(&self, id: &str) {
        let _ = fs::remove_file(self.image(id));
    }

    /// The machine of this name, which is made when it is asked for first.
    pub fn machine(&self, name: &str) -> Machine {
        let mut state = self.state();
        if let Some(machine) = state.machines.iter().find(|machine| machine.name() == name) {
            return machine.clone();
        }
        let machine = Machine::new(name, &self.0.folder.path().join("machines"));
        state.machines.push(machine.clone());
        machine
    }

    /// Lets a volume show up as a device of a machine, with its own name for it.
    pub fn attach(&self, volume: &str, machine: &Machine) {
        self.attach_as(volume, machine, "/dev/sdz");
    }

    /// The same, by the name that EC2 was told: Xen's machines have no other for it.
    pub fn attach_as(&self, volume: &str, machine: &Machine, name: &str) {
        let mut device = self.attached(volume);
        let part = device.part.as_ref().map(Loop::number);
        let name = machine.add(volume, &device.node, part, name);
        device.machine = Some((machine.clone(), name));
        self.state().devices.push(device);
    }

    /// Takes a volume's device away, whatever is mounted from it; nothing if it has none.
    pub fn detach(&self, volume: &str) {
        let mut state = self.state();
        state.devices.retain(|device| device.volume != volume);
    }

    /// Mounts a volume in a place of its own, attached to no machine: a release server's.
    pub fn mount(&self, volume: &str) -> PathBuf {
        let mut device = self.attached(volume);
        let point = self.0.folder.path().join("mounts").join(volume);
        fs::create_dir_all(&point).expect("a folder can be made");
        let node = device.part.as_ref().unwrap_or(&device.node);
        succeed(Command::new("mount").args([node.path(), &point]));
        device.mount = Some(point.clone());
        self.state().devices.push(device);
        point
    }

    /// The loop device that a volume is now, if it is one.
    pub fn device(&self, volume: &str) -> Option<PathBuf> {
        let state = self.state();
        let mut devices = state.devices.iter();
        let found = devices.find(|device| device.volume == volume)?;
        Some(found.node.path().to_owned())
    }

    fn attached(&self, volume: &str) -> Device {
        let image = self.image(volume);
        Device {
            volume: volume.to_owned(),
            machine: None,
            mount: None,
            part: table::is_in(&image).then(|| Loop::of(&image, table::START)),
            node: Loop::of(&image, 0),
        }
    }

    /// The image of a volume or snapshot.
    pub fn image(&self, id: &str) -> PathBuf {
        self.0.folder.path().join(format!("{id}.img"))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        (self.0.state.lock()).unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Default for Volumes {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        if let Some((machine, name)) = &self.machine {
            machine.take(&self.volume, name);
        }
        if let Some(part) = &self.part {
            part.unmount();
        }
        self.node.unmount();
    }
}

/// What such places are called, and how a dead one is told from one in use.
const PREFIX: &str = "release-volumes-";
const LOCK: &str = "alive";

/// Takes away what runs left that were killed: their places are not locked any more.
fn sweep() {
    for entry in (fs::read_dir(std::env::temp_dir()).into_iter().flatten()).flatten() {
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let Ok(lock) = fs::File::open(entry.path().join(LOCK)) else {
            continue;
        };
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
            loops::release_all_below(&entry.path());
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn copy(from: &Path, to: &Path) {
    succeed(
        Command::new("cp")
            .args(["--reflink=auto", "--sparse=always"])
            .args([from, to]),
    );
}

/// Runs a command, and panics with its words if it fails.
fn succeed(command: &mut Command) -> String {
    let output = command.output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[cfg(test)]
mod tests;
