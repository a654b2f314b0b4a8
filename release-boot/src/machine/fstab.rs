//! `fstab(5)`: a line for the release, so that a later boot mounts it by itself.
//!
//! By the volume's own id, never by label or UUID, which every volume of the same lineage has; and with `nofail`,
//! since a volume that is gone must not keep a machine from starting.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use release_core::{FileSystem, VolumeId};

/// How udev names the disk of a volume.
const BY_ID: &str = "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_";
/// Longest file that is read.
const MAX_LEN: u64 = 1 << 20;

/// Why there is no line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FstabError {
    #[error("{} can't be used", .path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{} has another line for {} already", .path.display(), .mount.display())]
    Foreign { path: PathBuf, mount: PathBuf },
}

/// What the line says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a> {
    pub(crate) volume: &'a VolumeId,
    pub(crate) mount: &'a Path,
    pub(crate) file_system: FileSystem,
    pub(crate) options: &'a str,
}

/// Writes the line into the file below `root`, in place of an earlier one of ours.
pub(crate) fn write(root: &Path, line: &Line<'_>) -> Result<(), FstabError> {
    let path = root.join("etc/fstab");
    let io = |source| FstabError::Io {
        path: path.clone(),
        source,
    };
    let (before, mode) = read(&path).map_err(io)?;
    let after = edit(&before, line).ok_or_else(|| FstabError::Foreign {
        path: path.clone(),
        mount: line.mount.to_owned(),
    })?;
    if after == before {
        return Ok(());
    }
    replace(&path, &after, mode).map_err(io)
}

fn read(path: &Path) -> io::Result<(String, u32)> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok((String::new(), 0o644));
        }
        Err(error) => return Err(error),
    };
    let mode = file.metadata()?.permissions().mode() & 0o7777;
    let mut text = String::new();
    file.take(MAX_LEN).read_to_string(&mut text)?;
    if text.len() as u64 == MAX_LEN {
        return Err(io::Error::other("it is too long"));
    }
    Ok((text, mode))
}

fn replace(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let new = path.with_extension("release-new");
    let mut file = File::options()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(mode)
        .open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// The file with the line; `None` where somebody else's line is about this place.
fn edit(before: &str, line: &Line<'_>) -> Option<String> {
    let mount = escaped(line.mount);
    let new = format!(
        "{BY_ID}{} {mount} {} {},nofail 0 2",
        line.volume.serial(),
        line.file_system,
        line.options
    );
    let mut after = String::with_capacity(before.len() + new.len() + 2);
    let mut is_written = false;
    for old in before.lines() {
        let mut fields = old.split_ascii_whitespace();
        let (source, point) = (fields.next().unwrap_or_default(), fields.next());
        if source.starts_with('#') || point != Some(mount.as_str()) {
            after.push_str(old);
        } else if !source.starts_with(BY_ID) {
            return None;
        } else if is_written {
            continue;
        } else {
            is_written = true;
            after.push_str(&new);
        }
        after.push('\n');
    }
    if !is_written {
        after.push_str(&new);
        after.push('\n');
    }
    Some(after)
}

/// Blanks would end the field.
fn escaped(path: &Path) -> String {
    let text = path.to_string_lossy();
    text.replace('\\', "\\134")
        .replace(' ', "\\040")
        .replace('\t', "\\011")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn edited(before: &str, volume: &str, mount: &str) -> Option<String> {
        let line = Line {
            volume: &volume.parse().unwrap(),
            mount: Path::new(mount),
            file_system: FileSystem::Ext4,
            options: "rw,nodev",
        };
        edit(before, &line)
    }

    const OURS: &str = "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol00000001 /release ext4 rw,nodev,nofail 0 2\n";

    #[test]
    fn a_line_is_added_once_and_then_replaced() {
        let root = "UUID=1 / ext4 defaults 0 1";
        let first = edited(root, "vol-00000001", "/release").unwrap();
        assert_eq!(first, format!("{root}\n{OURS}"));
        assert_eq!(edited(&first, "vol-00000001", "/release").unwrap(), first);
        let second = edited(&first, "vol-00000002", "/release").unwrap();
        assert_eq!(second, first.replace("vol00000001", "vol00000002"));
        let doubled = format!("{OURS}# {OURS}{OURS}");
        assert_eq!(
            edited(&doubled, "vol-00000001", "/release").unwrap(),
            format!("{OURS}# {OURS}")
        );
    }

    #[test]
    fn somebody_elses_line_for_the_place_is_left_alone() {
        let theirs = "LABEL=release\t/release ext4 defaults 0 0\n";
        assert_eq!(edited(theirs, "vol-00000001", "/release"), None);
        assert!(edited(theirs, "vol-00000001", "/releases").is_some());
    }

    #[test]
    fn a_blank_in_a_path_stays_in_its_field() {
        let text = edited("", "vol-00000001", "/my app").unwrap();
        assert!(text.contains(" /my\\040app ext4 "), "{text}");
    }

    #[test]
    fn it_is_written_below_the_root_and_keeps_its_mode() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        let path = root.path().join("etc/fstab");
        let volume = "vol-00000001".parse().unwrap();
        let line = Line {
            volume: &volume,
            mount: Path::new("/release"),
            file_system: FileSystem::Ext4,
            options: "rw,nodev",
        };
        write(root.path(), &line).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), OURS);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let volume = "vol-00000002".parse().unwrap();
        write(
            root.path(),
            &Line {
                volume: &volume,
                ..line
            },
        )
        .unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
}
