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

/// An agent of which only so many bytes are heard when it is started first, and a good one from then on.
fn cut_off_once(scratch: &Scratch, bytes: u64, destination: &Path) -> Host {
    let pipe = scratch.at(&format!("pipe-{bytes}"));
    // Once what is heard has come, nobody holds the stream open any more; the agent goes on.
    let script = format!(
        "[ -e '{pipe}' ] && exec '{AGENT}' serve; mkfifo '{pipe}'; exec 3<&0; \
         '{AGENT}' serve <&3 >'{pipe}' & exec dd bs=1 count={bytes} status=none <'{pipe}'",
        pipe = pipe.display()
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
    let undo = |host: Host| {
        let fleet = Fleet::new(vec![host], patient.clone()).unwrap();
        fleet.undo(Generation::new(3), &()).hosts.remove(0)
    };
    let prepared = |at: &Path| {
        push_one(&one, &local(at), options(), 1);
        push_one(&two, &local(at), options(), 2);
    };
    let at = scratch.at("heard");
    prepared(&at);
    let all = undo(command(&at, [AGENT, "serve"])).counts.bytes_received;
    assert!(all > 100);
    // Towards the end it is done, and not all is heard of it.
    let places = (1..all - 45).step_by(30);
    for bytes in places.chain((all - 45..all).step_by(4)) {
        let at = scratch.at(&format!("host{bytes}"));
        prepared(&at);
        let report = undo(cut_off_once(&scratch, bytes, &at));
        assert!(report.error.is_none(), "{bytes} of {all}: {report:?}");
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
    // Where it would come to another release, or is neither, it stays.
    let other = scratch.directory("other");
    write(other.join("file"), "other");
    push_one(&two, &host, options(), 6);
    let [one, two, other] = [&one, &two, &other].map(|at| source(at).release());
    let undo_to = |to, from, generation| {
        let fleet = Fleet::new(vec![host.clone()], options()).unwrap();
        let report = fleet.undo_to(to, from, Generation::new(generation), &());
        report.hosts.into_iter().next().unwrap()
    };
    for (to, from) in [(other, two), (one, other)] {
        let report = undo_to(to, from, 7);
        let kept = if from == two { one } else { two };
        assert!(
            matches!(report.error, Some(Error::OtherUndo { kept: is, wanted }) if (is, wanted) == (kept, to)),
            "{report:?}"
        );
        assert_eq!(report.release, Some(two));
        assert_eq!(
            std::fs::read(host.destination.join("file")).unwrap(),
            b"two"
        );
    }
    assert_ended(&undo_to(one, two, 8), Outcome::Undone);
    assert_ended(&undo_to(one, two, 9), Outcome::Unchanged);
    assert_tidy(&host.destination);
}

#[test]
fn what_is_strange_shows_when_going_back() {
    let Scene { scratch, one, two } = scene();
    let host = local(&scratch.at("host"));
    push_one(&one, &host, options(), 1);
    push_one(&two, &host, options(), 2);
    undo_from(&host, &two, 3);
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
