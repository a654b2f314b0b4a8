//! `/proc/self/mountinfo`, see `proc_pid_mountinfo(5)`.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use release_core::DeviceNumber;

const MOUNTINFO: &str = "/proc/self/mountinfo";

/// One mount of a file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    pub(super) id: u64,
    /// The file system's own number. `stat` gives another one for btrfs's subvolumes.
    pub(crate) device: DeviceNumber,
    /// Which of its directories is mounted: `/`, if all of it is.
    pub(crate) root: PathBuf,
    /// Where.
    pub(crate) point: PathBuf,
    /// Which kind of file system: `ext4`.
    pub(crate) kind: String,
    /// The device, or whatever the file system calls its source.
    pub(crate) source: PathBuf,
}

/// All mounts that this process sees.
pub(super) fn read() -> io::Result<Vec<Mount>> {
    Ok(parse(&fs::read(MOUNTINFO)?))
}

/// The mount that a path is in: of several on one place the last, which is the one that is seen.
///
/// # Errors
/// When the path, or the list of mounts, can't be read.
pub(crate) fn mount_of(path: &Path) -> io::Result<Option<Mount>> {
    let path = fs::canonicalize(path)?;
    let mounts = read()?;
    let above = mounts
        .into_iter()
        .filter(|mount| path.starts_with(&mount.point));
    Ok(above.max_by_key(|mount| mount.point.components().count()))
}

/// The place that can't be read when [`read`] fails.
pub(super) fn place() -> &'static Path {
    Path::new(MOUNTINFO)
}

/// Lines that are not understood are left out: an answer that lacks one is found out by whoever looks for it.
fn parse(text: &[u8]) -> Vec<Mount> {
    text.split(|&byte| byte == b'\n').filter_map(line).collect()
}

/// `id parent major:minor root point options optional* - type source superoptions`
fn line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|&byte| byte == b' ');
    let text = |field: &[u8]| Some(std::str::from_utf8(field).ok()?.to_owned());
    let id = text(fields.next()?)?.parse().ok()?;
    let device = text(fields.nth(1)?)?.parse().ok()?;
    let root = unescape(fields.next()?);
    let point = unescape(fields.next()?);
    fields.find(|field| *field == b"-")?;
    let kind = text(fields.next()?)?;
    Some(Mount {
        id,
        device,
        root,
        point,
        kind,
        source: unescape(fields.next()?),
    })
}

/// Blanks, line ends and backslashes are written as three octal digits.
pub(super) fn unescape(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        match (first, tail) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..]) => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = tail;
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn lines_are_read() {
        let text = b"36 35 259:1 / /srv/my\\040app rw,noatime shared:1 master:2 - ext4 /dev/nvme1n1p1 rw\n\
            37 35 0:52 /sub /a\\134b rw - btrfs /dev/sdb rw,subvol=/sub\nnonsense\n38 35 x:1 / / rw - a b c\n";
        let mounts = parse(text);
        let [app, sub] = mounts.as_slice() else {
            unreachable!("{mounts:?}")
        };
        assert_eq!((app.id, app.device.to_string().as_str()), (36, "259:1"));
        assert_eq!(app.point, Path::new("/srv/my app"));
        assert_eq!(app.root, Path::new("/"));
        assert_eq!(app.source, Path::new("/dev/nvme1n1p1"));
        assert_eq!(app.kind, "ext4");
        assert_eq!(sub.root, Path::new("/sub"));
        assert_eq!(sub.point, Path::new("/a\\b"));
    }

    #[test]
    fn this_machine_has_a_root() {
        let mounts = read().unwrap();
        assert!(mounts.iter().any(|mount| mount.point == Path::new("/")));
    }
}
