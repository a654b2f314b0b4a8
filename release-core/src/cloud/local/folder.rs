//! The fleet's folder: the lock, the state file, and that the directories are as the state says.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::FleetError;
use super::copy::remove_tree;
use super::state::State;
use crate::cloud::{AttachmentState, InstanceState};
use crate::{DeviceName, InstanceId, Moment, SnapshotId, VolumeId};

const STATE: &str = "fleet.json";
const NEW_STATE: &str = "fleet.json.new";
/// Longest state file that is read: enough for tens of thousands of instances.
const MAX_STATE: u64 = 64 << 20;
const PARTS: [&str; 3] = ["instances", "volumes", "snapshots"];

#[derive(Clone, Debug)]
pub(super) struct Folder {
    root: PathBuf,
}

impl Folder {
    pub(super) fn create(root: &Path) -> Result<Self, FleetError> {
        let folder = Self {
            root: root.to_owned(),
        };
        let foreign = folder.prepare().map_err(|error| folder.io(error))?;
        if foreign {
            return Err(FleetError::NotEmpty(root.to_owned()));
        }
        let lock = folder.lock()?;
        if !root.join(STATE).exists() {
            let parts = PARTS
                .iter()
                .try_for_each(|part| fs::create_dir_all(root.join(part)));
            parts.map_err(|error| folder.io(error))?;
            folder.write(&folder.encode(&State::default())?)?;
        }
        drop(lock);
        Ok(folder)
    }

    /// Makes the folder if it is missing. Returns whether it has anything in it that is not a fleet's: no
    /// directory may be taken for one of ours, since ours are cleared.
    fn prepare(&self) -> io::Result<bool> {
        fs::create_dir_all(&self.root)?;
        if self.root.join(STATE).exists() {
            return Ok(false);
        }
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            let ours = match entry.file_name().to_str() {
                Some("lock" | NEW_STATE) => true,
                // A fleet that was not quite made.
                Some(name) if PARTS.contains(&name) => {
                    entry.file_type()?.is_dir() && fs::read_dir(entry.path())?.next().is_none()
                }
                _ => false,
            };
            if !ours {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) fn open(root: &Path) -> Result<Self, FleetError> {
        if !root.join(STATE).is_file() {
            return Err(FleetError::None(root.to_owned()));
        }
        Ok(Self {
            root: root.to_owned(),
        })
    }

    pub(super) fn instance(&self, id: &InstanceId) -> PathBuf {
        self.root.join("instances").join(id.as_str())
    }

    pub(super) fn volume(&self, id: &VolumeId) -> PathBuf {
        self.root.join("volumes").join(id.as_str())
    }

    pub(super) fn snapshot(&self, id: &SnapshotId) -> PathBuf {
        self.root.join("snapshots").join(id.as_str())
    }

    pub(super) fn device(&self, instance: &InstanceId, device: &DeviceName) -> PathBuf {
        let name = device.as_str().trim_start_matches("/dev/");
        self.instance(instance).join("dev").join(name)
    }

    /// Runs `change` on the state while nobody else does, and makes what comes of it last: also where it
    /// fails, since a fault that was used up is used up.
    pub(super) fn transact<T>(
        &self,
        now: Moment,
        change: impl FnOnce(&mut State) -> T,
    ) -> Result<T, FleetError> {
        let lock = self.lock()?;
        let (mut state, before) = self.read()?;
        state.advance(now);
        let outcome = change(&mut state);
        let after = self.encode(&state)?;
        if after != before {
            self.write(&after)?;
        }
        self.arrange(&state, now).map_err(|error| self.io(error))?;
        drop(lock);
        Ok(outcome)
    }

    fn io(&self, source: io::Error) -> FleetError {
        FleetError::Io {
            path: self.root.clone(),
            source,
        }
    }

    /// Held until the file is closed.
    fn lock(&self) -> Result<File, FleetError> {
        let take = || {
            let path = self.root.join("lock");
            let file = OpenOptions::new().create(true).append(true).open(path)?;
            flock(&file, FlockOperation::LockExclusive)?;
            Ok(file)
        };
        take().map_err(|error| self.io(error))
    }

    fn read(&self) -> Result<(State, Vec<u8>), FleetError> {
        let path = self.root.join(STATE);
        let read = || {
            if fs::metadata(&path)?.len() > MAX_STATE {
                return Err(io::Error::other("the state file is too long"));
            }
            fs::read(&path)
        };
        let bytes = read().map_err(|error| self.io(error))?;
        let state = serde_json::from_slice(&bytes).map_err(|source| FleetError::Damaged {
            path: self.root.clone(),
            source,
        })?;
        Ok((state, bytes))
    }

    fn encode(&self, state: &State) -> Result<Vec<u8>, FleetError> {
        serde_json::to_vec_pretty(state).map_err(|source| FleetError::Damaged {
            path: self.root.clone(),
            source,
        })
    }

    fn write(&self, bytes: &[u8]) -> Result<(), FleetError> {
        let (new, path) = (self.root.join(NEW_STATE), self.root.join(STATE));
        let write = || {
            let mut file = File::create(&new)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&new, &path)
        };
        write().map_err(|error| self.io(error))
    }

    /// Makes the directories what the state says: those of what is gone, or of what a killed process began to
    /// make, go away, and devices come and go.
    fn arrange(&self, state: &State, now: Moment) -> io::Result<()> {
        let known = |part: &str, name: &str| match part {
            "instances" => name.parse().is_ok_and(|id: InstanceId| {
                let instance = state.instances.get(&id);
                instance
                    .is_some_and(|one| one.state(now, &state.delays) != InstanceState::Terminated)
            }),
            "volumes" => name.parse().is_ok_and(|id: VolumeId| {
                state.volumes.get(&id).is_some_and(|volume| !volume.deleted)
            }),
            _ => name
                .parse()
                .is_ok_and(|id: SnapshotId| state.snapshots.contains_key(&id)),
        };
        for part in PARTS {
            for entry in fs::read_dir(self.root.join(part))? {
                let entry = entry?;
                let name = entry.file_name();
                if !name.to_str().is_some_and(|name| known(part, name)) {
                    remove_tree(&entry.path())?;
                } else if part == "instances" {
                    self.arrange_devices(&entry.path(), &name.to_string_lossy(), state, now)?;
                }
            }
        }
        Ok(())
    }

    fn arrange_devices(
        &self,
        directory: &Path,
        instance: &str,
        state: &State,
        now: Moment,
    ) -> io::Result<()> {
        let Ok(id) = instance.parse() else {
            return Ok(());
        };
        let devices = state.devices(&id, now);
        let wanted = |name: &str| {
            devices
                .iter()
                .any(|(device, _)| device.as_str()[5..] == *name)
        };
        for entry in fs::read_dir(directory.join("dev"))? {
            let entry = entry?;
            if !entry.file_name().to_str().is_some_and(wanted) {
                fs::remove_file(entry.path())?;
            }
        }
        for (device, volume) in &devices {
            let path = self.device(&id, device);
            let target = Path::new("../../../volumes").join(volume.as_str());
            match fs::read_link(&path) {
                Ok(there) if there == target => {}
                Ok(_) => {
                    fs::remove_file(&path)?;
                    symlink(target, &path)?;
                }
                Err(_) => symlink(target, &path)?,
            }
        }
        Ok(())
    }
}

impl State {
    /// The devices that an instance has now, with their volumes.
    pub(super) fn devices(
        &self,
        instance: &InstanceId,
        now: Moment,
    ) -> Vec<(DeviceName, VolumeId)> {
        self.volumes
            .iter()
            .filter_map(|(id, volume)| {
                let attachment = volume.attachment.as_ref()?;
                let there = attachment.instance == *instance
                    && attachment.state(now) == AttachmentState::Attached;
                there.then(|| (attachment.device.clone(), id.clone()))
            })
            .collect()
    }
}
