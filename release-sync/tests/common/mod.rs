//! Trees, hosts and runs that the tests of the library's face are made of.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used
)]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use release_sync::{
    Error, Fleet, Generation, Host, HostReport, Options, Outcome, Reach, Report, Source, scan,
};

/// The agent as it runs on a host.
pub const AGENT: &str = env!("CARGO_BIN_EXE_release-agent");

/// A directory for one test, open to every user, that goes when it is dropped.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Self {
        Self::inside(&std::env::temp_dir())
    }

    pub fn inside(directory: &Path) -> Self {
        let path = tempfile::tempdir_in(directory).unwrap().keep();
        chmod(&path, 0o755);
        Self(path)
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A directory in it, made if it is missing.
    pub fn directory(&self, name: &str) -> PathBuf {
        let path = self.at(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // The standard library's way does not open what is closed to its owner.
        let _ = Command::new("chmod")
            .args(["-R", "u+rwX"])
            .arg(&self.0)
            .status();
        let _ = Command::new("rm").arg("-rf").arg(&self.0).status();
    }
}

/// What a tree promises about an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    pub kind: Kind,
    pub mode: u32,
    pub owner: (u32, u32),
    pub mtime: (i64, i64),
}

#[derive(Clone, PartialEq, Eq)]
pub enum Kind {
    Directory,
    File(Vec<u8>),
    Symlink(PathBuf),
    Special,
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Directory => f.write_str("directory"),
            Self::File(bytes) => {
                let start = bytes[..bytes.len().min(20)].escape_ascii();
                write!(f, "file of {} bytes `{start}…`", bytes.len())
            }
            Self::Symlink(target) => write!(f, "symlink to {}", target.display()),
            Self::Special => f.write_str("special"),
        }
    }
}

pub type Tree = BTreeMap<PathBuf, Facts>;

/// Reads a whole tree, `.release` left out.
pub fn tree(root: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut stack = vec![PathBuf::new()];
    while let Some(path) = stack.pop() {
        let at = root.join(&path);
        let stat = if path.as_os_str().is_empty() {
            at.metadata()
        } else {
            at.symlink_metadata()
        };
        let stat = stat.unwrap();
        let kind = if stat.is_dir() {
            let names = std::fs::read_dir(&at)
                .unwrap()
                .map(|entry| entry.unwrap().file_name());
            let own = path.as_os_str().is_empty();
            stack.extend(
                names
                    .filter(|n| !own || n != ".release")
                    .map(|name| path.join(name)),
            );
            Kind::Directory
        } else if stat.is_symlink() {
            Kind::Symlink(std::fs::read_link(&at).unwrap())
        } else if stat.is_file() {
            Kind::File(std::fs::read(&at).unwrap())
        } else {
            Kind::Special
        };
        let mode = if stat.is_symlink() {
            0
        } else {
            stat.mode() & 0o7777
        };
        let mtime = (stat.mtime(), stat.mtime_nsec());
        tree.insert(
            path,
            Facts {
                kind,
                mode,
                owner: (stat.uid(), stat.gid()),
                mtime,
            },
        );
    }
    tree
}

/// A tree with owners left out.
pub fn without_owners(mut tree: Tree) -> Tree {
    tree.values_mut().for_each(|facts| facts.owner = (0, 0));
    tree
}

/// Fails with what differs, not with two whole trees.
#[track_caller]
pub fn assert_same(ours: &Tree, theirs: &Tree) {
    let differences: Vec<String> = ours
        .keys()
        .chain(theirs.keys().filter(|path| !ours.contains_key(*path)))
        .filter(|path| ours.get(*path) != theirs.get(*path))
        .map(|path| format!("{path:?}: {:?}, not {:?}", theirs.get(path), ours.get(path)))
        .collect();
    assert!(differences.is_empty(), "{differences:#?}");
}

/// What is in `.release`, by name, whatever lies deeper.
pub fn private(destination: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(destination.join(".release"))
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Nothing but what lasts from one run to the next is in `.release`.
#[track_caller]
pub fn assert_tidy(destination: &Path) {
    // `recent` where the tree was a source, or was copied from one.
    let lasting = ["index", "lock", "manifest", "marker", "recent", "undo"];
    let others: Vec<String> = private(destination)
        .into_iter()
        .filter(|name| !lasting.contains(&&**name))
        .collect();
    assert!(others.is_empty(), "left behind in .release: {others:?}");
}

pub fn write(path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
    std::fs::create_dir_all(path.as_ref().parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

pub fn chmod(path: impl AsRef<Path>, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

pub fn symlink(target: impl AsRef<Path>, link: impl AsRef<Path>) {
    std::os::unix::fs::symlink(target, link).unwrap();
}

/// A copy in which everything is as it is in the original.
pub fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp")
        .arg("-a")
        .arg(from)
        .arg(to)
        .status()
        .unwrap();
    assert!(status.success());
}

/// Bytes that don't compress, the same for the same seed.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

pub fn options() -> Options {
    Options {
        holder: String::from("a test"),
        // What is to be seen here is what one session leaves.
        retries: 0,
        ..Options::default()
    }
}

pub fn local(destination: &Path) -> Host {
    reached(destination, Reach::Local)
}

/// A host whose agent is a child process of those words.
pub fn command<W: Into<OsString>>(destination: &Path, words: impl IntoIterator<Item = W>) -> Host {
    reached(
        destination,
        Reach::Command(words.into_iter().map(Into::into).collect()),
    )
}

fn reached(destination: &Path, reach: Reach) -> Host {
    let name = destination
        .file_name()
        .unwrap()
        .to_string_lossy()
        .into_owned();
    Host {
        name,
        destination: destination.to_owned(),
        reach,
    }
}

pub fn source(directory: &Path) -> Source {
    scan(directory, &options(), &()).unwrap()
}

pub fn push(source: &Source, hosts: Vec<Host>, options: Options, generation: u64) -> Report {
    Fleet::new(hosts, options)
        .unwrap()
        .push(source, Generation::new(generation), &())
}

/// Pushes to one host.
pub fn push_one(directory: &Path, host: &Host, options: Options, generation: u64) -> HostReport {
    let source = scan(directory, &options, &()).unwrap();
    only(push(&source, vec![host.clone()], options, generation))
}

/// A push that is refused, as a plan has said before.
pub fn push_as_planned(directory: &Path, host: &Host, options: Options) -> HostReport {
    let fleet = Fleet::new(vec![host.clone()], options.clone()).unwrap();
    let planned = fleet.plan(&source(directory), false, &()).remove(0);
    let report = push_one(directory, host, options, 9);
    let said = |error: &Option<Error>| error.as_ref().map(Error::to_string);
    assert!(planned.error.is_some() && !planned.unchanged, "{planned:?}");
    assert_eq!(said(&planned.error), said(&report.error));
    report
}

pub fn undo_one(host: &Host, generation: u64) -> HostReport {
    let fleet = Fleet::new(vec![host.clone()], options()).unwrap();
    only(fleet.undo(Generation::new(generation), &()))
}

/// Runs again for as long as an agent that is about to end holds the destination: it lets go when it hears
/// of the end, and one that is killed a moment after its streams are closed.
pub fn until_unlocked(run: impl Fn() -> HostReport) -> HostReport {
    for _ in 0..100 {
        let report = run();
        if !matches!(report.error, Some(Error::Locked { .. })) {
            return report;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("the lock of a run that is over was never let go of");
}

fn only(mut report: Report) -> HostReport {
    assert_eq!(report.hosts.len(), 1);
    report.hosts.remove(0)
}

/// The host ended well, as `outcome`, with a proof.
#[track_caller]
pub fn assert_ended(report: &HostReport, outcome: Outcome) {
    assert!(report.error.is_none(), "{:?}", report.error);
    assert_eq!(report.outcome, outcome, "{report:?}");
    assert!(report.proof.is_some(), "{report:?}");
}

/// Is this run by root? Some things only root can set up.
pub fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

pub fn chown(path: impl AsRef<Path>, uid: u32, gid: u32) {
    lchown(path, Some(uid), Some(gid)).unwrap();
}

/// A small file system in memory that is unmounted when it is dropped.
pub struct Mount(PathBuf);

impl Mount {
    pub fn tmpfs(at: &Path, size: &str) -> Self {
        assert!(
            is_root(),
            "mounting takes root: please run the tests as root"
        );
        std::fs::create_dir_all(at).unwrap();
        let options = format!("size={size},mode=755");
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(at)
            .status()
            .unwrap();
        assert!(status.success());
        Self(at.to_owned())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
