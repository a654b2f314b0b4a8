//! What is asked of instances besides a deploy: where they are, the way back, what is wrong with them.

use std::fs;

use release_tests::sshd::SshdOptions;
use serde_json::Value;

use crate::scene::{Scene, outcomes};
use crate::server::Run;

/// The last event of each host.
#[track_caller]
fn of_host<'e>(run: &'e Run, host: &str) -> &'e Value {
    let hosts = run.named("host").into_iter();
    let mut hosts = hosts.filter(|event| event["host"] == host);
    hosts
        .next_back()
        .unwrap_or_else(|| panic!("{host}: {run:#?}"))
}

#[test]
fn status_shows_what_each_instance_has() {
    let mut scene = Scene::new(3);
    let deployed = scene.deploy();
    deployed.assert_done();
    let release = &deployed.named("published")[0]["release"];
    let [well, edited, asleep] = &scene.group.instances()[..] else {
        panic!("there are three");
    };
    let ids = [well, edited, asleep].map(|instance| instance.id.clone());
    let [well, edited, asleep] = ids;
    let tree = scene.group.host(&edited).unwrap().tree();
    fs::write(tree.join("index.html"), "tampered").unwrap();
    scene.group.stop(&asleep);
    let run = scene.server.run(&["status"]);
    assert_eq!(run.code, Some(1), "one has drifted: {run:#?}");
    for (id, drift) in [(&well, false), (&edited, true)] {
        let host = of_host(&run, id);
        assert_eq!(host["release"], *release, "{run:#?}");
        assert_eq!(host["generation"], 1);
        assert_eq!(host["drift"], drift);
    }
    assert!(
        run.said.contains(&format!("{asleep}: asleep")),
        "{}",
        run.said
    );
    let one = scene.server.run(&["status", "--host", &well]);
    one.assert_done();
    assert_eq!(one.named("host").len(), 1);
    // The next deploy mends it.
    scene.deploy().assert_done();
    assert_eq!(scene.on(&edited).as_deref(), Some("hello"));
}

#[test]
fn rollback_takes_instances_and_those_to_come_to_the_release_before() {
    let mut scene = Scene::new(2);
    scene.deploy().assert_done();
    let first = scene.server.published();
    scene.server.write("index.html", "mistake");
    scene.deploy().assert_done();
    let run = scene.server.run(&["rollback", "--yes"]);
    run.assert_done();
    for instance in scene.group.instances() {
        assert_eq!(scene.on(&instance.id).as_deref(), Some("hello"));
        assert_eq!(outcomes(&run)[instance.id.as_str()], "undone", "{run:#?}");
    }
    scene.published();
    let back = scene.server.published();
    assert_eq!(back["generation"], 3);
    for key in ["snapshot", "release"] {
        assert_eq!(back[key], first[key]);
    }
    scene.server.assert_clean(2);

    // An instance that can't be reached does not keep the others, and is named; those to come boot the older one.
    scene.server.write("index.html", "again");
    scene.deploy().assert_done();
    let [stays, lost] = &scene.group.instances()[..] else {
        panic!("there are two");
    };
    let (stays, lost) = (stays.id.clone(), lost.id.clone());
    scene.group.cut_off(&lost);
    let run = scene.server.run(&["rollback", "--yes"]);
    assert_eq!(run.code, Some(3), "{run:#?}");
    let named = outcomes(&run);
    assert_eq!(named[stays.as_str()], "undone", "{run:#?}");
    assert_ne!(named[lost.as_str()], "undone", "{run:#?}");
    assert_eq!(scene.on(&stays).as_deref(), Some("hello"));
    assert_eq!(scene.server.published()["snapshot"], first["snapshot"]);
}

fn checks<'e>(run: &'e Run, host: Option<&str>) -> Vec<(&'e str, &'e str)> {
    let checks = run.named("check").into_iter();
    checks
        .filter(|event| event["host"].as_str() == host)
        .map(|event| {
            let word = |key: &str| event[key].as_str().unwrap();
            (word("check"), word("result"))
        })
        .collect()
}

#[test]
fn the_doctor_looks_at_instances_too() {
    let mut scene = Scene::new(2);
    scene.deploy().assert_done();
    let [well, lost] = &scene.group.instances()[..] else {
        panic!("there are two");
    };
    let (well, lost) = (well.id.clone(), lost.id.clone());
    let run = scene.doctor(&[]);
    run.assert_done();
    for part in [
        "cloud",
        "permission",
        "volume",
        "freeze",
        "signing-key",
        "pointer",
    ] {
        assert!(
            checks(&run, None).contains(&(part, "ok")),
            "{part}: {run:#?}"
        );
    }
    for instance in [&well, &lost] {
        let found = checks(&run, Some(instance));
        for part in ["ssh", "agent", "clock"] {
            assert!(found.contains(&(part, "ok")), "{part}: {run:#?}");
        }
    }
    scene.group.cut_off(&lost);
    let stranger = scene.group.launch(1).remove(0);
    scene.group.boot(&stranger, SshdOptions::default());
    let run = scene.doctor(&[]);
    assert_eq!(run.code, Some(1), "{run:#?}");
    assert!(checks(&run, Some(&well)).contains(&("ssh", "ok")));
    for instance in [&lost, &stranger.id] {
        assert!(
            checks(&run, Some(instance)).contains(&("ssh", "fault")),
            "{run:#?}"
        );
    }
    scene.doctor(&["--host", &well]).assert_done();
    let unknown = scene.doctor(&["--host", "i-0123456789abcdef0"]);
    unknown.assert_fails(2, &["i-0123456789abcdef0"]);

    // Each thing of the server's own.
    let volume = scene.server.volume();
    scene.server.reconfigure(&volume, "vol-0123456789abcdef0");
    let run = scene.doctor(&["--host", &well]);
    assert!(
        checks(&run, None).contains(&("volume", "fault")),
        "{run:#?}"
    );
    scene.server.reconfigure("vol-0123456789abcdef0", &volume);
    scene
        .server
        .reconfigure("groups = [\"web\"]", "groups = [\"wbe\"]");
    let run = scene.doctor(&[]);
    assert!(
        checks(&run, None).contains(&("instances", "fault")),
        "{run:#?}"
    );
    assert!(run.said.contains("wbe") || format!("{run:?}").contains("wbe"));
}
