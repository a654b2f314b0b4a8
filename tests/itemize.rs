//! What `plan --itemize` shows is what rsync would, but for what `release-cli help plan` says.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, lchown, symlink};
use std::path::Path;

use release_tests::judge;
use release_tests::scene::{Scene, write};
use release_tests::tree;
use serde_json::Value;

/// Two trees that differ in every way that there is.
fn differ(source: &Path, host: &Path) {
    for tree in [source, host] {
        for name in [
            "same", "mode", "owner", "time", "content", "size", "in/same",
        ] {
            write(tree, name, name);
        }
        fs::create_dir(tree.join("closed")).unwrap();
    }
    write(source, "content", "CONTENT");
    write(source, "size", "more of it");
    write(source, "new", "of its own");
    write(source, "newdir/new", "of its own as well");
    write(source, "moved/to", "content that is there already");
    write(host, "moved-from", "content that is there already");
    write(source, "a\nnew line", "odd");
    write(source, "file-for-directory", "now a file");
    write(host, "file-for-directory/with", "an entry");
    write(source, "directory-for-file/with", "an entry, now");
    write(host, "directory-for-file", "now a directory");
    write(host, "gone", "");
    write(host, "gonedir/gone", "");
    symlink("same", source.join("link")).unwrap();
    symlink("mode", host.join("link")).unwrap();
    symlink("same", source.join("newlink")).unwrap();
    symlink("same", host.join("gonelink")).unwrap();
    for tree in [source, host] {
        for name in [
            "same", "mode", "owner", "content", "size", "in/same", "in", "closed",
        ] {
            tree::set_mtime(tree.join(name), 1_600_000_000, 0);
        }
    }
    tree::set_mtime(source.join("time"), 1_600_000_000, 1);
    tree::set_mtime(host.join("time"), 1_600_000_000, 2);
    fs::set_permissions(host.join("mode"), Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(host.join("closed"), Permissions::from_mode(0o700)).unwrap();
    lchown(host.join("owner"), Some(1), Some(1)).unwrap();
}

/// Letters and path, without what is no part of `%i`: the slash behind a directory, a link's target, and
/// which side the content comes from.
fn by_rsync(source: &Path, host: &Path) -> BTreeSet<String> {
    let lines = judge::rsync_lines(source, host).into_iter();
    lines
        .map(|line| {
            let line = line.split(" -> ").next().unwrap().trim_end_matches('/');
            let line = line.replace("\\\\#012", "\\x0a");
            match line.strip_prefix('>') {
                Some(rest) => format!("<{rest}"),
                None => line,
            }
        })
        .collect()
}

fn by_plan(scene: &Scene) -> BTreeSet<String> {
    let output = scene.cli.output(&["plan", "--itemize"]);
    assert!(output.status.success(), "{output:?}");
    let first = output.stdout.split(|byte| *byte == b'\n').next().unwrap();
    let event: Value = serde_json::from_slice(first).unwrap();
    let items = event["items"].as_array().unwrap().iter();
    let word = |item: &Value, key: &str| item[key].as_str().unwrap().to_owned();
    items
        .map(|item| format!("{} {}", word(item, "flags"), word(item, "path")))
        .collect()
}

#[test]
fn a_plan_speaks_as_rsync_does() {
    let scene = Scene::new(1);
    let (source, host) = (scene.source(), scene.host().tree());
    fs::create_dir_all(&host).unwrap();
    differ(&source, &host);
    let rsync = by_rsync(&source, &host);
    let plan = by_plan(&scene);
    let only = |ours: &BTreeSet<String>, theirs: &BTreeSet<String>| {
        ours.difference(theirs).cloned().collect::<Vec<_>>()
    };
    assert_eq!(
        only(&plan, &rsync),
        [
            "*deleting   directory-for-file",
            "*deleting   file-for-directory",
            "cf+++++++++ moved/to",
        ],
        "{rsync:#?}"
    );
    assert_eq!(only(&rsync, &plan), ["<f+++++++++ moved/to"], "{plan:#?}");
    assert!(plan.len() > 20, "{plan:#?}");
}
