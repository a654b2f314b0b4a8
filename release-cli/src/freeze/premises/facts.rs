//! Finding out where things are.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use release_core::DeviceNumber;
use rustix::fs::{AtFlags, CWD, Statx, StatxFlags, statx};

use super::{Facts, Place, Tenant};
use crate::freeze::FreezeError;
use crate::freeze::mounts::{self, Mount};

/// What must be elsewhere on any machine; the caller knows of more.
const EVERYWHERE: [(&str, &str); 4] = [
    ("the root directory", "/"),
    // That is where the engine puts answers for which there is no room in memory.
    ("temporary files", "/var/tmp"),
    ("this program", "/proc/self/exe"),
    ("the working directory", "/proc/self/cwd"),
];

/// Looks where the directory is, and where everything is that must be elsewhere: what `tenants` names (or,
/// of what is not there yet, the directory that it would be made in), what each process needs, files that we
/// write to, swap files, and files that are other file systems' disks.
///
/// # Errors
/// When something can't be looked at: what is not known is no reason to go on.
pub(in crate::freeze) fn collect(path: &Path, tenants: &[Tenant]) -> Result<Facts, FreezeError> {
    let mounts = mounts::read().map_err(look(mounts::place()))?;
    let path = fs::canonicalize(path).map_err(look(path))?;
    let place = place(&path, &mounts).map_err(look(&path))?;
    // Of several mounts on one place the last one is seen.
    let mut from_last = mounts.iter().rev();
    let mount = match place.mount {
        Some(id) => from_last.find(|mount| mount.id == id),
        None => from_last.find(|mount| mount.point == path),
    };
    let mount = mount.map(|mount| (mount.point.clone(), mount.root.clone()));
    let everywhere = EVERYWHERE.map(|(what, path)| Tenant::new(what, path));
    let mut found = Vec::new();
    for tenant in everywhere.iter().chain(tenants) {
        let there = existing(&tenant.path);
        let at = self::place(there, &mounts).map_err(look(there))?;
        found.push((resolved(tenant), at));
    }
    let more = [written_to(), swapped_to()?, other_disks()?].concat();
    for tenant in more {
        // What went away meanwhile is nowhere.
        if let Ok(at) = self::place(&tenant.path, &mounts) {
            found.push((resolved(&tenant), at));
        }
    }
    Ok(Facts {
        path,
        place,
        mount,
        tenants: found,
    })
}

fn look(path: &Path) -> impl FnOnce(io::Error) -> FreezeError + use<> {
    let path = path.to_owned();
    |source| FreezeError::Look { path, source }
}

/// The path itself, or the nearest directory above it that is there.
fn existing(path: &Path) -> &Path {
    let there = path.ancestors().find(|path| path.exists());
    there.unwrap_or(Path::new("/"))
}

/// With the path that a link in `/proc` stands for.
fn resolved(tenant: &Tenant) -> Tenant {
    let path = match tenant.path.starts_with("/proc/self") {
        true => fs::read_link(&tenant.path).unwrap_or_else(|_| tenant.path.clone()),
        false => tenant.path.clone(),
    };
    Tenant::new(tenant.what, path)
}

fn place(path: &Path, mounts: &[Mount]) -> io::Result<Place> {
    let flags = AtFlags::NO_AUTOMOUNT;
    let found = statx(
        CWD,
        path,
        flags,
        StatxFlags::BASIC_STATS | StatxFlags::MNT_ID,
    )?;
    let mount = mount_of(&found);
    let superblock = mounts.iter().find(|known| Some(known.id) == mount);
    Ok(Place {
        device: DeviceNumber {
            major: found.stx_dev_major,
            minor: found.stx_dev_minor,
        },
        mount,
        superblock: superblock.map(|mount| mount.device),
    })
}

fn mount_of(found: &Statx) -> Option<u64> {
    let known = StatxFlags::from_bits_retain(found.stx_mask);
    known
        .contains(StatxFlags::MNT_ID)
        .then_some(found.stx_mnt_id)
}

/// Regular files that this process has open for writing: logs, output that goes to a file.
fn written_to() -> Vec<Tenant> {
    let descriptors = fs::read_dir("/proc/self/fd").into_iter().flatten();
    let numbers = descriptors.flatten().map(|entry| entry.file_name());
    numbers
        .map(|number| (Path::new("/proc/self/fdinfo").join(&number), number))
        .filter(|(info, _)| fs::read_to_string(info).is_ok_and(|info| is_for_writing(&info)))
        .map(|(_, number)| Path::new("/proc/self/fd").join(number))
        .filter(|file| fs::metadata(file).is_ok_and(|meta| meta.is_file()))
        .map(|file| Tenant::new("a file that is being written to", file))
        .collect()
}

/// Of `/proc/PID/fdinfo/FD`.
pub(super) fn is_for_writing(info: &str) -> bool {
    const ACCESS: u32 = 0o3;
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|octal| u32::from_str_radix(octal.trim(), 8).ok());
    flags.is_some_and(|flags| flags & ACCESS != 0)
}

fn swapped_to() -> Result<Vec<Tenant>, FreezeError> {
    let path = Path::new("/proc/swaps");
    match fs::read(path) {
        Ok(text) => Ok(swap_files(&text)),
        // A kernel without swap has no such file.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(look(path)(error)),
    }
}

/// Of `/proc/swaps`: a line of headings, then one for each.
pub(super) fn swap_files(text: &[u8]) -> Vec<Tenant> {
    let lines = text.split(|&byte| byte == b'\n').skip(1);
    lines
        .filter_map(|line| {
            let fields = line.split(u8::is_ascii_whitespace);
            let mut fields = fields.filter(|field| !field.is_empty());
            let (name, kind) = (fields.next()?, fields.next()?);
            (kind == b"file").then(|| Tenant::new("a swap file", mounts::unescape(name)))
        })
        .collect()
}

/// Files that are the disks of loop devices: other file systems hang with them.
fn other_disks() -> Result<Vec<Tenant>, FreezeError> {
    let blocks = Path::new("/sys/block");
    let mut found = Vec::new();
    for block in fs::read_dir(blocks).map_err(look(blocks))?.flatten() {
        if let Ok(mut name) = fs::read(block.path().join("loop/backing_file")) {
            name.truncate(name.trim_ascii_end().len());
            let file = PathBuf::from(std::ffi::OsString::from_vec(name));
            found.push(Tenant::new("the disk of another file system", file));
        }
    }
    Ok(found)
}
