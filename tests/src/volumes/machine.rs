//! Where a machine looks for its devices: a `/sys` and a `/dev` of its own.

use std::fmt;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rustix::fs::{CWD, FileType, Mode, mknodat};

/// A machine's view of its devices. Clones are the same view.
#[derive(Clone, Debug)]
pub struct Machine(Arc<View>);

struct View {
    name: String,
    sys: PathBuf,
    dev: PathBuf,
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
        let name = (0..)
            .map(|number| format!("nvme{number}n1"))
            .find(|name| !self.block(name).exists())
            .expect("numbers don't end");
        // As in the kernel's, `block/NAME/device` is the controller. The node comes first: who sees the
        // entry may open it.
        mknodat(
            CWD,
            self.0.dev.join(&name),
            FileType::BlockDevice,
            Mode::RUSR | Mode::WUSR,
            number,
        )
        .expect("root can make devices");
        let block = self.block(&name);
        let hidden = self.0.sys.join(format!("new-{name}"));
        fs::create_dir_all(hidden.join("device")).expect("a folder can be made");
        let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
        for (file, text) in [
            ("device/serial", format!("{serial}\n")),
            (
                "device/model",
                "Amazon Elastic Block Store              \n".into(),
            ),
            ("dev", format!("{major}:{minor}\n")),
        ] {
            fs::write(hidden.join(file), text).expect("a file can be written");
        }
        fs::rename(hidden, block).expect("a folder can be renamed");
        let link = self.0.sys.join(format!("dev/block/{major}:{minor}"));
        symlink(format!("../../block/{name}"), link).expect("a link can be made");
        name
    }

    /// From now on its disks go into a machine that runs, too; `None`: not any more.
    pub fn set_slots(&self, slots: Option<Arc<dyn Slots>>) {
        *self.0.slots.lock().unwrap() = slots;
    }

    fn slots(&self) -> Option<Arc<dyn Slots>> {
        self.0.slots.lock().unwrap().clone()
    }

    /// Puts a volume in.
    pub(super) fn add(&self, volume: &str, number: u64, node: &Path) -> String {
        if let Some(slots) = self.slots() {
            slots.insert(&volume.replacen('-', "", 1), node);
        }
        // EBS shows the id without its dash, and the kernel pads it to 20 bytes.
        self.insert(&format!("{:<20}", volume.replacen('-', "", 1)), number)
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
        if let Ok(number) = fs::read_to_string(block.join("dev")) {
            let _ = fs::remove_file(self.0.sys.join("dev/block").join(number.trim_end()));
        }
        let _ = fs::remove_dir_all(block);
        let _ = fs::remove_file(self.0.dev.join(name));
    }

    fn block(&self, name: &str) -> PathBuf {
        self.0.sys.join("block").join(name)
    }
}
