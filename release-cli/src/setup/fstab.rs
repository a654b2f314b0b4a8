//! `/etc/fstab`, see `fstab(5)`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use release_core::{FileSystem, VolumeId};

/// What a table says of a mount point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Missing,
    /// The line that we would write, or one with the same device.
    Ours,
    /// Another device.
    Other(String),
}

/// The link that udev makes to a volume's device. It names the volume, where a label or a UUID names every copy.
pub(super) fn link(volume: &VolumeId, partition: Option<u32>) -> PathBuf {
    let link = format!(
        "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{}",
        volume.serial()
    );
    match partition {
        None => link.into(),
        Some(number) => format!("{link}-part{number}").into(),
    }
}

/// `nofail`: a release server whose volume is gone still starts.
pub(super) fn line(link: &Path, point: &Path, kind: FileSystem) -> Vec<u8> {
    let check = match kind {
        FileSystem::Ext4 => "2",
        _ => "0",
    };
    let fields: [&[u8]; 6] = [
        &field(link),
        &field(point),
        kind.as_str().as_bytes(),
        b"defaults,nofail",
        b"0",
        check.as_bytes(),
    ];
    let mut line = fields.join(&b' ');
    line.push(b'\n');
    line
}

/// Blanks, tabs, line ends and backslashes are written as three octal digits.
fn field(path: &Path) -> Vec<u8> {
    let mut field = Vec::new();
    for &byte in path.as_os_str().as_bytes() {
        match byte {
            b' ' | b'\t' | b'\n' | b'\\' | b'#' => {
                field.extend_from_slice(format!("\\{byte:03o}").as_bytes());
            }
            byte => field.push(byte),
        }
    }
    field
}

/// What the table says of a mount point.
pub(super) fn find(table: &[u8], link: &Path, point: &Path) -> Entry {
    let (device, point) = (field(link), field(point));
    for line in table.split(|byte| *byte == b'\n') {
        let fields = line.split(|byte| matches!(byte, b' ' | b'\t'));
        let mut fields = fields.filter(|field| !field.is_empty());
        let (Some(spec), Some(file)) = (fields.next(), fields.next()) else {
            continue;
        };
        if spec.starts_with(b"#") || *file != point {
            continue;
        }
        return match *spec == device {
            true => Entry::Ours,
            false => Entry::Other(release_core::escape(spec)),
        };
    }
    Entry::Missing
}

/// Reads the table; a missing one is empty.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        table => table,
    }
}

/// Adds a line, and leaves all others as they are. The table is replaced in one step: whoever starts the machine
/// meanwhile reads the old one or the new one.
pub(super) fn add(path: &Path, line: &[u8]) -> io::Result<()> {
    // Where it is a link, what it leads to is replaced.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut table = read(path)?;
    if !table.is_empty() && !table.ends_with(b"\n") {
        table.push(b'\n');
    }
    table.extend_from_slice(line);
    let beside = path.with_extension("release-new");
    let _ = fs::remove_file(&beside);
    let before = fs::metadata(path).ok();
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o644);
    let mut file = options.open(&beside)?;
    if let Some(before) = before {
        file.set_permissions(before.permissions())?;
        fchown(&file, Some(before.uid()), Some(before.gid()))?;
    }
    file.write_all(&table)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn ours() -> PathBuf {
        link(&"vol-0123456789abcdef0".parse().unwrap(), None)
    }

    #[test]
    fn lines_are_found_again() {
        let point = Path::new("/srv/my app");
        let line = line(&ours(), point, FileSystem::Ext4);
        assert_eq!(
            String::from_utf8(line.clone()).unwrap(),
            "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol0123456789abcdef0 /srv/my\\040app ext4 \
             defaults,nofail 0 2\n"
        );
        assert_eq!(find(&line, &ours(), point), Entry::Ours);
        assert_eq!(find(b"", &ours(), point), Entry::Missing);
        let other = b"# /dev/x /srv/my\\040app\nLABEL=release\t/srv/my\\040app  ext4 defaults 0 0";
        assert_eq!(
            find(other, &ours(), point),
            Entry::Other("LABEL=release".into())
        );
        assert_eq!(find(other, &ours(), Path::new("/srv")), Entry::Missing);
        let part = link(&"vol-00000001".parse().unwrap(), Some(1));
        assert!(part.to_str().unwrap().ends_with("_vol00000001-part1"));
    }

    #[test]
    fn a_line_is_added_and_nothing_else_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fstab");
        fs::write(&path, "# mine\nproc /proc proc defaults 0 0").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let linked = folder.path().join("link");
        std::os::unix::fs::symlink("fstab", &linked).unwrap();
        add(&linked, b"a b c\n").unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, "# mine\nproc /proc proc defaults 0 0\na b c\n");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        let none = folder.path().join("none");
        add(&none, b"a b c\n").unwrap();
        assert_eq!(fs::read(&none).unwrap(), b"a b c\n");
    }
}
