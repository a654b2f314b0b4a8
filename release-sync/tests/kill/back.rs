//! Killed while it goes back.

use release_sync::{Host, Outcome};

use crate::common::*;
use crate::scene::*;

#[test]
fn of_going_back() {
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
    assert_ended(
        &push_one(&new, &local(&template), options(), 2),
        Outcome::Committed,
    );
    let [old_tree, new_tree] = &trees;
    let check = |host: &Host, survived: bool, what: &str| {
        let at = &host.destination;
        assert_old_or_new(&tree(at), [new_tree, old_tree], what);
        if !survived {
            let undone = until_unlocked(|| undo_one(host, 4));
            assert!(undone.error.is_none(), "{what}: {undone:?}");
            assert_eq!(undone.counts.files_sent, 0, "{what}");
        }
        assert_same(old_tree, &tree(at));
        assert_tidy(at);
        // And back again, which undoes the undo.
        let again = undo_one(host, 5);
        assert!(again.error.is_none(), "{what}: {again:?}");
        assert_same(new_tree, &tree(at));
    };
    at_every_call(&scratch, &template, &[], |host| undo_one(host, 3), check);
}

/// Going back was cut off, and then the operator rather went forward again.
#[test]
fn of_going_back_before_going_forward() {
    let Scene {
        scratch,
        old,
        new,
        trees,
    } = scene();
    let template = scratch.at("template");
    push_one(&old, &local(&template), options(), 1);
    push_one(&new, &local(&template), options(), 2);
    let pushed = source(&new);
    let [old_tree, new_tree] = &trees;
    let (doing, calls) = CALLS[0];
    for nth in [3, 6, 9, 12, 15, 18] {
        let what = format!("{doing}, call {nth}");
        let host = fresh_host(&scratch, &template);
        let at = &host.destination;
        undo_one(&killed_at(calls, nth, at), 3);
        let report = until_unlocked(|| bring(&pushed, &host, options(), 4));
        assert!(report.error.is_none(), "{what}: {report:?}");
        assert_eq!(report.counts.files_sent, 0, "{what}");
        assert_same(new_tree, &tree(at));
        assert_tidy(at);
        let undone = undo_one(&host, 5);
        assert!(undone.error.is_none(), "{what}: {undone:?}");
        assert_same(old_tree, &tree(at));
    }
}
