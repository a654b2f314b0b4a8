//! Releases as an application's build makes them: source text, some binaries, nested directories.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Random;
use super::make::{delete, file, set_mtime};

/// Fills `dir` with `files` files of about `bytes` bytes altogether, as `seed` decides.
pub fn release(dir: &Path, seed: u64, files: usize, bytes: usize) {
    let mut random = Random::new(seed);
    let mean = (bytes / files.max(1)).max(2) as u64;
    for number in 0..files {
        let size = random.below(2 * mean) as usize;
        file(
            dir.join(place(&mut random, number)),
            content(&mut random, size),
        );
    }
    settle(dir, seed);
}

/// Changes what the next release would: about 3 % of the files edited, 1 % deleted, 1 % new, one
/// small directory renamed.
pub fn next_release(dir: &Path, seed: u64) {
    let mut random = Random::new(seed ^ 0x6e65_7874);
    for (number, path) in files_below(dir).into_iter().enumerate() {
        match random.below(100) {
            0..3 => edit(&path, &mut random),
            3 => delete(&path),
            4 => {
                let path = dir.join(place(&mut random, number)).with_extension("new");
                file(path, content(&mut random, 4000));
            }
            _ => {}
        }
    }
    let part = |name: String| dir.join(format!("area-{}/{name}", seed % 8));
    let renamed = part(format!("part-0-{}", random.below(6)));
    if renamed.is_dir() {
        fs::rename(renamed, part(format!("moved-{seed}"))).expect("a directory can be renamed");
    }
    settle(dir, seed);
}

fn place(random: &mut Random, number: usize) -> PathBuf {
    let mut path = PathBuf::from(format!("area-{}", random.below(8)));
    for level in 0..random.below(4) {
        path.push(format!("part-{level}-{}", random.below(6)));
    }
    path.join(format!("file-{number}"))
}

fn content(random: &mut Random, size: usize) -> Vec<u8> {
    if random.once_in(10) {
        random.bytes(size)
    } else {
        random.text(size)
    }
}

fn edit(path: &Path, random: &mut Random) {
    let mut content = fs::read(path).expect("a file can be read");
    let at = random.below(content.len() as u64 + 1) as usize;
    let inserted = random.text(1 + at % 200);
    content.splice(at..at, inserted);
    file(path, content);
}

/// Paths of all files, sorted: a directory's own order is not the seed's.
fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("a directory can be read") {
        let path = entry.expect("a directory can be read").path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Gives all that was written just now a time that the seed decides.
fn settle(dir: &Path, seed: u64) {
    const YEARS_AGO: i64 = 1_700_000_000;
    let time = YEARS_AGO + (seed % 1_000_000) as i64;
    for entry in fs::read_dir(dir).expect("a directory can be read") {
        let path = entry.expect("a directory can be read").path();
        if path.is_dir() {
            settle(&path, seed);
        } else {
            settle_one(&path, time);
        }
    }
    settle_one(dir, time);
}

fn settle_one(path: &Path, time: i64) {
    const DAY: Duration = Duration::from_secs(86_400);
    let written = fs::metadata(path).and_then(|meta| meta.modified());
    let age = written.expect("a file has a time").elapsed();
    if age.is_ok_and(|age| age < DAY) {
        set_mtime(path, time, 7);
    }
}
