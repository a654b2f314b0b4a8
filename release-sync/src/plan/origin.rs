//! Where the content of each new file comes from.

use std::cell::LazyCell;
use std::collections::{HashMap, HashSet};

use release_core::Digest;

use super::predecessor::Predecessors;
use super::{Action, Origin, Situation, Step};
use crate::tree::{Found, FoundKind};

/// Decides it for every step that makes a file.
pub(super) fn source(situation: &Situation<'_>, steps: &mut [Step]) {
    let Situation {
        manifest,
        tree,
        kept,
        staged,
        ..
    } = *situation;
    let content = |step: &Step| match step.action {
        Action::File(_) => manifest.entries()[step.entry as usize].file(),
        _ => None,
    };
    let lacking: HashSet<Digest> = steps
        .iter()
        .filter_map(content)
        .map(|(_, digest)| digest)
        .collect();
    let mut here: HashMap<Digest, Origin> = HashMap::with_capacity(lacking.len());
    for (index, digest) in kept.iter().enumerate() {
        if lacking.contains(digest) {
            here.insert(*digest, Origin::Kept(index as u32));
        }
    }
    for (index, found) in tree.iter().enumerate() {
        if let FoundKind::File {
            digest: Some(digest),
            ..
        } = found.kind
            && lacking.contains(&digest)
        {
            here.insert(digest, Origin::Tree(index as u32));
        }
    }
    // Made when first asked for: most releases have no use for it.
    let predecessors = LazyCell::new(|| Predecessors::new(manifest, tree, is_basis));
    for step in steps {
        let Some((size, digest)) = content(step) else {
            continue;
        };
        let origin = if staged.contains(&step.entry) {
            Origin::Staged
        } else if size == 0 {
            Origin::Empty
        } else if let Some(&origin) = here.get(&digest) {
            origin
        } else {
            let path = &manifest.entries()[step.entry as usize].path;
            let same_path = step.old.filter(|&old| is_basis(&tree[old as usize]));
            let predecessor = || (size >= LEAST_BASIS).then(|| predecessors.of(path, size))?;
            Origin::Wanted {
                basis: same_path.or_else(predecessor),
            }
        };
        if let Origin::Staged | Origin::Wanted { .. } = origin {
            here.entry(digest).or_insert(Origin::Twin(step.entry));
        }
        step.action = Action::File(origin);
    }
}

/// Files smaller than this are sent whole: a signature and a log of copies would save nothing.
pub(super) const LEAST_BASIS: u64 = 1024;

fn is_basis(found: &Found) -> bool {
    matches!(found.kind, FoundKind::File { size, digest: Some(_) } if size >= LEAST_BASIS)
}
