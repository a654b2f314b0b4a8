//! An application that was never written: enough of one to be deployed, edited and tampered with.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

/// The same numbers on every machine (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number
/// Generators", 2014).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn pick(&mut self, words: &[&'static str]) -> &'static str {
        words[self.below(words.len())]
    }
}

const PARTS: [&str; 12] = [
    "accounts",
    "basket",
    "billing",
    "catalogue",
    "delivery",
    "legacy",
    "mail",
    "prices",
    "search",
    "stock",
    "taxes",
    "views",
];
const FILES_A_PART: usize = 26;
const VERBS: [&str; 8] = [
    "find", "count", "check", "store", "merge", "list", "drop", "send",
];
const NOUNS: [&str; 10] = [
    "order", "customer", "item", "price", "invoice", "address", "parcel", "refund", "offer", "note",
];
const ARTICLES: usize = 6_000;

/// The first release.
pub(super) fn make(root: &Path) -> io::Result<()> {
    let mut numbers = Numbers(1);
    for part in PARTS.iter().filter(|part| **part != "search") {
        make_part(&root.join("app").join(part), &mut numbers)?;
    }
    write(
        &root.join("data/catalogue.csv"),
        catalogue(&mut numbers).as_bytes(),
    )?;
    for number in 1..=6 {
        let picture: Vec<u8> = (0..15_000)
            .flat_map(|_| numbers.next().to_le_bytes())
            .collect();
        write(
            &root.join(format!("public/v1/picture-{number}.jpg")),
            &picture,
        )?;
    }
    symlink("v1", root.join("public/current"))?;
    fs::create_dir_all(root.join("tmp"))?;
    let start = root.join("bin/start");
    write(&start, b"#!/bin/sh\nexec app --port \"${PORT:-8080}\"\n")?;
    fs::set_permissions(start, Permissions::from_mode(0o755))
}

/// What [`edit`] did.
#[derive(Debug)]
pub(super) struct Edit {
    /// Source files in which a line was changed.
    pub(super) files_edited: u64,
    /// Bytes in the folder that got another name.
    pub(super) bytes_renamed: u64,
}

/// The second release.
pub(super) fn edit(root: &Path) -> io::Result<Edit> {
    let app = root.join("app");
    let files_edited = ["accounts", "basket", "billing", "prices"];
    for part in files_edited {
        let file = app.join(part).join("module_07.py");
        let text = fs::read_to_string(&file)?;
        fs::write(&file, text.replacen("return", "return 1 +", 1))?;
    }
    insert_lines(&root.join("data/catalogue.csv"))?;
    fs::rename(app.join("views"), app.join("templates"))?;
    fs::remove_dir_all(app.join("legacy"))?;
    make_part(&app.join("search"), &mut Numbers(2))?;
    Ok(Edit {
        files_edited: files_edited.len() as u64,
        bytes_renamed: bytes_in(&app.join("templates"))?,
    })
}

/// What [`tamper`] did.
#[derive(Debug)]
pub(super) struct Tampered {
    /// The file, from the tree's root.
    pub(super) name: &'static str,
    /// Size and time of change are what they were.
    pub(super) looks_untouched: bool,
}

/// Changes a file in a tree and hides it.
pub(super) fn tamper(root: &Path) -> io::Result<Tampered> {
    let name = "bin/start";
    let path = root.join(name);
    let before = fs::metadata(&path)?;
    let content = fs::read_to_string(&path)?.replace("8080", "6666");
    // In place: not even the inode is another.
    fs::write(&path, content)?;
    File::options()
        .write(true)
        .open(&path)?
        .set_modified(before.modified()?)?;
    let after = fs::metadata(&path)?;
    let looks = |metadata: &fs::Metadata| (metadata.len(), metadata.mtime(), metadata.mtime_nsec());
    Ok(Tampered {
        name,
        looks_untouched: looks(&before) == looks(&after),
    })
}

fn make_part(directory: &Path, numbers: &mut Numbers) -> io::Result<()> {
    for number in 1..=FILES_A_PART {
        let text = module(numbers);
        write(
            &directory.join(format!("module_{number:02}.py")),
            text.as_bytes(),
        )?;
    }
    Ok(())
}

fn module(numbers: &mut Numbers) -> String {
    let mut text = String::from("from app import store\n");
    for _ in 0..10 + numbers.below(40) {
        let (verb, noun) = (numbers.pick(&VERBS), numbers.pick(&NOUNS));
        let (limit, other) = (numbers.below(1_000), numbers.pick(&NOUNS));
        text.push_str(&format!(
            "\n\ndef {verb}_{noun}(store, {noun}, limit={limit}):\n    \
             {other} = store.{verb}({noun}, limit)\n    return {other}\n"
        ));
    }
    text
}

fn catalogue(numbers: &mut Numbers) -> String {
    let mut text = String::from("number,name,price,code\n");
    for number in 1..=ARTICLES {
        let (noun, price, code) = (numbers.pick(&NOUNS), numbers.below(100_000), numbers.next());
        text.push_str(&format!("{number},{noun},{price},{code:016x}\n"));
    }
    text
}

/// In the middle, so that everything behind moves.
fn insert_lines(file: &Path) -> io::Result<()> {
    let text = fs::read_to_string(file)?;
    let lines: Vec<_> = text.lines().collect();
    let (before, after) = lines.split_at(lines.len() / 2);
    let new = ["0,gift,0,0000000000000000", "0,sample,0,0000000000000000"];
    let all = [before, &new, after].concat();
    fs::write(file, all.join("\n") + "\n")
}

fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    fs::write(path, content)
}

fn bytes_in(directory: &Path) -> io::Result<u64> {
    fs::read_dir(directory)?
        .map(|entry| Ok(entry?.metadata()?.len()))
        .sum()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::picture::Picture;
    use super::*;

    #[test]
    fn it_is_small_but_real_looking_and_always_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        make(&a).unwrap();
        make(&b).unwrap();
        let size = Picture::take(&a).unwrap().bytes();
        assert!((1_500_000..4_000_000).contains(&size), "{size}");
        let catalogue = |root: &Path| fs::read(root.join("data/catalogue.csv")).unwrap();
        assert_eq!(catalogue(&a), catalogue(&b));
    }

    #[test]
    fn edits_and_tampering_are_as_told() {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path()).unwrap();
        let before = Picture::take(folder.path()).unwrap();
        assert!(tamper(folder.path()).unwrap().looks_untouched);
        let after = Picture::take(folder.path()).unwrap();
        assert_eq!(
            before.first_difference(&after).unwrap(),
            "`bin/start` has another content"
        );
        assert!(edit(folder.path()).unwrap().bytes_renamed > 50_000);
        let exists = |name: &str| folder.path().join(name).exists();
        assert!(exists("app/templates") && exists("app/search"));
        assert!(!exists("app/views") && !exists("app/legacy"));
    }
}
