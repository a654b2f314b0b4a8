//! Killed while it brings a release.

use release_sync::{Error, Host, Outcome};

use crate::common::*;
use crate::scene::*;

#[test]
fn of_an_update() {
    update(&[]);
}

/// Not every file system links, and the kernel may refuse to: then what is kept is copied, and no file is
/// missing for a moment.
#[test]
fn of_an_update_where_nothing_can_be_linked() {
    update(&["linkat:error=EPERM"]);
}

fn update(always: &[&str]) {
    let Scene {
        scratch,
        old,
        new,
        trees,
    } = scene();
    let template = scratch.at("template");
    assert_ended(
        &push_one(&old, &local(&template), options(), 1),
        Outcome::Committed,
    );
    let [old_tree, new_tree] = &trees;
    let pushed = source(&new);
    let check = |host: &Host, _: bool, what: &str| {
        let at = &host.destination;
        assert_old_or_new(&tree(at), [old_tree, new_tree], what);
        assert_completes(host, &pushed, &trees, what);
    };
    let attempt = |host: &Host| bring(&pushed, host, options(), 2);
    at_every_call(&scratch, &template, always, attempt, check);
}

/// Nothing is kept of what was displaced, and the tree is the better for it all the same.
#[test]
fn of_an_update_that_keeps_no_undo() {
    let Scene {
        scratch,
        old,
        new,
        trees,
    } = scene();
    let template = scratch.at("template");
    // An undo of an earlier step is there, which is no way back from this one.
    write(scratch.at("oldest/file"), "oldest");
    push_one(&scratch.at("oldest"), &local(&template), options(), 1);
    push_one(&old, &local(&template), options(), 2);
    let [old_tree, new_tree] = &trees;
    let pushed = source(&new);
    let plain = || release_sync::Options {
        keep_undo: false,
        ..options()
    };
    let (doing, calls) = CALLS[0];
    for nth in 1.. {
        let what = format!("{doing}, call {nth}");
        let host = fresh_host(&scratch, &template);
        let at = &host.destination;
        let killed = bring(&pushed, &killed_at(calls, nth, at), plain(), 3);
        let survived = killed.error.is_none();
        assert_old_or_new(&tree(at), [old_tree, new_tree], &what);
        let report = until_unlocked(|| bring(&pushed, &host, plain(), 4));
        assert!(report.error.is_none(), "{what}: {report:?}");
        assert_same(new_tree, &tree(at));
        assert_tidy(at);
        let undone = undo_one(&host, 5);
        assert!(
            matches!(undone.error, Some(Error::NoUndo { .. })),
            "{what}: {undone:?}"
        );
        assert_same(new_tree, &tree(at));
        if survived {
            assert!(nth > 15, "only {nth} calls");
            return;
        }
    }
}

/// A commit was cut off, and another release came: the way back is to what was before both, though some of
/// it was only in the first one's stage by then.
#[test]
fn of_an_update_before_another_release() {
    assert_strace();
    let scratch = scratch();
    let [one, two, three] = ["one", "two", "three"].map(|name| scratch.directory(name));
    write(one.join("a"), noise(1, 3_000));
    write(one.join("b/deep"), noise(2, 3_000));
    write(two.join("a"), noise(3, 3_000));
    write(two.join("b"), noise(4, 3_000));
    write(two.join("y"), noise(2, 3_000));
    write(two.join("z"), noise(1, 3_000));
    write(three.join("c"), "three");
    let template = scratch.at("template");
    push_one(&one, &local(&template), options(), 1);
    let [pushed, other] = [source(&two), source(&three)];
    let before = tree(&one);
    let (doing, calls) = CALLS[0];
    for nth in 1.. {
        let what = format!("{doing}, call {nth}");
        let host = fresh_host(&scratch, &template);
        let at = &host.destination;
        let killed = bring(&pushed, &killed_at(calls, nth, at), options(), 2);
        let report = until_unlocked(|| bring(&other, &host, options(), 3));
        assert_ended(&report, Outcome::Committed);
        assert_tidy(at);
        if killed.error.is_none() {
            assert!(nth > 10, "only {nth} calls");
            return;
        }
        let back = undo_one(&host, 4);
        assert!(back.error.is_none(), "{what}: {back:?}");
        // Once the marker is written, the commit that was cut off is a step of its own.
        if back.release == Some(source(&one).release()) {
            assert_same(&before, &tree(at));
        } else {
            assert_same(&tree(&two), &tree(at));
        }
        assert_tidy(at);
    }
}
