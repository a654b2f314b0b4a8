//! Files on their way into a machine: a tree that becomes an initramfs, or a disk.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Files in a folder of their own, which goes with this.
#[derive(Debug)]
pub struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    /// None so far.
    pub fn new() -> Self {
        let files = Self {
            folder: tempfile::tempdir().expect("a temporary folder can be made"),
        };
        fs::create_dir(files.tree()).expect("a folder can be made");
        files
    }

    /// The root of the tree.
    pub fn tree(&self) -> PathBuf {
        self.folder.path().join("tree")
    }

    /// Makes a folder.
    pub fn folder(&self, place: &str) {
        fs::create_dir_all(self.tree().join(place)).expect("a folder can be made");
    }

    /// Puts a file in.
    pub fn add(&self, file: &Path, place: &str, mode: u32) {
        put_file(&self.tree(), file, place, mode);
    }

    /// Puts a text in.
    pub fn write(&self, place: &str, text: &str, mode: u32) {
        put(&self.tree(), place, text.as_bytes(), mode);
    }

    /// Puts BusyBox in, the static one: it needs nothing else.
    pub fn add_busybox(&self) {
        let busybox = Path::new("/bin/busybox");
        assert!(
            busybox.exists(),
            "{} is missing: `./dev boot` installs it",
            busybox.display()
        );
        self.add(busybox, "bin/busybox", 0o755);
    }

    /// Packs an initramfs. The file goes with this.
    pub fn pack(&self) -> PathBuf {
        let file = self.folder.path().join("image.cpio");
        let pack = "cd \"$1\" && find . -print0 | cpio --null --quiet -H newc -o >\"$2\"";
        let mut command = Command::new("sh");
        command.args(["-c", pack, "sh"]).arg(self.tree()).arg(&file);
        succeed(&mut command);
        file
    }

    /// Makes an ext4 disk of so many bytes. The file goes with this.
    pub fn disk(&self, bytes: u64) -> PathBuf {
        let file = self.folder.path().join("disk");
        let disk = fs::File::create(&file).expect("a file can be made");
        disk.set_len(bytes).expect("a file can grow");
        let mut command = Command::new("mkfs.ext4");
        command.args(["-q", "-F", "-d"]).arg(self.tree()).arg(&file);
        succeed(&mut command);
        file
    }
}

impl Default for Files {
    fn default() -> Self {
        Self::new()
    }
}

/// Puts a file into a tree.
pub(super) fn put_file(tree: &Path, file: &Path, place: &str, mode: u32) {
    let content = fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    put(tree, place, &content, mode);
}

/// Puts content into a tree, as a new file: what was there may have other names elsewhere.
pub(super) fn put(tree: &Path, place: &str, content: &[u8], mode: u32) {
    let path = tree.join(place);
    let parent = path.parent().expect("a file is in a folder");
    fs::create_dir_all(parent).expect("a folder can be made");
    let _ = fs::remove_file(&path);
    fs::write(&path, content).expect("a file can be written");
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("it is ours");
}

/// Runs a command, and panics with its words if it fails.
pub(super) fn succeed(command: &mut Command) -> String {
    let output = command.output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (text, errors) = (said(&output.stdout), said(&output.stderr));
    assert!(output.status.success(), "{command:?}: {text}{errors}");
    text
}
