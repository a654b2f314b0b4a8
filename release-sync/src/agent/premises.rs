//! Directories that no release may take. A first deploy makes a directory equal to the release, and what is lost
//! in these is a machine, or the way to it.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::AtFlags;

use super::fault::Failure;
use crate::confine::Root;
use crate::store::Store;
use crate::wire::FaultKind;

/// Refuses such a directory, before anything is made in it.
pub(super) fn check(tree: &Root) -> Result<(), Failure> {
    let failed = |error| Failure::io(FaultKind::Destination, "looking at it", &error);
    let passwd = std::fs::read("/etc/passwd").unwrap_or_default();
    let home = home_of(&passwd, rustix::process::geteuid().as_raw());
    // Where it can't be told, nothing is lost that a home has not.
    let agent = std::env::current_exe().ok();
    match objection(tree, home.as_deref(), agent.as_deref()).map_err(failed)? {
        Some(reason) => Err(Failure::new(FaultKind::Forbidden, reason)),
        None => Ok(()),
    }
}

fn objection(
    tree: &Root,
    home: Option<&Path>,
    agent: Option<&Path>,
) -> io::Result<Option<&'static str>> {
    let stat = rustix::fs::fstat(tree)?;
    let is = |path: &Path| {
        let found = std::fs::metadata(path);
        found.is_ok_and(|found| (found.dev(), found.ino()) == (stat.st_dev, stat.st_ino))
    };
    if is(Path::new("/")) {
        return Ok(Some("it is the root of the whole file system"));
    }
    // What was lost by a first deploy to such a place is lost, and the release itself may have a `.ssh`.
    if is_in_use(tree)? {
        return Ok(None);
    }
    Ok(if home.is_some_and(is) {
        Some("it is the home directory of the user who logs in")
    } else if rustix::fs::statat(tree, c".ssh", AtFlags::SYMLINK_NOFOLLOW).is_ok() {
        Some("there is a `.ssh` in it, so it is somebody's home")
    } else if agent.is_some_and(|agent| agent.ancestors().skip(1).any(is)) {
        Some("this agent lies in it, and would be deleted")
    } else {
        None
    })
}

/// Was something committed here, or begun to be?
fn is_in_use(tree: &Root) -> io::Result<bool> {
    match Store::open_existing(tree.try_clone()?)? {
        Ok(store) => Ok(store.marker()?.is_some() || store.is_under_way()),
        Err(_) => Ok(false),
    }
}

/// The home of a user, as `passwd(5)` has it.
fn home_of(passwd: &[u8], uid: u32) -> Option<PathBuf> {
    let mut lines = passwd.split(|&byte| byte == b'\n');
    lines.find_map(|line| {
        let fields: Vec<_> = line.split(|&byte| byte == b':').collect();
        let number = std::str::from_utf8(fields.get(2)?).ok()?;
        let is_theirs = number.parse() == Ok(uid);
        let home = fields.get(5).filter(|home| is_theirs && !home.is_empty())?;
        Some(PathBuf::from(OsStr::from_bytes(home)))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use release_core::{Digest, Generation, Marker, ReleaseId};

    use super::*;

    #[test]
    fn a_home_is_found_by_its_number() {
        let passwd = b"root:x:0:0:root:/root:/bin/sh\nwww:x:33:33:a,b:/srv/www:/bin/sh\nodd:x:7\n";
        assert_eq!(home_of(passwd, 0), Some("/root".into()));
        assert_eq!(home_of(passwd, 33), Some("/srv/www".into()));
        for nobody in [7, 34] {
            assert_eq!(home_of(passwd, nobody), None);
        }
    }

    #[test]
    fn places_where_too_much_would_be_lost_are_refused_until_they_are_in_use() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["home", "keys/.ssh", "above/cache/agents", "plain"] {
            fs::create_dir_all(at(name)).unwrap();
        }
        fs::write(at("above/cache/agents/agent"), "").unwrap();
        let (home, agent) = (at("home"), at("above/cache/agents/agent"));
        let found = |path: &Path| {
            let tree = Root::open(path).unwrap();
            objection(&tree, Some(&home), Some(&agent)).unwrap()
        };
        assert!(found(Path::new("/")).unwrap().contains("root"));
        assert_eq!(found(&at("plain")), None);
        let refused = ["home", "keys", "above", "above/cache", "above/cache/agents"];
        for name in refused {
            assert!(found(&at(name)).is_some(), "{name}");
            assert!(!at(name).join(".release").exists());
        }
        // By another name it is the same.
        std::os::unix::fs::symlink(at("home"), at("link")).unwrap();
        assert!(found(&at("link")).is_some());
        for name in refused {
            let store = Store::open(Root::open(&at(name)).unwrap()).unwrap();
            assert!(found(&at(name)).is_some(), "{name}");
            let marker = Marker {
                release: ReleaseId::new(Digest::of(b"release")),
                generation: Generation::new(1),
            };
            store.set_marker(&marker, None).unwrap();
            assert_eq!(found(&at(name)), None, "{name}");
        }
    }
}
