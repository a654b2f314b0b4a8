//! Whether two trees are equal: once by the real rsync, once by [`Snapshot`].
//!
//! Two judges, because each is blind somewhere: rsync can't see a filled hole, nor walk a path of more
//! than 4096 bytes; the snapshot is our own.

use std::path::Path;
use std::process::Command;

use crate::snapshot::Snapshot;

/// What rsync would change at `destination` to make it equal to `source`, contents compared: one line
/// each, none if the trees are equal.
pub fn rsync_lines(source: &Path, destination: &Path) -> Vec<String> {
    // The slash means the contents, not the directory; an empty last component makes one.
    let slashed = |path: &Path| path.join("");
    let output = Command::new("rsync")
        // Without the window, rsync overlooks fractions of a second.
        .args(["-aicn", "--delete", "--modify-window=-1"])
        .args(["--exclude=/.release", "--exclude=/lost+found"])
        .args([slashed(source), slashed(destination)])
        .output()
        .expect("rsync is installed: `./dev test` sees to it");
    assert!(
        output.status.success(),
        "rsync, as the judge, failed ({}): {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    (output.stdout.split(|&byte| byte == b'\n'))
        .filter(|line| !line.is_empty())
        .map(|line| line.escape_ascii().to_string())
        .collect()
}

/// Fails unless both judges find `destination` equal to `source`.
#[track_caller]
pub fn assert_equal(source: &Path, destination: &Path) {
    let lines = rsync_lines(source, destination);
    assert!(
        lines.is_empty(),
        "rsync would still change {}:\n{}",
        destination.display(),
        shown(&lines)
    );
    assert_snapshots_equal(source, destination);
}

/// Fails unless the second judge finds `destination` equal to `source`: for trees that rsync can't walk.
#[track_caller]
pub fn assert_snapshots_equal(source: &Path, destination: &Path) {
    let (ours, theirs) = (Snapshot::of(source), Snapshot::of(destination));
    assert!(!ours.is_empty(), "there is no {}", source.display());
    let mut lines = ours.differences(&theirs);
    lines.extend(ours.filled_holes(&theirs));
    assert!(
        lines.is_empty(),
        "{} is not equal to {}:\n{}",
        destination.display(),
        source.display(),
        shown(&lines)
    );
}

/// Fails unless the tree at `root` is as it was when `before` was taken.
#[track_caller]
pub fn assert_unchanged(before: &Snapshot, root: &Path) {
    let lines = before.differences(&Snapshot::of(root));
    assert!(
        lines.is_empty(),
        "{} is not as it was:\n{}",
        root.display(),
        shown(&lines)
    );
}

fn shown(lines: &[String]) -> String {
    const ENOUGH: usize = 40;
    let mut text = lines[..lines.len().min(ENOUGH)].join("\n");
    if lines.len() > ENOUGH {
        text += &format!("\n… and {} more", lines.len() - ENOUGH);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::{PermissionsExt, lchown, symlink};

    use super::*;
    use crate::tree;

    fn plant(dir: &Path) {
        fs::create_dir_all(dir.join("directory/empty")).unwrap();
        fs::create_dir(dir.join(".release")).unwrap();
        fs::write(dir.join("file"), "content").unwrap();
        symlink("file", dir.join("link")).unwrap();
        File::create(dir.join("hole"))
            .and_then(|file| file.set_len(10 << 20))
            .unwrap();
        for path in ["directory/empty", "directory", "file", "link", "hole", ""] {
            tree::set_mtime(dir.join(path), 1_000_000_000, 5);
        }
    }

    /// Does something to a tree, and then makes the times of what was touched as they were.
    fn keeping_times(dir: &Path, change: fn(&Path)) {
        change(dir);
        for path in ["directory/empty", "directory", "file", "link", "hole", ""] {
            if dir.join(path).symlink_metadata().is_ok() {
                tree::set_mtime(dir.join(path), 1_000_000_000, 5);
            }
        }
    }

    type Change = (&'static str, fn(&Path));

    const CHANGES: [Change; 15] = [
        ("a file is missing", |dir| {
            fs::remove_file(dir.join("file")).unwrap()
        }),
        ("a link is missing", |dir| {
            fs::remove_file(dir.join("link")).unwrap()
        }),
        ("an empty directory is missing", |dir| {
            fs::remove_dir(dir.join("directory/empty")).unwrap()
        }),
        ("a file too many", |dir| {
            fs::write(dir.join("directory/more"), "").unwrap()
        }),
        ("a directory too many", |dir| {
            fs::create_dir(dir.join("more")).unwrap()
        }),
        ("content of the same size", |dir| {
            fs::write(dir.join("file"), "CONTENT").unwrap()
        }),
        ("content of another size", |dir| {
            fs::write(dir.join("file"), "contents").unwrap()
        }),
        ("the mode of a file", |dir| {
            fs::set_permissions(dir.join("file"), PermissionsExt::from_mode(0o4644)).unwrap();
        }),
        ("the mode of the root", |dir| {
            fs::set_permissions(dir, PermissionsExt::from_mode(0o1777)).unwrap();
        }),
        ("the owner of a file", |dir| {
            lchown(dir.join("file"), Some(7), None).unwrap()
        }),
        ("the group of a link", |dir| {
            lchown(dir.join("link"), None, Some(7)).unwrap()
        }),
        ("the target of a link", |dir| {
            fs::remove_file(dir.join("link")).unwrap();
            symlink("elif", dir.join("link")).unwrap();
        }),
        ("a file in place of a link", |dir| {
            fs::remove_file(dir.join("link")).unwrap();
            fs::write(dir.join("link"), "file").unwrap();
        }),
        ("a directory in place of a file", |dir| {
            fs::remove_file(dir.join("file")).unwrap();
            fs::create_dir(dir.join("file")).unwrap();
        }),
        ("a link in place of a directory", |dir| {
            fs::remove_dir_all(dir.join("directory")).unwrap();
            symlink("/tmp", dir.join("directory")).unwrap();
        }),
    ];

    fn pair() -> (tempfile::TempDir, tempfile::TempDir) {
        let pair = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        plant(pair.0.path());
        plant(pair.1.path());
        pair
    }

    fn verdicts(pair: &(tempfile::TempDir, tempfile::TempDir)) -> [Vec<String>; 2] {
        let (source, destination) = (pair.0.path(), pair.1.path());
        let ours = Snapshot::of(source);
        let theirs = Snapshot::of(destination);
        [rsync_lines(source, destination), ours.differences(&theirs)]
    }

    #[test]
    fn equal_trees_are_equal() {
        let pair = pair();
        fs::write(
            pair.1.path().join(".release/marker"),
            "not part of the tree",
        )
        .unwrap();
        tree::set_mtime(pair.1.path(), 1_000_000_000, 5);
        assert_eq!(verdicts(&pair), [Vec::<String>::new(), Vec::new()]);
        assert_equal(pair.0.path(), pair.1.path());
    }

    #[test]
    fn both_judges_see_every_difference() {
        for (what, change) in CHANGES {
            let pair = pair();
            keeping_times(pair.1.path(), change);
            let [rsync, snapshots] = verdicts(&pair);
            assert!(!rsync.is_empty(), "rsync overlooks {what}");
            assert!(!snapshots.is_empty(), "the snapshot overlooks {what}");
        }
    }

    #[test]
    fn both_judges_see_every_nanosecond() {
        for path in ["file", "link", "directory/empty", "directory", ""] {
            let pair = pair();
            tree::set_mtime(pair.1.path().join(path), 1_000_000_000, 6);
            let [rsync, snapshots] = verdicts(&pair);
            assert!(!rsync.is_empty(), "rsync overlooks the time of `{path}`");
            assert!(
                !snapshots.is_empty(),
                "the snapshot overlooks the time of `{path}`"
            );
        }
    }

    #[test]
    #[should_panic(expected = "`hole` takes 10")]
    fn a_filled_hole_is_seen() {
        let pair = pair();
        keeping_times(pair.1.path(), |dir| {
            fs::write(dir.join("hole"), vec![0; 10 << 20]).unwrap()
        });
        assert_equal(pair.0.path(), pair.1.path());
    }

    #[test]
    #[should_panic(expected = "is missing")]
    fn a_path_that_rsync_cannot_walk_is_judged() {
        let pair = pair();
        tree::deep(pair.0.path());
        assert_snapshots_equal(pair.0.path(), pair.1.path());
    }

    #[test]
    #[should_panic(expected = "is not as it was")]
    fn a_changed_tree_is_not_unchanged() {
        let pair = pair();
        let before = Snapshot::of(pair.0.path());
        assert_unchanged(&before, pair.0.path());
        keeping_times(pair.0.path(), |dir| {
            fs::write(dir.join("file"), "CONTENT").unwrap()
        });
        assert_unchanged(&before, pair.0.path());
    }
}
