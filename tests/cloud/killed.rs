//! `kill -9` at every step of a deploy: the next one ends clean. Nothing is lost, frozen, locked or left over.
//!
//! Whoever writes to a frozen file system can't be killed: nothing here does so, but for children that nobody
//! waits for.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Child;
use std::time::Duration;

use release_tests::ec2::{Delays, Fault};
use rustix::process::{Pid, Signal, kill_process};

use crate::scene::{Scene, wait_for};
use crate::server::{Run, watchdog};

/// Longer than a test waits for anything.
const HELD: Duration = Duration::from_secs(20);

/// What changes something: it makes a difference whether it was done when whoever asked for it died.
const DEEDS: [&str; 3] = ["CreateSnapshot", "CreateTags", "DeleteSnapshot"];

/// A deploy that will be killed. Of its generations two are kept, so that each deploy makes all calls.
fn scene() -> (Scene, String) {
    let (scene, instance) = Scene::deployed();
    scene.server.reconfigure("keep = 10", "keep = 1");
    scene.assert_next_is_clean(&instance, "two", 2);
    (scene, instance)
}

fn kill(child: &mut Child) {
    kill_process(Pid::from_child(child), Signal::KILL).unwrap();
    child.wait().unwrap();
}

/// What has to be so right after the death: what is published verifies, the host has one release or the other,
/// and whoever writes can.
#[track_caller]
fn assert_survived(scene: &Scene, instance: &str, old: &str, new: &str) {
    scene.server.assert_thawed();
    let on = scene.on(instance).unwrap();
    assert!(on == old || on == new, "{on}");
}

/// Was a snapshot asked for of which nobody knows whether it will yet be made? That stays in the ledger for a
/// quarter of an hour, and nothing else does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InDoubt {
    Yes,
    No,
    Perhaps,
}

/// The next one ends clean.
#[track_caller]
fn assert_made_up_for(scene: &Scene, instance: &str, content: &str, is_in_doubt: InDoubt) {
    let volumes = scene.server.ec2.inventory().volumes();
    scene.deploy().assert_done();
    let ledger = scene.server.at("state/snapshots.json");
    if let Ok(entries) = fs::read_to_string(&ledger) {
        assert_ne!(is_in_doubt, InDoubt::No, "{entries}");
        assert_eq!(entries.matches("\"tag\"").count(), 1, "{entries}");
        // As when the quarter of an hour has passed.
        fs::remove_file(ledger).unwrap();
    } else {
        assert_ne!(is_in_doubt, InDoubt::Yes);
    }
    scene.assert_settled(instance, content, 2);
    assert_eq!(scene.server.ec2.inventory().volumes(), volumes);
    let frozen = fs::read_to_string(scene.server.at("state/freeze.lock")).unwrap();
    assert_eq!(frozen, "");
    scene
        .group
        .host(instance)
        .unwrap()
        .wait_for_the_end_of_agents();
}

/// Kills a deploy in its `number`th call; `None` when it makes fewer.
fn killed_in_call(scene: &Scene, number: u32, is_done: bool) -> Option<String> {
    let ec2 = &scene.server.ec2;
    ec2.forget_calls();
    let fault = match is_done {
        true => Fault::late(HELD),
        false => Fault::hang(HELD),
    };
    ec2.add_fault(fault.one_in(number).times(1));
    let mut child = scene.command(&[]).spawn().unwrap();
    let call = || ec2.calls().get(number as usize - 1).cloned();
    let mut has_ended = false;
    while !has_ended && !call().is_some_and(|call| !is_done || call.is_over) {
        std::thread::sleep(Duration::from_millis(5));
        has_ended = matches!(child.try_wait(), Ok(Some(_)));
    }
    let action = call().map(|call| call.action);
    if !has_ended {
        kill(&mut child);
    }
    ec2.clear_faults();
    match has_ended {
        false => action,
        true => {
            Run::of(child.wait_with_output().unwrap()).assert_done();
            None
        }
    }
}

#[test]
fn in_any_call_to_the_cloud() {
    let (scene, instance) = scene();
    let (mut old, mut seen) = (String::from("two"), BTreeSet::new());
    for number in 1.. {
        for is_done in [true, false] {
            let new = format!("{number} {is_done}");
            scene.server.write("index.html", &new);
            let Some(action) = killed_in_call(&scene, number, is_done) else {
                for deed in DEEDS {
                    assert!(seen.contains(deed), "{seen:?}");
                }
                assert!(seen.len() >= 7, "{seen:?}");
                return;
            };
            assert_survived(&scene, &instance, &old, &new);
            let is_in_doubt = match action == "CreateSnapshot" && !is_done {
                true => InDoubt::Yes,
                false => InDoubt::No,
            };
            assert_made_up_for(&scene, &instance, &new, is_in_doubt);
            old = new;
            let is_deed = DEEDS.contains(&action.as_str());
            seen.insert(action);
            if !is_deed {
                break;
            }
        }
    }
}

/// Kills a deploy when it has said so many lines; `false` when it says fewer.
fn killed_after_event(scene: &Scene, number: usize) -> bool {
    let mut child = scene.command(&[]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let is_cut = lines.by_ref().take(number).count() == number;
    kill(&mut child);
    is_cut
}

#[test]
fn after_any_event() {
    let (scene, instance) = scene();
    let mut old = String::from("two");
    for number in 1.. {
        let new = number.to_string();
        scene.server.write("index.html", &new);
        let is_cut = killed_after_event(&scene, number);
        assert_survived(&scene, &instance, &old, &new);
        assert_made_up_for(&scene, &instance, &new, InDoubt::Perhaps);
        old = new;
        if !is_cut {
            assert!(number > 8, "a deploy says more than {number} lines");
            return;
        }
    }
}

/// A deploy that is frozen, and stays so for some seconds unless it is killed.
fn frozen(scene: &Scene) -> Child {
    let ec2 = &scene.server.ec2;
    ec2.forget_calls();
    let slow = Fault::late(Duration::from_secs(3));
    ec2.add_fault(slow.on("CreateSnapshot").times(1));
    let child = scene.command(&[]).spawn().unwrap();
    wait_for("the call", || {
        let calls = ec2.calls();
        let mut calls = calls.iter();
        calls.any(|call| call.action == "CreateSnapshot" && call.is_over)
    });
    child
}

#[test]
fn with_or_without_the_watchdog_while_it_is_frozen() {
    let (scene, instance) = scene();
    // The watchdog alone: the deploy thaws by itself.
    scene.server.write("index.html", "three");
    let child = frozen(&scene);
    kill_process(watchdog(&child).unwrap(), Signal::KILL).unwrap();
    Run::of(child.wait_with_output().unwrap()).assert_done();
    scene.assert_settled(&instance, "three", 2);

    // The deploy alone: the watchdog thaws, at once.
    scene.server.write("index.html", "four");
    kill(&mut frozen(&scene));
    assert_survived(&scene, &instance, "three", "four");
    assert_made_up_for(&scene, &instance, "four", InDoubt::No);

    // Both: nobody is left who would thaw, but the next command. A writer sleeps until then, and is not waited for.
    scene.server.write("index.html", "five");
    let mut child = frozen(&scene);
    kill_process(watchdog(&child).unwrap(), Signal::KILL).unwrap();
    kill(&mut child);
    let mut writer = scene.server.writer("late.txt");
    std::thread::sleep(Duration::from_millis(300));
    assert!(writer.try_wait().unwrap().is_none(), "it is frozen");
    let run = Run::of(scene.server.command(&["history"]).output().unwrap());
    run.assert_done();
    assert!(run.said.contains("is thawed now"), "{}", run.said);
    wait_for("the writer's end", || writer.try_wait().unwrap().is_some());
    assert_made_up_for(&scene, &instance, "five", InDoubt::No);
}

/// Before it is frozen, between two attempts, after the thaw: as soon as there is a watchdog it is killed.
#[test]
fn whoever_loses_its_watchdog_at_once_freezes_nothing_for_long() {
    let (scene, instance) = scene();
    for content in ["three", "four", "five"] {
        scene.server.write("index.html", content);
        let mut child = scene.command(&[]).spawn().unwrap();
        while matches!(child.try_wait(), Ok(None)) {
            if let Some(pid) = watchdog(&child) {
                // It may have ended just now.
                let _ = kill_process(pid, Signal::KILL);
                break;
            }
        }
        let run = Run::of(child.wait_with_output().unwrap());
        // Without one that is ready, nothing is frozen at all, and no host was changed.
        assert!(matches!(run.code, Some(0 | 1)), "{run:#?}");
        if run.code == Some(1) {
            assert!(run.said.contains("watch"), "{}", run.said);
            assert_ne!(scene.on(&instance).as_deref(), Some(content));
        }
        scene.server.assert_thawed();
        assert_made_up_for(&scene, &instance, content, InDoubt::No);
    }
}

/// A release server that is killed while instances are still to be caught up with.
#[test]
fn in_the_catch_up_and_the_next_one_resumes_it() {
    let (mut scene, instance) = scene();
    scene
        .server
        .reconfigure("settle = \"300ms\"", "settle = \"3s\"");
    let before = scene.published();
    scene.server.write("index.html", "three");
    let mut child = scene.command(&[]).spawn().unwrap();
    let document = scene.server.at("state/unfinished.json");
    wait_for("the publication", || {
        let record = fs::read_to_string(&document).unwrap_or_default();
        record.contains("\"published\": \"") || record.contains("\"published\": {")
    });
    kill(&mut child);
    assert_ne!(scene.published(), before);
    let generation = scene.server.published()["generation"].clone();
    // One that came meanwhile, with the release before.
    let late = scene.group.add(1).remove(0);
    scene.group.show_host_key(&late.id);
    let history = Run::of(scene.server.command(&["history"]).output().unwrap());
    assert!(
        history.said.contains("has not come to its end"),
        "{history:#?}"
    );
    scene
        .server
        .reconfigure("settle = \"3s\"", "settle = \"300ms\"");
    let run = scene.deploy();
    run.assert_done();
    assert!(run.said.contains("is resumed"), "{}", run.said);
    assert_eq!(scene.server.published()["generation"], generation);
    assert_eq!(scene.on(&late.id).as_deref(), Some("three"));
    scene.assert_settled(&instance, "three", 2);
}

/// A request that was on its way when whoever sent it died: what comes of it is found, and deleted.
#[test]
fn a_snapshot_that_is_seen_only_later_is_deleted_then() {
    let (scene, instance) = scene();
    let ec2 = &scene.server.ec2;
    let settle = ["settle = \"300ms\"", "settle = \"5s\""];
    scene.server.reconfigure(settle[0], settle[1]);
    ec2.set_delays(Delays {
        listing: Duration::from_secs(4),
        ..Delays::default()
    });
    scene.server.write("index.html", "three");
    let mut child = frozen(&scene);
    kill(&mut child);
    ec2.clear_faults();
    scene.server.assert_thawed();
    let snapshots = ec2.inventory().snapshots();
    assert_eq!(snapshots, 3);
    // Not to be seen yet: it stays in the ledger.
    scene.deploy().assert_done();
    assert!(scene.server.at("state/snapshots.json").exists());
    scene.server.reconfigure(settle[1], settle[0]);
    std::thread::sleep(Duration::from_secs(4));
    ec2.set_delays(Delays::default());
    let run = scene.deploy();
    run.assert_done();
    assert!(run.said.contains("was deleted"), "{}", run.said);
    // It was deployed twice, and "two" is what could be gone back to.
    scene.assert_settled(&instance, "three", 3);
}

/// What is gone back to is published, and hosts have not gone back yet: a repetition takes them there, and publishes
/// nothing anew.
#[test]
fn in_a_rollback_between_the_publication_and_the_hosts() {
    let (scene, instance) = scene();
    let ec2 = &scene.server.ec2;
    for is_done in [true, false] {
        let current = scene.server.published();
        let previous = &current["previous"];
        let was = scene.on(&instance);
        let fault = if is_done { Fault::late } else { Fault::hang };
        ec2.forget_calls();
        ec2.add_fault(fault(HELD).on("CreateTags").times(1));
        let mut child = scene
            .server
            .command(&["rollback", "--yes"])
            .spawn()
            .unwrap();
        wait_for("the tags", || {
            let calls = ec2.calls();
            let mut calls = calls.iter();
            calls.any(|call| call.action == "CreateTags" && (call.is_over || !is_done))
        });
        kill(&mut child);
        ec2.clear_faults();
        let published = scene.published();
        assert_eq!(scene.server.published()["snapshot"], previous["snapshot"]);
        assert_eq!(scene.on(&instance), was);
        let generation = previous["generation"].to_string();
        let again = ["rollback", "--yes", &generation];
        scene.server.run(&again).assert_done();
        assert_eq!(scene.published(), published);
        assert_ne!(scene.on(&instance), was);
        let content = format!("after {is_done}");
        scene.server.write("index.html", &content);
        assert_made_up_for(&scene, &instance, &content, InDoubt::No);
    }
}
