//! What a new file may have been before: a delta needs an old file, and a name that holds a version or a hash of
//! the content is another one in each release.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::ops::RangeInclusive;

use release_core::{Manifest, RelPath};

use super::difference::pair;
use crate::tree::Found;

/// With more files than these that the release lacks, none is looked at: what they would save is not worth
/// the memory.
const MOST: usize = 1 << 16;

/// How many names are compared on each side of where a name would stand among those of its directory.
const NEIGHBOURS: usize = 16;

/// Bytes at its beginning that a name has to share with the one before.
const LEAST_PREFIX: usize = 3;

/// How much shorter or longer a file may have been.
const FACTOR: u64 = 4;

/// Files of a tree that the release does not have at their paths.
pub(super) struct Predecessors<'a> {
    tree: &'a [Found],
    /// In order of their paths, so that those of one directory stand together.
    gone: Vec<u32>,
    /// By their paths without one directory's name: the last that has such a path.
    renamed: HashMap<u64, u32>,
}

impl<'a> Predecessors<'a> {
    /// Finds them among the files of which `is_basis` is true.
    pub(super) fn new(
        manifest: &Manifest,
        tree: &'a [Found],
        is_basis: impl Fn(&Found) -> bool,
    ) -> Self {
        let pairs = pair(manifest.entries(), tree).into_iter();
        let gone = pairs.filter_map(|(new, old)| old.filter(|_| new.is_none()));
        let mut gone: Vec<u32> = gone.filter(|&old| is_basis(&tree[old as usize])).collect();
        if gone.len() > MOST {
            gone.clear();
        }
        gone.sort_unstable_by_key(|&index| place(&tree[index as usize].path));
        let mut renamed = HashMap::new();
        for &index in &gone {
            for key in without_one_directory(&tree[index as usize].path) {
                renamed.insert(key, index);
            }
        }
        Self {
            tree,
            gone,
            renamed,
        }
    }

    /// The one that a new file of that path and size probably was: an index into the tree.
    pub(super) fn of(&self, path: &RelPath, size: u64) -> Option<u32> {
        if self.gone.is_empty() {
            return None;
        }
        let sizes = size / FACTOR..=size.saturating_mul(FACTOR);
        self.sibling(path, size, &sizes)
            .or_else(|| self.in_renamed_directory(path, &sizes))
    }

    /// The most similar name of the same directory: same extension, same beginning.
    fn sibling(&self, path: &RelPath, size: u64, sizes: &RangeInclusive<u64>) -> Option<u32> {
        let here = self
            .gone
            .partition_point(|&index| place(self.path(index)) < place(path));
        let from = here.saturating_sub(NEIGHBOURS);
        let to = self.gone.len().min(here + NEIGHBOURS);
        let similar = self.gone[from..to].iter().filter_map(|&index| {
            let old = self.path(index);
            let may_be = old.parent_bytes() == path.parent_bytes()
                && sizes.contains(&self.size(index))
                && extension(old.name()) == extension(path.name());
            let likeness = may_be.then(|| likeness(old.name(), path.name()))??;
            Some((likeness, Reverse(self.size(index).abs_diff(size)), index))
        });
        similar.max().map(|(.., index)| index)
    }

    /// The file at the same path but for the name of one directory.
    fn in_renamed_directory(&self, path: &RelPath, sizes: &RangeInclusive<u64>) -> Option<u32> {
        without_one_directory(path).find_map(|key| {
            let index = *self.renamed.get(&key)?;
            let may_be =
                self.path(index).name() == path.name() && sizes.contains(&self.size(index));
            may_be.then_some(index)
        })
    }

    fn path(&self, index: u32) -> &'a RelPath {
        &self.tree[index as usize].path
    }

    fn size(&self, index: u32) -> u64 {
        self.tree[index as usize].file().map_or(0, |(size, _)| size)
    }
}

/// What files are sorted by.
fn place(path: &RelPath) -> (&[u8], &[u8]) {
    (path.parent_bytes(), path.name())
}

/// A hash of the path without each of its directories in turn, the innermost first. Two paths that share one
/// by chance lead to a delta that saves nothing.
fn without_one_directory(path: &RelPath) -> impl Iterator<Item = u64> + '_ {
    let directories = path.depth().saturating_sub(1);
    (0..directories).rev().map(|left_out| {
        let mut hasher = DefaultHasher::new();
        for (number, component) in path.components().enumerate() {
            let shown = (number != left_out).then_some(component);
            shown.hash(&mut hasher);
        }
        hasher.finish()
    })
}

fn extension(name: &[u8]) -> Option<&[u8]> {
    let dot = name.iter().rposition(|&byte| byte == b'.')?;
    Some(&name[dot..])
}

/// Bytes that two names have in common at their beginning and at their end.
fn likeness(old: &[u8], new: &[u8]) -> Option<usize> {
    let prefix = common(old.iter(), new.iter());
    let rest = prefix.min(old.len()).min(new.len());
    let suffix = common(old[rest..].iter().rev(), new[rest..].iter().rev());
    (prefix >= LEAST_PREFIX).then_some(prefix + suffix)
}

fn common<'a>(a: impl Iterator<Item = &'a u8>, b: impl Iterator<Item = &'a u8>) -> usize {
    a.zip(b).take_while(|(a, b)| a == b).count()
}
