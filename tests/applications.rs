//! Two applications on the same machines, deployed from one server that has one state directory for both.

use std::fs;

use release_tests::scene::{Scene, write};

#[test]
fn each_goes_back_to_its_own_release() {
    let scene = Scene::new(2);
    let shop = scene.source();
    let blog = shop.with_file_name("blog");
    fs::create_dir(&blog).unwrap();
    let mut other = scene.colleague();
    other.set("source", &blog);
    other.set("path", scene.rack.shared().join("blog"));
    other.set("directory", scene.cli.state());
    let on_hosts = |name: &str| {
        let hosts = scene.hosts.iter();
        let read = |host: &release_tests::sshd::Sshd| fs::read_to_string(host.shared().join(name));
        hosts.map(|host| read(host).unwrap()).collect::<Vec<_>>()
    };

    write(&shop, "index", "shop 1");
    write(&blog, "index", "blog 1");
    scene.cli.deploy().assert_proven();
    other.deploy().assert_proven();
    // The other application's deploy is nothing to go back from.
    let early = scene.cli.run(&["rollback"]);
    early.assert_failed(1, &["no earlier release"]);

    write(&shop, "index", "shop 2");
    write(&blog, "index", "blog 2");
    scene.cli.deploy().assert_proven();
    other.deploy().assert_proven();
    let back = scene.cli.run(&["rollback"]);
    assert_eq!(back.code, Some(0), "{back:#?}");
    assert_eq!(back.host("alpha").outcome, "undone");
    assert_eq!(on_hosts("release/index"), ["shop 1"; 2]);
    assert_eq!(on_hosts("blog/index"), ["blog 2"; 2]);

    // By name and again: nothing is undone, and that is what is said.
    let again = scene.cli.run(&["rollback", "1"]);
    assert_eq!(again.code, Some(0), "{again:#?}");
    assert_eq!(again.host("bravo").outcome, "unchanged");
    let back = other.run(&["rollback"]);
    assert_eq!(back.code, Some(0), "{back:#?}");
    assert_eq!(on_hosts("release/index"), ["shop 1"; 2]);
    assert_eq!(on_hosts("blog/index"), ["blog 1"; 2]);
}

/// A host that keeps another release than the others is named, and left as it is.
#[test]
fn a_host_that_would_come_to_another_release_stays() {
    let scene = Scene::new(2);
    write(&scene.source(), "index", "1");
    scene.cli.deploy().assert_proven();
    write(&scene.source(), "index", "2");
    let one = scene.cli.deploy_with(&["--host", "alpha"]);
    one.assert_proven();
    write(&scene.source(), "index", "3");
    scene.cli.deploy().assert_proven();
    let back = scene.cli.run(&["rollback"]);
    assert_eq!(back.code, Some(3), "{back:#?}");
    assert_eq!(back.host("alpha").outcome, "undone");
    assert_eq!(back.host("bravo").outcome, "failed");
    back.assert_failed(3, &["bravo", "it would come to release"]);
    let on = |host: usize| fs::read_to_string(scene.hosts[host].tree().join("index")).unwrap();
    assert_eq!([on(0), on(1)], ["2", "3"]);
}

/// What has a `.ssh` is somebody's home, and no place for a release.
#[test]
fn a_home_is_no_destination() {
    let scene = Scene::new(1);
    write(&scene.source(), "index", "1");
    let home = scene.host().tree();
    write(&home, ".ssh/authorized_keys", "precious");
    scene.cli.deploy().assert_failed(5, &["alpha", ".ssh"]);
    let kept = fs::read_to_string(home.join(".ssh/authorized_keys")).unwrap();
    assert_eq!(kept, "precious");
    assert!(!home.join(".release").exists());
}
