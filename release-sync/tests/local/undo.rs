//! Going back where something came between.

use std::path::{Path, PathBuf};

use release_sync::{Error, Fleet, Generation, Host, HostReport, Options, Outcome};

use crate::common::*;

struct Scene {
    scratch: Scratch,
    one: PathBuf,
    two: PathBuf,
}

fn scene() -> Scene {
    let scratch = Scratch::new();
    let (one, two) = (scratch.directory("one"), scratch.directory("two"));
    write(one.join("file"), "one");
    write(one.join("dir/goes"), noise(1, 2_000));
    write(two.join("file"), "two");
    Scene { scratch, one, two }
}

/// An agent that is killed at its `nth` call of `call` when it is started first, and a good one from
/// then on.
fn killed_once(scratch: &Scratch, call: &str, nth: u32, destination: &Path) -> Host {
    let flag = scratch.at(&format!("started-{call}-{nth}"));
    let script = format!(
        "if [ -e '{flag}' ]; then exec '{AGENT}' serve; fi; : > '{flag}'; exec strace -f -qqq \
         -o /dev/null -e trace={call} -e inject={call}:signal=KILL:when={nth} '{AGENT}' serve",
        flag = flag.display()
    );
    command(destination, ["sh".to_owned(), "-c".to_owned(), script])
}

/// A session is lost at any word of the agent's, the last one too: the run tries again, and the host is
/// where it was to go, not where it came from.
#[test]
fn a_run_that_tries_again_does_not_turn_back() {
    let Scene { scratch, one, two } = scene();
    let patient = Options {
        retries: 1,
        ..options()
    };
    for nth in 1..12 {
        let at = scratch.at(&format!("host{nth}"));
        push_one(&one, &local(&at), options(), 1);
        push_one(&two, &local(&at), options(), 2);
        let host = killed_once(&scratch, "write", nth, &at);
        let fleet = Fleet::new(vec![host], patient.clone()).unwrap();
        let report = fleet.undo(Generation::new(3), &()).hosts.remove(0);
        assert_ended(&report, Outcome::Undone);
        assert_same(&tree(&one), &tree(&at));
        assert_tidy(&at);
    }
}

fn undo_from(host: &Host, directory: &Path, generation: u64) -> HostReport {
    let fleet = Fleet::new(vec![host.clone()], options()).unwrap();
    let from = source(directory).release();
    let generation = Generation::new(generation);
    fleet.undo_from(from, generation, &()).hosts.remove(0)
}

#[test]
fn going_back_from_a_release_can_be_asked_for_twice() {
    let Scene { scratch, one, two } = scene();
    let host = local(&scratch.at("host"));
    push_one(&one, &host, options(), 1);
    push_one(&two, &host, options(), 2);
    assert_ended(&undo_from(&host, &two, 3), Outcome::Undone);
    for generation in [4, 5] {
        let again = undo_from(&host, &two, generation);
        assert_ended(&again, Outcome::Unchanged);
        assert_eq!(again.release, Some(source(&one).release()));
        assert_eq!(again.generation, Some(Generation::new(generation)));
        assert_same(&tree(&one), &tree(&host.destination));
        assert_tidy(&host.destination);
    }
    // Where the tree is not what it claims to be, that is what comes out.
    write(host.destination.join("file"), "strange");
    let strange = undo_from(&host, &two, 6);
    assert!(
        matches!(strange.error, Some(Error::Files { .. })),
        "{strange:?}"
    );
    // What can be made right from what is here is.
    write(host.destination.join("file"), "one");
    write(host.destination.join("stranger"), "goes");
    undo_from(&host, &two, 7);
    assert_same(&tree(&one), &tree(&host.destination));
}
