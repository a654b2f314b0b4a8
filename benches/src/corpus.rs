//! Trees from a seed: the same bytes, names, modes and times on every machine.
//!
//! They are made anew for each run, straight where they are needed; that is faster than to copy them from
//! a disk.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rayon::prelude::*;

use crate::random::Random;
use crate::text::Vocabulary;

/// Of all corpora.
const SEED: u64 = 0x5eed_0f7e_1ea5_e000;

/// When the oldest file was changed, in seconds since 1970.
const BEGINNING: u64 = 1_700_000_000;

/// One file in so many is an image, a font, an archive: bytes that don't compress.
const PACKED: usize = 4;

/// A tree: how many files, and how many bytes they have together. Sizes are log-normal.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    seed: u64,
    files: usize,
    bytes: u64,
    /// The standard deviation of the logarithm of a file's size.
    spread: f64,
    /// Are there files that don't compress?
    packed: bool,
    /// The directory that everything is in.
    top: &'static str,
}

/// The documentation of a language and its libraries: 52,000 files, 790 MB.
pub const DOCUMENTATION: Shape = Shape {
    seed: SEED,
    files: 52_000,
    bytes: 790_000_000,
    spread: 1.3,
    packed: false,
    top: "html",
};

/// An application: 6,400 files, 107 MB.
pub const APPLICATION: Shape = Shape {
    seed: SEED + 1,
    files: 6_400,
    bytes: 107_000_000,
    spread: 1.5,
    packed: true,
    top: "app",
};

/// A quarter of [`APPLICATION`], so that 128 of them fit into memory.
pub const QUARTER: Shape = Shape {
    files: APPLICATION.files / 4,
    bytes: APPLICATION.bytes / 4,
    ..APPLICATION
};

/// A site of small pages: 5,000 files, 20 MB.
pub const SITE: Shape = Shape {
    seed: SEED + 2,
    files: 5_000,
    bytes: 20_000_000,
    spread: 1.0,
    packed: false,
    top: "site",
};

/// What the next release changes.
#[derive(Clone, Copy, Debug)]
pub struct Update {
    /// Files with another time, those with other content among them.
    pub touched: usize,
    /// Files with other content.
    pub changed: usize,
    /// As many are added, and as many are deleted.
    pub replaced: usize,
}

/// As a build that writes most files anew leaves [`APPLICATION`].
pub const REBUILT: Update = Update {
    touched: 4_262,
    changed: 1_050,
    replaced: 30,
};

/// The same for [`QUARTER`].
pub const QUARTER_REBUILT: Update = Update {
    touched: REBUILT.touched / 4,
    changed: REBUILT.changed / 4,
    replaced: REBUILT.replaced / 4,
};

/// A thousand files with other content, and nothing else.
pub const THOUSAND: Update = Update {
    touched: 1_000,
    changed: 1_000,
    replaced: 0,
};

/// What becomes of a file in an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Kept,
    Touched,
    Changed,
    Deleted,
}

impl Shape {
    /// The same files in another directory.
    pub fn moved(self, top: &'static str) -> Self {
        Self { top, ..self }
    }

    /// A tree of so many files and bytes with content as in this one.
    pub fn sized(self, files: usize, bytes: u64) -> Self {
        Self {
            files,
            bytes,
            ..self
        }
    }

    /// Makes the tree in a directory that is not there yet.
    pub fn make(&self, root: &Path) {
        self.lay(root, |_| Fate::Kept);
    }

    /// Makes the tree that an update of it leaves.
    pub fn make_updated(&self, root: &Path, update: &Update) {
        let mut fates = vec![Fate::Kept; self.files];
        let order = Random::of_part(self.seed, u64::MAX).shuffled(self.files);
        for (turn, file) in order.into_iter().enumerate() {
            fates[file] = match turn {
                _ if turn < update.changed => Fate::Changed,
                _ if turn < update.touched => Fate::Touched,
                _ if turn < update.touched + update.replaced => Fate::Deleted,
                _ => Fate::Kept,
            };
        }
        self.lay(root, |file| fates[file]);
        let added = Self {
            seed: self.seed ^ 0xadded,
            files: update.replaced,
            bytes: self.bytes / self.files as u64 * update.replaced as u64,
            top: "added",
            ..*self
        };
        if update.replaced > 0 {
            added.lay(&root.join(self.top), |_| Fate::Kept);
        }
    }

    fn lay(&self, root: &Path, fate: impl Fn(usize) -> Fate + Sync) {
        let vocabulary = Vocabulary::new(self.seed);
        let sizes = self.sizes();
        let paths: Vec<PathBuf> = (0..self.files)
            .map(|file| root.join(self.path(file)))
            .collect();
        let mut directories: Vec<&Path> = paths.iter().filter_map(|path| path.parent()).collect();
        directories.sort_unstable();
        directories.dedup();
        for directory in &directories {
            fs::create_dir_all(directory).expect("a directory can be made");
        }
        paths.par_iter().enumerate().for_each(|(file, path)| {
            let fate = fate(file);
            if fate == Fate::Deleted {
                return;
            }
            let mut content = self.content(&vocabulary, file, sizes[file]);
            let mut random = Random::of_part(self.seed ^ 0xc4a9_6ed0, file as u64);
            if fate == Fate::Changed {
                content = self.changed(&vocabulary, &mut random, file, content);
            }
            let age = if fate == Fate::Kept { 0 } else { 86_400 };
            write(path, &content, BEGINNING + age + file as u64 % 50_000);
        });
        settle(root, &directories);
    }

    fn sizes(&self) -> Vec<usize> {
        let mut random = Random::of_part(self.seed, 1);
        let raw: Vec<f64> = (0..self.files)
            .map(|_| (self.spread * random.normal()).exp())
            .collect();
        let scale = self.bytes as f64 / raw.iter().sum::<f64>();
        raw.iter().map(|size| (size * scale) as usize).collect()
    }

    /// Forty files a directory, on the average, two levels deep.
    fn path(&self, file: usize) -> PathBuf {
        let mut random = Random::of_part(self.seed, file as u64 + 2);
        let (outer, inner) = (random.below(self.files / 400 + 1), random.below(10));
        let name = random.next() & 0xff_ffff;
        let ending = if self.is_packed(file) {
            "woff2"
        } else {
            "html"
        };
        PathBuf::from(format!(
            "{}/part-{outer:03}/section-{inner}/item-{name:06x}-{file}.{ending}",
            self.top
        ))
    }

    fn is_packed(&self, file: usize) -> bool {
        self.packed && file.is_multiple_of(PACKED)
    }

    fn content(&self, vocabulary: &Vocabulary, file: usize, size: usize) -> Vec<u8> {
        let mut random = Random::of_part(self.seed ^ 0xc0_47e4, file as u64);
        if self.is_packed(file) {
            let mut content = vec![0; size];
            random.fill(&mut content);
            content
        } else {
            vocabulary.page(&mut random, size)
        }
    }

    /// A few words here and there, or a passage more, or a file written anew; what is packed is packed anew.
    fn changed(
        &self,
        vocabulary: &Vocabulary,
        random: &mut Random,
        file: usize,
        mut content: Vec<u8>,
    ) -> Vec<u8> {
        let (size, packed) = (content.len(), self.is_packed(file));
        match random.below(10) {
            _ if packed => {
                random.fill(&mut content);
                content
            }
            0..3 if size > 200 => {
                for _ in 0..1 + random.below(5) {
                    let at = random.below(size - 100);
                    let words = vocabulary.page(random, 1000);
                    let length = 10 + random.below(90);
                    content[at..at + length].copy_from_slice(&words[700..700 + length]);
                }
                content
            }
            3 | 4 => {
                let at = random.below(size + 1);
                let length = 1000 + random.below(3000);
                let passage = vocabulary.page(random, length);
                content.splice(at..at, passage);
                content
            }
            _ => {
                let size = size + random.below(200);
                vocabulary.page(random, size)
            }
        }
    }
}

/// A large file's length.
pub const GIBIBYTE: u64 = 1 << 30;

/// How many pieces are inserted into a large file, and how long each of them is.
const INSERTIONS: u64 = 16;
const INSERTION: usize = 64 << 10;

/// A tree of one file of random bytes.
pub fn large(root: &Path, seed: u64) {
    write_large(root, seed, None);
}

/// The same file with 16 insertions of 64 KiB spread over it.
pub fn large_with_insertions(root: &Path, seed: u64) {
    write_large(root, seed, Some(seed ^ 0x1175_e47e));
}

fn write_large(root: &Path, seed: u64, insertions: Option<u64>) {
    fs::create_dir_all(root).expect("a directory can be made");
    let path = root.join("image");
    let mut file = File::create(&path).expect("a file can be made");
    let stretch = GIBIBYTE / INSERTIONS;
    let mut piece = vec![0; 1 << 20];
    for number in 0..INSERTIONS {
        let mut random = Random::of_part(seed, number);
        for _ in 0..stretch >> 20 {
            random.fill(&mut piece);
            file.write_all(&piece).expect("there is room");
        }
        if let Some(seed) = insertions {
            Random::of_part(seed, number).fill(&mut piece[..INSERTION]);
            file.write_all(&piece[..INSERTION]).expect("there is room");
        }
    }
    let age = u64::from(insertions.is_some()) + seed % 1000;
    set_time(&file, BEGINNING + age).expect("the file is ours");
}

fn write(path: &Path, content: &[u8], seconds: u64) {
    let mut file = File::create(path).expect("a file can be made");
    file.write_all(content).expect("there is room");
    set_time(&file, seconds).expect("the file is ours");
}

/// Gives directories a time of their own. They are sorted, so that those below come later.
fn settle(root: &Path, directories: &[&Path]) {
    let mut above: Vec<&Path> = (directories.iter())
        .flat_map(|directory| directory.ancestors())
        .filter(|directory| directory.starts_with(root))
        .collect();
    above.sort_unstable();
    above.dedup();
    for directory in above.into_iter().rev() {
        let opened = File::open(directory).expect("a directory can be opened");
        set_time(&opened, BEGINNING).expect("the directory is ours");
    }
}

fn set_time(file: &File, seconds: u64) -> io::Result<()> {
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every file of a tree, in one piece, in the order of names.
    fn read(directory: &Path, into: &mut Vec<(PathBuf, Vec<u8>, SystemTime)>) {
        let mut entries: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(Result::unwrap)
            .collect();
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let meta = entry.metadata().unwrap();
            if meta.is_dir() {
                read(&entry.path(), into);
            } else {
                let content = fs::read(entry.path()).unwrap();
                into.push((entry.path(), content, meta.modified().unwrap()));
            }
        }
    }

    fn made(make: impl FnOnce(&Path)) -> Vec<(PathBuf, Vec<u8>, SystemTime)> {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("tree");
        make(&root);
        let mut files = Vec::new();
        read(&root, &mut files);
        for file in &mut files {
            file.0 = file.0.strip_prefix(&root).unwrap().to_owned();
        }
        files
    }

    #[test]
    fn text_compresses_about_four_to_one() {
        let files = made(|root| DOCUMENTATION.sized(500, 8_000_000).make(root));
        assert_eq!(files.len(), 500);
        let all: Vec<u8> = files.into_iter().flat_map(|file| file.1).collect();
        assert!((7_990_000..8_000_001).contains(&all.len()), "{}", all.len());
        let ratio = all.len() as f64 / zstd::bulk::compress(&all, 3).unwrap().len() as f64;
        assert!((3.7..4.5).contains(&ratio), "{ratio}");
    }

    #[test]
    fn an_update_is_what_it_says_and_the_same_each_time() {
        let shape = APPLICATION.sized(200, 2_000_000);
        let update = Update {
            touched: 60,
            changed: 30,
            replaced: 10,
        };
        let old = made(|root| shape.make(root));
        let new = made(|root| shape.make_updated(root, &update));
        assert_eq!(new, made(|root| shape.make_updated(root, &update)));
        let of = |path: &Path| old.iter().find(|file| file.0 == path);
        let kept: Vec<_> = new
            .iter()
            .filter_map(|file| Some((file, of(&file.0)?)))
            .collect();
        assert_eq!((old.len(), new.len(), kept.len()), (200, 200, 190));
        let touched = kept.iter().filter(|(new, old)| new.2 != old.2).count();
        let changed = kept.iter().filter(|(new, old)| new.1 != old.1).count();
        assert_eq!((touched, changed), (60, 30));
    }
}
