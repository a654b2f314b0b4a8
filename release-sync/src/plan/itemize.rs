//! A plan in words: how many of what, and each change in rsync's letters.

use release_core::{Entry, Kind, Manifest};

use super::{Action, Origin, Owners, Plan, Step};
use crate::tree::{Found, FoundKind};
use crate::wire::{Item, Planned};

/// What a plan comes to.
pub(crate) fn summarize(plan: &Plan, manifest: &Manifest) -> Planned {
    let mut planned = Planned {
        deleted: plan.deleted(),
        refused: plan.obstacles.len() as u64,
        ..Planned::default()
    };
    for step in &plan.steps {
        let size = manifest.entries()[step.entry as usize]
            .file()
            .map_or(0, |(size, _)| size);
        match (step.action, step.old) {
            (Action::Attributes, _) => planned.attributes += 1,
            (_, None) => planned.created += 1,
            (_, Some(_)) => planned.changed += 1,
        }
        match step.action {
            Action::File(Origin::Wanted { .. }) => {
                planned.files_sent += 1;
                planned.bytes_wanted += size;
            }
            Action::File(Origin::Tree(_) | Origin::Kept(_) | Origin::Twin(_)) => {
                planned.local_bytes += size;
            }
            _ => {}
        }
    }
    planned
}

/// Every change, in the order in which a commit makes them, as rsync's `%i` would say it
/// (`YXcstpoguax`, rsync(1), "itemize-changes"). What is made out of something on the host is `c`,
/// content that comes over the line `<`.
pub(crate) fn itemize<'a>(
    plan: &'a Plan,
    manifest: &'a Manifest,
    tree: &'a [Found],
    owners: Option<&'a Owners>,
) -> impl Iterator<Item = Item> + 'a {
    let gone = |&old: &u32| {
        let found = &tree[old as usize];
        Item {
            flags: String::from("*deleting  "),
            path: found.path.as_bytes().to_vec(),
        }
    };
    let changes = plan.steps.iter().map(move |step| {
        let entry = &manifest.entries()[step.entry as usize];
        let old = step.old.map(|old| &tree[old as usize]);
        Item {
            flags: flags(step, entry, old, owners),
            path: entry.path.as_bytes().to_vec(),
        }
    });
    plan.clearings
        .iter()
        .map(gone)
        .chain(changes)
        .chain(plan.deletions.iter().map(gone))
}

fn flags(step: &Step, entry: &Entry, old: Option<&Found>, owners: Option<&Owners>) -> String {
    let update = match step.action {
        Action::Attributes => '.',
        Action::File(Origin::Wanted { .. }) => '<',
        Action::File(_) | Action::Directory | Action::Symlink => 'c',
    };
    let kind = match entry.kind {
        Kind::Directory => 'd',
        Kind::File { .. } => 'f',
        Kind::Symlink { .. } => 'L',
    };
    let same_kind = old.filter(|old| {
        matches!(
            (&entry.kind, &old.kind),
            (Kind::Directory, FoundKind::Directory)
                | (Kind::File { .. }, FoundKind::File { .. })
                | (Kind::Symlink { .. }, FoundKind::Symlink { .. })
        )
    });
    let Some(old) = same_kind else {
        return format!("{update}{kind}+++++++++");
    };
    let letter = |differs: bool, letter: char| if differs { letter } else { '.' };
    let (size, content) = match (&entry.kind, &old.kind) {
        (
            Kind::File { size, digest },
            FoundKind::File {
                size: was,
                digest: had,
            },
        ) => (size != was, had.as_ref() != Some(digest)),
        (Kind::Symlink { target }, FoundKind::Symlink { target: was }) => (false, target != was),
        _ => (false, false),
    };
    let (owner, group) = owners.map_or((false, false), |owners| {
        let (uid, gid) = owners.of(&entry.meta);
        (uid != old.uid, gid != old.gid)
    });
    [
        update,
        kind,
        letter(content, 'c'),
        letter(size, 's'),
        letter(entry.meta.mtime != old.mtime, 't'),
        letter(entry.meta.mode != old.mode, 'p'),
        letter(owner, 'o'),
        letter(group, 'g'),
        '.',
        '.',
        '.',
    ]
    .into_iter()
    .collect()
}
