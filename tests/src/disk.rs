//! Disks of their own: loop devices with a file system, which may be frozen.
//!
//! Whoever writes to a frozen file system can't be killed, and neither could a test that did. So each disk
//! has a rescuer: a process that thaws it when the test has ended in whatever way, or after a minute, and
//! takes the disk away. Only children that nobody waits for write to a disk while it is frozen.

use std::fs;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Longest time that a disk stays frozen. No test takes so long.
const RESCUE: u32 = 60;

/// How soon a write to a disk that is not frozen is done, on a busy machine.
const SOON: Duration = Duration::from_secs(10);
/// How long a write is watched that should not be done.
const A_WHILE: Duration = Duration::from_millis(400);

/// Waits for the end of its input; then, in order, for whatever hangs to go on, and takes all away.
const RESCUER: &str = r#"
trap '' INT TERM HUP
at=$1 folder=$2 device=$3
read -r -t "$4" _
fsfreeze -u "$at" 2>/dev/null
cat >/dev/null
mountpoint -q "$at" || mount "$device" "$at"
fsfreeze -u "$at" 2>/dev/null
for file in "$at"/*; do
    swapoff "$file" 2>/dev/null
    losetup -j "$file" | cut -d: -f1 | xargs -r losetup -d
done
while umount -R "$at" 2>/dev/null; do :; done
if mountpoint -q "$at"; then
    sleep 1
    umount -R -l "$at"
fi
losetup -d "$device"
rm -rf "$folder"
"#;

/// Which file system a disk has.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// The default of `setup`.
    Ext4,
    /// The other one.
    Xfs,
}

/// A mounted disk.
#[derive(Debug)]
pub struct Disk {
    path: PathBuf,
    device: PathBuf,
    rescuer: Child,
}

impl Disk {
    /// A new one, with an empty file system. Sparse: it takes little room.
    pub fn new(kind: Kind) -> Self {
        let folder = TempDir::with_prefix("release-disk-").expect("a temporary folder can be made");
        let folder = folder.keep();
        let (image, path) = (folder.join("image"), folder.join("disk"));
        fs::create_dir(&path).expect("a folder can be made");
        let file = fs::File::create(&image).expect("a file can be made");
        file.set_len(320 << 20).expect("a file can be sparse");
        let make = match kind {
            Kind::Ext4 => "mkfs.ext4",
            Kind::Xfs => "mkfs.xfs",
        };
        run(Command::new(make).arg("-q").arg(&image));
        let device = run(Command::new("losetup")
            .args(["--find", "--show"])
            .arg(&image));
        run(Command::new("mount").arg(device.trim()).arg(&path));
        let rescuer = Command::new("bash")
            .args(["-c", RESCUER, "rescuer"])
            .args([path.as_path(), &folder])
            .args([device.trim(), &RESCUE.to_string()])
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("bash is there");
        Self {
            path,
            device: device.trim().into(),
            rescuer,
        }
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Freezes it, as somebody else would.
    pub fn freeze(&self) {
        run(Command::new("fsfreeze").arg("-f").arg(&self.path));
    }

    /// Unmounts it, which leaves it frozen if it is.
    pub fn unmount(&self) {
        run(Command::new("umount").arg(&self.path));
    }

    /// Mounts it again.
    pub fn mount(&self) {
        run(Command::new("mount").args([&self.device, &self.path]));
    }

    /// Starts to write to it.
    pub fn write(&self, name: &str) -> Writing {
        let file = self.path.join(name);
        let child = Command::new("touch").arg(&file).spawn();
        Writing {
            file,
            child: child.expect("touch is there"),
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(self.rescuer.stdin.take());
        // It can't be helped here if it fails; the next test of the kind would show it.
        let _ = self.rescuer.wait();
    }
}

/// A child that writes one file. It is never waited for while the disk may be frozen.
#[derive(Debug)]
pub struct Writing {
    file: PathBuf,
    child: Child,
}

impl Writing {
    /// Fails if it gets done although the disk should be frozen.
    #[track_caller]
    pub fn assert_hangs(&self) {
        sleep(A_WHILE);
        assert!(!self.file.exists(), "{} was written", self.file.display());
    }

    /// Fails unless it gets done, as it does once the disk is thawed. Gives the time until then.
    #[track_caller]
    pub fn assert_done(mut self) -> Duration {
        let begin = Instant::now();
        while !matches!(self.child.try_wait(), Ok(Some(_))) {
            let waited = begin.elapsed();
            assert!(waited < SOON, "{} hangs", self.file.display());
            sleep(Duration::from_millis(5));
        }
        assert!(self.file.exists(), "{} is there", self.file.display());
        begin.elapsed()
    }
}

fn run(command: &mut Command) -> String {
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (mut said, mut complaint) = (String::new(), String::new());
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let _ = out.map(|mut out| out.read_to_string(&mut said));
    let _ = err.map(|mut err| err.read_to_string(&mut complaint));
    let ended = child.wait().expect("a child can be waited for");
    assert!(ended.success(), "{command:?}: {ended}: {complaint}");
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frozen_disk_is_told_from_one_that_is_not() {
        let disk = Disk::new(Kind::Ext4);
        disk.write("before").assert_done();
        disk.freeze();
        let writing = disk.write("meanwhile");
        writing.assert_hangs();
        run(Command::new("fsfreeze").arg("-u").arg(disk.path()));
        writing.assert_done();
    }

    #[test]
    fn a_frozen_disk_is_taken_away_and_whoever_writes_goes_on() {
        let disk = Disk::new(Kind::Xfs);
        disk.freeze();
        let mut writing = disk.write("meanwhile");
        writing.assert_hangs();
        let path = disk.path().to_owned();
        drop(disk);
        writing.child.wait().expect("it goes on");
        assert!(!path.exists(), "{} is left", path.display());
    }
}
