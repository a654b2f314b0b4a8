//! release-boot on a fleet in a folder: the program as it is, without root and without a network.
#![allow(clippy::unwrap_used, clippy::panic)]

mod place;

use std::fs;
use std::time::{Duration, Instant};

use release_core::cloud::local::{Effect, Fault};
use release_core::cloud::{Action, Lifecycle};
use release_core::{Generation, Pointer, SecretKey};

use place::{Place, now};

fn lifecycle(place: &Place) -> Lifecycle {
    let query = release_core::cloud::GroupQuery::Names(vec!["web".parse().unwrap()]);
    let group = now(release_core::cloud::Cloud::groups(&place.cloud, &query))
        .unwrap()
        .remove(0);
    group.members[0].lifecycle.clone()
}

#[test]
fn a_new_instance_gets_the_release_and_goes_into_service() {
    let place = Place::new();
    assert_eq!(lifecycle(&place), Lifecycle::PendingWait);
    let ended = place.boot(&["--lifecycle-hook=ready"]);
    assert_eq!(ended.code, 0, "{}", ended.text);
    place.assert_settled(1);
    assert_eq!(lifecycle(&place), Lifecycle::InService);
    assert_eq!(
        (&ended.last()["outcome"], &ended.last()["source"]),
        (&"ready".into(), &"made".into())
    );
    assert!(ended.text.contains("make a volume: vol-"), "{}", ended.text);
    assert!(ended.text.contains("ready in "), "{}", ended.text);
    // It goes with the instance.
    place.cloud.terminate(&place.instance).unwrap();
    assert_eq!(place.volumes(), []);
}

#[test]
fn what_is_there_already_is_found_in_milliseconds() {
    let place = Place::new();
    assert_eq!(place.boot(&[]).code, 0);
    for verb in [&[][..], &["reconcile"]] {
        let ended = place.boot(verb);
        assert_eq!(ended.code, 0, "{}", ended.text);
        assert_eq!(ended.last()["source"], "mounted already");
        assert!(
            ended.last()["seconds"].as_f64().unwrap() < 0.5,
            "{}",
            ended.text
        );
        place.assert_settled(1);
    }
}

#[test]
fn a_stale_release_is_replaced_and_a_pushed_one_is_kept() {
    let place = Place::new();
    place.boot(&[]);
    place.publish(2);
    let ended = place.boot(&["reconcile"]);
    assert_eq!(ended.code, 0, "{}", ended.text);
    place.assert_settled(2);
    // Pushed here, and published.
    let pointer = place.prepare(3);
    place.push(&pointer);
    let volume = place.volumes().remove(0).id;
    let ended = place.boot(&["reconcile"]);
    assert_eq!(ended.last()["source"], "mounted already");
    place.announce(&pointer);
    // The machine starts again: nothing is mounted, but the volume is attached.
    fs::remove_file(place.release()).unwrap();
    let ended = place.boot(&[]);
    assert_eq!(ended.last()["source"], "attached already", "{}", ended.text);
    assert_eq!(ended.last()["volume"], volume.as_str());
    place.assert_settled(3);
}

/// Words of the message, and how it is made to be refused.
type Refusal = (&'static str, fn(&Place));

const REFUSALS: &[Refusal] = &[
    ("signed with another key", |place| {
        let pointer = place.prepare(2);
        let (forger, _) = SecretKey::generate(None).unwrap();
        place.announce_by(&forger, &pointer);
    }),
    ("does not fit the pointer", |place| {
        let file = place.path("published").join(Pointer::FILE);
        let text = fs::read_to_string(&file).unwrap();
        fs::write(
            &file,
            text.replace("\"generation\": 1", "\"generation\": 2"),
        )
        .unwrap();
    }),
    ("no minisign signature", |place| {
        fs::remove_file(place.path("published").join(Pointer::SIGNATURE_FILE)).unwrap();
    }),
    ("tagged with 2", |place| {
        let old = place.publish(1);
        place.publish(2);
        place.announce(&old);
    }),
    ("has seen 7", |place| {
        let state = place
            .cloud
            .instance_root(&place.instance)
            .join("var/lib/release");
        fs::create_dir_all(&state).unwrap();
        fs::write(state.join("generation"), "7\n").unwrap();
    }),
    ("of account 999999999999", |place| {
        let pointer = place.prepare(2);
        place.announce(&Pointer {
            account: "999999999999".parse().unwrap(),
            ..pointer
        });
    }),
    ("belongs to account 999999999999", |place| {
        let pointer = place.publish(2);
        let owner = "999999999999".parse().unwrap();
        place.cloud.give_away(&pointer.snapshot, owner).unwrap();
    }),
    ("and the pointer says", |place| {
        let (first, second) = (place.prepare(2), place.prepare(3));
        // The right release by the wrong name: what is on the snapshot decides.
        let snapshot = release_core::cloud::Resource::Snapshot(first.snapshot.clone());
        let tags = place::tags(&[(
            release_core::cloud::TAG_RELEASE,
            &second.release.to_string(),
        )]);
        now(release_core::cloud::Cloud::tag(
            &place.cloud,
            &snapshot,
            &tags,
        ))
        .unwrap();
        place.announce(&Pointer {
            snapshot: first.snapshot,
            ..second
        });
    }),
];

#[test]
fn what_is_refused_leaves_nothing() {
    for (words, change) in REFUSALS {
        let place = Place::new();
        change(&place);
        let ended = place.boot(&[]);
        assert_eq!(ended.code, 5, "{words}: {}", ended.text);
        assert!(ended.text.contains(words), "{words}: {}", ended.text);
        assert!(ended.text.contains("refused"), "{}", ended.text);
        assert_eq!(ended.last()["outcome"], "refused");
        place.assert_untouched();
    }
}

#[test]
fn a_call_that_is_denied_fails_and_leaves_nothing() {
    for action in [
        Action::DescribeSnapshots,
        Action::DescribeVolumes,
        Action::CreateVolume,
        Action::AttachVolume,
        Action::ModifyInstanceAttribute,
    ] {
        let place = Place::new();
        place.inject(Fault {
            action: Some(action),
            effect: Effect::Deny,
            times: 1,
        });
        let ended = place.boot(&[]);
        assert_eq!(ended.code, 1, "{action}: {}", ended.text);
        assert!(
            ended.text.contains(&format!("{action}: not allowed")),
            "{}",
            ended.text
        );
        place.assert_untouched();
    }
}

#[test]
fn what_fails_for_a_moment_is_tried_again() {
    for effect in [
        Effect::Throttle,
        Effect::LoseRequest,
        Effect::LoseAnswer,
        Effect::Fail,
    ] {
        let place = Place::new();
        for action in [
            Action::DescribeSnapshots,
            Action::DescribeVolumes,
            Action::CreateVolume,
            Action::AttachVolume,
            Action::ModifyInstanceAttribute,
            Action::CompleteLifecycleAction,
        ] {
            place.inject(Fault {
                action: Some(action),
                effect,
                times: 2,
            });
        }
        let ended = place.boot(&["--lifecycle-hook=ready"]);
        assert_eq!(ended.code, 0, "{effect:?}: {}", ended.text);
        place.assert_settled(1);
        assert_eq!(lifecycle(&place), Lifecycle::InService);
    }
}

#[test]
fn a_spoiled_volume_and_a_stuck_attachment_are_replaced() {
    for action in [Action::CreateVolume, Action::AttachVolume] {
        let place = Place::new();
        place.inject(Fault {
            action: Some(action),
            effect: Effect::Spoil,
            times: 1,
        });
        let ended = place.boot(&[]);
        assert_eq!(ended.code, 0, "{}", ended.text);
        place.assert_settled(1);
    }
}

#[test]
fn killed_after_any_step_the_next_one_finishes() {
    let place = Place::new();
    let mut steps = 1;
    while place.boot_killed_after(steps).is_none() {
        let ended = place.boot(&[]);
        assert_eq!(ended.code, 0, "{steps}: {}", ended.text);
        place.assert_settled(1);
        // From the beginning again.
        fs::remove_file(place.release()).unwrap();
        let state = place
            .cloud
            .instance_root(&place.instance)
            .join("var/lib/release");
        fs::remove_dir_all(state).unwrap();
        for volume in place.volumes() {
            now(release_core::cloud::Cloud::detach_volume(
                &place.cloud,
                &volume.id,
                &place.instance,
            ))
            .unwrap();
            std::thread::sleep(Duration::from_millis(40));
            now(release_core::cloud::Cloud::delete_volume(
                &place.cloud,
                &volume.id,
            ))
            .unwrap();
        }
        steps += 1;
    }
    assert!(steps > 10, "{steps}");
    place.assert_settled(1);
}

#[test]
fn the_deadline_clears_away_what_was_begun() {
    let place = Place::new();
    place
        .cloud
        .set_delays(release_core::cloud::local::Delays {
            volume: 60_000,
            ..Default::default()
        })
        .unwrap();
    let began = Instant::now();
    let ended = place.boot(&["--deadline=1s"]);
    assert_eq!(ended.code, 75, "{}", ended.text);
    assert!(
        ended
            .text
            .contains("the deadline passed: look at the volume"),
        "{}",
        ended.text
    );
    assert!(began.elapsed() < Duration::from_secs(10));
    place.assert_untouched();
}

#[test]
fn without_a_pointer_it_waits_until_the_deadline() {
    let place = Place::new();
    let file = place.path("published").join(Pointer::FILE);
    let hidden = file.with_extension("hidden");
    fs::rename(&file, &hidden).unwrap();
    let ended = place.boot(&["--deadline=1s"]);
    assert_eq!(ended.code, 75, "{}", ended.text);
    assert!(
        ended.text.contains("the deadline passed: read the pointer"),
        "{}",
        ended.text
    );
    place.assert_untouched();
    let child = place.command(&[]).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    fs::rename(hidden, file).unwrap();
    assert!(child.wait_with_output().unwrap().status.success());
    place.assert_settled(1);
}

#[test]
fn a_failure_is_told_put_up_with_or_ends_the_instance() {
    for (policy, code, state) in [
        ("fail", 5, Lifecycle::PendingWait),
        ("continue", 0, Lifecycle::PendingWait),
        ("abandon", 5, Lifecycle::Terminating),
    ] {
        let place = Place::new();
        let pointer = place.prepare(2);
        place.announce_by(&SecretKey::generate(None).unwrap().0, &pointer);
        let ended = place.boot(&["--lifecycle-hook=ready", &format!("--on-failure={policy}")]);
        assert_eq!(ended.code, code, "{policy}: {}", ended.text);
        assert_eq!(lifecycle(&place), state, "{policy}");
        let goes_on = ended.text.contains("going on without the release");
        assert_eq!(goes_on, policy == "continue", "{}", ended.text);
    }
}

#[test]
fn a_bare_snap_txt_will_do_where_it_is_allowed() {
    let place = Place::new();
    let bare = place.path("published").join(Pointer::SNAPSHOT_FILE);
    let pointer = format!("--pointer=file://{}", bare.display());
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_release-boot"));
    command
        .args(["--config=/dev/null", "--allow-unsigned", &pointer])
        .arg(format!("--cloud=local:{}", place.path("fleet").display()))
        .arg(format!(
            "--root={}",
            place.cloud.instance_root(&place.instance).display()
        ));
    assert!(command.status().unwrap().success());
    place.assert_settled(1);
    // Elsewhere it is no pointer, since nobody signed it.
    let place = Place::new();
    fs::remove_file(place.path("published").join(Pointer::FILE)).unwrap();
    let bare = place.path("published").join(Pointer::SNAPSHOT_FILE);
    let ended = place.boot(&[&format!("--pointer=file://{}", bare.display())]);
    assert_eq!(ended.code, 5, "{}", ended.text);
    place.assert_untouched();
}

#[test]
fn a_tree_that_was_tampered_with_is_found_by_hashing() {
    let place = Place::new();
    assert_eq!(place.boot(&["--verify=full"]).code, 0);
    let ended = place.boot(&["verify"]);
    assert_eq!(ended.code, 0, "{}", ended.text);
    assert_eq!(ended.last()["files"], 1);
    // It reads no pointer, and needs to know of none.
    let ended = place.boot_from(&["verify"]);
    assert_eq!(ended.code, 0, "{}", ended.text);
    // What a deploy leaves out may be there.
    let root = fs::File::open(place.release()).unwrap();
    let modified = root.metadata().unwrap().modified().unwrap();
    fs::write(place.release().join("more"), "x").unwrap();
    root.set_modified(modified).unwrap();
    assert_eq!(place.boot(&["verify"]).last()["unlisted"], 1);
    fs::write(place.release().join("app"), "release 9\n").unwrap();
    let ended = place.boot(&["verify"]);
    assert_eq!(ended.code, 5, "{}", ended.text);
    assert!(
        ended.text.contains("`app` has another content"),
        "{}",
        ended.text
    );
    // And before it is mounted.
    let place = Place::new();
    let pointer = place.prepare(2);
    let snapshot = place
        .path("fleet/snapshots")
        .join(pointer.snapshot.as_str());
    fs::write(snapshot.join("app"), "release 9\n").unwrap();
    place.announce(&pointer);
    let ended = place.boot(&["--verify=full"]);
    assert_eq!(ended.code, 5, "{}", ended.text);
    place.assert_untouched();
}

#[test]
fn a_way_back_is_followed_once() {
    let place = Place::new();
    let first = place.publish(1);
    place.publish(2);
    place.boot(&[]);
    place.assert_settled(2);
    place.announce(&Pointer {
        generation: Generation::new(3),
        ..first
    });
    for source in ["made", "mounted already"] {
        let ended = place.boot(&["reconcile"]);
        assert_eq!(ended.last()["source"], source, "{}", ended.text);
        place.assert_settled(1);
    }
}

/// Of two places the first has fallen behind: on a machine that knows nothing, and on one that has seen more.
#[test]
fn a_place_that_has_fallen_behind_does_not_keep_the_next_from_being_heard() {
    let place = Place::new();
    let copy = place.path("behind");
    fs::create_dir(&copy).unwrap();
    for name in [Pointer::FILE, Pointer::SIGNATURE_FILE] {
        fs::copy(place.path("published").join(name), copy.join(name)).unwrap();
    }
    place.publish(2);
    let pointers = [copy, place.path("published")];
    let pointers = pointers.map(|directory| {
        let file = directory.join(Pointer::FILE);
        format!("--pointer=file://{}", file.display())
    });
    let pointers = [&*pointers[0], &*pointers[1]];
    let ended = place.boot_from(&pointers);
    assert_eq!(ended.code, 0, "{}", ended.text);
    place.assert_settled(2);
    // The machine starts again, and remembers.
    fs::remove_file(place.release()).unwrap();
    let ended = place.boot_from(&pointers);
    assert_eq!(ended.code, 0, "{}", ended.text);
    place.assert_settled(2);
    // If none is better it is refused, as ever.
    fs::remove_file(place.release()).unwrap();
    let ended = place.boot_from(&pointers[..1]);
    assert_eq!(ended.code, 5, "{}", ended.text);
}

#[test]
fn what_makes_no_sense_is_a_usage_error() {
    let place = Place::new();
    for (arguments, words) in [
        (&["--moutn=/x"][..], "the nearest is `mount`"),
        (&["--moutn"], "there is no key `moutn`; the nearest is"),
        (
            &["--attempts=x"],
            "release-boot: `attempts` can't be `x`: it is a whole number between 1 and 1000\n",
        ),
        (&["--config=/nonexistent"], "/nonexistent can't be read"),
        (&["--public-key=/nonexistent"], "/nonexistent can't be read"),
        (&["--authorities=/dev/null"], "there is no certificate"),
        (&["deploy"], "there is no verb `deploy`"),
    ] {
        let ended = place.boot(arguments);
        assert_eq!(ended.code, 2, "{}", ended.text);
        assert!(ended.text.contains(words), "{words}: {}", ended.text);
        place.assert_untouched();
    }
    let ended = place.boot_from(&[]);
    assert_eq!(ended.code, 2, "{}", ended.text);
    assert!(ended.text.contains("`pointer` is missing"));
    let ended = place.boot(&["--root=/"]);
    assert_eq!(ended.code, 1, "{}", ended.text);
    assert!(
        ended.text.contains("is no instance's root"),
        "{}",
        ended.text
    );
}
