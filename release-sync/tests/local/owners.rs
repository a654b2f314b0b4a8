//! Owners that are called otherwise than before, or otherwise on the host.

use release_sync::{Fleet, Host, Options, Outcome};

use crate::common::*;

/// What changes is the release alone, and a host has to hold it from then on.
#[test]
fn owners_may_be_told_by_number_from_now_on_and_by_name_again() {
    let scratch = Scratch::new();
    let from = scratch.directory("source");
    write(from.join("a"), "a");
    let host = local(&scratch.at("host"));
    push_one(&from, &host, options(), 1);
    let numeric = Options {
        numeric_owner: true,
        ..options()
    };
    for (generation, options) in [(2, &numeric), (3, &options()), (4, &numeric)] {
        let push = push_one(&from, &host, options.clone(), generation);
        assert_ended(&push, Outcome::Unchanged);
        let again = push_one(&from, &host, options.clone(), generation);
        assert_ended(&again, Outcome::Unchanged);
        assert_eq!(again.release, push.release);
        assert!(is_intact(&host, options));
    }
    write(from.join("a"), "b");
    assert_ended(&push_one(&from, &host, options(), 5), Outcome::Committed);
    let undone = undo_one(&host, 6);
    assert_ended(&undone, Outcome::Undone);
    assert_eq!(std::fs::read(host.destination.join("a")).unwrap(), b"a");
}

/// An agent on a machine that has these users.
fn among(scratch: &Scratch, passwd: &str) -> Host {
    assert!(
        is_root(),
        "mounting takes root: please run the tests as root"
    );
    write(scratch.at("passwd"), passwd);
    let script = "mount --bind \"$0\" /etc/passwd && exec \"$1\" serve";
    let words = ["unshare", "--mount", "sh", "-c", script].map(std::ffi::OsString::from);
    let rest = [scratch.at("passwd").into(), AGENT.into()];
    command(&scratch.at("host"), words.into_iter().chain(rest))
}

/// Debian's `daemon` is 1; on the host that is a number which somebody without a name has at the source.
#[test]
fn two_owners_may_be_one_number_on_a_host() {
    let scratch = Scratch::new();
    let host = among(&scratch, "root:x:0:0::/:\ndaemon:x:4242:1::/:\n");
    let from = scratch.directory("source");
    for (name, uid) in [("f", 1), ("g", 4242), ("h", 1)] {
        write(from.join(name), name);
        chown(from.join(name), uid, 0);
    }
    assert_ended(&push_one(&from, &host, options(), 1), Outcome::Committed);
    let there = tree(&host.destination);
    for name in ["f", "g", "h"] {
        assert_eq!(there[std::path::Path::new(name)].owner.0, 4242, "{name}");
    }
    let again = push_one(&from, &host, options(), 2);
    assert_ended(&again, Outcome::Unchanged);
    assert!(again.counts.bytes_sent < 1_000, "{again:?}");
    assert!(is_intact(&host, &options()));

    // Another owner at the source, who is the same number here.
    chown(from.join("f"), 4242, 0);
    let push = push_one(&from, &host, options(), 3);
    assert_ended(&push, Outcome::Unchanged);
    write(from.join("f"), "edited");
    assert_ended(&push_one(&from, &host, options(), 4), Outcome::Committed);
    let undone = undo_one(&host, 5);
    assert_ended(&undone, Outcome::Undone);
    assert_eq!(undone.release, push.release);
}

fn is_intact(host: &Host, options: &Options) -> bool {
    let fleet = Fleet::new(vec![host.clone()], options.clone()).unwrap();
    fleet.status(false, &()).remove(0).intact == Some(true)
}
