//! Where a machine looks for its devices: a `/sys` and a `/dev` of its own.

use std::fmt;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::loops::Loop;

/// A machine's view of its devices. Clones are the same view.
#[derive(Clone, Debug)]
pub struct Machine(Arc<View>);

struct View {
    name: String,
    sys: PathBuf,
    dev: PathBuf,
    is_xen: AtomicBool,
    slots: Mutex<Option<Arc<dyn Slots>>>,
}

/// A machine that has more than a view of its disks: one that runs.
pub trait Slots: Send + Sync {
    /// Puts a disk in, with this serial number.
    fn insert(&self, serial: &str, node: &Path);

    /// Takes it out.
    fn remove(&self, serial: &str);
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Machine {
    pub(super) fn new(name: &str, folder: &Path) -> Self {
        let folder = folder.join(name);
        let [sys, dev] = ["sys", "dev"].map(|part| folder.join(part));
        for part in ["block", "dev/block"] {
            fs::create_dir_all(sys.join(part)).expect("a folder can be made");
        }
        fs::create_dir_all(&dev).expect("a folder can be made");
        let name = name.to_owned();
        Self(Arc::new(View {
            name,
            sys,
            dev,
            is_xen: AtomicBool::new(false),
            slots: Mutex::default(),
        }))
    }

    /// What it is called: an instance's id.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// In place of `/sys`.
    pub fn sys(&self) -> &Path {
        &self.0.sys
    }

    /// In place of `/dev`.
    pub fn dev(&self) -> &Path {
        &self.0.dev
    }

    /// Puts a disk in that is another volume's, or nobody's, under the next free name; returns the name.
    /// `serial` is as the kernel shows it, padding and all.
    pub fn insert(&self, serial: &str, number: u64) -> String {
        let name = self.free_name();
        self.insert_as(&name, Some(serial), number, None);
        name
    }

    fn free_name(&self) -> String {
        (0..)
            .map(|number| format!("nvme{number}n1"))
            .find(|name| !self.block(name).exists())
            .expect("numbers don't end")
    }

    /// Puts a disk in under a name of the caller's. It may have no serial number, and a partition.
    pub fn insert_as(&self, name: &str, serial: Option<&str>, number: u64, part: Option<u64>) {
        // As in the kernel's, `block/NAME/device` is the controller. Nodes come first: who sees an entry may
        // open it.
        let hidden = self.0.sys.join(format!("new-{name}"));
        fs::create_dir_all(hidden.join("device")).expect("a folder can be made");
        if let Some(serial) = serial {
            write(&hidden.join("device/serial"), &format!("{serial}\n"));
            let model = "Amazon Elastic Block Store              \n";
            write(&hidden.join("device/model"), model);
        }
        self.node(name, number, &hidden);
        if let Some(part) = part {
            let inner = part_of(name);
            let folder = hidden.join(&inner);
            fs::create_dir(&folder).expect("a folder can be made");
            write(&folder.join("partition"), "1\n");
            self.node(&inner, part, &folder);
        }
        fs::rename(hidden, self.block(name)).expect("a folder can be renamed");
        self.link(number, name);
        if let Some(part) = part {
            self.link(part, &format!("{name}/{}", part_of(name)));
        }
    }

    /// Makes a device's node, and notes its number in its entry.
    fn node(&self, name: &str, number: u64, entry: &Path) {
        let node = self.0.dev.join(name);
        let mode = Mode::RUSR | Mode::WUSR;
        mknodat(CWD, node, FileType::BlockDevice, mode, number).expect("root can make devices");
        write(&entry.join("dev"), &format!("{}\n", spelled(number)));
    }

    fn link(&self, number: u64, entry: &str) {
        let link = self.0.sys.join("dev/block").join(spelled(number));
        symlink(format!("../../block/{entry}"), link).expect("a link can be made");
    }

    /// From now on it is one of Xen's: its disks have the names that EC2 was told, and no serial numbers.
    pub fn set_xen(&self) {
        self.0.is_xen.store(true, Ordering::Relaxed);
    }

    /// From now on its disks go into a machine that runs, too; `None`: not any more.
    pub fn set_slots(&self, slots: Option<Arc<dyn Slots>>) {
        *self.0.slots.lock().unwrap() = slots;
    }

    fn slots(&self) -> Option<Arc<dyn Slots>> {
        self.0.slots.lock().unwrap().clone()
    }

    /// Puts a volume in, which EC2 was told to call `device`.
    pub(super) fn add(&self, volume: &str, node: &Loop, part: Option<u64>, device: &str) -> String {
        let serial = volume.replacen('-', "", 1);
        if let Some(slots) = self.slots() {
            slots.insert(&serial, node.path());
        }
        if self.0.is_xen.load(Ordering::Relaxed) {
            let name = device.replacen("/dev/sd", "xvd", 1);
            self.insert_as(&name, None, node.number(), part);
            return name;
        }
        let name = self.free_name();
        // EBS shows the id without its dash, and the kernel pads it to 20 bytes.
        self.insert_as(&name, Some(&format!("{serial:<20}")), node.number(), part);
        name
    }

    /// Takes a volume out.
    pub(super) fn take(&self, volume: &str, name: &str) {
        if let Some(slots) = self.slots() {
            slots.remove(&volume.replacen('-', "", 1));
        }
        self.remove(name);
    }

    /// Takes a disk out.
    pub fn remove(&self, name: &str) {
        let block = self.block(name);
        let inner = part_of(name);
        for (entry, node) in [(block.join(&inner), inner.as_str()), (block.clone(), name)] {
            if let Ok(number) = fs::read_to_string(entry.join("dev")) {
                let _ = fs::remove_file(self.0.sys.join("dev/block").join(number.trim_end()));
                let _ = fs::remove_file(self.0.dev.join(node));
            }
        }
        let _ = fs::remove_dir_all(block);
    }

    fn block(&self, name: &str) -> PathBuf {
        self.0.sys.join("block").join(name)
    }
}

/// What the kernel calls the only partition of a disk.
fn part_of(disk: &str) -> String {
    match disk.ends_with(|last: char| last.is_ascii_digit()) {
        true => format!("{disk}p1"),
        false => format!("{disk}1"),
    }
}

/// A number as sysfs spells it.
fn spelled(number: u64) -> String {
    let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
    format!("{major}:{minor}")
}

fn write(file: &Path, text: &str) {
    fs::write(file, text).expect("a file can be written");
}
