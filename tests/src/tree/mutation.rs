//! Changes of every kind to a tree of [`oddities`](super::oddities), again and again.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::Random;
use super::make::{delete, directory, file, link, mode, owner, set_mtime};

/// The files whose content is edited, and the size of each at the start.
const EDITED: [&str; 6] = ["start", "middle", "end", "insert", "grow", "shrink"];
const EDITED_SIZE: usize = 2 << 20;

/// What an entry is made into by a change of type.
#[derive(Clone, Copy)]
enum Kind {
    File,
    Directory,
    Symlink,
}

use Kind::{Directory, File, Symlink};

/// Fills the folder in which [`mutate`] works.
pub(super) fn start(dir: &Path) {
    let mut random = Random::new(1);
    for (number, (from, _)) in TYPE_CHANGES.into_iter().enumerate() {
        become_kind(&dir.join(format!("type-{number}")), from, &mut random);
    }
    for name in EDITED {
        file(dir.join("edits").join(name), random.bytes(EDITED_SIZE));
    }
    for number in 0..40 {
        let path = dir.join(format!("renamed-0/deeper/{number}"));
        file(path, random.text(10_000));
    }
    file(dir.join("moved/from-0"), random.bytes(300_000));
    for name in [
        "mode",
        "mtime",
        "owner",
        "link-target",
        "swapped-a",
        "swapped-b",
    ] {
        file(dir.join("meta").join(name), random.text(1000));
        directory(dir.join("meta").join(format!("{name}.d")));
    }
    link("meta/mode", dir.join("meta.link"));
    read_only_tree(&dir.join("doomed-0"), &mut random);
}

/// Every change of type, each way.
const TYPE_CHANGES: [(Kind, Kind); 6] = [
    (File, Directory),
    (Directory, File),
    (File, Symlink),
    (Symlink, File),
    (Directory, Symlink),
    (Symlink, Directory),
];

/// Changes a tree of oddities in every way that a release changes: types, each into each; content at
/// start, middle and end, inserted, grown, cut; names of directories and files; modes, times and owners
/// alone; deletion, of read-only trees too. May be called again with another seed.
pub fn mutate(dir: &Path, seed: u64) {
    let mut random = Random::new(seed ^ 0x6d75_7461);
    let changing = dir.join("changing");
    change_types(&changing, &mut random);
    edit_contents(&changing.join("edits"), &mut random);
    move_things(&changing, &mut random);
    change_metadata(&changing, &mut random);
    change_outside(dir, &mut random);
    set_mtime(dir, 1_400_000_000 + (seed % 1000) as i64, 5);
}

/// Turns each entry into what it is to become, or back if it is that already.
fn change_types(dir: &Path, random: &mut Random) {
    for (number, (from, to)) in TYPE_CHANGES.into_iter().enumerate() {
        let path = dir.join(format!("type-{number}"));
        let next = if is_kind(&path, from) { to } else { from };
        delete(&path);
        become_kind(&path, next, random);
    }
}

fn is_kind(path: &Path, kind: Kind) -> bool {
    let found = fs::symlink_metadata(path)
        .expect("an entry is there")
        .file_type();
    match kind {
        File => found.is_file(),
        Directory => found.is_dir(),
        Symlink => found.is_symlink(),
    }
}

fn become_kind(path: &Path, kind: Kind, random: &mut Random) {
    match kind {
        File => drop(file(path, random.bytes(5000))),
        Directory => {
            file(path.join("below/file"), random.text(500));
            link("file", path.join("below/link"));
            mode(path.join("below"), 0o555);
            mode(path, 0o555);
        }
        // To a directory that exists: whoever follows it writes in the wrong place.
        Symlink => drop(link("edits", path)),
    }
}

fn edit_contents(dir: &Path, random: &mut Random) {
    for name in EDITED {
        let path = dir.join(name);
        let mut content = fs::read(&path).expect("an edited file is there");
        let length = 1 + random.below(50_000) as usize;
        let patch = random.bytes(length);
        let middle = content.len() / 2;
        match name {
            "start" => content[..patch.len()].copy_from_slice(&patch),
            "middle" => content[middle..middle + patch.len()].copy_from_slice(&patch),
            "end" => {
                let start = content.len() - patch.len();
                content[start..].copy_from_slice(&patch);
            }
            "insert" => drop(content.splice(middle..middle, patch)),
            "grow" => content.extend_from_slice(&patch),
            _ => content.truncate(content.len() - patch.len()),
        }
        file(path, content);
    }
}

/// Renames a directory, moves a file to another one, and replaces a read-only tree.
fn move_things(dir: &Path, random: &mut Random) {
    let (renamed, next) = numbered(dir, "renamed-");
    fs::rename(renamed, next).expect("a directory can be renamed");
    let (moved, next) = numbered(&dir.join("moved"), "from-");
    fs::rename(moved, next).expect("a file can be renamed");
    let (doomed, next) = numbered(dir, "doomed-");
    delete(doomed);
    read_only_tree(&next, random);
    let swap = |name: &str| dir.join("meta").join(name);
    fs::rename(swap("swapped-a"), swap("between")).expect("a file can be renamed");
    fs::rename(swap("swapped-b"), swap("swapped-a")).expect("a file can be renamed");
    fs::rename(swap("between"), swap("swapped-b")).expect("a file can be renamed");
}

/// The entry called `prefix` and a number, and the same with the number after.
fn numbered(dir: &Path, prefix: &str) -> (PathBuf, PathBuf) {
    let numbers = fs::read_dir(dir)
        .expect("a directory is there")
        .filter_map(|entry| {
            let name = entry.expect("a directory can be read").file_name();
            name.to_str()?.strip_prefix(prefix)?.parse::<u64>().ok()
        });
    let number = numbers.max().expect("there is one with a number");
    let path = |number| dir.join(format!("{prefix}{number}"));
    (path(number), path(number + 1))
}

fn read_only_tree(dir: &Path, random: &mut Random) {
    for number in 0..5 {
        mode(
            file(dir.join(format!("deep/er/{number}")), random.text(100)),
            0o444,
        );
    }
    for path in ["deep/er", "deep", ""] {
        mode(dir.join(path), 0o555);
    }
}

/// Changes one thing of an entry and nothing else of it.
fn change_metadata(dir: &Path, random: &mut Random) {
    for suffix in ["", ".d"] {
        let path = |name: &str| dir.join("meta").join(format!("{name}{suffix}"));
        let bits = fs::metadata(path("mode"))
            .expect("an entry is there")
            .mode()
            & 0o7777;
        mode(path("mode"), bits ^ 0o1022);
        set_mtime(
            path("mtime"),
            1_500_000_000,
            random.below(1_000_000_000) as u32,
        );
        owner(
            path("owner"),
            1 + random.below(60_000) as u32,
            random.below(60_000) as u32,
        );
    }
    let path = dir.join("meta.link");
    delete(&path);
    link(format!("meta/{}", random.bits()), &path);
    set_mtime(&path, 1_600_000_000, random.below(1_000_000_000) as u32);
}

/// Touches oddities themselves: an unreadable file, a read-only directory's file, a sparse file, a name.
fn change_outside(dir: &Path, random: &mut Random) {
    let unreadable = dir.join("modes/file-0000");
    fs::write(unreadable, random.text(50)).expect("root can write any file");
    let inside = dir.join("modes/directory-0555/below/inside");
    fs::write(inside, random.text(60)).expect("root can write any file");
    let name = dir.join("names/new\nline");
    fs::write(name, random.text(70)).expect("root can write any file");
    let sparse = fs::File::options()
        .write(true)
        .open(dir.join("contents/sparse"));
    let offset = 4096 * random.below(20_000);
    let patch = random.bytes(20_000);
    std::os::unix::fs::FileExt::write_all_at(&sparse.expect("it opens"), &patch, offset)
        .expect("a hole can be filled");
    let setuid = dir.join("owners/setuid-0");
    let flipped = fs::metadata(&setuid).expect("an entry is there").mode() ^ 0o6000;
    fs::set_permissions(setuid, Permissions::from_mode(flipped & 0o7777))
        .expect("a mode can be set");
}
