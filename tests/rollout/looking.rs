//! What looks at the instances of groups, or only pushes to them.

use rustix::process::{Pid, Signal, kill_process};

use super::*;

/// The lines of an event, as they are.
fn events(output: &Output, event: &str) -> Vec<serde_json::Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines
        .filter(|line: &serde_json::Value| line["event"] == event)
        .collect()
}

fn named(events: &[serde_json::Value]) -> Vec<&str> {
    let mut names: Vec<_> = events
        .iter()
        .filter_map(|one| one["host"].as_str())
        .collect();
    names.sort_unstable();
    names
}

/// Those that could not be asked, and the others.
fn absent(hosts: Vec<serde_json::Value>) -> (Vec<serde_json::Value>, Vec<serde_json::Value>) {
    let hosts = hosts.into_iter();
    hosts.partition(|host| host["state"] != "found")
}

#[test]
fn plan_and_status_know_the_instances() {
    let server = Server::new();
    let mut hosts = server.launch_old(2);
    let asleep = server.launch(true);
    hosts.sort();
    let ids: Vec<_> = hosts.iter().map(InstanceId::as_str).collect();

    let plan = server.command(&["plan"]).output().unwrap();
    assert_eq!(plan.status.code(), Some(0), "{plan:?}");
    let planned = events(&plan, "host");
    let (left_out, planned) = absent(planned);
    assert_eq!(named(&planned), ids);
    assert_eq!(named(&left_out), [asleep.as_str()]);
    assert_eq!(left_out[0]["state"], "asleep");
    assert!(
        planned.iter().all(|host| host["files_sent"] == 1),
        "{planned:?}"
    );
    let said = String::from_utf8_lossy(&plan.stderr);
    assert!(said.contains(&format!("{asleep}: asleep")), "{said}");
    assert!(hosts.iter().all(|host| server.on(host).is_none()));

    server.deploy().assert_code(0);
    let status = server.command(&["status"]).output().unwrap();
    assert_eq!(status.status.code(), Some(0), "{status:?}");
    let (left_out, found) = absent(events(&status, "host"));
    assert_eq!(named(&found), ids);
    assert_eq!(named(&left_out), [asleep.as_str()]);
    for host in &found {
        assert_eq!(host["generation"], 1, "{host}");
        assert_eq!(host["drift"], false, "{host}");
    }
    let one = server.command(&["status", "--host", ids[0]]);
    let one = { one }.output().unwrap();
    assert_eq!(named(&events(&one, "host")), [ids[0]]);
}

#[test]
fn a_name_that_nothing_has_is_a_mistake() {
    let server = Server::new();
    server.launch_old(1);
    for verb in ["plan", "status"] {
        let run = server
            .command(&[verb, "--host", "i-0123"])
            .output()
            .unwrap();
        assert_eq!(run.status.code(), Some(2), "{run:?}");
    }
}

#[test]
fn only_pushing_publishes_nothing_and_says_so() {
    let server = Server::new();
    let host = server.launch_old(1).remove(0);
    let asleep = server.launch(true);
    let run = server.command(&["deploy", "--no-snapshot"]).output();
    let run = Run::of(run.unwrap());
    run.assert_code(0);
    let outcomes = run.outcomes();
    assert_eq!(outcomes[host.as_str()], "committed");
    assert_eq!(outcomes[asleep.as_str()], "asleep");
    assert_eq!(server.on(&host).as_deref(), Some("first"));
    assert!(run.stderr.contains("the pointer"), "{}", run.stderr);
    assert!(server.snapshots().is_empty() && server.pointed().is_none());
}

#[test]
fn an_instance_that_is_launched_after_the_publication_sees_to_itself() {
    let server = Server::new();
    server.launch_old(1);
    let deploy = server.start();
    wait_for("it is published", || server.pointed().is_some());
    let after = server.launch(false);
    let run = Run::of(deploy.wait_with_output().unwrap());
    run.assert_code(0);
    assert_eq!(run.outcomes()[after.as_str()], "booting", "{run:#?}");
    assert_eq!(server.on(&after), None);
}

#[test]
fn a_deploy_that_was_killed_after_its_publication_goes_on_where_it_was() {
    let server = Server::new();
    let host = server.launch_old(1).remove(0);
    let mut deploy = server.start();
    wait_for("it is published", || server.pointed().is_some());
    let unfinished = server.folder.path().join("state/unfinished.json");
    wait_for("the record says so", || {
        fs::read_to_string(&unfinished).is_ok_and(|text| !text.contains("\"published\": null"))
    });
    deploy.kill().unwrap();
    deploy.wait().unwrap();
    let pointed = server.pointed();
    let status = server.command(&["status"]).output().unwrap();
    let said = String::from_utf8_lossy(&status.stderr);
    assert!(said.contains("has not come to its end"), "{said}");

    let run = server.deploy();
    run.assert_code(0);
    assert!(run.stderr.contains("resumed"), "{}", run.stderr);
    assert_eq!(run.finished.as_ref().unwrap().generation, 1);
    assert_eq!(run.outcomes()[host.as_str()], "unchanged", "{run:#?}");
    assert_eq!(server.pointed(), pointed);
    server.assert_tidy(1);
}

#[test]
fn going_back_takes_instances_and_the_pointer_along() {
    let server = Server::new();
    let mut hosts = server.launch_old(2);
    hosts.sort();
    server.deploy().assert_code(0);
    server.edit("index.html", "second");
    server.deploy().assert_code(0);
    let pointer = || -> serde_json::Value {
        let text = fs::read(server.publish().join("release.json")).unwrap();
        serde_json::from_slice(&text).unwrap()
    };
    let before = pointer();
    let back = server.command(&["rollback"]).output().unwrap();
    assert_eq!(back.status.code(), Some(0), "{back:?}");
    for host in &hosts {
        assert_eq!(server.on(host).as_deref(), Some("first"));
    }
    let after = pointer();
    assert!(after["generation"].as_u64() > before["generation"].as_u64());
    assert_eq!(after["snapshot"], before["previous"]["snapshot"]);
    let finished = &events(&back, "finished")[0];
    assert_eq!(finished["outcome"], "ok");
    assert_eq!(finished["generation"], after["generation"]);
    let status = server.command(&["status"]).output().unwrap();
    for host in events(&status, "host") {
        assert_eq!(host["generation"], after["generation"], "{host}");
        assert_eq!(host["release"], after["release"], "{host}");
    }

    // By name and again: nothing is published, and nobody is turned round.
    let again = server.command(&["rollback", "1"]).output().unwrap();
    assert_eq!(again.status.code(), Some(0), "{again:?}");
    assert_eq!(pointer(), after);
    assert_eq!(server.on(&hosts[0]).as_deref(), Some("first"));

    // The next deploy goes on from there.
    server.edit("index.html", "third");
    server.deploy().assert_code(0);
    assert_eq!(server.on(&hosts[1]).as_deref(), Some("third"));
    assert_eq!(pointer()["previous"]["generation"], after["generation"]);
}

/// A release that was deployed twice, since a host was down the first time say, is one release.
#[test]
fn going_back_passes_over_what_is_the_same_release() {
    let server = Server::new();
    let host = server.launch_old(1).remove(0);
    server.deploy().assert_code(0);
    let first = server.pointed();
    server.edit("index.html", "mistake");
    server.deploy().assert_code(0);
    server.deploy().assert_code(0);
    let back = Run::of(server.command(&["rollback"]).output().unwrap());
    back.assert_code(0);
    assert_eq!(back.outcomes()[host.as_str()], "undone", "{back:#?}");
    assert_eq!(server.on(&host).as_deref(), Some("first"));
    assert_eq!(server.pointed(), first);
    // The named one again: it has that already.
    let again = Run::of(server.command(&["rollback", "1"]).output().unwrap());
    again.assert_code(0);
    assert_eq!(again.outcomes()[host.as_str()], "unchanged", "{again:#?}");
}

/// A host with the second of two published releases, whose snapshot comes last, and a mistake in the source that is not deployed yet.
fn before_a_mistake() -> (Server, InstanceId, Option<String>) {
    let server = Server::new();
    let host = server.launch_old(1).remove(0);
    server.deploy().assert_code(0);
    server.edit("index.html", "second");
    server.deploy().assert_code(0);
    let second = server.pointed();
    server.edit("index.html", "mistake");
    (server, host, second)
}

#[test]
fn what_was_only_pushed_is_gone_back_from_to_what_is_published() {
    let (server, host, second) = before_a_mistake();
    let pushed = server.command(&["deploy", "--no-snapshot"]).output();
    Run::of(pushed.unwrap()).assert_code(0);
    let output = server.command(&["rollback"]).output().unwrap();
    // By a generation that is higher than that of whoever sleeps with the mistake.
    assert_eq!(events(&output, "published")[0]["generation"], 4);
    let back = Run::of(output);
    back.assert_code(0);
    assert_eq!(back.outcomes()[host.as_str()], "undone", "{back:#?}");
    assert_eq!(server.on(&host).as_deref(), Some("second"));
    assert_eq!(server.pointed(), second);
    // By name and again nothing is published.
    let again = server.command(&["rollback", "2"]).output().unwrap();
    assert_eq!(again.status.code(), Some(0), "{again:?}");
    assert!(events(&again, "published").is_empty(), "{again:?}");
}

#[test]
fn a_deploy_that_was_interrupted_before_its_publication_is_gone_back_from() {
    let (server, host, second) = before_a_mistake();
    let slow = Delays {
        snapshot: 60_000,
        ..DELAYS
    };
    server.cloud.set_delays(slow).unwrap();
    let deploy = server.start();
    wait_for("it is committed", || {
        server.on(&host).as_deref() == Some("mistake")
    });
    // The rest of the commit.
    sleep(Duration::from_millis(500));
    kill_process(Pid::from_child(&deploy), Signal::TERM).unwrap();
    let run = Run::of(deploy.wait_with_output().unwrap());
    run.assert_code(130);
    let finished = run.finished.as_ref().unwrap();
    assert_eq!(finished.outcome, "partial", "{run:#?}");
    assert!(run.stderr.contains("nothing was published"), "{run:#?}");
    let history = server.command(&["history", "--last", "1"]).output();
    assert_eq!(events(&history.unwrap(), "deploy")[0]["outcome"], "partial");

    let back = Run::of(server.command(&["rollback"]).output().unwrap());
    back.assert_code(0);
    assert_eq!(server.on(&host).as_deref(), Some("second"));
    assert_eq!(server.pointed(), second);
    // Nothing of it is left to be told of.
    let status = server.command(&["status"]).output().unwrap();
    let said = String::from_utf8_lossy(&status.stderr);
    assert!(!said.contains("has not come to its end"), "{said}");
}

#[test]
fn what_a_deploy_left_alone_is_no_drift() {
    let server = Server::new();
    let host = server.launch_old(1).remove(0);
    server.deploy().assert_code(0);
    let own = server.cloud.instance_root(&host).join("release/own.log");
    fs::write(&own, "the host's").unwrap();
    let drift = || {
        let status = server.command(&["status"]).output().unwrap();
        events(&status, "host")[0]["drift"].clone()
    };
    assert_eq!(drift(), true);
    let words = ["deploy", "--no-snapshot", "--exclude", "*.log"];
    Run::of(server.command(&words).output().unwrap()).assert_code(0);
    assert!(own.exists());
    assert_eq!(drift(), false);
}
